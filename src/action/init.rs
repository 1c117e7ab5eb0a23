//! An init of the program's own: it reaps what the program leaves behind, and ends it with the
//! program. In a joined pid namespace the first process is the target's, which may reap nothing.

use super::error::ActionError;
use super::launch;
use super::supervise::{self, Program, Signals};
use crate::sys::bounded;
use crate::sys::error::Context;
use crate::sys::raw::fork::{self, Side};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use std::os::fd::{AsFd, OwnedFd};

/// Splits off the program's process, which returns with a pidfd of the init that it is to end with,
/// and with what is its own. The init never returns: it ends as the program ended.
pub fn split<T>(signals: &Signals, own: T) -> Result<(OwnedFd, T), ActionError> {
    nix::sys::prctl::set_child_subreaper(true).context("become", "an init")?;
    let init = launch::own_pidfd()?;
    let child = match fork::fork(0).context("start", "a child")? {
        Side::Child => return Ok((init, own)),
        Side::Parent(child) => child,
    };
    drop((init, own));
    let ending = supervise::supervise(Program::new(child, false), signals, None, None);
    end_all();
    let code = match ending {
        Ok(ending) => supervise::end_alike(ending),
        Err(error) => error.exit(),
    };
    fork::exit_now(i32::from(code))
}

/// Ends the children that are left, a generation a time: what they leave comes to us. The list is
/// the target's word; who is no child of ours is not touched.
fn end_all() {
    for _ in 0..64 {
        let children = children();
        let mut ended = false;
        for pid in children {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            if waitid(Id::Pid(pid), flags).is_ok() {
                let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
                let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED);
                ended = true;
            }
        }
        if !ended {
            break;
        }
    }
}

fn children() -> Vec<nix::unistd::Pid> {
    let read = || -> Option<Vec<u8>> {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
        let proc = rustix::fs::open("/proc", flags, rustix::fs::Mode::empty()).ok()?;
        let is_proc = rustix::fs::fstatfs(&proc).ok()?.f_type == PROC_SUPER_MAGIC;
        is_proc
            .then(|| bounded::read_capped(proc.as_fd(), "thread-self/children", CAP).ok())?
            .map(|read| read.bytes)
    };
    let text = read().unwrap_or_default();
    let words = text.split(|byte| *byte == b' ');
    let pids = words.filter_map(|word| std::str::from_utf8(word).ok()?.parse::<i32>().ok());
    pids.filter(|pid| *pid > 1).map(nix::unistd::Pid::from_raw).collect()
}

/// linux/magic.h
const PROC_SUPER_MAGIC: i64 = 0x9fa0;
const CAP: usize = 1 << 20;
