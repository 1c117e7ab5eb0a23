//! What `enter` is going to do.

use super::namespace::{Kinds, NsKey};
use super::process::Pid;
use std::fmt;

/// What a namespace is joined by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A process, whose namespaces are joined together.
    Process(Pid),
    /// One namespace, whoever is in it.
    Namespace(NsKey),
}

/// `pid 42`, `net:[4026531840]`
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(pid) => write!(f, "pid {pid}"),
            Self::Namespace(key) => write!(f, "{key}"),
        }
    }
}

/// One call of setns(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// The file that the call is given: a pidfd, or one of nsfs.
    pub held: Held,
    /// The kinds that this call joins.
    pub kinds: Kinds,
}

/// All that `enter` has decided: what is joined, how the program starts, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub joins: Vec<Join>,
    /// Where the kinds of one process have to be joined one by one.
    pub user_first: bool,
    /// Asked for and left alone, since they are ours already.
    pub equal: Kinds,
    /// The program is a child: only a child is in a joined pid namespace.
    pub fork: bool,
    /// The program comes from the target's file system.
    pub foreign_program: bool,
    /// The program has a terminal of its own, relayed to ours.
    pub pty: bool,
    /// Where it is forked, in a session of its own: else it could end, by its group, whoever called
    /// us. On a terminal of ours that is handed over the group is what job control goes by.
    pub apart: bool,
    /// A process of the target can see this one, and its program file by it.
    pub seen: bool,
    /// Whom it becomes after the joins.
    pub ids: Ids,
    /// The capabilities of a joined user namespace outlive a change to an ordinary user.
    pub keep_capabilities: bool,
}

impl Plan {
    /// The kinds that are joined by any of the calls.
    pub fn joined(&self) -> Kinds {
        self.joins.iter().flat_map(|join| join.kinds.iter()).collect()
    }
}

/// Who the program is to be; `None` leaves what is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// As the user namespace that it is then in numbers it.
    pub uid: Option<u32>,
    /// As the user namespace that it is then in numbers it.
    pub gid: Option<u32>,
    /// Instead of the supplementary groups, which mean nothing in a joined user namespace.
    pub groups: Option<Vec<u32>>,
    /// Where setgroups(2) is forbidden inside, groups are dropped outside: by the right that one has
    /// here, if one has it.
    pub groups_before_join: bool,
    /// The ids may not exist in the joined user namespace; then those there are stay.
    pub if_there: bool,
}
