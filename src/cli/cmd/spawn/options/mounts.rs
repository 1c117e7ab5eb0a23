//! What a new mount namespace looks like.

use super::{Id as Any, opt};
use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::cli::spawn::request::Request;
use crate::cli::values::path;
use crate::model::isolation::Propagation;
use crate::model::text::Text;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::cmd::spawn) enum Id {
    Propagation,
    Proc,
    Binfmt,
    Interpreter,
    Chroot,
}

const HEADING: &str = "Files";

const fn files(
    id: Id,
    short: Option<char>,
    long: &'static str,
    value: Value,
    help: &'static str,
) -> Opt<Any> {
    opt(Any::Mounts(id), short, long, value, (HEADING, help))
}

pub(super) const OPTIONS: &[Opt<Any>] = &[
    files(
        Id::Propagation,
        None,
        "propagation",
        Value::Required("MODE"),
        "How the mounts stand to those outside: private (the default), slave, shared, unchanged",
    ),
    files(
        Id::Proc,
        None,
        "mount-proc",
        Value::Optional("DIR"),
        "Where the new /proc is mounted; implies --newns (--newpid has it at /proc anyway)",
    ),
    files(
        Id::Binfmt,
        None,
        "mount-binfmt",
        Value::Optional("DIR"),
        "Binary formats of its own, at /proc/sys/fs/binfmt_misc; implies --newuser and --newns",
    ),
    files(
        Id::Interpreter,
        Some('l'),
        "load-interp",
        Value::Required("FORMAT"),
        "Registers a binary format there; implies --mount-binfmt",
    ),
    files(
        Id::Chroot,
        Some('R'),
        "root",
        Value::Required("DIR"),
        "Changes the root by chroot(2), which is no boundary",
    ),
];

pub(super) fn take(request: &mut Request, id: Id, value: Option<OsString>) -> Result<(), Failure> {
    let value_or = |default: &str| value.clone().unwrap_or_else(|| default.into());
    match id {
        Id::Propagation => {
            let value = value.unwrap_or_default();
            request.propagation = Some(match value.as_bytes() {
                b"private" => Propagation::Private,
                b"shared" => Propagation::Shared,
                b"slave" => Propagation::Slave,
                b"unchanged" => Propagation::Unchanged,
                other => {
                    let other = Text::new(other);
                    return Err(Failure::usage(format!("--propagation: there is no mode {other}"))
                        .hint("private, slave, shared or unchanged"));
                }
            });
        }
        Id::Proc => request.proc = Some(path("--mount-proc", &value_or("/proc"))?),
        Id::Binfmt => request.binfmt = Some(path("--mount-binfmt", &value_or(BINFMT))?),
        Id::Interpreter => {
            request.interpreter = Some(path("--load-interp", &value_or(""))?);
            if request.binfmt.is_none() {
                request.binfmt = Some(path("--mount-binfmt", BINFMT.as_ref())?);
            }
        }
        Id::Chroot => request.root = Some(path("--root", &value_or(""))?),
    }
    Ok(())
}

const BINFMT: &str = "/proc/sys/fs/binfmt_misc";
