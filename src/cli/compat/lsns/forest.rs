//! Which namespaces are shown, in which order, and what each hangs under.

use super::columns::Line;
use super::options::{Options, Selection, Tree};
use crate::model::census::{Census, Fact, Holder, Namespace, Occupant};
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::Pid;
use std::collections::{HashMap, HashSet};

/// A line, and the earlier one that it hangs under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    pub(super) line: Line<'a>,
    pub(super) parent: Option<usize>,
}

/// The namespaces of a host. `task` is in these.
pub(super) fn of_namespaces<'a>(
    census: &'a Census,
    options: &Options,
    task: Option<&NsSet>,
) -> Vec<Placed<'a>> {
    let of_kind = |one: &Namespace| options.kinds.is_empty() || options.kinds.has(one.kind);
    let known: Vec<&Namespace> = census.namespaces.iter().filter(|one| of_kind(one)).collect();
    let above = Above::new(&known);
    let related = matches!(options.tree, Some(Tree::Parent | Tree::Owner));
    // In a list only what is above a namespace that no process is in.
    let ghosts = above.of(|one| is_visible(one) && (related || one.processes == 0));
    let wanted = |(at, one): (usize, &&Namespace)| {
        let selected = match options.selection {
            Selection::Persistent => one.processes == 0,
            Selection::Task(_) => task.is_some_and(|task| task.inode(one.kind) == Some(one.inode)),
            Selection::All | Selection::Namespace(_) => true,
        };
        (selected && (is_visible(one) || ghosts.contains(&at))).then_some(at)
    };
    let wanted: Vec<usize> = known.iter().enumerate().filter_map(wanted).collect();
    let line = |at: usize| known.get(at).map(|one| line_of(one));
    match options.tree {
        None => unrelated(wanted.into_iter().filter_map(line)),
        Some(Tree::Process) => under_processes(wanted.into_iter().filter_map(line)),
        Some(tree) => {
            let needs = |at: usize| match tree {
                Tree::Parent => [above.owner(at), above.parent(at)],
                _ => [None, above.owner(at)],
            };
            under(&wanted, needs, line)
        }
    }
}

/// The namespace of an inode, of the kinds asked for, if lsns would see it.
pub(super) fn find<'a>(census: &'a Census, options: &Options, inode: u64) -> Option<&'a Namespace> {
    let asked_for = |one: &&Namespace| {
        one.inode == inode && (options.kinds.is_empty() || options.kinds.has(one.kind))
    };
    census.namespaces.iter().find(asked_for).filter(|one| is_visible(one))
}

/// The processes of one namespace.
pub(super) fn of_processes<'a>(
    census: &'a Census,
    namespace: &'a Namespace,
    tree: bool,
) -> Vec<Placed<'a>> {
    let is_in = |set: &NsSet| set.inode(namespace.kind) == Some(namespace.inode);
    let members = census.members.iter().filter(|member| is_in(&member.namespaces));
    let processes: Vec<&Occupant> = members.map(|member| &member.occupant).collect();
    let line = |at: usize| processes.get(at).map(|one| Line { namespace, process: Some(one) });
    let every: Vec<usize> = (0..processes.len()).collect();
    if !tree {
        return unrelated(every.into_iter().filter_map(line));
    }
    let places: HashMap<Pid, usize> =
        processes.iter().enumerate().map(|(at, process)| (process.pid, at)).collect();
    let parent = |at: usize| places.get(&parent_of(processes.get(at)?)?).copied();
    under(&every, |at| [None, parent(at)], line)
}

/// Without those that a filter does not let through: what hung under them hangs under nothing.
pub(super) fn filtered<'a>(
    placed: Vec<Placed<'a>>,
    passes: impl Fn(Line<'a>) -> bool,
) -> Vec<Placed<'a>> {
    let mut kept: Vec<Placed<'a>> = Vec::new();
    let mut moved: Vec<Option<usize>> = Vec::with_capacity(placed.len());
    for one in placed {
        if !passes(one.line) {
            moved.push(None);
            continue;
        }
        let parent = one.parent.and_then(|parent| moved.get(parent).copied().flatten());
        moved.push(Some(kept.len()));
        kept.push(Placed { parent, ..one });
    }
    kept
}

/// What lsns sees: processes, descriptors, and mounts in its own mount namespace.
fn is_visible(namespace: &Namespace) -> bool {
    let holders = namespace.holders.known().into_iter().flatten();
    let held =
        |holder: &Holder| matches!(holder, Holder::Descriptor { .. } | Holder::Socket { .. });
    namespace.processes > 0 || !namespace.mounts.is_empty() || holders.into_iter().any(held)
}

fn line_of(namespace: &Namespace) -> Line<'_> {
    let process = namespace.first.as_ref().filter(|first| !first.elsewhere);
    Line { namespace, process }
}

fn parent_of(process: &Occupant) -> Option<Pid> {
    process.parent.known().copied().flatten()
}

fn unrelated<'a>(lines: impl Iterator<Item = Line<'a>>) -> Vec<Placed<'a>> {
    lines.map(|line| Placed { line, parent: None }).collect()
}

/// Each under the last before it whose first process is the parent of its own.
fn under_processes<'a>(lines: impl Iterator<Item = Line<'a>>) -> Vec<Placed<'a>> {
    let mut last: HashMap<Pid, usize> = HashMap::new();
    let mut placed = Vec::new();
    for line in lines {
        let parent = line.process.and_then(parent_of).and_then(|pid| last.get(&pid).copied());
        if let Some(process) = line.process {
            last.insert(process.pid, placed.len());
        }
        placed.push(Placed { line, parent });
    }
    placed
}

/// Each after the two that it needs, under the second.
fn under<'a>(
    wanted: &[usize],
    needs: impl Fn(usize) -> [Option<usize>; 2],
    line: impl Fn(usize) -> Option<Line<'a>>,
) -> Vec<Placed<'a>> {
    let mut placed: Vec<Placed<'a>> = Vec::new();
    let mut places: HashMap<usize, usize> = HashMap::new();
    // Numbers that are given anew can make what was read a circle.
    let mut entered: HashSet<usize> = HashSet::new();
    for start in wanted {
        let mut pending = vec![*start];
        while let Some(top) = pending.last().copied() {
            if entered.insert(top) || !places.contains_key(&top) {
                let missing = needs(top).into_iter().flatten().find(|one| !entered.contains(one));
                if let Some(missing) = missing {
                    pending.push(missing);
                    continue;
                }
                let [_, parent] = needs(top);
                let parent = parent.and_then(|parent| places.get(&parent).copied());
                if let Some(line) = line(top) {
                    places.insert(top, placed.len());
                    placed.push(Placed { line, parent });
                }
            }
            pending.pop();
        }
    }
    placed
}

/// What is above each namespace, by place in a list.
struct Above<'a> {
    list: &'a [&'a Namespace],
    places: HashMap<u64, usize>,
}

impl<'a> Above<'a> {
    fn new(list: &'a [&'a Namespace]) -> Self {
        let places = list.iter().enumerate().map(|(at, one)| (one.inode, at)).collect();
        Self { list, places }
    }

    fn owner(&self, at: usize) -> Option<usize> {
        self.find(self.list.get(at)?.owner, Kind::User)
    }

    fn parent(&self, at: usize) -> Option<usize> {
        let one = self.list.get(at)?;
        self.find(one.parent, one.kind)
    }

    fn find(&self, inode: Fact<Option<u64>>, kind: Kind) -> Option<usize> {
        let at = *self.places.get(&inode.known().copied().flatten()?)?;
        (self.list.get(at)?.kind == kind).then_some(at)
    }

    /// All that is above these, whoever is in it.
    fn of(&self, these: impl Fn(&Namespace) -> bool) -> HashSet<usize> {
        let below = self.list.iter().enumerate().filter(|(_, one)| these(one));
        let mut pending: Vec<usize> = below.map(|(at, _)| at).collect();
        let mut above = HashSet::new();
        while let Some(at) = pending.pop() {
            let both = [self.owner(at), self.parent(at)];
            pending.extend(both.into_iter().flatten().filter(|one| above.insert(*one)));
        }
        above
    }
}

#[cfg(test)]
mod tests;
