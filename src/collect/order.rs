//! The order of a list of containers: like beside like, what is within after what it is in.

use crate::model::container::Container;
use crate::model::text::Text;
use std::collections::HashMap;

/// Sorts, and notes in each container what it is within and how deep.
pub fn order(mut list: Vec<Container>, within: &[Option<usize>]) -> Vec<Container> {
    let labels: Vec<Text> = list.iter().map(Container::label).collect();
    for (place, container) in list.iter_mut().enumerate() {
        let above = |place: &usize| within.get(*place).copied().flatten();
        container.within = above(&place).and_then(|outer| labels.get(outer)).cloned();
        container.depth = std::iter::successors(above(&place), above).count();
    }
    let starts = pod_starts(&list);
    let key = |place: usize| list.get(place).map(|container| sort_key(container, &starts));
    let mut inner: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for place in 0..list.len() {
        inner.entry(within.get(place).copied().flatten()).or_default().push(place);
    }
    for places in inner.values_mut() {
        places.sort_by_cached_key(|place| key(*place));
    }
    let mut order = Vec::with_capacity(list.len());
    let mut next = inner.remove(&None).unwrap_or_default();
    next.reverse();
    while let Some(place) = next.pop() {
        order.push(place);
        next.extend(inner.remove(&Some(place)).unwrap_or_default().into_iter().rev());
    }
    let mut taken: Vec<Option<Container>> = list.into_iter().map(Some).collect();
    order.into_iter().filter_map(|place| taken.get_mut(place)?.take()).collect()
}

/// When the first container of each pod started: a pod stands where that would.
fn pod_starts(list: &[Container]) -> HashMap<Text, u64> {
    let mut starts = HashMap::new();
    for container in list {
        if let Some(uid) = pod_uid(container) {
            let start = start_of(container);
            let first = starts.entry(uid.clone()).or_insert(start);
            *first = start.min(*first);
        }
    }
    starts
}

fn sort_key(container: &Container, pods: &HashMap<Text, u64>) -> impl Ord + use<> {
    let own = start_of(container);
    let uid = pod_uid(container);
    let start = uid.and_then(|uid| pods.get(uid)).copied().unwrap_or(own);
    let is_work = container.pod.as_ref().is_some_and(|pod| !pod.sandbox);
    let pid = container.init.as_ref().map(|init| init.pid);
    let runtime = container.runtime;
    (runtime, start, uid.cloned(), is_work, own, pid, container.name.clone())
}

/// What has no process comes after what has one.
fn start_of(container: &Container) -> u64 {
    container.init.as_ref().map_or(u64::MAX, |init| init.start_ticks)
}

fn pod_uid(container: &Container) -> Option<&Text> {
    container.pod.as_ref()?.uid.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::container::Init;
    use crate::model::pod::Pod;
    use crate::model::process::{Pid, State};
    use crate::model::runtime::Runtime;

    fn container(name: &str, start_ticks: u64) -> Container {
        let pid = Pid::new(u32::try_from(start_ticks).unwrap()).unwrap();
        Container {
            runtime: Runtime::Containerd,
            name: Some(name.into()),
            init: Some(Init { pid, start_ticks, comm: Text::default(), state: State(b'S') }),
            ..Container::default()
        }
    }

    fn names(list: &[Container]) -> Vec<String> {
        list.iter().map(|container| container.label().to_string()).collect()
    }

    #[test]
    fn what_is_within_follows_what_it_is_in() {
        let list =
            vec![container("inner", 9), container("b", 5), container("a", 3), container("in2", 11)];
        let ordered = order(list, &[Some(2), None, None, Some(0)]);
        assert_eq!(names(&ordered), ["a", "inner", "in2", "b"]);
        assert_eq!(ordered[2].depth, 2);
        assert_eq!(ordered[1].within.as_ref().unwrap(), &"a");
    }

    #[test]
    fn a_pods_sandbox_heads_it() {
        let member = |name, start, sandbox| {
            let pod = Pod { uid: Some("u".into()), sandbox, ..Pod::default() };
            Container { pod: Some(pod), ..container(name, start) }
        };
        let list = vec![
            member("app", 2, false),
            container("x", 3),
            member("pause", 4, true),
            member("log", 5, false),
        ];
        assert_eq!(names(&order(list, &[None; 4])), ["pause", "app", "log", "x"]);
    }
}
