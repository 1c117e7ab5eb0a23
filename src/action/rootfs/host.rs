//! The host's own root, where no other is asked for: what is mounted over it, and a layer above it.

use super::kernel::fresh_proc;
use super::places::{Places, Shape};
use crate::action::error::ActionError;
use crate::action::withheld;
use crate::model::namespace::{Kind, Kinds};
use crate::sys::error::Context;
use crate::sys::tree::{self, Guard, Tree};
use nix::errno::Errno;
use std::os::fd::AsFd;
use std::path::Path;

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

/// A copy of the root with all that is mounted below. Outside, by who has the privilege: in a user
/// namespace what a mount hides may not be seen.
pub(super) fn copy() -> std::result::Result<Tree, ActionError> {
    Tree::copy_of(tree::root()?.as_fd(), Guard::AsItIs).map_err(|error| {
        if error.errno() == Some(Errno::EPERM) {
            return ActionError::refused(
                "only root can have --overlay over the host's own root",
                "name another with --rootfs",
            );
        }
        error.into()
    })
}
