//! Signals by number: nix and rustix know the named ones, and a caller may send any.

use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Restores the default action of a signal; whether it had been ignored.
pub fn set_default(number: i32) -> nix::Result<bool> {
    // SAFETY: SIG_DFL installs no handler of ours.
    let before = unsafe { libc::signal(number, libc::SIG_DFL) };
    if before == libc::SIG_ERR { Err(Errno::last()) } else { Ok(before == libc::SIG_IGN) }
}

/// Whether a signal is ignored.
pub fn is_ignored(number: i32) -> bool {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action it only tells the present one, to a place of ours.
    let told = unsafe { libc::sigaction(number, std::ptr::null(), now.as_mut_ptr()) };
    // SAFETY: it is made of numbers, and zeros are some.
    let now = unsafe { now.assume_init() };
    told == 0 && now.sa_sigaction == libc::SIG_IGN
}

/// Ignores a signal.
pub fn set_ignored(number: i32) -> nix::Result<()> {
    // SAFETY: SIG_IGN installs no handler of ours.
    let before = unsafe { libc::signal(number, libc::SIG_IGN) };
    if before == libc::SIG_ERR { Err(Errno::last()) } else { Ok(()) }
}

/// Signals, as the kernel has them: the C library leaves those out of its sets that it uses itself,
/// and to another program they are signals like any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(u64);

impl Mask {
    /// Every signal there is.
    pub const ALL: Self = Self(u64::MAX);

    /// These signals alone.
    pub fn of(signals: &[Signal]) -> Self {
        Self(signals.iter().fold(0, |bits, signal| bits | Self::only(*signal as i32).0))
    }

    const fn only(number: i32) -> Self {
        Self(if 0 < number && number <= 64 { 1 << (number - 1) } else { 0 })
    }
}

/// Blocks these too; what was blocked before.
pub fn block(mask: Mask) -> nix::Result<Mask> {
    change(libc::SIG_BLOCK, mask)
}

/// Blocks these and no others.
pub fn set_blocked(mask: Mask) -> nix::Result<()> {
    change(libc::SIG_SETMASK, mask).map(drop)
}

fn change(how: i32, Mask(bits): Mask) -> nix::Result<Mask> {
    let (mut before, size) = (0_u64, size_of::<u64>());
    // SAFETY: both sets are of the size that is named, and live.
    let done = unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const bits, &raw mut before, size)
    };
    Errno::result(done).map(|_| Mask(before))
}

/// Where blocked signals are read from; reading does not wait.
#[derive(Debug)]
pub struct Arrivals(OwnedFd);

/// Of one that was read: signalfd(2).
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// Of the signal.
    pub number: i32,
    /// `SI_USER` and its kin.
    pub code: i32,
    /// Of the sender, where that is a process.
    pub pid: u32,
}

impl Arrivals {
    /// Of these, which are to be blocked.
    pub fn of(Mask(bits): Mask) -> nix::Result<Self> {
        let (flags, size) = (libc::SFD_CLOEXEC | libc::SFD_NONBLOCK, size_of::<u64>());
        // SAFETY: the set is of the size that is named, and live.
        let fd = unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const bits, size, flags) };
        let fd = Errno::result(fd)?;
        let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
        // SAFETY: the kernel has just made it, for nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next one, if there is one.
    pub fn next(&self) -> nix::Result<Option<Arrived>> {
        let mut bytes = [0; size_of::<libc::signalfd_siginfo>()];
        match rustix::io::read(&self.0, &mut bytes) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(None),
            read => read.map_err(|errno| Errno::from_raw(errno.raw_os_error()))?,
        };
        // SAFETY: it is made of numbers, and any bytes are some.
        let info: libc::signalfd_siginfo = unsafe { std::mem::transmute(bytes) };
        let number = i32::try_from(info.ssi_signo).unwrap_or_default();
        Ok(Some(Arrived { number, code: info.ssi_code, pid: info.ssi_pid }))
    }
}

impl AsFd for Arrivals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends a signal to this process and lets it arrive.
pub fn raise_unblocked(number: i32) {
    // SAFETY: it only asks.
    let this = unsafe { libc::getpid() };
    // Not raise: musl's believes that a process which it did not fork itself has its parent's number.
    // SAFETY: kill takes numbers; a blocked signal stays pending.
    unsafe { libc::kill(this, number) };
    let _ = change(libc::SIG_UNBLOCK, Mask::only(number));
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
