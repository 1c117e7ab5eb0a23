//! Which rights it takes to join namespaces, and whether we have them: user_namespaces(7). Asked
//! where somebody wants to know; the kernel decides by itself.

use crate::model::access::Need;
use crate::model::namespace::{Kind, Kinds};
use crate::sys::ns;
use crate::sys::nsfs::{self, NsFile};
use crate::sys::root::SysRoot;
use std::os::fd::{AsFd, BorrowedFd};

/// Who asks.
#[derive(Debug)]
pub struct Asker {
    user_namespace: u64,
    /// Effective, where we are.
    admin: bool,
    uid: u32,
}

impl Asker {
    /// `None` where /proc does not tell our user namespace.
    pub fn ourselves(root: &SysRoot) -> Option<Self> {
        let own = root.own_process().ok()?;
        let effective = rustix::thread::capabilities(None).ok()?.effective;
        Some(Self {
            user_namespace: ns::identity(own.as_fd(), Kind::User).ok()?,
            admin: effective.contains(rustix::thread::CapabilitySet::SYS_ADMIN),
            uid: rustix::process::geteuid().as_raw(),
        })
    }

    /// What it takes to join those of a process, given its directory in /proc.
    pub fn of_process(&self, process: BorrowedFd<'_>, kinds: Kinds) -> Vec<Need> {
        let needs = kinds.iter().filter_map(|kind| {
            let namespace = ns::open(process, kind).ok()?;
            Some(self.need(kind, namespace.as_fd()))
        });
        together(needs)
    }

    /// The same of single ones.
    pub fn of_each(&self, namespaces: &[NsFile]) -> Vec<Need> {
        together(namespaces.iter().map(|file| self.need(file.key.kind, file.fd.as_fd())))
    }

    fn need(&self, kind: Kind, namespace: BorrowedFd<'_>) -> Need {
        if kind == Kind::User {
            let inode = ns::inode(namespace).ok();
            return Need::of(kind, inode, self.rules(namespace));
        }
        match nsfs::above(namespace) {
            Ok(owner) => Need::of(kind, Some(owner.key.inode), self.rules(owner.fd.as_fd())),
            Err(_) => Need::of(kind, None, false),
        }
    }

    /// As the kernel judges: what one may in a user namespace one may in all below it, and who made
    /// one from the namespace above it may everything in it.
    fn rules(&self, user_namespace: BorrowedFd<'_>) -> bool {
        let copy = user_namespace.try_clone_to_owned().ok();
        let Some(mut current) = copy.and_then(|copy| nsfs::from_fd(copy).ok()) else {
            return false;
        };
        for _ in 0..DEEPEST {
            if current.key.inode == self.user_namespace {
                return self.admin;
            }
            // EPERM: it is not below ours.
            let Ok(above) = nsfs::above(current.fd.as_fd()) else { return false };
            if above.key.inode == self.user_namespace
                && nsfs::owner_uid(current.fd.as_fd()) == Some(self.uid)
            {
                return true;
            }
            current = above;
        }
        false
    }
}

/// The kernel makes none deeper.
const DEEPEST: usize = 33;

/// Those that the same right opens are one.
fn together(needs: impl Iterator<Item = Need>) -> Vec<Need> {
    let mut all: Vec<Need> = Vec::new();
    for need in needs {
        let same =
            all.iter_mut().find(|known| (known.owner, known.have) == (need.owner, need.have));
        match same {
            Some(known) => known.kinds = known.kinds.iter().chain(need.kinds.iter()).collect(),
            None => all.push(need),
        }
    }
    all
}
