//! mount_setattr(2), Linux 5.12: linux/mount.h.

use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

/// MOUNT_ATTR_RDONLY
pub const RDONLY: u64 = 0x1;
/// MOUNT_ATTR_NOSUID
pub const NOSUID: u64 = 0x2;
/// MOUNT_ATTR_NODEV
pub const NODEV: u64 = 0x4;
/// MOUNT_ATTR_NOEXEC
pub const NOEXEC: u64 = 0x8;
const IDMAP: u64 = 0x0010_0000;

/// `struct mount_attr`
#[repr(C)]
#[derive(Default)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Sets attributes of the mount that a descriptor stands for.
pub fn set(mount: BorrowedFd<'_>, attributes: u64) -> nix::Result<()> {
    call(mount, &Attributes { set: attributes, ..Attributes::default() }, 0)
}

/// The same of all mounts below it too; and nothing that is mounted or unmounted there is seen
/// elsewhere any more, nor the other way round.
pub fn set_and_part(tree: BorrowedFd<'_>, attributes: u64) -> nix::Result<()> {
    let propagation = libc::MS_PRIVATE;
    let wanted = Attributes { set: attributes, propagation, ..Attributes::default() };
    call(tree, &wanted, libc::AT_RECURSIVE)
}

/// Shows the owners of its files, and of those below, as the user namespace maps them.
pub fn map_owners(tree: BorrowedFd<'_>, users: BorrowedFd<'_>) -> nix::Result<()> {
    let userns_fd = u64::try_from(users.as_raw_fd()).map_err(|_| nix::errno::Errno::EBADF)?;
    let wanted = Attributes { set: IDMAP, userns_fd, ..Attributes::default() };
    call(tree, &wanted, libc::AT_RECURSIVE)
}

fn call(mount: BorrowedFd<'_>, wanted: &Attributes, flags: libc::c_int) -> nix::Result<()> {
    let (fd, empty) = (mount.as_raw_fd(), c"".as_ptr());
    let (pointer, size) = (&raw const *wanted, size_of::<Attributes>());
    let flags = flags | libc::AT_EMPTY_PATH;
    // SAFETY: the kernel reads an empty string and a structure of the size that is told.
    let done = unsafe { libc::syscall(libc::SYS_mount_setattr, fd, empty, flags, pointer, size) };
    nix::errno::Errno::result(done).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_the_kernels_first_version() {
        assert_eq!(size_of::<Attributes>(), 32); // MOUNT_ATTR_SIZE_VER0
    }

    #[test]
    fn what_is_no_mount_has_no_attributes() {
        let (end, _) = rustix::pipe::pipe().unwrap();
        assert!(set_and_part(std::os::fd::AsFd::as_fd(&end), RDONLY).is_err());
    }
}
