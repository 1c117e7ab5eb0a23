//! How much users may say in one run. One may have as many files as he likes, have them read as often,
//! and be as many users as he has subordinate ids: those share what all have. None whom root knows
//! has to live on that alone.

use crate::model::gap::{Gap, Reason};
use crate::sys::reach::Reach;
use crate::sys::root::SysRoot;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Bytes that are read of what one user says.
pub(super) const READ: usize = 32 << 20;
/// Of that, what stays in memory.
pub(super) const KEPT: usize = 16 << 20;
/// Directories of his that are open at a time: they are few for the whole process.
pub(super) const HELD: usize = 32;
/// Whom root knows has this part of each for himself: a fourth.
const SHARE: usize = 4;

/// What is still heard in this run.
#[derive(Debug)]
pub(in crate::sys) struct Hearing {
    read: Budget,
    kept: Budget,
    held: Budget,
    /// Those that root knows, by a home or a runtime directory.
    accounts: RefCell<HashSet<u32>>,
}

impl Default for Hearing {
    fn default() -> Self {
        let [read, kept, held] = [READ, KEPT, HELD].map(Budget::new);
        Self { read, kept, held, accounts: RefCell::default() }
    }
}

#[derive(Debug)]
struct Budget {
    of_each: usize,
    of_all: Cell<usize>,
    spent: RefCell<HashMap<u32, Spent>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    own: usize,
    of_all: usize,
}

impl Budget {
    /// All together have as much as two, beside what some have for themselves.
    fn new(of_each: usize) -> Self {
        Self { of_each, of_all: Cell::new(2 * of_each), spent: RefCell::default() }
    }

    fn left(&self, speaker: &Speaker) -> usize {
        let spent = self.spent.borrow().get(&speaker.uid).copied().unwrap_or_default();
        let left = self.of_each.saturating_sub(spent.own + spent.of_all);
        left.min(self.of_all.get() + self.own(speaker, spent))
    }

    fn own(&self, speaker: &Speaker, spent: Spent) -> usize {
        let share = if speaker.is_account() { self.of_each / SHARE } else { 0 };
        share.saturating_sub(spent.own)
    }

    fn spend(&self, speaker: &Speaker, count: usize) {
        let mut all = self.spent.borrow_mut();
        let spent = all.entry(speaker.uid).or_default();
        let own = count.min(self.own(speaker, *spent));
        spent.own += own;
        spent.of_all += count - own;
        self.of_all.set(self.of_all.get().saturating_sub(count - own));
    }

    /// One of what was spent.
    fn give_back(&self, speaker: &Speaker) {
        let mut all = self.spent.borrow_mut();
        let spent = all.entry(speaker.uid).or_default();
        if spent.of_all > 0 {
            spent.of_all -= 1;
            self.of_all.set(self.of_all.get() + 1);
        } else {
            spent.own = spent.own.saturating_sub(1);
        }
    }
}

/// A user who is heard; root to the end.
#[derive(Clone, Debug)]
pub struct Speaker {
    pub(super) uid: u32,
    pub(super) reach: Rc<Reach>,
}

impl Speaker {
    /// One and the same in all of a run, wherever he is met.
    pub fn of(root: &SysRoot, uid: u32) -> Self {
        Self { uid, reach: Rc::clone(root.reach()) }
    }

    /// Root gave him a directory: he is not one of the ids that a user has besides his own.
    pub fn know(&self) {
        self.reach.hearing.accounts.borrow_mut().insert(self.uid);
    }

    fn is_account(&self) -> bool {
        self.reach.hearing.accounts.borrow().contains(&self.uid)
    }

    /// How many bytes of his are still read.
    pub fn left(&self) -> usize {
        if self.uid == 0 { usize::MAX } else { self.reach.hearing.read.left(self) }
    }

    /// So many bytes of his were.
    pub fn spend(&self, bytes: usize) {
        if self.uid != 0 {
            self.reach.hearing.read.spend(self, bytes);
        }
    }

    /// Whether so many more bytes of his are read.
    pub fn hears(&self, bytes: u64) -> bool {
        self.takes(&self.reach.hearing.read, usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Whether so many more bytes that he said stay in memory.
    pub(super) fn keeps(&self, bytes: usize) -> bool {
        self.takes(&self.reach.hearing.kept, bytes)
    }

    /// Another directory of his, for as long as this is there; None where he has too many.
    pub(super) fn holds(&self) -> Option<Held> {
        self.takes(&self.reach.hearing.held, 1).then(|| Held(self.clone()))
    }

    fn takes(&self, budget: &Budget, count: usize) -> bool {
        if self.uid == 0 {
            return true;
        }
        let takes = count <= budget.left(self);
        if takes {
            budget.spend(self, count);
        } else {
            self.refuse();
        }
        takes
    }

    /// Something that he says is not heard: that is told, whosever it is.
    pub fn refuse(&self) {
        let (object, what) = ("records of users".into(), "names and images");
        self.reach.note(Gap { object, what, reason: Reason::Truncated });
    }
}

/// A directory that is open.
#[derive(Debug)]
pub(super) struct Held(Speaker);

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.uid != 0 {
            self.0.reach.hearing.held.give_back(&self.0);
        }
    }
}
