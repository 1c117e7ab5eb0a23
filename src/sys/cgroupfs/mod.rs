//! Control groups on disk: which hierarchies are mounted where, and the values in their files.
//!
//! Reads only. Which process or container a group belongs to is decided above. See cgroups(7) and
//! the kernel's admin-guide/cgroup-v1 and admin-guide/cgroup-v2.

pub mod group;
pub mod hierarchy;
pub mod io;
pub mod levels;
pub mod memory_stat;
pub mod paths;
pub mod v1;
pub mod v2;
pub mod values;
