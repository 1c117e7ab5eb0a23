//! `enter --tools`: the host's programs in a root that is made for them, the target's files beside
//! them; `--tools-inside`: the target's root with the host's programs in it.
//!
//! A process that ends makes the host's side of it before the join: one tree, read-only, attached
//! nowhere and held by descriptor. After the join the target's side is copied and both are attached
//! in a mount namespace of the program's own. Nothing is written into the target or seen by it, and
//! nothing is left.

mod base;
mod host;
mod kernel;
mod start;

use super::error::ActionError;
use crate::sys::entries::{self, Entry};
use crate::sys::error::{Result, SysError};
use crate::sys::pidfd::ProcessHandle;
use crate::sys::root::SysRoot;
use crate::sys::tree::{self, Guard, Tree};
use crate::sys::worker;
use base::{BESIDE, Files};
use host::MOST;
use kernel::{Fresh, Kernel, PATIENCE};
use nix::errno::Errno;
use rustix::fs::{OFlags, ResolveFlags};
use std::ffi::{CStr, CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Hundreds of mounts on a busy machine.
const ENOUGH: Duration = Duration::from_secs(20);
/// The host's side of a root that is the target's.
const SIDE: &CStr = c".nsx";

/// Whose root the program has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The host's programs, or all that is in a directory of the host; the target at /target.
    Beside(Option<CString>),
    /// The target's, with the host's programs at /.nsx.
    Inside,
}

/// A command and its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments; the program is a path, or searched in PATH.
    pub words: Vec<OsString>,
    /// Names and values, all that exec gets. Of several PATHs the last is searched.
    pub environment: Vec<(OsString, OsString)>,
    /// A shell that is told so by its name.
    pub login: bool,
}

/// What is needed for the root, gathered before the join.
#[derive(Debug)]
pub struct Tools {
    /// The host's side, attached nowhere.
    base: OwnedFd,
    /// The target's root, open as a place.
    root: OwnedFd,
    kernel: Kernel,
    /// Whether a fresh /proc and /sys are in the host's side already.
    fresh: (bool, bool),
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Beside,
    /// What of the target's root is shown.
    Inside(Vec<Entry>),
}

/// Tools, the command as it is to be run with them, and what a person should know.
#[derive(Debug)]
pub struct Gathered {
    /// To be assembled after the join.
    pub tools: Tools,
    /// With `--tools-inside` it may begin with the host's loader.
    pub command: Command,
    /// Said on standard error, each after `note: `.
    pub notes: Vec<String>,
}

impl Tools {
    /// The caller has one thread, and is in the host's namespaces.
    pub fn gather(
        root: &SysRoot,
        target: &ProcessHandle,
        choice: &Choice,
        command: Command,
    ) -> std::result::Result<Gathered, ActionError> {
        let mut notes = Vec::new();
        let owner = base::owner(target);
        let other_users = base::has_other_users(target);
        let kernel = Kernel::of(target);
        let fresh = Fresh::of(target);
        let (base, shape, command) = match choice {
            Choice::Beside(directory) => {
                let files = Files::read(root, target, &mut notes).map_err(explained)?;
                let make =
                    || base::beside(directory.as_deref(), &files, &fresh, owner, other_users);
                (worker::make("a root for the program", make, ENOUGH), Shape::Beside, command)
            }
            Choice::Inside => {
                let (entries, cut) =
                    entries::of_root(target.dir(), MOST, PATIENCE).map_err(explained)?;
                if cut {
                    notes.push(format!("only {MOST} entries of the target's root are shown"));
                }
                let start = start::plan(root, target, &entries, command, &mut notes)?;
                let make = || base::inside(&entries, &fresh, start.loader.as_ref(), other_users);
                let made = worker::make("a root for the program", make, ENOUGH);
                (made, Shape::Inside(entries), start.command)
            }
        };
        let base = base.map_err(explained)?;
        let flags = OFlags::DIRECTORY;
        let resolve = ResolveFlags::empty();
        let root = worker::open_inside(target.dir(), c"/", flags, resolve, PATIENCE)?;
        target.check_alive()?;
        let tools = Self { base, root, kernel, fresh: fresh.has(), shape };
        Ok(Gathered { tools, command, notes })
    }

    /// Makes it the root of this process, which is the program's own and has joined the target,
    /// its mount namespace at least. Before its credentials change.
    pub fn assemble(&self, joined_pid: bool) -> std::result::Result<(), ActionError> {
        self.assembled(joined_pid).map_err(explained)
    }

    fn assembled(&self, joined_pid: bool) -> Result<()> {
        let target = Tree::copy_of(self.root.as_fd(), Guard::AsItIs)?;
        let kernel = self.kernel.copy();
        tree::part()?;
        let base = Tree::from(
            self.base.try_clone().map_err(|errno| SysError::new("copy", "a descriptor", errno))?,
        );
        base.attach_at(c"/")?;
        match &self.shape {
            Shape::Beside => {
                kernel.attach(&base, BESIDE, joined_pid, self.fresh)?;
                target.attach(base.as_fd(), c"target")?;
            }
            Shape::Inside(entries) => {
                kernel.attach(&base, base::places(entries), joined_pid, self.fresh)?;
                target.attach(base.as_fd(), c".nsx/target")?;
                for entry in entries.iter().filter(|entry| base::is_copied(entry, entries)) {
                    let copy = Tree::copy(target.as_fd(), &entry.name, Guard::AsItIs);
                    attach_if_there(copy, &base, &entry.name)?;
                }
                target.detach()?;
            }
        }
        tree::become_root(&base)
    }
}

/// An entry that the target has removed or changed since is not shown.
fn attach_if_there(copy: Result<Tree>, base: &Tree, name: &CStr) -> Result<()> {
    let attached = copy.and_then(|copy| copy.attach(base.as_fd(), name));
    match attached {
        Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ENOTDIR)) => Ok(()),
        attached => attached,
    }
}

/// A kernel that has none of this, told of clearly.
fn explained(error: SysError) -> ActionError {
    if tree::is_missing(&error) {
        return ActionError::Refused(
            "this kernel cannot make a root for the program: Linux 5.12 is needed".to_owned(),
        );
    }
    error.into()
}
