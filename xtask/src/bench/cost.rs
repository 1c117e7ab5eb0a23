//! What one run of a command costs, told by what watches it: system calls by strace(1), instructions
//! by callgrind, memory by the kernel. Slow, and apart from what is timed.

use crate::run;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::process::{Command, Stdio};

/// What is not known is absent: without strace or valgrind, or where the command does not run there.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Cost {
    /// With all children.
    pub(super) system_calls: Option<u64>,
    /// Of the process itself.
    pub(super) instructions: Option<u64>,
    /// Resident, of the largest of its processes.
    pub(super) peak_kib: Option<u64>,
}

impl Cost {
    pub(super) fn of(command: &Command) -> Result<Self> {
        Ok(Self {
            system_calls: system_calls(command)?,
            instructions: instructions(command)?,
            peak_kib: peak(command)?,
        })
    }
}

/// As `strace -c -f` counts them.
fn system_calls(command: &Command) -> Result<Option<u64>> {
    let Some(strace) = run::find("strace") else {
        return Ok(None);
    };
    let mut traced =
        below(Command::new(strace).args(["-c", "-f", "-o", "/proc/self/fd/2"]), command);
    let summary = traced.stderr(Stdio::piped()).output()?.stderr;
    Ok(total(&String::from_utf8_lossy(&summary)))
}

/// The line `100.00 SECONDS USECS CALLS [ERRORS] total`.
fn total(summary: &str) -> Option<u64> {
    let line = summary.lines().rev().find(|line| line.trim_end().ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

fn instructions(command: &Command) -> Result<Option<u64>> {
    let Some(valgrind) = run::find("valgrind") else {
        return Ok(None);
    };
    let mut watched = Command::new(valgrind);
    watched.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let done = below(&mut watched, command).stderr(Stdio::piped()).output()?;
    let collected = collected(&String::from_utf8_lossy(&done.stderr));
    Ok(collected.filter(|_| done.status.success()))
}

/// The line `==PID== Collected : NUMBER` of the process that ends last, which is the first one.
fn collected(log: &str) -> Option<u64> {
    let number = |line: &str| line.split_once("Collected : ")?.1.trim().parse().ok();
    log.lines().rev().find_map(number)
}

/// `watcher` with the command behind its own arguments, and the command's environment.
fn below(watcher: &mut Command, command: &Command) -> Command {
    let mut whole = Command::new(watcher.get_program());
    whole.args(watcher.get_args()).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => whole.env(name, value),
            None => whole.env_remove(name),
        };
    }
    whole.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    whole
}

/// What getrusage(2) tells begins with the size of whoever starts a process; so each is stopped just
/// before it ends, and its own highest mark is read. By a thread that has no other children.
fn peak(command: &Command) -> Result<Option<u64>> {
    std::thread::scope(|scope| match scope.spawn(|| watch(command)).join() {
        Ok(peak) => peak,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

fn watch(command: &Command) -> Result<Option<u64>> {
    let shell = run::find("sh").context("there is no sh")?;
    // It waits until it is watched, and becomes the command.
    let mut whole = below(Command::new(shell).args(["-c", "read _ && exec \"$@\"", "sh"]), command);
    let mut child = whole.stdin(Stdio::piped()).spawn()?;
    let first = Pid::from_raw(child.id().cast_signed());
    let followed = Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXIT;
    ptrace::seize(first, followed)?;
    child.stdin.take().context("no pipe")?.write_all(b"\n")?;
    let mut peak = None;
    let mine = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    loop {
        let status = match waitpid(None, Some(mine)) {
            // All that were followed have ended.
            Err(Errno::ECHILD) => return Ok(peak),
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
            WaitStatus::Exited(pid, code) if pid == first && code != 0 => peak = None,
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
    fn the_total_of_a_summary() {
        let summary = "% time     seconds  usecs/call     calls    errors syscall\n\
                       ------ ----------- ----------- --------- --------- ----------------\n\
                       100.00    0.000412           3       123         2 total\n";
        assert_eq!(total(summary), Some(123));
        assert_eq!(total(""), None);
    }

    #[test]
    fn what_callgrind_collected() {
        let log = "==7== Events    : Ir\n==7== Collected : 5\n==6== \n==6== Collected : 152841\n";
        assert_eq!(collected(log), Some(152_841));
        assert_eq!(collected("==6== Command: true"), None);
    }

    #[test]
    fn the_peak_is_the_commands_own() {
        let own = |script: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            peak(&shell).unwrap()
        };
        let small = own("exit 0").unwrap();
        assert!((200..20_000).contains(&small), "{small}");
        let large = own("x=$(head -c 30000000 /dev/zero | tr '\\0' x); exit 0").unwrap();
        assert!(large > small + 20_000, "{large} {small}");
        assert_eq!(own("exit 3"), None);
    }
}
