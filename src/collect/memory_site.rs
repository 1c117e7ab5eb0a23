//! Where a group with a memory limit of its own can be made.

use crate::model::cgroup::Site;
use crate::sys::bounded;
use crate::sys::cgroupfs::hierarchy::Hierarchies;
use crate::sys::cgroupfs::paths::CgroupPaths;
use crate::sys::error::{Result, SysError};
use crate::sys::root::SysRoot;
use nix::errno::Errno;
use std::os::fd::AsFd;

/// On v1 below our own group, so that our own limits hold for the new one too. On v2 a group with
/// processes may have no groups with controllers below it: there beside our own, at the nearest
/// ancestor that hands the memory controller down. No controller is switched on for this.
pub fn memory_site(root: &SysRoot) -> Result<Site> {
    let none =
        || SysError::new("limit", "memory with the control groups of this host", Errno::EOPNOTSUPP);
    let hierarchies = Hierarchies::read(root)?;
    let lines = bounded::read(root.proc(), "self/cgroup", bounded::SMALL)?;
    let place = hierarchies.locate(&CgroupPaths::parse(&lines), b"memory").ok_or_else(none)?;
    if !place.is_v2 {
        return Ok(Site { parent: place.directory, is_v2: false });
    }
    place
        .directory
        .ancestors()
        .skip(1)
        .take(place.ancestors)
        .find(|directory| hands_memory_down(root, directory))
        .map(|directory| Site { parent: directory.to_owned(), is_v2: true })
        .ok_or_else(none)
}

fn hands_memory_down(root: &SysRoot, directory: &std::path::Path) -> bool {
    let read = || {
        let dir = root.open_dir(directory).ok()?;
        bounded::read(dir.as_fd(), "cgroup.subtree_control", bounded::SMALL).ok()
    };
    read().is_some_and(|names| names.split(u8::is_ascii_whitespace).any(|name| name == b"memory"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn host(mountinfo: &str, cgroup: &str, handing_down: &[&str]) -> (tempfile::TempDir, SysRoot) {
        let temp = tempfile::tempdir().unwrap();
        let own = temp.path().join("proc/self");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("mountinfo"), mountinfo).unwrap();
        std::fs::write(own.join("cgroup"), cgroup).unwrap();
        for group in handing_down {
            let directory = temp.path().join("sys/fs/cgroup").join(group);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        }
        let root = SysRoot::fixture(temp.path()).unwrap();
        (temp, root)
    }

    #[test]
    fn on_v1_it_is_below_our_own_group() {
        let mounts = "30 1 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let (_temp, root) = host(mounts, "4:memory:/a/b\n0::/\n", &[]);
        let site = memory_site(&root).unwrap();
        assert_eq!(
            (site.parent.as_path(), site.is_v2),
            (Path::new("/sys/fs/cgroup/memory/a/b"), false)
        );
    }

    #[test]
    fn on_v2_it_is_at_the_nearest_ancestor_that_hands_memory_down() {
        let mounts = "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let (_temp, root) = host(mounts, "0::/user.slice/u.slice/s.scope\n", &["", "user.slice"]);
        let site = memory_site(&root).unwrap();
        assert_eq!(
            (site.parent.as_path(), site.is_v2),
            (Path::new("/sys/fs/cgroup/user.slice"), true)
        );
    }

    #[test]
    fn where_no_group_hands_it_down_it_is_refused() {
        let mounts = "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let (_temp, root) = host(mounts, "0::/a/b\n", &[]);
        assert_eq!(memory_site(&root).unwrap_err().errno(), Some(Errno::EOPNOTSUPP));
    }
}
