//! Namespaces that are bind-mounted: the nsfs lines of mountinfo.

use crate::model::census::NsKey;
use crate::model::text::Text;
use crate::sys::proc::mountinfo;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns};
use std::os::fd::{AsFd, BorrowedFd};

/// Those of our own mount namespace, each with where it is mounted.
pub(in crate::collect) fn own(root: &SysRoot) -> Vec<(NsKey, Text)> {
    match bounded::open_link(root.proc(), "self") {
        Ok(dir) => read(dir.as_fd(), "mountinfo").unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// Those of a process's mount namespace, from `/proc/PID/ns`.
pub(super) fn beside(links: BorrowedFd<'_>) -> Option<Vec<(NsKey, Text)>> {
    read(links, "../mountinfo")
}

fn read(dir: BorrowedFd<'_>, name: &str) -> Option<Vec<(NsKey, Text)>> {
    let bytes = bounded::read(dir, name, bounded::LARGE).ok()?;
    let mounts = mountinfo::parse_of_type(&bytes, "nsfs");
    let named = mounts.filter_map(|mount| Some((ns::parse_name(mount.root.as_bytes())?, mount)));
    Some(named.map(|(key, mount)| (key, mount.target)).collect())
}
