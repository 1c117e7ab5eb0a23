//! Resource limits of a target: setrlimit(2).

use crate::model::cgroup::Bound;
use crate::model::limits::{Resource, Rlimit};
use crate::model::standing::Shortfall;
use rustix::io::Result;
use rustix::process::{self, getrlimit, setrlimit};

/// Raises our hard limits to the target's where they are lower, since that may be forbidden later;
/// our soft limits stay. What the program can have comes back.
pub(super) fn make_room(wanted: &[Rlimit], missing: &mut Vec<Shortfall>) -> Vec<Rlimit> {
    wanted.iter().map(|limit| within(limit, raised(limit), missing)).collect()
}

/// Our hard limit, raised if it is lower and we may.
fn raised(wanted: &Rlimit) -> Bound {
    let resource = kernels(wanted.resource);
    let ours = getrlimit(resource);
    let lower = |than: Bound| match (ours.maximum, than) {
        (None, _) => false,
        (Some(_), Bound::Unlimited) => true,
        (Some(ours), Bound::At(wanted)) => ours < wanted,
    };
    let raised = process::Rlimit { maximum: wanted.hard.value(), ..ours };
    if lower(wanted.hard) && setrlimit(resource, raised).is_ok() {
        return wanted.hard;
    }
    ours.maximum.map_or(Bound::Unlimited, Bound::At)
}

/// No more than `hard`.
fn within(wanted: &Rlimit, hard: Bound, missing: &mut Vec<Shortfall>) -> Rlimit {
    let least = |one: Bound| match (one, hard) {
        (Bound::At(one), Bound::At(hard)) => Bound::At(one.min(hard)),
        (Bound::At(one), Bound::Unlimited) => Bound::At(one),
        (Bound::Unlimited, hard) => hard,
    };
    let ours = Rlimit { soft: least(wanted.soft), hard: least(wanted.hard), ..*wanted };
    if (ours.soft, ours.hard) != (wanted.soft, wanted.hard) {
        let name = wanted.resource.kernels_name();
        let why = format!(
            "{name} of {} at most, not of {}: raising it takes CAP_SYS_RESOURCE on the host",
            said(ours.hard),
            said(wanted.hard)
        );
        missing.push(Shortfall::new("resource limits", why));
    }
    ours
}

fn said(bound: Bound) -> String {
    bound.value().map_or_else(|| "any number".to_owned(), |value| value.to_string())
}

/// Those of `limits` that are `wanted`.
pub(super) fn set(limits: &[Rlimit], wanted: impl Fn(Resource) -> bool) -> Result<()> {
    for limit in limits.iter().filter(|limit| wanted(limit.resource)) {
        let new = process::Rlimit { current: limit.soft.value(), maximum: limit.hard.value() };
        setrlimit(kernels(limit.resource), new)?;
    }
    Ok(())
}

const fn kernels(resource: Resource) -> process::Resource {
    match resource {
        Resource::CpuSeconds => process::Resource::Cpu,
        Resource::FileBytes => process::Resource::Fsize,
        Resource::DataBytes => process::Resource::Data,
        Resource::StackBytes => process::Resource::Stack,
        Resource::CoreBytes => process::Resource::Core,
        Resource::ResidentBytes => process::Resource::Rss,
        Resource::Processes => process::Resource::Nproc,
        Resource::OpenFiles => process::Resource::Nofile,
        Resource::LockedBytes => process::Resource::Memlock,
        Resource::AddressSpaceBytes => process::Resource::As,
        Resource::FileLocks => process::Resource::Locks,
        Resource::PendingSignals => process::Resource::Sigpending,
        Resource::MessageQueueBytes => process::Resource::Msgqueue,
        Resource::Nice => process::Resource::Nice,
        Resource::RealtimePriority => process::Resource::Rtprio,
        Resource::RealtimeUsec => process::Resource::Rttime,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(soft: Bound, hard: Bound) -> Rlimit {
        Rlimit { resource: Resource::OpenFiles, soft, hard, used: None }
    }

    #[test]
    fn what_cannot_be_raised_is_the_lower_of_both_and_told() {
        let (at, any) = (Bound::At, Bound::Unlimited);
        let can = |soft, hard, ours| {
            let mut missing = Vec::new();
            let can = within(&files(soft, hard), ours, &mut missing);
            ((can.soft, can.hard), missing.len())
        };
        assert_eq!(can(at(10), at(20), at(20)), ((at(10), at(20)), 0));
        assert_eq!(can(at(10), at(20), any), ((at(10), at(20)), 0));
        assert_eq!(can(at(10), any, at(15)), ((at(10), at(15)), 1));
        assert_eq!(can(at(18), at(20), at(15)), ((at(15), at(15)), 1));
        assert_eq!(can(any, any, any), ((any, any), 0));
    }

    #[test]
    fn the_kernels_resources_are_all_different() {
        let mut numbers = Resource::ALL.map(|resource| kernels(resource) as u32).to_vec();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..16).collect::<Vec<_>>());
    }
}
