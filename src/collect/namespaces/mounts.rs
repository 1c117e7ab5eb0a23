//! Namespaces that are bind-mounted: the nsfs lines of mountinfo.

use super::record::Visit;
use super::relations;
use crate::model::census::NsKey;
use crate::model::gap::Reason;
use crate::model::mount::Mount;
use crate::model::namespace::Kind;
use crate::model::text::Text;
use crate::sys::crew::Care;
use crate::sys::error::Result;
use crate::sys::mounts::of_id;
use crate::sys::proc::mountinfo;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// Those of our own mount namespace, each with where it is mounted.
pub(in crate::collect) fn own(root: &SysRoot) -> Vec<(NsKey, Text)> {
    let own = root.own_process();
    let mounts = own.and_then(|dir| read(dir.as_fd(), "mountinfo"));
    root.reach().told(|| "our own mounts".into(), "mounts", mounts).unwrap_or_default()
}

/// Those of a process's mount namespace, from `/proc/PID/ns`.
pub(super) fn beside(links: BorrowedFd<'_>) -> Result<Vec<(NsKey, Text)>> {
    read(links, "../mountinfo")
}

/// Those of a mount namespace of which no process shows them, as if one had been visited; by the
/// number that the kernel lists mounts by. A user has as many of both as he likes.
pub(super) fn alone(inode: u64, id: u64, care: Care) -> Visit {
    let mut visit = Visit::default();
    visit.namespaces.set(Kind::Mnt, inode);
    // Without a number it would be our own that is listed.
    if let Some(errno) = care.lack().or((id == 0).then_some(Errno::EOPNOTSUPP)) {
        visit.lack(relations::reason(errno));
        return visit;
    }
    match of_id(id, bounded::LARGE) {
        Ok((mounts, is_cut)) => {
            let mounts = mounts.into_iter().filter(|mount| mount.fs_type == "nsfs");
            visit.mounts = mounts.filter_map(named).collect();
            if is_cut {
                visit.lack(Reason::Truncated);
            }
        }
        Err(error) => visit.lack(error.reason()),
    }
    visit
}

fn named(mount: Mount) -> Option<(NsKey, Text)> {
    Some((ns::parse_name(mount.root.as_bytes())?, mount.target))
}

/// Whether that process has the root of its mount namespace for its own.
pub(super) fn sees_all(links: BorrowedFd<'_>) -> bool {
    let root = rustix::fs::readlinkat(links, "../root", Vec::new());
    root.is_ok_and(|root| root.as_bytes() == b"/")
}

fn read(dir: BorrowedFd<'_>, name: &str) -> Result<Vec<(NsKey, Text)>> {
    let bytes = bounded::read(dir, name, bounded::LARGE)?;
    let mounts = mountinfo::parse_of_type(&bytes, "nsfs");
    Ok(mounts.filter_map(named).collect())
}
