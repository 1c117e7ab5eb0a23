//! What of a fresh `/proc` and `/sys` a container is not to have: the lists of the runtimes.

use crate::sys::error::Result;
use crate::sys::tree::{Guard, Tree};
use nix::errno::Errno;
use std::ffi::CStr;
use std::os::fd::AsFd;

/// Settings of the whole machine: they can be read.
const READ_ONLY: [&CStr; 5] = [c"bus", c"fs", c"irq", c"sys", c"sysrq-trigger"];
/// What tells of the whole machine more than a container should know: files, and directories.
const FILES: [&CStr; 6] =
    [c"kcore", c"keys", c"latency_stats", c"sched_debug", c"timer_list", c"timer_stats"];
const DIRECTORIES: [&CStr; 3] = [c"acpi", c"asound", c"scsi"];
/// The same of `/sys`.
const OF_SYS: [&CStr; 2] = [c"devices/virtual/powercap", c"firmware"];

/// Covers it in an attached `/proc`; the two functions make an empty file and an empty directory.
pub(super) fn of_proc(
    proc: &Tree,
    file: impl Fn() -> Result<Tree>,
    directory: impl Fn() -> Result<Tree>,
) -> Result<()> {
    settings_read_only(proc)?;
    FILES.iter().try_for_each(|name| cover(proc, name, &file))?;
    DIRECTORIES.iter().try_for_each(|name| cover(proc, name, &directory))
}

/// The first of it alone: what there is can be read, and nothing of the machine be set.
pub(super) fn settings_read_only(proc: &Tree) -> Result<()> {
    let copy = |name| Tree::copy(proc.as_fd(), name, Guard::ReadOnly);
    READ_ONLY.iter().try_for_each(|name| cover(proc, name, || copy(name)))
}

pub(super) fn of_sys(sys: &Tree, directory: impl Fn() -> Result<Tree>) -> Result<()> {
    OF_SYS.iter().try_for_each(|name| cover(sys, name, &directory))
}

/// Some of it not every kernel has.
fn cover(tree: &Tree, name: &CStr, with: impl Fn() -> Result<Tree>) -> Result<()> {
    if !tree.has(name)? {
        return Ok(());
    }
    match with()?.attach(tree.as_fd(), name) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(()),
        covered => covered,
    }
}
