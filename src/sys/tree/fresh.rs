//! File systems that are made and not copied: in memory, of the kernel's own, and layers.

use super::{Guard, Tree};
use crate::sys::error::{Context, Result, SysError};
use rustix::fs::StatVfsMountFlags;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsopen};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const KERNEL: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);
const FILES: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// What is below, and what takes the writing: two directories of one mount.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    /// Is only read.
    pub lower: BorrowedFd<'a>,
    /// Takes all that is written, and what hides deleted files.
    pub upper: BorrowedFd<'a>,
    /// Empty, and on the file system of `upper`: overlayfs's own.
    pub work: BorrowedFd<'a>,
    /// Made by root of a user namespace, who may not use the attributes that the host's does.
    pub by_user: bool,
    /// The attributes of the mount that is made.
    pub guard: Guard,
}

impl Tree {
    /// An empty file system in memory, its root of this mode.
    pub fn memory(mode: &str) -> Result<Self> {
        let options = [("mode", mode), ("source", "nsx")];
        Self::fresh("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NOSUID)
    }

    /// The same for files alone, and of a size at most; else of the kernel's, half of the memory.
    pub fn memory_for_files(mode: &str, size_bytes: Option<u64>) -> Result<Self> {
        let size = size_bytes.map(|size| size.to_string());
        let mut options = vec![("mode", mode), ("source", "nsx")];
        options.extend(size.as_deref().map(|size| ("size", size)));
        Self::fresh("tmpfs", &options, FILES)
    }

    /// The same for a whole system.
    pub fn memory_for_programs(guard: Guard) -> Result<Self> {
        Self::fresh("tmpfs", &[("mode", "0755"), ("source", "nsx")], attributes(guard))
    }

    /// A `/proc` of our own pid namespace. EPERM: in ours it would show what is hidden here.
    pub fn proc() -> Result<Self> {
        Self::fresh("proc", &[], KERNEL)
    }

    /// A `/sys` of our own network namespace, read-only.
    pub fn sys() -> Result<Self> {
        Self::fresh("sysfs", &[], KERNEL.union(MountAttrFlags::MOUNT_ATTR_RDONLY))
    }

    /// Pseudo-terminals of nobody else's; of the group `tty` where our user namespace has it.
    pub fn terminals() -> Result<Self> {
        let flags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);
        let make = |group: &[(&str, &str)]| {
            let options = [&[("ptmxmode", "0666"), ("mode", "0620")], group].concat();
            Self::fresh("devpts", &options, flags)
        };
        make(&[("gid", "5")]).or_else(|_| make(&[]))
    }

    /// The message queues of our own IPC namespace.
    pub fn queues() -> Result<Self> {
        Self::fresh("mqueue", &[], KERNEL)
    }

    /// One tree over another: what is written goes to the upper one. overlay in a user namespace is
    /// of Linux 5.11. EROFS: the upper one could not be written to.
    pub fn layered(layers: Layers<'_>) -> Result<Self> {
        // By descriptor since Linux 6.13, and by the name of one at all times.
        Self::layered_by(layers, by_descriptor)
            .or_else(|_| Self::layered_by(layers, by_name))
            .context("make", "overlay")
    }

    fn layered_by(layers: Layers<'_>, set: Set) -> rustix::io::Result<Self> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_set_string(context.as_fd(), "source", "nsx")?;
        set(context.as_fd(), "lowerdir", layers.lower)?;
        set(context.as_fd(), "upperdir", layers.upper)?;
        set(context.as_fd(), "workdir", layers.work)?;
        if layers.by_user {
            rustix::mount::fsconfig_set_flag(context.as_fd(), "userxattr")?;
        }
        rustix::mount::fsconfig_create(context.as_fd())?;
        let tree = mounted(&context, attributes(layers.guard))?;
        // What the kernel makes of one that cannot use `work`.
        let flags = rustix::fs::fstatvfs(&tree)?.f_flag;
        if flags.contains(StatVfsMountFlags::RDONLY) {
            return Err(rustix::io::Errno::ROFS);
        }
        Ok(tree)
    }

    fn fresh(kind: &'static str, options: &[(&str, &str)], flags: MountAttrFlags) -> Result<Self> {
        let make = || {
            let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
            for (key, value) in options {
                rustix::mount::fsconfig_set_string(context.as_fd(), *key, *value)?;
            }
            rustix::mount::fsconfig_create(context.as_fd())?;
            mounted(&context, flags)
        };
        make().map_err(|errno| SysError::new("make", kind, errno))
    }
}

fn mounted(context: &OwnedFd, flags: MountAttrFlags) -> rustix::io::Result<Tree> {
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags).map(Tree)
}

/// The same numbers in both calls.
fn attributes(guard: Guard) -> MountAttrFlags {
    MountAttrFlags::from_bits_retain(u32::try_from(guard.flags()).unwrap_or_default())
}

/// Names one directory of an overlay.
type Set = fn(BorrowedFd<'_>, &str, BorrowedFd<'_>) -> rustix::io::Result<()>;

fn by_descriptor(
    context: BorrowedFd<'_>,
    key: &str,
    directory: BorrowedFd<'_>,
) -> rustix::io::Result<()> {
    let key = if key == "lowerdir" { "lowerdir+" } else { key };
    rustix::mount::fsconfig_set_fd(context, key, directory)
}

/// No name of a directory's own is in it, which a comma or a colon would cut.
fn by_name(
    context: BorrowedFd<'_>,
    key: &str,
    directory: BorrowedFd<'_>,
) -> rustix::io::Result<()> {
    let name = format!("/proc/self/fd/{}", directory.as_raw_fd());
    rustix::mount::fsconfig_set_string(context, key, name.as_str())
}
