//! Network namespaces that no process is in and that are not mounted where we are: a thread is in
//! one, or a descriptor, a socket or a mount elsewhere keeps it. Every process is looked through.

use super::{NetSpace, NetSpaces, TRIED};
use crate::collect::containers::Containers;
use crate::collect::namespaces::{Wants, collect_census};
use crate::model::census::Holder;
use crate::model::gap::Gap;
use crate::model::namespace::{Kind, NsKey};
use crate::model::process::Pid;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns, nsfs};
use nix::errno::Errno;
use std::os::fd::{AsFd, OwnedFd};

/// What is looked through, in the words of the census.
const SEARCHED: [&str; 3] = ["processes", "namespaces", "threads and descriptors"];

impl NetSpaces {
    /// With those. The caller has one thread.
    pub fn with_hidden(root: &SysRoot, containers: &Containers) -> Self {
        let mut spaces = Self::list(root, containers);
        spaces.add_hidden(root, containers);
        spaces
    }

    /// Adds them after those that are known. The caller has one thread.
    pub fn add_hidden(&mut self, root: &SysRoot, containers: &Containers) {
        let wants = Wants { holders: true, sockets: true, threads: true, ..Wants::default() };
        let Ok(census) = collect_census(root, wants) else { return };
        // Of what else a census tells of namespaces nothing is asked here.
        let is_of_search = |gap: &Gap| SEARCHED.contains(&gap.what) && !gap.is_of_init();
        self.gaps.extend(census.gaps.into_iter().filter(is_of_search));
        for namespace in census.namespaces {
            let key = namespace.key();
            if key.kind != Kind::Net || self.place_of(key.inode).is_some() {
                continue;
            }
            let held_by = namespace.holders.known().cloned().unwrap_or_default();
            let container = owner(containers, &held_by);
            let name = held_by.iter().find_map(|holder| match holder {
                Holder::Mount { target, .. } => Some(target.clone()),
                _ => None,
            });
            let place = self.place(key.inode);
            self.change(place, |space| {
                *space = NetSpace {
                    inode: space.inode,
                    name,
                    container,
                    held_by,
                    ..NetSpace::default()
                };
            });
        }
    }
}

/// The process by which something keeps a namespace.
const fn process(holder: &Holder) -> Option<Pid> {
    match holder {
        Holder::Thread { pid, .. }
        | Holder::Descriptor { pid, .. }
        | Holder::Socket { pid, .. }
        | Holder::ForChildren { pid } => Some(*pid),
        Holder::Mount { through, .. } => *through,
        Holder::Child { .. } | Holder::Unseen => None,
    }
}

/// The container of all that keep it; none where they are of several, or of the host.
fn owner(containers: &Containers, held_by: &[Holder]) -> Option<usize> {
    let place = |pid: Pid| {
        let owner = containers.owner_of(pid)?;
        containers.list.iter().position(|one| std::ptr::eq(one, owner))
    };
    let mut owners = held_by.iter().filter_map(process).map(place);
    let first = owners.next()??;
    owners.all(|other| other == Some(first)).then_some(first)
}

/// A way in by what keeps it.
pub(super) fn open(root: &SysRoot, held_by: &[Holder], key: NsKey) -> nix::Result<OwnedFd> {
    let mut problem = Errno::ENOENT;
    for holder in held_by.iter().take(TRIED) {
        match open_by(root, holder, key) {
            Ok(file) => return Ok(file),
            Err(errno) => problem = errno,
        }
    }
    Err(problem)
}

fn open_by(root: &SysRoot, holder: &Holder, key: NsKey) -> nix::Result<OwnedFd> {
    let found = match holder {
        Holder::Thread { thread, .. } => return ns::open_of(root.proc(), *thread, key),
        Holder::Descriptor { pid, number } => {
            let dir = bounded::open_dir(root.proc(), &format!("{pid}/fd"))?;
            nsfs::open_at(root, dir.as_fd(), &number.to_string())?
        }
        Holder::Socket { pid, number } => {
            let process = ProcessHandle::open(root, *pid)?;
            let number = i32::try_from(*number).map_err(|_| Errno::EBADF)?;
            Some(nsfs::of_socket(&process, number)?)
        }
        Holder::Mount { target, through: Some(pid), .. } => {
            let within = bounded::open_link(root.proc(), &format!("{pid}/root"))?;
            let device = nsfs::Device::of(root)?;
            return nsfs::open_known(root, device, within.as_fd(), target.as_bytes(), key.inode);
        }
        _ => None,
    };
    // It may have become something else since.
    found.filter(|found| found.key == key).map(|found| found.fd).ok_or(Errno::ESTALE)
}
