//! One target, section by section. A section that cannot be read is a gap, never a failure.

use super::clock::Clock;
use super::containers::collect_containers;
use super::details::add_details;
use super::findings;
use super::mounts::{add_usage, collect_mounts, collect_mounts_of_namespace};
use super::network::{self, Outside};
use super::processes::{self, collect_processes};
use super::scan;
use super::target::{HeldNamespace, PinnedProcess};
use crate::model::container::Container;
use crate::model::evidence::{Evidence, Source};
use crate::model::gap::{Gap, Reason};
use crate::model::inspection::{Inspection, Namespace, Section, Vacant, Wish};
use crate::model::namespace::{Kind, Kinds, NsSet};
use crate::model::text::Text;
use crate::sys::error::{Result, SysError};
use crate::sys::netlink;
use crate::sys::netlink::Visiting;
use crate::sys::root::SysRoot;
use nix::errno::Errno;
use std::os::fd::AsFd;

mod held;

/// The report, and what it lacks.
pub fn inspect(
    root: &SysRoot,
    target: &PinnedProcess,
    wish: &Wish,
) -> Result<(Inspection, Vec<Gap>)> {
    let mut gaps = Vec::new();
    let process = &target.process;
    let mut container = match &target.container {
        Some(container) => Some(container.clone()),
        None => collect_containers(root)?.owner_of(process.pid).cloned(),
    };
    if let Some(container) = &mut container {
        add_details(root, std::slice::from_mut(container));
    }
    let clock = Clock::read(root);
    let host = scan::host_namespaces(root);
    let mut report = Inspection {
        pid: process.pid,
        pid_inode: target.handle.inode().ok().flatten(),
        pid_inside: processes::pid_inside(target.handle.dir(), &mut Vec::new()),
        comm: process.comm.clone(),
        started_unix_seconds: clock.started_unix_seconds(process.start_ticks),
        age_seconds: clock.age_seconds(process.start_ticks),
        of_the_host: of_the_host(&host, &process.namespaces),
        container,
        namespaces: None,
        uts: None,
        network: None,
        mounts: None,
        cgroup: None,
        formulas: None,
        security: None,
        limits: None,
        processes: None,
        findings: Vec::new(),
    };
    let wanted = |section| wish.sections.contains(&section);
    if wanted(Section::Namespaces) {
        report.namespaces = Some(namespaces(&host, &process.namespaces));
        if let Some(gap) = hidden_namespaces(target) {
            gaps.push(gap);
        }
    }
    // Before any thread exists: the worker behind it is a fork.
    if wanted(Section::Processes) {
        let alone = [process.pid];
        let pids = report.container.as_ref().map_or(&alone[..], |found| &found.processes);
        let (members, more) = collect_processes(root, pids);
        report.processes = Some(members);
        gaps.extend(more);
    }
    // The same holds for this.
    if wanted(Section::Mounts) && wish.usage {
        add_mounts(root, target, &mut report, &mut gaps);
        add_fullness(root, target, &mut report, &mut gaps);
    }
    let outside =
        (wanted(Section::Net) && root.is_real()).then(|| network::from_outside(target, &mut gaps));
    let live = [(Section::Uts, Kind::Uts), (Section::Net, Kind::Net)];
    let live = live.into_iter().filter(|(section, _)| wanted(*section)).map(|(_, kind)| kind);
    // On its way while the rest is read: from here on there is no fork.
    let visits = Visits::start(root, target, live.collect(), outside);
    if wanted(Section::Mounts) && !wish.usage {
        add_mounts(root, target, &mut report, &mut gaps);
    }
    let around = held::surroundings(&host, &process.namespaces);
    held::add(root, target, &around, wish, &mut report, &mut gaps);
    visits.finish(root, target, &mut report, &mut gaps);
    target.handle.check_alive()?;
    gaps.extend(about_identity(root, report.container.as_ref()));
    findings::add(&mut report, &around);
    Ok((report, gaps))
}

/// What did not answer when it was looked up whose container this is, if it may have told: all of
/// it where no record was found, else what the record lacks.
fn about_identity(root: &SysRoot, container: Option<&Container>) -> Vec<Gap> {
    let evidence = container.map(|found| found.evidence.as_slice()).unwrap_or_default();
    let vouches = |one: &Evidence| matches!(one.source, Source::State | Source::Monitor);
    let is_told = container.is_none() || evidence.iter().any(vouches);
    let mut gaps = root.reach().gaps();
    gaps.retain(|gap| !is_told || evidence.iter().any(|one| one.object == gap.object));
    gaps
}

fn namespaces(host: &NsSet, theirs: &NsSet) -> Vec<Namespace> {
    let own = host.differing(theirs);
    let known =
        |kind| theirs.inode(kind).map(|inode| Namespace { kind, inode, own: own.has(kind) });
    Kind::ALL.into_iter().filter_map(known).collect()
}

/// By the three kinds that isolate; unknown if one of them is hidden.
fn of_the_host(host: &NsSet, theirs: &NsSet) -> Option<bool> {
    let isolating = [Kind::Mnt, Kind::Pid, Kind::Net];
    if isolating.iter().any(|kind| theirs.inode(*kind).is_none()) {
        return None;
    }
    let own = host.differing(theirs);
    Some(!isolating.iter().any(|kind| own.has(*kind)))
}

fn hidden_namespaces(target: &PinnedProcess) -> Option<Gap> {
    target.process.namespaces.inode(Kind::Mnt).is_none().then(|| Gap {
        object: format!("pid {}", target.process.pid).into(),
        what: "namespaces",
        reason: Reason::Denied,
    })
}

/// A mount namespace that nobody lives in. All that it has is mounts, which nothing can reach: how full
/// they are is not known.
pub fn inspect_vacant(
    root: &SysRoot,
    held: HeldNamespace,
    wish: &Wish,
) -> Result<(Vacant, Vec<Gap>)> {
    let (key, label) = (held.key, held.label.clone());
    let file = held.into_file()?;
    let mut gaps = Vec::new();
    let mounts = if wish.sections.contains(&Section::Mounts) {
        if wish.usage {
            let object = label.clone();
            gaps.push(Gap { object, what: "usage", reason: Reason::Unsupported });
        }
        Some(collect_mounts_of_namespace(root, file.as_fd(), &label, &mut gaps)?)
    } else {
        None
    };
    let namespace = Namespace { kind: key.kind, inode: key.inode, own: true };
    Ok((Vacant { namespace, mounts }, gaps))
}

fn add_mounts(
    root: &SysRoot,
    target: &PinnedProcess,
    report: &mut Inspection,
    gaps: &mut Vec<Gap>,
) {
    report.mounts = collect_mounts(root, target, report.container.as_ref(), gaps);
}

fn add_fullness(
    root: &SysRoot,
    target: &PinnedProcess,
    report: &mut Inspection,
    gaps: &mut Vec<Gap>,
) {
    let Some(mounts) = &mut report.mounts else { return };
    if root.is_real() {
        add_usage(target.handle.dir(), mounts, gaps);
    } else {
        gaps.push(Gap { object: object(target), what: "usage", reason: Reason::Unsupported });
    }
}

fn object(target: &PinnedProcess) -> Text {
    format!("pid {}", target.process.pid).into()
}

/// Network and UTS facts, by a thread that joins those namespaces and ends. What is ours already
/// is read without joining, which needs no permission.
struct Visits {
    started: Vec<(Kinds, Result<Visiting>)>,
    outside: Option<Outside>,
}

impl Visits {
    fn start(
        root: &SysRoot,
        target: &PinnedProcess,
        wanted: Kinds,
        outside: Option<Outside>,
    ) -> Self {
        let mut visits = Self { started: Vec::new(), outside };
        if !root.is_real() {
            // A fixture has no live namespaces to visit.
            let error = SysError::new("visit", "a fixture", Errno::EOPNOTSUPP);
            visits.started.push((wanted, Err(error)));
            return visits;
        }
        let ours = super::credentials::own_namespaces(root).unwrap_or_default();
        let differing = ours.differing(&target.process.namespaces);
        let unknown = target.process.namespaces.unknown();
        let elsewhere: Kinds =
            wanted.iter().filter(|kind| differing.has(*kind) || unknown.has(*kind)).collect();
        let here: Kinds = wanted.iter().filter(|kind| !elsewhere.has(*kind)).collect();
        for (kinds, joined) in [(elsewhere, true), (here, false)] {
            if kinds.is_empty() {
                continue;
            }
            let pidfd = if joined { target.handle.pidfd().map(Some) } else { Ok(None) };
            let ask = visits.outside.as_ref().map(|outside| outside.ask(root)).unwrap_or_default();
            let started = pidfd.and_then(|pidfd| netlink::start(pidfd, kinds, ask));
            visits.started.push((kinds, started));
        }
        visits
    }

    fn finish(
        mut self,
        root: &SysRoot,
        target: &PinnedProcess,
        report: &mut Inspection,
        gaps: &mut Vec<Gap>,
    ) {
        for (kinds, started) in self.started {
            let visit = match started.and_then(Visiting::finish) {
                Ok(visit) => visit,
                Err(error) => {
                    gaps.extend(missing(target, kinds, error.reason()));
                    continue;
                }
            };
            report.uts = visit.uts.or(report.uts.take());
            match visit.network {
                Some(Ok(mut network)) => {
                    let alone = [target.process.pid];
                    let container = report.container.as_ref();
                    let pids = container.map_or(&alone[..], |found| &found.processes);
                    if let Some(outside) = self.outside.take() {
                        let ids = visit.ids.as_ref();
                        gaps.extend(outside.complete(root, &mut network, ids, pids));
                    }
                    report.network = Some(network);
                }
                Some(Err(error)) => gaps.push(error.gap("network")),
                None => {}
            }
        }
    }
}

fn missing(target: &PinnedProcess, kinds: Kinds, reason: Reason) -> impl Iterator<Item = Gap> {
    let what = |kind| if kind == Kind::Uts { "hostname" } else { "network" };
    kinds.iter().map(move |kind| Gap { object: object(target), what: what(kind), reason })
}
