//! Threads that may do more than the first one of their process, whose status is the process's.

use crate::model::gap::{Gap, Reason};
use crate::model::process::Pid;
use crate::model::security::StrongerThreads;
use crate::model::text::Text;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::proc::status::{self, Status};
use crate::sys::root::SysRoot;
use crate::sys::{bounded, threads};

/// Of one process no more are read.
const MOST: usize = 4096;

/// None where there is no such thread. A fixture has no directories of threads.
pub(super) fn stronger(
    root: &SysRoot,
    target: &ProcessHandle,
    first: &Status,
    gaps: &mut Vec<Gap>,
) -> Option<StrongerThreads> {
    if first.threads < 2 || !root.is_real() {
        return None;
    }
    let object = || Text::from(format!("pid {}", target.pid()));
    let all = root.reach().told(object, "threads", threads::all(target.dir()))?;
    if all.len() > MOST {
        gaps.push(Gap { object: object(), what: "threads", reason: Reason::Truncated });
    }
    let others = all.into_iter().filter(|thread| *thread != target.pid()).take(MOST);
    let read = others.filter_map(|thread| {
        let name = format!("task/{thread}/status");
        let bytes = bounded::read_single(target.dir(), &name).ok()?;
        Some((thread, status::parse(&bytes)?))
    });
    of(first, read)
}

fn of(first: &Status, others: impl Iterator<Item = (Pid, Status)>) -> Option<StrongerThreads> {
    let mut found: Option<StrongerThreads> = None;
    for (thread, status) in others.filter(|(_, other)| may_do_more(other, first)) {
        let one = StrongerThreads {
            count: 1,
            strongest: thread,
            permitted: status.cap_permitted,
            no_new_privs: status.no_new_privs,
            seccomp: super::mode(status.seccomp),
        };
        found = Some(match found {
            Some(known) => {
                let count = known.count.saturating_add(1);
                let is_stronger = one.permitted.len() > known.permitted.len();
                let strongest = if is_stronger { one } else { known };
                StrongerThreads { count, ..strongest }
            }
            None => one,
        });
    }
    found
}

fn may_do_more(other: &Status, first: &Status) -> bool {
    let is_root = |status: &Status| status.uids.contains(&0);
    // Filters are never taken off again: one with fewer lacks some.
    let is_strict = |status: &Status| status.seccomp == 1;
    let less_filtered = first.seccomp != 0 && other.seccomp == 0
        || is_strict(first) && !is_strict(other)
        || !is_strict(other) && other.seccomp_filters < first.seccomp_filters;
    !first.cap_permitted.contains_all(other.cap_permitted)
        || !first.cap_bounding.contains_all(other.cap_bounding)
        || is_root(other) && !is_root(first)
        || first.no_new_privs && !other.no_new_privs
        || less_filtered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::capability::CapSet;
    use crate::model::security::Seccomp;

    fn confined() -> Status {
        Status {
            uids: [9; 4],
            cap_bounding: CapSet::KILL,
            no_new_privs: true,
            seccomp: 2,
            seccomp_filters: Some(2),
            ..Status::default()
        }
    }

    #[test]
    fn any_right_that_the_first_has_not_is_more() {
        let first = confined();
        let more = |other: Status| may_do_more(&other, &confined());
        assert!(!more(confined()));
        assert!(!more(Status { cap_bounding: CapSet::default(), ..confined() }));
        assert!(!more(Status { seccomp: 1, seccomp_filters: Some(0), ..confined() }));
        assert!(more(Status { cap_permitted: CapSet::KILL, ..confined() }));
        assert!(more(Status { cap_bounding: CapSet::SYS_ADMIN, ..confined() }));
        assert!(more(Status { uids: [9, 9, 0, 9], ..confined() }));
        assert!(more(Status { no_new_privs: false, ..confined() }));
        assert!(more(Status { seccomp: 0, ..confined() }));
        assert!(more(Status { seccomp_filters: Some(1), ..confined() }));
        let strict = Status { seccomp: 1, ..confined() };
        assert!(may_do_more(&first, &strict));
    }

    #[test]
    fn the_one_with_the_most_capabilities_is_named() {
        let with = |permitted| Status { cap_permitted: permitted, ..confined() };
        let thread = |number| Pid::new(number).unwrap();
        let others = [
            (thread(7), with(CapSet::KILL)),
            (thread(8), Status { seccomp: 0, ..with(CapSet::USUAL) }),
            (thread(9), with(CapSet::KILL)),
            (thread(10), confined()),
        ];
        let found = of(&confined(), others.into_iter()).unwrap();
        assert_eq!((found.count, found.strongest), (3, thread(8)));
        assert_eq!((found.permitted, found.seccomp), (CapSet::USUAL, Seccomp::Off));
        assert_eq!(of(&confined(), std::iter::once((thread(10), confined()))), None);
    }
}
