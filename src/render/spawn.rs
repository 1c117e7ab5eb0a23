//! What `spawn` would do, in words.

use super::net_wish;
use crate::model::files::{Files, More, Writes};
use crate::model::isolation::{Isolation, Propagation};
use crate::model::security::IdRange;
use crate::model::text::Text;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One line a step, in order.
pub fn dry_run(isolation: &Isolation, program: &Text) -> String {
    let mut steps: Vec<(&str, String)> = Vec::new();
    if !isolation.new.is_empty() {
        steps.push(("new", isolation.new.to_string()));
    }
    if let Some((uid, gid)) = isolation.owner {
        steps.push(("owner", format!("uid {uid}, gid {gid}")));
    }
    if let Some(map) = &isolation.users {
        for (name, ranges) in [("uid_map", &map.users), ("gid_map", &map.groups)] {
            steps.extend(ranges.iter().map(|range| (name, mapped(*range))));
        }
        if let Some(setgroups) = map.setgroups {
            steps.push(("groups", format!("setgroups(2): {}", setgroups.word())));
        }
    }
    let clocks = isolation.clocks;
    for (name, offset) in [("monotonic", clocks.monotonic), ("boottime", clocks.boottime)] {
        steps.extend(offset.map(|offset| ("clock", format!("{name} {offset:+} s"))));
    }
    files(&isolation.files, &mut steps);
    mounts(isolation, &mut steps);
    for (name, value) in [("hostname", &isolation.hostname), ("domain", &isolation.domainname)] {
        steps.extend(value.as_ref().map(|value| (name, Text::new(value.as_bytes()).to_string())));
    }
    match &isolation.network {
        Some(wish) => steps.push(("net", net_wish::outline(wish))),
        None if isolation.loopback => steps.push(("net", "lo, up".to_owned())),
        None => {}
    }
    for (kind, file) in &isolation.kept {
        let file = Text::new(file.as_os_str().as_bytes());
        steps.push(("keep", format!("the {kind} namespace on {file}")));
    }
    let limits = isolation.limits.words();
    steps.extend(limits.iter().map(|(name, value)| ("limit", format!("{name} {value}"))));
    life(isolation, &mut steps);
    if let Some(directory) = &isolation.directory {
        steps.push(("chdir", Text::new(directory.to_bytes()).to_string()));
    }
    let identity = &isolation.identity;
    let ids = [("uid", identity.uid), ("gid", identity.gid)];
    steps
        .extend(ids.iter().filter_map(|(name, id)| Some(("become", format!("{name} {}", (*id)?)))));
    steps.extend(isolation.restrictions.told());
    steps.push(("exec", program.to_string()));
    let lines: Vec<_> = steps.iter().map(|(step, what)| format!("{step:<9} {what}")).collect();
    lines.join("\n") + "\n"
}

/// `0..65535 inside are 100000..165535 outside`
fn mapped(range: IdRange) -> String {
    let IdRange { inside, outside, count } = range;
    if count == 1 {
        return format!("{inside} inside is {outside} outside");
    }
    let last = |first: u32| first.saturating_add(count - 1);
    format!("{inside}..{} inside are {outside}..{} outside", last(inside), last(outside))
}

/// In the order in which they are mounted.
fn files(files: &Files, steps: &mut Vec<(&str, String)>) {
    if files.are_as_they_are() {
        return;
    }
    let path = |path: &Path| Text::new(path.as_os_str().as_bytes());
    steps.push(("mounts", "private: nothing mounted inside is seen outside".to_owned()));
    let root = files
        .root
        .as_deref()
        .map_or_else(|| "the host's".to_owned(), |root| path(root).to_string());
    let way = if files.read_only { ", read-only" } else { "" };
    steps.push(("root", format!("{root}{way}")));
    match &files.overlay {
        None => {}
        Some(Writes::Memory) => {
            steps.push(("overlay", "what is written stays in memory".to_owned()));
        }
        Some(Writes::Directory(directory)) => {
            steps.push(("overlay", format!("what is written stays in {}", path(directory))));
        }
    }
    steps.extend(files.more.iter().map(|more| match more {
        More::Bind { source, at, read_only } => {
            let way = if *read_only { ", read-only" } else { "" };
            ("bind", format!("{} on {}{way}", path(source), path(at)))
        }
        More::Memory { at, .. } => ("tmpfs", path(at).to_string()),
    }));
}

fn mounts(isolation: &Isolation, steps: &mut Vec<(&str, String)>) {
    let mounts = &isolation.mounts;
    if let Some(propagation) = mounts.propagation {
        let word = match propagation {
            Propagation::Private => "private: nothing mounted inside is seen outside",
            Propagation::Slave => "slaves: nothing mounted inside is seen outside",
            Propagation::Shared => "shared",
            Propagation::Unchanged => "as they are: what is mounted inside may be seen outside",
        };
        steps.push(("mounts", word.to_owned()));
    }
    let places = [("root", &mounts.root), ("proc", &mounts.proc), ("binfmt", &mounts.binfmt)];
    for (name, place) in places {
        steps.extend(place.as_ref().map(|place| (name, Text::new(place.to_bytes()).to_string())));
    }
}

fn life(isolation: &Isolation, steps: &mut Vec<(&str, String)>) {
    let life = &isolation.life;
    if life.fork {
        let what =
            "a child; signals, stops and the exit status are passed on, and it ends with nsx";
        steps.push(("fork", what.to_owned()));
    }
    if life.init {
        steps.push(("init", "reaps what the program leaves behind, and ends it".to_owned()));
    }
    if let Some(limit) = life.limit {
        let grace = life.grace.unwrap_or(std::time::Duration::from_secs(5));
        steps.push(("timeout", format!("SIGTERM after {limit:?}, and SIGKILL {grace:?} later")));
    }
}
