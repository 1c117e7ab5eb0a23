//! An init of the program's own: it reaps what the program leaves behind, and ends it with the
//! program. In a joined pid namespace the first process is the target's, which may reap nothing; in
//! a new one the program would be it.

use super::error::ActionError;
use super::launch;
use super::supervise::{self, Program, Signals, Stops};
use crate::model::capability::CapSet;
use crate::sys::error::Context;
use crate::sys::privilege;
use crate::sys::raw::fork::{self, Side};
use crate::sys::raw::{self, fds};
use crate::sys::worker::files;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// For those that are left to end: a process that waits for a dead file system cannot, and the
/// target's `/proc` may be on one.
const PATIENCE: Duration = Duration::from_secs(1);
/// For all that comes to us by their end: there may be ever more.
const WHOLE_PATIENCE: Duration = Duration::from_secs(10);

/// Splits off the program's process, which returns with a pidfd of the init that it is to end with,
/// and with what is its own. The init never returns: it ends as the program ended.
pub fn split<T>(signals: &Signals, life: Life, own: T) -> Result<(OwnedFd, T), ActionError> {
    nix::sys::prctl::set_child_subreaper(true).context("become", "an init")?;
    let init = launch::own_pidfd()?;
    let child = match fork::fork(0).context("start", "a child")? {
        Side::Child => return Ok((init, own)),
        Side::Parent(child) => child,
    };
    withdraw(signals, &child, [life.owner.as_ref(), life.stops.as_ref()], life.nowhere)?;
    // Their descriptors are closed already.
    std::mem::forget((init, own));
    let program = Program::new(child, false).limited(life.limit, life.grace);
    let program = program.left_alone(life.alone).with_stops(life.stops.map(Stops::Told));
    let program = match life.owner {
        Some(owner) => program.owned_by(owner),
        None => program,
    };
    let ending = supervise::supervise(program, signals, None, None, None);
    end_all();
    let code = match ending {
        Ok(ending) => supervise::end_alike(ending),
        Err(error) => error.exit(),
    };
    fork::exit_now(i32::from(code))
}

/// What an init needs besides.
#[derive(Debug)]
pub struct Life {
    /// How long the program may run; `None`: without end.
    pub limit: Option<Duration>,
    /// Between SIGTERM and SIGKILL.
    pub grace: Option<Duration>,
    /// Nobody would continue it if it stopped with the program.
    pub alone: bool,
    /// It is the first process of a pid namespace, which cannot stop with the program, and tells nsx.
    pub stops: Option<OwnedFd>,
    /// nsx, where the init outlives it for the moment that ending the program takes: who becomes
    /// another user is tied to nobody's end any more.
    pub owner: Option<OwnedFd>,
    /// In place of the operator's terminal, where the program has one of its own.
    pub nowhere: Option<OwnedFd>,
}

/// It stays among the target's processes: nothing of the host's and no right is left to it but to
/// end what it reaps.
fn withdraw(
    signals: &Signals,
    child: &fork::Child,
    [owner, stops]: [Option<&OwnedFd>; 2],
    nowhere: Option<OwnedFd>,
) -> Result<(), ActionError> {
    if owner.is_some() {
        nix::sys::prctl::set_pdeathsig(None).context("untie", "an init")?;
    }
    if let Some(nowhere) = nowhere {
        launch::stand_on(&nowhere)?;
        std::mem::forget(nowhere);
    }
    privilege::keep(CapSet::default(), CapSet::KILL, CapSet::KILL)
        .context("drop", "capabilities")?;
    launch::set_protected(true)?;
    // How nsx was called is nothing to those inside.
    raw::environment::forget_arguments(b"nsx-init");
    let kept = [signals.number(), child.pidfd.as_raw_fd()].into_iter();
    let kept = kept.chain(owner.into_iter().chain(stops).map(AsRawFd::as_raw_fd));
    let kept = kept.map(i32::cast_unsigned);
    let kept: Vec<u32> = kept.collect();
    // What could be said of a failure would have nowhere to go from here on.
    if fds::close_inherited_from(3, &kept).is_err() {
        fork::exit_now(125);
    }
    Ok(())
}

/// Ends the children that are left, a generation a time: what they leave comes to us. The list is
/// the target's word; who is no child of ours is not touched.
fn end_all() {
    let end = Instant::now() + WHOLE_PATIENCE;
    let mut stuck = Vec::new();
    loop {
        let generation = (Instant::now() + PATIENCE).min(end);
        let left = || generation.saturating_duration_since(Instant::now());
        let is_ours = |pid: &nix::unistd::Pid| {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            waitid(Id::Pid(*pid), flags).is_ok()
        };
        let mut pids = children(left());
        pids.retain(|pid| !stuck.contains(pid) && is_ours(pid));
        for pid in &pids {
            let _ = nix::sys::signal::kill(*pid, Signal::SIGKILL);
        }
        let (gone, others): (Vec<_>, Vec<_>) =
            pids.into_iter().partition(|pid| is_reaped(*pid, left()));
        stuck.extend(others);
        if gone.is_empty() || Instant::now() >= end {
            break;
        }
    }
}

fn children(patience: Duration) -> Vec<nix::unistd::Pid> {
    let text = files::children_here(CAP, patience);
    let words = text.split(|byte| *byte == b' ');
    let pids = words.filter_map(|word| std::str::from_utf8(word).ok()?.parse::<i32>().ok());
    pids.filter(|pid| *pid > 1).map(nix::unistd::Pid::from_raw).collect()
}

fn is_reaped(pid: nix::unistd::Pid, patience: Duration) -> bool {
    let wait = || -> Option<()> {
        let pid = rustix::process::Pid::from_raw(pid.as_raw())?;
        let flags = rustix::process::PidfdFlags::empty();
        let pidfd = rustix::process::pidfd_open(pid, flags).ok()?;
        let mut ending = [PollFd::new(&pidfd, PollFlags::IN)];
        let patience = Timespec::try_from(patience).ok()?;
        rustix::event::poll(&mut ending, Some(&patience)).ok().map(drop)
    };
    wait();
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    matches!(waitid(Id::Pid(pid), flags), Ok(status) if status.pid() == Some(pid))
}

const CAP: usize = 1 << 20;
