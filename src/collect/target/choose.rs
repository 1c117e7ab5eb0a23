//! The one container that a name means.
//!
//! A container of the host that root vouches for is never hidden, and never made ambiguous, by one
//! that a user made or that runs within another: those are considered only where no other matches.

use super::error::TargetError;
use super::grammar::Spelled;
use crate::model::container::Container;
use crate::model::gap::{self, Gap};
use crate::model::pod::Pod;
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::text::Text;

/// The shortest id prefix that is looked up.
const SHORTEST_PREFIX: usize = 4;

type Matches<'m> = &'m dyn Fn(&Container) -> bool;

/// Where a record of the host's is among the gaps, a name may be that one's: it leads no further than
/// to what root vouches for.
pub(super) fn container<'a>(
    (list, gaps): (&'a [Container], &[Gap]),
    spelled: &[u8],
    meaning: &Spelled<'_>,
) -> Result<&'a Container, TargetError> {
    let found = match meaning {
        Spelled::Pod { container, .. } => of_pod(&pod(list, meaning), container.is_some()),
        _ => containers(list, meaning),
    };
    let found = one(&found, spelled, meaning);
    let is_open = match &found {
        Ok(container) => !container.is_of_the_host() && !is_by_id(container, meaning),
        Err(TargetError::NoContainer(_) | TargetError::NoPod(_)) => true,
        Err(_) => false,
    };
    match gap::leaves_names_open(gaps).filter(|_| is_open) {
        Some(Gap { object, what, .. }) => Err(TargetError::Unread {
            spelled: Text::new(spelled),
            gap: format!("{what} of {object}"),
        }),
        None => found,
    }
}

/// The kernel's word, and no record's.
fn is_by_id(container: &Container, meaning: &Spelled<'_>) -> bool {
    let (Spelled::Container { name, .. } | Spelled::Containerd { name, .. } | Spelled::Cri(name)) =
        meaning
    else {
        return false;
    };
    !is(container.name.as_ref(), name)
        && container.id.as_ref().is_some_and(|id| id.as_bytes().starts_with(name))
}

/// All that are called so, of the best that are.
pub(super) fn containers<'a>(list: &'a [Container], meaning: &Spelled<'_>) -> Vec<&'a Container> {
    match *meaning {
        Spelled::Container { runtime, name } => named(list, name, &|container| {
            runtime.is_none_or(|runtime| runtime == container.runtime)
        }),
        Spelled::Containerd { namespace, name } => named(list, name, &|container| {
            container.runtime == Runtime::Containerd
                && is(container.engine_namespace.as_ref(), namespace)
        }),
        Spelled::Cri(name) => named(list, name, &is_in_kubernetes),
        Spelled::Pod { .. } => pod(list, meaning),
        // No container is spelled like that.
        _ => Vec::new(),
    }
}

/// Every container that a `pod:` target names.
pub(super) fn pod<'a>(list: &'a [Container], meaning: &Spelled<'_>) -> Vec<&'a Container> {
    let Spelled::Pod { namespace, pod, container } = *meaning else { return Vec::new() };
    let in_pod = |found: &Pod| {
        let same_namespace = match namespace {
            Some(namespace) => is(found.namespace.as_ref(), namespace),
            None => found.namespace.is_none(),
        };
        same_namespace
            && is(found.name.as_ref(), pod)
            && container.is_none_or(|name| !found.sandbox && is(found.container.as_ref(), name))
    };
    best(list, &[&|candidate| candidate.pod.as_ref().is_some_and(in_pod)])
}

/// Without the name of a container: the pod's only one, else its sandbox.
fn of_pod<'a>(pod: &[&'a Container], named: bool) -> Vec<&'a Container> {
    let (sandboxes, work): (Vec<&Container>, Vec<&Container>) = pod
        .iter()
        .copied()
        .partition(|container| container.pod.as_ref().is_some_and(|pod| pod.sandbox));
    if named || work.len() == 1 || sandboxes.is_empty() { work } else { sandboxes }
}

/// By a whole name or id, else by the beginning of an id.
fn named<'a>(list: &'a [Container], name: &[u8], within: Matches<'_>) -> Vec<&'a Container> {
    let whole = |container: &Container| {
        is(container.name.as_ref(), name)
            || is(container.id.as_ref(), name)
            // As a table shows a container of a pod.
            || name.contains(&b'/') && container.label().as_bytes() == name
    };
    let long = name.len() >= SHORTEST_PREFIX && name.iter().all(u8::is_ascii_hexdigit);
    let begins = |container: &Container| {
        long && container.id.as_ref().is_some_and(|id| id.as_bytes().starts_with(name))
    };
    best(
        list,
        &[&|container| within(container) && whole(container), &|container| {
            within(container) && begins(container)
        }],
    )
}

/// Those of the first rank that has any; in it, by the first way that finds any.
fn best<'a>(list: &'a [Container], ways: &[Matches<'_>]) -> Vec<&'a Container> {
    for of_the_host in [true, false] {
        for matches in ways {
            let mut found: Vec<&Container> = list
                .iter()
                .filter(|candidate| candidate.is_of_the_host() == of_the_host && matches(candidate))
                .collect();
            if found.iter().any(|container| container.init.is_some()) {
                found.retain(|container| container.init.is_some());
            }
            if !found.is_empty() {
                return found;
            }
        }
    }
    Vec::new()
}

fn one<'a>(
    found: &[&'a Container],
    spelled: &[u8],
    meaning: &Spelled<'_>,
) -> Result<&'a Container, TargetError> {
    let text = || Text::new(spelled);
    match (found, meaning) {
        ([one], _) => Ok(one),
        ([], Spelled::Container { runtime: None, name })
            if name.iter().all(u8::is_ascii_digit) && Pid::parse(name).is_none() =>
        {
            Err(TargetError::NotAPid(text()))
        }
        ([], Spelled::Pod { .. }) => Err(TargetError::NoPod(text())),
        ([], _) => Err(TargetError::NoContainer(text())),
        (many, _) => {
            let candidates: Vec<String> = many.iter().map(|one| describe(one)).collect();
            Err(TargetError::ambiguous(spelled, &candidates))
        }
    }
}

fn is_in_kubernetes(container: &Container) -> bool {
    container.pod.is_some() && container.runtime != Runtime::Podman
}

fn is(text: Option<&Text>, name: &[u8]) -> bool {
    text.is_some_and(|text| text.as_bytes() == name)
}

/// `docker:web (id 6961dd4fce83, pid 30176, uid 1000, within builder)`
fn describe(container: &Container) -> String {
    let mut facts = Vec::new();
    facts.extend(container.short_id().map(|id| format!("id {id}")));
    facts.push(match &container.init {
        Some(init) => format!("pid {}", init.pid),
        None => container.state.name().to_owned(),
    });
    facts.extend(container.owner_uid.filter(|uid| *uid != 0).map(|uid| format!("uid {uid}")));
    facts.extend(container.within.as_ref().map(|outer| format!("within {outer}")));
    format!("{} ({})", container.spelling(), facts.join(", "))
}

#[cfg(test)]
mod tests;
