//! The options of `nsx spawn`.

use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::model::namespace::{Kind, Kinds};
use crate::model::text::Text;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Copy, Debug)]
pub(super) enum Id {
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
        value: Value::None,
        heading: None,
        help,
    }
}

pub(super) const OPTIONS: &[Opt<Id>] = &[
    new(Kind::Pid, 'p', "newpid", "A pid namespace: the program is PID 1, with a /proc of its own"),
    new(Kind::Net, 'n', "newnet", "A network namespace: only lo, which is up"),
    new(Kind::Uts, 'u', "newuts", "A UTS namespace: hostname"),
    new(Kind::Ipc, 'i', "newipc", "An IPC namespace"),
    Opt {
        id: Id::New(Kind::Mnt),
        short: Some('m'),
        long: "newns",
        aliases: &["newmnt"],
        value: Value::None,
        heading: None,
        help: "A mount namespace: mounts made inside stay inside",
    },
    new(Kind::User, 'U', "newuser", "A user namespace: you are root inside, and only there"),
    new(Kind::Cgroup, 'C', "newcgroup", "A cgroup namespace"),
    new(Kind::Time, 'T', "newtime", "A time namespace"),
    Opt {
        id: Id::All,
        short: None,
        long: "new-all",
        aliases: &[],
        value: Value::None,
        heading: None,
        help: "All eight",
    },
    Opt {
        id: Id::Hostname,
        short: None,
        long: "hostname",
        aliases: &[],
        value: Value::Required("NAME"),
        heading: None,
        help: "Hostname inside; implies --newuts",
    },
    Opt {
        id: Id::Memory,
        short: None,
        long: "memory",
        aliases: &[],
        value: Value::Required("SIZE"),
        heading: None,
        help: "Memory limit: bytes, or with K, M, G (binary)",
    },
];

/// What was asked for, as far as the options alone tell.
#[derive(Debug, Default)]
pub(super) struct Args {
    pub new: Kinds,
    pub hostname: Option<OsString>,
    pub memory_bytes: Option<u64>,
    pub program: Vec<OsString>,
}

pub(super) fn read(
    options: Vec<(Id, Option<OsString>)>,
    program: Vec<OsString>,
) -> Result<Args, Failure> {
    let mut args = Args { program, ..Args::default() };
    for (id, value) in options {
        let value = value.unwrap_or_default();
        match id {
            Id::New(kind) => args.new = args.new.with(kind),
            Id::All => args.new = Kinds::EVERY,
            Id::Hostname => {
                args.new = args.new.with(Kind::Uts);
                args.hostname = Some(value);
            }
            Id::Memory => {
                args.memory_bytes = Some(size(value.as_bytes()).ok_or_else(|| not_a_size(&value))?);
            }
        }
    }
    if args.new.is_empty() && args.memory_bytes.is_none() {
        return Err(Failure::usage("nothing to isolate: name at least one new namespace")
            .hint("--newpid for a pid namespace, --new-all for every kind"));
    }
    // Its /proc must be its own to be of use, and private to harm nobody.
    if args.new.has(Kind::Pid) {
        args.new = args.new.with(Kind::Mnt);
    }
    Ok(args)
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
    Failure::usage(format!("{value} is not a size")).hint("for example 64M")
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
