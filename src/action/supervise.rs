//! Waits for a child as if it were the caller's own: signals go through, stops are mirrored, the
//! end is the same end.

use super::error::ActionError;
use super::pty::Terminal;
use crate::sys::bounded;
use crate::sys::error::Context;
use crate::sys::proc::status;
use crate::sys::raw::{self, fork::Child};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::{AsFd, OwnedFd};

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Exited(u8),
    /// By the signal of this number; real-time ones have no name.
    Killed(i32),
}

/// Every signal, caught by descriptor from before the fork, so that none is lost between.
#[derive(Debug)]
pub struct Signals {
    descriptor: SignalFd,
    /// To give back to the program.
    pub before: SignalState,
}

/// What was true of signals when nsx was started.
#[derive(Clone, Copy, Debug)]
pub struct SignalState {
    mask: SigSet,
    ignores_child: bool,
}

impl SignalState {
    pub fn restore(&self) -> nix::Result<()> {
        if self.ignores_child {
            raw::signal::set_ignored(Signal::SIGCHLD as i32)?;
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), None)
    }
}

impl Signals {
    pub fn catch() -> Result<Self, ActionError> {
        let mut mask = SigSet::empty();
        let all = SigSet::all();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&all), Some(&mut mask))
            .context("block", "signals")?;
        // An ignored SIGCHLD (some daemons leave that to their children) would lose the exit status.
        let ignores_child =
            raw::signal::set_default(Signal::SIGCHLD as i32).context("reset", "SIGCHLD")?;
        let before = SignalState { mask, ignores_child };
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let descriptor = SignalFd::with_flags(&all, flags).context("catch", "signals")?;
        Ok(Self { descriptor, before })
    }
}

/// What is waited for.
#[derive(Debug)]
pub struct Program {
    pub child: Child,
    /// It is PID 1 of a pid namespace: the kernel spares it the default action of signals, so that
    /// a program without handlers would hear neither ^C nor SIGTERM.
    pub is_init: bool,
    /// The signal in whose name it was killed.
    killed_for: Option<i32>,
}

impl Program {
    pub const fn new(child: Child, is_init: bool) -> Self {
        Self { child, is_init, killed_for: None }
    }

    fn ending(&self, signal: i32) -> Ending {
        let killed = signal == Signal::SIGKILL as i32;
        Ending::Killed(self.killed_for.filter(|_| killed).unwrap_or(signal))
    }
}

/// Runs until the child has ended. `status` is the pipe on which it reports, before its exec, why
/// there will be none.
pub fn supervise(
    mut program: Program,
    signals: &Signals,
    status: OwnedFd,
    mut terminal: Option<Terminal>,
) -> Result<Ending, ActionError> {
    let mut status = Some(status);
    let mut report = Vec::new();
    let ending = loop {
        let ready = wait_for_something(signals, status.as_ref(), terminal.as_ref())?;
        if ready.status
            && let Some(pipe) = &status
            && !read_report(pipe, &mut report)
        {
            status = None;
        }
        // A change of size reaches the program before the keys that were typed after it.
        let keys = terminal.as_mut().is_some_and(Terminal::read);
        if (ready.signal || keys)
            && let Some(ending) = take_signals(&mut program, signals, terminal.as_mut())?
        {
            break ending;
        }
        if let Some(terminal) = &mut terminal {
            terminal.hand_keys_over();
        }
    };
    if let Some(terminal) = terminal {
        terminal.drain();
    }
    if let Some(pipe) = &status {
        while read_report(pipe, &mut report) {}
    }
    match report.split_first() {
        Some((exit, message)) => {
            let message = String::from_utf8_lossy(message).into_owned();
            Err(ActionError::InChild { exit: *exit, message })
        }
        None => Ok(ending),
    }
}

#[derive(Default)]
struct Ready {
    signal: bool,
    status: bool,
}

fn wait_for_something(
    signals: &Signals,
    status: Option<&OwnedFd>,
    terminal: Option<&Terminal>,
) -> Result<Ready, ActionError> {
    let mut watched = vec![PollFd::new(&signals.descriptor, PollFlags::IN)];
    if let Some(status) = status {
        watched.push(PollFd::new(status, PollFlags::IN));
    }
    if let Some(terminal) = terminal {
        terminal.watch(&mut watched);
    }
    match rustix::event::poll(&mut watched, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => Err(errno).context("wait for", "the program")?,
    }
    let ready = |at: usize| watched.get(at).is_some_and(|fd| !fd.revents().is_empty());
    Ok(Ready { signal: ready(0), status: status.is_some() && ready(1) })
}

/// False at the end of the pipe.
fn read_report(pipe: &OwnedFd, report: &mut Vec<u8>) -> bool {
    let mut bytes = [0; 4096];
    match rustix::io::read(pipe, &mut bytes) {
        Ok(0) => false,
        Ok(count) => {
            report.extend_from_slice(bytes.get(..count).unwrap_or_default());
            true
        }
        Err(errno) => errno == rustix::io::Errno::INTR,
    }
}

/// Handles everything that arrived; the child's end, if it has come.
fn take_signals(
    program: &mut Program,
    signals: &Signals,
    mut terminal: Option<&mut Terminal>,
) -> Result<Option<Ending>, ActionError> {
    while let Some(info) = signals.descriptor.read_signal().context("read", "signals")? {
        let Ok(number) = i32::try_from(info.ssi_signo) else {
            continue;
        };
        match (Signal::try_from(number), &mut terminal) {
            (Ok(Signal::SIGCHLD), _) => {
                if let Some(ending) = reap(program, terminal.as_deref_mut())? {
                    return Ok(Some(ending));
                }
                continue;
            }
            (Ok(Signal::SIGWINCH), Some(terminal)) => terminal.resize(),
            // Continued, perhaps in the foreground after a time in the background.
            (Ok(Signal::SIGCONT), Some(terminal)) => terminal.make_raw(),
            _ => {}
        }
        forward(program, number, info.ssi_code, terminal.is_some());
    }
    Ok(None)
}

/// What the terminal's driver sends goes to the whole foreground group, the program included;
/// sending it on would deliver it twice. A program on a terminal of its own is in another group.
fn forward(program: &mut Program, signal: i32, code: i32, own_terminal: bool) {
    const SI_KERNEL: i32 = 0x80;
    // It may have ended meanwhile: then there is nobody to tell.
    let pidfd = program.child.pidfd.as_fd();
    if program.is_init && ends_by_default(signal) && leaves_default(&program.child, signal) {
        program.killed_for = Some(signal);
        let _ = raw::signal::send(pidfd, Signal::SIGKILL as i32);
    } else if code != SI_KERNEL || own_terminal {
        let _ = raw::signal::send(pidfd, signal);
    }
}

/// Whether the default action ends a process: signal(7). A real-time signal's does.
fn ends_by_default(signal: i32) -> bool {
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
fn leaves_default(child: &Child, signal: i32) -> bool {
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

fn reap(program: &Program, terminal: Option<&mut Terminal>) -> Result<Option<Ending>, ActionError> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    let status = match waitid(WaitId::PidFd(program.child.pidfd.as_fd()), options) {
        Ok(Some(status)) => status,
        Ok(None) | Err(rustix::io::Errno::INTR) => return Ok(None),
        Err(errno) => return Ok(Err(errno).context("wait for", "the program")?),
    };
    if let Some(code) = status.exit_status() {
        return Ok(Some(Ending::Exited(code.to_le_bytes()[0])));
    }
    if let Some(signal) = status.terminating_signal() {
        return Ok(Some(program.ending(signal)));
    }
    if status.stopped() {
        stop_too(&program.child, terminal);
    }
    Ok(None)
}

/// Stops with the child, and sets it going again when continued.
fn stop_too(child: &Child, mut terminal: Option<&mut Terminal>) {
    if let Some(terminal) = &mut terminal {
        terminal.restore();
    }
    let _ = raise(Signal::SIGSTOP);
    if let Some(terminal) = terminal {
        terminal.make_raw();
        terminal.resize();
    }
    let _ = raw::signal::send(child.pidfd.as_fd(), Signal::SIGCONT as i32);
}

/// Ends this process as the program ended: with its code, or of its signal.
pub fn end_alike(ending: Ending) -> u8 {
    match ending {
        Ending::Exited(code) => code,
        Ending::Killed(signal) => {
            let _ = raw::signal::set_default(signal);
            raw::signal::raise_unblocked(signal);
            // Still here: a signal that does not end a process.
            128_u8.saturating_add(u8::try_from(signal).unwrap_or(127))
        }
    }
}
