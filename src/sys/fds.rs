//! Descriptors of this process as a whole, and writing to one.

use super::error::{Context, Result};
use super::raw;
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;

/// Opens `/dev/null` in place of each standard descriptor that the caller closed, so that no file
/// of ours ever becomes standard input, output or error. What is written to a closed standard output
/// is an error, as it is without us; there is nobody to tell what is said to a closed standard error.
pub fn fill_standard() -> Result<()> {
    // Three small questions. Whatever is opened becomes the lowest that is not.
    for closed in (0..=2).filter(|number| !raw::fds::is_open(*number)) {
        let way = if closed == 1 { OFlags::RDONLY } else { OFlags::RDWR };
        let null = rustix::fs::open("/dev/null", way | OFlags::CLOEXEC, Mode::empty())
            .context("open", "/dev/null")?;
        std::mem::forget(null);
    }
    Ok(())
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

/// A quarter of what the process may have open, and never many; none where few are allowed.
fn most() -> usize {
    match allowed() {
        allowed if allowed < FEW => 1,
        allowed => usize::try_from(allowed / 4).unwrap_or(usize::MAX).clamp(1, 256),
    }
}

/// With fewer none is held for the sake of speed.
const FEW: u64 = 64;

/// Whether this process may have so few that one thing has to be done after the other.
pub fn are_few() -> bool {
    allowed() < FEW
}

fn allowed() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}
