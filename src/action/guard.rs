//! A process that ends the program where nsx is killed and the kernel does not: it unties from its
//! parent's end who changes its user or gets a right by its file (su, a set-uid program).
//!
//! It is made before anything is joined, and keeps nothing but what it waits for. The program's
//! process gives itself into its care before it is the program, so that there is no moment between.

use super::error::ActionError;
use super::launch;
use crate::sys::error::Context;
use crate::sys::packet;
use crate::sys::raw::fork::{self, Child, Side};
use crate::sys::raw::{self, fds, signal};
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::RecvFlags;
use std::io::{IoSlice, IoSliceMut};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Of nsx: it ends the guard when the program has ended.
#[derive(Debug)]
pub(super) struct Guard(Child);

/// Of the program's process. Nobody closes it: it closes with nsx, and with the exec.
#[derive(Debug)]
pub(super) struct Ward(ManuallyDrop<OwnedFd>);

/// Starts a guard beside nsx, which `nsx` holds.
pub(super) fn start(nsx: &OwnedFd) -> Result<(Guard, Ward), ActionError> {
    let (guard, ward) = packet::pair().context("make", "a socket")?;
    match fork::fork(0).context("start", "a child")? {
        Side::Child => {
            stand_guard(nsx, &guard);
            fork::exit_now(0)
        }
        Side::Parent(child) => Ok((Guard(child), Ward(ManuallyDrop::new(ward)))),
    }
}

impl Ward {
    /// Whatever this process becomes, it ends with nsx.
    pub(super) fn give_into_care(self) -> Result<(), ActionError> {
        let me = ManuallyDrop::new(launch::own_pidfd()?);
        let named = packet::send(&self.0, &[IoSlice::new(&[0])], Some(me.as_fd()));
        Ok(named.context("name the program to", "who guards it")?)
    }
}

impl Drop for Guard {
    /// It is gone when this returns; one that cannot be ended ends after nsx.
    fn drop(&mut self) {
        if signal::send(self.0.pidfd.as_fd(), Signal::SIGKILL as i32).is_ok() {
            let _ = nix::sys::wait::waitpid(self.0.pid, None);
        }
    }
}

/// Signals are blocked since before the fork; one to nsx's group does not arrive here.
fn stand_guard(nsx: &OwnedFd, ward: &OwnedFd) {
    let _ = nix::unistd::setsid();
    // In lists of processes.
    raw::environment::forget_arguments(b"nsx-guard");
    // Who waits for the end of what nsx writes to does not wait for us.
    let kept = [nsx, ward].map(|kept| kept.as_raw_fd().cast_unsigned());
    let _ = fds::close_inherited_from(0, &kept);
    let mut ended = [PollFd::new(nsx, PollFlags::IN)];
    while poll(&mut ended, None) == Err(rustix::io::Errno::INTR) {}
    if let Some(program) = named(ward) {
        let _ = signal::send(program.as_fd(), Signal::SIGKILL as i32);
    }
}

/// The program, if it has said who it is; else it sees for itself that nsx has ended.
fn named(ward: &OwnedFd) -> Option<OwnedFd> {
    let mut word = [0];
    let words = &mut [IoSliceMut::new(&mut word)];
    packet::receive(ward, words, RecvFlags::DONTWAIT).ok()?.descriptor
}
