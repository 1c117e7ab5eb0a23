//! One error type for everything asked of the kernel: what was tried, on what, and what it said.

use crate::model::gap::{Gap, Reason};
use crate::model::text::Text;
use nix::errno::Errno;
use std::fmt;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The kernel refused.
    Errno(Errno),
    /// It did not answer before the deadline.
    TimedOut,
    /// It is longer than the bound.
    Truncated,
    /// It does not have the documented form; the word says which part.
    Malformed(&'static str),
    /// There is no procfs where it is mounted by convention.
    NoProcfs,
    /// The procfs there is of another pid namespace than ours: its numbers mean others to us.
    ForeignProcfs,
    /// Only a newer kernel than this one can: of this version.
    Kernel(&'static str),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => f.write_str(errno.desc()),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Truncated => f.write_str("longer than the bound"),
            Self::Malformed(part) => write!(f, "malformed {part}"),
            Self::NoProcfs => f.write_str("procfs is not mounted there"),
            Self::Kernel(version) => write!(f, "Linux {version} is needed"),
            Self::ForeignProcfs => f.write_str("it is of another pid namespace than ours"),
        }
    }
}

/// A call that did not work: `cannot read /proc/42/stat: No such process`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {doing} {object}: {problem}")]
pub struct SysError {
    /// What was tried, a verb in the infinitive.
    pub doing: &'static str,
    /// What it was tried on.
    pub object: Text,
    /// Why it did not work.
    pub problem: Problem,
}

/// Of nearly everything in this layer.
pub type Result<T> = std::result::Result<T, SysError>;

impl SysError {
    /// A call that failed; it reads `cannot DOING OBJECT: why`.
    pub fn new(doing: &'static str, object: impl Into<Text>, errno: impl IntoErrno) -> Self {
        Self { doing, object: object.into(), problem: Problem::Errno(errno.into_errno()) }
    }

    /// What was read does not have its documented form; `part` says where.
    pub fn malformed(doing: &'static str, object: impl Into<Text>, part: &'static str) -> Self {
        Self { doing, object: object.into(), problem: Problem::Malformed(part) }
    }

    /// `None` where the kernel gave an answer, but none that can be used, or none in time.
    pub const fn errno(&self) -> Option<Errno> {
        match self.problem {
            Problem::Errno(errno) => Some(errno),
            _ => None,
        }
    }

    /// The class that a caller treats differently.
    pub const fn reason(&self) -> Reason {
        match self.problem {
            Problem::Errno(errno) => reason_of(errno),
            Problem::NoProcfs | Problem::ForeignProcfs | Problem::Kernel(_) => Reason::Unsupported,
            Problem::TimedOut => Reason::Timeout,
            Problem::Truncated => Reason::Truncated,
            Problem::Malformed(_) => Reason::Malformed,
        }
    }

    /// This error as a hole in a report.
    pub fn gap(&self, what: &'static str) -> Gap {
        Gap { object: self.object.clone(), what, reason: self.reason() }
    }
}

/// `ENOENT` below `/proc/PID` and `ESRCH` both mean that it ended; `ENODEV` is a cgroup removed under
/// an open file.
pub const fn reason_of(errno: Errno) -> Reason {
    match errno {
        Errno::EACCES | Errno::EPERM => Reason::Denied,
        Errno::ENOENT | Errno::ESRCH | Errno::ENODEV => Reason::Gone,
        Errno::EIO | Errno::EINTR => Reason::Failed,
        errno if is_exhaustion(errno) => Reason::Failed,
        _ => Reason::Unsupported,
    }
}

/// A limit of ours or of the host, and nothing about what was asked.
pub const fn is_exhaustion(errno: Errno) -> bool {
    matches!(errno, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::EAGAIN | Errno::ENOBUFS)
}

/// The number in it; EIO where the kernel was not asked.
impl From<SysError> for Errno {
    fn from(error: SysError) -> Self {
        error.errno().unwrap_or(Self::EIO)
    }
}

/// The error numbers of the crates that wrap system calls.
pub trait IntoErrno {
    /// The number in it; EIO or EINVAL where the kernel was not asked.
    fn into_errno(self) -> Errno;
}

impl IntoErrno for Errno {
    fn into_errno(self) -> Errno {
        self
    }
}

impl IntoErrno for rustix::io::Errno {
    fn into_errno(self) -> Errno {
        Errno::from_raw(self.raw_os_error())
    }
}

/// A string that would end early.
impl IntoErrno for std::ffi::NulError {
    fn into_errno(self) -> Errno {
        Errno::EINVAL
    }
}

impl IntoErrno for std::io::Error {
    fn into_errno(self) -> Errno {
        self.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
    }
}

/// What went wrong, in whatever error.
pub trait IntoProblem {
    /// The error number in it or, of a [`SysError`], its own problem.
    fn into_problem(self) -> Problem;
}

impl<E: IntoErrno> IntoProblem for E {
    fn into_problem(self) -> Problem {
        Problem::Errno(self.into_errno())
    }
}

impl IntoProblem for SysError {
    fn into_problem(self) -> Problem {
        self.problem
    }
}

/// Attaches what was tried, on what.
pub trait Context<T> {
    /// Reads `cannot DOING OBJECT: why`.
    fn context(self, doing: &'static str, object: impl Into<Text>) -> Result<T>;
    /// The same; the object is made only on failure.
    fn with_context<O: Into<Text>>(
        self,
        doing: &'static str,
        object: impl FnOnce() -> O,
    ) -> Result<T>;
}

impl<T, E: IntoErrno> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: &'static str, object: impl Into<Text>) -> Result<T> {
        self.map_err(|errno| SysError::new(doing, object, errno))
    }

    fn with_context<O: Into<Text>>(
        self,
        doing: &'static str,
        object: impl FnOnce() -> O,
    ) -> Result<T> {
        self.map_err(|errno| SysError::new(doing, object(), errno))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_the_act_the_object_and_the_errno_and_nothing_raw() {
        let error = SysError::new("read", b"/proc/4\x1b[2J/stat", Errno::ESRCH);
        assert_eq!(error.to_string(), "cannot read /proc/4\\x1b[2J/stat: No such process");
        assert_eq!(error.reason(), Reason::Gone);
    }

    #[test]
    fn the_reasons_are_told_apart() {
        let reason = |errno| SysError::new("open", "x", errno).reason();
        assert_eq!(reason(Errno::EPERM), Reason::Denied);
        assert_eq!(reason(Errno::EACCES), Reason::Denied);
        assert_eq!(reason(Errno::ENODEV), Reason::Gone);
        assert_eq!(reason(Errno::ENOSYS), Reason::Unsupported);
        assert_eq!(reason(Errno::EMFILE), Reason::Failed);
    }
}
