//! One target, section by section. A section that cannot be read is a gap, never a failure.

use super::clock::Clock;
use super::containers::collect_containers;
use super::details::add_details;
use super::findings;
use super::network::{self, Outside};
use super::processes::collect_processes;
use super::scan;
use super::target::PinnedProcess;
use crate::model::container::Container;
use crate::model::evidence::{Evidence, Source};
use crate::model::gap::{Gap, Reason};
use crate::model::identity::Identity;
use crate::model::inspection::{Inspection, Member, Section, Wish};
use crate::model::mount::Mount;
use crate::model::namespace::{Kind, Kinds, NsSet};
use crate::model::text::Text;
use crate::model::uts::ClockOffsets;
use crate::sys::error::{Result, SysError};
use crate::sys::netlink::Visiting;
use crate::sys::proc::status::{self, Status};
use crate::sys::root::SysRoot;
use crate::sys::{bounded, netlink, ns, proc};
use nix::errno::Errno;
use std::borrow::Cow;
use std::os::fd::AsFd;

/// Enough for 20,000 mounts with long names. Each byte may be shown as five.
const MOUNTS: usize = 8 << 20;

mod held;
mod identity;
mod namespaces;

/// The report, and what it lacks.
pub fn inspect(
    root: &SysRoot,
    target: &PinnedProcess,
    wish: &Wish,
) -> Result<(Inspection, Vec<Gap>)> {
    let mut gaps = Vec::new();
    let process = &target.process;
    let (mut container, others) = whose(root, target)?;
    if let Some(container) = &mut container {
        add_details(root, std::slice::from_mut(container));
    }
    let status_file = bounded::read(target.handle.dir(), "status", bounded::LARGE);
    let status = status_file.as_ref().ok().and_then(|bytes| status::parse(bytes));
    let clock = Clock::read(root);
    let host = scan::host_namespaces(root);
    let mut report = Inspection {
        pid: process.pid,
        pid_inode: target.handle.inode().ok().flatten(),
        pid_inside: status.as_ref().and_then(|status| status.pids_by_level.last().copied()),
        comm: process.comm.clone(),
        started_unix_seconds: clock.started_unix_seconds(process.start_ticks),
        age_seconds: clock.age_seconds(process.start_ticks),
        of_the_host: of_the_host(&host, &process.namespaces),
        container,
        identity: None,
        namespaces: None,
        uts: None,
        clock_offsets: None,
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
        let own = &process.namespaces;
        report.namespaces = Some(namespaces::collect(root, &target.handle, &host, own, &others));
        if let Some(gap) = hidden_namespaces(target) {
            gaps.push(gap);
        }
    }
    // Before any thread exists: the worker behind these is a fork.
    if wanted(Section::Processes) || wanted(Section::Identity) {
        let alone = [process.pid];
        let pids = report.container.as_ref().map_or(&alone[..], |found| &found.processes);
        let pids = if wanted(Section::Processes) { pids } else { &alone[..] };
        let (members, more) = collect_processes(root, pids, &clock);
        gaps.extend(more);
        if wanted(Section::Identity) {
            report.identity =
                status.as_ref().map(|status| whom(root, target, &host, status, &members));
        }
        report.processes = wanted(Section::Processes).then_some(members);
    }
    if wanted(Section::Uts) {
        report.clock_offsets = clock_offsets(target, &host);
    }
    let outside =
        (wanted(Section::Net) && root.is_real()).then(|| network::from_outside(target, &mut gaps));
    let live = [(Section::Uts, Kind::Uts), (Section::Net, Kind::Net)];
    let live = live.into_iter().filter(|(section, _)| wanted(*section)).map(|(_, kind)| kind);
    // On its way while the rest is read: from here on there is no fork.
    let visits = Visits::start(root, target, live.collect(), outside);
    if wanted(Section::Mounts) {
        report.mounts = mounts(target, &mut gaps);
    }
    let around = held::surroundings(&host, &process.namespaces);
    let known = held::Read { status: &status_file, around: &around };
    held::add(root, target, &known, wish, &mut report, &mut gaps);
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

/// The container that the target is or belongs to, and all others.
fn whose<'a>(
    root: &SysRoot,
    target: &'a PinnedProcess,
) -> Result<(Option<Container>, Cow<'a, [Container]>)> {
    if let Some(container) = &target.container {
        return Ok((Some(container.clone()), Cow::Borrowed(&target.others)));
    }
    let mut all = collect_containers(root)?;
    let place = all.place_of_owner(target.process.pid);
    Ok((place.map(|place| all.list.remove(place)), Cow::Owned(all.list)))
}

fn whom(
    root: &SysRoot,
    target: &PinnedProcess,
    host: &NsSet,
    status: &Status,
    members: &[Member],
) -> Identity {
    let pid = target.process.pid;
    let command = members.iter().find(|member| member.pid == pid);
    let command = command.and_then(|member| member.command.clone());
    let hosts_users = !host.differing(&target.process.namespaces).has(Kind::User);
    identity::collect(root, &target.handle, status, command, hosts_users)
}

/// None in the host's time namespace. The file tells of the namespace that children will be in.
fn clock_offsets(target: &PinnedProcess, host: &NsSet) -> Option<ClockOffsets> {
    if !host.differing(&target.process.namespaces).has(Kind::Time) {
        return None;
    }
    let links = ns::open_links_below(target.handle.dir()).ok()?;
    let children = ns::identity_for_children(links.as_fd(), Kind::Time).ok();
    if children != target.process.namespaces.inode(Kind::Time) {
        return None;
    }
    let file = bounded::read(target.handle.dir(), "timens_offsets", bounded::SMALL).ok()?;
    proc::timens::parse(&file)
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

fn mounts(target: &PinnedProcess, gaps: &mut Vec<Gap>) -> Option<Vec<Mount>> {
    let gap = |reason| Gap { object: object(target), what: "mounts", reason };
    let read = match bounded::read_capped(target.handle.dir(), "mountinfo", MOUNTS) {
        Ok(read) => read,
        Err(error) => {
            gaps.push(gap(error.reason()));
            return None;
        }
    };
    let (mounts, malformed) = proc::mountinfo::parse(&read.bytes);
    if read.truncated {
        gaps.push(gap(Reason::Truncated));
    } else if malformed > 0 {
        gaps.push(gap(Reason::Malformed));
    }
    Some(mounts)
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
