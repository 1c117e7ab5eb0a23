//! The host's own root, where no other is asked for: what is mounted over it, and a layer above it.

use super::kernel::fresh_proc;
use super::layers::Layer;
use super::places::{Places, Shape, text};
use crate::action::error::ActionError;
use crate::action::withheld;
use crate::model::namespace::{Kind, Kinds};
use crate::sys::bounded;
use crate::sys::error::{Context, Result};
use crate::sys::proc::mountinfo;
use crate::sys::tree::{self, Guard, Tree};
use nix::errno::Errno;
use rustix::fs::{CWD, Mode, OFlags};
use std::ffi::{CString, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A `/proc` of the new pid namespace. What it has of the machine cannot be set where nothing is to
/// be written, by who is root of the machine.
pub(super) fn mount_proc(
    places: &Places<'_>,
    new: Kinds,
    read_only: bool,
) -> std::result::Result<(), ActionError> {
    const PROC: &str = "/proc";
    if !new.has(Kind::Pid) {
        return Ok(());
    }
    let place = places.find_existing(Path::new(PROC), Shape::Directory)?;
    let place = place.ok_or(Errno::ENOENT).context("mount on", PROC)?;
    let proc = fresh_proc()?;
    proc.attach_on(place.as_fd()).context("mount on", PROC)?;
    if read_only && !new.has(Kind::User) {
        withheld::settings_read_only(&proc)?;
    }
    Ok(())
}

/// The same directory again, which may be below something new by now.
pub(super) fn go_to(directory: &Path) -> std::result::Result<(), ActionError> {
    if rustix::process::chdir(directory).is_err() {
        rustix::process::chdir(c"/").context("change to", "/")?;
    }
    Ok(())
}

/// The file system of the root, and apart from it what is mounted below.
#[derive(Debug)]
pub(super) struct Copies {
    root: Tree,
    below: Vec<(PathBuf, Tree)>,
}

impl Copies {
    /// Outside, by who has the privilege: in a user namespace what a mount hides may not be seen.
    pub(super) fn make() -> std::result::Result<Self, ActionError> {
        let root = tree::root()?;
        let copy = Tree::copy_alone(root.as_fd(), Guard::AsItIs).map_err(|error| {
            if error.errno() == Some(Errno::EPERM) {
                return ActionError::refused(
                    "only root can have --overlay over the host's own root",
                    "name another with --rootfs",
                );
            }
            error.into()
        })?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = rustix::fs::open(c"/proc", flags, Mode::empty()).context("open", "/proc")?;
        let mountinfo = bounded::read(proc.as_fd(), "self/mountinfo", bounded::LARGE)?;
        let number = tree::mount_number(root.as_fd());
        let mounts = mountinfo::parse(&mountinfo).0;
        let direct = mounts.iter().filter(|mount| {
            number == Some(u64::from(mount.parent_id)) && mount.target != "/" && !mount.overmounted
        });
        let below = direct.map(|mount| {
            let path = PathBuf::from(OsStr::from_bytes(mount.target.as_bytes()));
            // The kernel writes no NUL in a path.
            let name = CString::new(mount.target.as_bytes()).unwrap_or_default();
            let copy = Tree::copy(CWD, &name, Guard::AsItIs)?;
            copy.make_all_read_only()?;
            Ok((path, copy))
        });
        Ok(Self { root: copy, below: below.collect::<Result<_>>()? })
    }

    /// The root below a layer, and the other file systems read-only.
    pub(super) fn below(
        self,
        layer: Layer,
        by_user: bool,
    ) -> std::result::Result<Tree, ActionError> {
        let root = layer.over(self.root, by_user, Guard::AsItIs)?;
        let places = Places::of(root.as_fd());
        for (at, tree) in self.below {
            if let Some(place) = places.find_existing(&at, Shape::File)? {
                tree.attach_on(place.as_fd()).with_context("mount on", || text(&at))?;
            }
        }
        Ok(root)
    }
}
