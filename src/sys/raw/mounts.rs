//! listmount(2) and statmount(2), Linux 6.8: the mounts of a namespace, without a process in it.
//! linux/mount.h.

use std::mem::size_of;

/// The same numbers on every machine that has calls of this age, but for alpha.
const SYS_STATMOUNT: libc::c_long = 457;
const SYS_LISTMOUNT: libc::c_long = 458;
/// The root of the namespace, for [`list`]: LSMT_ROOT.
pub const ROOT: u64 = u64::MAX;

/// STATMOUNT_SB_BASIC: the device.
pub const SB_BASIC: u64 = 0x1;
/// STATMOUNT_MNT_BASIC: numbers, attributes and propagation.
pub const MNT_BASIC: u64 = 0x2;
/// STATMOUNT_MNT_ROOT: which part of the file system.
pub const MNT_ROOT: u64 = 0x8;
/// STATMOUNT_MNT_POINT: where.
pub const MNT_POINT: u64 = 0x10;
/// STATMOUNT_FS_TYPE
pub const FS_TYPE: u64 = 0x20;
/// Linux 6.11.
pub const MNT_OPTS: u64 = 0x80;
/// Linux 6.13.
pub const FS_SUBTYPE: u64 = 0x100;
/// Linux 6.13.
pub const SB_SOURCE: u64 = 0x200;

/// `struct mnt_id_req`
#[repr(C)]
struct Request {
    size: u32,
    spare: u32,
    mount: u64,
    param: u64,
    namespace: u64,
}

impl Request {
    fn new(namespace: u64, mount: u64, param: u64) -> Self {
        // 32 bytes: `MNT_ID_REQ_SIZE_VER1`, Linux 6.11.
        Self { size: 32, spare: 0, mount, param, namespace }
    }
}

/// `struct statmount`. A string is an offset into what follows it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Statmount {
    /// Bytes of all that was written, strings too.
    pub size: u32,
    /// Where the file system's own options are (MNT_OPTS).
    pub mnt_opts: u32,
    /// What of all this was written.
    pub mask: u64,
    /// Major number of the file system's device.
    pub sb_dev_major: u32,
    /// Minor number of the same.
    pub sb_dev_minor: u32,
    /// `*_SUPER_MAGIC` of linux/magic.h.
    pub sb_magic: u64,
    /// `SB_*` of linux/fs.h: those of the file system, not of the mount.
    pub sb_flags: u32,
    /// Where the type is: `ext4` (FS_TYPE).
    pub fs_type: u32,
    /// The number that listmount(2) gives: never given twice.
    pub mnt_id: u64,
    /// The same of the mount that it is on.
    pub mnt_parent_id: u64,
    /// As mountinfo numbers it; `mnt_id` is never given twice.
    pub mnt_id_old: u32,
    /// As mountinfo numbers the mount that it is on.
    pub mnt_parent_id_old: u32,
    /// `MOUNT_ATTR_*` of linux/mount.h.
    pub mnt_attr: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE` or `MS_UNBINDABLE`.
    pub mnt_propagation: u64,
    /// `shared:` of mountinfo; 0 where it is not.
    pub mnt_peer_group: u64,
    /// `master:` of mountinfo; 0 where it has none.
    pub mnt_master: u64,
    /// `propagate_from:` of mountinfo; 0 where it is not told.
    pub propagate_from: u64,
    /// Where the part of the file system that is mounted is (MNT_ROOT).
    pub mnt_root: u32,
    /// Where its place is, from the root of the namespace (MNT_POINT).
    pub mnt_point: u32,
    /// The number of the mount namespace (Linux 6.11).
    pub mnt_ns_id: u64,
    /// Where the subtype is: `sshfs` of `fuse.sshfs` (FS_SUBTYPE).
    pub fs_subtype: u32,
    /// Where the source is (SB_SOURCE).
    pub sb_source: u32,
    /// Fields of later kernels.
    pub rest: [u64; 48],
}

/// The ids of the next mounts below one, after another, ascending; how many there were. EPERM: not for
/// this caller; ENOENT: the namespace has no root, or one of them has gone.
pub fn list(namespace: u64, below: u64, after: u64, ids: &mut [u64]) -> nix::Result<usize> {
    let request = Request::new(namespace, below, after);
    // SAFETY: the kernel reads a request of the size that it tells, and writes no more than the
    // given count of numbers to the slice.
    let count =
        unsafe { libc::syscall(SYS_LISTMOUNT, &raw const request, ids.as_mut_ptr(), ids.len(), 0) };
    let count = nix::errno::Errno::result(count)?;
    Ok(usize::try_from(count).unwrap_or_default().min(ids.len()))
}

/// What `mask` asks of one mount; its strings are in the buffer behind the structure. EOVERFLOW: the
/// buffer is too small; ENOENT: it was unmounted.
pub fn stat(namespace: u64, mount: u64, mask: u64, buffer: &mut [u8]) -> nix::Result<Statmount> {
    if buffer.len() < size_of::<Statmount>() {
        return Err(nix::errno::Errno::EOVERFLOW);
    }
    let request = Request::new(namespace, mount, mask);
    // SAFETY: the kernel reads a request of the size that it tells, and writes no more than the
    // given length to the buffer.
    let done = unsafe {
        libc::syscall(SYS_STATMOUNT, &raw const request, buffer.as_mut_ptr(), buffer.len(), 0)
    };
    nix::errno::Errno::result(done)?;
    // SAFETY: the buffer is as long as the structure at least, which has numbers alone: any bytes
    // are one.
    Ok(unsafe { buffer.as_ptr().cast::<Statmount>().read_unaligned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn the_structures_are_the_kernels() {
        assert_eq!(size_of::<Request>(), 32);
        assert_eq!(offset_of!(Request, namespace), 24);
        assert_eq!(size_of::<Statmount>(), 512);
        assert_eq!(offset_of!(Statmount, mnt_id), 40);
        assert_eq!(offset_of!(Statmount, mnt_root), 104);
        assert_eq!(offset_of!(Statmount, sb_source), 124);
    }

    #[test]
    fn a_namespace_that_is_none_has_no_mounts() {
        assert!(list(1, ROOT, 0, &mut [0; 4]).is_err());
        assert!(stat(1, 1, MNT_BASIC, &mut [0; 512]).is_err());
        assert!(stat(1, 1, MNT_BASIC, &mut []).is_err());
    }
}
