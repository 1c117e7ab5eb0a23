//! How the program lives and ends.

use super::{Id as Any, opt};
use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::cli::spawn::request::{ReportForm, Request};
use crate::cli::values::{number, path, time};
use crate::model::spawned::is_name;
use crate::model::text::Text;
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::cmd::spawn) enum Id {
    Fork,
    ForwardSignals,
    KillChild,
    Init,
    Timeout,
    KillAfter,
    Name,
    Detach,
    StatusFd,
    PidFile,
    Stop,
    Report,
    Pty,
    NoPty,
    DryRun,
}

const HEADING: &str = "Life";

const fn life(
    id: Id,
    short: Option<char>,
    long: &'static str,
    value: Value,
    help: &'static str,
) -> Opt<Any> {
    opt(Any::Life(id), short, long, value, (HEADING, help))
}

pub(super) const OPTIONS: &[Opt<Any>] = &[
    life(
        Id::Init,
        None,
        "init",
        Value::None,
        "An init of its own stays beside the program: it passes signals on, and reaps",
    ),
    life(
        Id::Timeout,
        None,
        "timeout",
        Value::Required("TIME"),
        "How long the program may run: 30s, 5m; then SIGTERM, and exit code 124",
    ),
    life(
        Id::KillAfter,
        None,
        "kill-after",
        Value::Required("TIME"),
        "How long it then has before SIGKILL (5s)",
    ),
    life(
        Id::KillChild,
        None,
        "kill-child",
        Value::Optional("SIGNAL"),
        "What the program gets when nsx ends before it (SIGKILL, always)",
    ),
    life(Id::Fork, Some('f'), "fork", Value::None, "The program is a child of nsx (always)"),
    life(
        Id::ForwardSignals,
        None,
        "forward-signals",
        Value::None,
        "Signals are passed on to the program (always)",
    ),
    life(
        Id::Name,
        None,
        "name",
        Value::Required("NAME"),
        "What it is known by: nsx:NAME as a target, in `nsx ps`, for --stop",
    ),
    life(
        Id::Detach,
        None,
        "detach",
        Value::None,
        "Prints the name once the program runs, and leaves it alone, without input or output",
    ),
    life(
        Id::StatusFd,
        None,
        "status-fd",
        Value::Required("N"),
        "Writes JSON lines to descriptor N: started, exited",
    ),
    life(
        Id::PidFile,
        None,
        "pid-file",
        Value::Required("FILE"),
        "Holds the program's pid on the host while it runs",
    ),
    life(
        Id::Stop,
        None,
        "stop",
        Value::Required("NAME"),
        "Ends a named program, with SIGTERM and, after --kill-after, SIGKILL; starts none",
    ),
    life(
        Id::Report,
        None,
        "report",
        Value::Optional("table|json"),
        "Says on standard error what the program used, when it has ended",
    ),
    life(
        Id::Pty,
        None,
        "pty",
        Value::None,
        "A terminal of its own, as it is with --rootfs, another user or fewer rights",
    ),
    life(Id::NoPty, None, "no-pty", Value::None, "None: the program has yours as it is"),
    life(Id::DryRun, None, "dry-run", Value::None, "Says what would be done, and does nothing"),
];

pub(super) fn take(request: &mut Request, id: Id, value: Option<&OsStr>) -> Result<(), Failure> {
    let text = value.unwrap_or_default();
    let life = &mut request.life;
    match id {
        Id::Fork => life.fork = true,
        // As is always done.
        Id::ForwardSignals => {}
        Id::KillChild => life.death_signal = value.map(signal).transpose()?,
        Id::Init => life.init = true,
        Id::Timeout => life.limit = Some(time("--timeout", text)?),
        Id::KillAfter => life.grace = Some(time("--kill-after", text)?),
        Id::Name => request.name = Some(name("--name", text)?),
        Id::Detach => request.detach = true,
        Id::StatusFd => request.status_descriptor = Some(number("--status-fd", text)?),
        Id::PidFile => {
            path("--pid-file", text)?;
            request.pid_file = Some(text.into());
        }
        Id::Stop => {
            // As it is called as a target, too.
            let bare = text.as_bytes().strip_prefix(b"nsx:").map(OsStr::from_bytes);
            request.stop = Some(name("--stop", bare.unwrap_or(text))?);
        }
        Id::Report => request.report = Some(report(value)?),
        Id::Pty | Id::NoPty => {
            if request
                .own_terminal
                .replace(id == Id::Pty)
                .is_some_and(|before| before != (id == Id::Pty))
            {
                return Err(Failure::usage("--pty and --no-pty exclude each other"));
            }
        }
        Id::DryRun => request.dry_run = true,
    }
    Ok(())
}

fn report(value: Option<&OsStr>) -> Result<ReportForm, Failure> {
    match value.map(OsStr::as_bytes) {
        None | Some(b"table") => Ok(ReportForm::Table),
        Some(b"json") => Ok(ReportForm::Json),
        Some(other) => {
            let other = Text::new(other);
            Err(Failure::usage(format!("--report: {other} is not table or json")))
        }
    }
}

fn name(option: &str, value: &OsStr) -> Result<String, Failure> {
    let name = value.to_str().filter(|name| is_name(name)).map(str::to_owned);
    name.ok_or_else(|| {
        let value = Text::new(value.as_bytes());
        Failure::usage(format!("{option}: {value} is no name"))
            .hint("letters, digits, _ . and -, at most 64, a letter or digit first")
    })
}

/// `TERM`, `SIGTERM`, `15`
fn signal(value: &OsStr) -> Result<i32, Failure> {
    let text = value.to_str().unwrap_or_default();
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let by_number = text.parse::<i32>().ok().and_then(|number| Signal::try_from(number).ok());
    let signal = by_number.or_else(|| format!("SIG{name}").parse().ok());
    signal.map(|signal| signal as i32).ok_or_else(|| {
        let value = Text::new(value.as_bytes());
        Failure::usage(format!("--kill-child: there is no signal {value}"))
    })
}
