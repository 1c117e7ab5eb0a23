//! Values of the launchers' options: `enter` and `spawn` read them alike.

use super::args::duration;
use super::error::Failure;
use crate::model::text::Text;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// Digits alone.
pub fn number<T: std::str::FromStr>(option: &str, value: &OsStr) -> Result<T, Failure> {
    let bytes = value.as_bytes();
    let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let number = value.to_str().filter(|_| digits).and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| {
        let why = if digits { "too large" } else { "not a number" };
        Failure::usage(format!("{option}: {} is {why}", Text::new(bytes)))
    })
}

/// The last number means "leave it" to the kernel.
pub fn id(option: &str, value: &OsStr) -> Result<u32, Failure> {
    match number(option, value)? {
        u32::MAX => Err(Failure::usage(format!("{option}: {} is no id", u32::MAX))),
        id => Ok(id),
    }
}

/// `NAME=VALUE`
pub fn variable(option: &str, value: &OsStr) -> Result<(OsString, OsString), Failure> {
    let bytes = value.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=').filter(|at| *at > 0);
    let Some((name, rest)) = at.map(|at| bytes.split_at(at)) else {
        let value = Text::new(bytes);
        return Err(Failure::usage(format!("{option}: {value} is not NAME=VALUE")));
    };
    let owned = |bytes| OsStr::from_bytes(bytes).to_owned();
    Ok((owned(name), owned(rest.get(1..).unwrap_or_default())))
}

/// More than nothing.
pub fn time(option: &str, value: &OsStr) -> Result<Duration, Failure> {
    let time = value.to_str().ok_or_else(|| "it is not text".to_owned()).and_then(duration);
    let nothing = || "it must be more than nothing".to_owned();
    let time = time.and_then(|time| Some(time).filter(|time| !time.is_zero()).ok_or_else(nothing));
    time.map_err(|why| {
        let value = Text::new(value.as_bytes());
        Failure::usage(format!("{option}: {value}: {why}"))
    })
}

/// A path for system calls; it is not looked at.
pub fn path(option: &str, value: &OsStr) -> Result<CString, Failure> {
    if value.is_empty() {
        return Err(Failure::usage(format!("{option}: the path is empty")));
    }
    CString::new(value.as_bytes()).map_err(|_| Failure::usage(format!("{option} holds a NUL byte")))
}
