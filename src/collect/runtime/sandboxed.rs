//! Containers with a kernel of their own: several processes of the host, named by a file of the
//! runtime, are one, and none of them is what runs inside.

use super::monitor::Monitor;
use super::recognise;
use super::record::{Case, First, Record, Sandbox, Source};
use crate::collect::scan::Scan;
use crate::model::namespace::Kind;
use crate::model::process::{Pid, Process};
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::error::Result;
use crate::sys::root::SysRoot;

/// What one file says.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What the file says of the container.
    pub record: Record,
    /// Those it names that are there, the one that runs the kernel first.
    pub processes: Vec<Pid>,
    /// The id of the container whose kernel it runs on: its own, or that of its pod.
    pub sandbox: Text,
}

impl Kept {
    /// Whether a process may be this container's, by what its group is called.
    fn may_have(&self, root: &SysRoot, pid: Pid) -> bool {
        let mut lines = Vec::new();
        let path = format!("{pid}/cgroup");
        let _ = bounded::read_record(root.proc(), &path, bounded::SMALL, &mut lines);
        let own = [self.record.id.as_bytes(), self.sandbox.as_bytes()];
        container_of(&lines).is_none_or(|id| own.contains(&&*id))
    }
}

/// The id of the container that a group claims to be, the outermost one: what is in a container
/// speaks of nothing else. A program that was started from an application's group is not in it.
pub fn container_of(cgroup: &[u8]) -> Option<Vec<u8>> {
    use Runtime::{Flatpak, Snap, Systemd};
    let chain = recognise::cgroup(cgroup).into_iter();
    let mut containers = chain.filter(|one| !matches!(one.runtime, Flatpak | Snap | Systemd));
    containers.next().map(|found| found.id)
}

/// A runtime of such containers.
#[derive(Debug)]
pub struct Sandboxed {
    runtime: Runtime,
    read: fn(&SysRoot, &[Process]) -> Vec<Kept>,
    /// Whether a process may tell where more is kept.
    may_tell: fn(&Process) -> bool,
    telling: Vec<Process>,
    kept: Option<Vec<Kept>>,
}

impl Sandboxed {
    /// `read` is given the processes of the host's own pid namespace that `may_tell`.
    pub const fn new(
        runtime: Runtime,
        may_tell: fn(&Process) -> bool,
        read: fn(&SysRoot, &[Process]) -> Vec<Kept>,
    ) -> Self {
        Self { runtime, read, may_tell, telling: Vec::new(), kept: None }
    }

    fn kept(&mut self, root: &SysRoot) -> &[Kept] {
        self.kept.get_or_insert_with(|| {
            let mut kept = (self.read)(root, &self.telling);
            kept.retain(|one| one.processes.iter().all(|pid| one.may_have(root, *pid)));
            kept
        })
    }
}

impl Source for Sandboxed {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let pid = case.init.pid;
        let kept = self.kept(case.root).iter().find(|kept| kept.processes.contains(&pid));
        Ok(kept.map(|kept| Record {
            first: First::At { pid, start_ticks: Some(case.init.start_ticks) },
            ..kept.record.clone()
        }))
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        self.kept(root).iter().map(|kept| kept.record.clone()).collect()
    }

    fn see(&mut self, scan: &Scan) {
        let host = scan.host.inode(Kind::Pid);
        let of_the_host =
            scan.isolated.iter().filter(|process| process.namespaces.inode(Kind::Pid) == host);
        self.telling = of_the_host.filter(|process| (self.may_tell)(process)).cloned().collect();
    }

    fn sandboxes(&mut self, root: &SysRoot) -> Vec<Sandbox> {
        let runtime = self.runtime;
        let kept = self.kept(root).iter().filter(|kept| !kept.processes.is_empty());
        kept.map(|kept| Sandbox { runtime, processes: kept.processes.clone() }).collect()
    }
}

/// The command line of a process that a file names: the file outlives a process that was killed,
/// and its pid is then anybody's.
pub fn arguments(root: &SysRoot, pid: Pid) -> Vec<Text> {
    Monitor::of(root, pid).map(|process| process.arguments()).unwrap_or_default()
}

/// Of the processes that a file names, in its order.
pub fn first_of(processes: &[Pid]) -> First {
    match processes.first() {
        Some(pid) => First::At { pid: *pid, start_ticks: None },
        None => First::NotRunning,
    }
}
