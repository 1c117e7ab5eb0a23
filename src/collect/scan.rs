//! One pass over /proc: the processes whose mount, pid or network namespace is not the host's.
//!
//! An ordinary process costs three `readlinkat`; only an isolated one is looked at more closely,
//! and then through its own directory descriptor, so that a reused pid cannot mix two processes.

use crate::model::gap::{Gap, Reason};
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::{Pid, Process};
use crate::model::text::Text;
use crate::sys::crew::{self, Care, Leaving};
use crate::sys::error::{IntoErrno, Problem, Result};
use crate::sys::fds::Spent;
use crate::sys::raw::kcmp;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns, proc, threads};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub mod travel;

/// Below this many processes a second one costs more than it saves.
const MANY: usize = 100;

/// What one pass found.
#[derive(Debug)]
pub struct Scan {
    /// The namespaces everything else is compared with.
    pub host: NsSet,
    /// By pid; with those that have ended and were not reaped.
    pub isolated: Vec<Process>,
    /// Processes that are not listed, whose namespaces may not be read, or that failed.
    pub gaps: Vec<Gap>,
}

impl Scan {
    /// `None` too for a process of the host.
    pub fn find(&self, pid: Pid) -> Option<&Process> {
        let at = self.isolated.binary_search_by_key(&pid, |process| process.pid).ok()?;
        self.isolated.get(at)
    }
}

/// And who did it, if that was not we; nothing depends on when that is dropped.
///
/// The caller has one thread.
pub fn scan(root: &SysRoot) -> Result<(Scan, Leaving)> {
    let host = host_namespaces(root);
    let mut pids = root.pids()?;
    let unlisted = unlisted(root, &pids);
    let kernel = KernelThreads::list(root);
    pids.retain(|pid| !kernel.has(*pid));
    let mut isolated = Vec::new();
    let (mut hidden, mut failed) = (0_u32, 0_u32);
    let mut take = |visit| match visit {
        Visit::Isolated(process) => isolated.push(*process),
        Visit::Hidden => hidden += 1,
        Visit::Failed => failed += 1,
        Visit::OfTheHost | Visit::Gone => {}
    };
    let mut reader = Reader::default();
    let mut leaving = Leaving::default();
    if pids.len() < MANY {
        for pid in pids {
            take(visit(root, pid, &host, &mut reader));
        }
    } else {
        let mut job = |place: usize, _: Care, out: &mut Vec<u8>| {
            if let Some(pid) = pids.get(place) {
                visit(root, *pid, &host, &mut reader).write(out);
            }
        };
        let mut take = |_: usize, answer: std::result::Result<&[u8], Problem>| {
            take(answer.map_or(Visit::Failed, Visit::read));
        };
        leaving = crew::work(pids.len(), crew::size(), crew::PATIENCE, &mut job, &mut take);
        isolated.sort_unstable_by_key(|process| process.pid);
    }
    let gaps = unlisted.into_iter().chain(unseen(hidden, Reason::Denied));
    let gaps = gaps.chain(unseen(failed, Reason::Failed)).collect();
    Ok((Scan { host, isolated, gaps }, leaving))
}

/// A /proc with hidepid leaves the processes of others out of its list; but pid 1 is always there,
/// and may be asked whether it is.
pub fn unlisted(root: &SysRoot, pids: &[Pid]) -> Option<Gap> {
    if !root.is_real() || pids.first().is_some_and(|pid| pid.number() == 1) {
        return None;
    }
    // Elsewhere pid 1 would be somebody else's.
    let asked = rustix::process::test_kill_process(rustix::process::Pid::INIT);
    (root.numbers_as_we_do() && asked != Err(rustix::io::Errno::SRCH)).then(|| Gap {
        object: "other users (hidepid)".into(),
        what: "processes",
        reason: Reason::Denied,
    })
}

/// The kernel's own threads: kthreadd, which is pid 2 in the initial pid namespace and nowhere else,
/// and of its children those that are. Programs that the kernel starts (`core_pattern`,
/// `release_agent`) are its children, too, and go where they like; its threads stay in the
/// namespaces they were made in, but for the mount namespace of the one that serves devtmpfs.
#[derive(Debug, Default)]
pub struct KernelThreads {
    /// Ascending; empty where the kernel cannot list children (CONFIG_PROC_CHILDREN).
    pids: Vec<Pid>,
    /// Those of them that are not in the mount namespace of kthreadd.
    elsewhere: Vec<Pid>,
    has_kthreadd: bool,
}

impl KernelThreads {
    /// Empty unless we are in the initial pid namespace; without CONFIG_PROC_CHILDREN it has at
    /// most kthreadd. Each costs a call, where there is kcmp(2) and we may use it.
    pub fn list(root: &SysRoot) -> Self {
        Pid::new(2).and_then(|kthreadd| Self::below(root, kthreadd)).unwrap_or_default()
    }

    fn below(root: &SysRoot, kthreadd: Pid) -> Option<Self> {
        let dir = bounded::open_dir(root.proc(), &kthreadd.to_string()).ok()?;
        let stat = bounded::read_single(dir.as_fd(), "stat").ok()?;
        if !proc::stat::parse(&stat)?.is_kernel_thread() {
            return None;
        }
        let children = format!("task/{kthreadd}/children");
        let children = bounded::read(dir.as_fd(), &children, bounded::LARGE).unwrap_or_default();
        let mnt = ns::identity(dir.as_fd(), Kind::Mnt).ok();
        let mut threads = Self { has_kthreadd: true, ..Self::default() };
        let can_compare = root.is_real() && root.numbers_as_we_do();
        for pid in children.split(u8::is_ascii_whitespace).filter_map(Pid::parse) {
            // Its threads have its root and working directory: whose those are cannot have left
            // its mount namespace. A program has its own, one that has ended none.
            if can_compare && shares_directories(kthreadd, pid) {
                threads.pids.push(pid);
                continue;
            }
            let Some(shares) = of_the_kernel(root, pid, mnt) else { continue };
            threads.pids.push(pid);
            threads.elsewhere.extend((!shares).then_some(pid));
        }
        // Where kthreadd can be read, it is read like any other, for all of them.
        threads.pids.extend(mnt.is_none().then_some(kthreadd));
        threads.pids.sort_unstable();
        Some(threads)
    }

    /// Whether pid 2 is kthreadd, and nobody else's.
    pub const fn has_kthreadd(&self) -> bool {
        self.has_kthreadd
    }

    /// Whether it is one of them, without a call. No container has any.
    pub fn has(&self, pid: Pid) -> bool {
        self.pids.binary_search(&pid).is_ok()
    }

    /// Whether it is one of them, in the namespaces of kthreadd.
    pub fn shares_all(&self, pid: Pid) -> bool {
        self.has(pid) && !self.elsewhere.contains(&pid)
    }
}

fn shares_directories(one: Pid, other: Pid) -> bool {
    kcmp::is_shared(one.raw(), other.raw(), kcmp::Shared::Directories) == Ok(true)
}

/// `None`: a child of kthreadd is no thread of the kernel's; else whether it shares a mount namespace.
/// Those have no program. Neither has a process whose first thread has ended; but that has left its
/// namespaces, too.
fn of_the_kernel(root: &SysRoot, pid: Pid, mnt: Option<u64>) -> Option<bool> {
    let mut buffer = [std::mem::MaybeUninit::uninit(); 1];
    match rustix::fs::readlinkat_raw(root.proc(), format!("{pid}/exe"), &mut buffer) {
        Ok(_) => None,
        Err(rustix::io::Errno::NOENT) => {
            let theirs = ns::identity_of(root.proc(), pid, Kind::Mnt).ok()?;
            Some(Some(theirs) == mnt)
        }
        Err(_) => {
            let stat = bounded::read_single(root.proc(), &format!("{pid}/stat")).ok()?;
            proc::stat::parse(&stat)?.is_kernel_thread().then_some(mnt.is_none())
        }
    }
}

fn unseen(count: u32, reason: Reason) -> Option<Gap> {
    let object = match count {
        0 => return None,
        1 => Text::from("1 process"),
        many => Text::from(format!("{many} processes")),
    };
    Some(Gap { object, what: "namespaces", reason })
}

/// What a visit to a process came to.
#[derive(Debug)]
pub enum Visit {
    /// Its mount, pid or network namespace is not the host's, or its cgroup tells a container.
    Isolated(Box<Process>),
    /// All three are the host's; or it is a thread of the kernel's own, or pid 1.
    OfTheHost,
    /// Its namespaces are not ours to read, and its cgroup does not tell a container.
    Hidden,
    /// It is there, and something went wrong.
    Failed,
    /// It ended before it could be read; or it is a zombie of the host's.
    Gone,
}

impl From<Errno> for Visit {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ENOENT | Errno::ESRCH => Self::Gone,
            errno if ns::is_denial(errno) => Self::Hidden,
            _ => Self::Failed,
        }
    }
}

fn visit(root: &SysRoot, pid: Pid, host: &NsSet, reader: &mut Reader) -> Visit {
    match differs(root.proc(), pid, host) {
        Ok(false) => Visit::OfTheHost,
        Ok(true) => match reader.read_of(root, pid) {
            // One of the kernel's own threads has a mount namespace for devtmpfs.
            Ok(process) if process.kernel_thread => Visit::OfTheHost,
            Ok(process) => Visit::Isolated(Box::new(process)),
            Err(errno) => errno.into(),
        },
        Err(errno) if ns::is_denial(errno) => visit_hidden(root, pid, reader),
        Err(Errno::ENOENT) => visit_ended(root, pid, host, reader),
        Err(errno) => errno.into(),
    }
}

/// Of a process that has ended and was not reaped the pid namespace is left, and tells whose it was.
fn visit_ended(root: &SysRoot, pid: Pid, host: &NsSet, reader: &mut Reader) -> Visit {
    let process = match reader.read_of(root, pid) {
        Ok(process) => process,
        Err(errno) => return errno.into(),
    };
    let elsewhere = host.differing(&process.namespaces);
    if process.state.is_headless() {
        let is_isolated = [Kind::Mnt, Kind::Pid, Kind::Net].iter().any(|kind| elsewhere.has(*kind));
        return if is_isolated { Visit::Isolated(Box::new(process)) } else { Visit::OfTheHost };
    }
    match process.namespaces.inode(Kind::Pid) {
        Some(inode) if process.state.ended() && Some(inode) != host.inode(Kind::Pid) => {
            Visit::Isolated(Box::new(process))
        }
        _ => Visit::Gone,
    }
}

/// A process whose namespaces may not be read is told by its cgroup, which everybody may read.
fn visit_hidden(root: &SysRoot, pid: Pid, reader: &mut Reader) -> Visit {
    let process = match reader.read_of(root, pid) {
        Ok(process) => process,
        // That of another user may be hidden altogether.
        Err(errno) => return errno.into(),
    };
    let in_container = super::runtime::recognise::cgroup(process.cgroup.as_bytes())
        .iter()
        .any(|found| !found.is_host_service());
    // The host's own init defines what the host is; kernel threads are always the host's.
    let of_the_host = pid.number() == 1 || process.kernel_thread;
    match (in_container, of_the_host) {
        (true, _) => Visit::Isolated(Box::new(process)),
        (false, true) => Visit::OfTheHost,
        (false, false) => Visit::Hidden,
    }
}

/// Whether one of the three namespaces that isolate differs from the host's.
fn differs(proc: BorrowedFd<'_>, pid: Pid, host: &NsSet) -> std::result::Result<bool, Errno> {
    for kind in [Kind::Mnt, Kind::Pid, Kind::Net] {
        if Some(ns::identity_of(proc, pid, kind)?) != host.inode(kind) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Everything about one process, through its own directory. `None`: it ended meanwhile; where that
/// is not why, it is noted.
pub fn read_process(root: &SysRoot, pid: Pid, reader: &mut Reader) -> Option<Process> {
    let object = || Text::from(format!("pid {pid}"));
    root.reach().told(object, "namespaces", reader.read_of(root, pid))
}

/// The same through `/proc/PID` when that is already open; why not, where it cannot be read.
pub fn read_process_at(dir: BorrowedFd<'_>, reader: &mut Reader) -> nix::Result<Process> {
    reader.read(ns::open_links_below(dir)?)
}

/// Reads one process after the other, with few calls for each.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    spent: Spent,
}

impl Reader {
    fn read_of(&mut self, root: &SysRoot, pid: Pid) -> nix::Result<Process> {
        self.read(ns::open_links(root.proc(), pid)?)
    }

    /// From `/proc/PID/ns`, below which the links are near and above which is the rest.
    fn read(&mut self, links: OwnedFd) -> nix::Result<Process> {
        let process = self.read_at(links.as_fd());
        self.spent.close(links);
        process
    }

    fn read_at(&mut self, links: BorrowedFd<'_>) -> nix::Result<Process> {
        self.record(links, "../stat")?;
        let mut stat = proc::stat::parse(&self.buffer).ok_or(Errno::ESRCH)?;
        let (mut namespaces, problem) = ns::identities_in(links);
        let mut cgroup = "../cgroup".to_owned();
        if stat.state.is_headless()
            && let Some((thread, theirs)) = living(links, stat.pid)
        {
            namespaces.complete_from(&theirs);
            cgroup = format!("../task/{thread}/cgroup");
        }
        match problem {
            Some(Errno::ENOENT | Errno::ESRCH) if !stat.state.ended() => {
                // It has ended meanwhile, and is to be known as one that has.
                self.record(links, "../stat")?;
                stat = proc::stat::parse(&self.buffer).ok_or(Errno::ESRCH)?;
            }
            // Those that may not be read are told by who asks for them; one that has ended lacks most.
            None | Some(Errno::EACCES | Errno::EPERM | Errno::ENOENT | Errno::ESRCH) => {}
            Some(errno) => return Err(errno),
        }
        // A process may sit in many hierarchies with names of up to a page each.
        self.record(links, &cgroup)?;
        Ok(Process {
            pid: stat.pid,
            parent: stat.parent,
            state: stat.state,
            kernel_thread: stat.is_kernel_thread(),
            comm: stat.comm,
            start_ticks: stat.start_ticks,
            namespaces,
            cgroup: Text::new(&self.buffer),
        })
    }

    fn record(&mut self, links: BorrowedFd<'_>, name: &str) -> nix::Result<()> {
        let file = bounded::open_file(links, name).map_err(IntoErrno::into_errno)?;
        let read = bounded::read_open_record(file.as_fd(), bounded::SMALL, &mut self.buffer);
        self.spent.close(file);
        read.map(drop).map_err(IntoErrno::into_errno)
    }
}

/// How many threads are asked for what the first one has left.
pub(super) const THREADS_ASKED: usize = 16;

/// A thread that lives, and its namespaces; by `/proc/PID/ns`.
pub(super) fn living(links: BorrowedFd<'_>, pid: Pid) -> Option<(Pid, NsSet)> {
    let threads = threads::others(links, pid).ok()?;
    threads.into_iter().take(THREADS_ASKED).find_map(|thread| {
        let links = ns::open_links_of_thread(links, thread).ok()?;
        let (theirs, _) = ns::identities_in(links.as_fd());
        theirs.inode(Kind::Mnt).is_some().then_some((thread, theirs))
    })
}

/// The namespaces of pid 1; where they may not be read those of the first kernel thread, which
/// never leaves the initial ones; else our own.
pub fn host_namespaces(root: &SysRoot) -> NsSet {
    let mut reader = Reader::default();
    let mut host = NsSet::default();
    if let Some(init) = Pid::new(1).and_then(|pid| read_process(root, pid, &mut reader)) {
        host.complete_from(&init.namespaces);
    }
    if !host.unknown().is_empty()
        && let Some(thread) = Pid::new(2).and_then(|pid| read_process(root, pid, &mut reader))
        && thread.kernel_thread
    {
        host.complete_from(&thread.namespaces);
    }
    if !host.unknown().is_empty()
        && let Some(own) = root.own_pid().and_then(|pid| read_process(root, pid, &mut reader))
    {
        host.complete_from(&own.namespaces);
    }
    host
}

#[cfg(test)]
mod tests;
