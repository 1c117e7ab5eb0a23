//! The options of `nsx enter`.

use crate::action::plan::Wish;
use crate::cli::error::Failure;
use crate::cli::options::Opt;
use crate::model::namespace::Kind;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Copy, Debug)]
pub(super) enum Id {
    Target,
    Join(Kind),
    All,
    Env,
    Wd,
    NoPty,
    DryRun,
}

const fn flag(id: Id, short: Option<char>, long: &'static str, help: &'static str) -> Opt<Id> {
    Opt { id, short, long, aliases: &[], value: None, help }
}

pub(super) const OPTIONS: &[Opt<Id>] = &[
    Opt {
        id: Id::Target,
        short: Some('t'),
        long: "target",
        aliases: &[],
        value: Some("TARGET"),
        help: "Whose namespaces: a PID, a container's name, an id prefix, RUNTIME:NAME, pod:N/POD, unit:NAME, cgroup:PATH; or one: netns:NAME, ns:INODE, a file (TARGETS in nsx(7))",
    },
    flag(Id::All, Some('a'), "all", "Every namespace that differs from ours (the default)"),
    Opt {
        id: Id::Join(Kind::Mnt),
        short: Some('m'),
        long: "mount",
        aliases: &["mnt"],
        value: None,
        help: "The mount namespace: the program is the target's",
    },
    flag(Id::Join(Kind::Uts), Some('u'), "uts", "The UTS namespace: hostname"),
    flag(Id::Join(Kind::Ipc), Some('i'), "ipc", "The IPC namespace"),
    flag(Id::Join(Kind::Net), Some('n'), "net", "The network namespace"),
    flag(Id::Join(Kind::Pid), Some('p'), "pid", "The pid namespace: the program is a child in it"),
    flag(Id::Join(Kind::Cgroup), Some('C'), "cgroup", "The cgroup namespace"),
    flag(Id::Join(Kind::User), Some('U'), "user", "The user namespace: root there, if it has one"),
    flag(Id::Join(Kind::Time), Some('T'), "time", "The time namespace"),
    flag(Id::Env, Some('e'), "env", "The environment that the target was started with"),
    Opt {
        id: Id::Wd,
        short: Some('w'),
        long: "wd",
        aliases: &[],
        value: Some("DIR"),
        help: "Working directory, seen from inside",
    },
    flag(Id::NoPty, None, "no-pty", "Hand over our terminal instead of a new one (see PRIVILEGES)"),
    flag(Id::DryRun, None, "dry-run", "Print what would be done, and do nothing"),
];

#[derive(Debug, Default)]
pub(super) struct Args {
    pub target: OsString,
    pub wish: Wish,
    pub env: bool,
    pub directory: Option<CString>,
    pub dry_run: bool,
    pub program: Vec<OsString>,
}

pub(super) fn read(options: Vec<(Id, OsString)>, program: Vec<OsString>) -> Result<Args, Failure> {
    let mut args = Args { program, ..Args::default() };
    let mut target = None;
    for (id, value) in options {
        match id {
            Id::Target if target.is_some() => {
                return Err(Failure::usage("--target may be given only once"));
            }
            Id::Target => target = Some(value),
            Id::Join(kind) => args.wish.named = args.wish.named.with(kind),
            Id::All => args.wish.all = true,
            Id::Env => args.env = true,
            Id::Wd => {
                let directory = CString::new(value.as_bytes());
                args.directory =
                    Some(directory.map_err(|_| Failure::usage("--wd holds a NUL byte"))?);
            }
            Id::NoPty => args.wish.no_pty = true,
            Id::DryRun => args.dry_run = true,
        }
    }
    args.target = target.ok_or_else(|| {
        Failure::usage("no target: nothing is run on the host by mistake")
            .hint("name one with -t PID or -t NAME; `nsx ps` lists what there is")
    })?;
    Ok(args)
}
