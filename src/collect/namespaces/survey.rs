//! One visit to a process, done by a member of the crew: all of its namespaces through one
//! descriptor, so that a reused pid cannot mix two processes in one row.
//!
//! An ordinary process costs nine calls (its directory and eight links), and a tenth of one to
//! close it; only the first process of a namespace is described.

use super::Wants;
use super::record::{About, Quality, Status, Visit};
use super::{descriptors, mounts};
use crate::collect::scan::{KernelThreads, THREADS_ASKED};
use crate::model::census::NsKey;
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::Pid;
use crate::sys::crew::Care;
use crate::sys::error::{IntoErrno, reason_of};
use crate::sys::fds::Spent;
use crate::sys::proc::stat;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns, nsfs, threads};
use nix::errno::Errno;
use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd};

/// Longer command lines are cut; one may be 2 MB.
const COMMAND_CAP: usize = 4096;

/// Processes of a mount namespace whose own root hides some of it.
const MOUNTS_ASKED: u8 = 8;

/// Which processes are described: uid, parent, command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Describe {
    /// The lowest pid of each namespace.
    #[default]
    First,
    /// Those in one namespace, too.
    In(u64),
    /// All.
    Every,
}

pub(super) struct Survey<'a> {
    pub(super) root: &'a SysRoot,
    pub(super) wants: Wants,
    kernel: &'a KernelThreads,
    /// Namespaces that a lower pid has shown, and was described for.
    seen: HashSet<NsKey>,
    /// Of these are all of that process.
    last: NsSet,
    /// Of mount namespaces, how often their mounts were asked for.
    mounts_asked: HashMap<u64, u8>,
    pub(super) spent: Spent,
    buffer: Vec<u8>,
    /// What a pid means to our calls is what it means to this /proc.
    pub(super) numbers_as_we_do: bool,
    /// Of nsfs, where descriptors are looked at.
    pub(super) device: Option<nsfs::Device>,
}

impl<'a> Survey<'a> {
    pub(super) fn new(root: &'a SysRoot, wants: Wants, kernel: &'a KernelThreads) -> Self {
        Self {
            root,
            wants,
            kernel,
            seen: HashSet::new(),
            last: NsSet::default(),
            mounts_asked: HashMap::new(),
            spent: Spent::default(),
            buffer: Vec::new(),
            numbers_as_we_do: wants.sockets && root.numbers_as_we_do(),
            device: if wants.holders { nsfs::Device::of(root).ok() } else { None },
        }
    }

    pub(super) fn visit(&mut self, pid: Pid, care: Care) -> Visit {
        if self.kernel.shares_all(pid) {
            return Visit { status: Status::Kernel, ..Visit::default() };
        }
        let links = match ns::open_links(self.root.proc(), pid) {
            Ok(links) => links,
            Err(errno) => return unseen(errno),
        };
        let visit = self.look(links.as_fd(), pid, care);
        self.spent.close(links);
        visit
    }

    fn look(&mut self, links: BorrowedFd<'_>, pid: Pid, care: Care) -> Visit {
        let mut namespaces = match identities(links) {
            Ok(namespaces) => namespaces,
            Err(errno) => return unseen(errno),
        };
        let mut asked = None;
        if namespaces.inode(Kind::Mnt).is_none() {
            // A zombie; but where only its first thread has ended, the others are still in theirs.
            asked = self.ask_threads(links, pid, &mut namespaces);
        }
        if namespaces == NsSet::default() {
            return Visit::default();
        }
        let mut visit = Visit { status: Status::Seen, namespaces, asked, ..Visit::default() };
        if self.wants.threads {
            self.list_threads(links, pid, &mut visit);
        }
        if self.wants.holders {
            for kind in [Kind::Pid, Kind::Time] {
                if let Ok(inode) = ns::identity_for_children(links, kind)
                    && Some(inode) != namespaces.inode(kind)
                {
                    visit.for_children.set(kind, inode);
                }
            }
            descriptors::list(self, links, pid, care, &mut visit);
            self.list_mounts(links, &mut visit);
        }
        if self.is_to_be_described(&visit) {
            match self.describe(links, care) {
                Ok(Some(about)) => {
                    visit.about = Some(about);
                    self.seen.extend(of_all_threads(&visit).flat_map(keys));
                }
                Ok(None) => {}
                // The next process of its namespaces is described in its place.
                Err(errno) => visit.lack(reason_of(errno.into_errno())),
            }
        }
        visit
    }

    /// Who has another root than its mount namespace sees only what is below that.
    fn list_mounts(&mut self, links: BorrowedFd<'_>, visit: &mut Visit) {
        let Some(mnt) = visit.namespaces.inode(Kind::Mnt) else { return };
        let asked = self.mounts_asked.entry(mnt).or_default();
        if *asked == MOUNTS_ASKED {
            return;
        }
        let sees_all = mounts::sees_all(links);
        *asked = if sees_all { MOUNTS_ASKED } else { *asked + 1 };
        match mounts::beside(links) {
            Ok(mounts) => (visit.mounts, visit.has_all_mounts) = (mounts, sees_all),
            Err(error) => visit.lack(error.reason()),
        }
    }

    fn is_to_be_described(&mut self, visit: &Visit) -> bool {
        let mut first = false;
        for namespaces in of_all_threads(visit) {
            if *namespaces == self.last {
                continue;
            }
            if keys(namespaces).all(|key| self.seen.contains(&key)) {
                self.last = *namespaces;
            } else {
                first = true;
            }
        }
        first
            || match self.wants.describe {
                Describe::First => false,
                Describe::In(inode) => keys(&visit.namespaces).any(|key| key.inode == inode),
                Describe::Every => true,
            }
    }

    fn describe(&mut self, links: BorrowedFd<'_>, care: Care) -> rustix::io::Result<Option<About>> {
        let directory = rustix::fs::statat(links, "..", rustix::fs::AtFlags::empty())?;
        let mut about = About { uid: directory.st_uid, ..About::default() };
        about.quality = self.read_command(links, care);
        about.command.clone_from(&self.buffer);
        if about.command.is_empty() || self.wants.parents {
            self.read(links, "../stat", bounded::SMALL)?;
            let Some(stat) = stat::parse(&self.buffer) else { return Ok(None) };
            about.parent = stat.parent.map_or(0, Pid::number);
            if about.command.is_empty() {
                about.command = stat.comm.as_bytes().to_vec();
            }
        }
        Ok(Some(about))
    }

    /// Leaves it in the buffer: its arguments separated by blanks, or nothing.
    fn read_command(&mut self, links: BorrowedFd<'_>, care: Care) -> Quality {
        if care != Care::Whole {
            self.buffer.clear();
            return if care == Care::Safe { Quality::NoAnswer } else { Quality::Failed };
        }
        let read = self.read(links, "../cmdline", COMMAND_CAP);
        if read.is_err() {
            self.buffer.clear();
        }
        for byte in &mut self.buffer {
            if *byte == 0 {
                *byte = b' ';
            }
        }
        self.buffer.truncate(self.buffer.trim_ascii_end().len());
        match read {
            Ok(true) => Quality::Cut,
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => Quality::Denied,
            Err(errno) if !is_gone(errno) => Quality::Failed,
            // Where it ended meanwhile, its name is all there is.
            Ok(false) | Err(_) => Quality::Whole,
        }
    }

    fn read(&mut self, dir: BorrowedFd<'_>, name: &str, cap: usize) -> rustix::io::Result<bool> {
        let file = bounded::open_file(dir, name)?;
        let read = bounded::read_open_record(file.as_fd(), cap, &mut self.buffer);
        self.spent.close(file);
        read
    }

    fn ask_threads(
        &mut self,
        links: BorrowedFd<'_>,
        pid: Pid,
        namespaces: &mut NsSet,
    ) -> Option<Pid> {
        for thread in threads::others(links, pid).into_iter().flatten().take(THREADS_ASKED) {
            let Ok(theirs) = self.of_thread(links, thread) else { continue };
            namespaces.complete_from(&theirs);
            if theirs.inode(Kind::Mnt).is_some() {
                return Some(thread);
            }
        }
        None
    }

    fn list_threads(&mut self, links: BorrowedFd<'_>, pid: Pid, visit: &mut Visit) {
        let list = match threads::others(links, pid) {
            Ok(list) => list,
            Err(error) => return visit.lack(error.reason()),
        };
        for thread in list {
            let Ok(theirs) = self.of_thread(links, thread) else { continue };
            let mut elsewhere = NsSet::default();
            for kind in visit.namespaces.differing(&theirs).iter() {
                if let Some(inode) = theirs.inode(kind) {
                    elsewhere.set(kind, inode);
                }
            }
            if elsewhere != NsSet::default() {
                visit.threads.push((thread, elsewhere));
            }
        }
    }

    fn of_thread(&mut self, links: BorrowedFd<'_>, thread: Pid) -> nix::Result<NsSet> {
        let links = ns::open_links_of_thread(links, thread)?;
        let namespaces = identities(links.as_fd());
        self.spent.close(links);
        namespaces
    }
}

fn of_all_threads(visit: &Visit) -> impl Iterator<Item = &NsSet> {
    let others = visit.threads.iter().map(|(_, namespaces)| namespaces);
    std::iter::once(&visit.namespaces).chain(others)
}

const fn is_gone(errno: rustix::io::Errno) -> bool {
    matches!(errno, rustix::io::Errno::NOENT | rustix::io::Errno::SRCH)
}

fn unseen(errno: Errno) -> Visit {
    let status = match errno {
        Errno::ENOENT | Errno::ESRCH => Status::Gone,
        Errno::EACCES | Errno::EPERM => Status::Hidden,
        _ => Status::Failed,
    };
    Visit { status, ..Visit::default() }
}

/// What can be read of the eight; an error where permission is missing, or the process is.
fn identities(links: BorrowedFd<'_>) -> nix::Result<NsSet> {
    match ns::identities_in(links) {
        // A zombie has left most of them; a kernel may not have them all.
        (namespaces, None | Some(Errno::ENOENT)) => Ok(namespaces),
        (_, Some(errno)) => Err(errno),
    }
}

pub(super) fn keys(namespaces: &NsSet) -> impl Iterator<Item = NsKey> {
    Kind::ALL.into_iter().filter_map(|kind| Some(NsKey { kind, inode: namespaces.inode(kind)? }))
}
