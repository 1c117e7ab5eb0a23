//! Namespace ioctls: ioctl_nsfs(2) on namespace files and the pidfd ones of linux/pidfd.h.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `_IO(0xb7, 1)`, Linux 4.9.
const NS_GET_USERNS: libc::Ioctl = 0xb701;
/// `_IO(0xb7, 3)`, Linux 4.11.
const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
/// `_IO(0xb7, 4)`, Linux 4.11.
const NS_GET_OWNER_UID: libc::Ioctl = 0xb704;

fn ioctl_fd(file: BorrowedFd<'_>, request: libc::Ioctl) -> nix::Result<OwnedFd> {
    // SAFETY: the request takes no argument and returns a new descriptor or -1.
    let fd = unsafe { libc::ioctl(file.as_raw_fd(), request) };
    let fd = nix::errno::Errno::result(fd)?;
    // SAFETY: the kernel has just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The user namespace that owns a namespace. EPERM: it is above what the caller may see.
pub fn owner(namespace: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    ioctl_fd(namespace, NS_GET_USERNS)
}

/// The CLONE_NEW* bit of a namespace's kind. ENOTTY: it is no namespace.
pub fn kind(namespace: BorrowedFd<'_>) -> nix::Result<i32> {
    // SAFETY: the request takes no argument and returns a number or -1.
    let flag = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_NSTYPE) };
    nix::errno::Errno::result(flag)
}

/// The uid, in the caller's user namespace, of who made a user namespace; EINVAL on other kinds.
pub fn owner_uid(user_namespace: BorrowedFd<'_>) -> nix::Result<u32> {
    let mut uid: libc::uid_t = 0;
    // SAFETY: the request writes one uid_t to the address, which is valid for it.
    let done = unsafe { libc::ioctl(user_namespace.as_raw_fd(), NS_GET_OWNER_UID, &raw mut uid) };
    nix::errno::Errno::result(done)?;
    Ok(uid)
}
