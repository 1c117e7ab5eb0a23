//! One target, section by section. A section that cannot be read is a gap, never a failure.

use super::clock::Clock;
use super::containers::{Containers, collect_containers};
use super::details::{Ahead, add_details};
use super::findings;
use super::mounts::{add_usage, collect_mounts, collect_mounts_of_namespace};
use super::network;
use super::processes::collect_processes;
use super::runtime::record::WHAT;
use super::seccomp::collect_seccomp;
use super::target::{HeldNamespace, PinnedProcess};
use crate::model::container::Container;
use crate::model::evidence::Source;
use crate::model::gap::{Gap, Reason};
use crate::model::inspection::{Inspection, Section, Vacant, Wish};
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::model::uts::ClockOffsets;
use crate::sys::error::{Result, SysError};
use crate::sys::proc::status;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns, proc};
use nix::errno::Errno;
use slow::{Answered, Inside, Slow};
use std::os::fd::AsFd;
use visits::Visits;

mod held;
mod identity;
mod namespaces;
mod slow;
mod visits;

/// The report, and what it lacks.
pub fn inspect(
    root: &SysRoot,
    target: &PinnedProcess,
    wish: &Wish,
) -> Result<(Inspection, Vec<Gap>)> {
    let mut gaps = Vec::new();
    let process = &target.process;
    let found;
    let (mut container, others) = match (&target.container, &target.others) {
        (Some(container), Some(others)) => (Some(container.clone()), others),
        _ => {
            let mut containers = collect_containers(root)?;
            let container = containers.take_owner_of(process.pid);
            found = containers;
            (container, &found)
        }
    };
    let clock = Clock::read(root);
    if let Some(container) = &mut container {
        let one = std::slice::from_mut(container);
        gaps.extend(add_details(root, &clock, one, &mut Ahead::default()));
    }
    // The target may be among the processes that could not be looked at.
    let failed = |gap: &&Gap| gap.reason == Reason::Failed && gap.what == "namespaces";
    gaps.extend(others.gaps.iter().filter(failed).cloned());
    let host = &others.host;
    let status_file = bounded::read_single(target.handle.dir(), "status");
    let status = status_file.as_ref().ok().and_then(|bytes| status::parse(bytes));
    let mut report = Inspection {
        pid: process.pid,
        pid_inode: target.handle.inode().ok().flatten(),
        pid_inside: status.as_ref().and_then(|status| status.pids_by_level.last().copied()),
        comm: process.comm.clone(),
        started_unix_seconds: clock.started_unix_seconds(process.start_ticks),
        age_seconds: clock.age_seconds(process.start_ticks),
        of_the_host: of_the_host(host, &process.namespaces),
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
    if wanted(Section::Net) || wanted(Section::Limits) {
        gaps.extend(missing_settings(root));
    }
    if wanted(Section::Identity) {
        // One that cannot be seen may be another: then its map tells.
        let users = process.namespaces.inode(Kind::User);
        let hosts_users = users.is_some() && users == host.inode(Kind::User);
        report.identity =
            status.map(|status| identity::collect(&target.handle, &status, hosts_users));
    }
    // Before any thread exists: who asks them is a fork.
    if wanted(Section::Mounts) && wish.usage {
        report.mounts = collect_mounts(root, target, report.container.as_ref(), host, &mut gaps);
        add_fullness(root, target, &mut report, &mut gaps);
    }
    // Before any thread exists: what reads it is a fork. It is on its way while the rest is read.
    let slow = slow(root, target, wish, &report, others, &clock);
    let outside = (wanted(Section::Net) && root.is_real()).then(|| network::from_outside(target));
    let filters = wish.seccomp.then(|| collect_seccomp(root, &target.handle, &mut gaps)).flatten();
    let live = [(Section::Uts, Kind::Uts), (Section::Net, Kind::Net)];
    let live = live.into_iter().filter(|(section, _)| wanted(*section)).map(|(_, kind)| kind);
    // So is this: from here on there is no fork.
    let visits = Visits::start(root, target, live.collect(), outside);
    if wanted(Section::Namespaces) {
        let own = &process.namespaces;
        report.namespaces =
            Some(namespaces::collect(root, &target.handle, host, own, &others.list));
        gaps.extend(hidden_namespaces(target, host));
    }
    if wanted(Section::Uts) {
        report.clock_offsets = clock_offsets(target, host);
    }
    if wanted(Section::Mounts) && !wish.usage {
        report.mounts = collect_mounts(root, target, report.container.as_ref(), host, &mut gaps);
    }
    let mut around = held::surroundings(host, &process.namespaces);
    around.hosts_users = around.hosts_users.or_else(|| identity::are_hosts_users(root, target));
    around.maps_hosts_root = identity::maps_hosts_root(target);
    let is_service = |container: &Container| container.runtime == Runtime::Systemd;
    around.is_service = report.container.as_ref().is_some_and(is_service);
    let known = held::Read { status: &status_file, around: &around };
    held::add(root, target, &known, wish, &mut report, &mut gaps);
    if let Some(security) = &mut report.security {
        security.seccomp_dump = filters;
    }
    let alone = visits.finish(root, target, others, &mut report, &mut gaps);
    take_slow(slow.finish(alone), wish, &mut report, &mut gaps);
    target.handle.check_running()?;
    let is_isolated = report.of_the_host == Some(false);
    let mut noted = about_identity(root, report.container.as_ref(), is_isolated);
    let is_lost = is_isolated && report.container.is_none() && others.seen(process.pid).is_none();
    noted.extend(lost(process.pid, is_lost, status_file.as_ref().err()));
    let more: Vec<Gap> = noted.into_iter().filter(|gap| !gaps.contains(gap)).collect();
    gaps.extend(more);
    findings::add(&mut report, &around);
    Ok((report, gaps))
}

fn slow<'a>(
    root: &SysRoot,
    target: &'a PinnedProcess,
    wish: &Wish,
    report: &Inspection,
    others: &Containers,
    clock: &Clock,
) -> Slow<'a> {
    let wanted = |section| wish.sections.contains(&section);
    let mut pids = if wanted(Section::Processes) {
        let container = report.container.as_ref();
        let zombies = container.filter(|_| target.group.is_none()).map(|one| &one.zombies[..]);
        [target.processes(container), zombies.unwrap_or_default()].concat()
    } else if wanted(Section::Identity) {
        vec![target.process.pid]
    } else {
        Vec::new()
    };
    pids.sort_unstable();
    // A fixture's links lead nowhere.
    let inside = Inside {
        resolver: root.is_real() && wanted(Section::Net),
        passwd: root.is_real() && report.identity.as_ref().is_some_and(identity::needs_passwd),
    };
    Slow::start(&target.handle, inside, collect_processes(root, &pids, others, clock))
}

fn take_slow(answered: Answered, wish: &Wish, report: &mut Inspection, gaps: &mut Vec<Gap>) {
    gaps.extend(answered.gaps);
    let members = answered.members.list;
    if let Some(identity) = &mut report.identity {
        let own = members.iter().find(|member| member.pid == report.pid);
        identity.command = own.and_then(|member| member.command.clone());
        identity::name_user(identity, answered.passwd.as_deref());
    }
    if let Some(network) = &mut report.network {
        network.resolver = answered.resolver;
    }
    report.processes = wish.sections.contains(&Section::Processes).then_some(members);
}

/// What did not answer when it was looked up whose container this is, if it may have told: all of it
/// where nothing was found, what was to be read where only a monitor vouches, else what the record
/// lacks. What else was noted, in any case.
fn about_identity(root: &SysRoot, container: Option<&Container>, is_isolated: bool) -> Vec<Gap> {
    let evidence = container.map(|found| found.evidence.as_slice()).unwrap_or_default();
    let has = |source| evidence.iter().any(|one| one.source == source);
    let is_hosts = container.is_none() && !is_isolated;
    let has_record = has(Source::State) || is_hosts;
    let is_found = has(Source::Monitor) || has_record;
    let mut gaps = root.reach().gaps();
    gaps.retain(|gap| {
        let is_late = gap.reason == Reason::Timeout;
        let is_unread = gap.what == WHAT && !is_late;
        !(is_late && is_found || is_unread && has_record)
            || evidence.iter().any(|one| one.object == gap.object)
    });
    gaps
}

/// What the target itself did not tell; `is_lost`: whose it is, since it could not be seen when all were.
fn lost(pid: Pid, is_lost: bool, status: Option<&SysError>) -> impl Iterator<Item = Gap> {
    let gap = move |what, reason| Gap { object: format!("pid {pid}").into(), what, reason };
    let whose = is_lost.then(|| gap(WHAT, Reason::Failed));
    whose.into_iter().chain(status.map(|error| gap("status", error.reason())))
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

/// A /proc with subset=pid has processes alone.
fn missing_settings(root: &SysRoot) -> Option<Gap> {
    let settings = bounded::open_dir(root.proc(), "sys").err().filter(|_| root.is_real())?;
    let lacks = settings.errno() == Some(Errno::ENOENT);
    let reason = if lacks { Reason::Unsupported } else { settings.reason() };
    Some(Gap { object: "/proc/sys".into(), what: "settings", reason })
}

/// Those of a kind that the kernel has.
fn hidden_namespaces(target: &PinnedProcess, host: &NsSet) -> Option<Gap> {
    let known = |set: &NsSet, kind| set.inode(kind).is_some();
    let is_hidden = |kind: Kind| {
        let has_kind = kind == Kind::Mnt || known(host, kind);
        has_kind && !known(&target.process.namespaces, kind)
    };
    Kind::ALL.into_iter().any(is_hidden).then(|| Gap {
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
        Some(collect_mounts_of_namespace(root, file.fd.as_fd(), &label, &mut gaps)?)
    } else {
        None
    };
    let namespace = namespaces::of_file(root, file.fd.as_fd(), key);
    Ok((Vacant { namespace, mounts }, gaps))
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
