//! A process that clears up when nsx itself is killed and cannot.
//!
//! It is told what will be made before it is made, and waits. A socket that closes without a farewell
//! means that nsx has ended: then it removes what is there. It has a session of its own, so that a
//! signal to nsx's group does not reach it, and is no child of nsx, which waits for its own children.
//! Should it be gone itself, the next that it is told fails, and nsx clears up.

use crate::action::cgroup;
use crate::action::error::ActionError;
use crate::sys::error::{Context, SysError};
use crate::sys::packet;
use crate::sys::raw::fds;
use crate::sys::raw::fork::{self, Side};
use crate::sys::raw::signal::{self, Mask};
use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The nsx side of it: what it is told to clear away, a packet each. Closed without a farewell it is the
/// end of nsx; the other end closes when the janitor has ended.
#[derive(Debug)]
pub struct Janitor(RefCell<Option<OwnedFd>>);

const GROUP: u8 = b'g';
const TEMPORARY: u8 = b't';
const FILE: u8 = b'f';
const FAREWELL: u8 = b'q';
/// A path, and the numbers before it.
const LONGEST: usize = 8192;

impl Janitor {
    /// Forks it; EAGAIN where it could not be left behind as nobody's child.
    pub fn start() -> Result<Self, ActionError> {
        let (ours, its) = packet::pair().context("make", "a socket")?;
        let child = match fork::fork(0).context("start", "a child")? {
            Side::Child => match fork::fork(0) {
                Ok(Side::Child) => {
                    drop(ours);
                    wait_and_clear(&its);
                    fork::exit_now(0)
                }
                Ok(Side::Parent(_)) => fork::exit_now(0),
                Err(_) => fork::exit_now(1),
            },
            Side::Parent(child) => child,
        };
        match waitpid(child.pid, None).context("wait for", "a child")? {
            WaitStatus::Exited(_, 0) => Ok(Self(RefCell::new(Some(ours)))),
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

    /// Something is still there. Once this process has ended that is tried again, as if it had been
    /// killed: for a while, and nobody waits for it.
    pub(super) fn take_over(this: &Rc<Self>) {
        // It is never dropped, which would be the farewell.
        std::mem::forget(Rc::clone(this));
    }

    /// In a child, whose end of it would outlive nsx: without a farewell.
    pub(super) fn let_go(&self) {
        drop(self.0.take());
    }

    fn tell(&self, parts: &[&[u8]]) -> Result<(), ActionError> {
        let told = match &*self.0.borrow() {
            Some(socket) => packet::send(socket, &[IoSlice::new(&parts.concat())], None),
            None => Ok(()),
        };
        Ok(told.context("tell", "the process that clears up")?)
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

impl Drop for Janitor {
    /// Everything has been removed.
    fn drop(&mut self) {
        let Some(socket) = self.0.take() else { return };
        let _ = packet::send(&socket, &[IoSlice::new(&[FAREWELL])], None);
        let _ = shutdown(&socket, Shutdown::Write);
        let _ = recv(&socket, &mut [0; 1][..], RecvFlags::empty());
    }
}

fn wait_and_clear(nsx: &OwnedFd) {
    let _ = nix::unistd::setsid();
    let _ = signal::block(Mask::ALL);
    // Who waits for the end of what nsx writes to does not wait for us.
    let _ = fds::close_inherited_from(0, &[nsx.as_raw_fd().cast_unsigned()]);
    let mut told = Vec::new();
    let mut packet = [0; LONGEST];
    loop {
        match recv(nsx, &mut packet[..], RecvFlags::empty()) {
            Ok((0, _)) => break,
            Ok((length, _)) => match packet.get(..length) {
                Some([FAREWELL]) => return,
                Some(thing) => told.push(thing.to_vec()),
                None => {}
            },
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
    clear(&told);
}

fn clear(told: &[Vec<u8>]) {
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let mut groups = Vec::new();
    for thing in told {
        match thing.split_first() {
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
