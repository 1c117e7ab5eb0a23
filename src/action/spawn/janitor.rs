//! A process that clears up when nsx itself is killed and cannot.
//!
//! It is told what will be made before it is made, and waits. A pipe that closes without a farewell
//! means that nsx has ended: then it removes what is there. It has a session of its own, so that a
//! signal to nsx's group does not reach it, and is no child of nsx: that is the program alone.

use crate::action::cgroup;
use crate::action::error::ActionError;
use crate::sys::error::Context;
use crate::sys::fds::write_all;
use crate::sys::raw::fds;
use crate::sys::raw::fork::{self, Side};
use nix::sys::wait::waitpid;
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Janitor {
    /// Dropped without a farewell it is the end of nsx.
    pipe: Option<OwnedFd>,
    /// Closes when it has ended.
    end: OwnedFd,
}

const GROUP: u8 = b'g';
const FILE: u8 = b'f';
const FAREWELL: u8 = b'q';

impl Janitor {
    pub(super) fn start() -> Result<Self, ActionError> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).context("make", "a pipe")?;
        let (end, ends) = pipe_with(PipeFlags::CLOEXEC).context("make", "a pipe")?;
        match fork::fork(0).context("start", "a child")? {
            Side::Child => {
                if let Ok(Side::Child) = fork::fork(0) {
                    wait_and_clear(&read, &ends);
                }
                fork::exit_now(0)
            }
            Side::Parent(child) => {
                waitpid(child.pid, None).context("wait for", "a child")?;
            }
        }
        Ok(Self { pipe: Some(write), end })
    }

    /// A control group's directory that is about to be made.
    pub(super) fn expect_group(&self, directory: &Path) -> Result<(), ActionError> {
        self.tell(GROUP, directory)
    }

    /// A file.
    pub(super) fn expect_file(&self, file: &Path) -> Result<(), ActionError> {
        self.tell(FILE, file)
    }

    fn tell(&self, kind: u8, path: &Path) -> Result<(), ActionError> {
        let Some(pipe) = &self.pipe else { return Ok(()) };
        let line = [&[kind], path.as_os_str().as_bytes(), b"\0"].concat();
        write_all(pipe, &line).context("tell", "the process that clears up")?;
        Ok(())
    }
}

impl Drop for Janitor {
    /// Everything has been removed.
    fn drop(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            let _ = rustix::io::write(&pipe, &[FAREWELL]);
        }
        let _ = rustix::io::read(&self.end, &mut [0; 1]);
    }
}

fn wait_and_clear(pipe: &OwnedFd, end: &OwnedFd) {
    let _ = nix::unistd::setsid();
    // Who waits for the end of what nsx writes to does not wait for us.
    let kept = [pipe, end].map(|pipe| pipe.as_raw_fd().cast_unsigned());
    let _ = fds::close_inherited_from(0, &kept);
    let mut told = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        match rustix::io::read(pipe, &mut bytes) {
            Ok(0) => break,
            Ok(count) => told.extend_from_slice(bytes.get(..count).unwrap_or_default()),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
    let farewell = told == [FAREWELL] || told.ends_with(&[0, FAREWELL]);
    if !farewell {
        clear(&told);
    }
}

fn clear(told: &[u8]) {
    let mut groups = Vec::new();
    for line in told.split(|byte| *byte == 0) {
        match line.split_first() {
            Some((&GROUP, path)) => groups.push(PathBuf::from(OsStr::from_bytes(path))),
            Some((&FILE, path)) => {
                let _ = rustix::fs::unlink(OsStr::from_bytes(path));
            }
            _ => {}
        }
    }
    cgroup::remove_left(&groups);
}
