//! Limits of a process that are nearly met.

use crate::model::finding::Finding;
use crate::model::inspection::Section;
use crate::model::limits::{Limits, Resource, Rlimit};

const MUCH_PERCENT: u64 = 80;
const NEARLY_ALL_PERCENT: u64 = 95;

pub(super) fn findings(limits: &Limits) -> Vec<Finding> {
    let mut found: Vec<Finding> = limits.rlimits.iter().filter_map(of_rlimit).collect();
    let inotify = &limits.inotify;
    for (what, used, max) in [
        ("instances", inotify.of_one_user_instances, inotify.max_user_instances),
        ("watches", inotify.of_one_user_watches, inotify.max_user_watches),
    ] {
        if let (Some(used), Some(max)) = (used, max) {
            let percent = used.saturating_mul(100).checked_div(max);
            found.extend(percent.and_then(|percent| {
                nearly(
                    percent,
                    format!("inotify {what}: {used} of the {max} that its user may have"),
                )
            }));
        }
    }
    found
}

/// Those for which it matters how near one is.
fn of_rlimit(limit: &Rlimit) -> Option<Finding> {
    let what = match limit.resource {
        Resource::OpenFiles => "open files",
        Resource::Processes => "processes and threads of its user",
        Resource::LockedBytes => "locked memory",
        Resource::AddressSpaceBytes => "address space",
        Resource::DataBytes => "data segment",
        Resource::StackBytes => "stack",
        Resource::PendingSignals => "pending signals of its user",
        Resource::CpuSeconds => "CPU time",
        _ => return None,
    };
    let percent = limit.used_percent()?;
    nearly(percent, format!("{what} at {percent} % of the process's limit"))
}

fn nearly(percent: u64, text: String) -> Option<Finding> {
    match percent {
        NEARLY_ALL_PERCENT.. => Some(Finding::warning(Section::Limits, text)),
        MUCH_PERCENT.. => Some(Finding::notice(Section::Limits, text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cgroup::Bound;
    use crate::model::finding::Level;
    use crate::model::limits::Inotify;

    fn at(resource: Resource, used: u64, soft: Bound) -> Limits {
        Limits { rlimits: vec![rlimit(resource, used, soft)], ..Limits::default() }
    }

    fn rlimit(resource: Resource, used: u64, soft: Bound) -> Rlimit {
        let hard = Bound::Unlimited;
        Rlimit { resource, soft, hard, used: Some(used), exempt: Some(false) }
    }

    #[test]
    fn a_limit_that_is_nearly_met() {
        let level = |used| {
            let found = findings(&at(Resource::OpenFiles, used, Bound::At(1000)));
            found.first().map(|finding| finding.level)
        };
        assert_eq!(level(799), None);
        assert_eq!(level(800), Some(Level::Notice));
        assert_eq!(level(950), Some(Level::Warning));
        let found = findings(&at(Resource::OpenFiles, 950, Bound::At(1000)));
        assert_eq!(found[0].text, "open files at 95 % of the process's limit");
        assert_eq!(findings(&at(Resource::OpenFiles, 950, Bound::Unlimited)), []);
        assert_eq!(findings(&at(Resource::ResidentBytes, 950, Bound::At(1))), []);
        assert_eq!(findings(&at(Resource::LockedBytes, 0, Bound::At(0))), []);
    }

    #[test]
    fn a_limit_that_does_not_hold() {
        let of = |exempt| {
            let limit = rlimit(Resource::LockedBytes, 64 << 20, Bound::At(8 << 20));
            let limit = Rlimit { exempt, ..limit };
            findings(&Limits { rlimits: vec![limit], ..Limits::default() }).len()
        };
        assert_eq!([Some(false), Some(true), None].map(of), [1, 0, 0]);
    }

    #[test]
    fn inotify_that_is_used_up() {
        let inotify = Inotify {
            instances: Some(200),
            watches: Some(5),
            of_one_user_instances: Some(127),
            of_one_user_watches: None,
            max_user_instances: Some(128),
            max_user_watches: Some(5),
        };
        let found = findings(&Limits { inotify, ..Limits::default() });
        assert_eq!(found[0].text, "inotify instances: 127 of the 128 that its user may have");
        assert_eq!(found.len(), 1);
    }
}
