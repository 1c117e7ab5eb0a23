//! The kernel: system calls and pseudo-files as facts, whose files count, and how long an answer is waited
//! for. What it all means is for others; nothing is printed.

pub mod accounts;
pub mod bounded;
pub mod calls;
pub mod cgroupfs;
pub mod crew;
pub mod elf;
pub mod entries;
pub mod error;
pub mod fds;
pub mod hold;
pub mod idmap;
pub mod incarnation;
pub mod layers;
pub mod magic;
pub mod mounts;
pub mod netlink;
pub mod ns;
pub mod nsfs;
pub mod overlay;
pub mod owned;
pub mod packet;
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
