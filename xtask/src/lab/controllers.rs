//! crun's condition on a host that has version 1 of control groups beside version 2: no controller
//! may be with version 2. It is lent a hierarchy of version 1 for each; as long as groups are in
//! it, it stays, also where it is not mounted. See cgroups(7).

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What our mounts are known by.
const SOURCE: &str = "nsx-lab";

/// Hierarchies that are mounted for as long as this lives.
#[derive(Debug)]
pub(crate) struct Controllers;

impl Controllers {
    /// Mounts what has no mount, at the usual places.
    pub(crate) fn lend() -> Result<Self> {
        let lent = Self;
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        let Some(beside) = version_1(&mounts) else {
            return Ok(lent);
        };
        let known = std::fs::read_to_string("/proc/cgroups")?;
        let with_version_2 = version_2(&mounts)
            .map(|top| std::fs::read_to_string(top.join("cgroup.controllers")).unwrap_or_default());
        for name in without_mount(&known, &mounts, &with_version_2.unwrap_or_default()) {
            let place = beside.join(name);
            std::fs::create_dir_all(&place)?;
            let data = CString::new(name)?;
            mount(SOURCE, &place, "cgroup", MountFlags::empty(), data.as_c_str())
                .with_context(|| format!("cannot mount the hierarchy of {name}"))?;
        }
        Ok(lent)
    }

    /// Gives back the hierarchies that are nobody's any more.
    pub(crate) fn give_back() -> Result<()> {
        let lent = Self::lend()?;
        for top in ours() {
            super::traces::remove_shared_groups(&top);
        }
        drop(lent);
        // A hierarchy goes with its mount only once the kernel is done with its groups.
        for _ in 0..500 {
            if !Self::one_is_empty()? {
                break;
            }
            drop(Self::lend()?);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether a hierarchy without a mount has only its root.
    fn one_is_empty() -> Result<bool> {
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        let known = std::fs::read_to_string("/proc/cgroups")?;
        let unused = |name: &&str| {
            let mut lines = known.lines().map(|line| line.split_whitespace());
            lines.any(|mut line| line.next() == Some(*name) && line.nth(1) == Some("1"))
        };
        Ok(without_mount(&known, &mounts, "").iter().any(unused))
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        unmount_ours();
    }
}

/// Also what a crash left.
pub(super) fn unmount_ours() {
    for place in ours() {
        let gone = unmount(&place, UnmountFlags::empty());
        if gone.is_ok() || unmount(&place, UnmountFlags::DETACH).is_ok() {
            let _ = std::fs::remove_dir(&place);
        }
    }
}

fn ours() -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let place = |fields: Vec<&str>| match fields[..] {
        [SOURCE, place, "cgroup", ..] => Some(PathBuf::from(place)),
        _ => None,
    };
    fields.filter_map(place).collect()
}

/// The directory in which hierarchies of version 1 are mounted.
fn version_1(mounts: &str) -> Option<PathBuf> {
    Some(points(mounts, "cgroup").next()?.parent()?.to_owned())
}

fn version_2(mounts: &str) -> Option<PathBuf> {
    points(mounts, "cgroup2").next().map(Path::to_owned)
}

fn points<'a>(mounts: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Path> {
    let fields = mounts.lines().map(|line| line.split(' ').skip(1));
    fields.filter_map(move |mut fields| {
        let point = fields.next()?;
        (fields.next()? == kind).then(|| Path::new(point))
    })
}

/// The controllers that are in a hierarchy of version 1 which has no mount, or with version 2.
fn without_mount<'a>(known: &'a str, mounts: &str, with_version_2: &str) -> Vec<&'a str> {
    let mounted = |name: &str| {
        let of_version_1 = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mut options = of_version_1.filter_map(|fields| match fields[..] {
            [_, _, "cgroup", options, ..] => Some(options),
            _ => None,
        });
        options.any(|options| options.split(',').any(|option| option == name))
    };
    let lines = known.lines().filter(|line| !line.starts_with('#'));
    let wanted = lines.filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (name, hierarchy) = (fields.next()?, fields.next()?);
        let version_2 = with_version_2.split_whitespace().any(|with| with == name);
        (version_2 || hierarchy != "0").then_some(name)
    });
    wanted.filter(|name| !mounted(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0\n\
                          cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n\
                          cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";
    const KNOWN: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n\
                         cpu\t1\t9\t1\ncpuacct\t1\t9\t1\nhugetlb\t0\t9\t1\nrdma\t0\t9\t1\n";

    #[test]
    fn a_controller_of_version_2_and_one_without_a_mount() {
        assert_eq!(without_mount(KNOWN, MOUNTS, "hugetlb\n"), ["hugetlb"]);
        assert_eq!(without_mount(KNOWN, MOUNTS, ""), [""; 0]);
        let left = KNOWN.replace("hugetlb\t0", "hugetlb\t7");
        assert_eq!(without_mount(&left, MOUNTS, ""), ["hugetlb"]);
        assert_eq!(version_1(MOUNTS), Some(PathBuf::from("/sys/fs/cgroup")));
    }

    #[test]
    fn a_host_with_version_2_alone_is_left_as_it_is() {
        assert_eq!(version_1("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"), None);
    }
}
