//! What is told of the program while it runs, and to whom: a status descriptor, a file with its pid,
//! a record under its name, a nsx that waits to leave it alone.

use super::detach;
use super::janitor::{Janitor, remove_if};
use super::record::Record;
use crate::action::error::ActionError;
use crate::action::launch;
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::model::report::Report;
use crate::model::spawned::Event;
use crate::sys::bounded;
use crate::sys::error::{Context, SysError};
use crate::sys::fds::write_all;
use crate::sys::raw::fork::Child;
use crate::sys::root::{SysRoot, path_text};
use crate::sys::{incarnation, ns};
use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Who wants to know.
#[derive(Debug)]
pub struct Notices {
    pub root: SysRoot,
    pub status: Option<OwnedFd>,
    pub pid_file: Option<PidFile>,
    pub record: Option<Record>,
    /// Where somebody waits to leave the program alone: a byte is written to the first when it
    /// runs, and nothing to where nsx was started any more.
    pub ready: Option<(OwnedFd, OwnedFd)>,
    /// There is an init of ours before the program.
    pub init: bool,
    /// What the other end of its veth pair is called.
    pub peer: Option<String>,
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
        let no_file = || {
            let path = path_text(path);
            ActionError::Refused(format!("{path} is a directory: a pid file cannot be there"))
        };
        if path.is_dir() {
            return Err(no_file());
        }
        let mut name = path.file_name().ok_or_else(no_file)?.to_owned();
        name.push(format!(".{}", std::process::id()));
        let temporary = path.with_file_name(name);
        janitor.expect_temporary(&temporary)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(&temporary, flags, Mode::from_raw_mode(0o644))
            .with_context("make", || path_text(path))?;
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

    fn fill(&self, pid: u32) -> Result<(), SysError> {
        write_all(&self.file, format!("{pid}\n").as_bytes())
            .with_context("write", || path_text(&self.path))?;
        rustix::fs::rename(&self.temporary, &self.path)
            .with_context("write", || path_text(&self.path))
    }
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
    pub(super) fn started(&mut self, child: &Child) -> Result<(), ActionError> {
        let init_pid = child.pid.as_raw().cast_unsigned();
        let pid = if self.init { self.program_of(init_pid) } else { Some(init_pid) };
        if let Some(record) = &mut self.record {
            let process = Pid::new(init_pid).and_then(|pid| incarnation::of(&self.root, pid).ok());
            record.spawned.process = process;
            record.update()?;
        }
        if let Some(file) = &self.pid_file {
            file.fill(pid.unwrap_or(init_pid))?;
        }
        let name = self.record.as_ref().map(|record| record.spawned.name.as_str());
        let namespaces = self.namespaces(pid.unwrap_or(init_pid));
        let peer = self.peer.as_deref();
        self.say(&Event::Started { pid, init_pid, name, namespaces, peer })?;
        if let Some((ready, nowhere)) = self.ready.take() {
            detach::let_go(&ready)?;
            launch::stand_on(&nowhere)?;
        }
        Ok(())
    }

    pub(super) fn ended(&self, init_pid: u32, report: &Report) -> Result<(), ActionError> {
        self.say(&Event::Exited { init_pid, report })
    }

    fn say(&self, event: &Event<'_>) -> Result<(), ActionError> {
        let Some(status) = &self.status else { return Ok(()) };
        match write_all(status, event.to_json().as_bytes()) {
            // Nobody listens any more, which is his business.
            Ok(()) | Err(rustix::io::Errno::PIPE) => Ok(()),
            Err(errno) => Ok(Err(errno).context("write to", "the status descriptor")?),
        }
    }

    /// The init has one child of its own; what is handed to it comes after.
    fn program_of(&self, init: u32) -> Option<u32> {
        let path = format!("{init}/task/{init}/children");
        let bytes = bounded::read(self.root.proc(), &path, bounded::SMALL).ok()?;
        std::str::from_utf8(&bytes).ok()?.split_whitespace().next()?.parse().ok()
    }

    /// A program that has only just been started may not be ours to look at yet.
    fn namespaces(&self, pid: u32) -> BTreeMap<&'static str, Option<u64>> {
        let end = Instant::now() + Duration::from_millis(100);
        let identity = |kind| loop {
            let pid = Pid::new(pid)?;
            match ns::identity_of(self.root.proc(), pid, kind) {
                Err(Errno::EACCES) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                read => break read.ok(),
            }
        };
        if self.status.is_none() {
            return BTreeMap::new();
        }
        Kind::ALL.into_iter().map(|kind| (kind.name(), identity(kind))).collect()
    }
}

/// Whether a descriptor can be written to.
pub fn is_writable(descriptor: &OwnedFd) -> bool {
    rustix::fs::fcntl_getfl(descriptor.as_fd())
        .is_ok_and(|flags| flags.intersects(OFlags::WRONLY | OFlags::RDWR))
}
