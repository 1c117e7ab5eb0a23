//! Which answers a filter can give to a call, and what several filters come to: kernel/seccomp.c.

use crate::model::seccomp::{Action, Outcome, Verdict};
use nix::errno::Errno;
use std::collections::BTreeSet;

/// SECCOMP_RET_*, linux/seccomp.h.
const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;
/// SECCOMP_RET_ACTION_FULL
const ACTION: u32 = 0xffff_0000;
/// The kernel cuts larger error numbers to this.
const MAX_ERRNO: u16 = 4095;

/// More different answers to one call than these are not told apart.
const MOST: usize = 16;

/// What a filter may return.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    returned: BTreeSet<u32>,
    /// And anything else.
    any: bool,
}

/// The kernel compares actions as signed numbers: the smallest counts.
const fn rank(returned: u32) -> i32 {
    (returned & ACTION).cast_signed()
}

impl Outcomes {
    /// Of no filter at all.
    pub fn allow() -> Self {
        Self { returned: BTreeSet::from([ALLOW]), any: false }
    }

    /// One more that is possible.
    pub fn add(&mut self, returned: u32) {
        if self.any {
            return;
        }
        self.returned.insert(returned);
        if self.returned.len() > MOST {
            self.add_any();
        }
    }

    /// Everything is possible from here on: it could not be found out.
    pub fn add_any(&mut self) {
        self.returned.clear();
        self.any = true;
    }

    /// It could not be found out.
    pub const fn is_any(&self) -> bool {
        self.any
    }

    /// Whether the filter can answer this.
    pub fn may_be(&self, returned: u32) -> bool {
        self.any || self.returned.contains(&returned)
    }

    /// With an older filter: its answer counts where it is smaller.
    #[must_use]
    pub fn and(self, older: &Self) -> Self {
        let mut both = Self::default();
        if self.any || older.any {
            both.add_any();
            return both;
        }
        let worst = |of: &Self| of.returned.iter().map(|value| rank(*value)).max();
        let (newer_worst, older_worst) = (worst(&self), worst(older));
        for value in &self.returned {
            if older_worst.is_some_and(|older| rank(*value) <= older) {
                both.add(*value);
            }
        }
        for value in &older.returned {
            if newer_worst.is_some_and(|newer| rank(*value) < newer) {
                both.add(*value);
            }
        }
        both
    }

    /// The most restrictive answer first; undetermined where it could not be found out.
    pub fn verdict(&self) -> Verdict {
        let undetermined = Outcome { action: Action::Undetermined, errno: None, data: 0 };
        let mut known: Vec<u32> = self.returned.iter().copied().collect();
        known.sort_by_key(|value| (rank(*value), *value));
        let mut known: Vec<Outcome> = known.into_iter().map(told).collect();
        known.dedup();
        if self.any || known.is_empty() {
            return Verdict { outcome: undetermined, conditional: true, otherwise: Vec::new() };
        }
        let outcome = known.remove(0);
        Verdict { outcome, conditional: !known.is_empty(), otherwise: known }
    }
}

fn told(returned: u32) -> Outcome {
    let data = u16::try_from(returned & !ACTION).unwrap_or_default();
    let plain = |action| Outcome { action, errno: None, data: 0 };
    let with_data = |action| Outcome { action, errno: None, data };
    match returned & ACTION {
        KILL_THREAD => plain(Action::KillThread),
        TRAP => with_data(Action::Trap),
        ERRNO => errno(data.min(MAX_ERRNO)),
        USER_NOTIF => plain(Action::Notify),
        TRACE => with_data(Action::Trace),
        LOG => plain(Action::Log),
        ALLOW => plain(Action::Allow),
        // KILL_PROCESS, and what the kernel does not know.
        _ => plain(Action::KillProcess),
    }
}

fn errno(number: u16) -> Outcome {
    let name = || match Errno::from_raw(i32::from(number)) {
        Errno::UnknownErrno => number.to_string(),
        known => format!("{known:?}"),
    };
    let errno = (number != 0).then(name);
    Outcome { action: Action::Errno, errno, data: number }
}

const _: () = assert!(rank(KILL_PROCESS) < rank(KILL_THREAD) && rank(LOG) < rank(ALLOW));

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u32]) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for value in values {
            outcomes.add(*value);
        }
        outcomes
    }

    #[test]
    fn what_is_possible_is_counted_up_to_a_bound() {
        let many: Vec<u32> = (0..).take(MOST).collect();
        let most = of(&many);
        assert!(!most.is_any() && most.may_be(0) && !most.may_be(u32::MAX));
        let mut more = most;
        more.add(u32::MAX - 1);
        assert!(more.is_any() && more.may_be(u32::MAX));
    }

    #[test]
    fn the_most_restrictive_of_several_filters_counts() {
        let order = [KILL_PROCESS, KILL_THREAD, TRAP, ERRNO + 1, USER_NOTIF, TRACE, LOG, ALLOW];
        for (at, stricter) in order.iter().enumerate() {
            for laxer in &order[at..] {
                for (newer, older) in [(stricter, laxer), (laxer, stricter)] {
                    let both = of(&[*newer]).and(&of(&[*older]));
                    assert_eq!(both, of(&[*stricter]), "{newer:#x} {older:#x}");
                }
            }
        }
        // Among equals that of the newer one.
        assert_eq!(of(&[ERRNO + 1]).and(&of(&[ERRNO + 38])), of(&[ERRNO + 1]));
    }

    #[test]
    fn only_what_can_come_out_of_both_is_left() {
        let newer = of(&[ERRNO + 1, ALLOW]);
        assert_eq!(newer.clone().and(&of(&[ALLOW])), newer);
        assert_eq!(newer.clone().and(&of(&[KILL_THREAD])), of(&[KILL_THREAD]));
        assert_eq!(newer.and(&of(&[LOG])), of(&[ERRNO + 1, LOG]));
    }

    #[test]
    fn outcomes_have_names() {
        let verdict = of(&[ALLOW, ERRNO + 38, ERRNO + 1]).verdict();
        let names = |outcome: &Outcome| (outcome.action, outcome.errno.clone());
        assert_eq!(names(&verdict.outcome), (Action::Errno, Some("EPERM".to_owned())));
        let otherwise: Vec<_> = verdict.otherwise.iter().map(names).collect();
        let expected = [(Action::Errno, Some("ENOSYS".to_owned())), (Action::Allow, None)];
        assert_eq!(otherwise, expected);
        assert!(verdict.conditional && !verdict.is_allowed());
        let of_one = |value| of(&[value]).verdict().outcome;
        assert_eq!(of_one(ERRNO).errno, None);
        assert_eq!(of_one(ERRNO | 0xffff).errno, Some("4095".to_owned()));
        assert_eq!(of_one(0x0001_0000).action, Action::KillProcess);
        assert_eq!(of_one(KILL_PROCESS).action, Action::KillProcess);
        assert_eq!(of_one(TRACE | 7).data, 7);
        assert_eq!(Outcomes::default().verdict().outcome.action, Action::Undetermined);
    }

    #[test]
    fn too_many_answers_are_any() {
        let many: Vec<u32> = (0..20).map(|at| ERRNO | at).collect();
        assert!(of(&many).is_any());
        assert!(of(&many).and(&Outcomes::allow()).is_any());
    }

    #[test]
    fn every_action_is_told_and_data_where_it_means_something() {
        let told = |value| {
            let Outcome { action, errno, data } = told(value);
            (action, errno, data)
        };
        for (value, action, data) in [
            (KILL_PROCESS, Action::KillProcess, 0),
            (KILL_THREAD, Action::KillThread, 0),
            (TRAP, Action::Trap, 7),
            (USER_NOTIF, Action::Notify, 0),
            (TRACE, Action::Trace, 7),
            (LOG, Action::Log, 0),
            (ALLOW, Action::Allow, 0),
        ] {
            assert_eq!(told(value | 7), (action, None, data), "{value:#x}");
        }
    }
}
