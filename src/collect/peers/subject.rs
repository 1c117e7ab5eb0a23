//! The target: which processes and which network namespace it is, and the sockets that are its own.

use super::WHAT;
use super::holders::Held;
use super::matching::{Flow, Subject};
use crate::collect::containers::Containers;
use crate::collect::netspaces::NetSpaces;
use crate::collect::target::{self, Target, TargetError};
use crate::model::container::Container;
use crate::model::gap::{Gap, Reason};
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::model::trail::Published;
use crate::sys::netlink::roam::{Row, Wanted};
use crate::sys::root::SysRoot;
use std::collections::HashSet;

/// What was named.
#[derive(Debug)]
pub(super) struct Chosen {
    pub label: Text,
    /// Ascending.
    pub processes: Vec<Pid>,
    pub namespace: Option<u64>,
    /// In the list of containers.
    pub container: Option<usize>,
    /// Nobody else is in its network namespace.
    pub exclusive: bool,
}

impl Chosen {
    /// A container, the one that a process is in, or that process; or all of a network namespace.
    pub(super) fn find(
        root: &SysRoot,
        spelled: &[u8],
        containers: &Containers,
        spaces: &mut NetSpaces,
    ) -> Result<Self, TargetError> {
        let held = match target::resolve(root, spelled)? {
            Target::Namespace(held) if held.key.kind == Kind::Net => held,
            Target::Namespace(_) => return Self::of_process(root, spelled, containers, spaces),
            Target::Process(process) => return Ok(Self::of(&process, containers, spaces)),
        };
        if spaces.find(held.key.inode).is_none() {
            spaces.add_hidden(root, containers);
        }
        let Some(space) = spaces.find(held.key.inode) else {
            return Self::of_process(root, spelled, containers, spaces);
        };
        let processes =
            if space.of_host { of_host(root, spaces)? } else { space.processes.clone() };
        Ok(Self {
            processes,
            namespace: Some(held.key.inode),
            container: space.container,
            label: held.label,
            exclusive: true,
        })
    }

    fn of_process(
        root: &SysRoot,
        spelled: &[u8],
        containers: &Containers,
        spaces: &NetSpaces,
    ) -> Result<Self, TargetError> {
        let process = target::resolve_process(root, spelled)?;
        Ok(Self::of(&process, containers, spaces))
    }

    fn of(pinned: &target::PinnedProcess, containers: &Containers, spaces: &NetSpaces) -> Self {
        let pid = pinned.process.pid;
        let owner = containers.owner_of(pid).filter(|_| pinned.group.is_none());
        let place = |one: &Container| containers.list.iter().position(|two| std::ptr::eq(one, two));
        let mut processes = pinned.processes(owner).to_vec();
        processes.sort_unstable();
        // The first process's may not be told even to root, and is the host's.
        let of_first = || containers.host.inode(Kind::Net).filter(|_| pid.number() == 1);
        let namespace = pinned.process.namespaces.inode(Kind::Net).or_else(of_first);
        let space = namespace.and_then(|inode| spaces.find(inode));
        let is_own = |pid: &Pid| processes.binary_search(pid).is_ok();
        let exclusive = space.is_some_and(|space| {
            !space.of_host && !space.own && space.processes.iter().all(is_own)
        });
        let label = owner.map_or_else(|| pinned.label(), Container::label);
        Self { label, container: owner.and_then(place), processes, namespace, exclusive }
    }

    /// Ports of the host that lead to other containers, and whose word that is.
    pub(super) fn published_by_others(
        &self,
        containers: &Containers,
    ) -> Vec<(usize, u32, Published)> {
        let others = containers.list.iter().enumerate();
        let others = others.filter(|(place, _)| Some(*place) != self.container);
        let of_one = |(place, one): (usize, &Container)| {
            let uid = one.owner_uid.unwrap_or(0);
            one.published.iter().map(move |one| (place, uid, *one)).collect::<Vec<_>>()
        };
        others.flat_map(of_one).collect()
    }

    /// What is in its network namespace, or in `stray`, another one that it has sockets in: of one
    /// that it shares, what it holds and what nobody does.
    pub(super) fn read(
        &self,
        root: &SysRoot,
        spaces: &NetSpaces,
        containers: &Containers,
        held: &Held,
        stray: Option<u64>,
    ) -> (Subject, Vec<Flow>, Vec<Gap>) {
        let container = self.container.and_then(|place| containers.list.get(place));
        let namespace = stray.or(self.namespace);
        let exclusive = self.exclusive && stray.is_none();
        let mut subject = Subject {
            namespace: namespace.unwrap_or(0),
            exclusive,
            inodes: held.keys().copied().collect(),
            published: container.map(|one| one.published.clone()).unwrap_or_default(),
            uid: container.and_then(|one| one.owner_uid).unwrap_or(0),
            ..Subject::default()
        };
        let wanted = Wanted {
            addresses: true,
            listening: true,
            connected: true,
            udp: true,
            ..Wanted::default()
        };
        let place = namespace.and_then(|inode| spaces.place_of(inode));
        let unseen = place.is_none().then(|| Gap {
            object: self.label.clone(),
            what: WHAT,
            reason: Reason::Denied,
        });
        let places: Vec<usize> = place.into_iter().collect();
        // Listeners come before connections. What has no inode any more, or not yet, is of whoever
        // listens there: a busy host has a hundred thousand of them.
        let mut served = HashSet::new();
        let visited = spaces.read(root, &places, wanted, WHAT, &mut |row| match row {
            Row::Socket(_, _) if exclusive => true,
            Row::Socket(socket, _) => match socket.inode {
                None => served.contains(&socket.port),
                Some(inode) if subject.inodes.contains(&u64::from(inode)) => {
                    if socket.state == "listen" {
                        served.insert(socket.port);
                    }
                    true
                }
                Some(_) => false,
            },
            _ => true,
        });
        let mut flows = Vec::new();
        for (_, found) in visited.found {
            for row in found.rows {
                match row {
                    Row::Socket(socket, _) => flows.push(Flow::of(&socket)),
                    Row::Address(_, address) => {
                        subject.addresses.insert(address.address.to_canonical());
                    }
                    _ => {}
                }
            }
        }
        (subject, flows, unseen.into_iter().chain(visited.gaps).collect())
    }
}

/// Who is in the host's network namespace: everybody who is in no other.
fn of_host(root: &SysRoot, spaces: &NetSpaces) -> Result<Vec<Pid>, TargetError> {
    let elsewhere: HashSet<Pid> =
        spaces.list.iter().flat_map(|space| &space.processes).copied().collect();
    let mut pids = root.pids()?;
    pids.retain(|pid| !elsewhere.contains(pid));
    Ok(pids)
}
