//! What lies on what: which mounts cannot be reached by their path any more.

use super::paths::{Paths, trimmed};
use crate::model::mount::Mount;
use std::collections::HashMap;

/// The mounts of one namespace by their ids.
#[derive(Debug)]
pub(super) struct Tree {
    by_id: HashMap<u32, usize>,
    /// By the id of what they are mounted on.
    children: Paths<u32>,
}

/// What is known of whether the way to a mount is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Unknown,
    /// On a way that is being looked at: mounts of a broken list may stand on each other.
    Open,
    Free,
    Hidden,
}

/// What is known of all mounts before their ways are looked for.
#[derive(Clone, Copy)]
struct Known<'a> {
    mounts: &'a [Mount],
    /// What each is mounted on.
    parents: &'a [Option<usize>],
    /// By one on its own root.
    covered: &'a [bool],
}

impl Tree {
    pub(super) fn of(mounts: &[Mount]) -> Self {
        let by_id = HashMap::with_capacity(mounts.len());
        let mut tree = Self { by_id, children: Paths::of(mounts.len()) };
        for (at, mount) in mounts.iter().enumerate() {
            tree.by_id.insert(mount.id, at);
            tree.children.add(&mount.parent_id, mount.target.as_bytes(), at);
        }
        tree
    }

    /// Whether something is mounted on a path within a mount, or on the way to it from there.
    pub(super) fn crosses(&self, mount: &Mount, path: &[u8]) -> bool {
        let from = mount.target.as_bytes();
        self.children.first_below(&mount.id, from, path).is_some()
    }

    fn parent(&self, mount: &Mount) -> Option<usize> {
        self.by_id.get(&mount.parent_id).copied().filter(|_| mount.parent_id != mount.id)
    }

    /// For each mount whether it is hidden: by one on its root, or by one on the way to it.
    pub(super) fn hidden(&self, mounts: &[Mount]) -> Vec<bool> {
        let mut covered = vec![false; mounts.len()];
        let parents: Vec<Option<usize>> = mounts.iter().map(|mount| self.parent(mount)).collect();
        for (mount, parent) in mounts.iter().zip(&parents) {
            if let Some(parent) = *parent
                && mounts.get(parent).is_some_and(|parent| is_on_root(mount, parent))
                && let Some(covered) = covered.get_mut(parent)
            {
                *covered = true;
            }
        }
        let mut ways = vec![Way::Unknown; mounts.len()];
        for start in 0..mounts.len() {
            self.find_way(Known { mounts, parents: &parents, covered: &covered }, &mut ways, start);
        }
        let ways = ways.into_iter().map(|way| way == Way::Hidden);
        covered.into_iter().zip(ways).map(|(covered, hidden)| covered || hidden).collect()
    }

    /// Down to what is known, and up again: each mount is looked at once.
    fn find_way(&self, known: Known<'_>, ways: &mut [Way], start: usize) {
        let mut pending = Vec::new();
        let mut at = Some(start);
        let mut below = Way::Free;
        while let Some(here) = at {
            match ways.get_mut(here) {
                Some(way @ Way::Unknown) => *way = Way::Open,
                Some(Way::Open) | None => break,
                Some(known) => {
                    below = *known;
                    break;
                }
            }
            pending.push(here);
            at = known.parents.get(here).copied().flatten();
        }
        while let Some(here) = pending.pop() {
            let (Some(mount), Some(way)) = (known.mounts.get(here), ways.get_mut(here)) else {
                continue;
            };
            let is_free = below == Way::Free && self.is_free(known, here, mount);
            *way = if is_free { Way::Free } else { Way::Hidden };
            below = *way;
        }
    }

    /// Whether it can be come to from the root of what it is mounted on.
    fn is_free(&self, known: Known<'_>, at: usize, mount: &Mount) -> bool {
        let parent = known.parents.get(at).copied().flatten();
        let from = parent.and_then(|parent| known.mounts.get(parent));
        if from.is_some_and(|parent| is_on_root(mount, parent)) {
            return true;
        }
        if parent.is_some_and(|parent| known.covered.get(parent) == Some(&true)) {
            return false;
        }
        // Nothing is seen of what the topmost is mounted on, which may be on a path of its own.
        let from = from.map_or(&b""[..], |parent| trimmed(parent.target.as_bytes()));
        // There is no way to what lies directly in its parent that something could lie on.
        let below =
            mount.target.as_bytes().strip_prefix(from).and_then(|rest| rest.strip_prefix(b"/"));
        if below.is_some_and(|below| !below.contains(&b'/')) {
            return true;
        }
        let first = self.children.first_below(&mount.parent_id, from, mount.target.as_bytes());
        first.is_none_or(|first| first == at)
    }
}

fn is_on_root(mount: &Mount, parent: &Mount) -> bool {
    trimmed(mount.target.as_bytes()) == trimmed(parent.target.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ID PARENT TARGET`
    fn hidden(lines: &[&str]) -> Vec<u32> {
        let mount = |line: &&str| {
            let mut words = line.split(' ');
            Mount {
                id: words.next().unwrap().parse().unwrap(),
                parent_id: words.next().unwrap().parse().unwrap(),
                target: words.next().unwrap().into(),
                ..Mount::default()
            }
        };
        let mounts: Vec<Mount> = lines.iter().map(mount).collect();
        let hidden = Tree::of(&mounts).hidden(&mounts);
        mounts.iter().zip(hidden).filter(|(_, hidden)| *hidden).map(|(mount, _)| mount.id).collect()
    }

    #[test]
    fn what_lies_beside_hides_nothing() {
        let none: [u32; 0] = [];
        assert_eq!(hidden(&["1 0 /", "2 1 /proc", "3 2 /proc/sys", "4 1 /pro", "5 1 /p"]), none);
        assert_eq!(hidden(&["1 1 /", "2 1 /a", "3 1 /ab/c", "4 1 /ab/d"]), none);
    }

    #[test]
    fn what_is_mounted_on_a_root_hides_it_and_what_is_on_it() {
        let lines = ["1 0 /", "2 1 /a", "3 2 /a/b", "4 3 /a/b/c", "5 2 /a", "6 5 /a/b"];
        assert_eq!(hidden(&lines), [2, 3, 4]);
        let mut turned = lines;
        turned.reverse();
        assert_eq!(hidden(&turned), [4, 3, 2]);
        assert_eq!(hidden(&["1 0 /", "2 1 /a", "3 2 /a", "4 3 /a"]), [2, 3]);
    }

    #[test]
    fn what_is_mounted_on_the_way_hides_what_is_behind_it() {
        assert_eq!(hidden(&["1 0 /", "2 1 /a/b", "3 2 /a/b/c", "4 1 /a", "5 4 /a/b"]), [2, 3]);
        assert_eq!(hidden(&["9 7 /", "8 9 /", "2 9 /x"]), [9, 2]);
    }

    #[test]
    fn mounts_that_stand_on_each_other_come_to_an_end() {
        hidden(&["1 2 /a", "2 1 /a/b", "3 2 /a/b", "3 3 /"]);
    }

    proptest::proptest! {
        #[test]
        fn no_list_is_too_odd(list: Vec<(u8, u8, Vec<u8>)>) {
            let mounts: Vec<Mount> = list
                .into_iter()
                .map(|(id, parent, target)| Mount {
                    id: (id % 8).into(),
                    parent_id: (parent % 8).into(),
                    target: target.into(),
                    ..Mount::default()
                })
                .collect();
            proptest::prop_assert_eq!(Tree::of(&mounts).hidden(&mounts).len(), mounts.len());
        }
    }
}
