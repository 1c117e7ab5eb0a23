//! The control groups of the chosen processes, up to the root of each hierarchy.

use super::processes::Process;
use super::store::{self, Store};
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const V2: [&str; 19] = [
    "cgroup.controllers",
    "cgroup.events",
    "cgroup.procs",
    "cgroup.subtree_control",
    "cpu.max",
    "cpu.pressure",
    "cpu.stat",
    "io.pressure",
    "memory.current",
    "memory.events",
    "memory.high",
    "memory.max",
    "memory.peak",
    "memory.pressure",
    "memory.stat",
    "memory.swap.current",
    "pids.current",
    "pids.events",
    "pids.max",
];

const V1: [&str; 16] = [
    "cgroup.procs",
    "cpu.cfs_period_us",
    "cpu.cfs_quota_us",
    "cpu.stat",
    "cpuacct.usage",
    "freezer.state",
    "memory.failcnt",
    "memory.kmem.usage_in_bytes",
    "memory.limit_in_bytes",
    "memory.max_usage_in_bytes",
    "memory.oom_control",
    "memory.stat",
    "memory.usage_in_bytes",
    "pids.current",
    "pids.events",
    "pids.max",
];

pub(super) fn save(processes: &[Process], store: &mut Store) -> Result<()> {
    let mounts = store::read(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    let mounts = mounts_of(&String::from_utf8_lossy(&mounts));
    let mut groups = BTreeSet::new();
    for process in processes.iter().filter(|process| !process.is_kernel_thread()) {
        let lines = String::from_utf8_lossy(&process.cgroup);
        for (is_v2, mut directory) in lines.lines().filter_map(|line| directory(line, &mounts)) {
            while groups.insert((directory.clone(), is_v2)) {
                let is_root = mounts.iter().any(|mount| mount.point == directory);
                if is_root || !directory.pop() {
                    break;
                }
            }
        }
    }
    for (directory, is_v2) in groups {
        let files = if is_v2 { &V2[..] } else { &V1[..] };
        for name in files {
            store.copy(&directory.join(name))?;
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Mount {
    point: PathBuf,
    /// The group that is mounted there.
    root: PathBuf,
    /// What names a v1 hierarchy; nothing on v2.
    controllers: Option<Vec<String>>,
}

/// The hierarchies in a mountinfo; of several mounts at one place the last counts.
fn mounts_of(mountinfo: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let before: Vec<&str> = before.split(' ').collect();
        let after: Vec<&str> = after.split(' ').collect();
        let options = || after.get(2).unwrap_or(&"").split(',').map(str::to_owned).collect();
        let controllers = match *after.first()? {
            "cgroup2" => None,
            "cgroup" => Some(options()),
            _ => return None,
        };
        let (root, point) = (before.get(3)?.into(), before.get(4)?.into());
        Some(Mount { point, root, controllers })
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// Where the group of one line of `/proc/PID/cgroup` is, and whether that is v2.
fn directory(line: &str, mounts: &[Mount]) -> Option<(bool, PathBuf)> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (names, path) = (fields.next()?, Path::new(fields.next()?));
    let name = names.split(',').next().filter(|name| !name.is_empty());
    let answers = |mount: &&Mount| match (&mount.controllers, name) {
        (None, None) => true,
        (Some(names), Some(name)) => names.iter().any(|other| other == name),
        _ => false,
    };
    let mount = mounts.iter().filter(answers).find(|mount| path.starts_with(&mount.root))?;
    let below = path.strip_prefix(&mount.root).ok()?;
    Some((name.is_none(), mount.point.join(below)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_leads_to_its_own_hierarchy() {
        let mounts = mounts_of(
            "25 1 0:22 / /sys rw - sysfs sysfs rw\n\
             30 25 0:26 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n\
             31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             32 25 0:28 /inner /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n",
        );
        assert_eq!(mounts.len(), 3);
        for (line, expected) in [
            ("0::/a/b", Some((true, "/sys/fs/cgroup/unified/a/b"))),
            ("4:cpu,cpuacct:/", Some((false, "/sys/fs/cgroup/cpu,cpuacct/"))),
            ("1:name=systemd:/inner/x:y", Some((false, "/sys/fs/cgroup/systemd/x:y"))),
            ("1:name=systemd:/other", None),
            ("7:pids:/a", None),
            ("", None),
        ] {
            let found = directory(line, &mounts);
            assert_eq!(found, expected.map(|(v2, path)| (v2, path.into())), "{line}");
        }
    }
}
