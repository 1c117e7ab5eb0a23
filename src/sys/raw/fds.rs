//! close_range(2), which the C libraries wrap unevenly.

use nix::errno::Errno;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

/// `CLOSE_RANGE_CLOEXEC`, Linux 5.11.
const CLOEXEC: u32 = 4;

/// Every descriptor from `first` on closes at the next exec; none is closed now.
pub fn close_on_exec_from(first: u32) -> nix::Result<()> {
    // SAFETY: with CLOEXEC the call only sets flags; no descriptor in use becomes invalid.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, CLOEXEC) };
    match Errno::result(done) {
        Ok(_) => Ok(()),
        // By kernels without it, and filters that have not heard of it.
        Err(_) => each_from(first, |fd| {
            // SAFETY: F_SETFD only sets a flag; a number that is no descriptor gives EBADF.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }),
    }
}

/// A descriptor of the caller's, as one of ours that no program gets; the number is free afterwards
/// if it is above the standard ones. EBADF: there is none. For the beginning: nothing of ours has
/// that number yet.
pub fn take_over(number: u32) -> nix::Result<OwnedFd> {
    let raw = i32::try_from(number).map_err(|_| Errno::EBADF)?;
    // SAFETY: a number that is no descriptor gives EBADF.
    let copy = unsafe { libc::fcntl(raw, libc::F_DUPFD_CLOEXEC, 3) };
    let copy = Errno::result(copy)?;
    // SAFETY: the call above made it, and nobody else owns it.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    if number > 2 {
        // SAFETY: the caller left it to us, and nothing of ours is behind it.
        unsafe { libc::close(raw) };
    }
    Ok(copy)
}

/// Closes what the caller of this program left open, from `first` on, but for a few. For the
/// beginning, when no descriptor up there is ours.
pub fn close_inherited_from(first: u32, kept: &[u32]) -> nix::Result<()> {
    let mut kept: Vec<u32> = kept.iter().copied().filter(|fd| *fd >= first).collect();
    kept.sort_unstable();
    let mut next = first;
    for fd in kept {
        if next < fd {
            close_inherited(next, fd - 1)?;
        }
        next = fd.saturating_add(1);
    }
    close_inherited(next, u32::MAX)
}

fn close_inherited(first: u32, last: u32) -> nix::Result<()> {
    // SAFETY: nothing of this process has been opened yet that is still in use.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    match Errno::result(done) {
        Ok(_) => Ok(()),
        Err(_) => each_from(first, |fd| {
            if u32::try_from(fd).is_ok_and(|fd| fd <= last) {
                // SAFETY: as above; a number that is no descriptor gives EBADF.
                unsafe { libc::close(fd) };
            }
        }),
    }
}

/// Up to the limit, since a table may be sparse.
fn each_from(first: u32, act: impl Fn(i32)) -> nix::Result<()> {
    let (soft, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)?;
    let last = i32::try_from(soft).unwrap_or(i32::MAX);
    (i32::try_from(first).unwrap_or(i32::MAX)..last).for_each(act);
    Ok(())
}

/// Whether a number is an open descriptor.
pub fn is_open(fd: u32) -> bool {
    let Ok(fd) = i32::try_from(fd) else { return false };
    // SAFETY: F_GETFD only reads a flag; a number that is no descriptor gives EBADF.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

/// Closes all of these: neighbours in one call.
pub fn close_together(fds: &mut Vec<OwnedFd>) {
    fds.sort_unstable_by_key(AsRawFd::as_raw_fd);
    let mut run = Vec::new();
    for fd in fds.drain(..) {
        let follows = |before: &OwnedFd| before.as_raw_fd().checked_add(1) == Some(fd.as_raw_fd());
        if !run.last().is_none_or(follows) {
            close_run(&mut run);
        }
        run.push(fd);
    }
    close_run(&mut run);
}

/// Each follows the one before it.
fn close_run(run: &mut Vec<OwnedFd>) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
    let (first, last) = (first.as_raw_fd(), last.as_raw_fd());
    if first == last {
        run.clear();
        return;
    }
    // SAFETY: every descriptor from the first to the last is owned by `run`; they are let go of
    // below if this closed them.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if done == 0 {
        run.drain(..).map(IntoRawFd::into_raw_fd).for_each(drop);
    }
    // On a kernel without the call, one by one.
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_closed_and_nothing_else() {
        let open = || tempfile::tempfile().unwrap().into();
        let mut fds: Vec<OwnedFd> = (0..40).map(|_| open()).collect();
        let kept: Vec<OwnedFd> = [30, 11, 7].map(|at| fds.swap_remove(at)).into();
        let numbers: Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        close_together(&mut fds);
        assert!(fds.is_empty());
        let is_open =
            |number: i32| std::path::Path::new(&format!("/proc/self/fd/{number}")).exists();
        // Another test may have opened some of the numbers again: not all of them at once.
        assert!(!numbers.into_iter().all(is_open));
        for fd in kept {
            assert!(rustix::fs::fstat(&fd).is_ok());
        }
    }
}
