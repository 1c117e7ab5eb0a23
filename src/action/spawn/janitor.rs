//! A process that clears up when nsx itself is killed and cannot.
//!
//! It is told what will be made before it is made, and waits. A pipe that closes without a farewell
//! means that nsx has ended: then it removes what is there. It has a session of its own, so that a
//! signal to nsx's group does not reach it, and is no child of nsx: that is the program alone.

use crate::action::cgroup;
use crate::action::error::ActionError;
use crate::sys::error::{Context, SysError};
use crate::sys::fds::write_all;
use crate::sys::raw::fds;
use crate::sys::raw::fork::{self, Side};
use crate::sys::raw::signal::{self, Mask};
use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The nsx side of it: what it is told over a pipe to clear away.
#[derive(Debug)]
pub struct Janitor {
    /// Dropped without a farewell it is the end of nsx.
    pipe: Option<OwnedFd>,
    /// Closes when it has ended.
    end: OwnedFd,
}

const GROUP: u8 = b'g';
const TEMPORARY: u8 = b't';
const FILE: u8 = b'f';
const FAREWELL: u8 = b'q';

impl Janitor {
    /// Forks it; EAGAIN where it could not be left behind as nobody's child.
    pub fn start() -> Result<Self, ActionError> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).context("make", "a pipe")?;
        let (end, ends) = pipe_with(PipeFlags::CLOEXEC).context("make", "a pipe")?;
        let child = match fork::fork(0).context("start", "a child")? {
            Side::Child => match fork::fork(0) {
                Ok(Side::Child) => {
                    drop((write, end));
                    wait_and_clear(&read, &ends);
                    fork::exit_now(0)
                }
                Ok(Side::Parent(_)) => fork::exit_now(0),
                Err(_) => fork::exit_now(1),
            },
            Side::Parent(child) => child,
        };
        match waitpid(child.pid, None).context("wait for", "a child")? {
            WaitStatus::Exited(_, 0) => Ok(Self { pipe: Some(write), end }),
            _ => Err(SysError::new("start", "a child", Errno::EAGAIN).into()),
        }
    }

    /// A control group's directory that is about to be made.
    pub(super) fn expect_group(&self, directory: &Path) -> Result<(), ActionError> {
        self.tell(&[&[GROUP], bytes(directory)])
    }

    /// A file that is about to be made, under a name that nobody else uses.
    pub(super) fn expect_temporary(&self, file: &Path) -> Result<(), ActionError> {
        self.tell(&[&[TEMPORARY], bytes(file)])
    }

    /// A name that a file of ours is about to have; it is removed if it is still that one's.
    pub(super) fn expect_name(
        &self,
        (device, inode): (u64, u64),
        name: &Path,
    ) -> Result<(), ActionError> {
        let identity = format!("{device} {inode} ");
        self.tell(&[&[FILE], identity.as_bytes(), bytes(name)])
    }

    fn tell(&self, parts: &[&[u8]]) -> Result<(), ActionError> {
        let Some(pipe) = &self.pipe else { return Ok(()) };
        let line = [&parts.concat()[..], b"\0"].concat();
        write_all(pipe, &line).context("tell", "the process that clears up")?;
        Ok(())
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
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
    let _ = signal::block(Mask::ALL);
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
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let mut groups = Vec::new();
    for line in told.split(|byte| *byte == 0) {
        match line.split_first() {
            Some((&GROUP, rest)) => groups.push(path(rest)),
            Some((&TEMPORARY, rest)) => {
                let _ = rustix::fs::unlink(path(rest));
            }
            Some((&FILE, rest)) => {
                let mut parts = rest.splitn(3, |byte| *byte == b' ');
                let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u64>().ok();
                let identity = number().zip(number());
                if let (Some(identity), Some(rest)) = (identity, parts.next()) {
                    remove_if(&path(rest), identity);
                }
            }
            _ => {}
        }
    }
    cgroup::remove_left(&groups);
}

/// Removes a name if it still is of that device and inode. Once more where that does not work at
/// once: nobody comes after us.
pub(super) fn remove_if(path: &Path, identity: (u64, u64)) {
    for _ in 0..3 {
        match rustix::fs::lstat(path) {
            Ok(stat) if (stat.st_dev, stat.st_ino) != identity => return,
            Err(rustix::io::Errno::NOENT) => return,
            Ok(_) | Err(_) => {}
        }
        if rustix::fs::unlink(path).is_ok() {
            return;
        }
    }
}
