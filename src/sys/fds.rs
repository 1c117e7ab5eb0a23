//! Descriptors of this process as a whole.

use super::error::{Context, Result};
use super::raw;
use std::os::fd::OwnedFd;

/// Opens `/dev/null` in place of each standard descriptor that the caller closed, so that no file
/// of ours ever becomes standard input, output or error.
pub fn fill_standard() -> Result<()> {
    // Three small questions: to open something for nothing costs more.
    if (0..=2).all(raw::fds::is_open) {
        return Ok(());
    }
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

/// All of it, however little the other end takes at a time.
pub fn write_all(sink: &OwnedFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(sink, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Descriptors that are done with, closed many at a time: on a long walk a call less for each.
#[derive(Debug, Default)]
pub struct Spent {
    held: Vec<OwnedFd>,
    /// How many are held at most; found out when the first comes.
    most: usize,
}

impl Spent {
    /// At once or, with others, later: at the latest when this is dropped.
    pub fn close(&mut self, fd: OwnedFd) {
        if self.most == 0 {
            self.most = most();
        }
        self.held.push(fd);
        if self.held.len() >= self.most {
            raw::fds::close_together(&mut self.held);
        }
    }
}

impl Drop for Spent {
    fn drop(&mut self) {
        raw::fds::close_together(&mut self.held);
    }
}

/// A quarter of what the process may have open, and never many.
fn most() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let quarter = limit.map_or(256, |limit| usize::try_from(limit / 4).unwrap_or(256));
    quarter.clamp(1, 256)
}
