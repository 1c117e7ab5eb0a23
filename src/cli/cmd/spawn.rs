//! `nsx spawn`: run a program in new namespaces.

use crate::action::error::ActionError;
use crate::action::launch::Program;
use crate::action::spawn::{self, Isolation};
use crate::action::supervise::end_alike;
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::{Failure, Kind as FailureKind};
use crate::cli::options::{self, Opt, Parsed};
use crate::collect::memory_site::memory_site;
use crate::model::namespace::{Kind, Kinds};
use crate::model::text::Text;
use crate::sys::root::SysRoot;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

pub const COMMAND: Command = Command { name: "spawn", run };

#[derive(Clone, Copy, Debug)]
enum Id {
    New(Kind),
    All,
    Hostname,
    Memory,
}

const fn new(kind: Kind, short: char, long: &'static str, help: &'static str) -> Opt<Id> {
    Opt {
        id: Id::New(kind),
        short: Some(short),
        long,
        aliases: &[],
        value: None,
        help,
    }
}

const OPTIONS: &[Opt<Id>] = &[
    new(
        Kind::Pid,
        'p',
        "newpid",
        "A pid namespace: the program is PID 1, with a /proc of its own",
    ),
    new(
        Kind::Net,
        'n',
        "newnet",
        "A network namespace: only lo, which is up",
    ),
    new(Kind::Uts, 'u', "newuts", "A UTS namespace: hostname"),
    new(Kind::Ipc, 'i', "newipc", "An IPC namespace"),
    Opt {
        id: Id::New(Kind::Mnt),
        short: Some('m'),
        long: "newns",
        aliases: &["newmnt"],
        value: None,
        help: "A mount namespace: mounts made inside stay inside",
    },
    new(
        Kind::User,
        'U',
        "newuser",
        "A user namespace: you are root inside, and only there",
    ),
    new(Kind::Cgroup, 'C', "newcgroup", "A cgroup namespace"),
    new(Kind::Time, 'T', "newtime", "A time namespace"),
    Opt {
        id: Id::All,
        short: None,
        long: "new-all",
        aliases: &[],
        value: None,
        help: "All eight",
    },
    Opt {
        id: Id::Hostname,
        short: None,
        long: "hostname",
        aliases: &[],
        value: Some("NAME"),
        help: "Hostname inside; implies --newuts",
    },
    Opt {
        id: Id::Memory,
        short: None,
        long: "memory",
        aliases: &[],
        value: Some("SIZE"),
        help: "Memory limit: bytes, or with K, M, G (binary)",
    },
];

pub fn definition() -> clap::Command {
    options::definition(
        "spawn",
        "Run a program in new namespaces, and leave nothing behind",
        OPTIONS,
    )
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let parsed = options::parse(
        context,
        OPTIONS,
        include_str!("../help/spawn.txt"),
        arguments,
    );
    match parsed.map_err(Failure::of_launcher)? {
        Parsed::Run { options, program } => {
            spawn(context, options, program).map_err(Failure::of_launcher)
        }
        Parsed::Done(code) => Ok(code),
    }
}

fn spawn(
    context: &Context,
    options: Vec<(Id, OsString)>,
    program: Vec<OsString>,
) -> Result<u8, Failure> {
    let mut wanted = Kinds::NONE;
    let mut hostname = None;
    let mut memory = None;
    for (id, value) in options {
        match id {
            Id::New(kind) => wanted = wanted.with(kind),
            Id::All => wanted = Kinds::EVERY,
            Id::Hostname => {
                wanted = wanted.with(Kind::Uts);
                hostname = Some(value);
            }
            Id::Memory => memory = Some(size(value.as_bytes()).ok_or_else(|| not_a_size(&value))?),
        }
    }
    if wanted.is_empty() && memory.is_none() {
        return Err(
            Failure::usage("nothing to isolate: name at least one new namespace")
                .hint("--newpid for a pid namespace, --new-all for every kind"),
        );
    }
    // Its /proc must be its own to be of use, and private to harm nobody.
    if wanted.has(Kind::Pid) {
        wanted = wanted.with(Kind::Mnt);
    }
    let command = if program.is_empty() {
        vec!["/bin/sh".into()]
    } else {
        program
    };
    let program =
        Program::new(&command, &context.environment()).map_err(|error| failed(&error, wanted))?;
    let memory = match memory {
        Some(bytes) => Some((bytes, memory_site(&SysRoot::real()?)?)),
        None => None,
    };
    let ids = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let map_root = wanted.has(Kind::User).then_some(ids);
    let isolation = Isolation {
        new: wanted,
        hostname,
        map_root,
        memory,
        program,
    };
    let ending = spawn::spawn(&isolation).map_err(|error| failed(&error, wanted))?;
    Ok(end_alike(ending))
}

/// `67108864`, `64M`: binary units.
fn size(text: &[u8]) -> Option<u64> {
    let (digits, shift) = match text.split_last()? {
        (b'K' | b'k', digits) => (digits, 10),
        (b'M' | b'm', digits) => (digits, 20),
        (b'G' | b'g', digits) => (digits, 30),
        _ => (text, 0),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits)
        .ok()?
        .parse::<u64>()
        .ok()?
        .checked_mul(1 << shift)
        .filter(|size| *size > 0)
}

fn not_a_size(value: &OsString) -> Failure {
    let value = Text::new(value.as_bytes());
    Failure::usage(format!("{value} is not a size"))
        .hint("for example 64M")
        .of_launcher()
}

fn failed(error: &ActionError, wanted: Kinds) -> Failure {
    let kind = match error.exit() {
        126 => FailureKind::NotExecutable,
        127 => FailureKind::CommandNotFound,
        _ => FailureKind::Launcher,
    };
    let message = match kind {
        FailureKind::CommandNotFound => format!("{error} does not exist"),
        _ => error.to_string(),
    };
    let failure = Failure::new(kind, message);
    match error {
        ActionError::System(error)
            if error.errno() == Some(nix::errno::Errno::EPERM) && !wanted.has(Kind::User) =>
        {
            failure.hint("run it as root, or add --newuser to be root inside only")
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_strict() {
        assert_eq!(size(b"64M"), Some(64 << 20));
        assert_eq!(size(b"1024"), Some(1024));
        for bad in [
            &b""[..],
            b"M",
            b"-1",
            b"+1",
            b"0",
            b"1T",
            b"1 M",
            b"99999999999999999999",
            b"17179869184G",
        ] {
            assert_eq!(size(bad), None);
        }
    }
}
