//! Processes that xtask started: remembered by number and start time, ended by descriptor, so that
//! a reused number is never hit.

use crate::say;
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// A process; it stays the same one for as long as both numbers match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Started {
    pub(crate) what: String,
    pub(crate) pid: i32,
    /// Field 22 of `/proc/PID/stat`, clock ticks since boot.
    pub(crate) start_ticks: u64,
}

impl Started {
    /// Remembers a running process.
    pub(crate) fn of(what: &str, pid: i32) -> Result<Self> {
        let start_ticks = start_ticks(pid).with_context(|| format!("{what}: pid {pid} is gone"))?;
        let what = what.to_owned();
        Ok(Self { what, pid, start_ticks })
    }

    /// No process at all.
    pub(crate) fn none() -> Self {
        let what = String::new();
        Self { what, pid: 0, start_ticks: 0 }
    }

    pub(crate) fn is_running(&self) -> bool {
        start_ticks(self.pid) == Some(self.start_ticks)
    }

    /// SIGTERM, then SIGKILL to one that is still there after `grace`. True if it is gone.
    pub(crate) fn end(&self, grace: Duration) -> bool {
        let Some(pidfd) = self.pin() else {
            return true;
        };
        for (signal, time) in [(Signal::TERM, grace), (Signal::KILL, Duration::from_secs(10))] {
            if pidfd_send_signal(&pidfd, signal).is_err() || ended_within(&pidfd, time) {
                return true;
            }
        }
        say::note(format_args!("{}: pid {} does not end", self.what, self.pid));
        false
    }

    /// SIGKILL, without waiting for the end.
    pub(crate) fn send_kill(&self) {
        self.signal(Signal::KILL);
    }

    /// SIGKILL at once.
    pub(crate) fn kill(&self) -> bool {
        let Some(pidfd) = self.pin() else {
            return true;
        };
        pidfd_send_signal(&pidfd, Signal::KILL).is_err()
            || ended_within(&pidfd, Duration::from_secs(10))
    }

    /// SIGSTOP; returns once it stands still.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let stopped = || {
            let stat = std::fs::read(format!("/proc/{}/stat", self.pid)).ok();
            let stat = stat.and_then(|stat| nsx::sys::proc::stat::parse(&stat));
            stat.is_some_and(|stat| matches!(stat.state.0, b'T' | b't'))
        };
        while self.is_running() && !stopped() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGCONT, for one that may be stopped.
    pub(crate) fn wake(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(pidfd) = self.pin() {
            let _ = pidfd_send_signal(&pidfd, signal);
        }
    }

    fn pin(&self) -> Option<OwnedFd> {
        let pidfd = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        self.is_running().then_some(pidfd)
    }
}

/// Waits for the end of a process (of its last thread; a zombie has ended).
fn ended_within(pidfd: &OwnedFd, time: Duration) -> bool {
    let time = Timespec::try_from(time).ok();
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    poll(&mut fds, time.as_ref()).is_ok_and(|ready| ready > 0)
}

/// The start time of a process that has not ended; a zombie has.
pub(crate) fn start_ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = nsx::sys::proc::stat::parse(&stat)?;
    (stat.state.0 != b'Z').then_some(stat.start_ticks)
}

/// The numbers of all processes.
pub(crate) fn all() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The children of a process.
pub(crate) fn children(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok();
        let stat = stat.and_then(|stat| nsx::sys::proc::stat::parse(&stat));
        stat.and_then(|stat| stat.parent).is_some_and(|of| of.number().cast_signed() == parent)
    };
    all().into_iter().filter(is_child).collect()
}

/// Whether any process is in a namespace, spelled as its link in `/proc/PID/ns`.
pub(crate) fn is_in(namespace: &str) -> bool {
    let kind = namespace.split(':').next().unwrap_or_default();
    all().into_iter().any(|pid| {
        let link = std::fs::read_link(format!("/proc/{pid}/ns/{kind}"));
        link.is_ok_and(|link| link.to_str() == Some(namespace))
    })
}

/// The arguments of a process; empty if it is gone.
pub(crate) fn arguments(pid: i32) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Whether a process executes this very file, under whatever name it sees it.
pub(crate) fn executes(pid: i32, file: &Path) -> bool {
    let own = std::fs::metadata(format!("/proc/{pid}/exe"));
    let identity = |data: std::fs::Metadata| (data.dev(), data.ino());
    let file = std::fs::metadata(file).map(identity);
    file.is_ok_and(|file| own.is_ok_and(|own| identity(own) == file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_ended_and_a_reused_number_is_left_alone() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let started = Started::of("sleep", child.id().cast_signed()).unwrap();
        let mut other = started.clone();
        other.start_ticks += 1;
        assert!(!other.is_running());
        assert!(other.end(Duration::ZERO), "another process counts as gone");
        assert!(started.is_running());
        assert!(started.end(Duration::from_secs(5)));
        child.wait().unwrap();
        assert!(!started.is_running());
    }
}
