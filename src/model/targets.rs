//! For each container of a list the target that means it and no other of them.

use super::container::{Container, Identity};
use super::text::Text;
use std::collections::{HashMap, HashSet};

/// Of all containers that a name may not be mistaken for.
#[derive(Debug, Default)]
pub struct Targets(HashMap<Identity, Target>);

#[derive(Debug)]
struct Target {
    shortest: Text,
    /// With its runtime.
    full: Text,
}

impl Targets {
    /// All of them.
    pub fn of(list: &[Container]) -> Self {
        let mut uses: HashMap<Text, usize> = HashMap::new();
        for claim in list.iter().flat_map(claims) {
            *uses.entry(claim).or_default() += 1;
        }
        let is_unique = |spelling: &&Text| uses.get(spelling) == Some(&1);
        let best = |container: &Container| {
            let spellings = spellings(container);
            let unique = spellings.iter().find(is_unique);
            let shortest = unique.or(spellings.last())?.clone();
            let spelling = container.spelling();
            let full = Some(&spelling).filter(is_unique).unwrap_or(&shortest).clone();
            Some((container.identity(), Target { shortest, full }))
        };
        Self(list.iter().filter_map(best).collect())
    }

    /// The shortest that means a container, which may have been copied since.
    pub fn shortest(&self, container: &Container) -> Text {
        self.get(container, |target| &target.shortest)
    }

    /// The one with its runtime; a shorter one only where that means another, too.
    pub fn full(&self, container: &Container) -> Text {
        self.get(container, |target| &target.full)
    }

    /// How it is spelled where it was not among them.
    fn get(&self, container: &Container, which: fn(&Target) -> &Text) -> Text {
        let known = self.0.get(&container.identity()).map(which).cloned();
        known.unwrap_or_else(|| container.spelling())
    }
}

/// From the shortest to the most certain.
fn spellings(container: &Container) -> Vec<Text> {
    // Digits are a pid, and a word before a colon has a meaning of its own. Within a pod names are
    // the pod's own.
    let in_kubernetes = container.pod.as_ref().is_some_and(|pod| pod.namespace.is_some());
    let is_plain = |name: &&Text| {
        let bytes = name.as_bytes();
        !bytes.iter().all(u8::is_ascii_digit) && !bytes.iter().any(|byte| b":/".contains(byte))
    };
    let short = match &container.name {
        Some(name) => Some(name).filter(|_| !in_kubernetes),
        None => container.id.as_ref(),
    };
    let pid = container.init.as_ref().map(|init| init.pid.to_string().into());
    let id = container.id.as_ref().filter(is_plain).cloned();
    let spelling = Some(container.spelling()).filter(|spelling| !spelling.is_empty());
    [short.filter(is_plain).cloned(), spelling, id, pid].into_iter().flatten().collect()
}

/// Everything that leads to it, each once.
fn claims(container: &Container) -> HashSet<Text> {
    let mut claims: HashSet<Text> = spellings(container).into_iter().collect();
    for name in [&container.name, &container.id].into_iter().flatten() {
        let of_runtime = [container.runtime.name().as_bytes(), b":", name.as_bytes()].concat();
        claims.extend([name.clone(), of_runtime.into()]);
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::container::Init;
    use crate::model::process::{Pid, State};

    fn named(name: &str, pid: u32) -> Container {
        let init = Init {
            pid: Pid::new(pid).unwrap(),
            start_ticks: 1,
            comm: "sleep".into(),
            state: State(b'S'),
        };
        Container { name: Some(name.into()), init: Some(init), ..Container::default() }
    }

    #[test]
    fn who_has_a_name_like_another_is_not_meant_by_it() {
        let list = [named("web", 42), named("db", 43), named("web", 44)];
        let targets = Targets::of(&list);
        let told: Vec<_> =
            list.iter().map(|one| (targets.shortest(one), targets.full(one))).collect();
        let pair = |one: &str, other: &str| (Text::from(one), Text::from(other));
        let runtime = list[0].runtime.name();
        let full = format!("{runtime}:db");
        assert_eq!(told, [pair("42", "42"), pair("db", &full), pair("44", "44")]);
        // Of a copy, and of one that was not there.
        assert_eq!(targets.shortest(&named("web", 44)), Text::from("44"));
        let other = named("new", 45);
        assert_eq!(targets.shortest(&other), other.spelling());
    }
}
