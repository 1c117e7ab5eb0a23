//! The processes of one container, with their names inside and their command lines.

use super::clock::Clock;
use super::scan;
use crate::model::gap::{Gap, Reason};
use crate::model::inspection::Member;
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::proc::status::{self, Status};
use crate::sys::root::SysRoot;
use crate::sys::{bounded, worker};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Longer command lines are cut; one may be 2 MB.
const COMMAND_CAP: usize = 4096;
/// For all command lines together: what hangs must not make the report hang.
const PATIENCE: Duration = Duration::from_secs(1);
/// Each costs an open directory.
const MOST: usize = 512;

/// The first [`MOST`] of `pids` in full, one gap for the rest. The caller has one thread.
pub fn collect_processes(root: &SysRoot, pids: &[Pid], clock: &Clock) -> (Vec<Member>, Vec<Gap>) {
    let mut members = Vec::new();
    let mut directories: Vec<OwnedFd> = Vec::new();
    let (mut buffer, mut reader) = (Vec::new(), scan::Reader::default());
    for pid in pids.iter().take(MOST) {
        // One that ended meanwhile is no member any more.
        let Ok(dir) = bounded::open_dir(root.proc(), &pid.to_string()) else {
            continue;
        };
        let Some(process) = scan::read_process_at(dir.as_fd(), &mut reader) else {
            continue;
        };
        let status = read_status(dir.as_fd(), &mut buffer);
        let status = status.as_ref();
        members.push(Member {
            pid: process.pid,
            parent: process.parent,
            pid_inside: status.and_then(|status| status.pids_by_level.last().copied()),
            uid: status.map(|status| status.uids[1]),
            state: process.state,
            threads: status.map(|status| status.threads),
            rss_bytes: status.and_then(|status| status.rss_bytes),
            started_unix_seconds: clock.started_unix_seconds(process.start_ticks),
            age_seconds: clock.age_seconds(process.start_ticks),
            comm: process.comm,
            command: None,
        });
        directories.push(dir);
    }
    let mut gaps = Vec::new();
    if let Some(more) = pids.len().checked_sub(MOST).filter(|more| *more > 0) {
        gaps.push(Gap {
            object: format!("{more} more processes").into(),
            what: "command lines",
            reason: Reason::Truncated,
        });
    }
    let requests: Vec<(BorrowedFd<'_>, &CStr)> =
        directories.iter().map(|dir| (dir.as_fd(), c"cmdline")).collect();
    let answers = worker::read_each(&requests, COMMAND_CAP, PATIENCE);
    let gap = |pid: Pid, reason| Gap {
        object: format!("pid {pid}").into(),
        what: "command line",
        reason,
    };
    for (member, answer) in members.iter_mut().zip(answers) {
        match answer {
            Ok(read) => {
                member.command = command(&read.bytes);
                if read.truncated {
                    gaps.push(gap(member.pid, Reason::Truncated));
                }
            }
            Err(error) => gaps.push(gap(member.pid, error.reason())),
        }
    }
    (members, gaps)
}

fn read_status(process: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Option<Status> {
    bounded::read_record(process, "status", bounded::LARGE, buffer).ok()?;
    status::parse(buffer)
}

/// Arguments are ended by NUL; a kernel thread or zombie has none.
fn command(bytes: &[u8]) -> Option<Text> {
    let arguments = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if arguments.is_empty() {
        return None;
    }
    let joined: Vec<u8> =
        arguments.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
    Some(joined.trim_ascii_end().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_joined_and_nothing_is_no_command() {
        assert_eq!(command(b"nginx\0-g\0daemon off;\0"), Some("nginx -g daemon off;".into()));
        // nginx writes its title over its arguments and pads with NUL.
        assert_eq!(command(b"nginx: worker\0\0\0\0"), Some("nginx: worker".into()));
        assert_eq!(command(b""), None);
        assert_eq!(command(b"\0"), None);
    }
}
