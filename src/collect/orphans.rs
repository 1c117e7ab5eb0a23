//! Leftovers: what is pinned without a process, recorded without a container, looking after nothing
//! or looked after by nobody.

use super::containers::collect_recorded_containers;
use super::namespaces::{Wants, collect_census};
use crate::model::census::{Holder, Namespace};
use crate::model::container::{Container, State};
use crate::model::gap::{self, Gap};
use crate::model::orphan::{Orphan, OrphanKind};
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::error::Result;
use crate::sys::proc::stat::{self, Stat};
use crate::sys::root::SysRoot;
use std::collections::{HashMap, HashSet};

/// The kernel keeps fifteen bytes of containerd-shim-runc-v2 and its like.
const SHIMS: [&str; 2] = ["containerd-shim", "conmon"];
/// CRI-O's that looks after a whole pod, whether any of its containers runs or not.
const OF_A_POD: &str = "conmonrs";

/// By kind and name; without root some is not seen, and is in the gaps.
pub fn collect_orphans(root: &SysRoot) -> Result<(Vec<Orphan>, Vec<Gap>)> {
    let wants = Wants { holders: true, sockets: true, threads: true, ..Wants::default() };
    let census = collect_census(root, wants)?;
    let containers = collect_recorded_containers(root)?;
    let processes = processes(root)?;
    let mut orphans = Vec::new();
    orphans.extend(containers.list.iter().filter(|one| one.state == State::Stale).map(stale));
    orphans.extend(idle_shims(&processes));
    orphans.extend(containers.list.iter().filter_map(|one| unattended(one, &processes)));
    let is_unsure = gap::leave_members_open(&census.gaps);
    orphans.extend(census.namespaces.iter().filter_map(|one| pinned(one, is_unsure)));
    orphans.sort_by(|one, other| (one.kind, &one.object).cmp(&(other.kind, &other.object)));
    let mut gaps = census.gaps;
    // What pid 1 does not show is the host's own.
    gaps.retain(|gap| !gap.is_of_init());
    gaps.extend(containers.gaps.into_iter().filter(|gap| gap.what != "namespaces"));
    Ok((orphans, gaps))
}

/// A namespace that something holds and nobody is in. One that only owns others is no leftover.
fn pinned(namespace: &Namespace, is_unsure: bool) -> Option<Orphan> {
    let threads = namespace.threads.known().copied().unwrap_or(0);
    if namespace.of_host || namespace.processes > 0 || threads > 0 {
        return None;
    }
    let mut held_by = namespace.holders.known().cloned().unwrap_or_default();
    if held_by.iter().any(|holder| matches!(holder, Holder::Child { .. })) {
        return None;
    }
    held_by.sort();
    let object = format!("{}:[{}]", namespace.kind, namespace.inode);
    let whom = if is_unsure { "no process that can be seen" } else { "no process" };
    Some(Orphan {
        kind: OrphanKind::Namespace,
        object: object.into(),
        because: format!("{whom} is in it").into(),
        held_by,
        is_unsure,
    })
}

fn name(container: &Container) -> Text {
    let mut name = format!("{}:", container.runtime).into_bytes();
    name.extend_from_slice(container.label().as_bytes());
    name.into()
}

fn stale(container: &Container) -> Orphan {
    let mut because = b"its process has ended; recorded in ".to_vec();
    if let Some(evidence) = container.evidence.first() {
        because.extend_from_slice(evidence.object.as_bytes());
    }
    Orphan {
        kind: OrphanKind::State,
        object: name(container),
        because: because.into(),
        held_by: Vec::new(),
        is_unsure: false,
    }
}

type Processes = HashMap<Pid, Stat>;

fn processes(root: &SysRoot) -> Result<Processes> {
    let mut buffer = Vec::new();
    let mut processes = Processes::new();
    for pid in root.pids()? {
        let read =
            bounded::read_record(root.proc(), &format!("{pid}/stat"), bounded::SMALL, &mut buffer);
        if let (Ok(_), Some(stat)) = (read, stat::parse(&buffer)) {
            processes.insert(pid, stat);
        }
    }
    Ok(processes)
}

fn is_shim(process: &Stat) -> bool {
    SHIMS.iter().any(|name| process.comm == *name)
}

fn idle_shims(processes: &Processes) -> impl Iterator<Item = Orphan> {
    let parents: HashSet<Pid> = processes
        .values()
        .filter(|process| !process.state.ended())
        .filter_map(|process| process.parent)
        .collect();
    let idle = processes
        .values()
        .filter(|process| is_shim(process) && !process.state.ended())
        .filter(move |process| !parents.contains(&process.pid));
    idle.map(|process| Orphan {
        kind: OrphanKind::Shim,
        object: described(process),
        because: "it has no child".into(),
        held_by: Vec::new(),
        is_unsure: false,
    })
}

fn described(process: &Stat) -> Text {
    let mut text = format!("pid {} (", process.pid).into_bytes();
    text.extend_from_slice(process.comm.as_bytes());
    text.push(b')');
    text.into()
}

/// A container of an engine runs under a shim, which collects its exit code and keeps its log.
fn unattended(container: &Container, processes: &Processes) -> Option<Orphan> {
    use Runtime::{Containerd, Crio, Docker, Podman};
    let engines = matches!(container.runtime, Docker | Containerd | Crio | Podman);
    let of_engine = engines && container.depth == 0 && container.id.is_some();
    let init = container.init.as_ref().filter(|_| of_engine)?;
    let process = processes.get(&init.pid)?;
    let parent = process.parent.and_then(|pid| processes.get(&pid));
    let attends = |parent: &Stat| is_shim(parent) || parent.comm == OF_A_POD;
    if process.start_ticks != init.start_ticks || parent.is_some_and(attends) {
        return None;
    }
    let because = match parent {
        Some(parent) => {
            [b"its shim has ended; it is a child of ", described(parent).as_bytes()].concat()
        }
        None => b"its shim has ended".to_vec(),
    };
    Some(Orphan {
        kind: OrphanKind::Container,
        object: name(container),
        because: because.into(),
        held_by: Vec::new(),
        is_unsure: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::census::{Fact, NsKey};
    use crate::model::container::Init;
    use crate::model::namespace::Kind;
    use crate::model::process;

    fn processes_of(list: &[(u32, &str, u32)]) -> Processes {
        let stat = |(pid, comm, parent): &(u32, &str, u32)| {
            let rest = "0 0 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 99 0";
            stat::parse(format!("{pid} ({comm}) S {parent} {rest}\n").as_bytes()).unwrap()
        };
        list.iter().map(stat).map(|stat| (stat.pid, stat)).collect()
    }

    #[test]
    fn a_shim_without_a_child_and_a_child_without_a_shim() {
        let processes = processes_of(&[
            (1, "systemd", 0),
            (10, "containerd-shim", 1),
            (11, "containerd-shim", 1),
            (12, "nginx", 11),
            (13, "redis", 1),
            (14, "conmonrs", 1),
            (15, "conmonrs", 1),
            (16, "cart", 15),
        ]);
        let idle: Vec<_> = idle_shims(&processes).map(|orphan| orphan.object).collect();
        assert_eq!(idle, [Text::from("pid 10 (containerd-shim)")]);
        let container = |pid| Container {
            runtime: Runtime::Docker,
            id: Some("6961".into()),
            name: Some("web".into()),
            init: Some(Init {
                pid: Pid::new(pid).unwrap(),
                start_ticks: 99,
                comm: Text::default(),
                state: process::State(b'S'),
            }),
            ..Container::default()
        };
        assert_eq!([12, 16].map(|pid| unattended(&container(pid), &processes)), [None, None]);
        let orphan = unattended(&container(13), &processes).unwrap();
        assert_eq!(orphan.object, "docker:web");
        assert_eq!(orphan.because, "its shim has ended; it is a child of pid 1 (systemd)");
    }

    #[test]
    fn a_namespace_is_left_over_if_nobody_is_in_it_and_nothing_below_it() {
        let mount = Holder::Mount { namespace: 1, target: "/run/netns/x".into(), through: None };
        let with = |processes, holders: &[&Holder]| {
            let holders = holders.iter().map(|holder| (*holder).clone()).collect();
            let new = Namespace::new(NsKey { inode: 7, kind: Kind::Net });
            Namespace { processes, holders: Fact::Known(holders), ..new }
        };
        let orphan = pinned(&with(0, &[&mount]), false).unwrap();
        assert_eq!(orphan.because, "no process is in it");
        let unsure = pinned(&with(0, &[&mount]), true).unwrap();
        assert_eq!(unsure.because, "no process that can be seen is in it");
        assert_eq!((orphan.is_unsure, unsure.is_unsure), (false, true));
        assert_eq!((orphan.object, orphan.held_by), ("net:[7]".into(), vec![mount.clone()]));
        assert_eq!(pinned(&with(1, &[&mount]), false), None);
        let child = Holder::Child { of: Kind::Net, inode: 9 };
        assert_eq!(pinned(&with(0, &[&mount, &child]), false), None);
        assert_eq!(pinned(&Namespace { of_host: true, ..with(0, &[]) }, false), None);
    }
}
