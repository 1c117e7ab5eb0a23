//! The processes of one container, with their names inside and their command lines.

use super::clock::Clock;
use super::containers::Containers;
use crate::model::gap::{Gap, Reason};
use crate::model::inspection::Member;
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::bounded::{self, Bytes};
use crate::sys::error::Result;
use crate::sys::proc::{stat, status};
use crate::sys::root::SysRoot;
use crate::sys::worker::files::{Request, Way};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Longer command lines are cut; one may be 2 MB.
const COMMAND_CAP: usize = 4096;
/// For one of them: what hangs must not make the report hang.
const PATIENCE: Duration = Duration::from_millis(250);
/// Of more processes none is told.
const MOST: usize = 1 << 13;
/// Each costs an open directory.
const MOST_COMMANDS: usize = 512;

/// Processes, and the directory of each, through which the rest of it is read.
#[derive(Debug, Default)]
pub struct Members {
    /// In the order of the pids that were asked for; without those that ended meanwhile.
    pub list: Vec<Member>,
    /// `/proc/PID` of the first of them, in the order of `list`.
    directories: Vec<OwnedFd>,
    /// Processes and command lines beyond the bounds, and command lines that could not be read or were
    /// cut.
    pub gaps: Vec<Gap>,
}

const WHAT: &str = "processes";

/// The first [`MOST`] of `pids`, one gap for the rest; without their command lines, which only the
/// first [`MOST_COMMANDS`] can be asked for. `seen` is what they were told from.
pub fn collect_processes(
    root: &SysRoot,
    pids: &[Pid],
    seen: &Containers,
    clock: &Clock,
) -> Members {
    let mut members = Members::default();
    let mut buffer = Vec::new();
    for pid in pids.iter().take(MOST) {
        // One that ended meanwhile is no member any more.
        let object = || Text::from(format!("pid {pid}"));
        let dir = root.process(*pid);
        let Some(dir) = root.reach().told(object, WHAT, dir) else { continue };
        let mut read = |name, cap| {
            let read = bounded::read_record(dir.as_fd(), name, cap, &mut buffer);
            root.reach().told(object, WHAT, read)?;
            Some(buffer.clone())
        };
        let Some(process) = read("stat", bounded::SMALL).and_then(|bytes| stat::parse(&bytes))
        else {
            continue;
        };
        // Nor is another that got its number.
        if !seen.is_the_same(dir.as_fd(), *pid, process.start_ticks) {
            continue;
        }
        let status = read("status", bounded::LARGE).and_then(|bytes| status::parse(&bytes));
        let status = status.as_ref();
        members.list.push(Member {
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
        if members.directories.len() < MOST_COMMANDS {
            members.directories.push(dir);
        }
    }
    let without_command = members.list.len() - members.directories.len();
    let beyond = pids.len().saturating_sub(MOST);
    for (more, what) in [(without_command, "command lines"), (beyond, "names and states")] {
        if more > 0 {
            let plural = if more == 1 { "" } else { "es" };
            let object = format!("{more} more process{plural}").into();
            members.gaps.push(Gap { object, what, reason: Reason::Truncated });
        }
    }
    members
}

impl Members {
    /// What is to be read of their memory.
    pub fn requests(&self) -> impl Iterator<Item = Request<'_>> {
        self.directories.iter().map(|dir| Request {
            dir: dir.as_fd(),
            name: c"cmdline",
            way: Way::Below,
            cap: COMMAND_CAP,
            patience: PATIENCE,
        })
    }

    /// Takes the answers to that.
    pub fn add_commands(&mut self, answers: impl Iterator<Item = Result<Bytes>>) {
        let gap = |pid: Pid, reason| Gap {
            object: format!("pid {pid}").into(),
            what: "command line",
            reason,
        };
        for (member, answer) in self.list.iter_mut().zip(answers) {
            match answer {
                Ok(read) => {
                    member.command = command(&read.bytes);
                    if read.truncated {
                        self.gaps.push(gap(member.pid, Reason::Truncated));
                    }
                }
                Err(error) => self.gaps.push(gap(member.pid, error.reason())),
            }
        }
    }
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
    use crate::model::namespace::NsSet;

    #[test]
    fn processes_are_told_beyond_the_bound_of_command_lines_and_their_own_is_said() {
        let temp = tempfile::tempdir().unwrap();
        let most = u32::try_from(MOST_COMMANDS).unwrap();
        for pid in 1..=most + 2 {
            let state = if pid > most { 'Z' } else { 'S' };
            let process = temp.path().join(format!("proc/{pid}"));
            std::fs::create_dir_all(&process).unwrap();
            let stat = format!("{pid} (x) {state} 1 {}", "0 ".repeat(40));
            std::fs::write(process.join("stat"), stat).unwrap();
        }
        let root = SysRoot::fixture(temp.path()).unwrap();
        let seen = Containers {
            list: Vec::new(),
            gaps: Vec::new(),
            host: NsSet::default(),
            isolated: Vec::new(),
        };
        let of = |pids: u32| {
            let pids: Vec<Pid> = (1..=pids).map(|pid| Pid::new(pid).unwrap()).collect();
            collect_processes(&root, &pids, &seen, &Clock::default())
        };
        let gap =
            |object: &str, what| Gap { object: object.into(), what, reason: Reason::Truncated };
        let members = of(most + 2);
        assert_eq!(members.list.iter().filter(|member| member.state.ended()).count(), 2);
        assert_eq!(members.requests().count(), MOST_COMMANDS);
        assert_eq!(members.gaps, [gap("2 more processes", "command lines")]);
        assert_eq!(of(most).gaps, []);
        // Those that are not there are none of the first, and none beyond the bound of commands.
        let many = of(u32::try_from(MOST).unwrap() + 1);
        assert_eq!(many.gaps[1..], [gap("1 more process", "names and states")]);
    }

    #[test]
    fn arguments_are_joined_and_nothing_is_no_command() {
        assert_eq!(command(b"nginx\0-g\0daemon off;\0"), Some("nginx -g daemon off;".into()));
        // nginx writes its title over its arguments and pads with NUL.
        assert_eq!(command(b"nginx: worker\0\0\0\0"), Some("nginx: worker".into()));
        assert_eq!(command(b""), None);
        assert_eq!(command(b"\0"), None);
    }
}
