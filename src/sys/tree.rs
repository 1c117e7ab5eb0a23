//! Mounts held by descriptor, put together before anything can look at them: open_tree(2),
//! fsopen(2), move_mount(2) and mount_setattr(2), Linux 5.2 to 5.12.
//!
//! A tree that is attached nowhere is seen by nobody, and ends with its descriptor. What it is
//! attached to is always named by a descriptor and one name: no path is walked.

mod fresh;

pub use fresh::Layers;

use super::error::{Context, Result, SysError};
use super::fds::write_all;
use super::proc;
use super::raw::mount_attributes as attributes;
use crate::model::text::Text;
use nix::errno::Errno;
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Mounts, the first of which is the root of the others.
#[derive(Debug)]
pub struct Tree(OwnedFd);

/// What may not be done on a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// As it is where it comes from.
    AsItIs,
    /// No writing, no privilege of the file's, no device.
    ReadOnly,
    /// No privilege of the file's; for a device that is to be used.
    Device,
    /// No privilege of the file's, no device.
    Files,
    /// No device: where a file's privilege reaches no further than its user namespace.
    Programs,
}

impl Guard {
    const fn flags(self) -> u64 {
        match self {
            Self::AsItIs => 0,
            Self::ReadOnly => attributes::RDONLY | attributes::NOSUID | attributes::NODEV,
            Self::Device => attributes::NOSUID | attributes::NOEXEC,
            Self::Files => attributes::NOSUID | attributes::NODEV,
            Self::Programs => attributes::NODEV,
        }
    }
}

impl Tree {
    /// A copy of what stands at one name below an open directory, with all that is mounted below
    /// it. A symbolic link is not followed. EINVAL: it is not in our mount namespace, or may not
    /// be copied.
    pub fn copy(dir: BorrowedFd<'_>, name: &CStr, guard: Guard) -> Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE
            | OpenTreeFlags::AT_SYMLINK_NOFOLLOW
            | OpenTreeFlags::AT_NO_AUTOMOUNT
            | OpenTreeFlags::AT_EMPTY_PATH;
        let object = || if name.is_empty() { Text::from("a tree") } else { text(name) };
        let tree = rustix::mount::open_tree(dir, name, flags).with_context("copy", object)?;
        let tree = Self(tree);
        tree.guard(guard)?;
        Ok(tree)
    }

    /// What is open, with all that is mounted below it.
    pub fn copy_of(open: BorrowedFd<'_>, guard: Guard) -> Result<Self> {
        Self::copy(open, c"", guard)
    }

    /// Keeps what is mounted here and elsewhere apart, and sets flags; of all that is below too.
    fn guard(&self, guard: Guard) -> Result<()> {
        attributes::set_and_part(self.as_fd(), guard.flags()).context("guard", "a tree")
    }

    /// Attaches it over what stands at one name below a directory: a directory over a directory,
    /// anything else over a file. It stays open.
    pub fn attach(&self, dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        rustix::mount::move_mount(self.as_fd(), c"", dir, name, flags)
            .with_context("mount on", || text(name))
    }

    /// Attaches it over what is open: nothing is looked up.
    pub fn attach_on(&self, place: BorrowedFd<'_>) -> rustix::io::Result<()> {
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        rustix::mount::move_mount(self.as_fd(), c"", place, c"", flags)
    }

    /// Nothing can be written to its first mount any more; what is below stays as it is.
    pub fn make_read_only(&self) -> Result<()> {
        attributes::set(self.as_fd(), attributes::RDONLY).context("make read-only", "a tree")
    }

    /// The same of all its mounts.
    pub fn make_all_read_only(&self) -> Result<()> {
        attributes::set_and_part(self.as_fd(), attributes::RDONLY)
            .context("make read-only", "a tree")
    }

    /// Files keep the owners that they have, as the ids inside a user namespace: what belongs to 0
    /// is root's in there. EINVAL: the file system cannot do that (Linux 5.12).
    pub fn own_as_in(&self, users: BorrowedFd<'_>) -> nix::Result<()> {
        attributes::map_owners(self.as_fd(), users)
    }

    /// Attaches it over what a path of ours leads to.
    pub fn attach_at(&self, path: &CStr) -> Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
        rustix::mount::move_mount(self.as_fd(), c"", rustix::fs::CWD, path, flags)
            .with_context("mount on", || text(path))
    }

    /// Whether something of this name is in it.
    pub fn has(&self, name: &CStr) -> Result<bool> {
        match rustix::fs::statat(self.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno).with_context("examine", || text(name)),
        }
    }

    /// Makes a directory in it. Like all names here it is one word, or words below directories of
    /// this tree alone.
    pub fn directory(&self, name: &CStr, mode: u32) -> Result<()> {
        rustix::fs::mkdirat(self.as_fd(), name, Mode::from_raw_mode(mode))
            .with_context("make", || text(name))?;
        // Whatever mask our caller has.
        rustix::fs::chmodat(self.as_fd(), name, Mode::from_raw_mode(mode), AtFlags::empty())
            .with_context("make", || text(name))
    }

    /// Makes a file in it that everybody may read.
    pub fn file(&self, name: &CStr, content: &[u8]) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let write = || {
            let mode = Mode::from_raw_mode(0o444);
            let file = rustix::fs::openat(self.as_fd(), name, flags, mode)?;
            rustix::fs::fchmod(&file, mode)?;
            write_all(&file, content)
        };
        write().with_context("write", || text(name))
    }

    /// Makes a symbolic link in it.
    pub fn link(&self, name: &CStr, target: &CStr) -> Result<()> {
        rustix::fs::symlinkat(target, self.as_fd(), name).with_context("make", || text(name))
    }

    /// Ends it where it is attached, with all that is below. The working directory is on no mount
    /// of ours afterwards.
    pub fn detach(self) -> Result<()> {
        rustix::process::fchdir(self.as_fd()).context("change to", "a tree")?;
        unmount_here()
    }

    /// The descriptor, which alone keeps the tree where it is attached nowhere.
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Tree {
    fn from(tree: OwnedFd) -> Self {
        Self(tree)
    }
}

/// The number of the mount that something open is on. `None`: the kernel does not say it, before
/// Linux 5.8.
pub fn mount_number(open: BorrowedFd<'_>) -> Result<Option<u64>> {
    number(open, StatxFlags::MNT_ID)
}

/// The same by the number that is never given twice. `None`: before Linux 6.8.
pub fn unique_mount_number(open: BorrowedFd<'_>) -> Result<Option<u64>> {
    number(open, MNT_ID_UNIQUE)
}

/// `STATX_MNT_ID_UNIQUE` of linux/stat.h.
const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

fn number(open: BorrowedFd<'_>, which: StatxFlags) -> Result<Option<u64>> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = rustix::fs::statx(open, c"", flags, which).context("examine", "a mount")?;
    Ok((stat.stx_mask & which.bits() != 0).then_some(stat.stx_mnt_id))
}

/// Keeps the mounts of our new namespace apart from those it is a copy of, and makes all of them
/// read-only where that is wanted: one call, however many there are.
pub fn part_all(read_only: bool) -> Result<()> {
    let root = root()?;
    let flags = if read_only { attributes::RDONLY } else { 0 };
    attributes::set_and_part(root.as_fd(), flags).context("keep apart", "the mounts")
}

/// The root that we have, as a place.
pub fn root() -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(c"/", flags, Mode::empty()).context("open", "/")
}

/// A mount namespace of our own, a copy of the one we are in: nothing mounted in either is seen in
/// the other.
pub fn part() -> Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)
        .context("make", "a mount namespace")?;
    let nothing = None::<&str>;
    let flags = nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE;
    nix::mount::mount(nothing, "/", nothing, flags, nothing).context("make private", "the mounts")
}

/// The same where we may not: by a user namespace of our own too, in which we keep our ids. For a
/// process that ends when it is done.
pub fn part_anyhow() -> Result<()> {
    match part() {
        Err(error) if error.errno() == Some(Errno::EPERM) => {}
        parted => return parted,
    }
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER)
        .context("make", "a user namespace")?;
    proc::write_own("setgroups", "deny")?;
    proc::write_own("gid_map", &format!("{gid} {gid} 1"))?;
    proc::write_own("uid_map", &format!("{uid} {uid} 1"))?;
    part()
}

/// A copy of the tree whose root is the working directory, whose flags nobody can take off any
/// more: a mount that goes to a user namespace below keeps them. The caller cannot do anything else
/// afterwards. EPERM, ENOSPC: the host lets nobody have a user namespace.
pub fn locked_copy() -> Result<Tree> {
    let kinds = nix::sched::CloneFlags::CLONE_NEWUSER | nix::sched::CloneFlags::CLONE_NEWNS;
    nix::sched::unshare(kinds).context("make", "a user namespace")?;
    Tree::copy(rustix::fs::CWD, c".", Guard::AsItIs)
}

/// Makes a tree that is attached over our root the root, and lets go of the old one with all its
/// mounts. pivot_root(2); where the root cannot be left (it is the one the kernel was started with)
/// it stays hidden below the new one.
pub fn become_root(tree: &Tree) -> Result<()> {
    rustix::process::fchdir(tree.as_fd()).context("change to", "the new root")?;
    match rustix::process::pivot_root(c".", c".") {
        // The old one is above the new one now, and `.` is what is on top.
        Ok(()) => unmount_here()?,
        Err(rustix::io::Errno::INVAL) => {
            rustix::process::chroot(c".").context("change to", "the new root")?;
        }
        Err(errno) => Err(errno).context("leave", "the old root")?,
    }
    rustix::process::chdir(c"/").context("change to", "the new root")
}

fn unmount_here() -> Result<()> {
    let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
    rustix::mount::unmount(c".", flags).context("unmount", "a tree")
}

/// Whether an error says that this kernel is too old for all of this.
pub fn is_missing(error: &SysError) -> bool {
    error.errno() == Some(Errno::ENOSYS)
}

fn text(name: &CStr) -> Text {
    Text::new(name.to_bytes())
}
