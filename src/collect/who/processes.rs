//! Processes, groups of them, and names: what leads to a container by what it is made of.

use super::{Host, one_for_each};
use crate::collect::pids;
use crate::collect::runtime::recognise;
use crate::collect::target::{self, TargetError};
use crate::model::container::Container;
use crate::model::evidence::{Evidence, Source};
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::model::trail::{Owner, Step, Trail};
use crate::sys::error::Result;
use crate::sys::{bounded, cgroupfs::paths::CgroupPaths};

/// A process or a thread by its number here.
pub(super) fn by_pid(host: &Host<'_>, pid: Pid) -> Vec<Trail> {
    trail_of(host, pid).into_iter().collect()
}

/// From a process by way of its group.
fn trail_of(host: &Host<'_>, pid: Pid) -> Option<Trail> {
    let process = host.process(pid)?;
    let Step::Process { pid: leader, .. } = &process else { return None };
    let owner = host.owner_of(*leader);
    let mut steps = vec![process];
    steps.extend(evidence(host, pid, &owner));
    Some(Trail { steps, owner })
}

/// The group that it is in: what it is told by, where nothing better is known.
fn evidence(host: &Host<'_>, pid: Pid, owner: &Owner) -> Option<Step> {
    let path = match owner {
        Owner::Container(container) => container.cgroup.clone(),
        _ => {
            let mut lines = Vec::new();
            let file = format!("{pid}/cgroup");
            bounded::read_record(host.root.proc(), &file, bounded::SMALL, &mut lines).ok()?;
            Text::new(CgroupPaths::parse(&lines).best())
        }
    };
    (path.as_bytes().len() > 1).then_some(Step::Cgroup { path })
}

/// Everything that has that number in its own pid namespace.
pub(super) fn by_pid_inside(host: &Host<'_>, inside: Pid) -> Result<Vec<Trail>> {
    let found = pids::numbered(host.root, inside)?;
    Ok(found.into_iter().filter_map(|pid| trail_of(host, pid)).collect())
}

pub(super) fn of_unit(host: &Host<'_>, name: &[u8]) -> Result<Vec<Trail>> {
    let spelled = [b"unit:", name].concat();
    of_members(host, &spelled, &Step::Unit { name: Text::new(target::grammar::unit_name(name)) })
}

pub(super) fn of_group(host: &Host<'_>, path: &[u8]) -> Result<Vec<Trail>> {
    let spelled = [b"cgroup:", path].concat();
    let step = Step::Cgroup { path: Text::new(path) };
    let found = of_members(host, &spelled, &step)?;
    if !found.is_empty() {
        return Ok(found);
    }
    // One that nothing runs in, below what is known to be a container's own.
    let named = recognise::path(path).pop().filter(|found| !found.is_host_service());
    let own = named.map(|found| Text::new(&found.group));
    let mut list = host.containers.list.iter();
    let found = own.and_then(|own| list.find(|one| one.cgroup == own));
    Ok(found.map(|one| Trail { steps: vec![step], owner: host.owner(one) }).into_iter().collect())
}

/// One for each owner of what is in a group, by the oldest process of each.
fn of_members(host: &Host<'_>, spelled: &[u8], step: &Step) -> Result<Vec<Trail>> {
    let members = match target::members_of(host.root, spelled) {
        Ok(members) => members,
        Err(TargetError::System(error)) => return Err(error),
        Err(_) => return Ok(Vec::new()),
    };
    let trail = |pid: &Pid| {
        let process = host.process(*pid)?;
        Some(Trail { steps: vec![step.clone(), process], owner: host.owner_of(*pid) })
    };
    let mut trails: Vec<Trail> = members.iter().filter_map(trail).collect();
    one_for_each(&mut trails, |trail| key_of(&trail.owner));
    Ok(trails)
}

/// What tells owners apart.
pub(super) fn key_of(owner: &Owner) -> (Option<Pid>, Text) {
    match owner {
        Owner::Container(one) => (one.init.as_ref().map(|init| init.pid), one.spelling()),
        Owner::Host { unit } => (None, unit.clone().unwrap_or_default()),
        Owner::Namespace { key, .. } => (None, key.to_string().into()),
        Owner::Unknown => (None, Text::from("?")),
    }
}

/// Every container that a name or an id means, with the file that says so.
pub(super) fn by_name(host: &Host<'_>, spelled: &[u8]) -> Result<Vec<Trail>> {
    let found = match target::all_named(&host.containers, spelled) {
        Ok(found) => found,
        Err(TargetError::System(error)) => return Err(error),
        Err(_) => Vec::new(),
    };
    let trail = |container: &&Container| {
        let first = container.init.as_ref().and_then(|init| host.process(init.pid));
        let mut steps: Vec<Step> =
            container.evidence.first().and_then(said_by).into_iter().collect();
        steps.extend(first);
        Trail { steps, owner: host.owner(container) }
    };
    Ok(found.iter().map(trail).collect())
}

/// What names a container: a file, or its group.
fn said_by(evidence: &Evidence) -> Option<Step> {
    let path = evidence.object.clone();
    match evidence.source {
        Source::Cgroup => Some(Step::Cgroup { path }),
        Source::State | Source::Monitor if path.as_bytes().starts_with(b"/") => {
            Some(Step::Record { path })
        }
        _ => None,
    }
}
