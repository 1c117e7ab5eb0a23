//! ptrace(2), as much as it takes to read a process's seccomp filters and let it go.
//!
//! nix knows the named signals only, and a process may stop at any.

use nix::errno::Errno;
use std::ptr::null_mut;

/// linux/filter.h: no program is longer.
pub const MOST_INSTRUCTIONS: usize = 4096;
/// `struct sock_filter`
pub const INSTRUCTION_BYTES: usize = 8;

/// As the C library has it.
#[cfg(target_env = "musl")]
type Request = libc::c_int;
#[cfg(not(target_env = "musl"))]
type Request = libc::c_uint;

/// linux/ptrace.h; the crate of the C library lacks them.
const PTRACE_SECCOMP_GET_FILTER: Request = 0x420c;
const PTRACE_SECCOMP_GET_METADATA: Request = 0x420d;

/// Where a tracee stands, as waitpid(2) said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// With the signal that it is about to receive, or 0.
    Stopped(i32),
    /// It exited or was killed: there is nothing to let go.
    Ended,
}

type Word = *mut libc::c_void;

fn word(number: usize) -> Word {
    std::ptr::without_provenance_mut(number)
}

fn ptrace(request: Request, pid: i32, address: Word, data: Word) -> nix::Result<i64> {
    // SAFETY: every caller below passes either plain numbers or memory of the size that the
    // request writes, alive through the call.
    Errno::result(unsafe { libc::ptrace(request, pid, address, data) })
}

/// Becomes the tracer; the process goes on. No option is set: it outlives its tracer.
pub fn seize(pid: i32) -> nix::Result<()> {
    ptrace(libc::PTRACE_SEIZE, pid, null_mut(), null_mut()).map(drop)
}

/// Asks a seized process to stop. It is not a signal: no one else sees it.
pub fn interrupt(pid: i32) -> nix::Result<()> {
    ptrace(libc::PTRACE_INTERRUPT, pid, null_mut(), null_mut()).map(drop)
}

/// Lets it go with the signal that it was about to receive; one that was stopped stays so.
pub fn detach(pid: i32, signal: i32) -> nix::Result<()> {
    let signal = usize::try_from(signal).unwrap_or_default();
    ptrace(libc::PTRACE_DETACH, pid, null_mut(), word(signal)).map(drop)
}

/// Waits until a tracee has stopped.
pub fn wait(pid: i32) -> nix::Result<Stop> {
    let mut status = 0;
    loop {
        // SAFETY: the status is written to a variable of ours.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
        match Errno::result(waited) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => return Ok(stop_of(status)),
        }
    }
}

/// Bits 8 to 15 are the signal, those above are the event: a stop with an event is of ptrace's own
/// making or a job's, and delivers nothing.
const fn stop_of(status: i32) -> Stop {
    if !libc::WIFSTOPPED(status) {
        return Stop::Ended;
    }
    Stop::Stopped(if status >> 16 == 0 { libc::WSTOPSIG(status) } else { 0 })
}

/// The instructions of one filter of a stopped tracee, 8 bytes each; 0 is the oldest filter. ENOENT
/// after the last, EACCES without CAP_SYS_ADMIN or where the caller has a filter itself. Linux 4.4
/// with CONFIG_CHECKPOINT_RESTORE.
pub fn seccomp_filter(pid: i32, index: usize) -> nix::Result<Vec<u8>> {
    let mut bytes = vec![0_u8; MOST_INSTRUCTIONS * INSTRUCTION_BYTES];
    let into = bytes.as_mut_ptr().cast();
    let count = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, word(index), into)?;
    let length = usize::try_from(count).unwrap_or_default().saturating_mul(INSTRUCTION_BYTES);
    bytes.truncate(length);
    Ok(bytes)
}

/// `struct seccomp_metadata`
#[repr(C)]
struct Metadata {
    filter_off: u64,
    flags: u64,
}

/// The flags that a filter was installed with, as far as the kernel tells them. Linux 4.16.
pub fn seccomp_flags(pid: i32, index: usize) -> nix::Result<u64> {
    let mut metadata = Metadata { filter_off: index as u64, flags: 0 };
    let size = word(size_of::<Metadata>());
    ptrace(PTRACE_SECCOMP_GET_METADATA, pid, size, (&raw mut metadata).cast())?;
    Ok(metadata.flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_are_the_kernels() {
        assert_eq!(size_of::<Metadata>(), 16);
        assert_eq!(size_of::<libc::sock_filter>(), INSTRUCTION_BYTES);
    }

    #[test]
    fn only_a_stop_before_a_signal_delivers_one() {
        let stopped = |signal: i32, event: i32| stop_of(event << 16 | signal << 8 | 0x7f);
        assert_eq!(stopped(libc::SIGUSR1, 0), Stop::Stopped(libc::SIGUSR1));
        assert_eq!(stopped(40, 0), Stop::Stopped(40));
        assert_eq!(stopped(libc::SIGTRAP, libc::PTRACE_EVENT_STOP), Stop::Stopped(0));
        assert_eq!(stopped(libc::SIGSTOP, libc::PTRACE_EVENT_STOP), Stop::Stopped(0));
        assert_eq!(stop_of(0), Stop::Ended);
        assert_eq!(stop_of(libc::SIGKILL), Stop::Ended);
    }
}
