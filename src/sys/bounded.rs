//! The one reader of foreign files: to the end or to a cap, over short reads and interrupts.
//!
//! A pseudo-file answers one page at a time, so a single read is never the whole of it.

use super::error::{Context, Problem, Result, SysError};
use crate::model::text::Text;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Enough for any single-record pseudo-file.
pub const SMALL: usize = 64 << 10;
/// Enough for 20,000 mounts with long names (5 MB were seen).
pub const LARGE: usize = 32 << 20;

/// What was read, and whether the cap cut it.
#[derive(Clone, Debug, Default)]
pub struct Bytes {
    /// All of it, or its beginning where the bound cut it.
    pub bytes: Vec<u8>,
    /// There was more than the bound.
    pub truncated: bool,
}

/// Reads `name` below `dir` into `buffer` (cleared first). True if the cap cut it.
pub fn read_into(
    dir: BorrowedFd<'_>,
    name: &str,
    cap: usize,
    buffer: &mut Vec<u8>,
) -> rustix::io::Result<bool> {
    let file = open_file(dir, name)?;
    read_fd_into(file.as_fd(), cap, buffer)
}

/// Neither a FIFO nor a terminal makes this wait, or becomes ours.
pub fn open_file(dir: BorrowedFd<'_>, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// Reads a pseudo-file that the kernel writes as one record (`stat`, `cgroup`, a value): what it
/// gives at once is all, unless it filled the buffer. One call less for each file of a long list.
pub fn read_record(
    dir: BorrowedFd<'_>,
    name: &str,
    cap: usize,
    buffer: &mut Vec<u8>,
) -> rustix::io::Result<bool> {
    read_open_record(open_file(dir, name)?.as_fd(), cap, buffer)
}

/// The same of an open file.
pub fn read_open_record(
    file: BorrowedFd<'_>,
    cap: usize,
    buffer: &mut Vec<u8>,
) -> rustix::io::Result<bool> {
    buffer.clear();
    buffer.reserve(4096);
    let room = buffer.capacity();
    match rustix::io::read(file, rustix::buffer::spare_capacity(buffer)) {
        Ok(count) if count < room => {
            buffer.truncate(cap);
            return Ok(count > cap);
        }
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => return Err(errno),
    }
    read_rest_into(file, cap, buffer)
}

/// Reads an open file to its end or to the cap. True if the cap cut it.
pub fn read_fd_into(
    file: BorrowedFd<'_>,
    cap: usize,
    buffer: &mut Vec<u8>,
) -> rustix::io::Result<bool> {
    buffer.clear();
    read_rest_into(file, cap, buffer)
}

/// Reads a table of many short lines: as far as the kernel fills its page is not the end; less is,
/// and saves a call.
pub fn read_table(
    file: BorrowedFd<'_>,
    cap: usize,
    buffer: &mut Vec<u8>,
) -> rustix::io::Result<bool> {
    buffer.clear();
    buffer.reserve(PAGE);
    match rustix::io::read(file, rustix::buffer::spare_capacity(buffer)) {
        Ok(count) if count < PAGE - LINE => Ok(false),
        Ok(_) | Err(rustix::io::Errno::INTR) => read_rest_into(file, cap, buffer),
        Err(errno) => Err(errno),
    }
}

/// The smallest there is; what the kernel fills before it answers.
const PAGE: usize = 4096;
/// Longer than any line of a table of addresses.
const LINE: usize = 1024;

/// Reads on.
pub(super) fn read_rest_into(
    file: BorrowedFd<'_>,
    cap: usize,
    buffer: &mut Vec<u8>,
) -> rustix::io::Result<bool> {
    loop {
        if buffer.len() >= cap {
            buffer.truncate(cap);
            return Ok(true);
        }
        buffer.reserve(4096);
        match rustix::io::read(file, rustix::buffer::spare_capacity(buffer)) {
            Ok(0) => return Ok(false),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Reads the whole of `name` below `dir`; more than `cap` bytes is an error.
pub fn read(dir: BorrowedFd<'_>, name: &str, cap: usize) -> Result<Vec<u8>> {
    let read = read_capped(dir, name, cap)?;
    if read.truncated {
        return Err(SysError {
            doing: "read",
            object: Text::from(name),
            problem: Problem::Truncated,
        });
    }
    Ok(read.bytes)
}

/// The same of what the kernel writes as one record: a call less.
pub fn read_single(dir: BorrowedFd<'_>, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_record(dir, name, LARGE, &mut bytes).context("read", name)?;
    Ok(bytes)
}

/// Reads `name` below `dir` up to `cap` bytes.
pub fn read_capped(dir: BorrowedFd<'_>, name: &str, cap: usize) -> Result<Bytes> {
    let mut bytes = Vec::new();
    let truncated = read_into(dir, name, cap, &mut bytes).context("read", name)?;
    Ok(Bytes { bytes, truncated })
}

/// Opens a directory below `dir` without following what it might be a link to.
pub fn open_dir(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(dir, name, flags, Mode::empty()).context("open", name)
}

/// Opens a directory of procfs through a link of the kernel's own (`self`).
pub fn open_link(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty()).context("open", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir_with(name: &str, bytes: &[u8]) -> (tempfile::TempDir, OwnedFd) {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join(name), bytes).unwrap();
        let fd = rustix::fs::open(temp.path(), OFlags::PATH, Mode::empty()).unwrap();
        (temp, fd)
    }

    #[test]
    fn a_file_longer_than_one_chunk_is_read_whole() {
        let (_temp, dir) = dir_with("f", &vec![7; 70_000]);
        assert_eq!(read(dir.as_fd(), "f", 1 << 20).unwrap(), vec![7; 70_000]);
    }

    #[test]
    fn a_record_longer_than_the_buffer_is_read_whole() {
        let (_temp, dir) = dir_with("f", &vec![7; 70_000]);
        let mut buffer = Vec::new();
        assert!(!read_record(dir.as_fd(), "f", 1 << 20, &mut buffer).unwrap());
        assert_eq!(buffer, vec![7; 70_000]);
        assert!(read_record(dir.as_fd(), "f", 10_000, &mut buffer).unwrap());
        assert_eq!(buffer.len(), 10_000);
    }

    #[test]
    fn the_cap_cuts_and_says_so() {
        let (_temp, dir) = dir_with("f", &[7; 5000]);
        let cut = read_capped(dir.as_fd(), "f", 4096).unwrap();
        assert!(cut.truncated);
        assert_eq!(cut.bytes.len(), 4096);
        let error = read(dir.as_fd(), "f", 4096).unwrap_err();
        assert_eq!(error.problem, Problem::Truncated);
    }

    #[test]
    fn a_fifo_without_a_writer_does_not_block() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap();
        let dir = rustix::fs::open(temp.path(), OFlags::PATH, Mode::empty()).unwrap();
        assert_eq!(read(dir.as_fd(), "fifo", 10).unwrap(), b"");
    }
}
