//! Namespace ioctls: ioctl_nsfs(2) on namespace files, and those of sockets and tun devices that open one.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `_IO(0xb7, 1)`, Linux 4.9.
const NS_GET_USERNS: libc::Ioctl = 0xb701;
/// `_IO(0xb7, 2)`, Linux 4.9.
const NS_GET_PARENT: libc::Ioctl = 0xb702;
/// `_IO(0xb7, 3)`, Linux 4.11.
const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
/// `_IO(0xb7, 4)`, Linux 4.11.
const NS_GET_OWNER_UID: libc::Ioctl = 0xb704;
/// Linux 6.11.
const NS_GET_MNTNS_ID: libc::Ioctl = libc::_IOR::<u64>(0xb7, 5);
/// Linux 6.11; the number goes by value.
const NS_GET_PID_FROM_PIDNS: libc::Ioctl = libc::_IOR::<libc::c_int>(0xb7, 6);
/// Linux 6.12.
const NS_MNT_GET_NEXT: libc::Ioctl = libc::_IOR::<MountNamespaceInfo>(0xb7, 11);
/// Linux 6.12.
const NS_MNT_GET_PREV: libc::Ioctl = libc::_IOR::<MountNamespaceInfo>(0xb7, 12);
/// Linux 6.18.
const NS_GET_ID: libc::Ioctl = libc::_IOR::<u64>(0xb7, 13);
/// `SIOCGSKNS` of linux/sockios.h, Linux 4.10.
const SIOCGSKNS: libc::Ioctl = 0x894c;

/// `struct mnt_ns_info`
#[repr(C)]
#[derive(Default)]
struct MountNamespaceInfo {
    size: u32,
    mounts: u32,
    id: u64,
}

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

/// The namespace above a pid or user namespace; EINVAL on kinds that have none.
pub fn parent(namespace: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    ioctl_fd(namespace, NS_GET_PARENT)
}

/// The CLONE_NEW* bit of a namespace's kind; ENOTTY where the file is none.
pub fn kind(namespace: BorrowedFd<'_>) -> nix::Result<i32> {
    // SAFETY: the request takes no argument and returns a number or -1.
    let bit = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_NSTYPE) };
    nix::errno::Errno::result(bit)
}

/// What a process or thread of a pid namespace is called in ours. ESRCH: there is none, or none that
/// has a number here; ENOTTY before Linux 6.11.
pub fn pid_from(namespace: BorrowedFd<'_>, inside: i32) -> nix::Result<i32> {
    // SAFETY: the request takes a number and returns one or -1.
    let pid = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_PID_FROM_PIDNS, inside) };
    nix::errno::Errno::result(pid)
}

/// The number that is never given twice; ENOTTY before Linux 6.18.
pub fn id(namespace: BorrowedFd<'_>) -> nix::Result<u64> {
    let mut id: u64 = 0;
    // SAFETY: the request writes one u64 to the address, which is valid for it.
    let done = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_ID, &raw mut id) };
    nix::errno::Errno::result(done)?;
    Ok(id)
}

/// The number of a mount namespace that listmount(2) takes; EINVAL on other kinds.
pub fn mount_namespace_id(namespace: BorrowedFd<'_>) -> nix::Result<u64> {
    let mut id: u64 = 0;
    // SAFETY: the request writes one u64 to the address, which is valid for it.
    let done = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_MNTNS_ID, &raw mut id) };
    nix::errno::Errno::result(done)?;
    Ok(id)
}

/// Where a walk over all mount namespaces goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// NS_MNT_GET_NEXT
    Newer,
    /// NS_MNT_GET_PREV
    Older,
}

/// The mount namespace made after this one, or before it; ENOENT at the end. EPERM: not for this
/// caller.
pub fn next_mount_namespace(namespace: BorrowedFd<'_>, towards: Towards) -> nix::Result<OwnedFd> {
    let request = match towards {
        Towards::Newer => NS_MNT_GET_NEXT,
        Towards::Older => NS_MNT_GET_PREV,
    };
    let mut info = MountNamespaceInfo::default();
    // SAFETY: the request writes one structure of this size to the address and returns a new
    // descriptor or -1.
    let fd = unsafe { libc::ioctl(namespace.as_raw_fd(), request, &raw mut info) };
    let fd = nix::errno::Errno::result(fd)?;
    // SAFETY: the kernel has just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The network namespace of a socket; ENOTTY on other files, EPERM without CAP_NET_ADMIN there.
pub fn of_socket(socket: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    ioctl_fd(socket, SIOCGSKNS)
}

/// The network namespace of the interface that a descriptor of /dev/net/tun serves; EBADFD where it
/// serves none. Linux 5.2.
pub fn of_tun(tun: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    ioctl_fd(tun, libc::TUNGETDEVNETNS)
}

/// The uid, in the caller's user namespace, of who made a user namespace; EINVAL on other kinds.
pub fn owner_uid(user_namespace: BorrowedFd<'_>) -> nix::Result<u32> {
    let mut uid: libc::uid_t = 0;
    // SAFETY: the request writes one uid_t to the address, which is valid for it.
    let done = unsafe { libc::ioctl(user_namespace.as_raw_fd(), NS_GET_OWNER_UID, &raw mut uid) };
    nix::errno::Errno::result(done)?;
    Ok(uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn own(kind: &str) -> std::fs::File {
        std::fs::File::open(format!("/proc/self/ns/{kind}")).unwrap()
    }

    #[test]
    fn the_structures_and_numbers_are_the_kernels() {
        assert_eq!(size_of::<MountNamespaceInfo>(), 16); // MNT_NS_INFO_SIZE_VER0
        assert_eq!(format!("{NS_GET_ID:x}"), "8008b70d");
        assert_eq!(format!("{NS_GET_MNTNS_ID:x}"), "8008b705");
        assert_eq!(format!("{NS_MNT_GET_NEXT:x}"), "8010b70b");
    }

    #[test]
    fn a_namespace_says_what_it_is_and_another_file_does_not() {
        assert_eq!(kind(own("net").as_fd()), Ok(libc::CLONE_NEWNET));
        assert_eq!(kind(own("mnt").as_fd()), Ok(libc::CLONE_NEWNS));
        assert!(kind(tempfile::tempfile().unwrap().as_fd()).is_err());
        assert_eq!(parent(own("net").as_fd()).unwrap_err(), nix::errno::Errno::EINVAL);
    }
}
