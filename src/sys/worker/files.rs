//! Files that may never answer, read by one process, one after the other.

use super::{Worker, let_go_of_standard, wait};
use crate::model::text::Text;
use crate::sys::bounded::{self, Bytes};
use crate::sys::error::{IntoErrno, Problem, Result, SysError};
use crate::sys::fds::write_all;
use crate::sys::magic;
use crate::sys::raw::fds;
use crate::sys::raw::fork::{self, Side};
use crate::sys::root;
use crate::sys::statfs;
use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// One file to read.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Where the name leads from: any directory, or `/proc/PID` for a path as that process sees it.
    pub dir: BorrowedFd<'a>,
    /// Relative, or an absolute path, as `way` has it.
    pub name: &'a CStr,
    /// What is read, and how it is found.
    pub way: Way,
    /// No more bytes of it are read.
    pub cap: usize,
    /// It is given up after this, and the next one read.
    pub patience: Duration,
}

/// What is done with the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Below the directory.
    Below,
    /// By an absolute path, as the process sees it whose `/proc/PID` the directory is; ENXIO where
    /// that is no regular file.
    Inside,
    /// By such a path too: not what is in it, but how full its file system is.
    Fullness,
}

/// In place of an errno: the cap cut what was read.
const CUT: i32 = -1;
/// What is taken from the pipe at once: as much as it holds.
const PIECE: usize = 64 << 10;

/// Reads one file below a directory. The caller has one thread.
pub fn read(dir: BorrowedFd<'_>, name: &CStr, cap: usize, patience: Duration) -> Result<Bytes> {
    let requests = [Request { dir, name, way: Way::Below, cap, patience }];
    let mut answers = Reading::start(&requests).finish(&requests, patience);
    answers.pop().unwrap_or_else(|| Ok(Bytes::default()))
}

/// A process that reads while its parent does something else; afterwards, where descriptors are few.
#[derive(Debug)]
pub struct Reading(std::result::Result<Option<Worker>, Errno>);

impl Reading {
    /// The caller has one thread.
    pub fn start(requests: &[Request<'_>]) -> Self {
        let later = requests.is_empty() || crate::sys::fds::are_few();
        Self(if later { Ok(None) } else { start(requests).map(Some) })
    }

    /// The answers to the same requests, within `deadline`. For what follows after one that did not
    /// answer there is another process, so that the caller has one thread again; with a deadline of
    /// zero there is none.
    pub fn finish(self, requests: &[Request<'_>], deadline: Duration) -> Vec<Result<Bytes>> {
        let end = Instant::now() + deadline;
        let mut answers = Vec::with_capacity(requests.len());
        let mut started = self.0;
        while let Some(rest) = requests.get(answers.len()..).filter(|rest| !rest.is_empty()) {
            let worker = match started {
                // The caller has other threads.
                Ok(None) if deadline.is_zero() => Err(Errno::EMFILE),
                Ok(None) => start(rest),
                Ok(Some(worker)) => Ok(worker),
                Err(errno) => Err(errno),
            };
            started = Ok(None);
            match worker {
                Ok(worker) => Answers::of(&worker).take_all(rest, end, &mut answers),
                Err(errno) => {
                    let failed =
                        |request: &Request<'_>| Err(failed(request, Problem::Errno(errno)));
                    answers.extend(rest.iter().map(failed));
                }
            }
            if Instant::now() >= end {
                let rest = requests.get(answers.len()..).unwrap_or_default();
                answers.extend(rest.iter().map(|request| Err(failed(request, Problem::TimedOut))));
            }
        }
        answers
    }
}

fn failed(request: &Request<'_>, problem: Problem) -> SysError {
    SysError { doing: "read", object: Text::new(request.name.to_bytes()), problem }
}

/// What `work` writes, done in a child; [`Problem::TimedOut`] where it does not come back.
///
/// The caller has one thread.
pub(in crate::sys) fn work(
    work: impl FnOnce(&mut Vec<u8>) -> rustix::io::Result<()>,
    deadline: Duration,
) -> std::result::Result<Vec<u8>, Problem> {
    written(&start_work(work)?, deadline)
}

/// The same in a joined mount namespace, where nothing is known of `/proc`.
fn work_inside(
    work: impl FnOnce(&mut Vec<u8>) -> rustix::io::Result<()>,
    deadline: Duration,
) -> std::result::Result<Vec<u8>, Problem> {
    let work = |sink: &OwnedFd| {
        // Who waits for the end of a pipe of nsx's is not to wait for a process left behind.
        let kept = u32::try_from(sink.as_raw_fd());
        if kept.is_ok_and(|kept| fds::close_inherited_from(3, &[kept]).is_ok()) {
            write_work(work, sink);
        }
    };
    written(&begin(work).map_err(Problem::Errno)?.without_excuse(), deadline)
}

fn start_work(
    work: impl FnOnce(&mut Vec<u8>) -> rustix::io::Result<()>,
) -> std::result::Result<Worker, Problem> {
    begin(|sink| write_work(work, sink)).map_err(Problem::Errno)
}

fn write_work(work: impl FnOnce(&mut Vec<u8>) -> rustix::io::Result<()>, sink: &OwnedFd) {
    let mut bytes = Vec::new();
    let done = work(&mut bytes).map(|()| false);
    let _ = tell(done, bytes, sink);
}

fn written(worker: &Worker, deadline: Duration) -> std::result::Result<Vec<u8>, Problem> {
    match Answers::of(worker).take(Instant::now() + deadline)? {
        (0, bytes) => Ok(bytes),
        (errno, _) => Err(Problem::Errno(Errno::from_raw(errno))),
    }
}

/// Which of these may be run, as this process sees them; none where that is not told in time.
///
/// The caller has one thread.
pub fn programs_here(paths: &'static [&'static CStr], deadline: Duration) -> Vec<&'static CStr> {
    let look = |into: &mut Vec<u8>| {
        let may_be_run = |path: &&CStr| {
            let access = rustix::fs::Access::EXEC_OK;
            u8::from(rustix::fs::access(*path, access).is_ok())
        };
        into.extend(paths.iter().map(may_be_run));
        Ok(())
    };
    let there = work_inside(look, deadline).unwrap_or_default();
    paths
        .iter()
        .copied()
        .zip(there)
        .filter(|(_, there)| *there != 0)
        .map(|(path, _)| path)
        .collect()
}

/// The list of this process's children by the `/proc` that it sees, which may be anybody's; empty
/// where that is no `/proc` or does not answer in time.
///
/// The caller has one thread.
pub fn children_here(cap: usize, deadline: Duration) -> Vec<u8> {
    let pid = rustix::process::getpid().as_raw_nonzero();
    let name = format!("{pid}/task/{pid}/children");
    let look = |into: &mut Vec<u8>| {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let proc = rustix::fs::open("/proc", flags, Mode::empty())?;
        if rustix::fs::fstatfs(&proc)?.f_type == magic::PROC {
            let read = bounded::read_capped(proc.as_fd(), &name, cap);
            into.extend(read.map(|read| read.bytes).unwrap_or_default());
        }
        Ok(())
    };
    work_inside(look, deadline).unwrap_or_default()
}

fn start(requests: &[Request<'_>]) -> std::result::Result<Worker, Errno> {
    begin(|sink| {
        for request in requests {
            if answer(request, sink).is_err() {
                break;
            }
        }
    })
}

fn begin(work: impl FnOnce(&OwnedFd)) -> std::result::Result<Worker, Errno> {
    let (answers, sink) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(IntoErrno::into_errno)?;
    match fork::fork(0)? {
        Side::Child => {
            drop(answers);
            let_go_of_standard(&sink);
            work(&sink);
            fork::exit_now(0)
        }
        Side::Parent(child) => Ok(Worker::new(child, answers)),
    }
}

/// In the child: an errno (0 for none), a length, the bytes.
fn answer(request: &Request<'_>, sink: &OwnedFd) -> rustix::io::Result<()> {
    let mut bytes = Vec::new();
    let name = || request.name.to_str().map_err(|_| rustix::io::Errno::INVAL);
    let read = match request.way {
        Way::Below => bounded::read_into(request.dir, name()?, request.cap, &mut bytes),
        Way::Inside => root::read_inside(request.dir, name()?, request.cap, &mut bytes),
        Way::Fullness => statfs::examine(request.dir, request.name, &mut bytes).map(|()| false),
    };
    tell(read, bytes, sink)
}

fn tell(
    done: rustix::io::Result<bool>,
    mut bytes: Vec<u8>,
    sink: &OwnedFd,
) -> rustix::io::Result<()> {
    let errno = match done {
        Ok(false) => 0,
        Ok(true) => CUT,
        Err(errno) => {
            bytes.clear();
            errno.raw_os_error()
        }
    };
    let length = u32::try_from(bytes.len()).map_err(|_| rustix::io::Errno::FBIG)?;
    write_all(sink, &[&errno.to_ne_bytes()[..], &length.to_ne_bytes(), &bytes].concat())
}

/// In the parent: what comes through the pipe.
struct Answers<'a> {
    worker: &'a Worker,
    /// Come, and not taken yet.
    bytes: Vec<u8>,
}

impl<'a> Answers<'a> {
    fn of(worker: &'a Worker) -> Self {
        Self { worker, bytes: Vec::new() }
    }

    /// Until all are there or one does not come.
    fn take_all(
        &mut self,
        requests: &[Request<'_>],
        end: Instant,
        answers: &mut Vec<Result<Bytes>>,
    ) {
        for request in requests {
            let until = (Instant::now() + request.patience).min(end);
            let answer = match self.take(until) {
                Ok((0, bytes)) => Ok(Bytes { bytes, truncated: false }),
                Ok((CUT, bytes)) => Ok(Bytes { bytes, truncated: true }),
                Ok((errno, _)) => Err(failed(request, Problem::Errno(Errno::from_raw(errno)))),
                Err(problem) => {
                    answers.push(Err(failed(request, problem)));
                    return;
                }
            };
            answers.push(answer);
        }
    }

    fn take(&mut self, until: Instant) -> std::result::Result<(i32, Vec<u8>), Problem> {
        self.fill(8, until)?;
        let word = |bytes: &[u8], at: usize| {
            let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
            word.unwrap_or_default()
        };
        let errno = i32::from_ne_bytes(word(&self.bytes, 0));
        let whole = 8 + u32::from_ne_bytes(word(&self.bytes, 4)) as usize;
        self.fill(whole, until)?;
        let rest = self.bytes.split_off(whole.min(self.bytes.len()));
        let mut answer = std::mem::replace(&mut self.bytes, rest);
        answer.drain(..8);
        Ok((errno, answer))
    }

    fn fill(&mut self, enough: usize, until: Instant) -> std::result::Result<(), Problem> {
        while self.bytes.len() < enough {
            wait(self.worker, until)?;
            self.bytes.reserve(PIECE);
            let spare = rustix::buffer::spare_capacity(&mut self.bytes);
            match rustix::io::read(&self.worker.answers, spare) {
                Ok(0) => return Err(Problem::Errno(Errno::EPIPE)),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(Problem::Errno(errno.into_errno())),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags};
    use std::os::fd::AsFd;

    fn directory(path: &std::path::Path) -> OwnedFd {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).unwrap()
    }

    #[test]
    fn files_are_read_in_order_and_one_that_is_not_there_costs_itself() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("long"), vec![b'x'; 300_000]).unwrap();
        std::fs::write(temp.path().join("short"), b"word").unwrap();
        let dir = directory(temp.path());
        let patience = Duration::from_secs(20);
        let request =
            |name| Request { dir: dir.as_fd(), name, way: Way::Below, cap: 200_000, patience };
        let requests =
            [request(c"short"), request(c"missing"), request(c"long"), request(c"short")];
        let answers = Reading::start(&requests).finish(&requests, patience);
        let lengths: Vec<_> = answers
            .iter()
            .map(|answer| answer.as_ref().map(|read| (read.bytes.len(), read.truncated)).ok())
            .collect();
        assert_eq!(lengths, [Some((4, false)), None, Some((200_000, true)), Some((4, false))]);
        assert!(Reading::start(&[]).finish(&[], patience).is_empty());
    }

    #[test]
    fn a_file_of_the_target_is_no_fifo() {
        let temp = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&temp.path().join("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        let path = std::ffi::CString::new(temp.path().join("fifo").to_str().unwrap()).unwrap();
        let own = directory(std::path::Path::new("/proc/self"));
        let patience = Duration::from_secs(20);
        let requests =
            [Request { dir: own.as_fd(), name: &path, way: Way::Inside, cap: 100, patience }];
        let answers = Reading::start(&requests).finish(&requests, patience);
        assert_eq!(answers[0].as_ref().unwrap_err().errno(), Some(Errno::ENXIO));
    }
}
