//! Namespaces that are bind-mounted: the nsfs lines of mountinfo.

use crate::model::census::NsKey;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::proc::mountinfo;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns};
use std::os::fd::{AsFd, BorrowedFd};

/// Those of our own mount namespace, each with where it is mounted.
pub(in crate::collect) fn own(root: &SysRoot) -> Vec<(NsKey, Text)> {
    let own = bounded::open_link(root.proc(), "self");
    let mounts = own.and_then(|dir| read(dir.as_fd(), "mountinfo"));
    root.reach().told(|| "our own mounts".into(), "mounts", mounts).unwrap_or_default()
}

/// Those of a process's mount namespace, from `/proc/PID/ns`.
pub(super) fn beside(links: BorrowedFd<'_>) -> Result<Vec<(NsKey, Text)>> {
    read(links, "../mountinfo")
}

fn read(dir: BorrowedFd<'_>, name: &str) -> Result<Vec<(NsKey, Text)>> {
    let bytes = bounded::read(dir, name, bounded::LARGE)?;
    let mounts = mountinfo::parse_of_type(&bytes, "nsfs");
    let named = mounts.filter_map(|mount| Some((ns::parse_name(mount.root.as_bytes())?, mount)));
    Ok(named.map(|(key, mount)| (key, mount.target)).collect())
}
