//! PIDs from one pid namespace to another: pid_namespaces(7), ioctl_nsfs(2).

use crate::model::gap::{Gap, Reason};
use crate::model::namespace::Kind;
use crate::model::pid_chain::{Level, PidChain};
use crate::model::process::Pid;
use crate::sys::error::{Context, Result, SysError};
use crate::sys::proc::status;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, fds, ns, nsfs, threads};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const WHAT: &str = "pid namespaces";

/// A process or a thread by its number here. What of it could not be seen [`unseen`] tells.
pub fn chain(root: &SysRoot, pid: Pid) -> Result<PidChain> {
    chain_of(root.process(pid)?.as_fd(), pid)
}

/// The same by its directory.
pub fn chain_of(process: BorrowedFd<'_>, pid: Pid) -> Result<PidChain> {
    let bytes = bounded::read(process, "status", bounded::SMALL)?;
    let status = status::parse(&bytes)
        .ok_or_else(|| SysError::malformed("read", format!("/proc/{pid}/status"), "line"))?;
    let pids = status.pids_by_level;
    let own = match ns::open(process, Kind::Pid) {
        // It has ended meanwhile.
        Err(error) if error.reason() == Reason::Gone => return Err(error),
        own => own.ok(),
    };
    let mut above = namespaces_above(own, pids.len());
    above.resize(pids.len(), None);
    let levels = pids.iter().zip(above.iter().rev());
    let levels: Vec<Level> =
        levels.map(|(pid, namespace)| Level { namespace: *namespace, pid: pid.number() }).collect();
    Ok(PidChain { pid: pid.number(), levels })
}

/// That some of its namespaces could not be seen.
pub fn unseen(chain: &PidChain) -> Option<Gap> {
    let reason = if fds::are_few() { Reason::Failed } else { Reason::Denied };
    let object = || format!("pid {}", chain.pid).into();
    let is_unseen = chain.levels.iter().any(|level| level.namespace.is_none());
    is_unseen.then(|| Gap { object: object(), what: "pid namespaces", reason })
}

/// The processes that have that number in the pid namespace that they are in, by their numbers here.
pub fn numbered(root: &SysRoot, inside: Pid) -> Result<Vec<Pid>> {
    let is_it = |pid: &Pid| {
        let bytes = bounded::read(root.proc(), &format!("{pid}/status"), bounded::SMALL);
        let object = || format!("pid {pid}").into();
        let bytes = root.reach().told(object, "numbers", bytes)?;
        let levels = status::parse(&bytes)?.pids_by_level;
        Some(levels.last() == Some(&inside))
    };
    let all = root.pids()?;
    Ok(all.into_iter().filter(|pid| is_it(pid) == Some(true)).collect())
}

/// Of its own first, then each above, as far as they may be seen.
fn namespaces_above(mut namespace: Option<OwnedFd>, count: usize) -> Vec<Option<u64>> {
    let mut inodes = Vec::new();
    while let Some(here) = namespace.take() {
        inodes.push(ns::inode(here.as_fd()).ok());
        if inodes.len() == count {
            break;
        }
        // That of ours has none above it, as far as we may know.
        namespace = nsfs::parent(here.as_fd()).ok();
    }
    inodes
}

/// A pid namespace, and how many are above it from ours on.
#[derive(Debug)]
pub struct Inside {
    namespace: OwnedFd,
    level: usize,
}

impl Inside {
    /// The one that a process is in.
    pub fn of(process: BorrowedFd<'_>) -> Result<Self> {
        let namespace = ns::open(process, Kind::Pid)?;
        let bytes = bounded::read(process, "status", bounded::SMALL)?;
        let levels = status::parse(&bytes).map_or(0, |status| status.pids_by_level.len());
        Ok(Self { namespace, level: levels.saturating_sub(1) })
    }

    /// By it one is told from another.
    pub fn inode(&self) -> Result<u64> {
        ns::inode(self.namespace.as_fd()).context("examine", "a pid namespace")
    }

    /// The process, or thread, of that number inside. It may end meanwhile, and what it is called here
    /// be another's number.
    pub fn numbered(&self, root: &SysRoot, inside: Pid) -> Result<Option<PidChain>> {
        let Some(pid) = self.to_ours(root, inside)? else { return Ok(None) };
        let chain = chain(root, pid)?;
        let inode = self.inode()?;
        let is_it = chain.levels.get(self.level).is_some_and(|level| {
            level.pid == inside.number() && level.namespace.is_none_or(|found| found == inode)
        });
        Ok(is_it.then_some(chain))
    }

    /// What the process, or thread, of that number inside is called here.
    pub fn to_ours(&self, root: &SysRoot, inside: Pid) -> Result<Option<Pid>> {
        match nsfs::pid_from(self.namespace.as_fd(), inside) {
            Err(error) if matches!(error.errno(), Some(Errno::ENOTTY | Errno::EINVAL)) => {
                self.to_ours_by_status(root, inside)
            }
            translated => translated,
        }
    }

    /// The same where the kernel does not translate: before Linux 6.11.
    pub fn to_ours_by_status(&self, root: &SysRoot, inside: Pid) -> Result<Option<Pid>> {
        let inode = self.inode()?;
        let is_it = |pid: Pid| {
            let dir = root.process(pid).ok()?;
            let bytes = bounded::read(dir.as_fd(), "status", bounded::SMALL).ok()?;
            let pids = status::parse(&bytes)?.pids_by_level;
            if *pids.get(self.level)? != inside {
                return Some(false);
            }
            let object = || format!("pid {pid}").into();
            let own = root.reach().told(object, WHAT, ns::open(dir.as_fd(), Kind::Pid));
            let above = namespaces_above(own, pids.len());
            Some(above.iter().rev().nth(self.level).copied().flatten() == Some(inode))
        };
        let processes = root.pids()?;
        let found = processes.iter().copied().find(|pid| is_it(*pid) == Some(true));
        if found.is_some() {
            return Ok(found);
        }
        let threads = processes.iter().flat_map(|pid| threads_of(root, *pid));
        Ok(threads.into_iter().find(|thread| is_it(*thread) == Some(true)))
    }

    /// All processes in it and in those below it, by their numbers here.
    pub fn processes(&self, root: &SysRoot) -> Result<Vec<PidChain>> {
        let inode = self.inode()?;
        let all = root.pids()?;
        let chains = all.into_iter().filter_map(|pid| {
            root.reach().told(|| format!("pid {pid}").into(), "numbers", chain(root, pid))
        });
        let is_in = |chain: &PidChain| {
            let level = chain.levels.get(self.level);
            if level.is_some_and(|level| level.namespace.is_none()) {
                // It may be in it, too.
                if let Some(gap) = unseen(chain) {
                    root.reach().note(gap);
                }
            }
            chain.in_namespace(inode).is_some()
        };
        Ok(chains.filter(is_in).collect())
    }
}

fn threads_of(root: &SysRoot, pid: Pid) -> Vec<Pid> {
    root.process(pid).and_then(|process| threads::all(process.as_fd())).unwrap_or_default()
}
