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
    pub manner: Manner,
    pub new: Kinds,
    /// Those of them that were asked for one by one.
    pub named: Kinds,
    /// Files on which a new namespace stays.
    pub kept: Vec<(Kind, PathBuf)>,
    pub network: Option<NetWish>,
    pub map: Map,
    /// Uid and gid, as they are called here, that own the new user namespace.
    pub owner: Option<(u32, u32)>,
    pub clocks: Clocks,
    pub propagation: Option<Propagation>,
    pub files: Files,
    /// chroot(2)
    pub root: Option<CString>,
    /// Where a new `/proc` is mounted.
    pub proc: Option<CString>,
    /// Where binary formats of its own are mounted.
    pub binfmt: Option<CString>,
    /// A binary format, as `/proc/sys/fs/binfmt_misc/register` takes it.
    pub interpreter: Option<CString>,
    pub hostname: Option<OsString>,
    pub domainname: Option<OsString>,
    /// Who the program is, `USER[:GROUP]` by the files of its root.
    pub user: Option<OsString>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub keep_capabilities: bool,
    pub directory: Option<CString>,
    pub environment: Environment,
    pub life: Life,
    pub limits: Asked,
    pub restrictions: Restrictions,
    /// What it is known by while it runs.
    pub name: Option<String>,
    /// It is left alone when it runs.
    pub detach: bool,
    /// The caller's descriptor to which events are written.
    pub status_descriptor: Option<u32>,
    pub pid_file: Option<PathBuf>,
    /// A named program is ended, and none started.
    pub stop: Option<String>,
    pub report: Option<ReportForm>,
    /// `--user` stood alone: a user namespace.
    pub bare_user: bool,
    /// Whether it has a terminal of its own; unsaid, where it is not the host's and ours is one.
    pub own_terminal: Option<bool>,
    pub dry_run: bool,
    /// Without one: a shell.
    pub program: Vec<OsString>,
}

/// How what was used is told, when the program has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportForm {
    Table,
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
    pub group: Option<Own>,
    pub users: Vec<Source>,
    pub groups: Vec<Source>,
    pub setgroups: Option<Setgroups>,
    /// A range gives way to the caller's own id.
    pub yields: bool,
}

/// What the caller is called inside a new user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    Root,
    /// What it is outside.
    Current,
    Number(u32),
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
