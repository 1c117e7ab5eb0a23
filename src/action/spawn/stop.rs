//! Ends a named program: `--stop`.

use super::record;
use crate::action::error::ActionError;
use crate::model::spawned::{Incarnation, Spawned};
use crate::sys::error::{Context, Problem, SysError};
use crate::sys::incarnation;
use crate::sys::raw::signal;
use crate::sys::root::SysRoot;
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// To clear up, once nothing runs any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// SIGTERM, and SIGKILL when `grace` is over. Returns when nothing is left. `owner` is the nsx that stays
/// beside it, `None` where that has ended.
pub fn stop(
    root: &SysRoot,
    owner: Option<OwnedFd>,
    spawned: &Spawned,
    grace: Duration,
) -> Result<(), ActionError> {
    let Some(supervisor) = owner else {
        record::clear(spawned);
        return Ok(());
    };
    // It passes it on.
    signal::send(supervisor.as_fd(), Signal::SIGTERM as i32).context("end", "the program")?;
    if has_ended(&supervisor, grace)? {
        return Ok(());
    }
    // An init of ours is not killed: it ends what the program has left.
    let process = spawned.process.and_then(|process| pin(root, process));
    if let Some(program) = spawned.program.and_then(|program| pin(root, program)) {
        let _ = signal::send(program.as_fd(), Signal::SIGKILL as i32);
        if has_ended(&supervisor, PATIENCE)? {
            return Ok(());
        }
    }
    signal::send(supervisor.as_fd(), Signal::SIGKILL as i32).context("end", "nsx")?;
    if !has_ended(&supervisor, PATIENCE)? {
        return Err(not_ended(spawned.supervisor));
    }
    // It ends with nsx, and what is behind it with it.
    if let (Some(process), Some(known)) = (process, spawned.process)
        && !has_ended(&process, PATIENCE)?
    {
        let _ = signal::send(process.as_fd(), Signal::SIGKILL as i32);
        if !has_ended(&process, PATIENCE)? {
            return Err(not_ended(known));
        }
    }
    record::clear(spawned);
    Ok(())
}

fn not_ended(process: Incarnation) -> ActionError {
    let object = format!("pid {}", process.pid);
    SysError { doing: "end", object: object.into(), problem: Problem::TimedOut }.into()
}

/// `None` also where nobody can tell whether it is still the same.
fn pin(root: &SysRoot, process: Incarnation) -> Option<OwnedFd> {
    incarnation::pin(root, process).ok().flatten()
}

fn has_ended(pidfd: &OwnedFd, patience: Duration) -> Result<bool, ActionError> {
    let mut ending = [PollFd::new(pidfd, PollFlags::IN)];
    let patience = Timespec::try_from(patience).ok();
    let ended = rustix::event::poll(&mut ending, patience.as_ref()).context("watch", "nsx")?;
    Ok(ended > 0)
}
