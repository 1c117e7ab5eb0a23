//! kcmp(2): whether two tasks share what belongs to them.

use nix::errno::Errno;

/// linux/kcmp.h
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// The table of descriptors.
    Descriptors = 2,
    /// The root and the working directory.
    Directories = 3,
}

/// Whether both have the same. ENOSYS: the kernel was built without it (CONFIG_KCMP).
pub fn is_shared(one: i32, other: i32, what: Shared) -> nix::Result<bool> {
    let (what, none) = (what as libc::c_int, 0_u64);
    // SAFETY: of numbers alone; no memory of ours is read or written.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, one, other, what, none, none) };
    Ok(Errno::result(order)? == 0)
}
