//! keyctl(2), as much as it takes to leave the caller's keys behind.

use nix::errno::Errno;

/// linux/keyctl.h
const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;

/// A new, empty session keyring in place of the caller's. Nothing is done where the kernel has no
/// keys, or where somebody forbids to ask for them: then they cannot be asked for inside either.
pub fn leave_session() -> nix::Result<()> {
    let name = std::ptr::null::<libc::c_char>();
    // SAFETY: without a name the call reads no memory of ours.
    let done = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) };
    match Errno::result(done) {
        Ok(_) | Err(Errno::ENOSYS | Errno::EPERM | Errno::EACCES) => Ok(()),
        Err(errno) => Err(errno),
    }
}
