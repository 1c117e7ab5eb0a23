//! The files of cgroup v1's controllers: admin-guide/cgroup-v1. pids is the same as on v2.

use super::group::{Group, Reader};
use super::values::{Bound, keyed, keyed_value, millicores, number, v1_bytes, v1_quota};
use crate::model::cgroup::{Cpu, Memory};
use crate::model::gap::Gap;

const NSEC_PER_USEC: u64 = 1000;

/// The memory controller. Its file cache and working set count the groups below, as usage does.
pub fn memory(group: &Group, gaps: &mut Vec<Gap>) -> Option<Memory> {
    let mut files = Reader::new(group, "memory", gaps);
    let usage_bytes = files.value("memory.usage_in_bytes", number)?;
    let stat = files.value("memory.stat", |bytes| Some(Stat::parse(bytes)));
    let stat = stat.unwrap_or_default();
    let oom_kills = files.value("memory.oom_control", |bytes| {
        // Since 4.13. It counts at the group of the victim, not at the one whose limit was met.
        Some(keyed_value(bytes, b"oom_kill"))
    });
    Some(Memory {
        usage_bytes,
        working_set_bytes: stat.inactive_file.map(|inactive| usage_bytes.saturating_sub(inactive)),
        anon_bytes: stat.rss,
        file_bytes: stat.cache,
        kernel_bytes: files.value("memory.kmem.usage_in_bytes", number),
        peak_bytes: files.value("memory.max_usage_in_bytes", number),
        swap_bytes: stat.swap,
        limit: files
            .tightest(|files, levels| files.value_above(levels, "memory.limit_in_bytes", v1_bytes)),
        oom_kills: oom_kills.flatten(),
    })
}

/// What is used of memory.stat.
#[derive(Debug, Default)]
struct Stat {
    rss: Option<u64>,
    cache: Option<u64>,
    inactive_file: Option<u64>,
    /// There exactly where memory.memsw.* are. memsw less usage is the same number, but taken from
    /// two moments, and so shows swap on a machine that has none.
    swap: Option<u64>,
}

impl Stat {
    fn parse(bytes: &[u8]) -> Self {
        let mut stat = Self::default();
        for (key, value) in keyed(bytes) {
            match key {
                b"total_rss" => stat.rss = Some(value),
                b"total_cache" => stat.cache = Some(value),
                b"total_inactive_file" => stat.inactive_file = Some(value),
                b"total_swap" => stat.swap = Some(value),
                _ => {}
            }
        }
        stat
    }
}

/// The cpu controller: throttling and the limit. The usage is cpuacct's.
pub fn cpu(group: &Group, gaps: &mut Vec<Gap>) -> Cpu {
    let mut files = Reader::new(group, "cpu", gaps);
    let throttling = files.value("cpu.stat", |bytes| {
        let throttled_nsec = keyed_value(bytes, b"throttled_time");
        Some(Cpu {
            periods: keyed_value(bytes, b"nr_periods"),
            throttled_periods: keyed_value(bytes, b"nr_throttled"),
            throttled_usec: throttled_nsec.map(|nsec| nsec / NSEC_PER_USEC),
            ..Cpu::default()
        })
    });
    Cpu { limit_millicores: files.tightest(quota), ..throttling.unwrap_or_default() }
}

fn quota(files: &mut Reader<'_>, levels: usize) -> Option<Bound> {
    match files.value_above(levels, "cpu.cfs_quota_us", v1_quota)? {
        Bound::Unlimited => Some(Bound::Unlimited),
        Bound::At(quota) => files.value_above(levels, "cpu.cfs_period_us", |bytes| {
            millicores(quota, number(bytes)?).map(Bound::At)
        }),
    }
}

/// The cpuacct controller, which may be in another hierarchy than cpu.
pub fn cpu_usage_usec(group: &Group, gaps: &mut Vec<Gap>) -> Option<u64> {
    let mut files = Reader::new(group, "cpu", gaps);
    files.value("cpuacct.usage", usage_usec_of)
}

/// What cpuacct.usage says.
pub fn usage_usec_of(bytes: &[u8]) -> Option<u64> {
    Some(number(bytes)? / NSEC_PER_USEC)
}

/// The freezer; `None` in the root group, which cannot be frozen.
pub fn frozen(group: &Group, gaps: &mut Vec<Gap>) -> Option<bool> {
    let mut files = Reader::new(group, "freezer", gaps);
    files.value("freezer.state", |bytes| Some(frozen_of(bytes)))
}

/// What freezer.state says: `THAWED`, `FREEZING` or `FROZEN`.
pub fn frozen_of(bytes: &[u8]) -> bool {
    bytes.trim_ascii() == b"FROZEN"
}
