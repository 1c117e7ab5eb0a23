//! Who counts against the limit of a user's processes, RLIMIT_NPROC.

use crate::model::namespace::Kind;
use crate::sys::proc::status;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns, nsfs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Of more processes those of one user are not counted.
const MOST_PROCESSES: usize = 20_000;
/// User namespaces are nested no deeper than that: user_namespaces(7).
const DEEPEST: usize = 33;

/// A user, in the user namespace with this inode. He pays for his threads there, and for all that is in
/// user namespaces that he made, and below.
#[derive(Debug)]
pub(super) struct Payer {
    users: u64,
    uid: u32,
    /// Other user namespaces, and whether he pays for what is in them.
    known: Vec<(u64, bool)>,
}

impl Payer {
    pub(super) const fn new(users: u64, uid: u32) -> Self {
        Self { users, uid, known: Vec::new() }
    }

    /// The threads that he pays for, of those that can be seen. `None` where there are too many to look
    /// at.
    pub(super) fn threads(mut self, root: &SysRoot) -> Option<u64> {
        let pids = root.pids().ok()?;
        if pids.len() > MOST_PROCESSES {
            return None;
        }
        let mut buffer = Vec::new();
        let mut count = 0_u64;
        for pid in pids {
            let Ok(dir) = root.process(pid) else { continue };
            if bounded::read_record(dir.as_fd(), "status", bounded::LARGE, &mut buffer).is_err() {
                continue;
            }
            let Some(found) = status::parse(&buffer) else { continue };
            let [uid, ..] = found.uids;
            if self.pays_for(dir.as_fd(), uid) {
                count += u64::from(found.threads);
            }
        }
        Some(count)
    }

    fn pays_for(&mut self, process: BorrowedFd<'_>, uid: u32) -> bool {
        let Ok(users) = ns::identity(process, Kind::User) else { return false };
        if users == self.users {
            return uid == self.uid;
        }
        if let Some((_, pays)) = self.known.iter().find(|(known, _)| *known == users) {
            return *pays;
        }
        let namespace = ns::open(process, Kind::User);
        let pays = namespace.is_ok_and(|namespace| self.is_below(namespace));
        self.known.push((users, pays));
        pays
    }

    /// Whether it is in one that he made, or is that one.
    fn is_below(&self, mut namespace: OwnedFd) -> bool {
        for _ in 0..DEEPEST {
            let owner = nsfs::owner_uid(namespace.as_fd());
            let Ok(above) = nsfs::parent(namespace.as_fd()) else { return false };
            if ns::inode(above.as_fd()) == Ok(self.users) {
                return owner == Some(self.uid);
            }
            namespace = above;
        }
        false
    }
}
