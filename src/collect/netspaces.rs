//! Every network namespace there is: our own, those that processes are in, those that are
//! bind-mounted; each once, with whose it is and a way into it.
//!
//! What only a descriptor holds, or a mount in another mount namespace, costs a look through every
//! process: [`NetSpaces::with_hidden`].

mod hidden;
mod outside;

use super::containers::Containers;
use super::namespaces::mounts;
use crate::model::census::Holder;
use crate::model::container::Container;
use crate::model::gap::{Gap, Reason};
use crate::model::namespace::{Kind, NsKey};
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::model::trail::{InNet, Owner, Step};
use crate::sys::error::{Problem, SysError};
use crate::sys::netlink::roam::{self, Door, Found, Here, Row, Wanted};
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns, nsfs, threads};
use nix::errno::Errno;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

pub use outside::addresses as addresses_outside;

/// Where names are given to network namespaces: by iproute2 and CNI, by docker.
const NAMED: [&[u8]; 3] = [b"/run/netns/", b"/var/run/netns/", b"/run/docker/netns/"];
/// A process that has ended since the scan is not the last one of its namespace.
const TRIED: usize = 8;

/// One network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetSpace {
    /// Absent where it may not be told: then only the files of its processes can be read.
    pub inode: Option<u64>,
    /// The reader's own.
    pub own: bool,
    /// That of the host's first process.
    pub of_host: bool,
    /// Below /run/netns or the like; another mount of it by its path.
    pub name: Option<Text>,
    /// Where it is mounted in our own mount namespace.
    pub mounts: Vec<Text>,
    /// Those of [`Containers::isolated`] in it, ascending. Of the host's there are none.
    pub processes: Vec<Pid>,
    /// What keeps it where neither a process nor a mount of ours does.
    pub held_by: Vec<Holder>,
    /// Its container in [`Containers::list`].
    pub container: Option<usize>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct NetSpaces {
    /// The reader's own is the first.
    pub list: Vec<NetSpace>,
    by_inode: BTreeMap<u64, usize>,
    /// Our own root, and what tells namespaces from other files below it.
    mounted: OnceCell<Option<(OwnedFd, nsfs::Device)>>,
    /// What the look for hidden ones could not see: empty before [`NetSpaces::add_hidden`].
    pub gaps: Vec<Gap>,
}

impl NetSpaces {
    /// Those that only a descriptor or a thread keeps are not looked for: see
    /// [`Self::with_hidden`].
    pub fn list(root: &SysRoot, containers: &Containers) -> Self {
        let own = root.own_process().ok();
        let own = own.and_then(|own| ns::identity(own.as_fd(), Kind::Net).ok());
        let host = containers.host.inode(Kind::Net);
        let mut spaces = Self::default();
        spaces.list.push(NetSpace { inode: own.or(host), own: true, ..NetSpace::default() });
        spaces.by_inode.extend(own.or(host).map(|inode| (inode, 0)));
        if let Some(host) = host {
            let place = spaces.place(host);
            spaces.change(place, |space| space.of_host = true);
        }
        let mut unseen = Vec::new();
        for process in containers.isolated.iter().filter(|process| !process.state.ended()) {
            let Some(inode) = process.namespaces.inode(Kind::Net) else {
                unseen.push(process.pid);
                continue;
            };
            if Some(inode) != host {
                let place = spaces.place(inode);
                spaces.change(place, |space| space.processes.push(process.pid));
            }
        }
        for (key, target) in mounts::own(root) {
            if key.kind == Kind::Net {
                let place = spaces.place(key.inode);
                spaces.change(place, |space| space.add_mount(target));
            }
        }
        // Who may not ask the first process may not ask others.
        let init = Pid::new(1).map(|init| ns::identity_of(root.proc(), init, Kind::Net));
        let denied = matches!(init, Some(Err(Errno::EACCES | Errno::EPERM)));
        if !unseen.is_empty() || denied {
            spaces.add_unseen(root, unseen);
        }
        for place in 0..spaces.list.len() {
            let container = spaces.list.get(place).and_then(|space| space.owner_in(containers));
            spaces.change(place, |space| space.container = container);
        }
        spaces
    }

    /// By inode.
    pub fn find(&self, inode: u64) -> Option<&NetSpace> {
        self.list.get(self.place_of(inode)?)
    }

    /// Its place in `list`; `None` for one that was not found.
    pub fn place_of(&self, inode: u64) -> Option<usize> {
        self.by_inode.get(&inode).copied()
    }

    /// The reader's own.
    pub fn own(&self) -> Option<&NetSpace> {
        self.list.first()
    }

    /// All but the reader's own.
    pub fn others(&self) -> Vec<usize> {
        (1..self.list.len()).collect()
    }

    /// As steps name the one at this place of `list`.
    pub fn seen_at(&self, place: usize) -> InNet {
        self.list.get(place).map(NetSpace::seen_from_here).unwrap_or_default()
    }

    /// The container whose the one at this place of `list` is.
    pub fn container<'a>(&self, containers: &'a Containers, place: usize) -> Option<&'a Container> {
        containers.list.get(self.list.get(place)?.container?)
    }

    /// Whose it is, if no container's.
    pub fn owner(&self, place: usize) -> Owner {
        let Some(space) = self.list.get(place) else { return Owner::Unknown };
        match space.inode {
            _ if space.own || space.of_host => Owner::Host { unit: None },
            Some(inode) if space.name.is_some() || space.processes.is_empty() => {
                let key = NsKey { kind: Kind::Net, inode };
                Owner::Namespace { key, name: space.name.clone() }
            }
            Some(_) => Owner::Host { unit: None },
            None => Owner::Unknown,
        }
    }

    /// Reads the tables `wanted` of each of `places`, and of them the rows that `keep` chooses, in
    /// processes of their own. What could not be looked into is a gap, `what` was looked for.
    ///
    /// The caller has one thread.
    pub fn read(
        &self,
        root: &SysRoot,
        places: &[usize],
        wanted: Wanted,
        what: &'static str,
        keep: &mut dyn FnMut(&Row) -> bool,
    ) -> Visited {
        self.visit(root, places, what, &mut |_, here| here.read(wanted, keep))
    }

    /// The same with any questions.
    pub fn visit(
        &self,
        root: &SysRoot,
        places: &[usize],
        what: &'static str,
        ask: &mut dyn FnMut(usize, &mut Here<'_>),
    ) -> Visited {
        let mut visited = Visited::default();
        if !root.is_real() {
            // Where no kernel can be asked files may tell.
            let unsupported = |place: &usize| (*place, Problem::Errno(Errno::ENOSYS));
            visited.add_gaps(self, places.iter().map(unsupported).collect(), what);
            return visited;
        }
        if places.is_empty() {
            return visited;
        }
        // Who has left our own namespace does not come back to it.
        let mut places = places.to_vec();
        places.sort_unstable();
        places.dedup();
        let at = |piece: usize| places.get(piece).copied().unwrap_or(usize::MAX);
        let mut failed = Vec::new();
        roam::roam(
            root.proc(),
            places.len(),
            &mut |piece| self.door(root, at(piece)),
            &mut |piece, here| ask(at(piece), here),
            &mut |piece, answer| match answer {
                Ok(found) => visited.found.push((at(piece), found)),
                Err(problem) => failed.push((at(piece), problem)),
            },
        );
        visited.found.sort_by_key(|(place, _)| *place);
        failed.sort_by_key(|(place, _)| *place);
        visited.add_gaps(self, failed, what);
        visited
    }

    /// Opens it as far as nothing has to be waited for, or through a process that may be.
    pub fn open(&self, root: &SysRoot, place: usize) -> nix::Result<OwnedFd> {
        let space = self.list.get(place).ok_or(Errno::ENOENT)?;
        let inode = space.inode.ok_or(Errno::EACCES)?;
        let key = NsKey { kind: Kind::Net, inode };
        let mut problem = Errno::ENOENT;
        if space.own {
            return open_link(root, "self", key);
        }
        // The first process need not show its namespaces; a thread of the kernel's may.
        let first = if space.of_host { &[Pid::new(1), Pid::new(2)][..] } else { &[] };
        for pid in first.iter().flatten().chain(&space.processes).take(TRIED) {
            match ns::open_of(root.proc(), *pid, key) {
                Ok(file) => return Ok(file),
                // Of one whose first thread has ended the others may still be in it.
                Err(Errno::ENOENT) => match open_of_threads(root, *pid, key) {
                    Some(file) => return Ok(file),
                    None => problem = Errno::ENOENT,
                },
                Err(errno) => problem = errno,
            }
        }
        for target in &space.mounts {
            match self.open_mounted(root, target, key) {
                Ok(file) => return Ok(file),
                Err(errno) => problem = errno,
            }
        }
        if space.held_by.is_empty() {
            return Err(problem);
        }
        hidden::open(root, &space.held_by, key)
    }

    /// The path of a mount is in the kernel's memory as a rule.
    fn open_mounted(&self, root: &SysRoot, target: &Text, key: NsKey) -> nix::Result<OwnedFd> {
        let begin = || {
            let within = bounded::open_link(root.proc(), "self/root").ok()?;
            Some((within, nsfs::Device::of(root).ok()?))
        };
        let (within, device) = self.mounted.get_or_init(begin).as_ref().ok_or(Errno::EIO)?;
        let path = target.as_bytes();
        match nsfs::open_known(root, *device, within.as_fd(), path, key.inode) {
            Err(Errno::EAGAIN | Errno::EINVAL) => {}
            opened => return opened,
        }
        let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(path);
        match nsfs::open(root, Path::new(path)) {
            Ok(Some(file)) if file.key == key => Ok(file.fd),
            Ok(_) => Err(Errno::ESTALE),
            Err(error) => Err(error.errno().unwrap_or(Errno::ETIMEDOUT)),
        }
    }

    fn words(&self, place: usize) -> Text {
        let space = self.list.get(place);
        match space.and_then(|space| Some((space.name.as_ref(), space.inode?))) {
            Some((Some(name), _)) => name.clone(),
            Some((None, inode)) => format!("net:[{inode}]").into(),
            None => "a network namespace".into(),
        }
    }

    fn door(&self, root: &SysRoot, place: usize) -> nix::Result<Door> {
        match self.list.get(place) {
            Some(space) if space.own => Ok(Door::Own),
            _ => self.open(root, place).map(Door::Through),
        }
    }

    fn place(&mut self, inode: u64) -> usize {
        let next = self.list.len();
        let place = *self.by_inode.entry(inode).or_insert(next);
        if place == next {
            self.list.push(NetSpace { inode: Some(inode), ..NetSpace::default() });
        }
        place
    }

    fn change(&mut self, place: usize, change: impl FnOnce(&mut NetSpace)) {
        if let Some(space) = self.list.get_mut(place) {
            change(space);
        }
    }

    /// Processes whose namespaces are not ours to read: their files tell them apart.
    fn add_unseen(&mut self, root: &SysRoot, unseen: Vec<Pid>) {
        let seen: HashSet<Pid> =
            self.list.iter().flat_map(|space| &space.processes).copied().collect();
        let mut pids = root.pids().unwrap_or(unseen);
        pids.retain(|pid| !seen.contains(pid));
        // Where the host's is ours, it is known by ourselves.
        let is_elsewhere = self.list.iter().skip(1).any(|space| space.of_host);
        let init = [1, 2].into_iter().filter_map(Pid::new).filter(|_| is_elsewhere);
        let firsts = self.list.iter().filter_map(|space| space.processes.first().copied());
        let of_known: Vec<Pid> = init.chain(firsts).collect();
        for processes in outside::tell_apart(root, pids, &of_known) {
            // One that is newer than the list of processes may well show it.
            let shown = |pid: &Pid| ns::identity_of(root.proc(), *pid, Kind::Net).ok();
            match processes.iter().find_map(shown) {
                Some(inode) if self.by_inode.contains_key(&inode) => {}
                Some(inode) => {
                    let place = self.place(inode);
                    self.change(place, |space| space.processes = processes);
                }
                None => self.list.push(NetSpace { processes, ..NetSpace::default() }),
            }
        }
    }
}

/// What a namespace is called by where it is mounted: as `ip netns` does, else by the first place.
pub fn name_among(mounts: &[Text]) -> Option<Text> {
    let short = |mount: &Text| {
        let below = |dir: &&[u8]| mount.as_bytes().strip_prefix(*dir).map(Text::new);
        NAMED.iter().find_map(below)
    };
    mounts.iter().find_map(short).or_else(|| mounts.first().cloned())
}

fn open_of_threads(root: &SysRoot, pid: Pid, key: NsKey) -> Option<OwnedFd> {
    let links = ns::open_links(root.proc(), pid).ok()?;
    let threads = threads::others(links.as_fd(), pid).ok()?;
    threads.into_iter().take(TRIED).find_map(|thread| ns::open_of(root.proc(), thread, key).ok())
}

fn open_link(root: &SysRoot, name: &str, key: NsKey) -> nix::Result<OwnedFd> {
    let dir = bounded::open_link(root.proc(), name)?;
    ns::open_in(ns::open_links_below(dir.as_fd())?.as_fd(), key)
}

impl NetSpace {
    /// As a step of a trail; none where its inode may not be told.
    pub fn step(&self) -> Option<Step> {
        let (kind, name) = (Kind::Net.name(), self.name.clone());
        self.inode.map(|inode| Step::Namespace { kind, inode, name })
    }

    fn seen_from_here(&self) -> InNet {
        let namespace_known = self.own || self.inode.is_some();
        InNet { namespace: self.inode.filter(|_| !self.own), namespace_known }
    }

    fn add_mount(&mut self, target: Text) {
        if !self.mounts.contains(&target) {
            self.mounts.push(target);
        }
        self.name = name_among(&self.mounts);
    }

    /// The outermost of the containers whose own it is, as the sandbox of a pod; else the innermost
    /// that a process in it belongs to.
    fn owner_in(&self, containers: &Containers) -> Option<usize> {
        if self.of_host || (self.own && self.processes.is_empty()) {
            return None;
        }
        let calls_it_own = |container: &Container| {
            container.own.has(Kind::Net)
                && self.inode.is_some()
                && container.namespaces.inode(Kind::Net) == self.inode
        };
        let holds = |container: &Container| {
            self.processes.iter().any(|pid| container.processes.binary_search(pid).is_ok())
        };
        let list = &containers.list;
        list.iter().position(calls_it_own).or_else(|| {
            let held = list.iter().enumerate().filter(|(_, container)| holds(container));
            held.max_by_key(|(_, container)| container.depth).map(|(place, _)| place)
        })
    }
}

/// What was found, by place, and what could not be looked into.
#[derive(Debug, Default)]
pub struct Visited {
    /// In the order of places; one that was entered and has nothing to tell is among them.
    pub found: Vec<(usize, Found)>,
    /// Places that were not entered, and whether for want of a right.
    pub missed: Vec<(usize, Reason)>,
    /// For what was missed, each or by its reason; then tables that are incomplete.
    pub gaps: Vec<Gap>,
}

impl Visited {
    fn add_gaps(&mut self, spaces: &NetSpaces, failed: Vec<(usize, Problem)>, what: &'static str) {
        for (place, problem) in failed {
            let object = spaces.words(place);
            let reason = SysError { doing: "enter", object, problem }.reason();
            // One that has gone is nobody's any more.
            let gone = reason == Reason::Gone || problem == Problem::Errno(Errno::ESTALE);
            self.missed.extend((!gone).then_some((place, reason)));
        }
        self.tell(spaces, what);
    }

    /// What was missed and is known by other means is missing no more; `what` was looked for.
    pub fn forgive(
        &mut self,
        spaces: &NetSpaces,
        what: &'static str,
        is_known: impl Fn(usize) -> bool,
    ) {
        self.missed.retain(|(place, _)| !is_known(*place));
        self.tell(spaces, what);
    }

    fn tell(&mut self, spaces: &NetSpaces, what: &'static str) {
        let name = |place: usize| spaces.words(place);
        self.gaps = gaps(&self.missed, what, &name);
        for (place, found) in &self.found {
            for table in &found.incomplete {
                let (object, reason) = (spaces.words(*place), Reason::Incomplete);
                self.gaps.push(Gap { object, what: table, reason });
            }
        }
    }
}

/// Of a few each, of many how many.
fn gaps(missed: &[(usize, Reason)], what: &'static str, name: &dyn Fn(usize) -> Text) -> Vec<Gap> {
    const FEW: usize = 3;
    if missed.len() <= FEW {
        let gap =
            |(place, reason): &(usize, Reason)| Gap { object: name(*place), what, reason: *reason };
        return missed.iter().map(gap).collect();
    }
    let mut by_reason: Vec<(Reason, usize)> = Vec::new();
    for (_, reason) in missed {
        match by_reason.iter_mut().find(|(one, _)| one == reason) {
            Some((_, count)) => *count += 1,
            None => by_reason.push((*reason, 1)),
        }
    }
    let gap = |(reason, count): (Reason, usize)| Gap {
        object: match count {
            1 => "1 network namespace".into(),
            many => format!("{many} network namespaces").into(),
        },
        what,
        reason,
    };
    by_reason.into_iter().map(gap).collect()
}

#[cfg(test)]
mod tests;
