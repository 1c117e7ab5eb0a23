//! The file that says of a named program that it runs: made before the program, so that there is one
//! of a name, and removed after it. nsx holds it until it ends, so that nobody who may read it takes nsx
//! for gone, whatever `/proc` shows him.

use super::janitor::Janitor;
use crate::action::cgroup;
use crate::action::error::ActionError;
use crate::model::process::Pid;
use crate::model::spawned::Spawned;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::error::{Context, Problem, SysError};
use crate::sys::fds::write_all;
use crate::sys::hold;
use crate::sys::incarnation;
use crate::sys::pidfd;
use crate::sys::root::{SysRoot, path_text};
use nix::errno::Errno;
use rustix::fs::{Access, AtFlags, FlockOperation, Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Removed when dropped, once it is ours.
#[derive(Debug)]
pub struct Record {
    directory: OwnedFd,
    path: PathBuf,
    file: String,
    is_ours: bool,
    /// Every file that has had the name: who opened one before the next was there sees it held.
    held: Vec<OwnedFd>,
    janitor: Rc<Janitor>,
    /// What the file says after the next [`Self::update`].
    pub spawned: Spawned,
}

impl Record {
    /// Takes the name. What a nsx that was killed left under it is cleared up.
    pub fn take(
        root: &SysRoot,
        directory: &Path,
        spawned: Spawned,
        janitor: &Rc<Janitor>,
    ) -> Result<Self, ActionError> {
        let dir = open(directory)?;
        let file = format!("{}.json", spawned.name);
        let path = directory.join(&file);
        let janitor = Rc::clone(janitor);
        let (is_ours, held) = (false, Vec::new());
        let mut record = Self { directory: dir, path, file, is_ours, held, janitor, spawned };
        // Between finding that a name's owner is gone and removing his record another could take it.
        let _one_at_a_time = lock(directory)?;
        for _ in 0..8 {
            match record.write_new() {
                Ok(()) => {
                    record.is_ours = true;
                    return Ok(record);
                }
                Err(ActionError::System(error)) if error.errno() == Some(Errno::EEXIST) => {
                    record.clear_stale(root)?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(record.taken("it is taken again and again"))
    }

    /// Writes what has become known.
    pub fn update(&mut self) -> Result<(), ActionError> {
        let (temporary, held) = self.write_temporary()?;
        let dir = &self.directory;
        let renamed = rustix::fs::renameat(dir, &temporary, dir, &self.file);
        if renamed.is_err() {
            remove(dir, &temporary);
        }
        renamed.with_context("write", || path_text(&self.path))?;
        self.held.push(held);
        Ok(())
    }

    fn write_new(&mut self) -> Result<(), ActionError> {
        let (temporary, held) = self.write_temporary()?;
        let (dir, flags) = (&self.directory, AtFlags::empty());
        let linked = rustix::fs::linkat(dir, &temporary, dir, &self.file, flags);
        remove(dir, &temporary);
        linked.with_context("make", || path_text(&self.path))?;
        self.held.push(held);
        Ok(())
    }

    /// A file that has nothing to do but to be given the name.
    fn write_temporary(&self) -> Result<(String, OwnedFd), ActionError> {
        let text = text(&self.spawned)?;
        // Ours is the only process of this number that is alive.
        let name = format!(".{}.{}", self.spawned.name, std::process::id());
        self.janitor.expect_temporary(&self.path.with_file_name(&name))?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let write = || -> Result<OwnedFd, ActionError> {
            let file =
                rustix::fs::openat(&self.directory, &name, flags, Mode::from_raw_mode(0o600))
                    .with_context("make", || path_text(&self.path))?;
            // Where files cannot be held, our number has to do.
            let _ = hold::hold(&file);
            write_all(&file, text.as_bytes()).with_context("write", || path_text(&self.path))?;
            let stat =
                rustix::fs::fstat(&file).with_context("examine", || path_text(&self.path))?;
            self.janitor.expect_name((stat.st_dev, stat.st_ino), &self.path)?;
            Ok(file)
        };
        let written = write();
        if written.is_err() {
            remove(&self.directory, &name);
        }
        written.map(|file| (name, file))
    }

    /// Fails where the name's owner runs.
    fn clear_stale(&self, root: &SysRoot) -> Result<(), ActionError> {
        let Some((file, other)) = read(&self.directory, &self.file)? else { return Ok(()) };
        let Some(other) = other else {
            return Err(self.taken("its file is none of nsx's"));
        };
        if is_elsewhere(root, &other)? {
            return Err(self.taken("a nsx of another pid or time namespace, or what one left"));
        }
        let pid = other.supervisor.pid;
        match owner(root, &file, &other) {
            Ok(None) => {}
            Ok(Some(_)) => return Err(self.taken(&format!("nsx of pid {pid}"))),
            Err(error) => return Err(self.taken(&format!("perhaps nsx of pid {pid}: {error}"))),
        }
        clear(&other);
        unlink(&self.directory, &self.file).with_context("remove", || path_text(&self.path))?;
        Ok(())
    }

    fn taken(&self, by: &str) -> ActionError {
        let name = &self.spawned.name;
        ActionError::refused(
            format!("the name {name} is taken ({by}; {})", path_text(&self.path)),
            "take another; or end that one: nsx spawn --stop NAME",
        )
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.is_ours {
            return;
        }
        remove(&self.directory, &self.file);
        // Who has opened it already sees that we have not ended yet.
        self.held.drain(..).for_each(std::mem::forget);
    }
}

/// What is in the file. What nobody would read is not written.
fn text(spawned: &Spawned) -> Result<String, ActionError> {
    let text = spawned.to_json();
    if text.len() < Spawned::MOST_BYTES {
        return Ok(text);
    }
    Err(ActionError::refused(
        format!("the record of {} would be too long to be read", spawned.name),
        "leave out --name and --detach, or limit less",
    ))
}

/// Once more where it does not work at once: nobody comes after us.
fn remove(directory: &OwnedFd, name: &str) {
    for _ in 0..3 {
        if unlink(directory, name).is_ok() {
            return;
        }
    }
}

/// Who clears up after a killed nsx may have been quicker.
fn unlink(directory: &OwnedFd, name: &str) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        removed => removed,
    }
}

/// A record's file and what is in it, where that is nsx's. `None`: there is none of that name.
fn read(
    directory: &OwnedFd,
    name: &str,
) -> Result<Option<(OwnedFd, Option<Spawned>)>, ActionError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        opened => opened.context("open", name)?,
    };
    let spawned = parse(&file, name)?;
    Ok(Some((file, spawned)))
}

/// What is in a file, which errors call `name`; `None` where that is none of nsx's.
fn parse(file: &OwnedFd, name: &str) -> Result<Option<Spawned>, ActionError> {
    let mut bytes = Vec::new();
    let is_cut = bounded::read_fd_into(file.as_fd(), Spawned::MOST_BYTES, &mut bytes);
    if is_cut.context("read", name)? {
        let problem = Problem::Truncated;
        return Err(SysError { doing: "read", object: name.into(), problem }.into());
    }
    Ok(Spawned::parse(&bytes))
}

/// The nsx that wrote what is in a file, held; `None` where it has ended. An error means that it cannot
/// be told.
pub fn owner(
    root: &SysRoot,
    file: &OwnedFd,
    spawned: &Spawned,
) -> Result<Option<OwnedFd>, ActionError> {
    if incarnation::boot_id(root)? != spawned.boot_id {
        return Ok(None);
    }
    let number = spawned.supervisor.pid;
    // Before it is asked who holds the file: he has had his number all the time.
    let pinned = Pid::new(number).map(pidfd::pin);
    match (hold::holder(file), pinned) {
        (Ok(Some(holder)), Some(pinned)) if holder == number => Ok(Some(pinned?)),
        (Ok(Some(_)), _) => {
            Err(ActionError::Refused("it is held where the pids are others".to_owned()))
        }
        // An older nsx holds nothing.
        (Ok(None) | Err(_), _) => Ok(incarnation::pin(root, spawned.supervisor)?),
    }
}

/// Whether it was written where pids or times are others: nothing can be said of it here.
pub fn is_elsewhere(root: &SysRoot, spawned: &Spawned) -> Result<bool, ActionError> {
    let is_this_boot = incarnation::boot_id(root)? == spawned.boot_id;
    let (here, there) = (incarnation::viewpoint(root), spawned.seen_from);
    Ok(is_this_boot && here.zip(there).is_some_and(|(here, there)| here != there))
}

/// Removes the record of one that has ended, unless the name is another's by now.
pub fn forget(directory: &Path, spawned: &Spawned) -> Result<(), ActionError> {
    let dir = open(directory)?;
    let file = format!("{}.json", spawned.name);
    let _one_at_a_time = lock(directory)?;
    let Some((_, other)) = read(&dir, &file)? else { return Ok(()) };
    let is_its_own = |other: Spawned| {
        (other.supervisor, &other.boot_id) == (spawned.supervisor, &spawned.boot_id)
    };
    if other.is_some_and(is_its_own) {
        unlink(&dir, &file).with_context("remove", || path_text(&directory.join(&file)))?;
    }
    Ok(())
}

/// Until dropped: nobody else takes a name, or removes one that he found without an owner.
fn lock(directory: &Path) -> Result<OwnedFd, ActionError> {
    let dir = open(directory)?;
    loop {
        match rustix::fs::flock(&dir, FlockOperation::LockExclusive) {
            Err(rustix::io::Errno::INTR) => {}
            locked => {
                locked.with_context("lock", || path_text(directory))?;
                return Ok(dir);
            }
        }
    }
}

/// What is left of one that does not run any more.
pub fn clear(spawned: &Spawned) {
    let groups: Vec<PathBuf> = spawned.cgroups.iter().map(PathBuf::from).collect();
    cgroup::remove_left(&groups);
}

/// What a directory has under a name, as [`read`]; `None` also where there is no such directory.
pub fn find(
    directory: &Path,
    name: &str,
) -> Result<Option<(OwnedFd, Option<Spawned>)>, ActionError> {
    match open_existing(directory) {
        Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ENOTDIR)) => Ok(None),
        opened => read(&opened?, &format!("{name}.json")),
    }
}

/// Whether we may write to a directory, or make it where it is missing.
pub fn can_be_in(directory: &Path) -> bool {
    let may_write = |path: &Path| {
        rustix::fs::accessat(rustix::fs::CWD, path, Access::WRITE_OK, AtFlags::EACCESS)
    };
    match may_write(directory) {
        Err(rustix::io::Errno::NOENT) => {
            directory.parent().is_some_and(|above| may_write(above).is_ok())
        }
        may => may.is_ok(),
    }
}

fn open(path: &Path) -> Result<OwnedFd, ActionError> {
    let mode = Mode::from_raw_mode(0o700);
    match rustix::fs::mkdir(path, mode) {
        // Whatever the caller's umask: it is there for other calls, too.
        Ok(()) => rustix::fs::chmod(path, mode).with_context("set up", || path_text(path))?,
        Err(rustix::io::Errno::EXIST) => {}
        Err(errno) => Err(errno).with_context("make", || path_text(path))?,
    }
    open_existing(path)
}

/// Ours alone: who else may write there could say what we are to end.
fn open_existing(path: &Path) -> Result<OwnedFd, ActionError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir =
        rustix::fs::open(path, flags, Mode::empty()).with_context("open", || path_text(path))?;
    let stat = rustix::fs::fstat(&dir).with_context("examine", || path_text(path))?;
    let is_ours = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o022 == 0;
    if is_ours {
        return Ok(dir);
    }
    let path: Text = path_text(path);
    Err(ActionError::refused(
        format!("{path} is not ours alone: another could write there"),
        "it must be yours and closed to others: chmod go-w",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spawned::Incarnation;

    #[test]
    fn what_could_not_be_read_is_not_written() {
        let mut spawned = Spawned {
            schema: Spawned::SCHEMA.to_owned(),
            name: "long".to_owned(),
            boot_id: String::new(),
            seen_from: None,
            supervisor: Incarnation { pid: 1, start_ticks: 1 },
            process: None,
            program: None,
            created_unix_seconds: 0,
            command: Vec::new(),
            limits: [("io".to_owned(), String::new())].into(),
            cgroups: Vec::new(),
        };
        let room = Spawned::MOST_BYTES - spawned.to_json().len();
        for (length, is_written) in [(room - 1, true), (room, false)] {
            spawned.limits.insert("io".to_owned(), "x".repeat(length));
            assert_eq!(text(&spawned).is_ok(), is_written);
            let file: OwnedFd = tempfile::tempfile().unwrap().into();
            write_all(&file, spawned.to_json().as_bytes()).unwrap();
            rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).unwrap();
            assert_eq!(parse(&file, "long.json").is_ok(), is_written);
        }
    }
}
