//! `--overlay`: what is written goes to a layer of its own, in memory or in a directory of the
//! caller's; what is below stays untouched.

use super::of_programs;
use super::places::{Places, Shape, text};
use super::source::Source;
use crate::action::error::{ActionError, Advise};
use crate::sys::bounded;
use crate::sys::error::{Context, Result, SysError};
use crate::sys::proc::mountinfo;
use crate::sys::tree::{self, Guard, Layers, Tree};
use nix::errno::Errno;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const UPPER: &CStr = c"upper";
/// The kernel's own place for what it is about to put there.
const WORK: &CStr = c"work";

/// Where what is written goes.
#[derive(Debug)]
pub(super) enum Layer {
    Memory,
    /// Below `upper` of a directory.
    Directory(Source),
}

/// A tree, below a layer where there is one, attached over our root.
pub(super) fn attach(
    tree: Tree,
    layer: Option<Layer>,
    by_user: bool,
) -> std::result::Result<Tree, ActionError> {
    match layer {
        Some(layer) => layer.over(tree, by_user, of_programs(by_user)),
        None => {
            tree.attach_at(c"/")?;
            Ok(tree)
        }
    }
}

impl Layer {
    /// And what keeps it ours as long as it is open.
    pub(super) fn in_directory(path: &Path) -> std::result::Result<(Self, OwnedFd), ActionError> {
        const NEEDED: &str = "--overlay=DIR takes a directory that is there, and can be written to";
        let mut source = Source::open(path).advise(NEEDED)?;
        if !source.is_directory() {
            let error = SysError::new("write to", source.name().clone(), Errno::ENOTDIR);
            return Err(ActionError::from(error).advise(NEEDED));
        }
        make_both(source.as_fd()).map_err(|error| within(&source, &error)).advise(NEEDED)?;
        let claim = claim(&source)?;
        source.copy(Guard::AsItIs)?;
        Ok((Self::Directory(source), claim))
    }

    /// Lays it over a tree, which ends: one that shows both is attached over our root. What was
    /// mounted below the tree is there read-only.
    pub(super) fn over(
        self,
        lower: Tree,
        by_user: bool,
        guard: Guard,
    ) -> std::result::Result<Tree, ActionError> {
        // Before Linux 6.15 only what is attached can be a layer.
        lower.attach_at(c"/")?;
        // The layer is mounted on the tree too, and is none of its mounts.
        let mounts = mounts_below(&lower)?;
        let layer = match self {
            Self::Memory => {
                let layer = Tree::memory_for_files("0755", None)?;
                layer.attach_at(c"/")?;
                make_both(layer.as_fd())?;
                layer
            }
            Self::Directory(source) => {
                let layer = source.settle(Guard::AsItIs)?;
                layer.attach_at(c"/")?;
                layer
            }
        };
        let (upper, work) = (below(layer.as_fd(), UPPER)?, below(layer.as_fd(), WORK)?);
        look_alike(&lower, &upper);
        let layers = Layers {
            lower: lower.as_fd(),
            upper: upper.as_fd(),
            work: work.as_fd(),
            by_user,
            guard,
        };
        let both = Tree::layered(layers).map_err(|error| explained(error, by_user))?;
        // What is on top first.
        layer.detach()?;
        lower.detach()?;
        both.attach_at(c"/")?;
        let places = Places::of(both.as_fd());
        for (at, mount) in mounts {
            if let Some(place) = places.find_existing(&at, Shape::File)? {
                mount.attach_on(place.as_fd()).with_context("mount on", || text(&at))?;
            }
        }
        Ok(both)
    }
}

/// Copies of what is mounted below a tree that is attached over our root, read-only, each with its
/// path. What lies on its root as a whole would hide the layer.
fn mounts_below(tree: &Tree) -> std::result::Result<Vec<(PathBuf, Tree)>, ActionError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open(c"/proc", flags, Mode::empty()).context("open", "/proc")?;
    let mountinfo = bounded::read(proc.as_fd(), "self/mountinfo", bounded::LARGE)?;
    let number = tree::mount_number(tree.as_fd())?;
    let places = Places::of(tree.as_fd());
    let mut mounts = Vec::new();
    for mount in mountinfo::parse(&mountinfo).0 {
        if number != Some(u64::from(mount.parent_id)) || mount.target.as_bytes() == b"/" {
            continue;
        }
        let at = PathBuf::from(OsStr::from_bytes(mount.target.as_bytes()));
        if let Some(place) = places.find_existing(&at, Shape::File)? {
            let copy = Tree::copy_of(place.as_fd(), Guard::AsItIs)?;
            copy.make_all_read_only()?;
            mounts.push((at, copy));
        }
    }
    Ok(mounts)
}

fn make_both(directory: BorrowedFd<'_>) -> Result<()> {
    for name in [UPPER, WORK] {
        match rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(0o755)) {
            Err(rustix::io::Errno::EXIST) => {}
            made => {
                let object = || name.to_bytes().to_vec();
                made.with_context("make", object)?;
                // Whatever mask our caller has; and nobody's link is followed.
                let new = below(directory, name)?;
                rustix::fs::fchmod(&new, Mode::from_raw_mode(0o755))
                    .with_context("make", object)?;
            }
        }
    }
    Ok(())
}

/// Two overlays that write to one directory spoil it, and the kernel lets them. The lock is on what is
/// nobody's but the kernel's: one of the caller's on the directory itself may be what keeps others out.
fn claim(source: &Source) -> std::result::Result<OwnedFd, ActionError> {
    let work = match below(source.as_fd(), WORK) {
        // Who it was given to has it to himself; the directory is the caller's still.
        Err(error) if error.errno() == Some(Errno::EACCES) => source.reader()?,
        work => work.map_err(|error| within(source, &error))?,
    };
    match rustix::fs::flock(&work, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ActionError::refused(
            format!("{} is in use by another program of nsx's", source.name()),
            "name another directory with --overlay=DIR, or wait for the end of that program",
        )),
        locked => Ok(locked.map(|()| work).with_context("lock", || source.name().clone())?),
    }
}

fn below(layer: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(layer, name, flags, Mode::empty())
        .with_context("open", || name.to_bytes().to_vec())
}

/// The root that is seen is the upper one: its owner and mode are to be those of the lower. Where
/// that cannot be, it is ours.
fn look_alike(lower: &Tree, upper: &OwnedFd) {
    let Ok(stat) = rustix::fs::fstat(lower.as_fd()) else { return };
    let (uid, gid) =
        (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
    let _ = rustix::fs::chownat(upper, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH);
    let _ = rustix::fs::fchmod(upper, Mode::from_raw_mode(stat.st_mode));
}

fn explained(error: SysError, by_user: bool) -> ActionError {
    let hint = match (by_user, error.errno()) {
        (true, Some(Errno::EROFS | Errno::EACCES)) => {
            "something must be mapped to 0 inside, and the owners of `upper` and `work` in the \
             directory of --overlay to anything: --map-users and --map-groups, or chown(1)"
        }
        (true, _) => {
            "in a user namespace it takes Linux 5.11, and a root below which nothing else is mounted"
        }
        (false, _) => {
            "an overlay cannot take what is written, nor lie over two others: name another \
             directory with --overlay=DIR, or another root"
        }
    };
    ActionError::from(error).advise(hint)
}

fn within(source: &Source, error: &SysError) -> SysError {
    let path = [source.name().as_bytes(), b"/", error.object.as_bytes()].concat();
    SysError { object: path.into(), ..error.clone() }
}
