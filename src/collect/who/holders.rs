//! Which processes of the whole host hold sockets, by the links of their descriptors.

use crate::model::gap::{Gap, Reason};
use crate::model::process::Pid;
use crate::sys::crew::{self, PATIENCE};
use crate::sys::error::SysError;
use crate::sys::proc::fd;
use crate::sys::root::SysRoot;
use crate::sys::threads::{self, Shared};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd};

/// Descriptors of one process that are looked at, and holders of one socket that are kept.
const MOST_DESCRIPTORS: usize = 1 << 16;
const MOST_HOLDERS: usize = 256;
/// Fewer processes than this are not worth others to look for them.
const MANY: usize = 256;

/// How far is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::collect) enum Extent {
    /// Until every socket has one: a group of processes is looked through whole.
    UntilFound,
    Everybody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::collect) struct Holder {
    pub pid: Pid,
    pub descriptor: u32,
    /// Whose own it is, where the process has not got it.
    pub thread: Option<Pid>,
}

/// By the inode of the socket; the lowest pid first.
#[derive(Debug, Default)]
pub(in crate::collect) struct Holders {
    found: HashMap<u64, Vec<Holder>>,
    /// Processes that could not be looked at to the end.
    missed: Vec<(Pid, Reason)>,
    /// Why it is not known which processes there are.
    unlisted: Option<Reason>,
}

/// `first` are those that are looked at before all others.
pub(in crate::collect) fn find(
    root: &SysRoot,
    inodes: &HashSet<u64>,
    first: &BTreeSet<Pid>,
    extent: Extent,
) -> Holders {
    let mut holders = Holders::default();
    if inodes.is_empty() {
        return holders;
    }
    let is_enough = |holders: &Holders| {
        extent == Extent::UntilFound && inodes.iter().all(|one| holders.found.contains_key(one))
    };
    holders.look(root, inodes, &first.iter().copied().collect::<Vec<Pid>>());
    if is_enough(&holders) {
        // Nobody need know what others hold.
        holders.missed.clear();
    } else {
        let mut others = root.pids().unwrap_or_else(|error| {
            holders.unlisted = Some(error.reason());
            Vec::new()
        });
        others.retain(|pid| !first.contains(pid));
        holders.look(root, inodes, &others);
    }
    for found in holders.found.values_mut() {
        found.sort_by_key(|holder| (holder.pid, holder.descriptor));
    }
    holders
}

impl Holders {
    pub(in crate::collect) fn of(&self, inode: u64) -> &[Holder] {
        self.found.get(&inode).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether nobody could be missed.
    pub(in crate::collect) const fn is_complete(&self) -> bool {
        self.missed.is_empty() && self.unlisted.is_none()
    }

    /// What could not be looked at; none where that changes nothing.
    pub(in crate::collect) fn gap(&self) -> Option<Gap> {
        let what = "owners of sockets";
        if let Some(reason) = self.unlisted {
            return Some(Gap { object: "/proc".into(), what, reason });
        }
        let (pid, reason) = *self.missed.first()?;
        let object = match self.missed.len() {
            1 => format!("pid {pid}"),
            many => format!("{many} processes"),
        };
        Some(Gap { object: object.into(), what, reason })
    }

    fn look(&mut self, root: &SysRoot, inodes: &HashSet<u64>, pids: &[Pid]) {
        let mut answers = Vec::new();
        if pids.len() < MANY {
            for pid in pids {
                answers.clear();
                sockets_of(root, *pid, inodes, &mut answers);
                self.take(*pid, Some(&answers));
            }
            return;
        }
        // What is asked of a process here waits for nothing: no care is needed.
        let mut job = |piece: usize, _, out: &mut Vec<u8>| {
            if let Some(pid) = pids.get(piece) {
                sockets_of(root, *pid, inodes, out);
            }
        };
        crew::work(pids.len(), crew::size(), PATIENCE, &mut job, &mut |piece, answer| {
            if let Some(pid) = pids.get(piece) {
                self.take(*pid, answer.ok());
            }
        });
    }

    fn take(&mut self, pid: Pid, answer: Option<&[u8]>) {
        let Some((word, rest)) = answer.and_then(<[u8]>::split_first) else {
            self.missed.push((pid, Reason::Timeout));
            return;
        };
        match *word {
            DENIED => self.missed.push((pid, Reason::Denied)),
            CUT => self.missed.push((pid, Reason::Truncated)),
            FAILED => self.missed.push((pid, Reason::Failed)),
            _ => {}
        }
        for entry in rest.as_chunks::<ENTRY>().0 {
            let Some((inode, rest)) = entry.split_first_chunk() else { continue };
            let number =
                |bytes: Option<&[u8; 4]>| bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes));
            let descriptor = number(rest.first_chunk());
            let thread = Pid::new(number(rest.last_chunk()));
            let holders = self.found.entry(u64::from_ne_bytes(*inode)).or_default();
            if holders.len() < MOST_HOLDERS {
                holders.push(Holder { pid, descriptor, thread });
            }
        }
    }
}

const WHOLE: u8 = 0;
const DENIED: u8 = 1;
const CUT: u8 = 2;
const FAILED: u8 = 3;
/// An inode, a descriptor and a thread.
const ENTRY: usize = 16;

/// Writes a word on how far that went, and what was found.
fn sockets_of(root: &SysRoot, pid: Pid, inodes: &HashSet<u64>, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(WHOLE);
    let word = match look(root, pid, inodes, out) {
        Ok(false) => CUT,
        Err(error) if error.reason() == Reason::Denied => DENIED,
        // One that has ended holds nothing.
        Err(error) if error.reason() == Reason::Gone => WHOLE,
        Err(_) => FAILED,
        Ok(true) => WHOLE,
    };
    if let Some(first) = out.get_mut(start) {
        *first = word;
    }
}

/// False: there are more descriptors than the bound.
fn look(
    root: &SysRoot,
    pid: Pid,
    inodes: &HashSet<u64>,
    out: &mut Vec<u8>,
) -> Result<bool, SysError> {
    let process = root.process(pid)?;
    let mut is_whole = table(process.as_fd(), "fd", None, inodes, out)?;
    for thread in threads::apart(root, process.as_fd(), pid, Shared::Descriptors)? {
        match table(process.as_fd(), &format!("task/{thread}/fd"), Some(thread), inodes, out) {
            Ok(of_thread) => is_whole &= of_thread,
            Err(error) if error.reason() == Reason::Gone => {}
            Err(error) => return Err(error),
        }
    }
    Ok(is_whole)
}

fn table(
    process: BorrowedFd<'_>,
    path: &str,
    thread: Option<Pid>,
    inodes: &HashSet<u64>,
    out: &mut Vec<u8>,
) -> Result<bool, SysError> {
    let seen = fd::sockets(process, path, MOST_DESCRIPTORS, &mut |descriptor, inode| {
        if inodes.contains(&inode) {
            out.extend(inode.to_ne_bytes());
            out.extend(descriptor.to_ne_bytes());
            out.extend(thread.map_or(0, Pid::number).to_ne_bytes());
        }
    })?;
    Ok(seen <= MOST_DESCRIPTORS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    fn own() -> Pid {
        Pid::new(std::process::id()).unwrap()
    }

    #[test]
    fn our_own_socket_is_ours_wherever_we_are_looked_for() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
        let root = SysRoot::real().unwrap();
        let descriptor = u32::try_from(listener.as_raw_fd()).unwrap();
        let ours = Holder { pid: own(), descriptor, thread: None };
        for first in [BTreeSet::new(), BTreeSet::from([own()])] {
            for extent in [Extent::UntilFound, Extent::Everybody] {
                let holders = find(&root, &HashSet::from([inode]), &first, extent);
                assert!(holders.of(inode).contains(&ours), "{first:?} {extent:?}");
            }
        }
        assert!(find(&root, &HashSet::new(), &BTreeSet::new(), Extent::Everybody).is_complete());
    }

    #[test]
    fn whoever_is_asked_first_ends_the_search() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
        // Nobody else is in this /proc.
        let temp = tempfile::tempdir().unwrap();
        let fd = temp.path().join("proc/7/fd");
        std::fs::create_dir_all(&fd).unwrap();
        std::os::unix::fs::symlink(format!("socket:[{inode}]"), fd.join("3")).unwrap();
        std::fs::create_dir_all(temp.path().join("proc/8/fd")).unwrap();
        std::os::unix::fs::symlink("socket:[1]", temp.path().join("proc/8/fd/4")).unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let pid = |number| Pid::new(number).unwrap();
        let wanted = HashSet::from([inode, 1]);
        let holders = find(&root, &wanted, &BTreeSet::from([pid(7)]), Extent::UntilFound);
        assert_eq!(holders.of(inode), [Holder { pid: pid(7), descriptor: 3, thread: None }]);
        assert_eq!(holders.of(1), [Holder { pid: pid(8), descriptor: 4, thread: None }]);
        let wanted = HashSet::from([inode]);
        let holders = find(&root, &wanted, &BTreeSet::from([pid(7)]), Extent::UntilFound);
        assert!(holders.of(1).is_empty() && holders.is_complete() && holders.gap().is_none());
    }

    #[test]
    fn what_could_not_be_looked_at_is_told() {
        let mut holders = Holders::default();
        let pid = |number| Pid::new(number).unwrap();
        holders.take(pid(7), Some(&[DENIED]));
        assert_eq!(holders.gap().unwrap().object, "pid 7");
        holders.take(pid(8), None);
        let gap = holders.gap().unwrap();
        assert_eq!((gap.object, gap.reason), ("2 processes".into(), Reason::Denied));
        holders.take(pid(9), Some(&[WHOLE, 1, 2, 3]));
        assert_eq!(holders.missed.len(), 2);
    }
}
