//! Which namespace the processes above a namespace's first one are in.

use crate::model::census::{Fact, Member, Namespace};
use crate::model::process::Pid;
use std::collections::HashMap;

/// With every process described. Each is climbed over once a kind, so that the work grows with the
/// number of processes and not with its square.
pub(super) fn add(namespaces: &mut [Namespace], members: &[Member]) {
    let by_pid: HashMap<Pid, &Member> =
        members.iter().map(|member| (member.occupant.pid, member)).collect();
    for namespace in namespaces {
        namespace.under = Fact::Known(under(namespace, &by_pid));
    }
}

fn under(namespace: &Namespace, by_pid: &HashMap<Pid, &Member>) -> Option<u64> {
    let first = namespace.first.as_ref()?;
    let parent = |pid: Pid| by_pid.get(&pid)?.occupant.parent.known().copied().flatten();
    let mut pid = if first.elsewhere { Some(first.pid) } else { parent(first.pid) };
    // No more steps than there are processes in it: parents form no ring, but may change meanwhile.
    for _ in 0..=namespace.processes {
        let above = by_pid.get(&pid?)?.namespaces.inode(namespace.kind)?;
        if above != namespace.inode {
            return Some(above);
        }
        pid = parent(pid?);
    }
    None
}
