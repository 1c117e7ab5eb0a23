//! Signals by number: nix and rustix know the named ones, and a caller may send any.

use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Restores the default action of a signal; whether it had been ignored.
pub fn set_default(number: i32) -> nix::Result<bool> {
    // SAFETY: SIG_DFL installs no handler of ours.
    let before = unsafe { libc::signal(number, libc::SIG_DFL) };
    if before == libc::SIG_ERR { Err(Errno::last()) } else { Ok(before == libc::SIG_IGN) }
}

/// Ignores a signal.
pub fn set_ignored(number: i32) -> nix::Result<()> {
    // SAFETY: SIG_IGN installs no handler of ours.
    let before = unsafe { libc::signal(number, libc::SIG_IGN) };
    if before == libc::SIG_ERR { Err(Errno::last()) } else { Ok(()) }
}

/// Sends a signal to this process and lets it arrive.
pub fn raise_unblocked(number: i32) {
    let mut only = std::mem::MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set it is given.
    unsafe { libc::sigemptyset(only.as_mut_ptr()) };
    // SAFETY: the set was initialised by the line above; a bad number only fails.
    unsafe { libc::sigaddset(only.as_mut_ptr(), number) };
    // SAFETY: it only asks.
    let this = unsafe { libc::getpid() };
    // Not raise: musl's believes that a process which it did not fork itself has its parent's number.
    // SAFETY: kill takes numbers; a blocked signal stays pending.
    unsafe { libc::kill(this, number) };
    // SAFETY: the set is initialised, and where the old mask goes is optional.
    unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, only.as_ptr(), std::ptr::null_mut()) };
}

/// Sends a signal to exactly one process; number 0 only asks whether it is still there.
/// pidfd_send_signal(2), Linux 5.1.
pub fn send(pidfd: BorrowedFd<'_>, number: i32) -> nix::Result<()> {
    let (fd, flags) = (pidfd.as_raw_fd(), 0);
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed; the call reads no memory of ours.
    let done = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, info, flags) };
    Errno::result(done).map(drop)
}
