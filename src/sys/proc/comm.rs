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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_all_but_the_newline_that_ends_it() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("proc/7")).unwrap();
        std::fs::write(temp.path().join("proc/7/comm"), b"a\n\xff\n").unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let of = |pid| comm(&root, Pid::new(pid).unwrap());
        assert_eq!((of(7), of(8)), (Some(Text::new(b"a\n\xff")), None));
    }
}
