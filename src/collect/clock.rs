//! When the host booted and what its clock says, to turn start ticks into time.

use crate::sys::bounded;
use crate::sys::root::SysRoot;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};
use procfs::FromRead;
use std::os::fd::AsFd;
use std::time::Duration;

/// The host's clock at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Since 1970.
    boot: Option<Duration>,
    uptime: Option<Duration>,
}

impl Clock {
    /// What cannot be read makes the answers `None`.
    pub fn read(root: &SysRoot) -> Self {
        if root.is_real() {
            return Self::ask();
        }
        let file = |name| bounded::read_single(root.proc().as_fd(), name).ok();
        let uptime = file("uptime").and_then(|bytes| procfs::Uptime::from_read(&*bytes).ok());
        Self {
            boot: file("stat").and_then(|bytes| boot_time(&bytes)).map(Duration::from_secs),
            uptime: uptime.and_then(|read| Duration::try_from_secs_f64(read.uptime).ok()),
        }
    }

    /// The kernel adds ticks to these, and not to the whole seconds of `btime` in /proc/stat.
    fn ask() -> Self {
        let [now, up] = [ClockId::CLOCK_REALTIME, ClockId::CLOCK_BOOTTIME]
            .map(|clock| clock_gettime(clock).ok().map(Duration::from));
        Self { boot: now.zip(up).and_then(|(now, up)| now.checked_sub(up)), uptime: up }
    }

    /// Seconds since 1970.
    pub fn started_unix_seconds(&self, start_ticks: u64) -> Option<u64> {
        Some(self.boot?.saturating_add(since_boot(start_ticks)).as_secs())
    }

    /// Whether what started with these ticks was there when somebody noted the time, in whole
    /// seconds. The clock may have been set since.
    pub fn was_there(&self, start_ticks: u64, unix_seconds: u64) -> Option<bool> {
        Some(self.started_unix_seconds(start_ticks)? <= unix_seconds.saturating_add(2))
    }

    /// `None` where the uptime cannot be read.
    pub fn age_seconds(&self, start_ticks: u64) -> Option<u64> {
        Some(self.uptime?.saturating_sub(since_boot(start_ticks)).as_secs())
    }
}

/// In which /proc counts.
pub fn ticks_per_second() -> u64 {
    let told = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    told.and_then(|told| u64::try_from(told).ok()).filter(|told| *told > 0).unwrap_or(100)
}

fn since_boot(ticks: u64) -> Duration {
    let hz = ticks_per_second();
    Duration::from_secs(ticks / hz) + Duration::from_millis(ticks % hz * 1000 / hz)
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
        let hz = ticks_per_second();
        let clock = Clock {
            boot: Some(Duration::from_millis(1_000_800)),
            uptime: Some(Duration::from_millis(60_900)),
        };
        assert_eq!(clock.started_unix_seconds(50 * hz), Some(1050));
        assert_eq!(clock.started_unix_seconds(50 * hz + hz / 4), Some(1051));
        assert_eq!([1047, 1048].map(|at| clock.was_there(50 * hz, at)), [Some(false), Some(true)]);
        assert_eq!(clock.age_seconds(50 * hz), Some(10));
        assert_eq!(clock.age_seconds(51 * hz - 1), Some(9));
        assert_eq!(clock.age_seconds(70 * hz), Some(0));
        assert_eq!(Clock::default().age_seconds(0), None);
    }

    #[test]
    fn the_clocks_say_what_the_files_say() {
        let root = SysRoot::real().unwrap();
        let file = |name| bounded::read_single(root.proc().as_fd(), name).unwrap();
        let boot = Clock::read(&root).boot.unwrap().as_secs();
        assert!(boot.abs_diff(boot_time(&file("stat")).unwrap()) <= 1);
        let read = procfs::Uptime::from_read(&*file("uptime")).unwrap().uptime;
        let asked = Clock::read(&root).uptime.unwrap().as_secs_f64();
        assert!((asked - read).abs() < 60.0, "{asked} {read}");
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
