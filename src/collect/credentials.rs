//! A target's ids and limits of privilege, and our own, read before a program joins it.

use crate::model::confinement::{Confinement, IdRules};
use crate::model::namespace::{Kinds, NsSet};
use crate::sys::error::{Result, SysError};
use crate::sys::pidfd::ProcessHandle;
use crate::sys::proc::status::{self, Status};
use crate::sys::root::SysRoot;
use crate::sys::{bounded, idmap, ns};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// Our own namespaces of these kinds.
pub fn own_namespaces(root: &SysRoot, kinds: Kinds) -> Result<NsSet> {
    let own = root.own_process()?;
    let mut set = NsSet::default();
    for kind in kinds.iter() {
        match ns::identity(own.as_fd(), kind) {
            Ok(inode) => set.set(kind, inode),
            // A kernel without this kind of namespace has no such link.
            Err(Errno::ENOENT) => {}
            // Taken for the target's, it would not be joined.
            Err(errno) => return Err(SysError::new("read", "our own namespaces", errno)),
        }
    }
    Ok(set)
}

/// Whether we have `CAP_SYS_ADMIN` where we are.
pub fn privileged() -> bool {
    let effective = rustix::thread::capabilities(None).map(|sets| sets.effective);
    effective.is_ok_and(|sets| sets.contains(rustix::thread::CapabilitySet::SYS_ADMIN))
}

/// The target's own user and group as they are called in its user namespace, or here; `None` for
/// what is called nothing there.
pub fn own_ids(target: &ProcessHandle, inside: bool) -> (Option<u32>, Option<u32>) {
    let Some(status) = status(target.dir()) else { return (None, None) };
    let called = |id, map| {
        if !inside {
            return Some(id);
        }
        let map = bounded::read(target.dir(), map, bounded::SMALL).ok()?;
        idmap::to_inside(&idmap::parse(&map)?, id)
    };
    let [_, uid, ..] = status.uids;
    let [_, gid, ..] = status.gids;
    (called(uid, "uid_map"), called(gid, "gid_map"))
}

/// What a user and a group of the target's user namespace are called here.
pub fn outside_ids(target: &ProcessHandle, uid: u32, gid: u32) -> Option<(u32, u32)> {
    let called = |id, map| {
        let map = bounded::read(target.dir(), map, bounded::SMALL).ok()?;
        idmap::to_outside(&idmap::parse(&map)?, id)
    };
    Some((called(uid, "uid_map")?, called(gid, "gid_map")?))
}

/// Files that cannot be read count as a map without root.
pub fn id_rules(target: &ProcessHandle) -> IdRules {
    let file = |name| bounded::read(target.dir(), name, bounded::SMALL).unwrap_or_default();
    let has_root = |name| idmap::parse(&file(name)).is_some_and(|map| idmap::maps(&map, 0));
    IdRules {
        root_is_mapped: has_root("uid_map") && has_root("gid_map"),
        setgroups_denied: file("setgroups").trim_ascii() == b"deny",
    }
}

/// `None` where either side cannot be read.
pub fn confinement(root: &SysRoot, target: &ProcessHandle) -> Option<Confinement> {
    let own = root.own_process().ok()?;
    let (ours, theirs) = (status(own.as_fd())?, status(target.dir())?);
    Some(Confinement {
        capabilities: theirs.cap_bounding.len(),
        we_have_more: !theirs.cap_bounding.contains_all(ours.cap_effective),
        seccomp: theirs.seccomp == 2,
        no_new_privs: theirs.no_new_privs,
    })
}

fn status(process: BorrowedFd<'_>) -> Option<Status> {
    status::parse(&bounded::read(process, "status", bounded::LARGE).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::namespace::Kind;

    #[test]
    fn one_of_ours_that_cannot_be_read_is_not_left_out() {
        let temp = tempfile::tempdir().unwrap();
        let links = temp.path().join("proc/self/ns");
        std::fs::create_dir_all(&links).unwrap();
        std::os::unix::fs::symlink("net:[7]", links.join("net")).unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let ours = own_namespaces(&root, Kinds::EVERY).unwrap();
        assert_eq!((ours.inode(Kind::Net), ours.inode(Kind::Uts)), (Some(7), None));
        // No link: EINVAL.
        std::fs::write(links.join("uts"), "").unwrap();
        assert_eq!(own_namespaces(&root, Kinds::EVERY).unwrap_err().errno(), Some(Errno::EINVAL));
    }
}
