//! What may never answer, read or made by a process that can be abandoned.
//!
//! `cmdline` and `environ` are read from a process's memory and wait for its memory lock, which a
//! container can hold for ever. A forked child reads; after the deadline it is killed and left
//! behind, and what it was waiting for is reported as timed out. A path may lead through a file
//! system whose daemon never answers: such a walk is done the same way.

use super::bounded;
use super::error::{IntoErrno, Problem, Result, SysError};
use super::packet;
use super::proc::stat;
use super::raw::fds::close_inherited_from;
use super::raw::fork::{self, Side};
use super::root;
use crate::model::process::Pid;
use crate::model::text::Text;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FsWord, Mode, OFlags, ResolveFlags, openat2};
use rustix::net::RecvFlags;
use std::cell::Cell;
use std::ffi::CStr;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
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

/// Opens as a place what a process sees at an absolute path whose `/proc/PID` this is. With
/// `NO_SYMLINKS` no link of it is followed; none ever leads out of its root.
///
/// The caller has one thread.
pub fn open_inside(
    process: BorrowedFd<'_>,
    path: &CStr,
    flags: OFlags,
    resolve: ResolveFlags,
    deadline: Duration,
) -> Result<OwnedFd> {
    handed_over(path, || inside(process, path, flags, resolve), deadline)
}

/// The same of a directory, no part of whose path is a link, on a file system of this kind (see
/// [`super::magic`]): whatever else stands there is of who lives there.
///
/// The caller has one thread.
pub fn open_inside_of_kind(
    process: BorrowedFd<'_>,
    path: &CStr,
    kind: FsWord,
    deadline: Duration,
) -> Result<OwnedFd> {
    let open = || {
        let directory = inside(process, path, OFlags::DIRECTORY, ResolveFlags::NO_SYMLINKS)?;
        let is_it = rustix::fs::fstatfs(&directory)?.f_type == kind;
        is_it.then_some(directory).ok_or(rustix::io::Errno::MEDIUMTYPE)
    };
    handed_over(path, open, deadline)
}

fn inside(
    process: BorrowedFd<'_>,
    path: &CStr,
    flags: OFlags,
    resolve: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    let above = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(process, "root", above, Mode::empty())?;
    let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
    let resolve = resolve | ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    openat2(&root, path, flags, Mode::empty(), resolve)
}

fn handed_over(
    path: &CStr,
    open: impl FnOnce() -> rustix::io::Result<OwnedFd>,
    deadline: Duration,
) -> Result<OwnedFd> {
    let place = in_a_child(|| open().map(Some), deadline)
        .and_then(|place| place.ok_or(Problem::Errno(Errno::EPIPE)));
    place.map_err(|problem| SysError { doing: "open", object: path.to_bytes().into(), problem })
}

/// Something made by a process of its own, whatever that does to its namespaces, and handed over as
/// a descriptor.
///
/// The caller has one thread.
pub fn make(
    object: &'static str,
    work: impl FnOnce() -> Result<OwnedFd>,
    deadline: Duration,
) -> Result<OwnedFd> {
    make_holding(object, None, work, deadline)
}

/// The same by a process that holds none of our descriptors but one, if one is named: in a joined pid
/// namespace others may help themselves to what it has: pidfd_getfd(2).
pub fn make_in_sight(
    object: &'static str,
    held: BorrowedFd<'_>,
    work: impl FnOnce() -> Result<OwnedFd>,
    deadline: Duration,
) -> Result<OwnedFd> {
    make_holding(object, Some(held), work, deadline)
}

fn make_holding(
    object: &'static str,
    held: Option<BorrowedFd<'_>>,
    work: impl FnOnce() -> Result<OwnedFd>,
    deadline: Duration,
) -> Result<OwnedFd> {
    let made = || {
        work().map(Some).map_err(|error| {
            // What failed inside goes with its number; the rest of it in words.
            let words = format!("{object}: {} {}", error.doing, error.object);
            let errno = Errno::from(error);
            (rustix::io::Errno::from_raw_os_error(errno as i32), words)
        })
    };
    let failed = |problem, words: Text| {
        let object = if words.is_empty() { Text::from(object) } else { words };
        SysError { doing: "make", object, problem }
    };
    match told_by_a_child(held, made, deadline) {
        Ok(Some(made)) => Ok(made),
        Ok(None) => Err(failed(Problem::Errno(Errno::EPIPE), Text::default())),
        Err((problem, words)) => Err(failed(problem, words)),
    }
}

fn in_a_child(
    work: impl FnOnce() -> rustix::io::Result<Option<OwnedFd>>,
    deadline: Duration,
) -> std::result::Result<Option<OwnedFd>, Problem> {
    told_by_a_child(None, || work().map_err(|errno| (errno, String::new())), deadline)
        .map_err(|(problem, _)| problem)
}

/// The same; a failure comes with words of the child's. Where a descriptor is `held` all others but
/// that are closed.
fn told_by_a_child(
    held: Option<BorrowedFd<'_>>,
    work: impl FnOnce() -> std::result::Result<Option<OwnedFd>, (rustix::io::Errno, String)>,
    deadline: Duration,
) -> std::result::Result<Option<OwnedFd>, (Problem, Text)> {
    let wordless = |errno: Errno| (Problem::Errno(errno), Text::default());
    let (ours, theirs) = packet::pair().map_err(|errno| wordless(errno.into_errno()))?;
    let child = match fork::fork(0).map_err(wordless)? {
        Side::Child => {
            drop(ours);
            let_go_of_standard(&theirs);
            if let Some(held) = held {
                let kept = [held.as_raw_fd(), theirs.as_raw_fd()].map(i32::cast_unsigned);
                if close_inherited_from(0, &kept).is_err() {
                    fork::exit_now(1);
                }
            }
            // A file that may not be so long is an answer, and no reason to die.
            let _ = super::raw::signal::set_ignored(Signal::SIGXFSZ as i32);
            let _ = send_place(&work(), &theirs);
            fork::exit_now(0)
        }
        Side::Parent(child) => child,
    };
    drop(theirs);
    let worker = Worker::new(child, ours);
    receive_place(&worker, Instant::now() + deadline)
}

/// One that cannot be killed must not keep anybody waiting for the end of our output. A worker of a
/// worker, which has let go already, may have its answers where that was.
fn let_go_of_standard(answers: &OwnedFd) {
    for standard in (0..=2).filter(|standard| *standard != answers.as_raw_fd()) {
        let _ = nix::unistd::close(standard);
    }
}

/// In the child: an errno (0 for none) and, with 0, the descriptor if there is one; else words.
fn send_place(
    opened: &std::result::Result<Option<OwnedFd>, (rustix::io::Errno, String)>,
    sink: &OwnedFd,
) -> rustix::io::Result<()> {
    let (errno, words) = match opened {
        Ok(_) => (0, &[][..]),
        Err((errno, words)) => (errno.raw_os_error(), words.as_bytes()),
    };
    let place = opened.iter().flatten().next().map(AsFd::as_fd);
    let word = errno.to_ne_bytes();
    let words = words.get(..WORDS.min(words.len())).unwrap_or_default();
    packet::send(sink, &[IoSlice::new(&word), IoSlice::new(words)], place)
}

/// As many bytes of words as a child may use.
const WORDS: usize = 500;

fn receive_place(
    worker: &Worker,
    until: Instant,
) -> std::result::Result<Option<OwnedFd>, (Problem, Text)> {
    wait(worker, until).map_err(|problem| (problem, Text::default()))?;
    let errno = |errno: rustix::io::Errno| (Problem::Errno(errno.into_errno()), Text::default());
    let mut word = [0; 4];
    let mut words = [0; WORDS];
    let mut message = [IoSliceMut::new(&mut word), IoSliceMut::new(&mut words)];
    let received = packet::receive(&worker.answers, &mut message, RecvFlags::empty());
    let received = received.map_err(errno)?;
    let said = received.bytes.checked_sub(4).and_then(|length| words.get(..length));
    match (said, i32::from_ne_bytes(word), received.descriptor) {
        (Some([]), 0, place) => Ok(place),
        (Some(words), errno, _) if errno > 0 => {
            Err((Problem::Errno(Errno::from_raw(errno)), Text::new(words)))
        }
        _ => Err((Problem::Errno(Errno::EPIPE), Text::default())),
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
            Err(errno) => return Err(Problem::Errno(errno.into_errno())),
        }
    }
}
