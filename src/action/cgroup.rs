//! A cgroup for one spawned program: made before it starts, removed when it has ended.

use super::error::ActionError;
use crate::model::cgroup::Site;
use crate::sys::error::{Context, SysError};
use crate::sys::root::path_text;
use nix::errno::Errno;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A group of ours; removed when dropped.
#[derive(Debug)]
pub struct Group {
    directory: PathBuf,
}

impl Group {
    /// Makes `nsx-PID` with a memory limit; swap is limited with it where the kernel can.
    pub fn with_memory_limit(site: &Site, bytes: u64) -> Result<Self, ActionError> {
        let directory = make(&site.parent)?;
        let group = Self { directory };
        let bytes = bytes.to_string();
        if site.is_v2 {
            group.write("memory.max", &bytes)?;
            group.write_if_there("memory.swap.max", "0")?;
        } else {
            group.write("memory.limit_in_bytes", &bytes)?;
            group.write_if_there("memory.memsw.limit_in_bytes", &bytes)?;
        }
        Ok(group)
    }

    pub fn add(&self, process: nix::unistd::Pid) -> Result<(), ActionError> {
        self.write("cgroup.procs", &process.to_string())
    }

    fn write(&self, file: &str, value: &str) -> Result<(), ActionError> {
        let path = self.directory.join(file);
        write(&path, value).with_context("write", || path_text(&path))?;
        Ok(())
    }

    fn write_if_there(&self, file: &str, value: &str) -> Result<(), ActionError> {
        let path = self.directory.join(file);
        match write(&path, value) {
            Err(errno) if errno.kind() != std::io::ErrorKind::NotFound => {
                Err(SysError::new("write", path_text(&path), errno).into())
            }
            _ => Ok(()),
        }
    }
}

/// What a nsx that was killed has left.
pub fn remove_left(directories: &[PathBuf]) {
    for directory in directories {
        drop(Group { directory: directory.clone() });
    }
}

/// `nsx-PID`, with a number behind it where that is taken: pid namespaces repeat pids.
fn make(parent: &Path) -> Result<PathBuf, ActionError> {
    let mut directory = parent.join(format!("nsx-{}", std::process::id()));
    for number in 2.. {
        match rustix::fs::mkdir(&directory, rustix::fs::Mode::from_raw_mode(0o755)) {
            Err(rustix::io::Errno::EXIST) if number < 1000 => {
                directory.set_file_name(format!("nsx-{}-{number}", std::process::id()));
            }
            made => {
                made.with_context("make", || path_text(&directory))?;
                break;
            }
        }
    }
    Ok(directory)
}

/// Never creates: a file that is missing is a missing feature.
fn write(path: &Path, value: &str) -> std::io::Result<()> {
    use std::io::Write;
    fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

impl Drop for Group {
    /// What still runs in it is killed; the kernel needs a moment to let an emptied group go.
    fn drop(&mut self) {
        for _ in 0..200 {
            match rustix::fs::rmdir(&self.directory).map_err(|e| Errno::from_raw(e.raw_os_error()))
            {
                Err(Errno::EBUSY) => {}
                _ => return,
            }
            if write(&self.directory.join("cgroup.kill"), "1").is_err() {
                self.kill_one_by_one();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Group {
    /// For v1, which has no cgroup.kill.
    #[expect(
        clippy::disallowed_methods,
        reason = "a kernel file of a group that is ours, one pid a line"
    )]
    fn kill_one_by_one(&self) {
        let processes = fs::read_to_string(self.directory.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines().filter_map(|line| line.parse().ok()) {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
}
