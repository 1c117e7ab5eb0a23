//! seccomp(2): installing a filter, compiled here or read from another process.

use nix::errno::Errno;

/// Installs a filter for this thread, which needs no_new_privs or CAP_SYS_ADMIN in our user
/// namespace: else EACCES. `program` is `struct sock_filter`, one after the other; EINVAL where it
/// is none that the kernel takes.
///
/// Filters that are there already decide about this call too: where they refuse the newer one,
/// prctl(2) is tried, which takes no flags.
pub fn install(program: &[u8], logs: bool) -> nix::Result<()> {
    let words: Vec<u64> = program
        .chunks_exact(size_of::<libc::sock_filter>())
        .filter_map(|instruction| instruction.try_into().ok().map(u64::from_ne_bytes))
        .collect();
    let program = libc::sock_fprog {
        len: u16::try_from(words.len()).map_err(|_| Errno::EINVAL)?,
        filter: words.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    let flags = if logs { libc::SECCOMP_FILTER_FLAG_LOG } else { 0 };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the kernel copies `len` instructions of eight bytes from `words`, which has as many,
    // is alive through the call and is not written to.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    let Err(errno) = Errno::result(done) else { return Ok(()) };
    if logs {
        return Err(errno);
    }
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: as above.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) };
    Errno::result(done).map(drop).map_err(|_| errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_is_a_word() {
        assert_eq!(size_of::<libc::sock_filter>(), size_of::<u64>());
        assert!(align_of::<u64>() >= align_of::<libc::sock_filter>());
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(install(&[], false).is_err());
        assert!(install(&[0xff; 8], false).is_err());
    }
}
