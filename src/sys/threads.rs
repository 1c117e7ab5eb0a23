//! Threads with descriptors or directories of their own: `/proc/PID` shows those of the first alone.

use super::bounded;
use super::error::Result;
use super::proc::stat;
use super::raw::kcmp;
use super::root::{SysRoot, list_pids};
use crate::model::process::Pid;
use rustix::fs::{AtFlags, StatxFlags, statx};
use std::os::fd::{AsFd, BorrowedFd};

pub use kcmp::Shared;

/// Of one process no more threads are compared.
const MOST: usize = 1 << 15;

/// Those that do not share it with the first thread, by `/proc/PID`. None where the kernel does not
/// compare.
pub fn apart(root: &SysRoot, process: BorrowedFd<'_>, pid: Pid, what: Shared) -> Result<Vec<Pid>> {
    let flags = AtFlags::STATX_DONT_SYNC;
    // A directory for each beside `.` and `..`.
    let alone =
        statx(process, "task", flags, StatxFlags::NLINK).map_or(true, |it| it.stx_nlink < 4);
    if alone || !root.is_real() {
        return Ok(Vec::new());
    }
    let is_apart = |thread: &Pid| {
        kcmp::is_shared(pid.raw(), thread.raw(), what) == Ok(false) && *thread != pid
    };
    Ok(all(process)?.into_iter().take(MOST).filter(is_apart).collect())
}

/// One that lives, of a process whose first thread has ended; by `/proc/PID`.
pub fn living(process: BorrowedFd<'_>) -> Option<Pid> {
    let state = |of: &str| {
        let bytes = bounded::read_single(process, &format!("{of}stat")).ok()?;
        stat::parse(&bytes).map(|stat| stat.state)
    };
    state("").filter(|state| state.is_headless())?;
    let lives = |thread: &Pid| {
        let state = state(&format!("task/{thread}/"));
        state.is_some_and(|state| !state.ended() && !state.is_headless())
    };
    all(process).ok()?.into_iter().take(MOST).find(lives)
}

/// All of a process, ascending; by `/proc/PID`.
pub fn all(process: BorrowedFd<'_>) -> Result<Vec<Pid>> {
    list_pids(bounded::open_dir(process, "task")?.as_fd())
}

/// All but the first; by `/proc/PID/ns`.
pub fn others(links: BorrowedFd<'_>, pid: Pid) -> Result<Vec<Pid>> {
    let mut threads = list_pids(bounded::open_dir(links, "../task")?.as_fd())?;
    threads.retain(|thread| *thread != pid);
    Ok(threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_went_its_own_way_is_told_from_the_others() {
        let root = SysRoot::real().unwrap();
        let own = root.own_process().unwrap();
        let pid = Pid::new(std::process::id()).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        #[allow(clippy::disallowed_methods, reason = "a thread is what is looked for")]
        let thread = std::thread::spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES).unwrap();
            tell.send(u32::try_from(nix::unistd::gettid().as_raw()).unwrap()).unwrap();
            ended.recv().unwrap_err();
        });
        let apart_one = Pid::new(told.recv().unwrap()).unwrap();
        let found = |what| apart(&root, own.as_fd(), pid, what).unwrap();
        assert!(found(Shared::Descriptors).contains(&apart_one));
        assert!(!found(Shared::Directories).contains(&apart_one));
        drop(end);
        thread.join().unwrap();
    }
}
