//! A process held by descriptor: it cannot be confused with another that gets its number.
//!
//! The pidfd comes first, `/proc/PID` is opened after it, and [`ProcessHandle::check_alive`] says
//! afterwards whether what was read through the directory belonged to this process. See
//! pidfd_open(2).

use super::error::{Context, Problem, Result, SysError};
use super::magic;
use super::raw;
use super::root::SysRoot;
use crate::model::process::Pid;
use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};
use rustix::process::PidfdFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A pinned process and its directory in `/proc`.
#[derive(Debug)]
pub struct ProcessHandle {
    pid: Pid,
    /// Absent only on a fixture, where no process is alive.
    pidfd: Option<OwnedFd>,
    dir: OwnedFd,
}

impl ProcessHandle {
    /// Pins `pid`, then opens its directory.
    pub fn open(root: &SysRoot, pid: Pid) -> Result<Self> {
        let pidfd = if root.is_real() {
            if !root.numbers_as_we_do() {
                let problem = Problem::ForeignProcfs;
                return Err(SysError { doing: "use", object: "/proc".into(), problem });
            }
            Some(pin(pid)?)
        } else {
            None
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(root.proc(), pid.to_string(), flags, Mode::empty())
            .with_context("open", || format!("/proc/{pid}"));
        let dir = match (opened, &pidfd) {
            // It lives, and /proc leaves it out: hidepid.
            (Err(error), Some(pidfd))
                if error.errno() == Some(Errno::ENOENT) && is_alive(pidfd.as_fd(), pid).is_ok() =>
            {
                return Err(SysError { problem: Problem::Errno(Errno::EACCES), ..error });
            }
            (opened, _) => opened?,
        };
        let handle = Self { pid, pidfd, dir };
        handle.check_alive()?;
        Ok(handle)
    }

    /// Its number here; it means this process as long as it lives.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// `/proc/PID`.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The pidfd; ESRCH on a fixture.
    pub fn pidfd(&self) -> Result<BorrowedFd<'_>> {
        match &self.pidfd {
            Some(pidfd) => Ok(pidfd.as_fd()),
            None => Err(SysError::new("pin", format!("pid {}", self.pid), Errno::ESRCH)),
        }
    }

    /// Fails with ESRCH once the process has been reaped.
    pub fn check_alive(&self) -> Result<()> {
        let Some(pidfd) = &self.pidfd else {
            return Ok(());
        };
        is_alive(pidfd.as_fd(), self.pid)
    }

    /// Fails with ESRCH once the process has ended, whether it was reaped or not: of one that was not
    /// some files still tell, and others are empty.
    pub fn check_running(&self) -> Result<()> {
        let Some(pidfd) = &self.pidfd else {
            return Ok(());
        };
        if has_ended(pidfd, self.pid)? {
            return Err(SysError::new("find", format!("pid {}", self.pid), Errno::ESRCH));
        }
        Ok(())
    }

    /// The inode of the process itself, never given twice until the next boot; `None` on a kernel
    /// whose pidfds share one inode. pidfs, Linux 6.9. ESRCH on a fixture.
    pub fn inode(&self) -> Result<Option<u64>> {
        let pidfd = self.pidfd()?;
        let object = || format!("pid {}", self.pid);
        let kind = rustix::fs::fstatfs(pidfd).with_context("examine", object)?.f_type;
        let stat = rustix::fs::fstat(pidfd).with_context("examine", object)?;
        Ok((kind == magic::PIDFS).then_some(stat.st_ino))
    }
}

/// Holds `pid`, of which nothing else is known. ESRCH, ENOENT or EINVAL: there is no such process, or
/// it is a thread that does not lead one.
pub fn pin(pid: Pid) -> Result<OwnedFd> {
    let object = || format!("pid {pid}");
    let raw = rustix::process::Pid::from_raw(pid.raw())
        .ok_or_else(|| SysError::new("pin", object(), Errno::EINVAL))?;
    rustix::process::pidfd_open(raw, PidfdFlags::empty()).with_context("pin", object)
}

/// Whether it has ended, reaped or not.
pub fn has_ended(pidfd: &OwnedFd, pid: Pid) -> Result<bool> {
    let mut watched = [rustix::event::PollFd::new(pidfd, rustix::event::PollFlags::IN)];
    let at_once = rustix::event::Timespec::default();
    let ended = rustix::event::poll(&mut watched, Some(&at_once));
    Ok(ended.with_context("watch", || format!("pid {pid}"))? > 0)
}

fn is_alive(pidfd: BorrowedFd<'_>, pid: Pid) -> Result<()> {
    match raw::signal::send(pidfd, 0) {
        // EPERM: alive, and not ours to signal.
        Ok(()) | Err(Errno::EPERM) => Ok(()),
        Err(errno) => Err(SysError::new("find", format!("pid {pid}"), errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{WaitId, WaitIdOptions, waitid};

    #[test]
    fn one_that_was_not_reaped_is_there_and_does_not_run() {
        let root = SysRoot::real().unwrap();
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let handle = ProcessHandle::open(&root, Pid::new(child.id()).unwrap()).unwrap();
        handle.check_running().unwrap();
        drop(child.stdin.take());
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::PidFd(handle.pidfd().unwrap()), options).unwrap();
        handle.check_alive().unwrap();
        assert_eq!(handle.check_running().unwrap_err().errno(), Some(Errno::ESRCH));
        child.wait().unwrap();
        assert!(handle.check_alive().is_err() && handle.check_running().is_err());
    }
}
