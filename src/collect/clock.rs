//! When the host booted and what its clock says, to turn start ticks into time.

use crate::sys::bounded;
use crate::sys::root::SysRoot;
use procfs::FromRead;
use std::os::fd::AsFd;

/// The host's clock at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    boot_unix_seconds: Option<u64>,
    uptime_seconds: Option<f64>,
}

impl Clock {
    /// What cannot be read makes the answers `None`.
    pub fn read(root: &SysRoot) -> Self {
        let file = |name: &'static str| {
            let read = bounded::read_single(root.proc().as_fd(), name);
            root.reach().told(|| format!("/proc/{name}").into(), "the time of its start", read)
        };
        let boot = file("stat").and_then(|bytes| boot_time(&bytes));
        let uptime = file("uptime").and_then(|bytes| procfs::Uptime::from_read(&*bytes).ok());
        Self { boot_unix_seconds: boot, uptime_seconds: uptime.map(|uptime| uptime.uptime) }
    }

    /// Seconds since 1970.
    pub fn started_unix_seconds(&self, start_ticks: u64) -> Option<u64> {
        Some(self.boot_unix_seconds? + start_ticks / rustix::param::clock_ticks_per_second())
    }

    /// `None` where the uptime cannot be read.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an uptime is small and positive"
    )]
    pub fn age_seconds(&self, start_ticks: u64) -> Option<u64> {
        let started = start_ticks / rustix::param::clock_ticks_per_second();
        Some((self.uptime_seconds? as u64).saturating_sub(started))
    }
}

/// The `btime` line of proc_stat(5).
fn boot_time(bytes: &[u8]) -> Option<u64> {
    let line = bytes.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"btime "))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_time() {
        let hz = rustix::param::clock_ticks_per_second();
        let clock = Clock { boot_unix_seconds: Some(1000), uptime_seconds: Some(60.9) };
        assert_eq!(clock.started_unix_seconds(50 * hz), Some(1050));
        assert_eq!(clock.age_seconds(50 * hz), Some(10));
        assert_eq!(clock.age_seconds(70 * hz), Some(0));
        assert_eq!(Clock::default().age_seconds(0), None);
    }

    #[test]
    fn the_boot_time_is_one_line_among_many() {
        assert_eq!(
            boot_time(b"cpu  1 2\nctxt 5\nbtime 1764000000\nprocesses 7\n"),
            Some(1_764_000_000)
        );
        assert_eq!(boot_time(b"cpu 1\n"), None);
    }
}
