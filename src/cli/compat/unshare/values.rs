//! Values of the options of unshare(1).

use super::options::{Names, UsageError};
use crate::cli::compat::number::{Number, number};
use crate::model::security::IdRange;
use crate::model::text::Text;
use crate::model::user_map::Source;
use nix::sys::signal::Signal;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

pub(super) fn text(value: &OsStr) -> Text {
    Text::new(value.as_bytes())
}

/// Of `-S` and `-G`: a number.
pub(super) fn who(
    what: &'static str,
    call: &'static str,
    value: &OsStr,
) -> Result<u32, UsageError> {
    let range = || UsageError::Range { what, value: text(value) };
    match number(value) {
        Number::None => Err(UsageError::Number { what, value: text(value) }),
        Number::OutOfRange => Err(range()),
        Number::Is(number) => match u32::try_from(number).map_err(|_| range())? {
            // To the kernel it is nobody's, or "as before".
            u32::MAX => Err(UsageError::NoId(call)),
            id => Ok(id),
        },
    }
}

/// Of `--map-user` and `--map-group`: a name or a number.
pub(super) fn named(
    what: &'static str,
    names: &dyn Names,
    value: &OsStr,
) -> Result<u32, UsageError> {
    let bytes = value.as_bytes();
    let found = if what == "uid" { names.uid(bytes) } else { names.gid(bytes) };
    found.ok_or_else(|| UsageError::Who { what, value: text(value) })
}

/// `auto`, `subids`, `all`, `INNER:OUTER:COUNT`, and as it was before 2.39 `OUTER,INNER,COUNT`.
pub(super) fn source(value: &OsStr) -> Result<Source, UsageError> {
    let bytes = value.as_bytes();
    let numbers = |mark: u8| -> Option<Vec<u32>> {
        bytes.split(|byte| *byte == mark).map(|part| id(OsStr::from_bytes(part))).collect()
    };
    let range = match bytes {
        b"auto" => return Ok(Source::Auto),
        b"subids" => return Ok(Source::Subordinate),
        b"all" => return Ok(Source::All),
        _ => match (numbers(b':').as_deref(), numbers(b',').as_deref()) {
            (Some(&[inside, outside, count]), _) | (_, Some(&[outside, inside, count])) => {
                IdRange { inside, outside, count }
            }
            _ => return Err(UsageError::Mapping(text(value))),
        },
    };
    if range.count == 0 {
        return Err(UsageError::Mapping(text(value)));
    }
    Ok(Source::These(range))
}

fn id(value: &OsStr) -> Option<u32> {
    match number(value) {
        Number::Is(number) => u32::try_from(number).ok(),
        _ => None,
    }
}

/// `UID:GID`
pub(super) fn owner(value: &OsStr) -> Result<(u32, u32), UsageError> {
    let parts: Option<Vec<u32>> = value
        .as_bytes()
        .split(|byte| *byte == b':')
        .map(|part| id(OsStr::from_bytes(part)))
        .collect();
    match parts.as_deref() {
        Some(&[uid, gid]) if uid != u32::MAX && gid != u32::MAX => Ok((uid, gid)),
        _ => Err(UsageError::Owner),
    }
}

/// Seconds; a clock may be behind too.
pub(super) fn offset(what: &'static str, value: &OsStr) -> Result<i64, UsageError> {
    let bytes = value.as_bytes().trim_ascii_start();
    let digits = bytes.strip_prefix(b"-").or_else(|| bytes.strip_prefix(b"+")).unwrap_or(bytes);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(UsageError::Number { what, value: text(value) });
    }
    let number = std::str::from_utf8(bytes).ok().and_then(|number| number.parse().ok());
    number.ok_or_else(|| UsageError::Range { what, value: text(value) })
}

/// Names without regard to case, with `SIG` or without, `RTMIN+N`, `RTMAX-N`; no numbers.
pub(super) fn signal(value: &OsStr) -> Result<i32, UsageError> {
    let spelled = value.to_str().unwrap_or_default().to_ascii_uppercase();
    let name = spelled.strip_prefix("SIG").unwrap_or(&spelled);
    let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    let real_time = |rest: &str, of: fn(i32, i32) -> Option<i32>, from: i32| {
        let distance = rest.parse().ok()?;
        of(from, distance).filter(|signal| (first..=last).contains(signal))
    };
    let found = if let Some(rest) = name.strip_prefix("RTMIN+") {
        real_time(rest, i32::checked_add, first)
    } else if let Some(rest) = name.strip_prefix("RTMAX-") {
        real_time(rest, i32::checked_sub, last)
    } else {
        let name = match name {
            "CLD" => "CHLD",
            "POLL" => "IO",
            "IOT" => "ABRT",
            name => name,
        };
        format!("SIG{name}").parse::<Signal>().ok().map(|signal| signal as i32)
    };
    found.ok_or_else(|| UsageError::Signal(text(value)))
}

pub(super) fn path(value: &OsStr) -> Result<CString, UsageError> {
    CString::new(value.as_bytes()).map_err(|_| UsageError::Nul)
}
