//! Who made the user namespaces that a process is in: the kernel charges them, too.

use crate::model::namespace::Kind;
use crate::sys::{ns, nsfs};
use std::os::fd::{AsFd, BorrowedFd};

/// User namespaces are nested no deeper than that: user_namespaces(7).
pub(super) const DEEPEST: usize = 33;

/// A user, in the user namespace with this inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct User {
    pub users: u64,
    pub uid: u32,
}

/// The innermost one first; none above what we may see. `None` where the process's own cannot be seen.
pub(super) fn of(process: BorrowedFd<'_>) -> Option<Vec<User>> {
    let mut makers = Vec::new();
    if ns::identity(process, Kind::User).ok()? == ns::INITIAL_USER {
        return Some(makers);
    }
    let mut namespace = ns::open(process, Kind::User).ok()?;
    for _ in 0..DEEPEST {
        let Some(uid) = nsfs::owner_uid(namespace.as_fd()) else { break };
        let Ok(above) = nsfs::parent(namespace.as_fd()) else { break };
        let Ok(users) = ns::inode(above.as_fd()) else { break };
        makers.push(User { users, uid });
        namespace = above;
    }
    Some(makers)
}
