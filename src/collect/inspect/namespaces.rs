//! The namespaces of a target: whose they are, and who else is in them.

use crate::model::container::Container;
use crate::model::inspection::Namespace;
use crate::model::namespace::{Kind, NsKey, NsSet};
use crate::sys::ns;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::raw::nsfs;
use crate::sys::root::SysRoot;
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};

const WHAT: &str = "namespaces";

/// Those that can be seen, in report order. `others` are the containers beside the target's own.
pub(super) fn collect(
    root: &SysRoot,
    handle: &ProcessHandle,
    host: &NsSet,
    theirs: &NsSet,
    others: &[Container],
) -> Vec<Namespace> {
    let own = host.differing(theirs);
    let object = || format!("pid {}", handle.pid()).into();
    let links = root.reach().told(object, WHAT, ns::open_links_below(handle.dir()));
    let mut namespaces = Vec::new();
    for kind in Kind::ALL {
        let Some(inode) = theirs.inode(kind) else { continue };
        let key = NsKey { inode, kind };
        let mut namespace = Namespace {
            kind,
            inode,
            own: own.has(kind),
            shared_with: Vec::new(),
            owner_inode: None,
            nsid: None,
            for_children_inode: links.as_ref().and_then(|links| for_children(links.as_fd(), key)),
        };
        if namespace.own {
            let shares = |other: &&Container| other.namespaces.inode(kind) == Some(inode);
            namespace.shared_with = others.iter().filter(shares).map(Container::spelling).collect();
            // A fixture's links lead nowhere.
            let links = links.as_ref().filter(|_| root.is_real());
            let file = links
                .and_then(|links| root.reach().told(object, WHAT, ns::open_in(links.as_fd(), key)));
            if let Some(file) = file {
                let owner = ns::owner_inode(file.as_fd());
                namespace.owner_inode = root.reach().told(object, WHAT, owner).flatten();
                namespace.nsid = id(root, file.as_fd());
            }
        }
        namespaces.push(namespace);
    }
    namespaces
}

/// One that no process is in, by an open file of it.
pub(super) fn of_file(root: &SysRoot, file: BorrowedFd<'_>, key: NsKey) -> Namespace {
    let object = || key.to_string().into();
    Namespace {
        kind: key.kind,
        inode: key.inode,
        own: true,
        shared_with: Vec::new(),
        owner_inode: root.reach().told(object, WHAT, ns::owner_inode(file)).flatten(),
        nsid: id(root, file),
        for_children_inode: None,
    }
}

/// The kernel's number of it: before Linux 6.18 there are none.
fn id(root: &SysRoot, file: BorrowedFd<'_>) -> Option<u64> {
    match nsfs::id(file) {
        Err(Errno::ENOTTY | Errno::EINVAL) => None,
        id => root.reach().told(|| "a namespace".into(), WHAT, id),
    }
}

fn for_children(links: BorrowedFd<'_>, key: NsKey) -> Option<u64> {
    if !matches!(key.kind, Kind::Pid | Kind::Time) {
        return None;
    }
    ns::identity_for_children(links, key.kind).ok().filter(|inode| *inode != key.inode)
}
