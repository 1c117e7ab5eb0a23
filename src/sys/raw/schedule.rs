//! sched_setattr(2), which nix and rustix do not have, and musl only by the name of another.

use crate::model::standing::Schedule;
use nix::errno::Errno;

/// `struct sched_attr` up to `sched_period` (Linux 3.14).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// This thread is scheduled so from here on. EPERM: better than before takes CAP_SYS_NICE on the host;
/// EINVAL: the policy takes more than this.
pub fn set(schedule: Schedule) -> nix::Result<()> {
    let size = size_of::<Attributes>();
    let Schedule { policy, priority, nice } = schedule;
    let size_told = u32::try_from(size).map_err(|_| Errno::EINVAL)?;
    let attributes =
        Attributes { size: size_told, policy, priority, nice, ..Attributes::default() };
    // SAFETY: the kernel reads as many bytes as the structure says that it has.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    Errno::result(done).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_the_kernels_first_version() {
        assert_eq!(size_of::<Attributes>(), 48); // SCHED_ATTR_SIZE_VER0
    }

    #[test]
    fn a_policy_that_is_none_is_refused() {
        assert_eq!(set(Schedule { policy: 99, ..Schedule::default() }), Err(Errno::EINVAL));
    }
}
