//! Resource limits of a target: setrlimit(2).

use crate::model::cgroup::Bound;
use crate::model::limits::{Resource, Rlimit};
use crate::model::standing::Shortfall;
use crate::sys::rlimits;
use rustix::io::Result;

/// Raises our hard limits to the target's where they are lower, since that may be forbidden later;
/// our soft limits stay. What the program can have comes back.
pub(super) fn make_room(wanted: &[Rlimit], missing: &mut Vec<Shortfall>) -> Vec<Rlimit> {
    wanted.iter().map(|limit| within(limit, rlimits::raised(limit), missing)).collect()
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
        rlimits::set(limit)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(soft: Bound, hard: Bound) -> Rlimit {
        Rlimit { resource: Resource::OpenFiles, soft, hard, used: None, exempt: None }
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
}
