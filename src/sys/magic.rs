//! The kinds of file systems that nsx asks for, as fstatfs(2) tells them: linux/magic.h.

use rustix::fs::FsWord;

/// Control groups of v1.
pub const CGROUP: FsWord = 0x0027_e0eb;
/// Control groups of v2.
pub const CGROUP2: FsWord = 0x6367_7270;
/// Pidfds, each with an inode of its own since Linux 6.9.
pub const PIDFS: FsWord = 0x5049_4446;
/// `/proc`.
pub const PROC: FsWord = 0x9fa0;
/// `/sys`.
pub const SYSFS: FsWord = 0x6265_6572;
/// Files in memory.
pub const TMPFS: FsWord = 0x0102_1994;
