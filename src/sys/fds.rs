//! Descriptors of this process as a whole.

use super::error::{Context, Result};

/// Opens `/dev/null` in place of each standard descriptor that the caller closed, so that no file
/// of ours ever becomes standard input, output or error.
pub fn fill_standard() -> Result<()> {
    loop {
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
        let null = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())
            .context("open", "/dev/null")?;
        if std::os::fd::AsRawFd::as_raw_fd(&null) > 2 {
            return Ok(());
        }
        std::mem::forget(null);
    }
}
