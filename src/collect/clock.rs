//! When the host booted and what its clock says, to turn start ticks into time.

use crate::sys::bounded;
use crate::sys::root::SysRoot;
use procfs::FromRead;
use rustix::time::{ClockId, clock_gettime};
use std::os::fd::AsFd;
use std::time::Duration;

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
        let asked = root.is_real().then(Self::ask);
        Self {
            boot_unix_seconds: boot.or_else(|| asked?.boot_unix_seconds),
            uptime_seconds: uptime.map(|uptime| uptime.uptime).or_else(|| asked?.uptime_seconds),
        }
    }

    /// A /proc with subset=pid has no such files; the kernel says the same by its clocks.
    fn ask() -> Self {
        let [now, up] = [ClockId::Realtime, ClockId::Boottime].map(clock_gettime);
        let booted = now.checked_sub(up).and_then(|boot| u64::try_from(boot.tv_sec).ok());
        let uptime = Duration::try_from(up).ok().map(|up| up.as_secs_f64());
        Self { boot_unix_seconds: booted, uptime_seconds: uptime }
    }

    /// Seconds since 1970.
    pub fn started_unix_seconds(&self, start_ticks: u64) -> Option<u64> {
        Some(self.boot_unix_seconds? + start_ticks / rustix::param::clock_ticks_per_second())
    }

    /// Whether what started with these ticks was there when somebody noted the time. Both are whole
    /// seconds.
    pub fn was_there(&self, start_ticks: u64, unix_seconds: u64) -> Option<bool> {
        Some(self.started_unix_seconds(start_ticks)? <= unix_seconds.saturating_add(1))
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
        assert_eq!([1048, 1049].map(|at| clock.was_there(50 * hz, at)), [Some(false), Some(true)]);
        assert_eq!(clock.age_seconds(50 * hz), Some(10));
        assert_eq!(clock.age_seconds(70 * hz), Some(0));
        assert_eq!(Clock::default().age_seconds(0), None);
    }

    #[test]
    fn the_clocks_say_what_the_files_say() {
        let root = SysRoot::real().unwrap();
        let (read, asked) = (Clock::read(&root), Clock::ask());
        let boot = read.boot_unix_seconds.unwrap().abs_diff(asked.boot_unix_seconds.unwrap());
        let up = (read.uptime_seconds.unwrap() - asked.uptime_seconds.unwrap()).abs();
        assert!(boot <= 1 && up < 60.0, "{boot} {up}");
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
