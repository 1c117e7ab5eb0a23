//! mount_setattr(2), Linux 5.12, which neither nix nor rustix wraps. linux/mount.h.

use nix::errno::Errno;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The same number on every machine that has calls of this age, but for alpha.
const SYS_MOUNT_SETATTR: libc::c_long = 442;

pub const RDONLY: u64 = 0x1;
pub const NOSUID: u64 = 0x2;
pub const NODEV: u64 = 0x4;
pub const NOEXEC: u64 = 0x8;

/// `struct mount_attr`
#[repr(C)]
#[derive(Default)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Sets flags on a mount, and on all below it if `recursive`; nothing mounted or unmounted there is
/// seen elsewhere afterwards, nor the other way round.
pub fn set_and_make_private(tree: BorrowedFd<'_>, set: u64, recursive: bool) -> nix::Result<()> {
    let mut attributes = Attributes { set, propagation: libc::MS_PRIVATE, ..Attributes::default() };
    let recursive = if recursive { libc::AT_RECURSIVE } else { 0 };
    let flags = libc::AT_EMPTY_PATH | recursive;
    let empty = c"".as_ptr();
    // SAFETY: the kernel reads a string ended by NUL and a structure of the size that it is told;
    // both live through the call.
    let done = unsafe {
        libc::syscall(
            SYS_MOUNT_SETATTR,
            tree.as_raw_fd(),
            empty,
            flags,
            &raw mut attributes,
            size_of::<Attributes>(),
        )
    };
    Errno::result(done).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn the_structure_is_the_kernels_first_version() {
        assert_eq!(size_of::<Attributes>(), 32); // MOUNT_ATTR_SIZE_VER0
    }

    #[test]
    fn what_is_no_mount_has_no_flags() {
        let (file, _) = rustix::pipe::pipe().unwrap();
        assert!(set_and_make_private(file.as_fd(), RDONLY, true).is_err());
    }
}
