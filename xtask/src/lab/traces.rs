//! What the runtimes make outside the lab's directory, whatever they are told: the containers'
//! cgroups and their parent, docker's key and its empty directories, the shims' sockets.

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Children before their parents.
const MADE_BY_ENGINES: [&str; 10] = [
    "/etc/docker/key.json",
    "/etc/docker",
    "/opt/containerd/bin",
    "/opt/containerd/lib",
    "/opt/containerd",
    "/run/docker/plugins",
    "/run/docker",
    "/run/containerd/s",
    "/run/containerd",
    "/run/runc",
];

/// The paths that do not exist yet.
pub(super) fn absent() -> Vec<PathBuf> {
    let parents = hierarchies().into_iter().map(|hierarchy| hierarchy.join("docker"));
    let outside = MADE_BY_ENGINES.into_iter().map(PathBuf::from);
    outside.chain(parents).filter(|path| !path.exists()).collect()
}

/// Removes files, and directories that are empty: what others put there in the meantime stays.
pub(super) fn remove(paths: &[PathBuf]) {
    for path in paths {
        let _ = if path.is_dir() { std::fs::remove_dir(path) } else { std::fs::remove_file(path) };
    }
}

/// The mount points of all cgroup hierarchies, v1 and v2.
fn hierarchies() -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut found = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        if let (Some(point), Some("cgroup" | "cgroup2")) = (fields.next(), fields.next()) {
            found.push(PathBuf::from(point));
        }
    }
    found
}

/// The cgroups of these names, in every hierarchy.
pub(crate) fn cgroups_named<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<PathBuf> {
    let names = names.into_iter().collect();
    let mut found = Vec::new();
    for hierarchy in hierarchies() {
        search(&hierarchy, &names, &mut found);
    }
    found
}

fn search(dir: &Path, names: &HashSet<&str>, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        if entry.file_name().to_str().is_some_and(|name| names.contains(name)) {
            found.push(entry.path());
        } else {
            search(&entry.path(), names, found);
        }
    }
}

/// Lets paused containers run again: what is frozen cannot die.
pub(super) fn thaw(cgroups: &[PathBuf]) {
    for cgroup in cgroups {
        for (file, value) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
            if cgroup.join(file).exists() {
                let _ = std::fs::write(cgroup.join(file), value);
            }
        }
    }
}

/// The processes in these cgroups, each once.
pub(super) fn members(cgroups: &[PathBuf]) -> BTreeSet<i32> {
    let mut pids = BTreeSet::new();
    for cgroup in cgroups {
        let text = std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
        pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    }
    pids
}
