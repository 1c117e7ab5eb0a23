//! `/proc/PID/comm`: proc_pid_comm(5).

use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::root::SysRoot;

/// The command name of a process, which it chooses itself; `None` where it has ended.
pub fn comm(root: &SysRoot, pid: Pid) -> Option<Text> {
    let mut bytes = Vec::new();
    let name = format!("{pid}/comm");
    bounded::read_record(root.proc(), &name, bounded::SMALL, &mut bytes).ok()?;
    Some(Text::new(bytes.strip_suffix(b"\n").unwrap_or(&bytes)))
}
