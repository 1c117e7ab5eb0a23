//! What the options of `nsx enter` ask for.

use crate::action::plan::{Id as WishedId, Terminal};
use crate::action::tools::Choice;
use crate::cli::enter::request::{Place, Request};
use crate::cli::error::Failure;
use crate::cli::values::{id, number, path, time, variable};
use crate::model::namespace::Kind;
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
    FollowContext,
    Strict,
    DryRun,
}

const EITHER_OR: [(Id, Id, &str); 2] =
    [(Id::Pty, Id::NoPty, "--pty and --no-pty"), (Id::Env, Id::CleanEnv, "--env and --clean-env")];

type Given = Vec<(Id, Option<OsString>)>;

pub(super) fn read(options: Given, program: Vec<OsString>) -> Result<Request, Failure> {
    for (one, other, spelled) in EITHER_OR {
        let has = |id| options.iter().any(|(given, _)| *given == id);
        if has(one) && has(other) {
            return Err(Failure::usage(format!("{spelled} exclude each other")));
        }
    }
    let mut request = Request { program, guard: true, ..Request::default() };
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
            Some(value) if kind == Kind::User && value.is_empty() => {
                return Err(Failure::usage("--user: the user is empty"));
            }
            Some(value) if kind == Kind::User && is_a_name(&value) => {
                if request.user.replace(value).is_some() {
                    return Err(Failure::usage("--user: the user is given twice"));
                }
            }
            Some(_) if request.namespaces.iter().any(|(given, _)| *given == kind) => {
                let twice = format!("a file of the {kind} namespace is given twice");
                return Err(Failure::usage(twice));
            }
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
        Id::EnvAdd => request.environment.more.push(variable("--env-add", &text())?),
        Id::CleanEnv => request.environment.clean = true,
        Id::NoFork => wish.no_fork = true,
        Id::Timeout => request.limit = Some(time("--timeout", &text())?),
        Id::Init => request.init = true,
        Id::Pty => wish.terminal = Terminal::Always,
        Id::NoPty => wish.terminal = Terminal::Never,
        Id::PreserveFds => request.descriptors = number("--preserve-fds", &text())?,
        Id::AsTarget => request.standing.as_target = true,
        Id::JoinCgroup => request.standing.cgroup = true,
        Id::AllowFrozen => request.standing.frozen = true,
        Id::FollowContext => request.standing.label = true,
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

fn id_or_follow(option: &str, value: &OsStr) -> Result<WishedId, Failure> {
    if value == "follow" {
        return Ok(WishedId::Follow);
    }
    let names = |failure: Failure| failure.hint("for a name there is --user=USER[:GROUP]");
    id(option, value).map(WishedId::Number).map_err(names)
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
            (Id::Timeout, "0"),
            (Id::Timeout, "0ms"),
            (Id::Timeout, "2d"),
            (Id::Join(Kind::User), ""),
        ] {
            assert!(read_one(id, value).is_err(), "{id:?} {value}");
        }
        let follow = read_one(Id::SetUid, "follow").unwrap();
        assert_eq!(follow.wish.uid, Some(WishedId::Follow));
        let empty = read_one(Id::EnvAdd, "X=").unwrap();
        assert_eq!(empty.environment.more, [("X".into(), OsString::new())]);
    }

    #[test]
    fn what_excludes_another_or_is_given_twice_is_refused() {
        let said = |options: &[(Id, Option<&str>)]| {
            let options = options.iter().map(|(id, value)| (*id, value.map(OsString::from)));
            let target = (Id::Target, Some("web".into()));
            let read = read(std::iter::once(target).chain(options).collect(), Vec::new());
            read.map_or_else(|failure| failure.message, |_| String::new())
        };
        let net = Id::Join(Kind::Net);
        let user = Id::Join(Kind::User);
        assert_eq!(
            said(&[(Id::NoPty, None), (Id::Pty, None)]),
            "--pty and --no-pty exclude each other"
        );
        assert!(said(&[(Id::CleanEnv, None), (Id::Env, None)]).contains("exclude"));
        assert!(said(&[(net, Some("/a")), (net, Some("/b"))]).contains("given twice"));
        assert!(said(&[(user, Some("a")), (user, Some("b"))]).contains("given twice"));
        assert_eq!(said(&[(user, Some("a")), (user, Some("/b")), (net, Some("/c"))]), "");
        assert_eq!(said(&[(net, None), (net, Some("/b")), (net, None)]), "");
        let large = said(&[(Id::PreserveFds, Some("99999999999"))]);
        assert_eq!(large, "--preserve-fds: 99999999999 is too large");
        assert_eq!(said(&[(Id::PreserveFds, Some(""))]), "--preserve-fds:  is not a number");
    }

    #[test]
    fn without_a_target_and_a_namespace_there_is_nothing_to_do() {
        assert!(read(Vec::new(), vec!["id".into()]).is_err());
        assert!(read(vec![(Id::Join(Kind::Net), Some("/run/netns/x".into()))], Vec::new()).is_ok());
    }
}
