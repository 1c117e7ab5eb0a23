//! bpf(2), one command: which programs of a kind a control group has.

use std::mem::size_of;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// linux/bpf.h
const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_CGROUP_DEVICE: u32 = 6;
/// Those of groups above, too.
const BPF_F_QUERY_EFFECTIVE: u32 = 1;

/// More than these on one group are no honest ones.
const MOST: usize = 64;

/// The first fields of `union bpf_attr` for BPF_PROG_QUERY.
#[repr(C)]
#[derive(Default)]
struct Query {
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    padding: u32,
}

/// The ids of the programs that decide about devices in a group of v2, its own and those above. EPERM
/// without CAP_NET_ADMIN; EINVAL where the kernel has no such programs.
pub fn device_programs(group: BorrowedFd<'_>) -> nix::Result<Vec<u32>> {
    let mut ids = [0_u32; MOST];
    let mut query = Query {
        target_fd: group.as_raw_fd().cast_unsigned(),
        attach_type: BPF_CGROUP_DEVICE,
        flags: BPF_F_QUERY_EFFECTIVE,
        prog_ids: (&raw mut ids) as u64,
        prog_cnt: 64,
        ..Query::default()
    };
    // SAFETY: the kernel reads and writes no more than the given size of the structure, and no more
    // than `prog_cnt` numbers at `prog_ids`, which has as many.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_QUERY, &raw mut query, size_of::<Query>()) };
    nix::errno::Errno::result(done)?;
    let count = usize::try_from(query.prog_cnt).unwrap_or(MOST).min(MOST);
    Ok(ids.into_iter().take(count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn the_structure_is_the_kernels() {
        assert_eq!(offset_of!(Query, prog_ids), 16);
        assert_eq!(offset_of!(Query, prog_cnt), 24);
        assert_eq!(size_of::<Query>(), 32);
    }
}
