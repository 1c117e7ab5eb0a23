//! Signals that come to nsx: how they are caught, what each means, and what it would do to the program.

use crate::action::error::ActionError;
use crate::sys::bounded;
use crate::sys::error::Context;
use crate::sys::proc::status;
use crate::sys::raw;
use crate::sys::raw::fork::Child;
use crate::sys::raw::signal::{Arrivals, Mask};
use nix::sys::signal::Signal;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::OnceLock;

/// Every signal, caught by descriptor from before the fork, so that none is lost between.
#[derive(Debug)]
pub struct Signals {
    pub(super) descriptor: Arrivals,
    /// To give back to the program.
    pub before: SignalState,
}

/// What was true of signals when nsx was started.
#[derive(Clone, Copy, Debug)]
pub struct SignalState {
    mask: Mask,
    ignores_child: bool,
}

impl SignalState {
    /// Between fork and exec: the program finds signals as nsx found them.
    pub fn restore(&self) -> nix::Result<()> {
        if self.ignores_child {
            raw::signal::set_ignored(Signal::SIGCHLD as i32)?;
        }
        raw::signal::set_blocked(self.mask)
    }
}

/// Whether we were started with SIGCHLD ignored, once that was asked.
static IGNORES_CHILD: OnceLock<bool> = OnceLock::new();

/// For who has children before [`Signals::catch`]: an ignored SIGCHLD (some daemons leave that to
/// theirs) would lose how they end.
pub fn mind_children() -> Result<(), ActionError> {
    if IGNORES_CHILD.get().is_none() {
        let ignored =
            raw::signal::set_default(Signal::SIGCHLD as i32).context("reset", "SIGCHLD")?;
        let _ = IGNORES_CHILD.set(ignored);
    }
    Ok(())
}

impl Signals {
    /// Of its descriptor.
    pub fn number(&self) -> RawFd {
        self.descriptor.as_fd().as_raw_fd()
    }

    /// Blocks every signal of this thread, so that each is read from a descriptor.
    pub fn catch() -> Result<Self, ActionError> {
        let mask = raw::signal::block(Mask::ALL).context("block", "signals")?;
        mind_children()?;
        let before = SignalState { mask, ignores_child: IGNORES_CHILD.get() == Some(&true) };
        let descriptor = Arrivals::of(Mask::ALL).context("catch", "signals")?;
        Ok(Self { descriptor, before })
    }
}

/// From the terminal's driver.
pub(super) const SI_KERNEL: i32 = 0x80;

/// What a person or a manager sends.
pub const ASKS_TO_END: [Signal; 3] = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

pub(super) fn asks_to_end(signal: i32) -> bool {
    ASKS_TO_END.iter().any(|asks| *asks as i32 == signal)
}

/// That, or nobody is there any more.
pub(super) fn leaves_no_reader(signal: i32) -> bool {
    asks_to_end(signal) || signal == Signal::SIGHUP as i32
}

/// Whether the default action ends a process: signal(7). A real-time signal's does.
pub(super) fn ends_by_default(signal: i32) -> bool {
    !matches!(
        Signal::try_from(signal),
        Ok(Signal::SIGCHLD
            | Signal::SIGCONT
            | Signal::SIGSTOP
            | Signal::SIGTSTP
            | Signal::SIGTTIN
            | Signal::SIGTTOU
            | Signal::SIGURG
            | Signal::SIGWINCH)
    )
}

/// Whether a signal would meet its default action. The child is not reaped: the number is its own.
pub(super) fn leaves_default(child: &Child, signal: i32) -> bool {
    let read = || {
        let dir = rustix::fs::openat(
            rustix::fs::CWD,
            format!("/proc/{}", child.pid),
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        status::parse(&bounded::read(dir.ok()?.as_fd(), "status", bounded::SMALL).ok()?)
    };
    read().is_some_and(|status| status.leaves_default(signal))
}

pub(super) fn stops_a_job(signal: i32) -> bool {
    matches!(Signal::try_from(signal), Ok(Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU))
}
