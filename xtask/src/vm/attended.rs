//! Children with a time limit, that end when we are told to end.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// Time to end in an orderly way, after SIGTERM.
const GRACE: Duration = Duration::from_secs(15);

/// While it is held, SIGINT, SIGTERM and SIGHUP do not end us, only the child that is waited for;
/// they end us when it is dropped. So all that was made meanwhile is taken away first.
#[derive(Debug)]
pub(super) struct Attention {
    before: SigSet,
    arrivals: SignalFd,
}

/// How it went with a child.
#[derive(Debug)]
pub(super) enum End {
    Of(ExitStatus),
    TimeLimit,
}

impl Attention {
    pub(super) fn hold() -> Result<Self> {
        let mut late = SigSet::empty();
        late.extend([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        // Children get an empty mask from the standard library.
        let before = late.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let arrivals = SignalFd::with_flags(&late, SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { before, arrivals })
    }

    /// Runs a child to its end; an error if we are to end ourselves.
    pub(super) fn wait(&self, command: &mut Command, limit: Duration) -> Result<End> {
        let name = crate::run::shown(command);
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
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
                    end(&pidfd, &mut child)?;
                    return Ok(End::TimeLimit);
                }
                Ok(_) if ended => return Ok(End::Of(child.wait()?)),
                Ok(_) if told => {
                    end(&pidfd, &mut child)?;
                    bail!("interrupted");
                }
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

fn end(pidfd: &OwnedFd, child: &mut Child) -> Result<()> {
    let _ = pidfd_send_signal(pidfd, rustix::process::Signal::TERM);
    let grace = Timespec::try_from(GRACE).ok();
    let pidfd = pidfd.as_fd();
    if !poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], grace.as_ref()).is_ok_and(|n| n > 0) {
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
        let end = attention.wait(seven.args(["-c", "exit 7"]), Duration::from_mins(1)).unwrap();
        assert!(matches!(end, End::Of(status) if status.code() == Some(7)), "{end:?}");
        let mut sleep = Command::new("sleep");
        let end = attention.wait(sleep.arg("1000"), Duration::ZERO).unwrap();
        assert!(matches!(end, End::TimeLimit), "{end:?}");
    }

    #[test]
    fn a_signal_to_us_ends_the_child_first() {
        let attention = Attention::hold().unwrap();
        // To this thread alone, which takes it back before the mask is.
        nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        let mut sleep = Command::new("sleep");
        let error = attention.wait(sleep.arg("1000"), Duration::from_mins(1)).unwrap_err();
        assert_eq!(error.to_string(), "interrupted");
        let taken = attention.arrivals.read_signal().unwrap().expect("it is still there");
        assert_eq!(taken.ssi_signo, Signal::SIGTERM as u32);
    }
}
