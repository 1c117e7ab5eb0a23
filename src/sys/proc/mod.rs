//! One file per pseudo-file: `parse` is pure over bytes, `read` is thin.

pub mod cgroup;
pub mod fib;
pub mod mountinfo;
pub mod net;
pub mod stat;
pub mod status;
