//! A group and those below it, which its processes may have made, however deep: one directory is
//! open at a time, and its parent is found from it.

use super::open_directory;
use crate::sys::bounded;
use crate::sys::error::IntoErrno;
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Calls `visit` with the group and each below it.
pub(super) fn each(group: BorrowedFd<'_>, visit: &mut dyn FnMut(BorrowedFd<'_>)) {
    visit(group);
    let Ok(mut here) = open_directory(group, Path::new(".")) else { return };
    // Of each level down to here, those that were not visited.
    let mut left = vec![names(group).unwrap_or_default()];
    while let Some(names_here) = left.last_mut() {
        match names_here.pop() {
            Some(name) => {
                if let Ok(below) = open_directory(here.as_fd(), path(&name)) {
                    visit(below.as_fd());
                    left.push(names(below.as_fd()).unwrap_or_default());
                    here = below;
                }
            }
            None => {
                left.pop();
                match parent(&here) {
                    Ok(parent) => here = parent,
                    Err(_) => return,
                }
            }
        }
    }
}

/// The processes of the group and of those below it, as numbers of our pid namespace.
pub(super) fn processes(group: BorrowedFd<'_>) -> Vec<i32> {
    let mut found = Vec::new();
    each(group, &mut |group| {
        let list = bounded::read(group, "cgroup.procs", bounded::LARGE).unwrap_or_default();
        let lines = list.split(|byte| *byte == b'\n');
        // 0 is one that our pid namespace does not show.
        let pids = lines.filter_map(|line| std::str::from_utf8(line).ok()?.parse().ok());
        found.extend(pids.filter(|pid: &i32| *pid > 0));
    });
    found
}

/// Removes the group and those below it. EBUSY: something still runs there.
pub(super) fn remove(above: BorrowedFd<'_>, name: &str) -> nix::Result<()> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    // Nearly always there is nothing below.
    match unlink(above, &name) {
        Err(Errno::EBUSY) => {}
        done => return done,
    }
    let mut here = open_directory(above, Path::new(".")).map_err(IntoErrno::into_errno)?;
    // Of each level down to here, those that are still there; the last one is gone into, or next.
    let mut left = vec![vec![name]];
    loop {
        let Some(name) = left.last().and_then(|names| names.last()) else {
            left.pop();
            let Some(emptied) = left.last_mut().and_then(Vec::pop) else { return Ok(()) };
            here = parent(&here).map_err(IntoErrno::into_errno)?;
            unlink(here.as_fd(), &emptied)?;
            continue;
        };
        match unlink(here.as_fd(), name) {
            Ok(()) => drop(left.last_mut().and_then(Vec::pop)),
            Err(Errno::EBUSY) => {
                here = open_directory(here.as_fd(), path(name)).map_err(IntoErrno::into_errno)?;
                left.push(names(here.as_fd()).map_err(IntoErrno::into_errno)?);
            }
            Err(errno) => return Err(errno),
        }
    }
}

/// What is gone is as good as removed.
fn unlink(parent: BorrowedFd<'_>, name: &CString) -> nix::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        done => done.map_err(IntoErrno::into_errno),
    }
}

/// A group keeps its parent for as long as it has a directory.
fn parent(group: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    open_directory(group.as_fd(), Path::new(".."))
}

fn names(group: BorrowedFd<'_>) -> rustix::io::Result<Vec<CString>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let readable = rustix::fs::openat(group, ".", flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::new(readable)? {
        let entry = entry?;
        let is_group = entry.file_type() == FileType::Directory;
        if is_group && !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn path(name: &CString) -> &Path {
    Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name.to_bytes()))
}
