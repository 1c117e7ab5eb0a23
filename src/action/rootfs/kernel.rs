//! The kernel's file systems in a root that is not the host's: /proc, /sys and /dev, and what is
//! kept in memory, /tmp and /run.

use super::places::{Places, Shape};
use crate::action::devices::{self, DEVICES, LINKS};
use crate::action::error::ActionError;
use crate::action::withheld;
use crate::model::namespace::{Kind, Kinds};
use crate::sys::error::{Context, Result, SysError};
use crate::sys::tree::{Guard, Tree};
use nix::errno::Errno;
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

const SHM: &str = "1777";

/// Mounts all of it; what the root has no directory for is left out, if none can be made there.
/// `read_only`: in /dev nothing can be made either. Our own root is still the host's. Returns the
/// pseudo-terminals of /dev.
pub(super) fn mount(
    places: &mut Places<'_>,
    new: Kinds,
    read_only: bool,
) -> std::result::Result<Option<Tree>, ActionError> {
    let mut terminals = None;
    if let Some(place) = places.find(Path::new("/proc"), Shape::Directory)? {
        let proc = proc(new)?;
        put(&proc, place.as_fd(), "/proc")?;
        withheld::of_proc(&proc, no_file, no_directory)?;
    }
    if let Some(place) = places.find(Path::new("/sys"), Shape::Directory)?
        && let Some(sys) = sys(new)?
    {
        put(&sys, place.as_fd(), "/sys")?;
        withheld::of_sys(&sys, no_directory)?;
    }
    if let Some(place) = places.find(Path::new("/dev"), Shape::Directory)? {
        // A device that is made in there is none; those of ours are mounts of their own.
        let dev = Tree::memory_for_files("0755", None)?;
        put(&dev, place.as_fd(), "/dev")?;
        terminals = Some(fill_dev(&dev, new)?);
        if read_only {
            dev.make_read_only()?;
        } else {
            places.is_ours(dev.as_fd())?;
        }
    }
    for (path, mode) in [("/tmp", "1777"), ("/run", "0755")] {
        if let Some(place) = places.find_existing(Path::new(path), Shape::Directory)? {
            let memory = Tree::memory_for_files(mode, None)?;
            put(&memory, place.as_fd(), path)?;
            places.is_ours(memory.as_fd())?;
        }
    }
    Ok(terminals)
}

fn put(tree: &Tree, place: BorrowedFd<'_>, path: &'static str) -> Result<()> {
    tree.attach_on(place).map_err(|errno| SysError::new("mount on", path, errno))
}

fn proc(new: Kinds) -> std::result::Result<Tree, ActionError> {
    let may_be_the_hosts = new.has(Kind::User) && !new.has(Kind::Pid);
    match Tree::proc() {
        // The pid namespace is the host's, which a user namespace has no say in: its /proc then.
        Err(error) if may_be_the_hosts && error.errno() == Some(Errno::EPERM) => {
            Ok(Tree::copy(CWD, c"/proc", Guard::Files)?)
        }
        made => made.map_err(unless_covered),
    }
}

const COVERED: &str = "parts of the /proc here are covered, as in a container, and the kernel makes \
                       none that shows more: run it as root of the host, or where /proc is whole";

/// Of our own pid namespace.
pub(super) fn fresh_proc() -> std::result::Result<Tree, ActionError> {
    Tree::proc().map_err(unless_covered)
}

fn unless_covered(error: SysError) -> ActionError {
    if error.errno() == Some(Errno::EPERM) {
        return ActionError::from(error).advise(COVERED);
    }
    error.into()
}

/// Where the network is the host's, or a fresh one would show what is covered here, it is the
/// host's, read-only.
fn sys(new: Kinds) -> Result<Option<Tree>> {
    if new.has(Kind::Net) {
        match Tree::sys() {
            // What may not be, or the kernel has not, is the host's.
            Err(error) if !matches!(error.errno(), Some(Errno::EPERM | Errno::ENODEV)) => {
                return Err(error);
            }
            Err(_) => {}
            made => return made.map(Some),
        }
    }
    match Tree::copy(CWD, c"/sys", Guard::ReadOnly) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
        copy => copy.map(Some),
    }
}

fn fill_dev(dev: &Tree, new: Kinds) -> Result<Tree> {
    let root = rustix::fs::open(c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .context("open", "the root")?;
    for path in DEVICES {
        match Tree::copy(root.as_fd(), path, Guard::Device) {
            Ok(device) => {
                let name = devices::name(path);
                dev.file(name, b"")?;
                device.attach(dev.as_fd(), name)?;
            }
            Err(error) if error.errno() == Some(Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
    for (path, target) in LINKS {
        dev.link(devices::name(path), target)?;
    }
    dev.link(c"ptmx", c"pts/ptmx")?;
    let terminals = Tree::terminals()?;
    let shared_memory = Tree::memory_for_files(SHM, None)?;
    let queues = if new.has(Kind::Ipc) { Some(Tree::queues()?) } else { None };
    let below = [(c"pts", Some(&terminals)), (c"shm", Some(&shared_memory))];
    for (name, tree) in below.into_iter().chain([(c"mqueue", queues.as_ref())]) {
        if let Some(tree) = tree {
            dev.directory(name, 0o755)?;
            tree.attach(dev.as_fd(), name)?;
        }
    }
    Ok(terminals)
}

fn no_file() -> Result<Tree> {
    Tree::copy(CWD, c"/dev/null", Guard::Device)
}

fn no_directory() -> Result<Tree> {
    let empty = Tree::memory_for_files("0555", None)?;
    empty.make_read_only()?;
    Ok(empty)
}
