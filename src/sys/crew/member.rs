//! One process of a crew: its list, its pipe, and what became of it.

use super::{Care, Job, Take};
use crate::sys::error::IntoErrno;
use crate::sys::fds::write_all;
use crate::sys::raw::fork::{self, Side};
use crate::sys::worker::{self, EXCUSES};
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Answers are sent in portions of about this size.
const PORTION: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Member {
    share: Vec<usize>,
    /// How many of it are answered.
    done: usize,
    /// Each answer is sent at once, so that it is known which one does not come.
    piecemeal: bool,
    /// The next piece is done without what blocks.
    next_is_safe: bool,
    child: Option<(fork::Child, OwnedFd)>,
    received: Vec<u8>,
    /// When it last gave a sign of life.
    pub(super) heard: Instant,
    /// How often since then it was silent for a reason that is not its own.
    excuses: usize,
}

pub(super) enum State {
    Working,
    Done,
    /// It waits, or has died, with work left; how long it was waited for.
    Stuck(Duration),
}

impl Member {
    pub(super) fn new(share: Vec<usize>) -> Self {
        Self {
            share,
            done: 0,
            piecemeal: false,
            next_is_safe: false,
            child: None,
            received: Vec::new(),
            heard: Instant::now(),
            excuses: 0,
        }
    }

    pub(super) fn rest(&self) -> &[usize] {
        self.share.get(self.done..).unwrap_or_default()
    }

    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.child.as_ref().map(|(_, pipe)| pipe.as_fd())
    }

    pub(super) fn start(&mut self, care: Care, job: &mut Job<'_>) -> nix::Result<()> {
        let (answers, sink) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(IntoErrno::into_errno)?;
        match fork::fork(0)? {
            Side::Child => {
                drop(answers);
                detach();
                // A reader that has gone needs no more answers.
                let _ = self.answer_all(care, job, &sink);
                fork::exit_now(0)
            }
            Side::Parent(child) => {
                self.received.clear();
                self.heard = Instant::now();
                self.child = Some((child, answers));
                Ok(())
            }
        }
    }

    /// In the child: for each piece a length and the bytes.
    fn answer_all(&self, care: Care, job: &mut Job<'_>, sink: &OwnedFd) -> rustix::io::Result<()> {
        let mut portion = Vec::with_capacity(2 * PORTION);
        for (nth, piece) in self.rest().iter().enumerate() {
            let care = if nth == 0 && self.next_is_safe { Care::Safe } else { care };
            let start = portion.len();
            portion.extend([0; 4]);
            job(*piece, care, &mut portion);
            let length = u32::try_from(portion.len() - start - 4).unwrap_or(0);
            if let Some(place) = portion.get_mut(start..start + 4) {
                place.copy_from_slice(&length.to_ne_bytes());
            }
            if self.piecemeal || portion.len() >= PORTION {
                write_all(sink, &portion)?;
                portion.clear();
            }
        }
        write_all(sink, &portion)
    }

    /// Takes what has come, and judges a silence.
    pub(super) fn listen(
        &mut self,
        spoke: bool,
        now: Instant,
        patience: Duration,
        take: &mut Take<'_>,
    ) -> State {
        let waited = now.saturating_duration_since(self.heard);
        if !spoke {
            if waited < patience {
                return State::Working;
            }
            // Without a processor nobody can answer: that is not the piece's fault.
            return if self.excuses < EXCUSES && self.is_excused() {
                self.excuses += 1;
                self.heard = now;
                State::Working
            } else {
                State::Stuck(waited)
            };
        }
        let ended = match self.receive() {
            Ok(count) => count == 0,
            Err(rustix::io::Errno::INTR) => false,
            Err(_) => true,
        };
        self.heard = now;
        self.excuses = 0;
        self.deliver(take);
        match (self.rest().is_empty(), ended) {
            (true, _) => State::Done,
            (false, true) => State::Stuck(Duration::ZERO),
            (false, false) => State::Working,
        }
    }

    fn is_excused(&self) -> bool {
        self.child.as_ref().is_some_and(|(child, _)| worker::is_running(child))
    }

    fn receive(&mut self) -> rustix::io::Result<usize> {
        let Some((_, pipe)) = &self.child else { return Ok(0) };
        self.received.reserve(4 * PORTION);
        rustix::io::read(pipe, rustix::buffer::spare_capacity(&mut self.received))
    }

    fn deliver(&mut self, take: &mut Take<'_>) {
        let mut rest = self.received.as_slice();
        while let Some((length, after)) = rest.split_first_chunk() {
            let Some((answer, after)) =
                after.split_at_checked(u32::from_ne_bytes(*length) as usize)
            else {
                break;
            };
            if let Some(piece) = self.share.get(self.done) {
                take(*piece, Ok(answer));
            }
            self.done += 1;
            self.next_is_safe = false;
            rest = after;
        }
        let used = self.received.len() - rest.len();
        self.received.drain(..used);
    }

    /// One step more careful; false where there is none.
    pub(super) fn fall_back(&mut self) -> bool {
        let before = (self.piecemeal, self.next_is_safe);
        self.next_is_safe = self.piecemeal;
        self.piecemeal = true;
        before != (self.piecemeal, self.next_is_safe)
    }

    /// Gives up the next piece.
    pub(super) fn skip(&mut self) -> Option<usize> {
        let piece = self.share.get(self.done).copied();
        self.done += 1;
        self.next_is_safe = false;
        piece
    }

    pub(super) fn dismiss(&mut self) {
        if let Some((child, _)) = &self.child {
            let _ = crate::sys::raw::signal::send(child.pidfd.as_fd(), Signal::SIGKILL as i32);
            self.reap(Duration::from_millis(20));
        }
    }

    /// Takes its end, if that comes soon: a process stuck in the kernel is left to whoever inherits
    /// it.
    pub(super) fn reap(&mut self, patience: Duration) {
        let Some((child, pipe)) = self.child.take() else { return };
        drop(pipe);
        let mut ended = [PollFd::new(&child.pidfd, PollFlags::IN)];
        let _ = rustix::event::poll(&mut ended, Timespec::try_from(patience).ok().as_ref());
        let flags = nix::sys::wait::WaitPidFlag::WNOHANG | nix::sys::wait::WaitPidFlag::WEXITED;
        let _ = nix::sys::wait::waitid(nix::sys::wait::Id::PIDFd(child.pidfd.as_fd()), flags);
    }
}

/// A child that is left behind holds nobody's pipe open, and ends with its parent where it can.
fn detach() {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    if let Ok(null) = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}
