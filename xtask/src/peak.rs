//! How much memory a command has resident at most: its largest process, by the kernel's own mark.

use crate::run;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::io::Write;
use std::process::{Command, Stdio};

/// In KiB; nothing of a command that fails. What getrusage(2) tells begins with the size of whoever
/// starts a process; so each is stopped just before it ends, and its own highest mark is read. By a
/// thread that has no other children.
pub(crate) fn of(command: &Command) -> Result<Option<u64>> {
    run::apart(|| watch(command))
}

pub(crate) fn in_mebibytes(kib: u64) -> String {
    format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024)
}

fn watch(command: &Command) -> Result<Option<u64>> {
    let shell = run::find("sh").context("there is no sh")?;
    // It waits until it is watched, and becomes the command.
    let mut whole =
        run::below(Command::new(shell).args(["-c", "read _ && exec \"$@\"", "sh"]), command);
    let mut child = whole.stdin(Stdio::piped()).spawn()?;
    let first = Pid::from_raw(child.id().cast_signed());
    let followed = Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXIT;
    ptrace::seize(first, followed)?;
    child.stdin.take().context("no pipe")?.write_all(b"\n")?;
    let (mut peak, mut failed) = (None, false);
    let mine = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    loop {
        let status = match waitpid(None, Some(mine)) {
            // All that were followed have ended.
            Err(Errno::ECHILD) => return Ok(peak.filter(|_| !failed)),
            status => status?,
        };
        match status {
            WaitStatus::PtraceEvent(pid, _, event) => {
                if event == nix::libc::PTRACE_EVENT_EXIT {
                    peak = peak.max(highest(pid));
                }
                let _ = ptrace::cont(pid, None);
            }
            WaitStatus::Stopped(pid, signal) => drop(ptrace::cont(pid, Some(signal))),
            WaitStatus::Exited(pid, code) if pid == first => failed = code != 0,
            WaitStatus::Signaled(pid, ..) if pid == first => failed = true,
            _ => {}
        }
    }
}

/// `VmHWM` of a process that is about to end.
fn highest(pid: Pid) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_commands_own() {
        let own = |script: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            of(&shell).unwrap()
        };
        let small = own("exit 0").unwrap();
        assert!((200..20_000).contains(&small), "{small}");
        let large = own("x=$(head -c 30000000 /dev/zero | tr '\\0' x); exit 0").unwrap();
        assert!(large > small + 20_000, "{large} {small}");
        assert_eq!(own("exit 3"), None);
        assert_eq!(own("(sleep 0.1 &); kill -SEGV $$"), None);
    }

    #[test]
    fn a_peak_is_shown_shortly() {
        assert_eq!(in_mebibytes(1536), "1.5");
    }
}
