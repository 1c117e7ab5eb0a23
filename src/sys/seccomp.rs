//! The seccomp filters of a process, read through ptrace(2) by a process that can be abandoned.
//!
//! The target is seized, stopped, read and let go as it was. Whatever becomes of the reader or of
//! nsx, the kernel lets go of what a process traced when that process ends.

use super::error::{Problem, Result, SysError};
use super::pidfd::ProcessHandle;
use super::raw::ptrace::{self, Stop};
use super::raw::signal;
use super::worker::files;
use nix::errno::Errno;
use rustix::process::Signal;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// A process that runs stops at once; one that does not is frozen or stuck in the kernel.
const DEADLINE: Duration = Duration::from_secs(1);
/// Before each filter: its length in instructions, and its flags.
const HEADER: usize = 12;
const FLAGS_UNKNOWN: u64 = u64::MAX;

/// One filter as the kernel keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFilter {
    /// `struct sock_filter`, one after the other.
    pub bytes: Vec<u8>,
    /// SECCOMP_FILTER_FLAG_*; the kernel tells LOG alone. Linux 4.16.
    pub flags: Option<u64>,
}

/// The oldest first. The process's first thread is asked; others may have more.
///
/// EPERM where it is traced already or may not be traced; EACCES where we may not see filters.
/// The caller has one thread.
pub fn filters(target: &ProcessHandle) -> Result<Vec<RawFilter>> {
    let object = || format!("pid {}", target.pid());
    let (pid, pidfd) = (target.pid().raw(), target.pidfd()?);
    let error = |problem| SysError { doing: "trace", object: object().into(), problem };
    let parent = rustix::process::getpid();
    let read = |into: &mut Vec<u8>| {
        apart_from(parent)?;
        trace(pid, pidfd, into).map_err(|errno| rustix::io::Errno::from_raw_os_error(errno as i32))
    };
    let bytes = files::work(read, DEADLINE).map_err(error)?;
    decode(&bytes).ok_or_else(|| error(Problem::Malformed("filter")))
}

/// In the reader: it ends with nsx, and neither a stop nor an interrupt from the terminal reaches it
/// while it keeps the target.
fn apart_from(parent: rustix::process::Pid) -> rustix::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(parent) {
        return Err(rustix::io::Errno::SRCH);
    }
    rustix::process::setpgid(None, None)
}

fn trace(pid: i32, pidfd: BorrowedFd<'_>, into: &mut Vec<u8>) -> nix::Result<()> {
    ptrace::seize(pid)?;
    // Its number was its own all the time if it is still there: a tracee keeps its number.
    signal::send(pidfd, 0)
        .or_else(|errno| if errno == Errno::EPERM { Ok(()) } else { Err(errno) })?;
    ptrace::interrupt(pid)?;
    let Stop::Stopped(signal) = ptrace::wait(pid)? else { return Err(Errno::ESRCH) };
    let read = read_stopped(pid, into);
    let detached = ptrace::detach(pid, signal);
    read.and(detached)
}

fn read_stopped(pid: i32, into: &mut Vec<u8>) -> nix::Result<()> {
    for index in 0.. {
        let bytes = match ptrace::seccomp_filter(pid, index) {
            Ok(bytes) => bytes,
            Err(Errno::ENOENT) => break,
            Err(errno) => return Err(errno),
        };
        let flags = ptrace::seccomp_flags(pid, index).unwrap_or(FLAGS_UNKNOWN);
        let count = u32::try_from(bytes.len() / ptrace::INSTRUCTION_BYTES);
        into.extend(count.map_err(|_| Errno::EFBIG)?.to_ne_bytes());
        into.extend(flags.to_ne_bytes());
        into.extend(bytes);
    }
    Ok(())
}

/// As they travel from the process that stopped the target.
pub fn decode(mut bytes: &[u8]) -> Option<Vec<RawFilter>> {
    let mut filters = Vec::new();
    while !bytes.is_empty() {
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let (count, flags) = header.split_at_checked(4)?;
        let count = usize::try_from(u32::from_ne_bytes(count.try_into().ok()?)).ok()?;
        let flags = u64::from_ne_bytes(flags.try_into().ok()?);
        let length = count.checked_mul(ptrace::INSTRUCTION_BYTES)?;
        let (program, rest) = rest.split_at_checked(length)?;
        let flags = (flags != FLAGS_UNKNOWN).then_some(flags);
        filters.push(RawFilter { bytes: program.to_vec(), flags });
        bytes = rest;
    }
    Some(filters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_come_back_as_they_were_sent() {
        let mut sent = 1_u32.to_ne_bytes().to_vec();
        sent.extend(2_u64.to_ne_bytes());
        sent.extend([7; 8]);
        sent.extend(0_u32.to_ne_bytes());
        sent.extend(FLAGS_UNKNOWN.to_ne_bytes());
        let filters = decode(&sent).unwrap();
        let first = RawFilter { bytes: vec![7; 8], flags: Some(2) };
        assert_eq!(filters, [first, RawFilter { bytes: Vec::new(), flags: None }]);
        for cut in [1, 11, 13, sent.len() - 1] {
            assert_eq!(decode(&sent[..cut]), None, "{cut}");
        }
        assert_eq!(decode(&[]), Some(Vec::new()));
    }
}
