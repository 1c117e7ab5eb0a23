//! The control groups of one spawned program, one in each hierarchy that is needed: made before it
//! starts, removed with all that is left in them when it has ended. See cgroups(7).
//!
//! Everything below a group is reached from its directory, which is held open; nothing leads out of
//! it.

use super::error::ActionError;
use crate::model::group::{Controller, Limits, Site, Sites, Used};
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::error::{Context, SysError};
use crate::sys::root::path_text;
use nix::errno::Errno;
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

mod ending;
mod limits;
mod tree;
mod used;

pub use ending::remove_left;

/// What every group of ours begins with.
const PREFIX: &str = "nsx-";

/// Groups of ours; removed when dropped, with what still runs in them.
#[derive(Debug)]
pub struct Group {
    parts: Vec<Part>,
}

/// The group in one hierarchy.
#[derive(Debug)]
struct Part {
    /// As errors name it.
    directory: PathBuf,
    parent: OwnedFd,
    name: String,
    dir: OwnedFd,
    is_v2: bool,
    is_optional: bool,
    controllers: Vec<Controller>,
}

impl Group {
    /// Makes the groups and sets the limits, or leaves nothing behind. Without a site there is no
    /// group, and nothing to do for it.
    /// `expect` hears of each before it is there.
    pub fn make(
        sites: &Sites,
        limits: &Limits,
        mut expect: impl FnMut(&Path) -> Result<(), ActionError>,
    ) -> Result<Self, ActionError> {
        let mut group = Self { parts: Vec::new() };
        if sites.0.is_empty() {
            return Ok(group);
        }
        let name = name();
        for site in &sites.0 {
            expect(&site.parent.join(&name))?;
            match Part::make(site, &name) {
                Ok(part) => group.parts.push(part),
                Err(_) if site.is_optional => {}
                Err(error) => return Err(error.into()),
            }
        }
        limits::set(&group.parts, limits)?;
        Ok(group)
    }

    /// Whether there is none to be in.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// For clone3(2), which starts a child in a group of v2 only.
    pub fn birthplace(&self) -> Option<BorrowedFd<'_>> {
        self.parts.iter().find(|part| part.is_v2).map(|part| part.dir.as_fd())
    }

    /// Moves a child, and what it will start, into the groups; where it was born is left out.
    pub fn add(&mut self, child: Pid, is_born_inside: bool) -> Result<(), ActionError> {
        let child = child.to_string();
        let mut failed = None;
        self.parts.retain(|part| {
            if part.is_v2 && is_born_inside {
                return true;
            }
            match part.write("cgroup.procs", &child) {
                Ok(()) => true,
                Err(error) if part.is_optional => {
                    let _ = error;
                    let _ = part.remove();
                    false
                }
                Err(error) => {
                    failed.get_or_insert(error);
                    true
                }
            }
        });
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// What was used so far. Once nothing runs any more that is all.
    pub fn used(&self) -> Used {
        used::read(&self.parts)
    }

    /// What somebody else would have to remove after us: see [`remove_left`].
    pub fn directories(&self) -> Vec<PathBuf> {
        self.parts.iter().map(|part| part.directory.clone()).collect()
    }

    /// Ends whatever runs in the groups, and waits until it has ended.
    pub fn kill(&self) -> Result<(), ActionError> {
        ending::kill(&self.parts)
    }

    /// Somebody else is to remove it. False: it is not gone.
    pub fn leave(mut self) -> bool {
        self.parts.clear();
        false
    }

    /// The same as dropping it, where it matters whether that worked.
    pub fn remove(mut self) -> Result<(), ActionError> {
        ending::remove(&std::mem::take(&mut self.parts))
    }
}

/// One name in all hierarchies. Pids come again, in other pid namespaces even at the same moment: with
/// a number that nobody else draws, no group is taken for another, now or by who clears up later.
fn name() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{PREFIX}{}-{random:016x}", std::process::id())
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = ending::remove(&self.parts);
    }
}

impl Part {
    fn make(site: &Site, name: &str) -> Result<Self, SysError> {
        let directory = site.parent.join(name);
        let parent = open_directory(rustix::fs::CWD, &site.parent)
            .with_context("open", || path_text(&site.parent))?;
        rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755))
            .with_context("make", || path_text(&directory))?;
        let dir = match open_directory(parent.as_fd(), Path::new(name)) {
            Ok(dir) => dir,
            Err(errno) => {
                let _ = rustix::fs::unlinkat(&parent, name, rustix::fs::AtFlags::REMOVEDIR);
                return Err(SysError::new("open", path_text(&directory), errno));
            }
        };
        let part = Self {
            directory,
            parent,
            name: name.to_owned(),
            dir,
            is_v2: site.is_v2,
            is_optional: site.is_optional,
            controllers: site.controllers.clone(),
        };
        match part.take_cpus_from_above() {
            Ok(()) => Ok(part),
            Err(error) => {
                let _ = part.remove();
                Err(error)
            }
        }
    }

    /// A new group of v1's cpuset takes no process before it has CPUs and memory nodes.
    fn take_cpus_from_above(&self) -> Result<(), SysError> {
        if self.is_v2 {
            return Ok(());
        }
        for (file, above) in [
            ("cpuset.cpus", "../cpuset.effective_cpus"),
            ("cpuset.mems", "../cpuset.effective_mems"),
        ] {
            match self.read(file) {
                Ok(own) if own.trim_ascii().is_empty() => {
                    let above = self.read(above)?;
                    self.write(file, &String::from_utf8_lossy(above.trim_ascii()))?;
                }
                Ok(_) => {}
                // Another hierarchy.
                Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn has(&self, controller: Controller) -> bool {
        self.controllers.contains(&controller)
    }

    fn path_of(&self, file: &str) -> Text {
        path_text(&self.directory.join(file))
    }

    fn read(&self, file: &str) -> Result<Vec<u8>, SysError> {
        let mut bytes = Vec::new();
        bounded::read_record(self.dir.as_fd(), file, bounded::SMALL, &mut bytes)
            .with_context("read", || self.path_of(file))?;
        Ok(bytes)
    }

    /// Never creates: a file that is missing is a missing feature. A value is one write.
    fn write(&self, file: &str, value: &str) -> Result<(), SysError> {
        write_at(self.dir.as_fd(), file, value)
            .with_context("set", || format!("{} to {value}", self.path_of(file)))
    }

    fn remove(&self) -> Result<(), SysError> {
        tree::remove(self.parent.as_fd(), &self.name)
            .with_context("remove", || path_text(&self.directory))
    }
}

fn write_at(dir: BorrowedFd<'_>, file: &str, value: &str) -> rustix::io::Result<()> {
    let file = rustix::fs::openat(dir, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, value.as_bytes()).map(drop)
}

fn open_directory(from: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(from, path, flags, Mode::empty())
}

/// A directory that looks like a group.
#[cfg(test)]
mod imitation {
    use super::*;

    pub(super) fn part(temp: &tempfile::TempDir, is_v2: bool, files: &[(&str, &str)]) -> Part {
        let directory = temp.path().join("above/group");
        std::fs::create_dir_all(&directory).unwrap();
        for (file, text) in files {
            std::fs::write(directory.join(file), text).unwrap();
        }
        Part {
            parent: open_directory(rustix::fs::CWD, &temp.path().join("above")).unwrap(),
            name: "group".to_owned(),
            dir: open_directory(rustix::fs::CWD, &directory).unwrap(),
            directory,
            is_v2,
            is_optional: false,
            controllers: Controller::ALL.to_vec(),
        }
    }
}
