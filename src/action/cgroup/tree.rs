//! A group and those below it, which its processes may have made: walked from open directories, to
//! a bounded depth.

use super::open_directory;
use crate::sys::bounded;
use crate::sys::error::IntoErrno;
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// One descriptor is held for each level. Deeper nesting is not cleared up.
const MAX_DEPTH: usize = 128;

/// Calls `visit` with the group and each below it.
pub(super) fn each(group: BorrowedFd<'_>, visit: &mut dyn FnMut(BorrowedFd<'_>)) {
    walk(group, MAX_DEPTH, visit);
}

fn walk(group: BorrowedFd<'_>, depth: usize, visit: &mut dyn FnMut(BorrowedFd<'_>)) {
    visit(group);
    if depth == 0 {
        return;
    }
    for name in names(group).unwrap_or_default() {
        if let Ok(below) = open_directory(group, path(&name)) {
            walk(below.as_fd(), depth - 1, visit);
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
pub(super) fn remove(parent: BorrowedFd<'_>, name: &str) -> nix::Result<()> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    remove_below(parent, &name, MAX_DEPTH)
}

fn remove_below(parent: BorrowedFd<'_>, name: &CString, depth: usize) -> nix::Result<()> {
    let unlink = || match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        done => done.map_err(IntoErrno::into_errno),
    };
    // Nearly always there is nothing below.
    match unlink() {
        Err(Errno::EBUSY) if depth > 0 => {}
        done => return done,
    }
    let group = open_directory(parent, path(name)).map_err(IntoErrno::into_errno)?;
    for below in names(group.as_fd()).map_err(IntoErrno::into_errno)? {
        remove_below(group.as_fd(), &below, depth - 1)?;
    }
    unlink()
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
