//! A namespace: who is in it, and else what keeps it.

use super::processes::key_of;
use super::{Host, one_for_each};
use crate::collect::namespaces::{Describe, Wants, collect_census};
use crate::collect::netspaces::name_among;
use crate::collect::target::{self, Target};
use crate::model::census::{Census, Holder, Namespace};
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::model::trail::{By, Step, Trail};
use crate::sys::error::Result;
use crate::sys::root::SysRoot;

/// What a name, a link or a file that means a namespace leads to.
pub(super) fn named(root: &SysRoot, spelled: &[u8]) -> Option<u64> {
    if !target::grammar::names_namespace(spelled) {
        return None;
    }
    match target::resolve(root, spelled) {
        Ok(Target::Namespace(held)) => Some(held.key.inode),
        _ => None,
    }
}

/// One for each owner of a process in it; of one that nobody is in, one for each that keeps it.
pub(super) fn by_inode(host: &Host<'_>, inode: u64, kind: Option<Kind>) -> Result<Vec<Trail>> {
    let wants = Wants { describe: Describe::In(inode), ..Wants::default() };
    let census = collect_census(host.root, wants)?;
    let kept = |census: &Census| {
        census.find(inode).is_some_and(|found| found.processes > 0 || !found.mounts.is_empty())
    };
    let census = if kept(&census) {
        census
    } else {
        // What keeps it has to be looked for.
        collect_census(host.root, Wants { holders: true, sockets: true, threads: true, ..wants })?
    };
    census.gaps.iter().filter(|gap| !gap.is_of_init()).for_each(|gap| host.note(gap.clone()));
    let is_meant = |found: &&Namespace| kind.is_none_or(|kind| found.kind == kind);
    let Some(namespace) = census.find(inode).filter(is_meant) else { return Ok(Vec::new()) };
    let step = step(namespace);
    let name = name_among(&namespace.mounts);
    if namespace.of_host {
        let owner = host.owner_of_namespace(namespace.key(), None, None);
        return Ok(vec![Trail { steps: vec![step], owner }]);
    }
    let in_it = |member: &&crate::model::census::Member| {
        member.namespaces.inode(namespace.kind) == Some(inode)
    };
    let members: Vec<Pid> =
        census.members.iter().filter(in_it).map(|member| member.occupant.pid).collect();
    let mut trails: Vec<Trail> = Vec::new();
    let of_all = host.owner_of_namespace(namespace.key(), members.first().copied(), name.as_ref());
    let first = members.iter().find(|pid| key_of(&host.owner_of(**pid)) == key_of(&of_all));
    let mut steps = vec![step.clone()];
    steps.extend(first.or(members.first()).and_then(|pid| host.process(*pid)));
    if namespace.processes > 0 || namespace.holders.known().is_none_or(Vec::is_empty) {
        trails.push(Trail { steps, owner: of_all });
    }
    for pid in &members {
        let Some(process) = host.process(*pid) else { continue };
        trails.push(Trail { steps: vec![step.clone(), process], owner: host.owner_of(*pid) });
    }
    one_for_each(&mut trails, |trail| key_of(&trail.owner));
    for holder in namespace.holders.known().into_iter().flatten() {
        trails.extend(held(host, namespace, &step, holder, name.as_ref()));
    }
    Ok(trails)
}

fn step(namespace: &Namespace) -> Step {
    Step::Namespace {
        kind: namespace.kind.name(),
        inode: namespace.inode,
        name: name_among(&namespace.mounts),
    }
}

fn held(
    host: &Host<'_>,
    namespace: &Namespace,
    step: &Step,
    holder: &Holder,
    name: Option<&Text>,
) -> Option<Trail> {
    let by = |pid: Pid, by: By| {
        let Some(Step::Process { comm, .. }) = host.process(pid) else { return None };
        let steps = vec![step.clone(), Step::Use { pid, comm, by }];
        Some(Trail { steps, owner: host.owner_of(pid) })
    };
    match holder {
        Holder::ForChildren { pid } => by(*pid, By::NextChild),
        Holder::Thread { pid, thread } => by(*pid, By::Thread { thread: *thread }),
        Holder::Descriptor { pid, number } => by(*pid, By::Descriptor { number: *number }),
        Holder::Socket { pid, number } => by(*pid, By::Socket { number: *number }),
        Holder::Mount { namespace: within, target, through } => {
            let mount = Step::Mount {
                target: target.clone(),
                fs_type: "nsfs".into(),
                device: None,
                root: namespace.key().to_string().into(),
                namespace: Some(*within),
                role: "mount",
            };
            let owner = host.owner_of_namespace(namespace.key(), *through, name);
            Some(Trail { steps: vec![step.clone(), mount], owner })
        }
        Holder::Child { .. } | Holder::Unseen => {
            let owner = host.owner_of_namespace(namespace.key(), None, name);
            Some(Trail { steps: vec![step.clone()], owner })
        }
    }
}
