//! The options of `nsx enter`: those of nsenter(1), and more.

use crate::action::plan::{Id as WishedId, Terminal};
use crate::action::tools::Choice;
use crate::cli::args::duration;
use crate::cli::enter::request::{Place, Request, path};
use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::model::namespace::Kind;
use crate::model::text::Text;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Target,
    Join(Kind),
    All,
    NetSocket,
    UserParent,
    SetUid,
    SetGid,
    PreserveCredentials,
    KeepCapabilities,
    Tools,
    ToolsInside,
    Dns,
    Root,
    Wd,
    WdInside,
    Env,
    EnvAdd,
    CleanEnv,
    NoFork,
    Timeout,
    Init,
    Pty,
    NoPty,
    PreserveFds,
    AsTarget,
    JoinCgroup,
    AllowFrozen,
    Strict,
    DryRun,
}

const fn opt(
    id: Id,
    short: Option<char>,
    long: &'static str,
    value: Value,
    help: &'static str,
) -> Opt<Id> {
    Opt { id, short, long, aliases: &[], value, help }
}

const fn flag(id: Id, short: Option<char>, long: &'static str, help: &'static str) -> Opt<Id> {
    opt(id, short, long, Value::None, help)
}

const fn join(kind: Kind, short: char, long: &'static str, help: &'static str) -> Opt<Id> {
    opt(Id::Join(kind), Some(short), long, Value::Optional("FILE"), help)
}

pub(super) const OPTIONS: &[Opt<Id>] = &[
    opt(
        Id::Target,
        Some('t'),
        "target",
        Value::Required("TARGET"),
        "Whose namespaces: a PID, a container's name, an id prefix, RUNTIME:NAME, pod:N/POD, unit:NAME, cgroup:PATH; or one: netns:NAME, ns:INODE, a file (TARGETS in nsx(7))",
    ),
    flag(Id::All, Some('a'), "all", "Every namespace that differs from ours (the default)"),
    Opt {
        aliases: &["mnt"],
        ..join(Kind::Mnt, 'm', "mount", "The mount namespace: the program is the target's")
    },
    join(Kind::Uts, 'u', "uts", "The UTS namespace: hostname"),
    join(Kind::Ipc, 'i', "ipc", "The IPC namespace"),
    join(Kind::Net, 'n', "net", "The network namespace"),
    join(Kind::Pid, 'p', "pid", "The pid namespace: the program is a child in it"),
    join(Kind::Cgroup, 'C', "cgroup", "The cgroup namespace"),
    join(
        Kind::User,
        'U',
        "user",
        "The user namespace: root there, if it has one; --user=USER[:GROUP] is who to be instead, by the target's own passwd and group",
    ),
    join(Kind::Time, 'T', "time", "The time namespace"),
    opt(
        Id::NetSocket,
        Some('N'),
        "net-socket",
        Value::Required("FD"),
        "The network namespace of the socket that is the target's descriptor FD",
    ),
    flag(
        Id::UserParent,
        None,
        "user-parent",
        "The user namespace above the one that would be joined; again for the next above",
    ),
    opt(
        Id::SetUid,
        Some('S'),
        "setuid",
        Value::Required("UID"),
        "Be this user inside; follow: the target's",
    ),
    opt(
        Id::SetGid,
        Some('G'),
        "setgid",
        Value::Required("GID"),
        "Be of this group alone inside; follow: the target's",
    ),
    flag(
        Id::PreserveCredentials,
        None,
        "preserve-credentials",
        "Stay who we are in a joined user namespace",
    ),
    flag(
        Id::KeepCapabilities,
        None,
        "keep-caps",
        "Keep the capabilities of a joined user namespace as an ordinary user",
    ),
    opt(
        Id::Tools,
        None,
        "tools",
        Value::Optional("DIR"),
        "The host's programs, or those in DIR, in a root made for them; the target's is at /target",
    ),
    flag(
        Id::ToolsInside,
        None,
        "tools-inside",
        "The target's root with the host's programs at /.nsx, seen by the program alone",
    ),
    flag(
        Id::Dns,
        None,
        "dns",
        "With the network and the host's mounts: the target's resolv.conf, hosts and nsswitch.conf",
    ),
    opt(
        Id::Root,
        Some('r'),
        "root",
        Value::Optional("DIR"),
        "The target's root directory as root, or DIR as we see it",
    ),
    opt(
        Id::Wd,
        Some('w'),
        "wd",
        Value::Optional("DIR"),
        "Start in the target's working directory, or in DIR, seen from inside",
    ),
    opt(Id::WdInside, Some('W'), "wdns", Value::Required("DIR"), "Start in DIR, seen from inside"),
    flag(Id::Env, Some('e'), "env", "The environment that the target was started with"),
    opt(
        Id::EnvAdd,
        None,
        "env-add",
        Value::Required("NAME=VALUE"),
        "Set a variable; may be repeated",
    ),
    flag(Id::CleanEnv, None, "clean-env", "Nothing of our environment but TERM"),
    flag(
        Id::NoFork,
        Some('F'),
        "no-fork",
        "Become the program: only its children are in the pid namespace",
    ),
    opt(
        Id::Timeout,
        None,
        "timeout",
        Value::Required("TIME"),
        "End the program after that long, such as 30s: SIGTERM, then SIGKILL; exit 124",
    ),
    flag(
        Id::Init,
        None,
        "init",
        "An init for the program: what it leaves behind is reaped, and ended with it",
    ),
    flag(Id::Pty, None, "pty", "A terminal of its own for the program, whatever it is and has"),
    flag(Id::NoPty, None, "no-pty", "Hand over our terminal instead of a new one (see PRIVILEGES)"),
    opt(
        Id::PreserveFds,
        None,
        "preserve-fds",
        Value::Required("N"),
        "Hand on N descriptors beside the standard ones: from 3 on",
    ),
    flag(
        Id::AsTarget,
        None,
        "as-target",
        "Be what the target is, and no more: its user, groups, capabilities, seccomp filters, security label, limits, control groups, environment, root and working directory",
    ),
    flag(Id::JoinCgroup, Some('c'), "join-cgroup", "Be in the target's control groups"),
    flag(Id::AllowFrozen, None, "allow-frozen", "Join a control group that is frozen"),
    flag(
        Id::Strict,
        None,
        "strict",
        "Run nothing where something of the target's cannot be taken over; exit 5",
    ),
    flag(Id::DryRun, None, "dry-run", "Print what would be done, and do nothing"),
];

type Given = Vec<(Id, Option<OsString>)>;

pub(super) fn read(options: Given, program: Vec<OsString>) -> Result<Request, Failure> {
    let mut request = Request { program, ..Request::default() };
    for (id, value) in options {
        take(&mut request, id, value)?;
    }
    if request.target.is_none() && !request.names_namespaces() {
        return Err(Failure::usage("no target: nothing is run on the host by mistake")
            .hint("name one with -t PID or -t NAME; `nsx ps` lists what there is"));
    }
    request.wish.stays = request.limit.is_some() || request.init;
    Ok(request)
}

fn take(request: &mut Request, id: Id, value: Option<OsString>) -> Result<(), Failure> {
    let wish = &mut request.wish;
    let text = || value.clone().unwrap_or_default();
    match id {
        Id::Target if request.target.is_some() => {
            return Err(Failure::usage("--target may be given only once"));
        }
        Id::Target => request.target = value,
        Id::Join(kind) => match value {
            None => wish.named = wish.named.with(kind),
            Some(value) if kind == Kind::User && is_a_name(&value) => request.user = Some(value),
            Some(value) => request.namespaces.push((kind, value)),
        },
        Id::All => wish.all = true,
        Id::NetSocket => request.socket = Some(number("--net-socket", &text())?),
        Id::UserParent => request.user_parents += 1,
        Id::SetUid => wish.uid = Some(id_or_follow("--setuid", &text())?),
        Id::SetGid => wish.gid = Some(id_or_follow("--setgid", &text())?),
        Id::PreserveCredentials => wish.keep_credentials = true,
        Id::KeepCapabilities => wish.keep_capabilities = true,
        Id::Tools => {
            let directory = value.map(|value| path("--tools", &value)).transpose()?;
            bring(request, Choice::Beside(directory))?;
        }
        Id::ToolsInside => bring(request, Choice::Inside)?,
        Id::Dns => request.dns = true,
        Id::Root => request.root = Some(value.map_or(Place::OfTarget, Place::Ours)),
        Id::Wd => {
            request.directory = Some(match value {
                None => Place::OfTarget,
                Some(value) => Place::Inside(path("--wd", &value)?),
            });
        }
        Id::WdInside => request.directory = Some(Place::Inside(path("--wdns", &text())?)),
        Id::Env => request.environment.of_target = true,
        Id::EnvAdd => request.environment.more.push(variable(&text())?),
        Id::CleanEnv => request.environment.clean = true,
        Id::NoFork => wish.no_fork = true,
        Id::Timeout => request.limit = Some(time(&text())?),
        Id::Init => request.init = true,
        Id::Pty => wish.terminal = Terminal::Always,
        Id::NoPty => wish.terminal = Terminal::Never,
        Id::PreserveFds => request.descriptors = number("--preserve-fds", &text())?,
        Id::AsTarget => request.standing.as_target = true,
        Id::JoinCgroup => request.standing.cgroup = true,
        Id::AllowFrozen => request.standing.frozen = true,
        Id::Strict => request.standing.strict = true,
        Id::DryRun => request.dry_run = true,
    }
    Ok(())
}

fn bring(request: &mut Request, choice: Choice) -> Result<(), Failure> {
    match request.tools.replace(choice) {
        None => Ok(()),
        Some(_) => Err(Failure::usage("--tools and --tools-inside are one choice, made once")),
    }
}

/// `www-data`, `1000:1000`: a file has a slash in it, and a namespace's number a colon before it.
fn is_a_name(value: &OsStr) -> bool {
    let value = value.as_bytes();
    !value.contains(&b'/') && !value.starts_with(b":")
}

fn number(option: &str, value: &OsStr) -> Result<u32, Failure> {
    let digits = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        let value = Text::new(value.as_bytes());
        Failure::usage(format!("{option}: {value} is not a number"))
    })
}

fn id_or_follow(option: &str, value: &OsStr) -> Result<WishedId, Failure> {
    if value == "follow" {
        return Ok(WishedId::Follow);
    }
    let names = |failure: Failure| failure.hint("for a name there is --user=USER[:GROUP]");
    // The last number means "leave it" to the kernel.
    match number(option, value).map_err(names)? {
        u32::MAX => Err(Failure::usage(format!("{option}: {} is no id", u32::MAX))),
        id => Ok(WishedId::Number(id)),
    }
}

fn variable(value: &OsStr) -> Result<(OsString, OsString), Failure> {
    let bytes = value.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=').filter(|at| *at > 0);
    let Some((name, rest)) = at.map(|at| bytes.split_at(at)) else {
        let value = Text::new(bytes);
        return Err(Failure::usage(format!("--env-add: {value} is not NAME=VALUE")));
    };
    let owned = |bytes| OsStr::from_bytes(bytes).to_owned();
    Ok((owned(name), owned(rest.get(1..).unwrap_or_default())))
}

fn time(value: &OsStr) -> Result<std::time::Duration, Failure> {
    let time = value.to_str().ok_or_else(|| "it is not text".to_owned()).and_then(duration);
    time.map_err(|why| {
        let value = Text::new(value.as_bytes());
        Failure::usage(format!("--timeout: {value}: {why}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(id: Id, value: &str) -> Result<Request, Failure> {
        read(vec![(Id::Target, Some("web".into())), (id, Some(value.into()))], Vec::new())
    }

    #[test]
    fn a_user_is_told_from_a_file_and_from_a_number() {
        let user = |value| read_one(Id::Join(Kind::User), value).unwrap();
        assert_eq!(user("www-data").user, Some("www-data".into()));
        assert_eq!(user("33:33").user, Some("33:33".into()));
        for file in ["/proc/1/ns/user", "./user", ":7"] {
            assert_eq!(user(file).namespaces, [(Kind::User, file.into())]);
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for (id, value) in [
            (Id::SetUid, "root"),
            (Id::SetUid, "-1"),
            (Id::SetUid, "4294967295"),
            (Id::SetGid, "4294967296"),
            (Id::SetGid, ""),
            (Id::NetSocket, "x"),
            (Id::PreserveFds, "1 "),
            (Id::EnvAdd, "X"),
            (Id::EnvAdd, "=x"),
            (Id::Timeout, "soon"),
        ] {
            assert!(read_one(id, value).is_err(), "{id:?} {value}");
        }
        let follow = read_one(Id::SetUid, "follow").unwrap();
        assert_eq!(follow.wish.uid, Some(WishedId::Follow));
        let empty = read_one(Id::EnvAdd, "X=").unwrap();
        assert_eq!(empty.environment.more, [("X".into(), OsString::new())]);
    }

    #[test]
    fn without_a_target_and_a_namespace_there_is_nothing_to_do() {
        assert!(read(Vec::new(), vec!["id".into()]).is_err());
        assert!(read(vec![(Id::Join(Kind::Net), Some("/run/netns/x".into()))], Vec::new()).is_ok());
    }
}
