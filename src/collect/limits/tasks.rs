//! Who counts against the limit of a user's processes, RLIMIT_NPROC.

use super::makers::{self, User};
use crate::model::namespace::Kind;
use crate::sys::proc::status;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns, nsfs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Of more processes those of one user are not counted.
const MOST_PROCESSES: usize = 20_000;

/// He pays for his threads in his user namespace, and for all that is in user namespaces that he made,
/// and below.
#[derive(Debug)]
struct Payer {
    user: User,
    count: u64,
    /// Other user namespaces, and whether he pays for what is in them.
    known: Vec<(u64, bool)>,
}

impl Payer {
    const fn new(user: User) -> Self {
        Self { user, count: 0, known: Vec::new() }
    }

    fn pays_for(&mut self, process: BorrowedFd<'_>, uid: u32) -> bool {
        let Ok(users) = ns::identity(process, Kind::User) else { return false };
        if users == self.user.users {
            return uid == self.user.uid;
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
        for _ in 0..makers::DEEPEST {
            let owner = nsfs::owner_uid(namespace.as_fd());
            let Ok(above) = nsfs::parent(namespace.as_fd()) else { return false };
            if ns::inode(above.as_fd()) == Ok(self.user.users) {
                return owner == Some(self.user.uid);
            }
            namespace = above;
        }
        false
    }
}

/// The threads that each pays for, of those that can be seen. `None` where there are too many to look at.
pub(super) fn threads(root: &SysRoot, users: impl Iterator<Item = User>) -> Option<Vec<u64>> {
    let mut payers: Vec<Payer> = users.map(Payer::new).collect();
    if payers.is_empty() {
        return Some(Vec::new());
    }
    let pids = root.pids().ok()?;
    if pids.len() > MOST_PROCESSES {
        return None;
    }
    let mut buffer = Vec::new();
    for pid in pids {
        let Ok(dir) = root.process(pid) else { continue };
        if bounded::read_record(dir.as_fd(), "status", bounded::LARGE, &mut buffer).is_err() {
            continue;
        }
        let Some(found) = status::parse(&buffer) else { continue };
        let [uid, ..] = found.uids;
        for payer in &mut payers {
            if payer.pays_for(dir.as_fd(), uid) {
                payer.count += u64::from(found.threads);
            }
        }
    }
    Some(payers.iter().map(|payer| payer.count).collect())
}
