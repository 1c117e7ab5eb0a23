//! Isolated processes → containers: grouped, recognised, and named from state on disk.

use super::runtime::monitor::{self, Bundle, Monitor};
use super::runtime::recognise::{self, Recognised};
use super::runtime::{docker, runc};
use super::scan::{self, Scan};
use crate::model::container::{Container, Runtime, State};
use crate::model::gap::Gap;
use crate::model::namespace::Kind;
use crate::model::process::{Pid, Process};
use crate::model::text::Text;
use crate::sys::cgroupfs::hierarchy::Hierarchies;
use crate::sys::cgroupfs::paths::CgroupPaths;
use crate::sys::error::Result;
use crate::sys::root::SysRoot;
use std::cell::OnceCell;
use std::collections::HashMap;

/// Every container of the host, and what could not be seen.
#[derive(Debug)]
pub struct Containers {
    /// By runtime, then by start.
    pub list: Vec<Container>,
    pub gaps: Vec<Gap>,
}

impl Containers {
    pub fn owner_of(&self, pid: Pid) -> Option<&Container> {
        self.list.iter().find(|container| container.processes.binary_search(&pid).is_ok())
    }
}

/// Who they are, not how they are: see [`super::details`].
pub fn collect_containers(root: &SysRoot) -> Result<Containers> {
    let scan = scan::scan(root)?;
    let mut groups: Vec<Group<'_>> = group(&scan).into_values().collect();
    groups.sort_by_key(|group| group.init.pid);
    let mut namer = Namer::new(root, &scan);
    let mut list: Vec<Container> = groups.iter().map(|group| namer.container(group)).collect();
    list.sort_by_key(|container| (container.runtime, container.init_start_ticks, container.init));
    let mut gaps = namer.gaps;
    gaps.extend(scan.gaps);
    Ok(Containers { list, gaps })
}

/// What makes processes one container: the group that bears the engine's id, or else the
/// namespaces they share. Whoever may make a group can give it any name: two groups of one id stay
/// two rows, and a target of that id is ambiguous.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Group(Vec<u8>),
    Namespaces([Option<u64>; 3]),
}

struct Group<'a> {
    recognised: Option<Recognised>,
    init: &'a Process,
    processes: Vec<Pid>,
}

fn group(scan: &Scan) -> HashMap<Key, Group<'_>> {
    let mut groups: HashMap<Key, Group<'_>> = HashMap::new();
    for process in scan.isolated.iter().filter(|process| !process.state.ended()) {
        // A service with a pid namespace is more than a service: something it runs isolates itself.
        let own_pids = scan.host.differing(&process.namespaces).has(Kind::Pid);
        let recognised = recognise::cgroup(process.cgroup.as_bytes())
            .filter(|found| !found.is_host_service() || !own_pids);
        let key = key_of(process, recognised.as_ref(), scan);
        match groups.entry(key) {
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(Group { recognised, init: process, processes: vec![process.pid] });
            }
            std::collections::hash_map::Entry::Occupied(mut slot) => {
                let group = slot.get_mut();
                group.processes.push(process.pid);
                if comes_first(process, group.init) {
                    group.init = process;
                }
            }
        }
    }
    groups
}

fn key_of(process: &Process, recognised: Option<&Recognised>, scan: &Scan) -> Key {
    match recognised {
        Some(found) => Key::Group(found.group.clone()),
        None => {
            let own = scan.host.differing(&process.namespaces);
            let inode = |kind| process.namespaces.inode(kind).filter(|_| own.has(kind));
            let (mnt, pid, net) = (inode(Kind::Mnt), inode(Kind::Pid), inode(Kind::Net));
            // A network namespace is shared on purpose (pods, `ip netns`): it makes a group only
            // where nothing else does.
            let net = if mnt.is_none() && pid.is_none() { net } else { None };
            Key::Namespaces([mnt, pid, net])
        }
    }
}

/// The older process; of two that started in the same tick the lower number.
fn comes_first(candidate: &Process, current: &Process) -> bool {
    (candidate.start_ticks, candidate.pid) < (current.start_ticks, current.pid)
}

/// What an engine's record of an id says of the processes that claim it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Recorded {
    /// It speaks of one of them.
    Here,
    /// It speaks of others.
    Elsewhere,
    /// There is none, or none that can be read.
    Nowhere,
}

/// Turns groups into containers with the help of what engines left on disk.
struct Namer<'a> {
    root: &'a SysRoot,
    scan: &'a Scan,
    docker: docker::Records,
    runc: HashMap<(Pid, u64), String>,
    hierarchies: OnceCell<Option<Hierarchies>>,
    gaps: Vec<Gap>,
}

impl<'a> Namer<'a> {
    fn new(root: &'a SysRoot, scan: &'a Scan) -> Self {
        let runc = runc::entries(root)
            .into_iter()
            .map(|entry| ((entry.init, entry.init_start_ticks), entry.id))
            .collect();
        Self {
            root,
            scan,
            docker: docker::Records::default(),
            runc,
            hierarchies: OnceCell::new(),
            gaps: Vec::new(),
        }
    }

    fn container(&mut self, group: &Group<'_>) -> Container {
        let init = group.init;
        let own = self.scan.host.differing(&init.namespaces);
        let mut container = Container {
            runtime: Runtime::Unknown,
            id: None,
            name: None,
            image: None,
            state: State::default(),
            init: init.pid,
            init_start_ticks: init.start_ticks,
            comm: init.comm.clone(),
            processes: group.processes.clone(),
            namespaces: init.namespaces,
            own,
            cgroup: Text::new(CgroupPaths::parse(init.cgroup.as_bytes()).best()),
            cgroup_lines: init.cgroup.clone(),
            addresses: Vec::new(),
            started_unix_seconds: None,
            age_seconds: None,
        };
        self.identify(&mut container, group);
        container
    }

    fn identify(&mut self, container: &mut Container, group: &Group<'_>) {
        if let Some(found) = &group.recognised {
            container.runtime = found.runtime;
            container.cgroup = Text::new(&found.group);
            let recorded = match found.runtime {
                Runtime::Docker => self.name_docker(container, &found.id, None),
                _ => Recorded::Nowhere,
            };
            match recorded {
                // The engine's word for this very process is all the evidence there is to want.
                Recorded::Here => return,
                // The name of the group is all that is left, and that anybody can choose.
                Recorded::Elsewhere => container.runtime = Runtime::Unknown,
                Recorded::Nowhere => self.take_name_of_group(container, found, group.init),
            }
        }
        let monitor =
            self.host_parent(group.init).and_then(|pid| monitor::recognise(self.root, pid));
        match monitor {
            Some(Monitor::Shim(bundle)) if may_be_of(&bundle, group) => {
                container.id = Some(Text::new(&bundle.id));
                container.name = None;
                container.runtime = Runtime::Containerd;
                if bundle.namespace == b"moby" {
                    container.runtime = Runtime::Docker;
                    self.name_docker(container, &bundle.id, Some(&bundle));
                }
            }
            Some(Monitor::Nsx) if container.runtime == Runtime::Unknown => {
                container.runtime = Runtime::Nsx;
            }
            _ => self.name_runc(container, group.init),
        }
    }

    fn take_name_of_group(&self, container: &mut Container, found: &Recognised, init: &Process) {
        let name = self.is_named_by_root(found, init).then(|| Text::new(&found.id));
        match found.runtime {
            Runtime::Lxc | Runtime::Nspawn | Runtime::Systemd => container.name = name,
            _ => container.id = name,
        }
    }

    /// Takes docker's record of `id` where it speaks of a process in this group.
    fn name_docker(
        &mut self,
        container: &mut Container,
        id: &[u8],
        bundle: Option<&Bundle>,
    ) -> Recorded {
        let record = match self.docker.find(self.root, id, bundle) {
            Ok(Some(record)) => record,
            Ok(None) => return Recorded::Nowhere,
            Err(error) => {
                // The directory of all of them, when that is what may not be read.
                let gap = error.gap("names and images");
                if !self.gaps.contains(&gap) {
                    self.gaps.push(gap);
                }
                return Recorded::Nowhere;
            }
        };
        let init = Pid::new(record.init);
        let here = init.is_some_and(|pid| container.processes.binary_search(&pid).is_ok());
        if !here {
            return Recorded::Elsewhere;
        }
        container.id = Some(Text::new(id));
        container.name = Some(record.name.into());
        container.image = Some(record.image.into());
        Recorded::Here
    }

    /// Engines use runc too: where one of them was recognised, the name is its to give.
    fn name_runc(&self, container: &mut Container, init: &Process) {
        use Runtime::{Oci, Runc, Systemd, Unknown};
        if !matches!(container.runtime, Unknown | Oci | Systemd | Runc) {
            return;
        }
        if let Some(id) = self.runc.get(&(init.pid, init.start_ticks)) {
            container.runtime = Runtime::Runc;
            container.id = Some(id.into());
            container.name = Some(id.into());
        }
    }

    /// Whoever a part of the hierarchy is delegated to can make groups of any name in it. A name
    /// is taken only from one that is root's, or our own.
    fn is_named_by_root(&self, found: &Recognised, init: &Process) -> bool {
        let hierarchies = self.hierarchies.get_or_init(|| Hierarchies::read(self.root).ok());
        let owner = || {
            let lines = init.cgroup.as_bytes();
            let directory = hierarchies.as_ref()?.directory_of(lines, &found.group)?;
            let directory = self.root.open_dir(&directory).ok()?;
            Some(rustix::fs::fstat(directory).ok()?.st_uid)
        };
        owner().is_some_and(|uid| uid == 0 || uid == rustix::process::geteuid().as_raw())
    }

    /// The parent, if it is a process of the host: what an isolated one says is not evidence. An
    /// engine may well have a network namespace of its own.
    fn host_parent(&self, init: &Process) -> Option<Pid> {
        let isolating = [Kind::Mnt, Kind::Pid, Kind::User];
        init.parent.filter(|parent| {
            self.scan.find(*parent).is_none_or(|parent| {
                let own = self.scan.host.differing(&parent.namespaces);
                let hidden = parent.namespaces.unknown();
                !isolating.iter().any(|kind| own.has(*kind) || hidden.has(*kind))
            })
        })
    }
}

/// Whether a shim's bundle does not contradict what the processes' own group is called.
fn may_be_of(bundle: &Bundle, group: &Group<'_>) -> bool {
    let named = group.recognised.as_ref();
    named.is_none_or(|found| found.id == bundle.id || found.is_host_service())
}
