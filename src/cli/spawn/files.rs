//! The files that the program is to see: what goes with what, and their opening.

use super::request::Request;
use crate::action::rootfs::Rootfs;
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::output;
use crate::model::files::{Files, Writes};
use crate::model::isolation::Propagation;
use crate::model::namespace::Kind;
use crate::model::user_map::UserMap;
use std::ffi::CStr;

pub(super) fn complete(request: &mut Request) -> Result<(), Failure> {
    if request.files.are_as_they_are() {
        return Ok(());
    }
    request.new = request.new.with(Kind::Mnt);
    let writes = matches!(request.files.overlay, Some(Writes::Directory(_)));
    if writes && !request.new.has(Kind::Pid) && request.limits.is_empty() {
        // What the program left behind would go on writing where the next one may.
        request.life.init = true;
    }
    if request.root.is_some() {
        return Err(Failure::usage("--root is chroot(2), and goes with nothing that mounts files")
            .hint("--rootfs has the directory for a root"));
    }
    if !matches!(request.propagation, None | Some(Propagation::Private)) {
        return Err(Failure::usage("what is mounted for the program alone must be private")
            .hint("leave out --propagation"));
    }
    Ok(())
}

/// Whether the mounts are kept apart already.
pub(super) fn are_apart(request: &Request) -> bool {
    !request.files.are_as_they_are()
}

/// Whether they come with the /proc that is asked for.
pub(super) fn have_proc(request: &Request, place: &CStr) -> bool {
    let comes = request.files.root.is_some() || request.new.has(Kind::Pid);
    are_apart(request) && comes && place == c"/proc"
}

pub(super) fn open(
    context: &Context,
    files: &Files,
    users: Option<&UserMap>,
) -> Result<Option<Rootfs>, Failure> {
    if files.are_as_they_are() {
        return Ok(None);
    }
    let rootfs = Rootfs::open(files, users)?;
    for note in &rootfs.notes {
        output::say(&context.program, note);
    }
    Ok(Some(rootfs))
}
