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
    /// The one that was called. The program runs under a name, or the other has said why not and
    /// ended so.
    Front(Result<String, u8>),
    /// The one that stays; it says on the descriptor that the program runs, and how
    /// it is called.
    Back(OwnedFd),
}

/// A name is a file's.
const LONGEST: usize = 256;

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
    let mut name = [0; LONGEST];
    let told = loop {
        match rustix::io::read(&ready, &mut name) {
            Err(rustix::io::Errno::INTR) => {}
            read => break read.unwrap_or(0),
        }
    };
    if let Some(name) = name.get(..told).filter(|name| !name.is_empty()) {
        return Ok(Part::Front(Ok(String::from_utf8_lossy(name).into_owned())));
    }
    let code = match waitpid(child.pid, None).context("wait for", "nsx")? {
        WaitStatus::Exited(_, code) => u8::try_from(code).unwrap_or(125),
        _ => 125,
    };
    Ok(Part::Front(Err(code)))
}

/// Whoever was called may end now: it is running, under this name.
pub(super) fn let_go(ready: &OwnedFd, name: &str) -> Result<(), ActionError> {
    rustix::process::set_parent_process_death_signal(None).context("untie", "nsx")?;
    let _ = rustix::io::write(ready, name.as_bytes());
    Ok(())
}
