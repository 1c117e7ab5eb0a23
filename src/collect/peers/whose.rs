//! Who is at the other end: by the process that holds its socket, else by its namespace.

use super::holders::Held;
use super::matching::End;
use super::rows::Whose;
use super::subject::Chosen;
use crate::collect::containers::Containers;
use crate::collect::netspaces::{NetSpace, NetSpaces};
use crate::collect::who;
use crate::model::container::Container;
use crate::model::conversation::{Holder, Party};
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::targets::Targets;
use crate::model::trail::Owner;
use std::collections::HashMap;

pub(super) struct Judge<'a> {
    containers: &'a Containers,
    spaces: &'a NetSpaces,
    chosen: &'a Chosen,
    own: Held,
    held: Held,
    /// The innermost container of a process, by its place.
    owners: HashMap<Pid, Option<usize>>,
    targets: Targets,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        containers: &'a Containers,
        spaces: &'a NetSpaces,
        chosen: &'a Chosen,
        own: Held,
        held: Held,
    ) -> Self {
        let targets = Targets::of(&containers.list);
        Self { containers, spaces, chosen, own, held, owners: HashMap::new(), targets }
    }

    /// The target's processes that hold one of its own ends.
    pub(super) fn local(&self, inode: Option<u64>) -> Vec<Holder> {
        inode.and_then(|inode| self.own.get(&inode)).cloned().unwrap_or_default()
    }

    /// `None`: the target itself.
    pub(super) fn end(&mut self, end: End) -> Option<Whose> {
        let whose = |party| Some(Whose { party, holders: Vec::new() });
        match end {
            End::Outside => whose(Party::Outside),
            End::Unknown => whose(Party::Unknown),
            End::Container(place) => whose(self.container(place)),
            End::At { namespace, inode } => {
                if inode.is_some_and(|inode| self.own.contains_key(&inode)) {
                    return None;
                }
                match inode.and_then(|inode| self.held.get(&inode)) {
                    Some(holders) => Some(self.holders(holders.clone(), Some(namespace))),
                    None => whose(self.namespace(namespace)?),
                }
            }
        }
    }

    /// The same of a unix socket, whose namespace says nothing.
    pub(super) fn unix_end(&mut self, inode: u64) -> Option<Whose> {
        if self.own.contains_key(&inode) {
            return None;
        }
        Some(match self.held.get(&inode) {
            Some(holders) => self.holders(holders.clone(), None),
            None => Whose { party: Party::Unknown, holders: Vec::new() },
        })
    }

    /// Whoever made a socket may have left it to others: one in its namespace is most likely to use
    /// it, and the host's first process the least.
    fn holders(&mut self, holders: Vec<Holder>, namespace: Option<u64>) -> Whose {
        let user = match holders.as_slice() {
            [only] => Some(only),
            all => all.iter().min_by_key(|one| {
                (!self.lives_in(one.pid, namespace), one.pid.number() == 1, one.pid)
            }),
        };
        let Some(user) = user.cloned() else {
            return Whose { party: Party::Unknown, holders };
        };
        let party = match self.owner(user.pid) {
            Some(place) => self.container(place),
            None => Party::Host { comm: user.comm },
        };
        Whose { party, holders }
    }

    fn lives_in(&self, pid: Pid, namespace: Option<u64>) -> bool {
        let has = |space: &NetSpace| space.processes.binary_search(&pid).is_ok();
        match namespace.and_then(|namespace| self.spaces.find(namespace)) {
            Some(host) if host.of_host => !self.spaces.list.iter().any(has),
            Some(space) => has(space),
            None => true,
        }
    }

    fn owner(&mut self, pid: Pid) -> Option<usize> {
        if let Some(known) = self.owners.get(&pid) {
            return *known;
        }
        let owner = self.containers.owner_of(pid);
        let place = owner
            .and_then(|owner| self.containers.list.iter().position(|one| std::ptr::eq(one, owner)));
        self.owners.insert(pid, place);
        place
    }

    fn container(&self, place: usize) -> Party {
        let container = self.containers.list.get(place);
        container.map_or(Party::Unknown, |one| of_container(one, &self.targets))
    }

    /// `None`: the target's, and nobody else's as far as it is known.
    fn namespace(&self, inode: u64) -> Option<Party> {
        if self.chosen.exclusive && self.chosen.namespace == Some(inode) {
            return None;
        }
        let Some(place) = self.spaces.place_of(inode) else { return Some(Party::Unknown) };
        let container = self.spaces.list.get(place).and_then(|space| space.container);
        if container.is_some() && container == self.chosen.container {
            return None;
        }
        Some(match self.spaces.container(self.containers, place) {
            Some(one) if who::is_of_host(one) => Party::Host { comm: None },
            Some(one) => of_container(one, &self.targets),
            None => match self.spaces.owner(place) {
                Owner::Host { .. } => Party::Host { comm: None },
                Owner::Namespace { key, name } => Party::Namespace { inode: key.inode, name },
                Owner::Container(_) | Owner::Unknown => Party::Unknown,
            },
        })
    }
}

/// A service of systemd's with namespaces of its own is the host's.
fn of_container(container: &Container, targets: &Targets) -> Party {
    if container.runtime == Runtime::Systemd && container.depth == 0 {
        return Party::Host { comm: container.init.as_ref().map(|init| init.comm.clone()) };
    }
    Party::Container {
        name: container.label(),
        target: targets.full(container),
        runtime: container.runtime,
        pid: container.init.as_ref().map(|init| init.pid),
    }
}
