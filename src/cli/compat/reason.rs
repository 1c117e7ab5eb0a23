//! Why something failed, as the C library has it.

use crate::cli::error::{Failure, Kind};
use nix::errno::Errno;

/// What stands last in a message.
pub(super) fn of(message: &str) -> String {
    let is_last = |errno: &Errno| {
        message.strip_suffix(errno.desc()).is_some_and(|before| before.ends_with(": "))
    };
    let why = (1..=LAST).map(Errno::from_raw).find(is_last).map(called);
    why.unwrap_or_else(|| message.rsplit(": ").next().unwrap_or_default()).to_owned()
}

/// The last number of an error.
const LAST: i32 = 133;

/// The GNU C library's words, which util-linux prints; with which C library this is built does not
/// matter.
fn called(errno: Errno) -> &'static str {
    match errno {
        Errno::EIO => "Input/output error",
        Errno::EBADF => "Bad file descriptor",
        Errno::EAGAIN => "Resource temporarily unavailable",
        Errno::ENOMEM => "Cannot allocate memory",
        Errno::EXDEV => "Invalid cross-device link",
        Errno::ENFILE => "Too many open files in system",
        Errno::ENOTTY => "Inappropriate ioctl for device",
        Errno::EDOM => "Numerical argument out of domain",
        Errno::ERANGE => "Numerical result out of range",
        Errno::EDEADLK => "Resource deadlock avoided",
        Errno::ENOLCK => "No locks available",
        Errno::ELOOP => "Too many levels of symbolic links",
        Errno::EBADMSG => "Bad message",
        Errno::EILSEQ => "Invalid or incomplete multibyte or wide character",
        Errno::EOPNOTSUPP => "Operation not supported",
        Errno::ENETRESET => "Network dropped connection on reset",
        Errno::EDQUOT => "Disk quota exceeded",
        same => same.desc(),
    }
}

/// A program that could not be started, as util-linux says it; absent for any other failure.
/// `program`: as it was asked for, absent where it is a shell.
pub(super) fn not_executed(failure: &Failure, program: Option<&str>) -> Option<Failure> {
    let said = failure.message.as_str();
    let why = match failure.kind {
        Kind::CommandNotFound => called(Errno::ENOENT).to_owned(),
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

    #[cfg(target_env = "gnu")]
    #[test]
    fn errors_are_called_as_by_the_gnu_c_library() {
        for number in 1..=LAST {
            let errno = Errno::from_raw(number);
            if errno == Errno::UnknownErrno {
                continue;
            }
            let its = std::io::Error::from_raw_os_error(number).to_string();
            let ours = of(&format!("cannot open /a: b: {}", errno.desc()));
            assert_eq!(format!("{ours} (os error {number})"), its);
        }
    }

    #[test]
    fn what_is_no_error_stays() {
        assert_eq!(of("it: is no error"), "is no error");
        assert_eq!(of(""), "");
        assert_eq!(of("cannot open /a: Not a typewriter"), "Inappropriate ioctl for device");
    }
}
