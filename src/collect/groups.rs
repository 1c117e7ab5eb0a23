//! Isolated processes → groups that belong together, and which group runs within which.

use super::runtime::recognise::{self, Recognised};
use super::runtime::record::Sandbox;
use super::scan::Scan;
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::{Pid, Process};
use crate::model::runtime::Runtime;
use crate::sys::proc::cgroup;
use std::collections::{BTreeMap, HashMap};

/// Processes that make one container, as far as the kernel tells.
#[derive(Debug)]
pub struct Group<'a> {
    /// What its cgroup claims.
    pub recognised: Option<Recognised>,
    /// Whose kernel it runs on, if that is not the host's.
    pub guest_of: Option<Runtime>,
    /// The process that leads; of a container with a kernel of its own the one that runs that.
    pub init: &'a Process,
    /// Ascending; with those of the groups within it.
    pub processes: Vec<Pid>,
    /// The group that it runs in, by place.
    pub within: Option<usize>,
    /// The container that it shares a namespace with, from outside as far as its cgroup tells: a
    /// tool that somebody runs there, or something that has come from there.
    pub visits: Option<usize>,
    /// All of them are in pid namespaces that began elsewhere: they may share those on purpose, or
    /// have been moved here.
    pub are_guests: bool,
}

/// Which of several processes, each the first of its own pid namespace in a group of that name, the
/// host's records and monitors vouch for.
pub type Elect<'e> = dyn FnMut(&Recognised, &[&Process]) -> Option<Pid> + 'e;

/// What makes processes one container: the group that bears the engine's id, or else the
/// namespaces they share. Whoever may make a group can give it any name: two groups of one id stay
/// two, and a target of that id is ambiguous.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Cgroup(Vec<u8>),
    Namespaces([Option<u64>; 3]),
    /// The container at this place of those with a kernel of their own.
    Sandbox(usize),
    /// A pid namespace within the group at this place.
    Inner(usize, u64),
}

/// In no order that means anything.
pub fn group<'a>(
    scan: &'a Scan,
    sandboxes: &'a [Sandbox],
    elect: &mut Elect<'_>,
) -> Vec<Group<'a>> {
    let mut drafts = Drafts { sandboxed: sandboxed(scan, sandboxes), ..Drafts::default() };
    for process in scan.isolated.iter().filter(|process| !process.state.ended()) {
        drafts.add(process, scan);
    }
    drafts.place_services(scan);
    drafts.choose_leaders(scan, elect);
    drafts.split_inner(scan);
    drafts.place_the_unnamed(scan);
    drafts.finish(sandboxes)
}

/// Which of those with a kernel of their own a process belongs to, by its namespaces: what it
/// started shares them.
fn sandboxed(scan: &Scan, sandboxes: &[Sandbox]) -> HashMap<Key, usize> {
    let places = sandboxes.iter().enumerate();
    let all =
        places.flat_map(|(place, sandbox)| sandbox.processes.iter().map(move |pid| (place, pid)));
    let known = all.filter_map(|(place, pid)| Some((by_namespaces(scan.find(*pid)?, scan), place)));
    known.collect()
}

#[derive(Default)]
struct Draft<'a> {
    recognised: Option<Recognised>,
    members: Vec<&'a Process>,
    /// Of a container; of anything else the oldest member does.
    leader: Option<&'a Process>,
    are_guests: bool,
    within: Option<usize>,
    visits: Option<usize>,
    sandbox: Option<usize>,
}

impl<'a> Draft<'a> {
    fn is_container(&self) -> bool {
        self.recognised.as_ref().is_some_and(|found| !found.is_host_service())
    }

    fn first(&self) -> Option<&'a Process> {
        self.leader.or_else(|| oldest(&self.members))
    }
}

#[derive(Default)]
struct Drafts<'a> {
    list: Vec<Draft<'a>>,
    places: HashMap<Key, usize>,
    sandboxed: HashMap<Key, usize>,
    /// By group: services, and what is in pid namespaces of its own in them.
    services: BTreeMap<Vec<u8>, (Recognised, Vec<&'a Process>)>,
}

impl<'a> Drafts<'a> {
    /// The place of a group, made where there is none.
    fn place(&mut self, key: Key, new: impl FnOnce() -> Draft<'a>) -> usize {
        let next = self.list.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.list.push(new());
        }
        place
    }

    fn add(&mut self, process: &'a Process, scan: &Scan) {
        let mut chain = recognise::cgroup(process.cgroup.as_bytes());
        let namespaces = by_namespaces(process, scan);
        let sandbox = self.sandboxed.get(&namespaces).copied();
        let has_own_pids = scan.host.differing(&process.namespaces).has(Kind::Pid);
        if sandbox.is_none()
            && has_own_pids
            && let Some(service) = chain.pop_if(|found| found.is_host_service())
        {
            let group = service.group.clone();
            self.services.entry(group).or_insert((service, Vec::new())).1.push(process);
            return;
        }
        // A service with a kernel of its own is more than a service.
        chain.retain(|found| !found.is_host_service() || sandbox.is_none());
        let mut within = None;
        for found in chain {
            let key = Key::Cgroup(found.group.clone());
            let new = || Draft { recognised: Some(found), within, ..Draft::default() };
            within = Some(self.place(key, new));
        }
        let unnamed = sandbox.map_or(namespaces, Key::Sandbox);
        let innermost = within.unwrap_or_else(|| self.place(unnamed, Draft::default));
        if let Some(draft) = self.list.get_mut(innermost) {
            draft.sandbox = draft.sandbox.or(sandbox);
            draft.members.push(process);
        }
    }

    /// A service with a pid namespace of its own is more than a service: something it runs isolates
    /// itself. But systemd may start all of it so.
    fn place_services(&mut self, scan: &Scan) {
        for (group, (service, members)) in std::mem::take(&mut self.services) {
            let key = Key::Cgroup(group);
            let is_whole = !self.places.contains_key(&key) && is_started_so(&service, &members);
            for process in members {
                let place = if is_whole {
                    let new = || Draft { recognised: Some(service.clone()), ..Draft::default() };
                    self.place(key.clone(), new)
                } else {
                    self.place(by_namespaces(process, scan), Draft::default)
                };
                if let Some(draft) = self.list.get_mut(place) {
                    draft.members.push(process);
                }
            }
        }
    }

    /// Who may write to the hierarchy puts his processes into any group, and they may be older than
    /// all that are at home there. So the oldest of those leads whose pid namespace began in the
    /// group, or is the host's; where that is more than one namespace, whoever is vouched for.
    fn choose_leaders(&mut self, scan: &Scan, elect: &mut Elect<'_>) {
        let began = firsts(scan);
        for draft in self.list.iter_mut().filter(|draft| draft.is_container()) {
            let mut candidates: HashMap<Option<u64>, &'a Process> = HashMap::new();
            for member in &draft.members {
                let pids = own_pids(member, scan);
                let has_begun =
                    |pids| began.get(&pids).is_some_and(|first| first.pid == member.pid);
                if pids.is_none_or(has_begun) {
                    let candidate = candidates.entry(pids).or_insert(member);
                    *candidate = oldest(&[candidate, member]).unwrap_or(member);
                }
            }
            let mut candidates: Vec<&Process> = candidates.into_values().collect();
            let is_inner = |one: &Process| one.parent.is_some_and(|it| scan.find(it).is_some());
            candidates.sort_by_key(|one| (is_inner(one), one.start_ticks, one.pid));
            let elected = draft.recognised.as_ref().filter(|_| candidates.len() > 1);
            let elected = elected.and_then(|found| elect(found, &candidates));
            let is_elected = |one: &&&Process| Some(one.pid) == elected;
            draft.leader =
                candidates.iter().find(is_elected).copied().or_else(|| oldest(&candidates));
            draft.are_guests = candidates.is_empty() && !draft.members.is_empty();
        }
    }

    /// Apart from a container's own processes go those that have another pid namespace than its
    /// first one, neither its own nor the host's: something in it isolates itself.
    fn split_inner(&mut self, scan: &Scan) {
        let host = scan.host.inode(Kind::Pid);
        for outer in 0..self.list.len() {
            let Some(draft) = self.list.get_mut(outer).filter(|draft| draft.is_container()) else {
                continue;
            };
            let init = draft.first();
            let Some(own) = init.and_then(|init| init.namespaces.inode(Kind::Pid)) else {
                continue;
            };
            let is_inner = |process: &&Process| {
                let pids = process.namespaces.inode(Kind::Pid);
                pids.is_some() && pids != Some(own) && pids != host
            };
            let (inner, members) =
                std::mem::take(&mut draft.members).into_iter().partition(is_inner);
            draft.members = members;
            let inner: Vec<&Process> = inner;
            for process in inner {
                let pids = process.namespaces.inode(Kind::Pid).unwrap_or_default();
                let new = || Draft { within: Some(outer), ..Draft::default() };
                let place = self.place(Key::Inner(outer, pids), new);
                if let Some(draft) = self.list.get_mut(place) {
                    draft.members.push(process);
                }
            }
        }
    }

    fn place_the_unnamed(&mut self, scan: &Scan) {
        let mut owners: HashMap<(Kind, u64), usize> = HashMap::new();
        let hosts = |draft: &&Draft<'_>| draft.is_container() && !draft.are_guests;
        for (place, draft) in self.list.iter().enumerate().filter(|(_, draft)| hosts(draft)) {
            if let Some(init) = draft.first() {
                owners.extend(isolating(&init.namespaces, scan).map(|own| (own, place)));
            }
        }
        for draft in &mut self.list {
            let Some(init) = draft.first() else { continue };
            if draft.are_guests {
                draft.visits = owner_of_pids(init, scan, &owners);
            } else if draft.recognised.is_none() && draft.within.is_none() {
                let mut own = isolating(&init.namespaces, scan);
                draft.visits = own.find_map(|own| owners.get(&own).copied());
            } else if draft.recognised.is_none()
                && let Some(owner) = owner_of_pids(init, scan, &owners)
                && Some(owner) != draft.within
            {
                // Its group is that of another container than its pid namespace: it was moved.
                (draft.within, draft.visits) = (None, Some(owner));
            }
        }
    }

    fn finish(self, sandboxes: &[Sandbox]) -> Vec<Group<'a>> {
        let mut all: Vec<Vec<&Process>> =
            self.list.iter().map(|draft| draft.members.clone()).collect();
        for draft in &self.list {
            let mut above = draft.within;
            while let Some(outer) = above {
                if let Some(members) = all.get_mut(outer) {
                    members.extend(&draft.members);
                }
                above = self.list.get(outer).and_then(|outer| outer.within);
            }
        }
        let groups = self.list.into_iter().zip(all).filter_map(|(draft, all)| {
            let mut processes: Vec<Pid> = all.iter().map(|process| process.pid).collect();
            processes.sort_unstable();
            let sandbox = draft.sandbox.and_then(|place| sandboxes.get(place));
            let kernel = sandbox.and_then(|sandbox| {
                let is_it = |pid: &Pid| all.iter().copied().find(|process| process.pid == *pid);
                sandbox.processes.iter().find_map(is_it)
            });
            let first = draft.first();
            Some(Group {
                recognised: draft.recognised,
                guest_of: sandbox.map(|sandbox| sandbox.runtime),
                // A group may have no process but those within it.
                init: kernel.or(first).or_else(|| oldest(&all))?,
                processes,
                within: draft.within,
                visits: draft.visits,
                are_guests: draft.are_guests,
            })
        });
        groups.collect()
    }
}

/// Whether systemd itself made the pid namespace of a service (PrivatePIDs=): there is one, its
/// first process is a child of pid 1, and all are in the service's own group. That of a container
/// whose runtime has left it to pid 1 lies below; users have managers that are not pid 1.
fn is_started_so(service: &Recognised, members: &[&Process]) -> bool {
    let Some(first) = oldest(members) else { return false };
    let pids = first.namespaces.inode(Kind::Pid);
    let is_in_it = |process: &&Process| {
        let mut lines = cgroup::parse(process.cgroup.as_bytes());
        process.namespaces.inode(Kind::Pid) == pids && lines.any(|line| line.path == service.group)
    };
    let is_child_of_init = first.parent.is_some_and(|parent| parent.number() == 1);
    service.user.is_none() && is_child_of_init && members.iter().all(is_in_it)
}

/// The namespaces of its own that set a process apart.
fn isolating<'n>(
    namespaces: &'n NsSet,
    scan: &Scan,
) -> impl Iterator<Item = (Kind, u64)> + use<'n> {
    let own = scan.host.differing(namespaces);
    [Kind::Pid, Kind::Mnt, Kind::Net]
        .into_iter()
        .filter(move |kind| own.has(*kind))
        .filter_map(|kind| Some((kind, namespaces.inode(kind)?)))
}

fn by_namespaces(process: &Process, scan: &Scan) -> Key {
    let own = scan.host.differing(&process.namespaces);
    let inode = |kind| process.namespaces.inode(kind).filter(|_| own.has(kind));
    let (mnt, pid, net) = (inode(Kind::Mnt), inode(Kind::Pid), inode(Kind::Net));
    // A network namespace is shared on purpose (pods, `ip netns`): it makes a group only where
    // nothing else does.
    let net = if mnt.is_none() && pid.is_none() { net } else { None };
    Key::Namespaces([mnt, pid, net])
}

/// The pid namespace, if it is not the host's and can be seen.
pub(super) fn own_pids(process: &Process, scan: &Scan) -> Option<u64> {
    let pids = process.namespaces.inode(Kind::Pid);
    pids.filter(|pids| Some(*pids) != scan.host.inode(Kind::Pid))
}

fn owner_of_pids(
    process: &Process,
    scan: &Scan,
    owners: &HashMap<(Kind, u64), usize>,
) -> Option<usize> {
    owners.get(&(Kind::Pid, own_pids(process, scan)?)).copied()
}

/// The first process of each pid namespace.
pub(super) fn firsts(scan: &Scan) -> HashMap<u64, &Process> {
    let mut firsts: HashMap<u64, &Process> = HashMap::new();
    for process in scan.isolated.iter().filter(|process| !process.state.ended()) {
        if let Some(pids) = process.namespaces.inode(Kind::Pid) {
            let first = firsts.entry(pids).or_insert(process);
            *first = oldest(&[first, process]).unwrap_or(process);
        }
    }
    firsts
}

/// Of two that started in the same tick the lower number.
fn oldest<'a>(members: &[&'a Process]) -> Option<&'a Process> {
    members.iter().copied().min_by_key(|process| (process.start_ticks, process.pid))
}

#[cfg(test)]
mod tests;
