//! Resource limits of this process: setrlimit(2).

use crate::model::cgroup::Bound;
use crate::model::limits::{Resource, Rlimit};
use rustix::io::Result;
use rustix::process::{self, getrlimit, setrlimit};

/// Sets both limits; EPERM where the hard one would be raised without CAP_SYS_RESOURCE in the first
/// user namespace.
pub fn set(limit: &Rlimit) -> Result<()> {
    let new = process::Rlimit { current: limit.soft.value(), maximum: limit.hard.value() };
    setrlimit(kernels(limit.resource), new)
}

/// Our hard limit, raised to the wanted one if it is lower and we may; our soft limit stays.
pub fn raised(wanted: &Rlimit) -> Bound {
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

/// More descriptors for this process where few are allowed: for what starts no program, which would
/// inherit them. What may not be had stays.
pub fn allow_descriptors() {
    const ENOUGH: u64 = 256;
    let ours = getrlimit(process::Resource::Nofile);
    if ours.current.is_none_or(|soft| soft >= ENOUGH) {
        return;
    }
    // Beyond the hard limit root alone may go.
    let beyond = ours.maximum.map(|hard| hard.max(ENOUGH));
    let all = [(Some(ENOUGH), beyond), (ours.maximum, ours.maximum)];
    let _ = all.into_iter().any(|(current, maximum)| {
        setrlimit(process::Resource::Nofile, process::Rlimit { current, maximum }).is_ok()
    });
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

    #[test]
    fn the_kernels_resources_are_all_different() {
        let mut numbers = Resource::ALL.map(|resource| kernels(resource) as u32).to_vec();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..16).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_not_lower_is_left_as_it_is() {
        let limit = Rlimit {
            resource: Resource::OpenFiles,
            soft: Bound::At(1),
            hard: Bound::At(1),
            used: None,
            exempt: None,
        };
        let before = getrlimit(process::Resource::Nofile);
        let ours = raised(&limit);
        assert_eq!(ours, before.maximum.map_or(Bound::Unlimited, Bound::At));
        assert_eq!(getrlimit(process::Resource::Nofile), before);
    }
}
