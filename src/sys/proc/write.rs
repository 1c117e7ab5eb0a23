//! The files in `/proc/PID` by which a process is set up: id maps, clock offsets.

use crate::sys::error::{Context, Problem, Result, SysError};
use crate::sys::fds::write_all;
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags};

/// Writes one of our own, in one call as the kernel wants it, and creates none.
pub fn write_own(file: &str, value: &str) -> Result<()> {
    write_at(&format!("/proc/self/{file}"), value)
}

/// The same of a child that was not reaped.
pub fn write(child: Pid, file: &str, value: &str) -> Result<()> {
    write_at(&format!("{}/{file}", of_child(child)?), value)
}

/// `/proc/PID` of a child that was not reaped: its number is its own, where /proc numbers processes
/// as our calls do. In one of another pid namespace it is somebody else's, and none is named.
pub fn of_child(child: Pid) -> Result<String> {
    let own = rustix::fs::readlink("/proc/self", Vec::new()).context("read", "/proc/self")?;
    if own.as_bytes() != std::process::id().to_string().as_bytes() {
        let problem = Problem::ForeignProcfs;
        return Err(SysError { doing: "use", object: "/proc".into(), problem });
    }
    Ok(format!("/proc/{child}"))
}

fn write_at(path: &str, value: &str) -> Result<()> {
    let write = || {
        let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        write_all(&file, value.as_bytes())
    };
    write().context("write", path)
}
