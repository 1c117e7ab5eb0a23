//! The files in `/proc/PID` by which a process is set up: id maps, clock offsets.

use crate::sys::error::{Context, Result};
use crate::sys::fds::write_all;
use rustix::fs::{Mode, OFlags};
use std::fmt::Display;

/// Writes one of them, in one call as the kernel wants it, and creates none. `process` is a number
/// or `self`.
pub fn write(process: impl Display, file: &str, value: &str) -> Result<()> {
    let path = format!("/proc/{process}/{file}");
    let write = || {
        let file =
            rustix::fs::open(path.as_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        write_all(&file, value.as_bytes())
    };
    write().context("write", path.as_str())
}
