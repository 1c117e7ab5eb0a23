//! What was asked of `spawn`, however it was spelled.

use super::limits::Asked;
use crate::model::files::Files;
use crate::model::isolation::{Clocks, Life, Propagation};
use crate::model::namespace::{Kind, Kinds};
use crate::model::net_wish::NetWish;
use crate::model::restriction::Restrictions;
use crate::model::user_map::{Setgroups, Source};
use std::ffi::{CString, OsString};
use std::path::PathBuf;

/// Options of `nsx spawn` or unshare, checked by themselves; nothing is looked up.
#[derive(Debug, Default)]
pub struct Request {
    /// Which defaults count: of `nsx spawn`, or of unshare(1).
    pub manner: Manner,
    /// Kinds that are made new; what other options bring with them is added later.
    pub new: Kinds,
    /// Those of them that were asked for one by one.
    pub named: Kinds,
    /// Files on which a new namespace stays.
    pub kept: Vec<(Kind, PathBuf)>,
    /// `--net`. `None`: a new net namespace has `lo` alone, else the network is ours.
    pub network: Option<NetWish>,
    /// Of the new user namespace, which any entry brings with it.
    pub map: Map,
    /// Uid and gid, as they are called here, that own the new user namespace.
    pub owner: Option<(u32, u32)>,
    /// Offsets in seconds, of the new time namespace.
    pub clocks: Clocks,
    /// Of the new mount namespace; `None`: private.
    pub propagation: Option<Propagation>,
    /// `--rootfs`, `--overlay`, `--read-only`, `--bind`, `--ro-bind`, `--tmpfs`.
    pub files: Files,
    /// chroot(2)
    pub root: Option<CString>,
    /// Where a new `/proc` is mounted.
    pub proc: Option<CString>,
    /// Where binary formats of its own are mounted.
    pub binfmt: Option<CString>,
    /// A binary format, as `/proc/sys/fs/binfmt_misc/register` takes it.
    pub interpreter: Option<CString>,
    /// Of the new UTS namespace, which it brings with it. `None`: as ours is.
    pub hostname: Option<OsString>,
    /// The NIS domain name; as the hostname.
    pub domainname: Option<OsString>,
    /// Who the program is, `USER[:GROUP]` by the files of its root.
    pub user: Option<OsString>,
    /// `-S`, as it is called inside. `None`: that of `user`, else 0 if mapped, else ours.
    pub uid: Option<u32>,
    /// `-G`, as it is called inside; it drops the supplementary groups.
    pub gid: Option<u32>,
    /// The program keeps them though it becomes another user; only in a new user namespace.
    pub keep_capabilities: bool,
    /// `-w`, as it is called inside. `None`: where we are, or `/` of another root.
    pub directory: Option<CString>,
    /// `--env`, `--clear-env`, `--whitelist-env`.
    pub environment: Environment,
    /// `--init`, `--timeout`, `--kill-after`, `--kill-child`; whether nsx stays beside it.
    pub life: Life,
    /// By control groups: devices, and where groups can be made, are looked up later.
    pub limits: Asked,
    /// Capabilities, seccomp, Landlock, rlimits, nice, umask and no_new_privs.
    pub restrictions: Restrictions,
    /// What it is known by while it runs.
    pub name: Option<String>,
    /// It is left alone when it runs.
    pub detach: bool,
    /// The caller's descriptor to which events are written.
    pub status_descriptor: Option<u32>,
    /// It holds the program's pid, as nsx sees it, while it runs.
    pub pid_file: Option<PathBuf>,
    /// A named program is ended, and none started.
    pub stop: Option<String>,
    /// `--report`. `None`: nothing is said of what was used.
    pub report: Option<ReportForm>,
    /// `--user` stood alone: a user namespace.
    pub bare_user: bool,
    /// Whether it has a terminal of its own; unsaid, where it is not the host's and ours is one.
    pub own_terminal: Option<bool>,
    /// What would be done is printed, and no program started.
    pub dry_run: bool,
    /// Without one: a shell.
    pub program: Vec<OsString>,
}

/// How what was used is told, when the program has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportForm {
    /// `--report`, `--report=table`: some lines for people.
    Table,
    /// `--report=json`: one object on one line.
    Json,
}

/// How what was not said is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// As it is right by default: nsx stays beside the program, `/proc` is of the new pid namespace,
    /// `lo` is up, who makes a user namespace is root in it.
    #[default]
    Nsx,
    /// As unshare(1) does it: nothing that was not asked for.
    Unshare,
}

/// The ids of a new user namespace.
#[derive(Debug, Default)]
pub struct Map {
    /// What the caller is inside.
    pub user: Option<Own>,
    /// What the caller's group is inside. `None`: it has no entry of its own.
    pub group: Option<Own>,
    /// Ranges of `--map-users`, `--map-auto` and `--map-subids`, in their order.
    pub users: Vec<Source>,
    /// The same of groups: `--map-groups` in place of `--map-users`.
    pub groups: Vec<Source>,
    /// `None`: denied where one's own group is mapped alone, else as the kernel has it.
    pub setgroups: Option<Setgroups>,
    /// A range gives way to the caller's own id.
    pub yields: bool,
}

/// What the caller is called inside a new user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// 0, by `-r`; what nsx takes where a user namespace is asked for without a map.
    Root,
    /// What it is outside.
    Current,
    /// By `--map-user` or `--map-group`, as it is called inside.
    Number(u32),
}

impl Own {
    /// The number, for one who is `current` outside.
    pub const fn inside(self, current: u32) -> u32 {
        match self {
            Self::Root => 0,
            Self::Current => current,
            Self::Number(number) => number,
        }
    }
}

impl Map {
    /// Nothing is asked for: no map is written.
    pub fn is_empty(&self) -> bool {
        let Self { user, group, users, groups, .. } = self;
        user.is_none() && group.is_none() && users.is_empty() && groups.is_empty()
    }
}

/// Which variables the program gets. Where nothing is said a program of the host has all of the
/// caller's, one of another root hardly any.
#[derive(Debug, Default)]
pub struct Environment {
    /// Nothing of the caller's but these.
    pub only: Option<Vec<OsString>>,
    /// Set after all else.
    pub more: Vec<(OsString, OsString)>,
}
