//! A process, held: pidfd first, then its directory, then everything else.

use super::error::TargetError;
use crate::collect::containers::Containers;
use crate::collect::scan;
use crate::model::container::Container;
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::{Pid, Process};
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::error::SysError;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::proc::status;
use crate::sys::root::SysRoot;
use nix::errno::Errno;
use std::os::fd::AsFd;

type Result<T> = std::result::Result<T, TargetError>;

/// A process that is held, and how it came to be meant.
#[derive(Debug)]
pub struct PinnedProcess {
    /// Its pidfd and its directory in /proc.
    pub handle: ProcessHandle,
    /// As it was read through that directory.
    pub process: Process,
    /// Set where the target was named by its container.
    pub container: Option<Container>,
    /// Then all others of the host, too.
    pub others: Option<Containers>,
    /// Set where it stands for a group of the kernel's: of a unit, or by its path.
    pub group: Option<Named>,
}

/// A control group that was named.
#[derive(Debug)]
pub struct Named {
    /// The lines of `/proc/PID/cgroup`, each cut to that group, which the process may be below.
    pub lines: Text,
    /// All that were in it or below it, ascending.
    pub processes: Vec<Pid>,
}

impl PinnedProcess {
    /// The processes that it stands for: of the group that was named, of the container that it is or
    /// belongs to, or itself.
    pub fn processes<'a>(&'a self, container: Option<&'a Container>) -> &'a [Pid] {
        match (&self.group, container) {
            (Some(group), _) => &group.processes,
            (None, Some(container)) => &container.processes,
            (None, None) => std::slice::from_ref(&self.process.pid),
        }
    }

    /// What a person calls it.
    pub fn label(&self) -> Text {
        match &self.container {
            Some(container) => container.label(),
            None => format!("pid {}", self.process.pid).into(),
        }
    }
}

pub(super) fn pin(root: &SysRoot, pid: Pid) -> Result<PinnedProcess> {
    let handle = ProcessHandle::open(root, pid).map_err(|error| match error.errno() {
        // A thread that leads no process: ENOENT since Linux 6.15, EINVAL before.
        Some(Errno::ESRCH | Errno::ENOENT | Errno::EINVAL) if is_thread(root, pid) => {
            TargetError::Thread(pid)
        }
        Some(Errno::ESRCH | Errno::ENOENT | Errno::EINVAL) => TargetError::NoProcess(pid),
        Some(Errno::EACCES) => TargetError::Hidden(pid),
        _ => TargetError::System(error),
    })?;
    read(handle)
}

fn read(handle: ProcessHandle) -> Result<PinnedProcess> {
    let pid = handle.pid();
    let read = scan::read_process_at(handle.dir().as_fd(), &mut scan::Reader::default());
    let process = match read {
        Ok(process) => process,
        Err(errno) => {
            handle.check_alive().map_err(|_| TargetError::NoProcess(pid))?;
            // hidepid says that there is no such file, or EPERM.
            return Err(match errno {
                Errno::ENOENT | Errno::EACCES | Errno::EPERM => TargetError::Hidden(pid),
                errno => SysError::new("read", format!("/proc/{pid}"), errno).into(),
            });
        }
    };
    if process.state.ended() {
        return Err(TargetError::Zombie(pid));
    }
    handle.check_alive().map_err(|_| TargetError::NoProcess(pid))?;
    Ok(PinnedProcess { handle, process, container: None, others: None, group: None })
}

/// The process of that number, if its pidfd has that inode.
pub(super) fn pin_with_inode(root: &SysRoot, pid: Pid, inode: u64) -> Result<PinnedProcess> {
    let pinned = pin(root, pid)?;
    match pinned.handle.inode()? {
        Some(found) if found == inode => Ok(pinned),
        Some(_) => Err(TargetError::AnotherProcess { pid, inode }),
        None => Err(TargetError::NoInodes),
    }
}

/// A process that was seen before, by its number, its start and its namespaces; what it was found by
/// is for the message.
pub(super) fn pin_known(
    root: &SysRoot,
    seen: (Pid, u64, &NsSet),
    label: &Text,
) -> Result<PinnedProcess> {
    let (pid, start_ticks, namespaces) = seen;
    let ended = || TargetError::Ended(label.clone());
    let pinned = pin(root, pid).map_err(|error| match error {
        TargetError::NoProcess(_) | TargetError::Zombie(_) => ended(),
        other => other,
    })?;
    // A tick is long; the pid namespace of a process is the same for all its life.
    let pids = [namespaces, &pinned.process.namespaces].map(|one| one.inode(Kind::Pid));
    let is_it = pinned.process.start_ticks == start_ticks && pids[0] == pids[1];
    if is_it { Ok(pinned) } else { Err(ended()) }
}

/// A thread has a directory that no listing shows, in which another process stands as `Tgid`.
pub fn is_thread(root: &SysRoot, pid: Pid) -> bool {
    let read = || {
        let dir = root.process(pid).ok()?;
        status::parse(&bounded::read(dir.as_fd(), "status", bounded::LARGE).ok()?)?.process
    };
    read().is_some_and(|process| process != pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_same_tick_is_another_if_it_is_in_another_pid_namespace() {
        let root = SysRoot::real().unwrap();
        let us = pin(&root, Pid::new(std::process::id()).unwrap()).unwrap().process;
        let label = Text::from("web");
        let again =
            |ticks, namespaces: &NsSet| pin_known(&root, (us.pid, ticks, namespaces), &label);
        again(us.start_ticks, &us.namespaces).unwrap();
        let mut others = us.namespaces;
        others.set(Kind::Pid, 1);
        for found in [again(us.start_ticks, &others), again(us.start_ticks + 1, &us.namespaces)] {
            assert!(matches!(found, Err(TargetError::Ended(of)) if of == label));
        }
    }
}
