//! A nsx that stays with the program while the one that was called ends: `--detach`.

use crate::action::error::ActionError;
use crate::action::launch;
use crate::sys::error::Context;
use crate::sys::raw::fork::{self, Side};
use nix::sys::wait::{WaitStatus, waitpid};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::OwnedFd;

/// Which of the two this is.
#[derive(Debug)]
pub enum Part {
    /// The one that was called. The program runs, or the other has said why not and ended so.
    Front(Result<(), u8>),
    /// The one that stays; it says on the descriptor that the program runs.
    Back(OwnedFd),
}

/// The one that stays has a session of its own, and ends with the other until the program runs.
pub fn split() -> Result<Part, ActionError> {
    let front = launch::own_pidfd()?;
    let (ready, say_ready) = pipe_with(PipeFlags::CLOEXEC).context("make", "a pipe")?;
    let child = match fork::fork(0).context("start", "a child")? {
        Side::Child => {
            launch::die_with(&front)?;
            rustix::process::setsid().context("begin", "a session")?;
            return Ok(Part::Back(say_ready));
        }
        Side::Parent(child) => child,
    };
    drop(say_ready);
    let mut word = [0; 1];
    let runs = loop {
        match rustix::io::read(&ready, &mut word) {
            Err(rustix::io::Errno::INTR) => {}
            read => break read == Ok(1),
        }
    };
    if runs {
        return Ok(Part::Front(Ok(())));
    }
    let code = match waitpid(child.pid, None).context("wait for", "nsx")? {
        WaitStatus::Exited(_, code) => u8::try_from(code).unwrap_or(125),
        _ => 125,
    };
    Ok(Part::Front(Err(code)))
}

/// Whoever was called may end now.
pub(super) fn let_go(ready: &OwnedFd) -> Result<(), ActionError> {
    rustix::process::set_parent_process_death_signal(None).context("untie", "nsx")?;
    let _ = rustix::io::write(ready, b"1");
    Ok(())
}
