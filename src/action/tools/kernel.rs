//! The kernel's own file systems in a root that is made for a program: /proc, /sys and /dev.
//!
//! The target's processes may see them by `/proc/PROGRAM/root`: a fresh one must not give them
//! more than a runtime does.

use crate::action::withheld;
use crate::model::namespace::{Kind, Kinds};
use crate::sys::error::{Context, Result};
use crate::sys::magic;
use crate::sys::ns;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::tree::{Guard, Tree};
use crate::sys::worker;
use rustix::fs::{AtFlags, FileType, OFlags, ResolveFlags, Statx, StatxFlags, statx};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Which of the three are directories of our root, and what there covers what is withheld. Nothing
/// of these names is a link of the target's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub proc: bool,
    pub sys: bool,
    pub dev: bool,
    /// A device without content.
    pub no_file: &'static CStr,
    /// A directory without content.
    pub no_directory: &'static CStr,
}

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
        let open = |path, flags| {
            let resolve = ResolveFlags::NO_SYMLINKS;
            worker::open_inside(target.dir(), path, flags, resolve, PATIENCE).ok()
        };
        let of_kind =
            |path, kind| worker::open_inside_of_kind(target.dir(), path, kind, PATIENCE).ok();
        let directory = |path| open(path, OFlags::DIRECTORY);
        let has_version = || {
            open(c"/proc/version", OFlags::NOFOLLOW).and_then(|it| kind_of(&it))
                == Some(FileType::RegularFile)
        };
        let has_null = || open(c"/dev/null", OFlags::NOFOLLOW).is_some_and(|it| is_null(&it));
        Self {
            // The whole of one.
            proc: of_kind(c"/proc", magic::PROC).filter(|_| has_version()),
            // Some have a /sys whose directories alone are the kernel's.
            sys: of_kind(c"/sys/kernel", magic::SYSFS).and_then(|_| directory(c"/sys")),
            dev: directory(c"/dev").filter(|_| has_null()),
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
    Some(FileType::from_raw_mode(seen(file)?.stx_mode.into()))
}

/// Whether this is the device `/dev/null`.
fn is_null(file: &OwnedFd) -> bool {
    kind_of(file) == Some(FileType::CharacterDevice)
        && seen(file).is_some_and(|stat| (stat.stx_rdev_major, stat.stx_rdev_minor) == (1, 3))
}

fn seen(file: &OwnedFd) -> Option<Statx> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    statx(file, c"", flags, StatxFlags::TYPE).ok()
}

/// Fresh ones, made by who may in the target's place what the target may not: its own root cannot
/// mount a /proc where there is none yet. Attached nowhere.
#[derive(Debug)]
pub(super) struct Fresh {
    proc: Option<OwnedFd>,
    sys: Option<OwnedFd>,
}

impl Fresh {
    /// Before the join, by processes that end.
    pub(super) fn of(target: &ProcessHandle) -> Self {
        let join = |kind| {
            let kinds = Kinds::NONE.with(kind);
            ns::join(target.pidfd()?, kinds).context("join", "the target")
        };
        let proc = || {
            join(Kind::Pid)?;
            // Only a child is in the joined namespace. It is waited for here: else its end would be
            // for the target's first process to notice, which may never do so.
            worker::make("a /proc", || Tree::proc().map(Tree::into_fd), PATIENCE)
        };
        let sys = || {
            join(Kind::Net)?;
            Tree::sys().map(Tree::into_fd)
        };
        let pidfd = target.pidfd().ok();
        let proc = pidfd.map(|pidfd| worker::make_in_sight("a /proc", pidfd, proc, PATIENCE));
        Self {
            proc: proc.and_then(std::result::Result::ok),
            sys: worker::make("a /sys", sys, PATIENCE).ok(),
        }
    }

    /// Whether there is a /proc, and a /sys.
    pub(super) const fn has(&self) -> (bool, bool) {
        (self.proc.is_some(), self.sys.is_some())
    }

    /// Attaches what there is below the root that is being made.
    pub(super) fn attach(&self, base: &Tree, places: Places) -> Result<()> {
        let tree = |fd: &OwnedFd| fd.try_clone().map(Tree::from).context("copy", "a descriptor");
        if let Some(proc) = self.proc.as_ref().filter(|_| places.proc) {
            let proc = tree(proc)?;
            proc.attach(base.as_fd(), c"proc")?;
            withhold(&proc, base, places)?;
        }
        if let Some(sys) = self.sys.as_ref().filter(|_| places.sys) {
            let sys = tree(sys)?;
            sys.attach(base.as_fd(), c"sys")?;
            withhold_of_sys(&sys, base, places)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Copies {
    proc: Option<Tree>,
    sys: Option<Tree>,
    dev: Option<Tree>,
}

impl Copies {
    /// Attaches what there is below our root, in our own mount namespace; `fresh` says whether a
    /// /proc and a /sys are there.
    pub(super) fn attach(
        self,
        base: &Tree,
        places: Places,
        joined_pid: bool,
        fresh: (bool, bool),
    ) -> Result<()> {
        let (has_proc, has_sys) = fresh;
        if places.proc {
            // The target's own may be that of another pid namespace.
            let own = self.proc.as_ref();
            match (own.filter(|_| !joined_pid), has_proc) {
                (Some(own), _) => own.attach(base.as_fd(), c"proc")?,
                (None, true) => {}
                (None, false) => match (Tree::proc(), own) {
                    (Ok(fresh), _) => {
                        fresh.attach(base.as_fd(), c"proc")?;
                        withhold(&fresh, base, places)?;
                    }
                    (Err(_), Some(own)) => own.attach(base.as_fd(), c"proc")?,
                    (Err(_), None) => {}
                },
            }
        }
        if places.sys {
            let fresh = || (!has_sys).then(|| Tree::sys().ok()).flatten();
            if let Some(own) = self.sys {
                own.attach(base.as_fd(), c"sys")?;
            } else if let Some(fresh) = fresh() {
                fresh.attach(base.as_fd(), c"sys")?;
                withhold_of_sys(&fresh, base, places)?;
            }
        }
        match self.dev.filter(|_| places.dev) {
            Some(dev) => dev.attach(base.as_fd(), c"dev"),
            None => Ok(()),
        }
    }
}

/// Of a fresh /proc, what runtimes withhold from containers.
fn withhold(proc: &Tree, base: &Tree, places: Places) -> Result<()> {
    let file = || Tree::copy(base.as_fd(), places.no_file, Guard::Device);
    let directory = || Tree::copy(base.as_fd(), places.no_directory, Guard::ReadOnly);
    withheld::of_proc(proc, file, directory)
}

/// The same of a fresh /sys.
fn withhold_of_sys(sys: &Tree, base: &Tree, places: Places) -> Result<()> {
    withheld::of_sys(sys, || Tree::copy(base.as_fd(), places.no_directory, Guard::ReadOnly))
}
