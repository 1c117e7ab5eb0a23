//! What `enter` is going to do.

use super::namespace::{Kinds, NsKey};
use super::process::Pid;
use std::fmt;

/// What is held and joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// A process, whose namespaces are joined.
    Process(Pid),
    /// One namespace, whoever is in it.
    Namespace(NsKey),
}

/// `pid 42`, `net:[4026531840]`
impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(pid) => write!(f, "pid {pid}"),
            Self::Namespace(key) => write!(f, "{key}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub aim: Aim,
    /// Joined in one step.
    pub join: Kinds,
    /// Asked for and left alone, since they are ours already.
    pub equal: Kinds,
    /// The program is a child: only a child is in a joined pid namespace.
    pub fork: bool,
    /// The program comes from the target's file system.
    pub foreign_program: bool,
    pub pty: bool,
    /// Become uid and gid 0 of the joined user namespace, if it has them.
    pub become_root: bool,
    /// When to drop supplementary groups, which mean nothing in the joined user namespace.
    pub drop_groups: DropGroups,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropGroups {
    Never,
    /// Inside, by the right one has there.
    AfterJoin,
    /// Where the namespace forbids it inside, outside: by the right one has here, if one has it.
    BeforeJoin,
}
