//! What is told of the program while it runs, and to whom: a status descriptor, a file with its pid,
//! a record under its name, a nsx that waits to leave it alone.

use super::detach;
use super::introduction::Introduction;
use super::janitor::{Janitor, remove_if};
use super::record::Record;
use crate::action::error::{ActionError, Advise};
use crate::action::launch;
use crate::model::process::Pid;
use crate::model::report::Report;
use crate::model::spawned::Event;
use crate::sys::error::Context;
use crate::sys::fds::write_all;
use crate::sys::incarnation;
use crate::sys::raw::fork::Child;
use crate::sys::root::{SysRoot, path_text};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Who wants to know.
#[derive(Debug)]
pub struct Notices {
    /// The running system, in whose `/proc` the first process's start time is read.
    pub root: SysRoot,
    /// `--status-fd`. `None`: nobody asked.
    pub status: Option<Status>,
    /// `--pid-file`: filled when the program runs.
    pub pid_file: Option<PidFile>,
    /// Under `--name`, or the name that `--detach` makes. `None`: it has no name.
    pub record: Option<Record>,
    /// Where somebody waits to leave the program alone: its name is written to the first when it
    /// runs, and nothing to where nsx was started any more.
    pub ready: Option<(OwnedFd, OwnedFd)>,
    /// What the other end of its veth pair is called.
    pub peer: Option<String>,
}

/// Where events go, one JSON object a line. A reader that does not read keeps nobody waiting, and is
/// told as soon as he does.
#[derive(Debug)]
pub struct Status {
    descriptor: OwnedFd,
    /// What there was no room for yet.
    unsaid: Vec<u8>,
}

/// How long a reader may take nothing once the program has ended.
const PATIENCE: Duration = Duration::from_secs(5);
/// A pipe that takes anything takes as much in one piece: PIPE_BUF.
const PIECE: usize = 4096;

impl Status {
    /// Nothing was said yet.
    pub const fn new(descriptor: OwnedFd) -> Self {
        Self { descriptor, unsaid: Vec::new() }
    }

    /// As much as there is room for.
    fn say(&mut self, event: &Event<'_>) -> Result<(), ActionError> {
        self.unsaid.extend_from_slice(event.to_json().as_bytes());
        self.say_more()
    }

    /// As much of what is left as there is room for by now.
    fn say_more(&mut self) -> Result<(), ActionError> {
        self.within(Duration::ZERO).map(drop)
    }

    /// Whether all of it is said.
    fn say_last(&mut self, event: &Event<'_>) -> Result<bool, ActionError> {
        self.unsaid.extend_from_slice(event.to_json().as_bytes());
        self.within(PATIENCE)
    }

    fn within(&mut self, patience: Duration) -> Result<bool, ActionError> {
        match self.write(patience) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::TIMEDOUT) => Ok(false),
            Err(errno) => {
                self.unsaid.clear();
                Err(errno).context("write to", "the status descriptor")?
            }
        }
    }

    fn write(&mut self, patience: Duration) -> rustix::io::Result<()> {
        let patience = Timespec::try_from(patience).unwrap_or_default();
        while !self.unsaid.is_empty() {
            let mut room = [PollFd::new(&self.descriptor, PollFlags::OUT)];
            match poll(&mut room, Some(&patience)) {
                Ok(0) => return Err(rustix::io::Errno::TIMEDOUT),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(errno),
            }
            let piece = self.unsaid.get(..PIECE).unwrap_or(&self.unsaid);
            match rustix::io::write(&self.descriptor, piece) {
                Ok(count) => drop(self.unsaid.drain(..count)),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                // Nobody listens any more, which is his business.
                Err(rustix::io::Errno::PIPE) => self.unsaid.clear(),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

/// Removed when dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    temporary: PathBuf,
    file: OwnedFd,
    identity: (u64, u64),
}

impl PidFile {
    /// Made beside the place it is to have, so that nobody reads half of it.
    pub fn make(path: &Path, janitor: &Janitor) -> Result<Self, ActionError> {
        refuse_another(path)?;
        let name = path.file_name().ok_or_else(|| no_file(path, "a directory"))?;
        let mut name = name.to_owned();
        name.push(format!(".{}", std::process::id()));
        let temporary = path.with_file_name(name);
        janitor.expect_temporary(&temporary)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(&temporary, flags, Mode::from_raw_mode(0o644))
            .with_context("make", || path_text(path))
            .advise("a pid file is made in a directory that is there, and that you may write to")?;
        let stat = rustix::fs::fstat(&file).with_context("examine", || path_text(path));
        if stat.is_err() {
            let _ = rustix::fs::unlink(&temporary);
        }
        let stat = stat?;
        let identity = (stat.st_dev, stat.st_ino);
        let made = Self { path: path.to_owned(), temporary, file, identity };
        janitor.expect_name(identity, path)?;
        Ok(made)
    }

    fn fill(&self, pid: u32) -> Result<(), ActionError> {
        write_all(&self.file, format!("{pid}\n").as_bytes())
            .with_context("write", || path_text(&self.path))?;
        // It may have come meanwhile.
        refuse_another(&self.path)?;
        Ok(rustix::fs::rename(&self.temporary, &self.path)
            .with_context("write", || path_text(&self.path))?)
    }
}

/// What takes the place of a file is removed in the end: a file that is there may be an older one of
/// these, and anything else is somebody's.
fn refuse_another(path: &Path) -> Result<(), ActionError> {
    // Why else it cannot be examined is said where it is made.
    let Ok(stat) = rustix::fs::lstat(path) else { return Ok(()) };
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        _ => "a device",
    };
    Err(no_file(path, what))
}

fn no_file(path: &Path, what: &str) -> ActionError {
    let message = format!("{} is {what}: a pid file cannot be there", path_text(path));
    let hint = match what {
        "a directory" => "name the file itself",
        _ => "name a file, or where there is nothing yet",
    };
    ActionError::refused(message, hint)
}

impl Drop for PidFile {
    fn drop(&mut self) {
        for path in [&self.temporary, &self.path] {
            remove_if(path, self.identity);
        }
    }
}

impl Notices {
    /// The control groups, before anything runs in them.
    pub(super) fn note_groups(&mut self, directories: &[PathBuf]) -> Result<(), ActionError> {
        if let Some(record) = &mut self.record {
            record.spawned.cgroups =
                directories.iter().map(|path| path.to_string_lossy().into_owned()).collect();
            if !directories.is_empty() {
                record.update()?;
            }
        }
        Ok(())
    }

    /// The program runs.
    pub(super) fn started(
        &mut self,
        child: &Child,
        program: &Introduction,
    ) -> Result<(), ActionError> {
        let init_pid = child.pid.as_raw().cast_unsigned();
        let pid = program.pid;
        if let Some(record) = &mut self.record {
            let of = |pid| Pid::new(pid).and_then(|pid| incarnation::of(&self.root, pid).ok());
            record.spawned.process = of(init_pid);
            record.spawned.program = of(pid);
            record.update()?;
        }
        if let Some(file) = &self.pid_file {
            file.fill(pid)?;
        }
        let name = self.record.as_ref().map(|record| record.spawned.name.as_str());
        let namespaces = program.namespaces.inodes();
        let peer = self.peer.as_deref();
        if let Some(status) = &mut self.status {
            status.say(&Event::Started { pid, init_pid, name, namespaces, peer })?;
        }
        if let Some((ready, nowhere)) = self.ready.take() {
            detach::let_go(&ready, name.unwrap_or_default())?;
            launch::stand_on(&nowhere)?;
        }
        Ok(())
    }

    /// Where there was no room for all that was to be said of it.
    pub(super) fn unsaid(&self) -> Option<BorrowedFd<'_>> {
        let status = self.status.as_ref().filter(|status| !status.unsaid.is_empty())?;
        Some(status.descriptor.as_fd())
    }

    /// As much of that as there is room for by now.
    pub(super) fn say_more(&mut self) -> Result<(), ActionError> {
        self.status.as_mut().map_or(Ok(()), Status::say_more)
    }

    /// False where somebody did not want to hear of it.
    pub(super) fn ended(&mut self, init_pid: u32, report: &Report) -> Result<bool, ActionError> {
        let event = Event::Exited { init_pid, report };
        self.status.as_mut().map_or(Ok(true), |status| status.say_last(&event))
    }
}

/// Whether a descriptor can be written to.
pub fn is_writable(descriptor: &OwnedFd) -> bool {
    rustix::fs::fcntl_getfl(descriptor.as_fd())
        .is_ok_and(|flags| flags.intersects(OFlags::WRONLY | OFlags::RDWR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_there_was_no_room_for_is_said_once_there_is() {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        rustix::fs::fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
        let mut filled = 0;
        while let Ok(count) = rustix::io::write(&writer, &[b'x'; PIECE]) {
            filled += count;
        }
        let mut status = Status::new(writer);
        let started = Event::Started {
            pid: 1,
            init_pid: 1,
            name: None,
            namespaces: BTreeMap::new(),
            peer: None,
        };
        status.say(&started).unwrap();
        let mut notices = Notices {
            root: SysRoot::real().unwrap(),
            status: Some(status),
            pid_file: None,
            record: None,
            ready: None,
            peer: None,
        };
        notices.say_more().unwrap();
        assert!(notices.unsaid().is_some());
        // Nobody reads it at the end either.
        assert!(!notices.status.as_mut().unwrap().say_last(&started).unwrap());
        let mut bytes = vec![0; filled];
        while filled > 0 {
            filled -= rustix::io::read(&reader, &mut bytes[..filled]).unwrap();
        }
        notices.say_more().unwrap();
        assert!(notices.unsaid().is_none());
        let count = rustix::io::read(&reader, &mut bytes).unwrap();
        assert_eq!(bytes[..count], started.to_json().repeat(2).into_bytes());
    }
}
