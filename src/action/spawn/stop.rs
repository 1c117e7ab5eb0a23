//! Ends a named program: `--stop`.

use super::record;
use crate::action::error::ActionError;
use crate::model::process::Pid;
use crate::model::spawned::{Incarnation, Spawned};
use crate::sys::error::{Context, Problem, SysError};
use crate::sys::incarnation;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::raw::signal;
use crate::sys::root::SysRoot;
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// To clear up, once nothing runs any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// SIGTERM, and SIGKILL when `grace` is over. Returns when nothing is left.
pub fn stop(root: &SysRoot, spawned: &Spawned, grace: Duration) -> Result<(), ActionError> {
    let Some(supervisor) = pin(root, spawned.supervisor) else {
        record::clear(spawned);
        return Ok(());
    };
    // It passes it on.
    signal::send(supervisor.pidfd()?, Signal::SIGTERM as i32).context("end", "the program")?;
    if has_ended(supervisor.pidfd()?, grace)? {
        return Ok(());
    }
    let program = spawned.process.and_then(|process| pin(root, process));
    if let Some(program) = &program {
        let _ = signal::send(program.pidfd()?, Signal::SIGKILL as i32);
        if has_ended(supervisor.pidfd()?, PATIENCE)? {
            return Ok(());
        }
    }
    signal::send(supervisor.pidfd()?, Signal::SIGKILL as i32).context("end", "nsx")?;
    if has_ended(supervisor.pidfd()?, PATIENCE)? {
        record::clear(spawned);
        return Ok(());
    }
    let object = format!("pid {}", spawned.supervisor.pid);
    Err(SysError { doing: "end", object: object.into(), problem: Problem::TimedOut }.into())
}

/// One that is still the same when it is held.
fn pin(root: &SysRoot, process: Incarnation) -> Option<ProcessHandle> {
    let handle = ProcessHandle::open(root, Pid::new(process.pid)?).ok()?;
    incarnation::is_there(root, process).then_some(handle)
}

fn has_ended(pidfd: BorrowedFd<'_>, patience: Duration) -> Result<bool, ActionError> {
    let mut ending = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
    let patience = Timespec::try_from(patience).ok();
    let ended = rustix::event::poll(&mut ending, patience.as_ref()).context("watch", "nsx")?;
    Ok(ended > 0)
}
