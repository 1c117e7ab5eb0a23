//! Reads that may never answer, done by a process that can be abandoned.
//!
//! `cmdline` and `environ` are read from a process's memory and wait for its memory lock, which a
//! container can hold for ever. A forked child reads; after the deadline it is killed and left
//! behind, and what it was waiting for is reported as timed out. A path may lead through a file
//! system whose daemon never answers: such a walk is done the same way.

use super::bounded;
use super::error::{Problem, Result, SysError};
use super::proc::stat;
use super::raw::fork::{self, Side};
use super::root;
use crate::model::process::Pid;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::cell::Cell;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

pub mod files;

/// On a machine so busy that this many waits pass, nothing can be told any more.
pub(super) const EXCUSES: usize = 40;
/// One more wait for a process that has not got a processor.
const EXCUSE: Duration = Duration::from_millis(50);

/// On the processor, waiting for one, or stopped by somebody: without a processor nobody can answer,
/// and that is not the fault of what was asked.
pub(super) fn is_running(child: &fork::Child) -> bool {
    let state = || {
        let pid = Pid::new(child.pid.as_raw().try_into().ok()?)?;
        let proc = rustix::fs::open("/proc", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let bytes = bounded::read(proc.as_fd(), &format!("{pid}/stat"), bounded::SMALL);
        Some(stat::parse(&bytes.ok()?)?.state.0)
    };
    matches!(state(), Some(b'R' | b'T' | b't'))
}

/// A process at work; it ends, or is left behind, when this is dropped.
#[derive(Debug)]
struct Worker {
    child: fork::Child,
    answers: OwnedFd,
    /// How often it was silent for a reason that is not its own.
    excuses: Cell<usize>,
}

impl Worker {
    fn new(child: fork::Child, answers: OwnedFd) -> Self {
        Self { child, answers, excuses: Cell::new(0) }
    }

    /// Its state is not asked for: that is told by `/proc`, and in a joined mount namespace `/proc`
    /// may be what never answers.
    fn without_excuse(self) -> Self {
        self.excuses.set(EXCUSES);
        self
    }

    fn is_excused(&self) -> bool {
        self.excuses.set(self.excuses.get() + 1);
        self.excuses.get() <= EXCUSES && is_running(&self.child)
    }
}

impl Drop for Worker {
    /// Killed, and reaped only if that takes no waiting: a process stuck in the kernel is left to
    /// whoever inherits it.
    fn drop(&mut self) {
        let _ = super::raw::signal::send(self.child.pidfd.as_fd(), Signal::SIGKILL as i32);
        let mut ended = [PollFd::new(&self.child.pidfd, PollFlags::IN)];
        let moment = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        let _ = rustix::event::poll(&mut ended, Some(&moment));
        let flags = nix::sys::wait::WaitPidFlag::WNOHANG | nix::sys::wait::WaitPidFlag::WEXITED;
        let _ = nix::sys::wait::waitid(nix::sys::wait::Id::PIDFd(self.child.pidfd.as_fd()), flags);
    }
}

/// Opens a path as a place (O_PATH): who follows it may wait in a lookup for ever.
///
/// The caller has one thread.
pub fn open_place(
    path: &Path,
    flags: OFlags,
    resolve: ResolveFlags,
    deadline: Duration,
) -> Result<OwnedFd> {
    let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
    let open = || openat2(rustix::fs::CWD, path, flags, Mode::empty(), resolve).map(Some);
    let place =
        in_a_child(open, deadline).and_then(|place| place.ok_or(Problem::Errno(Errno::EPIPE)));
    place.map_err(|problem| SysError { doing: "open", object: root::path_text(path), problem })
}

/// Asks the file system that a directory is on for something that only its server knows.
///
/// The caller has one thread.
pub fn ask(directory: BorrowedFd<'_>, deadline: Duration) -> Result<()> {
    let asked = in_a_child(|| rustix::fs::fstatfs(directory).map(|_| None), deadline);
    asked.map(|_| ()).map_err(|problem| SysError {
        doing: "ask",
        object: "a file system".into(),
        problem,
    })
}

fn in_a_child(
    work: impl FnOnce() -> rustix::io::Result<Option<OwnedFd>>,
    deadline: Duration,
) -> std::result::Result<Option<OwnedFd>, Problem> {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|errno| Problem::Errno(Errno::from_raw(errno.raw_os_error())))?;
    let child = match fork::fork(0).map_err(Problem::Errno)? {
        Side::Child => {
            drop(ours);
            let_go_of_standard();
            let _ = send_place(&work(), &theirs);
            fork::exit_now(0)
        }
        Side::Parent(child) => child,
    };
    drop(theirs);
    let worker = Worker::new(child, ours);
    receive_place(&worker, Instant::now() + deadline)
}

/// One that cannot be killed must not keep anybody waiting for the end of our output.
fn let_go_of_standard() {
    for standard in 0..=2 {
        let _ = nix::unistd::close(standard);
    }
}

/// In the child: an errno (0 for none) and, with 0, the descriptor if there is one.
fn send_place(
    opened: &rustix::io::Result<Option<OwnedFd>>,
    sink: &OwnedFd,
) -> rustix::io::Result<()> {
    let errno = opened.as_ref().err().map_or(0, |errno| errno.raw_os_error());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds: Vec<BorrowedFd<'_>> = opened.iter().flatten().map(AsFd::as_fd).collect();
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&fds));
    }
    let word = errno.to_ne_bytes();
    sendmsg(sink, &[IoSlice::new(&word)], &mut control, SendFlags::empty()).map(|_| ())
}

fn receive_place(worker: &Worker, until: Instant) -> std::result::Result<Option<OwnedFd>, Problem> {
    wait(worker, until)?;
    let errno = |errno: rustix::io::Errno| Problem::Errno(Errno::from_raw(errno.raw_os_error()));
    let mut word = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let read = recvmsg(&worker.answers, &mut [IoSliceMut::new(&mut word)], &mut control, flags)
        .map_err(errno)?;
    let received = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    match (read.bytes, i32::from_ne_bytes(word), received) {
        (4, 0, place) => Ok(place),
        (4, errno, _) if errno > 0 => Err(Problem::Errno(Errno::from_raw(errno))),
        _ => Err(Problem::Errno(Errno::EPIPE)),
    }
}

/// Until there is something to read, be it the end.
fn wait(worker: &Worker, mut until: Instant) -> std::result::Result<(), Problem> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| Problem::TimedOut)?;
        let mut ready = [PollFd::new(&worker.answers, PollFlags::IN)];
        match rustix::event::poll(&mut ready, Some(&left)) {
            Ok(0) if worker.is_excused() => until = Instant::now() + EXCUSE,
            Ok(0) => return Err(Problem::TimedOut),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Problem::Errno(Errno::from_raw(errno.raw_os_error()))),
        }
    }
}
