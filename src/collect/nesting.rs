//! What runs in a container that a record alone tells of: nothing but pid namespaces shows it. Pure.

use super::groups::{Group, firsts};
use super::scan::Scan;
use crate::model::container::Container;
use crate::model::namespace::Kind;
use crate::model::process::{Pid, Process};
use crate::model::runtime::Runtime;
use std::collections::HashMap;

/// MAX_PID_NS_LEVEL of the kernel.
const DEEPEST: usize = 32;

/// Places what nobody has named and nothing has placed below the innermost such container whose own
/// pid namespace is its own or above it. `list` and `within` are in the order of `groups`.
///
/// What a process starts is in its pid namespace or in one below, and nobody else becomes its
/// parent: whose first process has its parent in a namespace is below that. Only what entered a
/// container from outside, and isolated itself then, is not found so.
pub(super) fn place(
    scan: &Scan,
    groups: &[Group<'_>],
    list: &mut [Container],
    within: &mut [Option<usize>],
) {
    let mut outers: HashMap<u64, usize> = HashMap::new();
    for (place, (group, container)) in groups.iter().zip(&*list).enumerate() {
        let named = group.recognised.as_ref().is_some_and(|found| !found.is_host_service());
        if !named && container.runtime != Runtime::Unknown && container.own.has(Kind::Pid) {
            let own = container.namespaces.inode(Kind::Pid);
            outers.extend(own.map(|own| (own, place)));
        }
    }
    if outers.is_empty() {
        return;
    }
    let firsts = firsts(scan);
    let mut inner: HashMap<usize, Vec<Pid>> = HashMap::new();
    for (container, within) in list.iter().zip(within) {
        if container.runtime != Runtime::Unknown || within.is_some() {
            continue;
        }
        let mut next = container.namespaces.inode(Kind::Pid);
        for _ in 0..DEEPEST {
            let Some(pids) = next else { break };
            *within = outers.get(&pids).copied();
            if let Some(outer) = *within {
                inner.entry(outer).or_default().extend(&container.processes);
                break;
            }
            next = above(scan, &firsts, pids);
        }
    }
    for (outer, processes) in inner {
        if let Some(outer) = list.get_mut(outer) {
            outer.processes.extend(processes);
            outer.processes.sort_unstable();
        }
    }
}

/// `None`: the host's is, or it is not known.
fn above(scan: &Scan, firsts: &HashMap<u64, &Process>, pids: u64) -> Option<u64> {
    let parent = scan.find(firsts.get(&pids)?.parent?)?;
    parent.namespaces.inode(Kind::Pid).filter(|above| *above != pids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::groups::group;
    use crate::model::namespace::NsSet;
    use crate::model::process::State;

    fn process(pid: u32, parent: u32, [mnt, pids]: [u64; 2]) -> Process {
        let mut namespaces = NsSet::default();
        for (kind, inode) in [(Kind::Mnt, mnt), (Kind::Pid, pids), (Kind::Net, 3)] {
            namespaces.set(kind, inode);
        }
        Process {
            pid: Pid::new(pid).unwrap(),
            parent: Pid::new(parent),
            state: State(b'S'),
            kernel_thread: false,
            comm: "x".into(),
            start_ticks: u64::from(pid),
            namespaces,
            cgroup: "0::/\n".into(),
        }
    }

    /// The first process of each, that of what it is in, and how many are in it, where the one of
    /// pid 10 has a record.
    fn placed(isolated: Vec<Process>) -> Vec<(u32, Option<u32>, usize)> {
        let host = process(1, 0, [1, 2]).namespaces;
        let scan = Scan { host, isolated, gaps: Vec::new() };
        let groups = group(&scan, &[], &mut |_, _| None);
        let container = |group: &Group<'_>| Container {
            processes: group.processes.clone(),
            namespaces: group.init.namespaces,
            own: scan.host.differing(&group.init.namespaces),
            runtime: if group.init.pid.number() == 10 { Runtime::Nsx } else { Runtime::Unknown },
            ..Container::default()
        };
        let mut list: Vec<Container> = groups.iter().map(container).collect();
        let mut within = vec![None; list.len()];
        place(&scan, &groups, &mut list, &mut within);
        let first = |place: usize| groups[place].init.pid.number();
        let told =
            |place: usize| (first(place), within[place].map(first), list[place].processes.len());
        let mut all: Vec<_> = (0..groups.len()).map(told).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn what_isolates_itself_within_stands_below_however_deep() {
        let own = process(10, 1, [1, 20]);
        let another_root = process(11, 10, [7, 20]);
        let inner = process(12, 11, [7, 21]);
        let innermost = process(13, 12, [8, 22]);
        // Whose parent has gone has another one of the same namespace.
        let left = process(14, 10, [9, 23]);
        let stranger = process(15, 1, [5, 30]);
        let of_stranger = process(16, 15, [6, 31]);
        assert_eq!(
            placed(vec![own, another_root, inner, innermost, left, stranger, of_stranger]),
            [
                (10, None, 5),
                (11, Some(10), 1),
                (12, Some(10), 1),
                (13, Some(10), 1),
                (14, Some(10), 1),
                (15, None, 1),
                (16, None, 1)
            ]
        );
    }

    #[test]
    fn what_has_no_pid_namespace_of_its_own_is_no_place() {
        assert_eq!(
            placed(vec![process(10, 1, [7, 2]), process(11, 10, [8, 21])]),
            [(10, None, 1), (11, None, 1)]
        );
    }
}
