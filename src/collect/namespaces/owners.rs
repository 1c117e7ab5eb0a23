//! Which container a namespace belongs to.

use crate::collect::containers::collect_containers;
use crate::model::census::{Fact, Namespace, NsKey};
use crate::model::container::Container;
use crate::model::gap::Gap;
use crate::model::process::Pid;
use crate::sys::root::SysRoot;
use std::collections::HashMap;

/// That of the containers whose own it is which stands outermost, as the sandbox of a pod does;
/// else that of its first process.
pub(super) fn add(root: &SysRoot, namespaces: &mut [Namespace]) -> Vec<Gap> {
    let containers = match collect_containers(root) {
        Ok(containers) => containers,
        Err(error) => {
            for namespace in namespaces {
                namespace.container = Fact::Unknown;
            }
            return vec![error.gap("containers")];
        }
    };
    let mut by_namespace: HashMap<NsKey, &Container> = HashMap::new();
    let mut by_process: HashMap<Pid, &Container> = HashMap::new();
    for container in &containers.list {
        for kind in container.own.iter() {
            if let Some(inode) = container.namespaces.inode(kind) {
                by_namespace.entry(NsKey { inode, kind }).or_insert(container);
            }
        }
        for pid in &container.processes {
            // The innermost comes last.
            by_process.insert(*pid, container);
        }
    }
    for namespace in namespaces {
        let first = namespace.first.as_ref().and_then(|first| by_process.get(&first.pid));
        let owner = by_namespace.get(&namespace.key()).or(first);
        let owner = owner.filter(|_| !namespace.of_host);
        namespace.container = Fact::Known(owner.map(|container| container.label()));
    }
    // What could not be seen of processes is told already.
    containers.gaps.into_iter().filter(|gap| gap.what != "namespaces").collect()
}
