//! Which namespaces are made, the files they stay on, the clocks.

use super::{Id as Any, opt};
use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::cli::spawn::request::Request;
use crate::model::namespace::{Kind, Kinds};
use crate::model::text::Text;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::cmd::spawn) enum Id {
    New(Kind),
    All,
    Monotonic,
    Boottime,
}

const HEADING: &str = "Namespaces";

const fn new(
    kind: Kind,
    short: char,
    long: &'static str,
    aliases: &'static [&'static str],
    help: &'static str,
) -> Opt<Any> {
    let id = Any::Namespaces(Id::New(kind));
    Opt { aliases, ..opt(id, Some(short), long, Value::Optional("FILE"), (HEADING, help)) }
}

const fn clock(id: Id, long: &'static str, help: &'static str) -> Opt<Any> {
    opt(Any::Namespaces(id), None, long, Value::Required("SECONDS"), (HEADING, help))
}

pub(super) const OPTIONS: &[Opt<Any>] = &[
    new(
        Kind::Pid,
        'p',
        "newpid",
        &["pid"],
        "A pid namespace: the program is PID 1, with a /proc of its own",
    ),
    new(Kind::Net, 'n', "newnet", &[], "A network namespace: only lo, which is up"),
    new(Kind::Uts, 'u', "newuts", &["uts"], "A UTS namespace: hostname"),
    new(Kind::Ipc, 'i', "newipc", &["ipc"], "An IPC namespace"),
    new(
        Kind::Mnt,
        'm',
        "newns",
        &["newmnt", "mount"],
        "A mount namespace: mounts made inside stay inside",
    ),
    new(
        Kind::User,
        'U',
        "newuser",
        &[],
        "A user namespace: you are root inside, and only there, unless a map says otherwise",
    ),
    new(Kind::Cgroup, 'C', "newcgroup", &["cgroup"], "A cgroup namespace"),
    new(Kind::Time, 'T', "newtime", &["time"], "A time namespace"),
    opt(Any::Namespaces(Id::All), None, "new-all", Value::None, (HEADING, "All eight")),
    clock(Id::Monotonic, "monotonic", "How far the monotonic clock is ahead; implies --newtime"),
    clock(Id::Boottime, "boottime", "How far the boot time clock is ahead; implies --newtime"),
];

pub(super) fn take(request: &mut Request, id: Id, value: Option<OsString>) -> Result<(), Failure> {
    let number = |option| seconds(option, value.as_deref().unwrap_or_default());
    match id {
        Id::New(kind) => {
            request.new = request.new.with(kind);
            request.named = request.named.with(kind);
            if let Some(file) = value {
                keep(request, kind, file)?;
            }
        }
        Id::All => request.new = Kinds::EVERY,
        Id::Monotonic => {
            request.clocks.monotonic = Some(number("--monotonic")?);
            request.new = request.new.with(Kind::Time);
        }
        Id::Boottime => {
            request.clocks.boottime = Some(number("--boottime")?);
            request.new = request.new.with(Kind::Time);
        }
    }
    Ok(())
}

fn keep(request: &mut Request, kind: Kind, file: OsString) -> Result<(), Failure> {
    if file.is_empty() {
        return Err(Failure::usage(format!("the file of the {kind} namespace is empty")));
    }
    if request.kept.iter().any(|(given, _)| *given == kind) {
        return Err(Failure::usage(format!("a file of the {kind} namespace is given twice")));
    }
    request.kept.push((kind, file.into()));
    Ok(())
}

/// A clock may be behind too.
fn seconds(option: &str, value: &OsStr) -> Result<i64, Failure> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| {
        let value = Text::new(value.as_bytes());
        Failure::usage(format!("{option}: {value} is not a number of seconds"))
    })
}
