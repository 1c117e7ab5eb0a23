//! Descriptors that hold a namespace: the namespace itself, or a socket in it.
//!
//! Most are told by the text of their link. One that was opened through a bind mount shows the
//! path of that mount; what lies behind a path is asked of it with what is in memory only, and by
//! a process that can be abandoned.

use super::record::{Descriptor, Visit};
use super::survey::Survey;
use crate::model::gap::Reason;
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::sys::crew::Care;
use crate::sys::error::{IntoErrno, is_exhaustion, reason_of};
use crate::sys::nsfs;
use crate::sys::raw::nsfs as ioctl;
use crate::sys::{bounded, ns, root};
use nix::errno::Errno;
use rustix::fs::AtFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Longer texts are paths: no namespace, no socket.
const TEXT: usize = 128;

pub(super) fn list(
    survey: &mut Survey<'_>,
    links: BorrowedFd<'_>,
    pid: Pid,
    care: Care,
    visit: &mut Visit,
) {
    if visit.asked.is_some() {
        // Its first thread, by which they would be reached, has none any more.
        return visit.lack(Reason::Unsupported);
    }
    let dir = match bounded::open_dir(links, "../fd") {
        Ok(dir) => dir,
        Err(error) => {
            // Of a host that was written down they are left out.
            let is_left_out = !survey.root.is_real() && error.reason() == Reason::Gone;
            return visit.lack(if is_left_out { Reason::Unsupported } else { error.reason() });
        }
    };
    let names = match root::list(dir.as_fd()) {
        Ok(names) => names,
        // A zombie has none.
        Err(error) => return visit.lack(error.reason()),
    };
    let mut process = None;
    for name in &names {
        let name = std::str::from_utf8(name.as_bytes()).unwrap_or_default();
        let Ok(number) = name.parse() else { continue };
        let mut buffer = [std::mem::MaybeUninit::uninit(); TEXT];
        let text = match rustix::fs::readlinkat_raw(&dir, name, &mut buffer) {
            Ok((text, _)) => text,
            // Root sees the names of all descriptors, and not always what they are.
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => {
                visit.lack(Reason::Denied);
                break;
            }
            Err(_) => continue,
        };
        let found = if text.starts_with(b"/") {
            if let Some(errno) = care.lack() {
                visit.lack(reason_of(errno));
                continue;
            }
            by_path(dir.as_fd(), name, survey, visit)
        } else if text.starts_with(b"socket:") {
            if !survey.wants.sockets {
                continue;
            }
            if process.is_none() {
                if !survey.numbers_as_we_do {
                    visit.lack(Reason::Unsupported);
                    continue;
                }
                match pin(links, pid) {
                    Ok(pinned) => process = Some(pinned),
                    Err(errno) => visit.lack(reason_of(errno)),
                }
            }
            let Some(process) = &process else { continue };
            match inode_of_socket(process.as_fd(), number, survey) {
                Ok(inode) if Some(inode) != visit.namespaces.inode(Kind::Net) => {
                    Some((Kind::Net, inode, true))
                }
                Err(errno) if errno == Errno::EPERM || is_exhaustion(errno) => {
                    visit.lack(reason_of(errno));
                    None
                }
                Ok(_) | Err(_) => None,
            }
        } else {
            ns::parse_name(text).map(|key| (key.kind, key.inode, false))
        };
        if let Some((kind, inode, socket)) = found {
            visit.descriptors.push(Descriptor { number, kind, inode, socket });
        }
    }
    survey.spent.close(dir);
    if let Some(process) = process {
        survey.spent.close(process);
    }
}

/// A namespace behind a path.
fn by_path(
    dir: BorrowedFd<'_>,
    name: &str,
    survey: &mut Survey<'_>,
    visit: &mut Visit,
) -> Option<(Kind, u64, bool)> {
    let stat = nsfs::examine(dir, name, AtFlags::empty()).ok()?;
    if !survey.device?.has(&stat) {
        return None;
    }
    let file = match nsfs::open_at(survey.root, dir, name) {
        Ok(opened) => opened?,
        Err(error) => {
            visit.lack(error.reason());
            return None;
        }
    };
    Some((file.key.kind, file.key.inode, false))
}

/// The process whose links these are, and no other that has its number now.
pub(super) fn pin(links: BorrowedFd<'_>, pid: Pid) -> nix::Result<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid.raw()).ok_or(Errno::ESRCH)?;
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
        .map_err(IntoErrno::into_errno)?;
    rustix::fs::statat(links, "..", AtFlags::empty()).map_err(|_| Errno::ESRCH)?;
    Ok(pidfd)
}

fn inode_of_socket(
    process: BorrowedFd<'_>,
    number: u32,
    survey: &mut Survey<'_>,
) -> nix::Result<u64> {
    let namespace = of_socket(process, number)?;
    let inode = ns::inode(namespace.as_fd());
    survey.spent.close(namespace);
    inode
}

/// The network namespace that a socket of another process is in.
pub(super) fn of_socket(process: BorrowedFd<'_>, number: u32) -> nix::Result<OwnedFd> {
    // Our copy is closed at once: one that stays would keep a connection open.
    ioctl::of_socket(copy(process, number)?.as_fd())
}

/// The same of the socket `inode`: ESTALE where the descriptor has become another one since.
pub(in crate::collect) fn of_this_socket(
    process: BorrowedFd<'_>,
    number: u32,
    inode: u64,
) -> nix::Result<OwnedFd> {
    let socket = copy(process, number)?;
    let stat = rustix::fs::fstat(&socket).map_err(|_| Errno::EBADF)?;
    if stat.st_ino != inode {
        return Err(Errno::ESTALE);
    }
    ioctl::of_socket(socket.as_fd())
}

/// pidfd_getfd(2), Linux 5.6.
fn copy(process: BorrowedFd<'_>, number: u32) -> nix::Result<OwnedFd> {
    let number = number.try_into().map_err(|_| Errno::EBADF)?;
    let flags = rustix::process::PidfdGetfdFlags::empty();
    rustix::process::pidfd_getfd(process, number, flags).map_err(IntoErrno::into_errno)
}
