//! Children with a time limit, that end when we are told to end.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// For a child to put things in order after SIGTERM, as packages' tools do.
const GRACE: Duration = Duration::from_mins(1);

/// While it is held, SIGINT, SIGTERM and SIGHUP do not end us, only the child that is waited for;
/// they end us when it is dropped. So all that was made meanwhile is taken away first.
#[derive(Debug)]
pub(crate) struct Attention {
    before: SigSet,
    arrivals: SignalFd,
}

/// How it went with a child.
#[derive(Debug)]
pub(crate) enum End {
    Of(ExitStatus),
    TimeLimit,
}

impl Attention {
    pub(crate) fn hold() -> Result<Self> {
        let mut late = SigSet::empty();
        late.extend([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        let before = late.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let arrivals = SignalFd::with_flags(&late, SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { before, arrivals })
    }

    /// The same for a child that must succeed; its command is shown.
    pub(crate) fn succeed(&self, command: &mut Command, limit: Duration) -> Result<()> {
        let name = crate::run::shown(command);
        crate::say::note(format_args!("+ {name}"));
        match self.wait(command, limit, GRACE)? {
            End::Of(status) if status.success() => Ok(()),
            End::Of(status) => bail!("{name} ended with {status}"),
            End::TimeLimit => bail!("{name} took too long"),
        }
    }

    /// Runs a child to its end; an error if we are to end ourselves. A child that must end before
    /// its time has `grace` for it, after SIGTERM.
    pub(crate) fn wait(
        &self,
        command: &mut Command,
        limit: Duration,
        grace: Duration,
    ) -> Result<End> {
        let name = crate::run::shown(command);
        let mut arrivals = [PollFd::new(&self.arrivals, PollFlags::IN)];
        if poll(&mut arrivals, Some(&Timespec::default()))? > 0 {
            bail!("interrupted");
        }
        // A child inherits the mask, and is to hear what we do not.
        let held = self.before.thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        let started = command.spawn();
        held.thread_set_mask()?;
        self.attend(started.with_context(|| format!("cannot start {name}"))?, limit, grace)
    }

    fn attend(&self, mut child: Child, limit: Duration, grace: Duration) -> Result<End> {
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        let deadline = Instant::now() + limit;
        let mut watched =
            [PollFd::new(&pidfd, PollFlags::IN), PollFd::new(&self.arrivals, PollFlags::IN)];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let ready = poll(&mut watched, Timespec::try_from(left).ok().as_ref());
            let [ended, told] = watched.each_ref().map(|one| !one.revents().is_empty());
            match ready {
                Ok(0) => {
                    end(&pidfd, &mut child, grace)?;
                    return Ok(End::TimeLimit);
                }
                // First: a terminal tells both, and the child then ends for that.
                Ok(_) if told => {
                    end(&pidfd, &mut child, grace)?;
                    bail!("interrupted");
                }
                Ok(_) if ended => return Ok(End::Of(child.wait()?)),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Attention {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

fn end(pidfd: &OwnedFd, child: &mut Child, grace: Duration) -> Result<()> {
    if !grace.is_zero() {
        let _ = pidfd_send_signal(pidfd, rustix::process::Signal::TERM);
    }
    let grace = Timespec::try_from(grace).ok();
    let mut watched = [PollFd::new(pidfd, PollFlags::IN)];
    if !poll(&mut watched, grace.as_ref()).is_ok_and(|ready| ready > 0) {
        let _ = pidfd_send_signal(pidfd, rustix::process::Signal::KILL);
    }
    child.wait()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_ends_by_itself_or_at_its_limit() {
        let attention = Attention::hold().unwrap();
        let mut seven = Command::new("sh");
        let end =
            attention.wait(seven.args(["-c", "exit 7"]), Duration::from_mins(1), Duration::ZERO);
        let end = end.unwrap();
        assert!(matches!(end, End::Of(status) if status.code() == Some(7)), "{end:?}");
        let mut sleep = Command::new("sleep");
        let end = attention.wait(sleep.arg("1000"), Duration::ZERO, Duration::ZERO).unwrap();
        assert!(matches!(end, End::TimeLimit), "{end:?}");
    }

    #[test]
    fn a_signal_to_us_ends_the_child_first() {
        let attention = Attention::hold().unwrap();
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        // To this thread alone, which takes it back before the mask is.
        nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        let minute = Duration::from_mins(1);
        // SIGTERM is blocked for this child, as it is for us.
        let error = attention.attend(child, minute, Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "interrupted");
        let error = attention.wait(&mut Command::new("false"), minute, minute).unwrap_err();
        assert_eq!(error.to_string(), "interrupted");
        let taken = attention.arrivals.read_signal().unwrap().expect("it is still there");
        assert_eq!(taken.ssi_signo, Signal::SIGTERM as u32);
    }
}
