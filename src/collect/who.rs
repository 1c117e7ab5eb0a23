//! From any clue to whose it is: a process, a port, an address, an interface, a mount, … → the
//! container that it belongs to, with what led there.

mod addresses;
pub mod clue;
pub mod files;
pub(super) mod holders;
mod interfaces;
mod namespaces;
mod ports;
mod processes;
mod sockets;

use super::containers::{Containers, collect_containers, collect_recorded_containers};
use super::netspaces::NetSpaces;
use super::runtime::cni;
use super::runtime::recognise::{self, Recognised};
use super::scan;
use crate::model::container::Container;
use crate::model::gap::Gap;
use crate::model::namespace::{Kind, NsKey};
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::model::trail::{Answer, Owner, Step, Trail};
use crate::sys::error::Result;
use crate::sys::proc::{stat, status};
use crate::sys::root::SysRoot;
use crate::sys::{bounded, incarnation, ns};
use clue::Clue;
use nix::errno::Errno;
use ports::Query;
use std::cell::{Cell, OnceCell, RefCell};
use std::os::fd::AsFd;
use std::rc::Rc;

/// What is known of the host, read when it is first asked for: several clues share it.
#[derive(Debug)]
pub struct Host<'a> {
    pub(super) root: &'a SysRoot,
    pub(super) containers: Containers,
    spaces: OnceCell<NetSpaces>,
    /// With those that are hard to find, once something leads to one.
    all_spaces: OnceCell<NetSpaces>,
    needs_all: Cell<bool>,
    /// Those of the list that own something, each once, whatever leads to it.
    owners: Vec<OnceCell<Rc<Container>>>,
    gaps: RefCell<Vec<Gap>>,
}

impl<'a> Host<'a> {
    /// For these clues. What has a record and does not run is looked for where a name may mean it.
    pub fn collect(root: &'a SysRoot, clues: &[Clue<'_>]) -> Result<Self> {
        let of_record = |clue: &Clue<'_>| {
            matches!(clue, Clue::Name(_) | Clue::Path(_) | Clue::Overlay(_) | Clue::Cgroup(_))
        };
        let mut containers = if clues.iter().any(of_record) {
            collect_recorded_containers(root)?
        } else {
            collect_containers(root)?
        };
        if clues.iter().any(|clue| clue.kind() == "port") {
            cni::add(root, &mut containers.list);
        }
        Ok(Self {
            root,
            spaces: OnceCell::new(),
            all_spaces: OnceCell::new(),
            needs_all: Cell::new(false),
            owners: vec![OnceCell::new(); containers.list.len()],
            gaps: RefCell::new(containers.gaps.clone()),
            containers,
        })
    }

    /// Where one clue leads; network namespaces that are hard to find are looked for where one may
    /// be among the answers: always what several can have, an interface once it leads there.
    pub fn follow(&self, spelled: &[u8], clue: Clue<'_>) -> Result<Answer> {
        if matches!(clue.kind(), "port" | "ip" | "mac") {
            self.needs_all.set(true);
        }
        let answer = self.lead(spelled, clue)?;
        let leads_further =
            || answer.trails.is_empty() || interfaces::lead_elsewhere(self, &answer);
        if answer.kind == "if" && !self.needs_all.get() && leads_further() {
            self.needs_all.set(true);
            return self.lead(spelled, clue);
        }
        Ok(answer)
    }

    fn lead(&self, spelled: &[u8], clue: Clue<'_>) -> Result<Answer> {
        let trails = match clue {
            Clue::Pid(pid) => processes::by_pid(self, pid),
            Clue::PidInside(pid) => processes::by_pid_inside(self, pid)?,
            Clue::Unit(name) => processes::of_unit(self, name)?,
            Clue::Cgroup(path) => processes::of_group(self, path)?,
            Clue::Name(name) => match namespaces::named(self.root, name) {
                Some(inode) => namespaces::by_inode(self, inode, None)?,
                None => processes::by_name(self, name)?,
            },
            Clue::Path(path) => files::path(self, path)?,
            Clue::Namespace { inode, kind } => namespaces::by_inode(self, inode, kind)?,
            Clue::Device(device) => files::device(self, device)?,
            Clue::Overlay(name) => files::overlay(self, name)?,
            Clue::Port { port, protocol } => {
                ports::find(self, &Query { address: None, port, protocol })
            }
            Clue::Endpoint { address, port, protocol } => {
                ports::find(self, &Query { address: Some(address), port, protocol })
            }
            Clue::Socket(inode) => sockets::by_inode(self, inode),
            Clue::Interface(name) => interfaces::by_name(self, name),
            Clue::Mac(mac) => interfaces::by_mac(self, mac),
            Clue::Ip(ip) => addresses::by_ip(self, ip),
        };
        let mut answer = Answer { clue: Text::new(spelled), kind: clue.kind(), trails };
        // What no container is called may be an interface.
        if let Clue::Name(name) = clue
            && answer.trails.is_empty()
        {
            answer.kind = Clue::Interface(name).kind();
            answer.trails = interfaces::by_name(self, name);
        }
        Ok(answer)
    }

    /// Every one that was looked at.
    pub fn containers(&self) -> &[Container] {
        &self.containers.list
    }

    /// What could not be searched, each once.
    pub fn into_gaps(self) -> Vec<Gap> {
        self.gaps.into_inner()
    }

    pub(super) fn note(&self, gap: Gap) {
        let mut gaps = self.gaps.borrow_mut();
        if !gaps.contains(&gap) {
            gaps.push(gap);
        }
    }

    /// Every network namespace.
    pub(super) fn spaces(&self) -> &NetSpaces {
        let (place, list): (_, fn(&SysRoot, &Containers) -> NetSpaces) = if self.needs_all.get() {
            (&self.all_spaces, NetSpaces::with_hidden)
        } else {
            (&self.spaces, NetSpaces::list)
        };
        place.get_or_init(|| {
            let mut spaces = list(self.root, &self.containers);
            spaces.gaps.drain(..).for_each(|gap| self.note(gap));
            spaces
        })
    }

    /// One of the list of containers as an owner.
    pub(super) fn owner(&self, container: &Container) -> Owner {
        if is_of_host(container) {
            let group = container.cgroup.as_bytes();
            let unit = container.name.as_ref().map(|name| unit(name.as_bytes(), group));
            return Owner::Host { unit };
        }
        let place = self.containers.list.iter().position(|one| std::ptr::eq(one, container));
        let new = || Rc::new(container.clone());
        let shared = place.and_then(|place| self.owners.get(place));
        Owner::Container(shared.map_or_else(new, |one| Rc::clone(one.get_or_init(new))))
    }

    /// Whose a network namespace is, by its place in the list of all.
    pub(super) fn owner_of_space(&self, place: usize) -> Owner {
        let spaces = self.spaces();
        let container = spaces.container(&self.containers, place);
        container.map_or_else(|| spaces.owner(place), |container| self.owner(container))
    }

    /// Whose a process is, by the innermost container that it is in.
    pub(super) fn owner_of(&self, pid: Pid) -> Owner {
        let zombie = |one: &&Container| one.zombies.contains(&pid);
        let container =
            self.containers.owner_of(pid).or_else(|| self.containers.list.iter().find(zombie));
        match container {
            Some(container) => self.owner(container),
            // What is left of a container that is gone.
            None if self.containers.seen(pid).is_some_and(|seen| seen.state.ended()) => {
                Owner::Unknown
            }
            None => match self.unit_of(pid) {
                unit if self.is_seen(pid, unit.is_some()) => Owner::Host { unit },
                _ => Owner::Unknown,
            },
        }
    }

    /// Whether it is known to be in no container: by its namespaces, where they may be looked at;
    /// else what has a number of its own elsewhere is not the host's, and a service is.
    fn is_seen(&self, pid: Pid, is_service: bool) -> bool {
        let denied = [Kind::Mnt, Kind::Pid, Kind::Net].into_iter().any(|kind| {
            let seen = ns::identity_of(self.root.proc(), pid, kind);
            matches!(seen, Err(Errno::EACCES | Errno::EPERM))
        });
        if !denied || pid.number() == 1 {
            return true;
        }
        let levels = |file: &str| {
            let bytes = bounded::read(self.root.proc(), file, bounded::LARGE).ok()?;
            status::parse(&bytes).map(|status| status.pids_by_level.len())
        };
        let is_below = levels(&format!("{pid}/status")) > levels("self/status");
        let is_kernels = || {
            let process = scan::read_process(self.root, pid, &mut scan::Reader::default());
            process.is_some_and(|process| process.kernel_thread)
        };
        !is_below && (is_service || is_kernels())
    }

    /// Whose a namespace is: of the containers whose own it is that which stands outermost; else
    /// that of a process in it; else it has no more than a name.
    pub(super) fn owner_of_namespace(
        &self,
        key: NsKey,
        process: Option<Pid>,
        name: Option<&Text>,
    ) -> Owner {
        if self.containers.host.inode(key.kind) == Some(key.inode) {
            return Owner::Host { unit: None };
        }
        let is_own = |one: &&Container| {
            one.own.has(key.kind) && one.namespaces.inode(key.kind) == Some(key.inode)
        };
        if let Some(container) = self.containers.list.iter().find(is_own) {
            return self.owner(container);
        }
        match process {
            Some(pid) => self.owner_of(pid),
            None => Owner::Namespace { key, name: name.cloned() },
        }
    }

    /// The service of the host's that a process belongs to.
    fn unit_of(&self, pid: Pid) -> Option<Text> {
        let mut lines = Vec::new();
        let file = format!("{pid}/cgroup");
        bounded::read_record(self.root.proc(), &file, bounded::SMALL, &mut lines).ok()?;
        let found = recognise::cgroup(&lines).pop().filter(Recognised::is_host_service)?;
        Some(unit(&found.id, &found.group))
    }

    /// A process as a step; `None`: there is none of that number, or it is another than the one that
    /// the containers were told from.
    pub(super) fn process(&self, pid: Pid) -> Option<Step> {
        let (reach, object) = (self.root.reach(), || format!("pid {pid}").into());
        let dir = self.root.process(pid);
        let dir = reach.told(object, "process", dir)?;
        let stat = bounded::read_single(dir.as_fd(), "stat");
        let stat = stat::parse(&reach.told(object, "process", stat)?)?;
        let status = bounded::read(dir.as_fd(), "status", bounded::LARGE);
        let status = reach.told(object, "process", status);
        let status = status.and_then(|bytes| status::parse(&bytes)).unwrap_or_default();
        let process = status.process.unwrap_or(pid);
        let start_ticks = if process == pid {
            stat.start_ticks
        } else {
            incarnation::of(self.root, process).ok()?.start_ticks
        };
        // One of the kernel's own has a mount namespace for devtmpfs.
        let is_known = stat.is_kernel_thread()
            || self.containers.is_the_same(dir.as_fd(), process, start_ticks);
        if !is_known {
            return None;
        }
        let inside = status.pids_by_level.last().copied();
        Some(Step::Process {
            pid: process,
            thread: Some(pid).filter(|pid| *pid != process),
            comm: stat.comm,
            pid_inside: inside.filter(|inside| *inside != pid),
        })
    }
}

/// A service of systemd's with namespaces of its own is the host's.
pub(super) fn is_of_host(container: &Container) -> bool {
    container.runtime == Runtime::Systemd && container.depth == 0
}

/// The unit of the host's own manager: users call theirs whatever they like.
fn unit(name: &[u8], group: &[u8]) -> Text {
    let is_manager = |part: &&[u8]| part.starts_with(b"user@") && part.ends_with(b".service");
    match group.split(|byte| *byte == b'/').find(is_manager) {
        Some(manager) => Text::new(manager),
        None => [name, b".service"].concat().into(),
    }
}

/// One line an owner: of trails that are the same but for how they begin, the first.
pub(super) fn one_for_each<K: PartialEq>(trails: &mut Vec<Trail>, key: impl Fn(&Trail) -> K) {
    let mut seen: Vec<K> = Vec::new();
    trails.retain(|trail| {
        let key = key(trail);
        let is_new = !seen.contains(&key);
        if is_new {
            seen.push(key);
        }
        is_new
    });
}
