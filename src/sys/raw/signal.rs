//! Signal dispositions, whose setters nix marks unsafe because a handler could be anything.

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};

/// Restores the default action of a signal; whether it had been ignored.
pub fn set_default(which: Signal) -> Result<bool, Errno> {
    // SAFETY: SIG_DFL installs no handler of ours.
    let before = unsafe { signal(which, SigHandler::SigDfl) }?;
    Ok(matches!(before, SigHandler::SigIgn))
}

/// Ignores a signal.
pub fn set_ignored(which: Signal) -> Result<(), Errno> {
    // SAFETY: SIG_IGN installs no handler of ours.
    unsafe { signal(which, SigHandler::SigIgn) }.map(drop)
}

/// Whether a process is still there: pidfd_send_signal(2) with signal 0, which no library offers.
pub fn probe(pidfd: std::os::fd::BorrowedFd<'_>) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    let (fd, signal, flags) = (pidfd.as_raw_fd(), 0, 0);
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed; the call reads no memory of ours.
    let done = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, info, flags) };
    Errno::result(done).map(drop)
}
