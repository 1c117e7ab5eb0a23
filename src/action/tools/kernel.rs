//! The kernel's own file systems in a root that is made for a program: /proc, /sys and /dev.
//!
//! The target's processes may see them by `/proc/PROGRAM/root`: a fresh one must not give them
//! more than a runtime does.

use crate::sys::error::Result;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::tree::{Guard, Tree};
use crate::sys::worker;
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, OFlags, ResolveFlags, StatxFlags, statx};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Settings of the whole machine: they can be read.
const READ_ONLY: [&CStr; 5] =
    [c"proc/bus", c"proc/fs", c"proc/irq", c"proc/sys", c"proc/sysrq-trigger"];
/// What tells of the whole machine more than a container should know: files, and directories.
const HIDDEN: [&CStr; 6] = [
    c"proc/kcore",
    c"proc/keys",
    c"proc/latency_stats",
    c"proc/sched_debug",
    c"proc/timer_list",
    c"proc/timer_stats",
];
const HIDDEN_DIRECTORIES: [&CStr; 3] = [c"proc/acpi", c"proc/asound", c"proc/scsi"];

/// Devices that no program does without.
pub(super) const DEVICES: [&CStr; 6] =
    [c"dev/full", c"dev/null", c"dev/random", c"dev/tty", c"dev/urandom", c"dev/zero"];

/// The target's own, where they can be what they should be.
#[derive(Debug)]
pub(super) struct Kernel {
    proc: Option<OwnedFd>,
    sys: Option<OwnedFd>,
    dev: Option<OwnedFd>,
}

impl Kernel {
    /// Before the join.
    pub(super) fn of(target: &ProcessHandle) -> Self {
        let has = |directory: &CStr, proof: &CStr, kind: FileType| {
            let open = |path, flags| {
                let resolve = ResolveFlags::NO_SYMLINKS;
                worker::open_inside(target.dir(), path, flags, resolve, PATIENCE).ok()
            };
            let directory = open(directory, OFlags::DIRECTORY)?;
            kind_of(&open(proof, OFlags::NOFOLLOW)?).filter(|it| *it == kind)?;
            Some(directory)
        };
        Self {
            proc: has(c"/proc", c"/proc/version", FileType::RegularFile),
            sys: has(c"/sys", c"/sys/kernel", FileType::Directory),
            dev: has(c"/dev", c"/dev/null", FileType::CharacterDevice),
        }
    }

    /// Copies, while we are in the target's mount namespace; what cannot be copied is missing.
    pub(super) fn copy(&self) -> Copies {
        let copy = |own: &Option<OwnedFd>| {
            let own = own.as_ref()?;
            Tree::copy_of(own.as_fd(), Guard::AsItIs).ok()
        };
        Copies { proc: copy(&self.proc), sys: copy(&self.sys), dev: copy(&self.dev) }
    }
}

/// The kind of what is open; its file system is not asked.
pub(super) fn kind_of(file: &OwnedFd) -> Option<FileType> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = statx(file, c"", flags, StatxFlags::TYPE).ok()?;
    Some(FileType::from_raw_mode(stat.stx_mode.into()))
}

#[derive(Debug)]
pub(super) struct Copies {
    proc: Option<Tree>,
    sys: Option<Tree>,
    dev: Option<Tree>,
}

impl Copies {
    /// Attaches what there is below our root, in our own mount namespace. `empty` is a directory of
    /// that root that nothing is mounted on yet.
    pub(super) fn attach(self, base: &Tree, joined_pid: bool, empty: &CStr) -> Result<()> {
        // The target's own may be that of another pid namespace; one that shares ours has ours.
        let fresh = if joined_pid || self.proc.is_none() { Tree::proc().ok() } else { None };
        match (fresh, self.proc) {
            (Some(fresh), _) => {
                fresh.attach(base.as_fd(), c"proc")?;
                withhold(base, empty)?;
            }
            (None, Some(own)) => own.attach(base.as_fd(), c"proc")?,
            (None, None) => {}
        }
        if let Ok(sys) = self.sys.map_or_else(Tree::sys, Ok) {
            sys.attach(base.as_fd(), c"sys")?;
        }
        match self.dev {
            Some(dev) => dev.attach(base.as_fd(), c"dev"),
            None => Ok(()),
        }
    }
}

/// Of a fresh /proc, what runtimes withhold from containers. Some of it not every kernel has.
fn withhold(base: &Tree, empty: &CStr) -> Result<()> {
    let over = |from: &CStr, to: &CStr, guard| match Tree::copy(base.as_fd(), from, guard)?
        .attach(base.as_fd(), to)
    {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(()),
        done => done,
    };
    for name in READ_ONLY {
        match over(name, name, Guard::ReadOnly) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => {}
            done => done?,
        }
    }
    HIDDEN.iter().try_for_each(|name| over(c"dev/null", name, Guard::Device))?;
    HIDDEN_DIRECTORIES.iter().try_for_each(|name| over(empty, name, Guard::ReadOnly))
}
