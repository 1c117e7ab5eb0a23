//! The namespaces of a target: whose they are, and who else is in them.

use crate::model::container::Container;
use crate::model::inspection::Namespace;
use crate::model::namespace::{Kind, NsKey, NsSet};
use crate::sys::ns;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::raw::nsfs;
use crate::sys::root::SysRoot;
use std::os::fd::{AsFd, BorrowedFd};

/// Those that can be seen, in report order. `others` are the containers beside the target's own.
pub(super) fn collect(
    root: &SysRoot,
    handle: &ProcessHandle,
    host: &NsSet,
    theirs: &NsSet,
    others: &[Container],
) -> Vec<Namespace> {
    let own = host.differing(theirs);
    let links = ns::open_links_below(handle.dir()).ok();
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
            let file = links.and_then(|links| ns::open_in(links.as_fd(), key).ok());
            (namespace.owner_inode, namespace.nsid) =
                file.map(|file| told(file.as_fd())).unwrap_or_default();
        }
        namespaces.push(namespace);
    }
    namespaces
}

/// One that no process is in, by an open file of it.
pub(super) fn of_file(file: BorrowedFd<'_>, key: NsKey) -> Namespace {
    let (owner_inode, nsid) = told(file);
    Namespace {
        kind: key.kind,
        inode: key.inode,
        own: true,
        shared_with: Vec::new(),
        owner_inode,
        nsid,
        for_children_inode: None,
    }
}

/// The inode of the user namespace that owns it, and the number of the kernel's; unknown where the
/// kernel does not say.
fn told(file: BorrowedFd<'_>) -> (Option<u64>, Option<u64>) {
    (ns::owner_inode(file).ok().flatten(), nsfs::id(file).ok())
}

fn for_children(links: BorrowedFd<'_>, key: NsKey) -> Option<u64> {
    if !matches!(key.kind, Kind::Pid | Kind::Time) {
        return None;
    }
    ns::identity_for_children(links, key.kind).ok().filter(|inode| *inode != key.inode)
}
