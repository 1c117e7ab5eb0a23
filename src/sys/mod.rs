//! The kernel: system calls and pseudo-files as facts. No policy, no printing.

pub mod accounts;
pub mod bounded;
pub mod calls;
pub mod cgroupfs;
pub mod crew;
pub mod elf;
pub mod entries;
pub mod error;
pub mod fds;
pub mod idmap;
pub mod incarnation;
#[cfg(target_env = "musl")]
mod memory;
pub mod mounts;
pub mod netlink;
pub mod ns;
pub mod nsfs;
pub mod overlay;
pub mod owned;
pub mod passwd;
pub mod pidfd;
pub mod privilege;
pub mod proc;
pub mod raw;
pub mod reach;
pub mod rlimits;
pub mod root;
pub mod seal;
pub mod seccomp;
pub mod statfs;
pub mod threads;
pub mod tree;
pub mod worker;
