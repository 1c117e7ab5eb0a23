//! The command line of unshare(1), util-linux 2.42, with `--clear-env` and `--whitelist-env` of
//! 2.43.

use super::values::{named, offset, owner, path, signal, source, text, who};
use crate::cli::compat::getopt::{self, Argument, Item, Opt, Parser};
use crate::cli::spawn::request::{Manner, Map, Own, Request};
use crate::model::isolation::Propagation;
use crate::model::namespace::{Kind, Kinds};
use crate::model::text::Text;
use crate::model::user_map::{Setgroups, Source};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What is to be done.
#[derive(Debug)]
pub enum Asked {
    /// Checked by itself; users and groups that are named are looked up already.
    Run(Box<Request>),
    /// `-h`; options before it must be right, what comes after it is not read.
    Help,
    /// `-V`; read as `-h` is.
    Version,
}

/// Who is called what.
pub trait Names {
    /// `None`: there is no such user.
    fn uid(&self, name: &[u8]) -> Option<u32>;
    /// `None`: there is no such group.
    fn gid(&self, name: &[u8]) -> Option<u32>;
}

/// Why a command line is refused, in the words of unshare.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// It is no option, or lacks an argument or has one too many.
    #[error("{0}\nTry 'unshare --help' for more information.")]
    Option(#[from] getopt::Error),
    /// `-S`, `-G` or the offset of a clock: not decimal digits with a sign at most.
    #[error("failed to parse {what}: '{value}'")]
    Number {
        /// `uid`, `gid`, `monotonic offset` or `boottime offset`.
        what: &'static str,
        /// As it was given.
        value: Text,
    },
    /// An id below 0 or of more than 32 bits; an offset of more than 64, its sign included.
    #[error("failed to parse {what}: '{value}': Numerical result out of range")]
    Range {
        /// As of `Number`.
        what: &'static str,
        /// As it was given.
        value: Text,
    },
    /// What the kernel would say of the number that means none.
    #[error("{0}() failed: Invalid argument")]
    NoId(&'static str),
    /// `--map-user` or `--map-group`: neither a number nor a name of this host's.
    #[error("failed to parse {what} '{value}'")]
    Who {
        /// `uid` or `gid`.
        what: &'static str,
        /// As it was given.
        value: Text,
    },
    /// `--map-users`, `--map-groups`: no word and no range, or a range of 0 ids.
    #[error("invalid mapping '{0}'")]
    Mapping(Text),
    /// `--owner`: not `UID:GID`, or one of them the number that means none.
    #[error("failed to parse owner")]
    Owner,
    /// `--setgroups`: not `allow` or `deny`.
    #[error("unsupported --setgroups argument '{0}'")]
    Setgroups(Text),
    /// `--propagation`: not `slave`, `private`, `shared` or `unchanged`.
    #[error("unsupported propagation mode: {0}")]
    Propagation(Text),
    /// `--kill-child`: not a signal's name.
    #[error("unknown signal: {0}")]
    Signal(Text),
    /// `-r` and `-c` count as `--map-group`; without rights it takes setgroups(2) denied.
    #[error("options --setgroups=allow and --map-group are mutually exclusive")]
    SetgroupsAndGroup,
    /// A clock's offset without `-T`: no other option brings a time namespace with it.
    #[error("options --monotonic and --boottime require unsharing of a time namespace (-T)")]
    Clocks,
    /// In a path or a binary format, which no command line can hold.
    #[error("an argument holds a NUL byte")]
    Nul,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    New(Kind),
    Help,
    Version,
    Fork,
    ForwardSignals,
    KillChild,
    MountProc,
    MountBinfmt,
    LoadInterpreter,
    Propagation,
    Root,
    Wd,
    SetUid,
    SetGid,
    MapUser,
    MapUsers,
    MapGroup,
    MapGroups,
    MapRoot,
    MapCurrent,
    MapAuto,
    MapSubids,
    Owner,
    Setgroups,
    KeepCapabilities,
    Monotonic,
    Boottime,
    ClearEnv,
    WhitelistEnv,
}

/// In the order in which unshare names those that an abbreviation fits.
const TABLE: &[Opt<Id>] = &[
    opt(Id::Help, b'h', "help", Argument::None),
    opt(Id::Version, b'V', "version", Argument::None),
    // A file can only be attached to the long ones.
    short(Id::New(Kind::Mnt), b'm'),
    long(Id::New(Kind::Mnt), "mount", Argument::Optional),
    short(Id::New(Kind::Uts), b'u'),
    long(Id::New(Kind::Uts), "uts", Argument::Optional),
    short(Id::New(Kind::Ipc), b'i'),
    long(Id::New(Kind::Ipc), "ipc", Argument::Optional),
    short(Id::New(Kind::Net), b'n'),
    long(Id::New(Kind::Net), "net", Argument::Optional),
    short(Id::New(Kind::Pid), b'p'),
    long(Id::New(Kind::Pid), "pid", Argument::Optional),
    short(Id::New(Kind::User), b'U'),
    long(Id::New(Kind::User), "user", Argument::Optional),
    short(Id::New(Kind::Cgroup), b'C'),
    long(Id::New(Kind::Cgroup), "cgroup", Argument::Optional),
    short(Id::New(Kind::Time), b'T'),
    long(Id::New(Kind::Time), "time", Argument::Optional),
    opt(Id::Fork, b'f', "fork", Argument::None),
    long(Id::KillChild, "kill-child", Argument::Optional),
    long(Id::ForwardSignals, "forward-signals", Argument::None),
    long(Id::MountProc, "mount-proc", Argument::Optional),
    long(Id::MountBinfmt, "mount-binfmt", Argument::Optional),
    long(Id::MapUser, "map-user", Argument::Required),
    long(Id::MapUsers, "map-users", Argument::Required),
    long(Id::MapGroup, "map-group", Argument::Required),
    long(Id::MapGroups, "map-groups", Argument::Required),
    opt(Id::MapRoot, b'r', "map-root-user", Argument::None),
    opt(Id::MapCurrent, b'c', "map-current-user", Argument::None),
    long(Id::MapAuto, "map-auto", Argument::None),
    long(Id::MapSubids, "map-subids", Argument::None),
    long(Id::Owner, "owner", Argument::Required),
    long(Id::Propagation, "propagation", Argument::Required),
    long(Id::Setgroups, "setgroups", Argument::Required),
    long(Id::KeepCapabilities, "keep-caps", Argument::None),
    opt(Id::SetUid, b'S', "setuid", Argument::Required),
    opt(Id::SetGid, b'G', "setgid", Argument::Required),
    opt(Id::Root, b'R', "root", Argument::Required),
    opt(Id::Wd, b'w', "wd", Argument::Required),
    long(Id::Monotonic, "monotonic", Argument::Required),
    long(Id::Boottime, "boottime", Argument::Required),
    opt(Id::LoadInterpreter, b'l', "load-interp", Argument::Required),
    long(Id::ClearEnv, "clear-env", Argument::None),
    long(Id::WhitelistEnv, "whitelist-env", Argument::Required),
];

const fn opt(id: Id, short: u8, long: &'static str, argument: Argument) -> Opt<Id> {
    Opt { id, short: Some(short), long, argument }
}

const fn long(id: Id, long: &'static str, argument: Argument) -> Opt<Id> {
    Opt { id, short: None, long, argument }
}

const fn short(id: Id, short: u8) -> Opt<Id> {
    Opt { id, short: Some(short), long: "", argument: Argument::None }
}

/// Options end at the first operand, which is the program.
pub fn parse(words: Vec<OsString>, names: &dyn Names) -> Result<Asked, UsageError> {
    let mut request = Request { manner: Manner::Unshare, ..Request::default() };
    for item in Parser::new(TABLE, words, true) {
        match item? {
            Item::Operand(word) => request.program.push(word),
            Item::Option(Id::Help, _) => return Ok(Asked::Help),
            Item::Option(Id::Version, _) => return Ok(Asked::Version),
            Item::Option(id, value) => take(&mut request, id, value.as_deref(), names)?,
        }
    }
    complete(&mut request)?;
    Ok(Asked::Run(Box::new(request)))
}

fn take(
    request: &mut Request,
    id: Id,
    given: Option<&OsStr>,
    names: &dyn Names,
) -> Result<(), UsageError> {
    let value = given.unwrap_or_default();
    match id {
        Id::Help | Id::Version => {}
        Id::New(kind) => {
            new(request, Kinds::NONE.with(kind));
            if let Some(file) = given {
                // The last of a kind counts.
                request.kept.retain(|(known, _)| *known != kind);
                request.kept.push((kind, file.into()));
            }
        }
        Id::Fork | Id::ForwardSignals => request.life.fork = true,
        Id::KillChild => {
            request.life.fork = true;
            request.life.death_signal = given.map(signal).transpose()?;
        }
        Id::MountProc => {
            new(request, Kinds::NONE.with(Kind::Mnt));
            request.proc = Some(given.map_or_else(|| Ok(PROC.to_owned()), path)?);
        }
        Id::MountBinfmt => {
            new(request, Kinds::NONE.with(Kind::Mnt).with(Kind::User));
            request.binfmt = Some(given.map_or_else(|| Ok(BINFMT.to_owned()), path)?);
        }
        Id::LoadInterpreter => {
            new(request, Kinds::NONE.with(Kind::Mnt).with(Kind::User));
            request.interpreter = Some(path(value)?);
        }
        Id::Propagation => request.propagation = Some(propagation(value)?),
        Id::Root => request.root = Some(path(value)?),
        Id::Wd => request.directory = Some(path(value)?),
        Id::SetUid => request.uid = Some(who("uid", "setuid", value)?),
        Id::SetGid => request.gid = Some(who("gid", "setgid", value)?),
        Id::Owner => {
            new(request, Kinds::NONE.with(Kind::User));
            request.owner = Some(owner(value)?);
        }
        Id::Setgroups => request.map.setgroups = Some(setgroups(value)?),
        Id::KeepCapabilities => request.keep_capabilities = true,
        Id::Monotonic => request.clocks.monotonic = Some(offset("monotonic offset", value)?),
        Id::Boottime => request.clocks.boottime = Some(offset("boottime offset", value)?),
        Id::ClearEnv => {
            request.environment.only.get_or_insert_default();
        }
        Id::WhitelistEnv => {
            let listed = value.as_bytes().split(|byte| *byte == b',');
            let listed = listed.map(|name| OsStr::from_bytes(name).to_owned());
            request.environment.only.get_or_insert_default().extend(listed);
        }
        Id::MapUser
        | Id::MapUsers
        | Id::MapGroup
        | Id::MapGroups
        | Id::MapRoot
        | Id::MapCurrent
        | Id::MapAuto
        | Id::MapSubids => {
            new(request, Kinds::NONE.with(Kind::User));
            take_map(&mut request.map, id, value, names)?;
        }
    }
    Ok(())
}

fn take_map(map: &mut Map, id: Id, value: &OsStr, names: &dyn Names) -> Result<(), UsageError> {
    let own = |own| (Some(own), Some(own));
    let mut both = |source| {
        map.users.push(source);
        map.groups.push(source);
    };
    match id {
        Id::MapAuto => both(Source::Auto),
        Id::MapSubids => both(Source::Subordinate),
        Id::MapUsers => map.users.push(source(value)?),
        Id::MapGroups => map.groups.push(source(value)?),
        Id::MapRoot => (map.user, map.group) = own(Own::Root),
        Id::MapCurrent => (map.user, map.group) = own(Own::Current),
        Id::MapUser => map.user = Some(Own::Number(named("uid", names, value)?)),
        _ => map.group = Some(Own::Number(named("gid", names, value)?)),
    }
    Ok(())
}

fn new(request: &mut Request, kinds: Kinds) {
    request.new = kinds.iter().fold(request.new, Kinds::with);
}

const PROC: &std::ffi::CStr = c"/proc";
const BINFMT: &std::ffi::CStr = c"/proc/sys/fs/binfmt_misc";

/// What one option brings with it, and what it cannot be without.
fn complete(request: &mut Request) -> Result<(), UsageError> {
    if request.interpreter.is_some() {
        request.binfmt.get_or_insert_with(|| BINFMT.to_owned());
    }
    if request.binfmt.is_some() {
        // Formats of the user namespace's own are found by its own /proc.
        request.proc.get_or_insert_with(|| PROC.to_owned());
    }
    if let Some(directory) = &request.directory {
        // It is changed to before these are mounted.
        for place in [&mut request.proc, &mut request.binfmt].into_iter().flatten() {
            *place = below(directory, place);
        }
    }
    let clocks = request.clocks;
    if (clocks.monotonic.is_some() || clocks.boottime.is_some()) && !request.new.has(Kind::Time) {
        return Err(UsageError::Clocks);
    }
    if request.map.setgroups == Some(Setgroups::Allow)
        && request.map.group.is_some()
        && request.map.groups.is_empty()
    {
        return Err(UsageError::SetgroupsAndGroup);
    }
    Ok(())
}

/// A path as it is called before one is in `directory`.
fn below(directory: &CString, place: &CString) -> CString {
    let (directory, bytes) = (directory.to_bytes(), place.to_bytes());
    if bytes.is_empty() || bytes.starts_with(b"/") {
        return place.clone();
    }
    CString::new([directory, bytes].join(&b'/')).unwrap_or_else(|_| place.clone())
}

fn propagation(value: &OsStr) -> Result<Propagation, UsageError> {
    match value.as_bytes() {
        b"slave" => Ok(Propagation::Slave),
        b"private" => Ok(Propagation::Private),
        b"shared" => Ok(Propagation::Shared),
        b"unchanged" => Ok(Propagation::Unchanged),
        _ => Err(UsageError::Propagation(text(value))),
    }
}

fn setgroups(value: &OsStr) -> Result<Setgroups, UsageError> {
    match value.as_bytes() {
        b"allow" => Ok(Setgroups::Allow),
        b"deny" => Ok(Setgroups::Deny),
        _ => Err(UsageError::Setgroups(text(value))),
    }
}

#[cfg(test)]
mod tests;
