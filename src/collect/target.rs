//! What the user named → one pinned process, or one open namespace.
//!
//! The process is pinned by pidfd before anything else is read of it, and it is the same one to
//! the end; what led to it is looked up first and the process then checked by start time. No
//! daemon is asked.

mod choose;
mod error;
pub mod grammar;
mod members;
mod namespace;
mod pin;

pub use error::TargetError;
pub use namespace::{HeldNamespace, by_id};
pub use pin::{PinnedProcess, is_thread};

use super::containers::{Containers, collect_containers, collect_recorded_containers};
use crate::model::container::Container;
use crate::model::gap;
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::{Pid, Process};
use crate::model::text::Text;
use crate::sys::root::SysRoot;
use grammar::Spelled;

/// What a spelling means, held so that it stays the same.
#[derive(Debug)]
pub enum Target {
    /// A process that was named, or that stands for a container, a unit or a group.
    Process(Box<PinnedProcess>),
    /// A namespace that was named; maybe nobody is in it.
    Namespace(HeldNamespace),
}

type Result<T> = std::result::Result<T, TargetError>;

fn parse(spelled: &[u8]) -> Result<Spelled<'_>> {
    grammar::parse(spelled).map_err(TargetError::Misspelled)
}

/// An error where it means nothing, several things, or a process that has ended.
pub fn resolve(root: &SysRoot, spelled: &[u8]) -> Result<Target> {
    let meaning = parse(spelled)?;
    let process = match meaning {
        Spelled::Netns(name) => return namespace::by_name(root, name).map(Target::Namespace),
        Spelled::File(path) => return namespace::by_path(root, path).map(Target::Namespace),
        Spelled::Namespace(inode) => {
            return namespace::by_inode(root, inode).map(Target::Namespace);
        }
        Spelled::Process(pid) => pin::pin(root, pid),
        Spelled::ProcessWithInode { pid, inode } => pin::pin_with_inode(root, pid, inode),
        Spelled::Unit(_) | Spelled::Cgroup(_) => {
            let label = Text::new(spelled);
            let members = members(root, spelled, &meaning)?;
            let mut processes: Vec<Pid> = members.iter().map(|process| process.pid).collect();
            processes.sort_unstable();
            let first = members::leader(root, members);
            let first = first.ok_or_else(|| TargetError::NoMember(label.clone()))?;
            let pinned = pin::pin_known(root, seen(&first), &label)?;
            // It may have been moved elsewhere meanwhile.
            if pinned.process.cgroup != first.cgroup {
                return Err(TargetError::Ended(label));
            }
            let lines = members::lines_of(&meaning, first.cgroup.as_bytes());
            Ok(PinnedProcess { group: Some(pin::Named { lines, processes }), ..pinned })
        }
        Spelled::Container { .. }
        | Spelled::Containerd { .. }
        | Spelled::Cri(_)
        | Spelled::Pod { .. } => of_container(root, spelled, &meaning),
    };
    process.map(Box::new).map(Target::Process)
}

/// The process that a target is or, of a namespace, the oldest that lives in it.
pub fn resolve_process(root: &SysRoot, spelled: &[u8]) -> Result<PinnedProcess> {
    match resolve_occupied(root, spelled)? {
        Target::Process(process) => Ok(*process),
        Target::Namespace(held) => Err(held.nobody(root)),
    }
}

/// The same; a namespace that nobody lives in stays one.
pub fn resolve_occupied(root: &SysRoot, spelled: &[u8]) -> Result<Target> {
    let held = match resolve(root, spelled)? {
        process @ Target::Process(_) => return Ok(process),
        Target::Namespace(held) => held,
    };
    let Some(occupant) = namespace::occupant(root, held.key)? else {
        return Ok(Target::Namespace(held));
    };
    let (key, label) = (held.key, held.label);
    let process = pin::pin_known(root, seen(&occupant), &label)?;
    if process.process.namespaces.inode(key.kind) != Some(key.inode) {
        return Err(TargetError::Ended(label));
    }
    Ok(Target::Process(Box::new(process)))
}

fn seen(process: &Process) -> (Pid, u64, &NsSet) {
    (process.pid, process.start_ticks, &process.namespaces)
}

fn of_container(root: &SysRoot, spelled: &[u8], meaning: &Spelled<'_>) -> Result<PinnedProcess> {
    let place = |containers: &Containers| {
        let list = &containers.list;
        let chosen = choose::container((list, &containers.gaps), spelled, meaning)?;
        Ok(list.iter().position(|one| std::ptr::eq(one, chosen)).unwrap_or_default())
    };
    let mut others = collect_containers(root)?;
    let place = match place(&others) {
        Ok(at) if others.list.get(at).is_some_and(Container::is_of_the_host) => at,
        // One that does not run, or that shares the host's namespaces, has a record all the same. A
        // user's that runs is not to be taken for it.
        Ok(_)
        | Err(
            TargetError::NoContainer(_)
            | TargetError::NotAPid(_)
            | TargetError::NoPod(_)
            | TargetError::Unread { .. },
        ) => {
            others = collect_recorded_containers(root)?;
            place(&others)?
        }
        Err(error) => return Err(error),
    };
    let found = others.list.remove(place);
    let label = found.label();
    let init = found.init.as_ref().ok_or_else(|| not_running(&found))?;
    let pinned = pin::pin_known(root, (init.pid, init.start_ticks, &found.namespaces), &label)?;
    Ok(PinnedProcess { container: Some(found), others: Some(others), ..pinned })
}

fn members(root: &SysRoot, spelled: &[u8], meaning: &Spelled<'_>) -> Result<Vec<Process>> {
    match meaning {
        Spelled::Unit(name) => members::of_unit(root, spelled, &grammar::unit_name(name)),
        Spelled::Cgroup(path) => Ok(members::of_group(root, path)?),
        _ => Ok(Vec::new()),
    }
}

/// Every process of a unit or a group, the oldest first.
pub fn members_of(root: &SysRoot, spelled: &[u8]) -> Result<Vec<Pid>> {
    let mut members = members(root, spelled, &parse(spelled)?)?;
    members.sort_by_key(|process| (process.start_ticks, process.pid));
    Ok(members.into_iter().map(|process| process.pid).collect())
}

/// Every container that a name or an id may mean, where one alone is not asked for; none where no
/// container can be spelled like that.
pub fn all_named<'a>(containers: &'a Containers, spelled: &[u8]) -> Result<Vec<&'a Container>> {
    Ok(choose::containers(&containers.list, &parse(spelled)?))
}

/// The containers that a target names, or that it lies in: at least one.
pub fn containers_of<'a>(
    root: &SysRoot,
    containers: &'a Containers,
    spelled: &[u8],
) -> Result<Vec<&'a Container>> {
    let meaning = parse(spelled)?;
    let text = || Text::new(spelled);
    let with = |pids: &[Pid]| -> Vec<&'a Container> {
        let list = containers.list.iter();
        list.filter(|one| pids.iter().any(|pid| one.processes.binary_search(pid).is_ok())).collect()
    };
    let found: Vec<&Container> = match meaning {
        Spelled::Process(pid) => {
            // Whether there is such a process is worth telling.
            let Some(owner) = containers.owner_of(pid) else {
                let process = pin::pin(root, pid)?.process;
                let is_hosts = process.kernel_thread || pid.number() == 1;
                if !is_hosts && process.namespaces.inode(Kind::Mnt).is_none() {
                    return Err(TargetError::Unseen(pid));
                }
                return Err(TargetError::InNoContainer(format!("pid {pid}").into()));
            };
            vec![owner]
        }
        Spelled::ProcessWithInode { pid, inode } => {
            pin::pin_with_inode(root, pid, inode)?;
            containers.owner_of(pid).into_iter().collect()
        }
        Spelled::Pod { container: None, .. } => {
            let pod = choose::pod(&containers.list, &meaning);
            return if pod.is_empty() { Err(TargetError::NoPod(text())) } else { Ok(pod) };
        }
        Spelled::Unit(_) | Spelled::Cgroup(_) => {
            let members = members(root, spelled, &meaning)?;
            if members.is_empty() {
                return Err(TargetError::NoMember(text()));
            }
            with(&members.iter().map(|process| process.pid).collect::<Vec<_>>())
        }
        Spelled::Netns(_) | Spelled::Namespace(_) | Spelled::File(_) => {
            let Target::Namespace(held) = resolve(root, spelled)? else { return Ok(Vec::new()) };
            let has_it =
                |namespaces: &NsSet| namespaces.inode(held.key.kind) == Some(held.key.inode);
            // A process of a container may be in others than its init is in.
            let inhabitants = containers.isolated.iter().filter(|one| has_it(&one.namespaces));
            let mut owners: Vec<&Container> =
                inhabitants.filter_map(|one| containers.owner_of(one.pid)).collect();
            owners.dedup_by(|one, other| std::ptr::eq(*one, *other));
            let is_owner = |one: &Container| owners.iter().any(|owner| std::ptr::eq(*owner, one));
            let list = containers.list.iter();
            let found: Vec<_> =
                list.filter(|one| has_it(&one.namespaces) || is_owner(one)).collect();
            if found.is_empty() && gap::leave_members_open(&containers.gaps) {
                return Err(TargetError::InNoSeenContainer(text()));
            }
            found
        }
        Spelled::Container { .. }
        | Spelled::Containerd { .. }
        | Spelled::Cri(_)
        | Spelled::Pod { .. } => {
            vec![choose::container((&containers.list, &containers.gaps), spelled, &meaning)?]
        }
    };
    if found.is_empty() { Err(TargetError::InNoContainer(text())) } else { Ok(found) }
}

/// A better word than that there is none, for who looked among those that run: it has a record alone.
pub fn by_record(root: &SysRoot, spelled: &[u8], error: TargetError) -> TargetError {
    if !matches!(
        error,
        TargetError::NoContainer(_) | TargetError::NotAPid(_) | TargetError::Unread { .. }
    ) {
        return error;
    }
    let Ok(recorded) = collect_recorded_containers(root) else { return error };
    match containers_of(root, &recorded, spelled).as_deref() {
        Ok([one]) if one.init.is_none() => not_running(one),
        _ => error,
    }
}

fn not_running(container: &Container) -> TargetError {
    TargetError::NotRunning { label: container.label(), state: container.state.name() }
}

#[cfg(test)]
mod tests;
