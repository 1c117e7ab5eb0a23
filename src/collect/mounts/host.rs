//! Where the host has the files that a mount shows.

use super::paths::{Paths, trimmed};
use super::tree::Tree;
use crate::model::device::Device;
use crate::model::mount::Mount;
use crate::model::text::Text;
use std::collections::HashSet;

/// Of several places the one that shows the least around it; more are no honest ones.
const TRIES: usize = 16;

/// The host's own mounts, to look others up in.
#[derive(Debug)]
pub(super) struct Host {
    mounts: Vec<Mount>,
    tree: Tree,
    /// Roots by device, without what nobody can reach.
    roots: Paths<Device>,
    devices: HashSet<Device>,
}

impl Host {
    pub(super) fn new(mounts: Vec<Mount>) -> Self {
        let tree = Tree::of(&mounts);
        let mut roots = Paths::of(mounts.len());
        let hidden = tree.hidden(&mounts);
        for (at, (mount, _)) in mounts.iter().zip(hidden).enumerate().filter(|(_, one)| !one.1) {
            roots.add(&mount.device, mount.root.as_bytes(), at);
        }
        let devices = mounts.iter().map(|mount| mount.device).collect();
        Self { mounts, tree, roots, devices }
    }

    /// The host's path to what a mount shows; `None` where the host has it nowhere, or by this very
    /// mount alone.
    pub(super) fn source_of(&self, mount: &Mount) -> Option<Text> {
        if !self.devices.contains(&mount.device) {
            return None;
        }
        // That of nsfs is a name, `net:[4026532280]`, and is there or is not.
        let root = mount.root.as_bytes();
        // Removed, or above what the reader's cgroup namespace begins with.
        if root.ends_with(b"//deleted")
            || root.split(|byte| *byte == b'/').any(|part| part == b"..")
        {
            return None;
        }
        let mut places = Vec::new();
        self.roots.on_the_way(&mount.device, root, |length, at| {
            places.push((length, at));
        });
        let places = places.into_iter().rev().take(TRIES);
        let mut paths = places.filter_map(|(length, at)| {
            let place = self.mounts.get(at).filter(|place| place.id != mount.id)?;
            let rest = trimmed(root).get(length..)?;
            let path = [trimmed(place.target.as_bytes()), rest].concat();
            let path = if path.is_empty() { b"/".to_vec() } else { path };
            (!self.tree.crosses(place, &path)).then_some(path)
        });
        paths.next().map(Text::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::proc::mountinfo::parse;

    const HOST: &[u8] = b"\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 / /home rw - ext4 /dev/sda2 rw
3 1 8:1 /srv/data /export rw - ext4 /dev/sda1 rw
4 1 0:40 / /data rw - tmpfs t rw
5 1 8:3 / /old rw - ext4 /dev/sda3 rw
6 5 8:4 / /old rw - ext4 /dev/sda4 rw
7 1 8:5 /@ /b rw - btrfs /dev/sdb rw,subvol=/@
8 1 0:30 / /sys/fs/cgroup rw - cgroup2 c rw
9 1 0:4 net:[4026532280] /run/netns/a rw - nsfs nsfs rw
";

    fn source(line: &[u8]) -> Option<String> {
        let host = Host::new(parse(HOST).0);
        host.source_of(&parse(line).0[0]).map(|path| path.to_string())
    }

    #[test]
    fn a_bind_is_found_by_its_device_and_root() {
        let of = |device: &str, root: &str| {
            source(format!("90 80 {device} {root} /x rw - ext4 d rw\n").as_bytes())
        };
        let found = |path: &str| Some(path.to_owned());
        assert_eq!(of("8:1", "/etc/hosts"), found("/etc/hosts"));
        assert_eq!(of("8:1", "/"), found("/"));
        assert_eq!(of("8:2", "/ann/x"), found("/home/ann/x"));
        assert_eq!(of("8:2", "/"), found("/home"));
        assert_eq!(of("8:1", "/srv/data/a"), found("/export/a"), "the longest root");
        assert_eq!(of("8:1", "/srv/database"), found("/srv/database"), "by whole parts");
        assert_eq!(of("8:1", "/data/x"), None, "the host has something else over it");
        assert_eq!(of("8:1", "/home"), None);
        assert_eq!(of("8:3", "/x"), None, "overmounted on the host");
        assert_eq!(of("8:4", "/x"), found("/old/x"));
        assert_eq!(of("8:5", "/@/etc"), found("/b/etc"));
        assert_eq!(of("8:5", "/@home"), None);
        assert_eq!(of("8:9", "/"), None);
        assert_eq!(of("8:1", "/gone//deleted"), None);
        assert_eq!(of("0:30", "/../.."), None);
        assert_eq!(of("0:4", "net:[4026532280]"), found("/run/netns/a"));
        assert_eq!(of("0:4", "net:[4026532281]"), None);
        assert_eq!(of("0:30", "/a"), found("/sys/fs/cgroup/a"));
    }

    #[test]
    fn a_mount_of_the_host_is_not_its_own_source() {
        assert_eq!(source(b"2 1 8:2 / /home rw - ext4 /dev/sda2 rw\n"), None);
        let bind = b"3 1 8:1 /srv/data /export rw - ext4 /dev/sda1 rw\n";
        assert_eq!(source(bind).unwrap(), "/srv/data");
    }
}
