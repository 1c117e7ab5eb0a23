//! What the runtimes make outside the lab's directory, whatever they are told: the containers'
//! cgroups and the groups above them, docker's key, empty directories, the shims' sockets.

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Children before their parents.
const MADE_BY_RUNTIMES: [&str; 26] = [
    "/etc/docker/key.json",
    "/etc/docker",
    "/opt/containerd/bin",
    "/opt/containerd/lib",
    "/opt/containerd",
    "/run/docker/plugins",
    "/run/docker",
    "/run/containerd/s",
    "/run/containerd/fifo",
    "/run/containerd/runc/default",
    "/run/containerd/runc/k8s.io",
    "/run/containerd/runc",
    "/run/containerd",
    "/run/runc",
    "/run/crun",
    "/run/runsc",
    "/run/netns",
    "/run/lxc/lock",
    "/run/lxc",
    "/run/systemd/nspawn/locks",
    "/run/systemd/nspawn/propagate",
    "/run/systemd/nspawn",
    "/run/systemd",
    "/var/lib/containers/cache/blob-info-cache-v1.boltdb",
    "/var/lib/containers/cache",
    "/var/lib/containers",
];

/// Control groups that hold those of the containers, or are left beside them; children first.
const GROUPS: [&str; 10] = [
    "docker",
    "default",
    "k8s.io",
    "kubepods/burstable",
    "kubepods",
    "libpod_parent/conmon",
    "libpod_parent",
    "lxc.pivot",
    "payload",
    "supervisor",
];

/// The paths that do not exist yet; `lab` is where the lab will be.
pub(super) fn absent(lab: &Path) -> Vec<PathBuf> {
    // LXC locks what is in a directory by a path of the same name.
    let locks = Path::new("/run/lxc/lock");
    let lab = locks.join(lab.strip_prefix("/").unwrap_or(lab));
    let locks = lab.ancestors().take_while(|above| *above != locks).map(Path::to_owned);
    let hierarchies = hierarchies();
    // Some groups are made in the hierarchy's root, others where whoever starts the runtime is.
    let mut groups = Vec::new();
    for hierarchy in &hierarchies {
        for own in own_groups() {
            let above = hierarchy.join(own.trim_start_matches('/'));
            groups.extend(GROUPS.iter().map(|group| above.join(group)));
        }
    }
    // gVisor makes directories where a hierarchy would be mounted.
    let beside = hierarchies.first().and_then(|first| first.parent());
    let controllers = std::fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let controllers = controllers.lines().filter_map(|line| line.split_whitespace().next());
    let places = beside.map(|beside| controllers.map(move |name| beside.join(name)));
    let outside = locks.chain(MADE_BY_RUNTIMES.into_iter().map(PathBuf::from)).chain(groups);
    outside.chain(places.into_iter().flatten()).filter(|path| !path.exists()).collect()
}

/// The groups that we are in, and the root.
fn own_groups() -> HashSet<String> {
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = text.lines().filter_map(|line| line.splitn(3, ':').nth(2).map(str::to_owned));
    own.chain(["/".to_owned()]).collect()
}

/// Removes files, and directories that are empty: what others put there in the meantime stays.
pub(super) fn remove(paths: &[PathBuf]) {
    for path in paths {
        if !path.is_dir() {
            let _ = std::fs::remove_file(path);
        } else if std::fs::remove_dir(path).is_err_and(|error| is_busy(&error)) {
            // podman mounts /run/netns over itself.
            if rustix::mount::unmount(path, rustix::mount::UnmountFlags::empty()).is_ok() {
                let _ = std::fs::remove_dir(path);
            }
        }
    }
}

/// Removes a group and those below it, unless somebody stays in one of them.
pub(super) fn remove_group(group: &Path) {
    for below in directories_in(group) {
        remove_group(&below);
    }
    // The last process may be ending, or have ended without having left yet.
    for _ in 0..100 {
        let Err(error) = std::fs::remove_dir(group) else { return };
        if !is_busy(&error) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_busy(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::ResourceBusy
}

/// Removes the groups above and beside those of the containers, in a hierarchy of the lab's own.
pub(super) fn remove_shared_groups(hierarchy: &Path) {
    remove(&GROUPS.map(|group| hierarchy.join(group)));
}

/// The names of what is in a directory.
pub(super) fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn directories_in(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let is_dir = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_dir).map(|entry| entry.path()).collect()
}

/// The sockets of the shims of one of containerd's namespaces, which it puts into
/// /run/containerd/s.
pub(super) fn shim_sockets(tasks: &Path) -> Vec<PathBuf> {
    let ids = names_in(tasks).into_iter();
    let addresses =
        ids.filter_map(|id| std::fs::read_to_string(tasks.join(id).join("address")).ok());
    addresses.filter_map(|text| text.trim().strip_prefix("unix://").map(PathBuf::from)).collect()
}

/// The directories of the streams of ctr's containers, where it always puts them.
pub(super) fn streams(ids: &[String]) -> Vec<PathBuf> {
    let is_of = |dir: &PathBuf| {
        let names = names_in(dir);
        ids.iter().any(|id| names.iter().any(|name| name.strip_prefix(id) == Some("-stdout")))
    };
    directories_in(Path::new("/run/containerd/fifo")).into_iter().filter(is_of).collect()
}

/// The mount points of all cgroup hierarchies, v1 and v2.
pub(super) fn hierarchies() -> Vec<PathBuf> {
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
