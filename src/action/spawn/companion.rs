//! A process that stays outside while this one leaves for new namespaces.

use super::meeting::{self, Inside};
use super::outside;
use crate::action::error::ActionError;
use crate::action::launch;
use crate::model::isolation::Isolation;
use crate::sys::bounded;
use crate::sys::error::Context;
use crate::sys::raw::fork::{self, Child, Side};
use nix::sys::wait::waitpid;
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, OwnedFd};

#[derive(Debug)]
pub(super) struct Companion {
    pub(super) meeting: Inside,
    child: Child,
    /// What went wrong there.
    failure: OwnedFd,
}

impl Companion {
    /// It waits until this process has left.
    pub(super) fn start(isolation: &Isolation) -> Result<Self, ActionError> {
        let (inside, outside) = meeting::arrange()?;
        let (failure, report) = pipe_with(PipeFlags::CLOEXEC).context("make", "a pipe")?;
        let us = nix::unistd::getpid();
        if !nix::unistd::geteuid().is_root() {
            // What newuidmap(1) asks: whether the process is its caller's.
            launch::set_protected(false)?;
        }
        match fork::fork(0).context("start", "a child")? {
            Side::Child => {
                drop((inside, failure));
                let attended = match outside.wait() {
                    Ok(()) => {
                        let kept = &mut Vec::new();
                        outside::attend(isolation, us, &outside, None, kept, || Ok(()))
                    }
                    // The other one says why.
                    Err(_) => Ok(true),
                };
                match attended {
                    Ok(_) => fork::exit_now(0),
                    Err(error) => launch::report_and_exit(&report, &error),
                }
            }
            Side::Parent(child) => Ok(Self { meeting: inside, child, failure }),
        }
    }

    /// Nothing of it is left to the program.
    pub(super) fn finish(self) -> Result<(), ActionError> {
        // It waits for nobody then.
        drop(self.meeting);
        waitpid(self.child.pid, None).context("wait for", "a companion")?;
        launch::set_protected(true)?;
        let mut report = Vec::new();
        bounded::read_fd_into(self.failure.as_fd(), bounded::SMALL, &mut report)
            .context("hear", "a companion")?;
        launch::reported(&report)
    }
}
