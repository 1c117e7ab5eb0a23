//! Numbers as strtoul(3) reads them.

use std::ffi::OsStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    None,
    OutOfRange,
    Is(u64),
}

/// Blanks, a sign, decimal digits, and nothing after them.
pub(super) fn number(value: &OsStr) -> Number {
    let Some(text) = value.to_str() else { return Number::None };
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Number::None;
    }
    match digits.parse() {
        Ok(number) if !negative => Number::Is(number),
        _ => Number::OutOfRange,
    }
}
