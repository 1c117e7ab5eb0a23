//! Signals that come to nsx: how they are caught, what each means, and what it would do to the program.

use crate::action::error::ActionError;
use crate::model::process::Pid;
use crate::sys::bounded;
use crate::sys::error::Context;
use crate::sys::proc::fd;
use crate::sys::proc::status::{self, Status};
use crate::sys::raw;
use crate::sys::raw::fork::Child;
use crate::sys::raw::signal::{Arrivals, Arrived, Mask};
use crate::sys::root::SysRoot;
use nix::libc::SYS_rt_sigtimedwait;
use nix::sys::signal::Signal;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::OnceLock;
use std::time::Duration;

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

/// From the kernel: the terminal's driver, or a timer.
const SI_KERNEL: i32 = 0x80;

/// Whether the terminal's driver sent it, to the whole foreground group.
pub(super) fn is_of_terminal(signal: i32, code: i32) -> bool {
    code == SI_KERNEL
        && matches!(
            Signal::try_from(signal),
            Ok(Signal::SIGINT
                | Signal::SIGQUIT
                | Signal::SIGHUP
                | Signal::SIGTSTP
                | Signal::SIGTTIN
                | Signal::SIGTTOU
                | Signal::SIGCONT
                | Signal::SIGWINCH)
        )
}

/// Whether it comes of what nsx does itself: writes in vain, or computes for too long.
pub(super) fn is_our_own(arrived: Arrived) -> bool {
    match Signal::try_from(arrived.number) {
        Ok(Signal::SIGPIPE | Signal::SIGXFSZ) => arrived.pid == std::process::id(),
        Ok(Signal::SIGXCPU) => arrived.code == SI_KERNEL,
        _ => false,
    }
}

/// What a person or a manager sends.
const ASKS_TO_END: [Signal; 3] = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

pub(super) fn asks_to_end(signal: i32) -> bool {
    ASKS_TO_END.iter().any(|asks| *asks as i32 == signal)
}

/// Those that end what nsx does before there is a program: not what its caller told it to ignore.
pub fn asking_us() -> Vec<Signal> {
    let heard = |signal: &Signal| !raw::signal::is_ignored(*signal as i32);
    ASKS_TO_END.into_iter().chain([Signal::SIGHUP]).filter(heard).collect()
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

/// What a signal comes to at PID 1, whose default action the kernel keeps from it.
pub(super) enum Fate {
    /// It is handled, ignored, or waited for in some way.
    Heard,
    /// Its default action it would meet.
    Lost,
    /// Either: sigwait(3) unblocks what it waits for. Once it is sent, that is seen.
    Awaited(Asleep),
}

/// At a process that runs with a signal blocked, a millisecond apart.
const LOOKS: usize = 100;

/// `None` where no /proc tells. The child is not reaped: the number is its own.
pub(super) fn fate(child: &Child, signal: i32) -> Option<Fate> {
    let root = SysRoot::real().ok()?;
    let number = if root.numbers_as_we_do() {
        Pid::new(child.pid.as_raw().cast_unsigned())
    } else {
        // Of a pid namespace further out.
        let pidfd = format!("{}/fdinfo/{}", root.own_pid()?, child.pidfd.as_raw_fd());
        fd::pid(&bounded::read(root.proc(), &pidfd, bounded::SMALL).ok()?)
    }?;
    // A shell blocks all of them for a moment whenever it waits for a command.
    for _ in 0..LOOKS {
        let (status, call) = look(&root, number)?;
        if status.leaves_default(signal) {
            let awaits = call.starts_with(format!("{SYS_rt_sigtimedwait} ").as_bytes());
            let asleep = Asleep { root, number, since: status.sleeps, call };
            return Some(if awaits { Fate::Awaited(asleep) } else { Fate::Lost });
        }
        // Who sleeps with it blocked waits for it in some other way.
        if !status.has_default(signal) || !call.starts_with(b"running") {
            return Some(Fate::Heard);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Some(Fate::Heard)
}

/// What a process is, and the system call in which it sleeps, both at one time as far as can be told;
/// the call may not be ours to read.
fn look(root: &SysRoot, number: Pid) -> Option<(Status, Vec<u8>)> {
    let read =
        |name: &str| bounded::read(root.proc(), &format!("{number}/{name}"), bounded::SMALL).ok();
    let mut call = read("syscall");
    let mut looks = 0..LOOKS;
    loop {
        let status = status::parse(&read("status")?)?;
        let before = std::mem::replace(&mut call, read("syscall"));
        if before == call || looks.next().is_none() {
            return Some((status, call.unwrap_or_default()));
        }
    }
}

/// A process in a system call.
pub(super) struct Asleep {
    root: SysRoot,
    number: Pid,
    call: Vec<u8>,
    /// How often it had gone to sleep then.
    since: u64,
}

impl Asleep {
    /// Nothing has woken it. A signal that does has done so when it is sent.
    pub(super) fn goes_on(&self) -> bool {
        look(&self.root, self.number)
            .is_some_and(|(status, call)| status.sleeps == self.since && call == self.call)
    }
}

pub(super) fn stops_a_job(signal: i32) -> bool {
    matches!(Signal::try_from(signal), Ok(Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_no_terminal() {
        for signal in [Signal::SIGALRM, Signal::SIGVTALRM, Signal::SIGPROF, Signal::SIGTERM] {
            assert!(!is_of_terminal(signal as i32, SI_KERNEL), "{signal}");
        }
        assert!(!is_of_terminal(37, SI_KERNEL));
        assert!(is_of_terminal(Signal::SIGINT as i32, SI_KERNEL));
        assert!(!is_of_terminal(Signal::SIGINT as i32, 0));
    }

    #[test]
    fn what_nsx_used_itself_is_nothing_to_the_program() {
        let arrived = |signal, code, pid| Arrived { number: signal as i32, code, pid };
        let me = std::process::id();
        assert!(is_our_own(arrived(Signal::SIGPIPE, 0, me)));
        assert!(!is_our_own(arrived(Signal::SIGPIPE, 0, me + 1)));
        assert!(is_our_own(arrived(Signal::SIGXCPU, SI_KERNEL, 0)));
        assert!(!is_our_own(arrived(Signal::SIGXCPU, 0, me)));
        assert!(!is_our_own(arrived(Signal::SIGALRM, SI_KERNEL, 0)));
    }
}
