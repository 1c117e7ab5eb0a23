//! Which hierarchies are mounted, and the directory of a group in them.
//!
//! What is not found whole below the usual place is in our own mountinfo: no mount point is assumed.
//! Opens nothing else.

use super::paths::{CgroupPaths, relative};
use crate::model::cgroup::Version;
use crate::model::mount::Mount;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::proc::cgroup::{self, Line};
use crate::sys::proc::mountinfo;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, mounts};
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

const USUAL: &str = "/sys/fs/cgroup";
const TYPES: [&[u8]; 2] = [b"cgroup", b"cgroup2"];

/// The v1 controllers (kernel 6.18; none is added to v1 any more). Among the options of the file
/// system, whatever else is there (`rw`, `xattr`, `name=…`) is not one.
const V1_CONTROLLERS: [&[u8]; 15] = [
    b"blkio",
    b"cpu",
    b"cpuacct",
    b"cpuset",
    b"debug",
    b"devices",
    b"dmem",
    b"freezer",
    b"hugetlb",
    b"memory",
    b"misc",
    b"net_cls",
    b"net_prio",
    b"perf_event",
    b"pids",
];

/// A longer chain of mounts is no honest one.
const MAX_MOUNT_DEPTH: usize = 64;

/// One mount of a hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Where, as the mountinfo that it is from tells it.
    pub point: PathBuf,
    /// The group that is mounted there, seen from our cgroup namespace.
    pub root: Text,
    /// The unified hierarchy; else one of v1.
    pub is_v2: bool,
    /// The options of the file system, which name the v1 controllers, or `name=…`.
    names: Vec<Text>,
}

/// Where a group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Absolute, for [`SysRoot::open_dir`].
    pub directory: PathBuf,
    /// The path as `/proc/PID/cgroup` shows it.
    pub path: Text,
    /// How many groups above it can be reached through the mount.
    pub ancestors: usize,
    /// Its files are those of v2.
    pub is_v2: bool,
}

/// All hierarchies that can be seen. A hierarchy may be mounted more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchies {
    mounts: Vec<Mounted>,
}

impl Hierarchies {
    /// Those that we see.
    pub fn read(root: &SysRoot) -> Result<Self> {
        match root.reach().hierarchies.get_or_init(|| Self::usual(root)) {
            Some(all) => Ok(all.clone()),
            None => Ok(Self::of(&mountinfo::parse(root.mountinfo()?).0)),
        }
    }

    /// Where the usual place shows the whole of each that is mounted. A host may have thousands of
    /// other mounts.
    fn usual(root: &SysRoot) -> Option<Self> {
        if !root.is_real() {
            return None;
        }
        let place = root.open_dir(Path::new(USUAL)).ok()?;
        let below = mounts::few_from(place.as_fd())?;
        let found = Self::of(&below);
        if found.is_empty() || found.mounts.iter().any(|mount| mount.root != "/") {
            return None;
        }
        let ours = bounded::read(root.own_process().ok()?.as_fd(), "cgroup", bounded::SMALL);
        let is_of_cgroups = |mount: &&Mount| TYPES.contains(&mount.fs_type.as_bytes());
        let is_all = found.show_all(&ours.ok()?)
            // One without a mount is none that can be seen.
            || mounts::count_of(&TYPES) == Some(below.iter().filter(is_of_cgroups).count());
        is_all.then_some(found)
    }

    /// Whether each hierarchy of these lines is there.
    fn show_all(&self, lines: &[u8]) -> bool {
        cgroup::parse(lines).all(|line| {
            let first = line.controllers.split(|byte| *byte == b',').next();
            if line.is_v2() {
                self.v2().next().is_some()
            } else {
                self.v1(first.unwrap_or_default()).next().is_some()
            }
        })
    }

    /// Those of a list of mounts that is not ours; what another mount covers is left out.
    pub fn of(mounts: &[Mount]) -> Self {
        let mounted = mounts.iter().filter_map(|mount| {
            let is_v2 = mount.fs_type == "cgroup2";
            if !is_v2 && mount.fs_type != "cgroup" || is_covered(mount, mounts) {
                return None;
            }
            let options = mount.fs_options.as_bytes();
            Some(Mounted {
                point: PathBuf::from(OsStr::from_bytes(mount.target.as_bytes())),
                root: mount.root.clone(),
                is_v2,
                names: options.split(|byte| *byte == b',').map(Text::new).collect(),
            })
        });
        Self { mounts: mounted.collect() }
    }

    /// Whether none is mounted.
    pub const fn is_empty(&self) -> bool {
        self.mounts.is_empty()
    }

    /// Where there is no hierarchy at all it is v2.
    pub fn version(&self) -> Version {
        let has_v2 = self.v2().next().is_some();
        let has_v1 = self.mounts.iter().any(|mount| {
            let mut names = mount.names.iter();
            !mount.is_v2 && names.any(|name| V1_CONTROLLERS.contains(&name.as_bytes()))
        });
        match (has_v1, has_v2) {
            (true, true) => Version::Hybrid,
            (true, false) => Version::V1,
            (false, _) => Version::V2,
        }
    }

    /// The mounts of a v1 hierarchy by one of its controllers, or by `name=…`.
    pub fn v1(&self, controller: &[u8]) -> impl Iterator<Item = &Mounted> {
        self.mounts.iter().filter(move |mount| {
            let mut names = mount.names.iter();
            !mount.is_v2 && names.any(|name| name.as_bytes() == controller)
        })
    }

    /// The mounts of the v2 hierarchy.
    pub fn v2(&self) -> impl Iterator<Item = &Mounted> {
        self.mounts.iter().filter(|mount| mount.is_v2)
    }

    /// The directory that answers for `controller`; `None` where no mount shows it.
    ///
    /// The path of a removed group ends in ` (deleted)`. So may the name of a living one, which is
    /// why it is kept: opening the directory tells them apart.
    pub fn locate(&self, paths: &CgroupPaths<'_>, controller: &[u8]) -> Option<Place> {
        let line = paths.line(controller)?;
        if line.is_v2() { self.locate_unified(paths) } else { place(self.v1(controller), line) }
    }

    /// The directory in the v2 hierarchy, be controllers there or not.
    pub fn locate_unified(&self, paths: &CgroupPaths<'_>) -> Option<Place> {
        place(self.v2(), paths.unified()?)
    }

    /// The directory of `group`, to or through which one of the lines leads.
    pub fn directory_of(&self, lines: &[u8], group: &[u8]) -> Option<PathBuf> {
        let through = cgroup::parse(lines).filter(|line| line.path.starts_with(group));
        let mut places = through.map(|line| {
            let line = Line { path: group, ..line };
            let controller = line.controllers.split(|byte| *byte == b',').next();
            if line.is_v2() {
                place(self.v2(), line)
            } else {
                place(self.v1(controller.unwrap_or_default()), line)
            }
        });
        places.find_map(|place| Some(place?.directory))
    }
}

/// Whose a group is, to or through which one of the lines leads; `None` where it cannot be seen.
pub fn owner_uid(root: &SysRoot, seen: &Hierarchies, lines: &[u8], group: &[u8]) -> Option<u32> {
    let directory = root.open_dir(&seen.directory_of(lines, group)?).ok()?;
    Some(rustix::fs::fstat(directory).ok()?.st_uid)
}

/// Through the mount that shows the most ancestors, since a limit may be set on any of them.
fn place<'a>(mounts: impl Iterator<Item = &'a Mounted>, line: Line<'_>) -> Option<Place> {
    let below = mounts.filter_map(|mount| {
        let names = relative(line.path, mount.root.as_bytes())?;
        Some((mount, names))
    });
    let (mount, names) = below.min_by_key(|(_, names)| std::cmp::Reverse(names.len()))?;
    let mut directory = mount.point.clone();
    directory.extend(names.iter().map(|name| OsStr::from_bytes(name)));
    Some(Place {
        directory,
        path: Text::new(line.path),
        ancestors: names.len(),
        is_v2: mount.is_v2,
    })
}

/// Whether the mount's target leads to another mount: one on top of it, or one over a directory
/// on the way to it.
fn is_covered(mount: &Mount, mounts: &[Mount]) -> bool {
    let on_top = |other: &Mount| other.parent_id == mount.id && other.target == mount.target;
    if mounts.iter().any(on_top) {
        return true;
    }
    let mut child = mount;
    for _ in 0..MAX_MOUNT_DEPTH {
        let hides = |other: &Mount| {
            other.parent_id == child.parent_id && is_above(&other.target, &child.target)
        };
        if mounts.iter().any(hides) {
            return true;
        }
        let parent =
            mounts.iter().find(|other| other.id == child.parent_id && other.id != child.id);
        match parent {
            Some(parent) => child = parent,
            None => return false,
        }
    }
    false
}

fn is_above(target: &Text, other: &Text) -> bool {
    let below = other.as_bytes().strip_prefix(target.as_bytes());
    target.as_bytes() != b"/" && below.is_some_and(|rest| rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests;
