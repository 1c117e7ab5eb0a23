//! The namespaces of a target: whose they are, and who else is in them.

use crate::model::container::Container;
use crate::model::inspection::Namespace;
use crate::model::namespace::{Kind, NsKey, NsSet};
use crate::sys::fds::Spent;
use crate::sys::ns;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::raw::nsfs;
use crate::sys::root::SysRoot;
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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
    let mut spent = Spent::default();
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
            if let Some(links) = links.as_ref().filter(|_| root.is_real()) {
                ask(links.as_fd(), &mut namespace, &mut spent);
            }
        }
        namespaces.push(namespace);
    }
    namespaces
}

/// One that no process is in, by an open file of it.
pub(super) fn of_file(file: BorrowedFd<'_>, key: NsKey) -> Namespace {
    Namespace {
        kind: key.kind,
        inode: key.inode,
        own: true,
        shared_with: Vec::new(),
        owner_inode: ns::owner_inode(file).ok().flatten(),
        nsid: nsfs::id(file).ok(),
        for_children_inode: None,
    }
}

fn for_children(links: BorrowedFd<'_>, key: NsKey) -> Option<u64> {
    if !matches!(key.kind, Kind::Pid | Kind::Time) {
        return None;
    }
    ns::identity_for_children(links, key.kind).ok().filter(|inode| *inode != key.inode)
}

/// Both stay unknown where the kernel does not say.
fn ask(links: BorrowedFd<'_>, namespace: &mut Namespace, spent: &mut Spent) {
    let key = NsKey { inode: namespace.inode, kind: namespace.kind };
    let Ok(file) = ns::open_in(links, key) else { return };
    let inode = |owner: OwnedFd, spent: &mut Spent| {
        let inode = ns::inode(owner.as_fd());
        spent.close(owner);
        inode
    };
    let owner: Result<u64, Errno> = nsfs::owner(file.as_fd()).and_then(|owner| inode(owner, spent));
    namespace.owner_inode = owner.ok();
    namespace.nsid = nsfs::id(file.as_fd()).ok();
    spent.close(file);
}
