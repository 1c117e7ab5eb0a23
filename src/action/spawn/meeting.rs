//! Two processes that wait for each other: the one that is isolated, and one outside that does for
//! it what only somebody outside may.

use crate::action::error::ActionError;
use crate::sys::error::Context;
use crate::sys::raw::signal::Arrivals;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::OwnedFd;
use std::time::Instant;

/// Of the one inside.
#[derive(Debug)]
pub(super) struct Inside {
    go: OwnedFd,
    done: OwnedFd,
}

/// Of the one outside.
#[derive(Debug)]
pub(super) struct Outside {
    go: OwnedFd,
    done: OwnedFd,
}

/// The other one has ended, and tells somebody else why.
#[derive(Debug)]
pub(super) struct Gone;

pub(super) fn arrange() -> Result<(Inside, Outside), ActionError> {
    let (go, say_go) = pipe_with(PipeFlags::CLOEXEC).context("make", "a pipe")?;
    let (done, say_done) = pipe_with(PipeFlags::CLOEXEC).context("make", "a pipe")?;
    Ok((Inside { go, done: say_done }, Outside { go: say_go, done }))
}

impl Inside {
    /// What is to be found by the other one is there.
    pub(super) fn say_done(&self) {
        let _ = rustix::io::write(&self.done, b"1");
    }

    pub(super) fn wait(&self) -> Result<(), Gone> {
        wait(&self.go)
    }
}

impl Outside {
    pub(super) fn say_go(&self) {
        let _ = rustix::io::write(&self.go, b"1");
    }

    pub(super) fn wait(&self) -> Result<(), Gone> {
        wait(&self.done)
    }

    /// The same, for as long as the other one is wanted: false once it is not.
    pub(super) fn wait_while_wanted(
        &self,
        unwanted: &Arrivals,
        end: Option<Instant>,
    ) -> Result<bool, Gone> {
        loop {
            let mut watched =
                [PollFd::new(&self.done, PollFlags::IN), PollFd::new(unwanted, PollFlags::IN)];
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let polled = poll(&mut watched, left.as_ref());
            let [done, _] = &watched;
            match polled {
                Err(Errno::INTR) => {}
                Ok(_) if done.revents().is_empty() => return Ok(false),
                _ => return self.wait().map(|()| true),
            }
        }
    }
}

fn wait(pipe: &OwnedFd) -> Result<(), Gone> {
    let mut word = [0; 1];
    loop {
        match rustix::io::read(pipe, &mut word) {
            Ok(1) => return Ok(()),
            Err(Errno::INTR) => {}
            _ => return Err(Gone),
        }
    }
}
