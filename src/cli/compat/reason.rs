//! Why something failed, as the C library has it.

use crate::cli::error::{Failure, Kind};
use nix::errno::Errno;

/// What stands last in a message.
pub(super) fn of(message: &str) -> String {
    let why = message.rsplit(": ").next().unwrap_or_default();
    let named = |number: &i32| Errno::from_raw(*number).desc() == why;
    (1..=LAST).find(named).map_or_else(|| why.to_owned(), called)
}

/// The last number of an error.
const LAST: i32 = 133;

fn called(number: i32) -> String {
    let text = std::io::Error::from_raw_os_error(number).to_string();
    text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text).to_owned()
}

/// A program that could not be started, as util-linux says it; absent for any other failure.
/// `program`: as it was asked for, absent where it is a shell.
pub(super) fn not_executed(failure: &Failure, program: Option<&str>) -> Option<Failure> {
    let said = failure.message.as_str();
    let why = match failure.kind {
        Kind::CommandNotFound => called(Errno::ENOENT as i32),
        Kind::NotExecutable => of(said),
        _ => return None,
    };
    let shell = || {
        let shell = said.strip_prefix("cannot execute ").unwrap_or(said);
        let end = shell.find(" does not exist").or_else(|| shell.rfind(": "));
        end.and_then(|end| shell.get(..end)).unwrap_or_default()
    };
    let name = program.unwrap_or_else(shell);
    Some(Failure::new(failure.kind, format!("failed to execute {name}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_called_as_by_the_c_library() {
        for (errno, expected) in [
            (Errno::ERANGE, "Numerical result out of range"),
            (Errno::EBADF, "Bad file descriptor"),
            (Errno::ENOMEM, "Cannot allocate memory"),
            (Errno::ELOOP, "Too many levels of symbolic links"),
            (Errno::ENOTTY, "Inappropriate ioctl for device"),
            (Errno::EPERM, "Operation not permitted"),
        ] {
            assert_eq!(of(&format!("cannot open /a: b: {}", errno.desc())), expected);
        }
        assert_eq!(of("it: is no error"), "is no error");
        assert_eq!(of(""), "");
    }
}
