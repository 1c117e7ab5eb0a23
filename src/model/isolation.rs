//! What `spawn` isolates a program by: everything asked for, checked, and nothing opened yet.

use super::files::Files;
use super::group::Limits;
use super::namespace::{Kind, Kinds};
use super::net_wish::NetWish;
use super::restriction::Restrictions;
use super::user_map::UserMap;
use std::ffi::{CString, OsString};
use std::path::PathBuf;
use std::time::Duration;

/// All that makes a spawned program different from an ordinary child.
#[derive(Clone, Debug, Default)]
pub struct Isolation {
    /// The kinds of which it gets a namespace of its own.
    pub new: Kinds,
    /// Files on which the new namespaces stay when the program has ended.
    pub kept: Vec<(Kind, PathBuf)>,
    /// Absent: as the namespaces say.
    pub network: Option<NetWish>,
    /// Absent: no map is written.
    pub users: Option<UserMap>,
    /// Who owns the new user namespace in place of the caller.
    pub owner: Option<(u32, u32)>,
    /// The caller's supplementary groups do not go with the program into a new user namespace, in
    /// which they may have to stay.
    pub leaves_groups: bool,
    /// Written where there is a new time namespace.
    pub clocks: Clocks,
    /// Also the directory that becomes the root.
    pub mounts: Mounts,
    /// What the program sees of the host's files, or in place of them; before the mounts above.
    pub files: Files,
    /// `lo` is set up in the new network namespace.
    pub loopback: bool,
    /// Set in the new UTS namespace; absent: as the caller has it.
    pub hostname: Option<OsString>,
    /// The NIS domain set there; absent: as the caller has it.
    pub domainname: Option<OsString>,
    /// Of its control groups.
    pub limits: Limits,
    /// Whom it becomes inside.
    pub identity: Identity,
    /// What it may do less than its caller.
    pub restrictions: Restrictions,
    /// As it is called inside.
    pub directory: Option<CString>,
    /// What stays beside it, and how it is ended.
    pub life: Life,
    /// It has none of the caller's session keys.
    pub leaves_keys: bool,
    /// The caller's, none, or one of its own.
    pub terminal: Terminal,
}

/// What the clocks of a new time namespace are ahead by, in seconds: time_namespaces(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// CLOCK_MONOTONIC; absent: as in the caller's namespace.
    pub monotonic: Option<i64>,
    /// CLOCK_BOOTTIME; absent: as in the caller's namespace.
    pub boottime: Option<i64>,
}

/// What is mounted, or made the root, in a new mount namespace.
#[derive(Clone, Debug, Default)]
pub struct Mounts {
    /// How a new mount namespace's mounts stand to ours; absent where there is none.
    pub propagation: Option<Propagation>,
    /// A directory that becomes the root: chroot(2).
    pub root: Option<CString>,
    /// Where a `/proc` of the new pid namespace is mounted.
    pub proc: Option<CString>,
    /// Where binary formats of its own are mounted, and the one that is registered there.
    pub binfmt: Option<CString>,
    /// A format as `/proc/sys/fs/binfmt_misc/register` takes it.
    pub interpreter: Option<CString>,
}

/// mount_namespaces(7)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// What is mounted on one side is not seen on the other.
    #[default]
    Private,
    /// Where ours are shared, what is mounted on either side is seen on both.
    Shared,
    /// Where ours are shared, what is mounted outside is seen inside, and not the other way round.
    Slave,
    /// As the caller's mounts stand to others.
    Unchanged,
}

/// Who the program is, by the ids of the namespace it is in.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// From the start, in a new user namespace that has one: what is made there then has an owner.
    pub first_root: bool,
    /// Absent: it stays.
    pub uid: Option<u32>,
    /// Absent: it stays.
    pub gid: Option<u32>,
    /// Supplementary groups, where they are not to stay; they may stay where the kernel insists.
    pub groups: Option<Vec<u32>>,
    /// They outlive a change to an ordinary user.
    pub keep_capabilities: bool,
}

/// How the program stands to the terminal that nsx was started on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Terminal {
    /// As its caller has it.
    #[default]
    Shared,
    /// In a session of its own, without any.
    Apart,
    /// On one of its own, relayed to ours.
    Own,
}

/// What stands by the program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    /// It is started by nsx, which stays; else nsx becomes it.
    pub fork: bool,
    /// PID 1 is an init of ours.
    pub init: bool,
    /// How long the program may run; absent: without end.
    pub limit: Option<Duration>,
    /// Between SIGTERM and SIGKILL.
    pub grace: Option<Duration>,
    /// It ends with nsx though it becomes another user.
    pub guard: bool,
    /// What the program gets when nsx ends, in place of SIGKILL.
    pub death_signal: Option<i32>,
}
