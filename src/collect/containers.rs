//! Groups of isolated processes → containers: who they are, by what vouches for it.

use super::details::Ahead;
use super::groups::{self, Group};
use super::nesting;
use super::records;
use super::runtime::Sources;
use super::runtime::kubernetes::Kubernetes;
use super::runtime::monitor::Monitors;
use super::runtime::recognise::{PodGroup, Recognised};
use super::runtime::record::{self, Case, First, Record};
use super::runtime::{shim, snap, waiting};
use super::scan::{self, Scan};
use crate::model::container::{Container, Init, State};
use crate::model::evidence::{Evidence, Source};
use crate::model::gap::Gap;
use crate::model::namespace::{Kind, NsSet};
use crate::model::pod::Pod;
use crate::model::process::{Pid, Process};
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::cgroupfs::hierarchy::{self, Hierarchies};
use crate::sys::cgroupfs::paths::CgroupPaths;
use crate::sys::crew::Leaving;
use crate::sys::error::Result;
use crate::sys::ns;
use crate::sys::root::SysRoot;
use std::cell::OnceCell;
use std::os::fd::BorrowedFd;

/// Of so many a group's leader is elected; those that the host started come first.
const MOST_CANDIDATES: usize = 64;

/// Every container of the host, and what could not be seen.
#[derive(Debug)]
pub struct Containers {
    /// By runtime, then by start; a pod's own container before the others of the pod, and what
    /// runs within a container after it.
    pub list: Vec<Container>,
    /// Records that could not be read, and processes that could not be seen.
    pub gaps: Vec<Gap>,
    /// The namespaces that they were told from.
    pub host: NsSet,
    /// By pid: every process whose mnt, pid or net namespace is not the host's.
    pub isolated: Vec<Process>,
}

impl Containers {
    /// The innermost one.
    pub fn owner_of(&self, pid: Pid) -> Option<&Container> {
        self.list.get(self.place_of_owner(pid)?)
    }

    /// The same, taken out.
    pub fn take_owner_of(&mut self, pid: Pid) -> Option<Container> {
        let place = self.place_of_owner(pid)?;
        Some(self.list.remove(place))
    }

    /// The isolated process that had that number.
    pub fn seen(&self, pid: Pid) -> Option<&Process> {
        let place = self.isolated.binary_search_by_key(&pid, |process| process.pid).ok()?;
        self.isolated.get(place)
    }

    /// Whether the process of this directory is the one that was seen with that number: it may have
    /// ended since, and another have got it.
    pub fn is_the_same(&self, process: BorrowedFd<'_>, pid: Pid, start_ticks: u64) -> bool {
        let Some(seen) = self.seen(pid) else {
            return agrees(process, &self.host, &[Kind::Mnt, Kind::Pid, Kind::Net]);
        };
        // A tick is long; the pid namespace of a process is the same for all its life.
        seen.start_ticks == start_ticks && agrees(process, &seen.namespaces, &[Kind::Pid])
    }

    fn place_of_owner(&self, pid: Pid) -> Option<usize> {
        let owners = self.list.iter().enumerate();
        let owners =
            owners.filter(|(_, container)| container.processes.binary_search(&pid).is_ok());
        owners.max_by_key(|(_, container)| container.depth).map(|(place, _)| place)
    }
}

/// As far as it may be seen.
fn agrees(process: BorrowedFd<'_>, expected: &NsSet, kinds: &[Kind]) -> bool {
    kinds.iter().all(|kind| match (ns::identity(process, *kind), expected.inode(*kind)) {
        (Ok(found), Some(expected)) => found == expected,
        _ => true,
    })
}

/// How many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Those that have an isolated process.
    Isolated,
    /// Those too that have a record alone: not started, ended, stale, or running in the host's own
    /// namespaces.
    Recorded,
}

/// Who they are, not how they are: see [`super::details`].
pub fn collect_containers(root: &SysRoot) -> Result<Containers> {
    collect(root, Extent::Isolated, |_, _| {}).map(|(containers, _)| containers)
}

/// Those too that have a record alone.
pub fn collect_recorded_containers(root: &SysRoot) -> Result<Containers> {
    collect(root, Extent::Recorded, |_, _| {}).map(|(containers, _)| containers)
}

/// For [`super::details::add_details`], too, which is begun with meanwhile.
pub fn collect_and_look(root: &SysRoot, extent: Extent) -> Result<(Containers, Ahead)> {
    let mut ahead = Ahead::default();
    let begin = |host: &NsSet, leaders: &[&Process]| ahead = Ahead::begin(root, host, leaders);
    let (containers, leaving) = collect(root, extent, begin)?;
    ahead.leaving.join(leaving);
    Ok((containers, ahead))
}

/// `grouped` gets the host's namespaces and who leads each group.
fn collect(
    root: &SysRoot,
    extent: Extent,
    grouped: impl FnOnce(&NsSet, &[&Process]),
) -> Result<(Containers, Leaving)> {
    let (scan, leaving) = scan::scan(root)?;
    let mut sources = Sources::default();
    sources.see(&scan);
    let sandboxes = sources.sandboxes(root);
    let mut namer = Namer::new(root, &scan, sources);
    let elect = &mut |found: &Recognised, candidates: &[&Process]| namer.elect(found, candidates);
    let groups = groups::group(&scan, &sandboxes, elect);
    grouped(&scan.host, &groups.iter().map(|group| group.init).collect::<Vec<_>>());
    let mut list: Vec<Container> = groups.iter().map(|group| namer.container(group)).collect();
    add_zombies(&scan, &mut list);
    let mut within: Vec<Option<usize>> = groups
        .iter()
        .zip(&list)
        .map(|(group, container)| match container.runtime {
            Runtime::Unknown => group.within.or(group.visits),
            _ => group.within.filter(|_| !namer.is_of_the_host(group, container)),
        })
        .collect();
    take_out(&groups, &within, &mut list);
    nesting::place(&scan, &groups, &mut list, &mut within);
    if extent == Extent::Recorded {
        let all: Vec<Record> =
            namer.sources.0.iter_mut().flat_map(|source| source.all(root)).collect();
        let mut more = records::without_a_group(root, &scan.host, &list, all);
        for container in &mut more {
            namer.kubernetes.complete(root, container);
        }
        within.resize(list.len() + more.len(), None);
        list.extend(more);
    }
    let gaps = namer.gaps();
    let list = super::order::order(list, &within);
    Ok((Containers { list, gaps, host: scan.host, isolated: scan.isolated }, leaving))
}

/// What the host's own engine has started in the group of another container is no part of that.
fn take_out(groups: &[Group<'_>], within: &[Option<usize>], list: &mut [Container]) {
    for (group, _) in groups.iter().zip(within).filter(|(_, within)| within.is_none()) {
        let mut above = group.within;
        while let Some(outer) = above {
            if let Some(outer) = list.get_mut(outer) {
                outer.processes.retain(|pid| group.processes.binary_search(pid).is_err());
            }
            above = groups.get(outer).and_then(|outer| outer.within);
        }
    }
}

/// To the innermost container whose pid namespace they were in.
fn add_zombies(scan: &Scan, list: &mut [Container]) {
    for zombie in scan.isolated.iter().filter(|process| process.state.ended()) {
        let pids = zombie.namespaces.inode(Kind::Pid);
        let is_in = |one: &&mut Container| {
            one.own.has(Kind::Pid) && one.namespaces.inode(Kind::Pid) == pids
        };
        let of_parent = |one: &&mut Container| {
            let has = |parent| one.processes.binary_search(&parent).is_ok();
            (!zombie.parent.is_some_and(has), one.processes.len())
        };
        if let Some(container) = list.iter_mut().filter(is_in).min_by_key(of_parent) {
            container.zombies.push(zombie.pid);
        }
    }
}

/// Turns groups into containers with the help of what engines left on disk.
struct Namer<'a> {
    root: &'a SysRoot,
    scan: &'a Scan,
    sources: Sources,
    monitors: Monitors,
    kubernetes: Kubernetes,
    hierarchies: OnceCell<Option<Hierarchies>>,
    gaps: Vec<Gap>,
}

impl<'a> Namer<'a> {
    fn new(root: &'a SysRoot, scan: &'a Scan, sources: Sources) -> Self {
        Self {
            root,
            scan,
            sources,
            monitors: Monitors::default(),
            kubernetes: Kubernetes::default(),
            hierarchies: OnceCell::new(),
            gaps: Vec::new(),
        }
    }

    fn container(&mut self, group: &Group<'_>) -> Container {
        let init = group.init;
        let mut container = Container {
            processes: group.processes.clone(),
            cgroup: Text::new(CgroupPaths::parse(init.cgroup.as_bytes()).best()),
            guest_of: group.guest_of.or_else(|| self.guest_of(group)),
            ..Container::default()
        };
        self.set_init(&mut container, init);
        let record = match self.ask(group) {
            // A name within a container is not the host's word, but a process that one of the
            // host's engines has noted is what that says, wherever it is.
            Found::Record(record)
                if group.within.is_none()
                    || self.host_parent(init).is_some()
                    || matches!(record.first, First::At { start_ticks: Some(_), .. }) =>
            {
                Found::Record(record)
            }
            _ if group.within.is_some() => Found::Nothing,
            found => found,
        };
        let mut is_vouched = false;
        if let Some(found) = &group.recognised {
            container.cgroup = Text::new(&found.group);
            container.owner_uid = found.user;
            // A record of root's says enough.
            is_vouched = matches!(&record, Found::Record(record) if record.owner_uid == Some(0))
                || {
                    let owner = self.owner_of_group(found, init);
                    container.owner_uid = owner.filter(|uid| *uid != 0).or(found.user);
                    is_named_by(owner, found)
                };
            container.pod = found.pod.as_ref().filter(|_| is_vouched).map(pod_of_group);
        }
        match record {
            Found::Record(record) => {
                if let First::At { pid, .. } = record.first
                    && let Some(process) = self.scan.find(pid)
                {
                    self.set_init(&mut container, process);
                }
                if record.waits {
                    container.state = State::Created;
                }
                take(&mut container, *record);
            }
            Found::OfOthers => {}
            Found::Nothing => {
                // Who has come from another container may have called himself so.
                if let Some(found) = group.recognised.as_ref().filter(|_| !group.are_guests) {
                    take_name_of_group(&mut container, found, is_vouched);
                }
            }
        }
        // The same holds of what is called like a pod of the host.
        if group.within.is_none() {
            self.kubernetes.complete(self.root, &mut container);
        }
        if container.evidence.is_empty() {
            container.evidence.push(Evidence {
                source: Source::Namespaces,
                object: container.own.to_string().into(),
            });
        }
        container
    }

    fn set_init(&self, container: &mut Container, init: &Process) {
        container.init = Some(Init::from(init));
        container.namespaces = init.namespaces;
        container.own = self.scan.host.differing(&init.namespaces);
        container.cgroup_lines = init.cgroup.clone();
    }

    /// Where no record of the runtime's own was found. What runs a kernel keeps the host's pids, or
    /// has started itself anew: anything else is not looked at.
    fn guest_of(&self, group: &Group<'_>) -> Option<Runtime> {
        let named = group.recognised.as_ref().filter(|found| !found.is_host_service());
        named.filter(|_| group.within.is_none())?;
        let has_own_pids = self.scan.host.differing(&group.init.namespaces).has(Kind::Pid);
        if has_own_pids && group.init.comm.as_bytes() != b"exe" {
            return None;
        }
        let parent = self.host_parent(group.init)?;
        let monitor = self.monitors.of(self.root, parent)?;
        shim::guest_of(self.root, &monitor)
    }

    /// Whether an engine of the host has started it, though its group is in that of another.
    fn is_of_the_host(&self, group: &Group<'_>, container: &Container) -> bool {
        container.has_record() && self.host_parent(group.init).is_some()
    }

    /// See [`groups::Elect`].
    fn elect(&mut self, found: &Recognised, candidates: &[&Process]) -> Option<Pid> {
        for candidate in candidates.iter().take(MOST_CANDIDATES) {
            let parent = self.host_parent(candidate);
            let case = Case::new(self.root, candidate, Some(found), parent, &self.monitors);
            for source in &mut self.sources.0 {
                let Ok(Some(record)) = source.find(&case) else { continue };
                let name = record.name.as_ref();
                let is_named = record.id.as_bytes() == found.id
                    || name.is_some_and(|name| name.as_bytes() == found.id);
                let first = match record.first {
                    First::At { pid, .. } => candidates.iter().find(|one| one.pid == pid),
                    First::Untold => parent.and(Some(candidate)),
                    First::NotRunning => None,
                };
                if let Some(first) = first.filter(|_| is_named) {
                    return Some(first.pid);
                }
            }
        }
        None
    }

    /// The first runtime whose record speaks of the group's own processes.
    fn ask(&mut self, group: &Group<'_>) -> Found {
        let parent = self.host_parent(group.init);
        let named = group.recognised.as_ref();
        let case = Case::new(self.root, group.init, named, parent, &self.monitors);
        let mut of_others = false;
        for source in &mut self.sources.0 {
            match source.find(&case) {
                Ok(Some(mut record)) if self.scan.agrees(&record, group) => {
                    let first = match record.first {
                        First::At { pid, .. } => self.scan.find(pid).unwrap_or(group.init),
                        _ => group.init,
                    };
                    record.waits |= waiting::may_wait(first.comm.as_bytes())
                        && waiting::waits(self.root, Some(&case), &record);
                    return Found::Record(Box::new(record));
                }
                Ok(Some(_)) => of_others = true,
                Ok(None) => {}
                Err(error) => {
                    // The directory of all of them, when that is what may not be read.
                    let gap = error.gap(record::WHAT);
                    if !self.gaps.contains(&gap) {
                        self.gaps.push(gap);
                    }
                }
            }
        }
        if of_others { Found::OfOthers } else { Found::Nothing }
    }

    /// Of one file that two sources look at there is one.
    fn gaps(self) -> Vec<Gap> {
        let mut gaps = self.gaps;
        let of_sources = self.sources.0.iter().flat_map(|source| source.gaps());
        for gap in of_sources.chain(self.root.reach().gaps()) {
            if !gaps.contains(&gap) {
                gaps.push(gap);
            }
        }
        gaps.extend(self.scan.gaps.iter().cloned());
        gaps
    }

    /// `None` where it cannot be seen.
    fn owner_of_group(&self, found: &Recognised, init: &Process) -> Option<u32> {
        let hierarchies = self.hierarchies.get_or_init(|| Hierarchies::read(self.root).ok());
        let lines = init.cgroup.as_bytes();
        hierarchy::owner_uid(self.root, hierarchies.as_ref()?, lines, &found.group)
    }

    /// The parent, if it is a process of the host: what an isolated one says is not evidence. An
    /// engine may well have a network namespace of its own, and a mount namespace if it is a snap.
    fn host_parent(&self, init: &Process) -> Option<Pid> {
        init.parent.filter(|parent| {
            self.scan.find(*parent).is_none_or(|parent| {
                let own = self.scan.host.differing(&parent.namespaces);
                let hidden = parent.namespaces.unknown();
                let differs = |kind| own.has(kind) || hidden.has(kind);
                let mnt = parent.namespaces.inode(Kind::Mnt);
                let of_engine = || mnt.is_some_and(|mnt| snap::is_engines(self.root, mnt));
                !differs(Kind::Pid) && !differs(Kind::User) && (!differs(Kind::Mnt) || of_engine())
            })
        })
    }
}

enum Found {
    Record(Box<Record>),
    /// The name of the group is that of a container whose processes are others.
    OfOthers,
    Nothing,
}

impl Scan {
    /// Whether a record speaks of one of these processes, and does not contradict what their own
    /// group is called.
    fn agrees(&self, record: &Record, group: &Group<'_>) -> bool {
        let speaks = match record.first {
            First::At { pid, start_ticks } => {
                group.processes.binary_search(&pid).is_ok()
                    && start_ticks.is_none_or(|ticks| {
                        self.find(pid).is_some_and(|process| process.start_ticks == ticks)
                    })
            }
            First::NotRunning => false,
            First::Untold => true,
        };
        let named = group.recognised.as_ref().filter(|found| !found.is_host_service());
        let contradicts =
            named.is_some_and(|found| !record.id.is_empty() && found.id != record.id.as_bytes());
        speaks && (!contradicts || matches!(record.first, First::At { .. }))
    }
}

pub(super) fn take(container: &mut Container, record: Record) {
    let source = match record.first {
        First::At { .. } => Source::State,
        _ => Source::Monitor,
    };
    container.evidence.push(Evidence { source, object: record.file });
    container.runtime = record.runtime;
    container.id = Some(record.id).filter(|id| !id.is_empty());
    container.name = record.name;
    container.image = record.image;
    container.program = record.program;
    container.engine_namespace = record.engine_namespace;
    container.labels = record.labels;
    container.published = record.published;
    container.created_unix_seconds = record.created_unix_seconds;
    // In whose slice it is says less than who wrote the record.
    container.owner_uid = record.owner_uid.or(container.owner_uid);
    if let Some(mut pod) = record.pod {
        if let Some(of_group) = container.pod.take() {
            pod.complete_from(of_group);
        }
        container.pod = Some(pod);
    }
}

/// Whoever a part of the hierarchy is delegated to can make groups of any name in it. A name, and a
/// pod, is taken from one that is root's, our own, or that of the user in whose slice it is: what is
/// there is known to be his word.
fn is_named_by(owner: Option<u32>, found: &Recognised) -> bool {
    let own = rustix::process::geteuid().as_raw();
    owner.is_some_and(|uid| uid == 0 || uid == own || Some(uid) == found.user)
}

/// The name of the group is all there is.
fn take_name_of_group(container: &mut Container, found: &Recognised, is_vouched: bool) {
    use Runtime::{Flatpak, Libvirt, Lxc, Nspawn, Snap, Systemd};
    container.runtime = found.runtime;
    container.evidence.push(Evidence { source: Source::Cgroup, object: Text::new(&found.group) });
    let name = Some(Text::new(&found.id)).filter(|_| is_vouched);
    match found.runtime {
        Lxc | Nspawn | Libvirt | Systemd | Snap | Flatpak => container.name = name,
        _ => container.id = name,
    }
}

fn pod_of_group(group: &PodGroup) -> Pod {
    Pod {
        uid: Some(Text::new(&group.uid)),
        qos: group.qos,
        driver_mismatch: group.driver_mismatch,
        ..Pod::default()
    }
}
