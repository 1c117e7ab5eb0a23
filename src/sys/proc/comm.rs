//! `/proc/PID/comm`: proc_pid_comm(5).

use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::root::SysRoot;
use std::os::fd::BorrowedFd;

/// The command name of a process, which it chooses itself; `None` where it has ended.
pub fn comm(root: &SysRoot, pid: Pid) -> Option<Text> {
    read(root.proc(), &format!("{pid}/comm"))
}

/// The same from `/proc/PID`.
pub fn comm_of(process: BorrowedFd<'_>) -> Option<Text> {
    read(process, "comm")
}

fn read(dir: BorrowedFd<'_>, name: &str) -> Option<Text> {
    let mut bytes = Vec::new();
    bounded::read_record(dir, name, bounded::SMALL, &mut bytes).ok()?;
    Some(Text::new(bytes.strip_suffix(b"\n").unwrap_or(&bytes)))
}
