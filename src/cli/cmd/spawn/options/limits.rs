//! What the program may use, by its control group.

use super::{Id as Any, opt};
use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::cli::spawn::request::Request;
use crate::model::text::Text;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::cmd::spawn) enum Id {
    Memory,
}

const HEADING: &str = "Limits";

pub(super) const OPTIONS: &[Opt<Any>] = &[opt(
    Any::Limits(Id::Memory),
    None,
    "memory",
    Value::Required("SIZE"),
    (HEADING, "Memory limit: bytes, or with K, M, G (binary)"),
)];

pub(super) fn take(request: &mut Request, id: Id, value: &OsStr) -> Result<(), Failure> {
    match id {
        Id::Memory => {
            let bytes = size(value.as_bytes());
            request.memory_bytes = Some(bytes.ok_or_else(|| not_a_size(value))?);
        }
    }
    Ok(())
}

/// `67108864`, `64M`: binary units.
pub(super) fn size(text: &[u8]) -> Option<u64> {
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

fn not_a_size(value: &OsStr) -> Failure {
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
