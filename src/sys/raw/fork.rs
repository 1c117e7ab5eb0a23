//! New processes: clone3(2), and the end of a child that must not run our destructors.

use super::memory;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Side {
    /// In the new process.
    Child,
    /// In the caller.
    Parent(Child),
}

/// A child and the descriptor that is it.
#[derive(Debug)]
pub struct Child {
    /// In the caller's pid namespace.
    pub pid: nix::unistd::Pid,
    /// Close-on-exec, as the kernel makes it.
    pub pidfd: OwnedFd,
}

/// `struct clone_args` up to `cgroup` (Linux 5.7).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Forks with `namespaces` (CLONE_NEW* bits) new in the child.
///
/// The caller has one thread: then the child may go on as an ordinary process. (A multi-threaded
/// caller's child may use only async-signal-safe functions, and allocate: nobody else holds the lock of
/// the allocator while a process is made.)
pub fn fork(namespaces: u64) -> nix::Result<Side> {
    clone3(namespaces, 0)
}

/// The same, with the child in a control group of v2 from its first instant (Linux 5.7), where the
/// kernel and the group allow it: the answer says whether it is.
pub fn fork_into(group: BorrowedFd<'_>, namespaces: u64) -> nix::Result<(Side, bool)> {
    let cgroup = u64::from(group.as_raw_fd().cast_unsigned());
    match clone3(namespaces | CLONE_INTO_CGROUP, cgroup) {
        Ok(side) => Ok((side, true)),
        // Whether it is the group that is refused only the other way tells.
        Err(_) => fork(namespaces).map(|side| (side, false)),
    }
}

/// linux/sched.h
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

fn clone3(flags: u64, cgroup: u64) -> nix::Result<Side> {
    let mut pidfd: libc::c_int = -1;
    let mut args = CloneArgs {
        flags: flags | u64::from(libc::CLONE_PIDFD.cast_unsigned()),
        pidfd: (&raw mut pidfd).expose_provenance() as u64,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        cgroup,
        ..CloneArgs::default()
    };
    // SAFETY: without CLONE_VM and with no stack given this is fork: the child gets a copy of the
    // whole address space and returns here. The structure lives through the call.
    let pid = memory::at_rest(|| unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<CloneArgs>())
    });
    let pid = match Errno::result(pid) {
        // What filters of containers say, who cannot look into its structure.
        Err(Errno::ENOSYS) if cgroup == 0 => clone(flags, &mut pidfd)?,
        made => made?,
    };
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: CLONE_PIDFD stored a new descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let pid = i32::try_from(pid).map_err(|_| Errno::ERANGE)?;
    Ok(Side::Parent(Child { pid: nix::unistd::Pid::from_raw(pid), pidfd }))
}

/// The older call, of which a filter sees all; it has no bit for a new time namespace.
fn clone(flags: u64, pidfd: &mut libc::c_int) -> nix::Result<libc::c_long> {
    if flags & u64::from(libc::CLONE_NEWTIME.cast_unsigned()) != 0 {
        return Err(Errno::ENOSYS);
    }
    let flags = flags | u64::from((libc::CLONE_PIDFD | libc::SIGCHLD).cast_unsigned());
    let flags = libc::c_ulong::try_from(flags).map_err(|_| Errno::EINVAL)?;
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: as with clone3: fork, without CLONE_VM and a stack. The place for the pidfd lives
    // through the call; the two arguments after it, in whichever order the machine has them, are
    // not used without their flags.
    let pid = memory::at_rest(|| unsafe {
        libc::syscall(libc::SYS_clone, flags, nothing, &raw mut *pidfd, nothing, nothing)
    });
    Errno::result(pid)
}

/// Ends a forked child at once: no destructor, no exit handler, no flushing of the parent's buffers.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) only ends the process.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_the_kernels_second_version_plus_cgroup() {
        assert_eq!(size_of::<CloneArgs>(), 88); // CLONE_ARGS_SIZE_VER2
    }
}
