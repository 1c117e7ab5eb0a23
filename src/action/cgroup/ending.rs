//! The end of groups: what still runs in them is killed, then they are removed.
//!
//! v2 kills all of a group at once, even while it forks (Linux 5.14); elsewhere it is one by one,
//! until nobody is left.

use super::{PREFIX, Part, open_directory, tree, write_at};
use crate::action::error::ActionError;
use crate::model::group::Controller;
use crate::sys::cgroupfs::values::keyed_value;
use crate::sys::error::{Problem, SysError};
use crate::sys::magic;
use crate::sys::raw;
use crate::sys::root::path_text;
use nix::errno::Errno;
use rustix::process::PidfdFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A killed process ends at once, unless it waits for a device or a dead file system.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks, at first and at most.
const SHORT: Duration = Duration::from_micros(250);
const LONG: Duration = Duration::from_millis(10);
/// Descriptors held at a time.
const BATCH: usize = 128;

/// `try_it` until it is done, no longer than [`PATIENCE`]; whether it is done.
fn patiently(mut try_it: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    let mut pause = SHORT;
    while !try_it() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONG);
    }
    true
}

pub(super) fn kill(parts: &[Part]) -> Result<(), ActionError> {
    let unified = parts.iter().find(|part| part.is_v2);
    // Whoever left it for another group did so on purpose, and is met where it still is.
    let is_over = match unified.map(|part| (part, populated(part))) {
        Some((_, Some(false))) => true,
        Some((part, Some(true))) if part.write("cgroup.kill", "1").is_ok() => {
            patiently(|| populated(part) != Some(true))
        }
        _ => kill_one_by_one(parts),
    };
    if is_over {
        return Ok(());
    }
    let directories = parts.iter().map(|part| path_text(&part.directory).to_string());
    let object = format!("all processes of {}", directories.collect::<Vec<_>>().join(", "));
    Err(SysError { doing: "end", object: object.into(), problem: Problem::TimedOut }.into())
}

/// What cgroup.events of v2 says of the group and those below it.
fn populated(part: &Part) -> Option<bool> {
    part.read("cgroup.events")
        .ok()
        .and_then(|events| Some(keyed_value(&events, b"populated")? != 0))
}

/// Who forks faster than we kill is stopped from that first.
fn kill_one_by_one(parts: &[Part]) -> bool {
    for part in parts {
        if part.has(Controller::Pids) {
            let _ = part.write("pids.max", "0");
        }
        if part.is_v2 {
            // SIGKILL reaches the frozen all the same.
            let _ = part.write("cgroup.freeze", "1");
        }
    }
    patiently(|| !parts.iter().any(|part| kill_listed(part.dir.as_fd())))
}

/// Whether there was anybody. A number is a process only for as long as it is listed: each is
/// pinned first, and looked up again.
fn kill_listed(group: BorrowedFd<'_>) -> bool {
    let own = i32::try_from(std::process::id()).ok();
    let mut listed = tree::processes(group);
    listed.retain(|pid| *pid > 1 && Some(*pid) != own);
    for batch in listed.chunks(BATCH) {
        let pinned: Vec<(i32, OwnedFd)> = batch.iter().filter_map(|pid| pin(*pid)).collect();
        let still = tree::processes(group);
        for (_, pidfd) in pinned.iter().filter(|(pid, _)| still.contains(pid)) {
            let _ = raw::signal::send(pidfd.as_fd(), nix::sys::signal::Signal::SIGKILL as i32);
        }
    }
    !listed.is_empty()
}

fn pin(pid: i32) -> Option<(i32, OwnedFd)> {
    let process = rustix::process::Pid::from_raw(pid)?;
    Some((pid, rustix::process::pidfd_open(process, PidfdFlags::empty()).ok()?))
}

/// Kills, then removes each. The kernel needs a moment to let an emptied group go.
pub(super) fn remove(parts: &[Part]) -> Result<(), ActionError> {
    let mut failed = None;
    let mut killed = false;
    let mut left: Vec<&Part> = parts.iter().collect();
    let mut tries = 0;
    patiently(|| {
        failed = None;
        tries += 1;
        left.retain(|part| match part.remove() {
            Ok(()) => false,
            Err(error) => {
                let is_busy = error.errno() == Some(Errno::EBUSY);
                failed.get_or_insert(error);
                // Anything else is tried again too, but not for long: nobody comes after us.
                is_busy || tries < 3
            }
        });
        if !left.is_empty() {
            if !killed {
                let _ = kill(parts);
                killed = true;
            }
            for part in &left {
                kill_listed(part.dir.as_fd());
            }
        }
        left.is_empty()
    });
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Kills and removes groups whose nsx was killed: by path, so only what is a control group, and has
/// a name that nsx gives. Those in which this process itself is are left alone.
pub fn remove_left(directories: &[PathBuf]) {
    let mut left: Vec<Left<'_>> = directories.iter().filter_map(|one| Left::open(one)).collect();
    // What of v2 kills all at once is what the others wait for.
    for group in &left {
        let _ = write_at(group.dir.as_fd(), "cgroup.kill", "1");
    }
    patiently(|| {
        left.retain(|group| tree::remove(group.parent.as_fd(), group.name) == Err(Errno::EBUSY));
        for group in &left {
            let _ = write_at(group.dir.as_fd(), "pids.max", "0");
            kill_listed(group.dir.as_fd());
        }
        left.is_empty()
    });
}

struct Left<'a> {
    parent: OwnedFd,
    name: &'a str,
    dir: OwnedFd,
}

impl<'a> Left<'a> {
    fn open(directory: &'a Path) -> Option<Self> {
        let name = directory.file_name()?.to_str().filter(|name| name.starts_with(PREFIX))?;
        let parent = open_directory(rustix::fs::CWD, directory.parent()?).ok()?;
        let kind = rustix::fs::fstatfs(&parent).ok()?.f_type;
        if ![magic::CGROUP, magic::CGROUP2].contains(&kind) {
            return None;
        }
        let dir = open_directory(parent.as_fd(), Path::new(name)).ok()?;
        let own = i32::try_from(std::process::id()).ok()?;
        (!tree::processes(dir.as_fd()).contains(&own)).then_some(Self { parent, name, dir })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_group_of_ours_is_never_touched() {
        let temp = tempfile::tempdir().unwrap();
        let looks_alike = temp.path().join("nsx-1-2");
        std::fs::create_dir(&looks_alike).unwrap();
        let root = PathBuf::from("/sys/fs/cgroup");
        let paths = [looks_alike.clone(), root.clone(), root.join("memory"), "/".into(), "".into()];
        remove_left(&paths);
        assert!(looks_alike.is_dir());
        assert!(Left::open(&looks_alike).is_none());
    }
}
