//! The only unsafe code: calls that neither nix nor rustix wraps, or that a compiler cannot check.
//!
//! One operation a block; each says which contract of the kernel or the C library makes it sound.
#![allow(unsafe_code)]

pub mod bpf;
#[cfg(all(target_arch = "x86_64", any(test, target_env = "musl")))]
mod bytes;
#[cfg(target_arch = "x86_64")]
pub mod early;
pub mod environment;
pub mod fds;
pub mod fork;
pub mod kcmp;
pub mod keyring;
pub mod marks;
#[cfg_attr(fuzzing, expect(dead_code, reason = "AddressSanitizer brings an allocator"))]
pub mod memory;
pub mod mount_attributes;
pub mod mounts;
pub mod names;
pub mod netdev;
pub mod nsfs;
pub mod ptrace;
pub mod schedule;
pub mod seccomp;
pub mod signal;
pub mod start;
pub mod wait;
