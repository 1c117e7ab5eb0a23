//! The kernel: system calls and pseudo-files as facts. No policy, no printing.

pub mod accounts;
pub mod bounded;
pub mod calls;
pub mod cgroupfs;
pub mod crew;
pub mod error;
pub mod fds;
pub mod idmap;
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
pub mod root;
pub mod seal;
pub mod seccomp;
pub mod statfs;
pub mod worker;
