//! close_range(2), which the C libraries wrap unevenly.

use nix::errno::Errno;

/// `CLOSE_RANGE_CLOEXEC`, Linux 5.11.
const CLOEXEC: u32 = 4;

/// Every descriptor above 2 closes at the next exec; none is closed now.
pub fn close_above_standard_on_exec() -> nix::Result<()> {
    let (first, last) = (3_u32, u32::MAX);
    // SAFETY: with CLOEXEC the call only sets flags; no descriptor in use becomes invalid.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, CLOEXEC) };
    match Errno::result(done) {
        Ok(_) => Ok(()),
        Err(Errno::ENOSYS | Errno::EINVAL) => one_by_one(),
        Err(errno) => Err(errno),
    }
}

/// For kernels without it: up to the limit, since a table may be sparse.
fn one_by_one() -> nix::Result<()> {
    let (soft, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)?;
    for fd in 3..i32::try_from(soft).unwrap_or(i32::MAX) {
        // SAFETY: F_SETFD only sets a flag; a number that is no descriptor gives EBADF.
        let _ = unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}
