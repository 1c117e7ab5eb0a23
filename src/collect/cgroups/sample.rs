//! What a group's processes use of the CPUs between two looks.

use crate::collect::clock::ticks_per_second;
use crate::model::cgroup::{CpuInFull, CpuRate};
use crate::sys::bounded;
use crate::sys::cgroupfs::group::read_one;
use crate::sys::cgroupfs::hierarchy::Hierarchies;
use crate::sys::cgroupfs::paths::CgroupPaths;
use crate::sys::cgroupfs::values::keyed_value;
use crate::sys::root::SysRoot;
use std::time::{Duration, Instant};

/// One look.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    usage_usec: Option<u64>,
    periods: Option<u64>,
    throttled_periods: Option<u64>,
    host_usec: Option<u64>,
    host_cpus: Option<u64>,
}

/// Looks, waits, looks again. Nothing where the usage is not known.
pub fn add_rate(
    root: &SysRoot,
    hierarchies: &Hierarchies,
    cgroup_lines: &[u8],
    interval: Duration,
    cpu: &mut CpuInFull,
) {
    let before = look(root, hierarchies, cgroup_lines);
    let since = Instant::now();
    std::thread::sleep(interval);
    let after = look(root, hierarchies, cgroup_lines);
    let usec = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
    cpu.rate = rate(before, after, usec);
}

fn rate(before: Sample, after: Sample, interval_usec: u64) -> Option<CpuRate> {
    let more = |of: fn(Sample) -> Option<u64>| Some(of(after)?.saturating_sub(of(before)?));
    Some(CpuRate {
        interval_usec,
        used_millicores: more(|one| one.usage_usec)?.saturating_mul(1000) / interval_usec.max(1),
        periods: more(|one| one.periods),
        throttled_periods: more(|one| one.throttled_periods),
        host_usec: more(|one| one.host_usec),
        host_cpus: after.host_cpus,
    })
}

fn look(root: &SysRoot, hierarchies: &Hierarchies, cgroup_lines: &[u8]) -> Sample {
    let paths = CgroupPaths::parse(cgroup_lines);
    let stat = paths
        .own_line(b"cpu")
        .and_then(|_| hierarchies.locate(&paths, b"cpu"))
        .and_then(|place| read_one(root, &place, "cpu.stat").ok());
    let stat = stat.unwrap_or_default();
    let host = bounded::read_capped(root.proc(), "stat", bounded::LARGE).unwrap_or_default();
    Sample {
        host_usec: host_usec(&host.bytes),
        host_cpus: host_cpus(&host.bytes),
        periods: keyed_value(&stat, b"nr_periods"),
        throttled_periods: keyed_value(&stat, b"nr_throttled"),
        usage_usec: super::cpu_usage_usec(root, hierarchies, cgroup_lines),
    }
}

/// The first seven numbers of the line `cpu` of proc_stat(5), as docker adds them up: guest time is
/// in user time already, and steal is left out.
fn host_usec(bytes: &[u8]) -> Option<u64> {
    let line = bytes.split(|byte| *byte == b'\n').next()?.strip_prefix(b"cpu ")?;
    let words = std::str::from_utf8(line).ok()?.split_ascii_whitespace().take(7);
    let ticks = words
        .map(str::parse::<u64>)
        .try_fold(0_u64, |sum, ticks| Some(sum.saturating_add(ticks.ok()?)))?;
    ticks.saturating_mul(1_000_000).checked_div(ticks_per_second())
}

/// Those that are online: a line each, after the one for all.
fn host_cpus(bytes: &[u8]) -> Option<u64> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let count = lines.take_while(|line| line.starts_with(b"cpu")).count().checked_sub(1)?;
    u64::try_from(count).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_than_before_is_the_rate() {
        let sample = |usage, periods, throttled| Sample {
            usage_usec: Some(usage),
            periods,
            throttled_periods: throttled,
            host_usec: Some(usage * 4),
            host_cpus: Some(4),
        };
        let found = rate(
            sample(1_000_000, Some(10), Some(4)),
            sample(1_100_000, Some(12), Some(5)),
            200_000,
        );
        let found = found.unwrap();
        assert_eq!((found.used_millicores, found.throttled_percent()), (500, Some(50)));
        assert_eq!(found.host_usec, Some(400_000));
        assert_eq!(rate(Sample::default(), sample(1, None, None), 5), None);
        // A group made anew under the same name begins at nothing.
        assert_eq!(
            rate(sample(9, None, None), sample(1, None, None), 5).unwrap().used_millicores,
            0
        );
    }

    #[test]
    fn seven_fields_of_the_machines_line() {
        let hz = ticks_per_second();
        let line = format!("cpu  {hz} {hz} 0 0 0 0 0 9 9 9\ncpu0 1\n");
        assert_eq!(host_usec(line.as_bytes()), Some(2_000_000));
        assert_eq!(host_cpus(format!("{line}cpu1 1\nintr 5\ncpu9\n").as_bytes()), Some(2));
        assert_eq!((host_cpus(b""), host_usec(b"cpu x\n")), (None, None));
        assert_eq!(host_usec(b"ctxt 1\n"), None);
    }
}
