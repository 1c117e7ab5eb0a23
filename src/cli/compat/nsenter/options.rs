//! The command line of nsenter(1), util-linux 2.42.

use crate::action::plan::{Id as WishedId, Terminal};
use crate::cli::compat::getopt::{self, Argument, Item, Opt, Parser};
use crate::cli::compat::number::{Number, number};
use crate::cli::enter::request::{Place, Request, Shell};
use crate::model::namespace::{Kind, Kinds};
use crate::model::text::Text;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What is to be done.
#[derive(Debug)]
pub enum Asked {
    /// With the target's SELinux context, where that is asked for.
    Run {
        /// Checked by itself; nothing is looked up.
        request: Box<Request>,
        /// `-Z`: whether it was given; what it means without SELinux is the caller's to say.
        context: bool,
    },
    /// `-h`; options before it must be right, what comes after it is not read.
    Help,
    /// `-V`; read as `-h` is.
    Version,
}

/// Why a command line is refused, in the words of nsenter.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// It is no option, or lacks an argument or has one too many.
    #[error("{0}\nTry 'nsenter --help' for more information.")]
    Option(#[from] getopt::Error),
    /// `-t`: not `PID` or `PID:INODE`, both above 0, a pid no more than an int holds.
    #[error("invalid PID argument: '{0}'")]
    Pid(Text),
    /// Not decimal digits with a sign at most.
    #[error("failed to parse {what}: '{value}'")]
    Number {
        /// `file descriptor`, `uid` or `gid`.
        what: &'static str,
        /// As it was given.
        value: Text,
    },
    /// A number below 0, or of more than 32 bits.
    #[error("failed to parse {what}: '{value}': Numerical result out of range")]
    Range {
        /// As of `Number`.
        what: &'static str,
        /// As it was given.
        value: Text,
    },
    /// What follows the colon of `-n:ID`, in place of a file: not a number.
    #[error("failed to parse nsid: {0}")]
    NsId(Text),
    /// What the kernel would say of the number that means none.
    #[error("{0}() failed: Invalid argument")]
    NoId(&'static str),
    /// In the order in which they came.
    #[error("options --{0} and --{1} cannot be combined")]
    Directories(&'static str, &'static str),
    /// `--wdns`: a NUL byte in the path, which no command line can hold.
    #[error("cannot open {0}: Invalid argument")]
    Path(Text),
    /// `all` or `follow-context`, the long name of what takes `-t`.
    #[error("no target PID specified for --{0}")]
    NoTargetFor(&'static str),
    /// Namespaces without a file, `-N`, `--user-parent`, `-c`, `follow` or `-e`, and no `-t`.
    #[error("no target PID specified")]
    NoTarget,
    /// `-r` or `-w` without a directory and without `-t`: `root` or `cwd`.
    #[error("neither filename nor target pid supplied for {0}")]
    NoPlace(&'static str),
    /// No option names a namespace. A target alone is not all of its, as it is for `nsx enter`.
    #[error("no namespace specified")]
    NoNamespace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    All,
    Help,
    Version,
    Target,
    Join(Kind),
    NetSocket,
    UserParent,
    SetUid,
    SetGid,
    Root,
    Wd,
    WdInside,
    Env,
    NoFork,
    PreserveCredentials,
    KeepCapabilities,
    JoinCgroup,
    FollowContext,
}

const TABLE: &[Opt<Id>] = &[
    opt(Id::All, b'a', "all", Argument::None),
    opt(Id::Help, b'h', "help", Argument::None),
    opt(Id::Version, b'V', "version", Argument::None),
    opt(Id::Target, b't', "target", Argument::Required),
    opt(Id::Join(Kind::Mnt), b'm', "mount", Argument::Optional),
    opt(Id::Join(Kind::Uts), b'u', "uts", Argument::Optional),
    opt(Id::Join(Kind::Ipc), b'i', "ipc", Argument::Optional),
    opt(Id::Join(Kind::Net), b'n', "net", Argument::Optional),
    opt(Id::NetSocket, b'N', "net-socket", Argument::Required),
    opt(Id::Join(Kind::Pid), b'p', "pid", Argument::Optional),
    opt(Id::Join(Kind::User), b'U', "user", Argument::Optional),
    long(Id::UserParent, "user-parent", Argument::None),
    opt(Id::Join(Kind::Cgroup), b'C', "cgroup", Argument::Optional),
    opt(Id::Join(Kind::Time), b'T', "time", Argument::Optional),
    opt(Id::SetUid, b'S', "setuid", Argument::Required),
    opt(Id::SetGid, b'G', "setgid", Argument::Required),
    opt(Id::Root, b'r', "root", Argument::Optional),
    opt(Id::Wd, b'w', "wd", Argument::Optional),
    // What must follow the short one need not follow the long one, which is nothing then.
    opt(Id::WdInside, b'W', "", Argument::Required),
    long(Id::WdInside, "wdns", Argument::Optional),
    opt(Id::Env, b'e', "env", Argument::None),
    opt(Id::NoFork, b'F', "no-fork", Argument::None),
    opt(Id::JoinCgroup, b'c', "join-cgroup", Argument::None),
    long(Id::PreserveCredentials, "preserve-credentials", Argument::None),
    long(Id::KeepCapabilities, "keep-caps", Argument::None),
    opt(Id::FollowContext, b'Z', "follow-context", Argument::None),
];

const fn opt(id: Id, short: u8, long: &'static str, argument: Argument) -> Opt<Id> {
    Opt { id, short: Some(short), long, argument }
}

const fn long(id: Id, long: &'static str, argument: Argument) -> Opt<Id> {
    Opt { id, short: None, long, argument }
}

/// Options end at the first operand, which is the program.
pub fn parse(words: Vec<OsString>) -> Result<Asked, UsageError> {
    let mut request = Request::default();
    let mut context = false;
    for item in Parser::new(TABLE, words, true) {
        match item? {
            Item::Operand(word) => request.program.push(word),
            Item::Option(Id::Help, _) => return Ok(Asked::Help),
            Item::Option(Id::Version, _) => return Ok(Asked::Version),
            Item::Option(Id::FollowContext, _) => context = true,
            Item::Option(id, value) => take(&mut request, id, value)?,
        }
    }
    if context && request.target.is_none() {
        return Err(UsageError::NoTargetFor("follow-context"));
    }
    complete(&mut request)?;
    Ok(Asked::Run { request: Box::new(request), context })
}

fn take(request: &mut Request, id: Id, value: Option<OsString>) -> Result<(), UsageError> {
    let wish = &mut request.wish;
    match id {
        Id::Help | Id::Version | Id::FollowContext => {}
        Id::All => wish.all = true,
        // The last counts.
        Id::Target => request.target = Some(target(&value.unwrap_or_default())?),
        Id::Join(kind) => match value {
            None => wish.named = wish.named.with(kind),
            Some(value) => {
                let file = unsigned(&value);
                if let Some(id) = file.as_bytes().strip_prefix(b":")
                    && !matches!(number(OsStr::from_bytes(id)), Number::Is(_))
                {
                    return Err(UsageError::NsId(Text::new(id)));
                }
                request.namespaces.retain(|(known, _)| *known != kind);
                request.namespaces.push((kind, file));
            }
        },
        Id::NetSocket => {
            request.socket = Some(narrow("file descriptor", &value.unwrap_or_default())?);
        }
        Id::UserParent => request.user_parents = 1,
        Id::SetUid => wish.uid = Some(who("uid", "setuid", &value.unwrap_or_default())?),
        Id::SetGid => wish.gid = Some(who("gid", "setgid", &value.unwrap_or_default())?),
        Id::PreserveCredentials => wish.keep_credentials = true,
        Id::KeepCapabilities => wish.keep_capabilities = true,
        Id::Root => request.root = Some(value.map_or(Place::OfTarget, Place::Ours)),
        Id::Wd => {
            let place = value.map_or(Place::OfTarget, |value| Place::Ours(unsigned(&value)));
            start_in(request, place)?;
        }
        Id::WdInside => {
            let Some(value) = value else { return Ok(()) };
            let value = unsigned(&value);
            let path = CString::new(value.as_bytes())
                .map_err(|_| UsageError::Path(Text::new(value.as_bytes())))?;
            start_in(request, Place::Inside(path))?;
        }
        Id::Env => request.environment.of_target = true,
        Id::NoFork => wish.no_fork = true,
        Id::JoinCgroup => request.standing.cgroup = true,
    }
    Ok(())
}

/// What nsenter does by itself, and what it cannot do without.
fn complete(request: &mut Request) -> Result<(), UsageError> {
    let overridden: Kinds = request.namespaces.iter().map(|(kind, _)| *kind).collect();
    let wish = &mut request.wish;
    let named = wish.named.iter().filter(|kind| !overridden.has(*kind)).collect::<Kinds>();
    wish.named = named;
    wish.may_join_nothing = true;
    wish.keeps_session = true;
    if wish.no_fork {
        // Who becomes the program cannot stay beside it to relay.
        wish.terminal = Terminal::Never;
    }
    request.quiet = true;
    request.shell = Shell::Preferred;
    request.environment.whole = true;
    let follows = [wish.uid, wish.gid].contains(&Some(WishedId::Follow));
    let joins_of_target = wish.all || !named.is_empty();
    let asks_target = joins_of_target
        || request.socket.is_some()
        || request.user_parents > 0
        || request.standing.cgroup;
    let of_target = |place: &Option<Place>| {
        place.as_ref().is_some_and(|place| matches!(place, Place::OfTarget))
    };
    let (root, directory) = (of_target(&request.root), of_target(&request.directory));
    let env = request.environment.of_target;
    if request.target.is_none() {
        if wish.all {
            return Err(UsageError::NoTargetFor("all"));
        }
        if asks_target || follows || env {
            return Err(UsageError::NoTarget);
        }
        for (asked, name) in [(root, "root"), (directory, "cwd")] {
            if asked {
                return Err(UsageError::NoPlace(name));
            }
        }
    }
    if !request.names_namespaces() {
        return Err(UsageError::NoNamespace);
    }
    if !(asks_target || follows || env || root || directory) {
        // Nobody is asked whether it is there.
        request.target = None;
    }
    Ok(())
}

fn start_in(request: &mut Request, place: Place) -> Result<(), UsageError> {
    let inside = |place: &Place| matches!(place, Place::Inside(_));
    if request.directory.as_ref().is_some_and(|before| inside(before) != inside(&place)) {
        return Err(if inside(&place) {
            UsageError::Directories("wd", "wdns")
        } else {
            UsageError::Directories("wdns", "wd")
        });
    }
    request.directory = Some(place);
    Ok(())
}

/// A sign of equality before it is none of it: `-n=FILE`.
fn unsigned(value: &OsStr) -> OsString {
    let bytes = value.as_bytes();
    OsStr::from_bytes(bytes.strip_prefix(b"=").unwrap_or(bytes)).to_owned()
}

/// `PID`, `PID:INODE`; spelled as nsx does.
fn target(value: &OsStr) -> Result<OsString, UsageError> {
    let wrong = || UsageError::Pid(Text::new(value.as_bytes()));
    let bytes = value.as_bytes();
    let mut parts = bytes.splitn(2, |byte| *byte == b':').map(OsStr::from_bytes);
    let part = |value: Option<&OsStr>| match value.map(number) {
        Some(Number::Is(number)) if number > 0 => Ok(number),
        _ => Err(wrong()),
    };
    let pid = part(parts.next())?;
    i32::try_from(pid).map_err(|_| wrong())?;
    Ok(match parts.next() {
        None => pid.to_string(),
        inode => format!("{pid}:{}", part(inode)?),
    }
    .into())
}

fn narrow(what: &'static str, value: &OsStr) -> Result<u32, UsageError> {
    let text = || Text::new(value.as_bytes());
    let range = || UsageError::Range { what, value: text() };
    match number(value) {
        Number::None => Err(UsageError::Number { what, value: text() }),
        Number::Is(number) => u32::try_from(number).map_err(|_| range()),
        Number::OutOfRange => Err(range()),
    }
}

fn who(what: &'static str, call: &'static str, value: &OsStr) -> Result<WishedId, UsageError> {
    if value == "follow" {
        return Ok(WishedId::Follow);
    }
    match narrow(what, value)? {
        // To the kernel it is nobody's, or "as before".
        u32::MAX => Err(UsageError::NoId(call)),
        id => Ok(WishedId::Number(id)),
    }
}

#[cfg(test)]
mod tests;
