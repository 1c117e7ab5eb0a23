//! A limit as the groups from one upwards state it, and how near each of them is to it.

use super::group::Reader;
use super::memory_stat::MemoryStat;
use super::values::{Bound, keyed_value, number, number_or_max};
use crate::model::cgroup::{CpuLevel, MemoryLevel, PidsLevel};

/// What the files of a version are called.
#[derive(Clone, Copy, Debug)]
pub struct MemoryFiles {
    /// What the group uses, bytes: `memory.current`.
    pub usage: &'static str,
    /// The limit: `memory.max`.
    pub max: &'static str,
    /// Above it the group is slowed down: `memory.high`; v1 has none.
    pub high: Option<&'static str>,
    /// Understands the file of the limit.
    pub bound: fn(&[u8]) -> Option<Bound>,
    /// Understands memory.stat.
    pub stat: fn(&[u8]) -> MemoryStat,
    /// How often limits of the very group were met: `memory.events.local`; v1 has no such file.
    pub own_events: Option<&'static str>,
}

/// How a version states a quota, and what it tells of throttling.
#[derive(Clone, Copy, Debug)]
pub struct CpuFiles {
    /// Reads the quota of the group so many levels up, in thousandths of a core.
    pub quota: fn(&mut Reader<'_>, usize) -> Option<Bound>,
    /// Understands cpu.stat, as far as it tells of throttling.
    pub stat: fn(&[u8]) -> CpuLevel,
}

/// From so many per cent of a limit on it is worth a look what of the usage is file cache.
const NEAR_PERCENT: u64 = 80;

/// `own` is known already. A group above without a limit is left out.
pub fn memory(
    files: &mut Reader<'_>,
    names: MemoryFiles,
    own: &MemoryLevel,
    upwards: bool,
) -> Vec<MemoryLevel> {
    let mut found = Vec::new();
    for levels in files.levels() {
        let max_bytes = files.value_above(levels, names.max, names.bound);
        let high_bytes = names.high.and_then(|high| files.value_above(levels, high, number_or_max));
        let limits = [max_bytes, high_bytes].into_iter().flatten().filter_map(Bound::value);
        let limit = limits.min();
        if levels == 0 {
            let path = files.path_above(0);
            found.push(MemoryLevel { path, max_bytes, high_bytes, ..own.clone() });
        } else if let Some(limit) = limit {
            let usage_bytes = files.value_above(levels, names.usage, number);
            let is_near = usage_bytes.is_some_and(|usage| near(usage, limit));
            let stat = is_near.then(|| {
                files.value_above(levels, "memory.stat", |bytes| Some((names.stat)(bytes)))
            });
            let inactive = stat.flatten().and_then(|stat| stat.inactive_file);
            let hits = names
                .own_events
                .and_then(|events| files.value_above(levels, events, |bytes| Some(hits(bytes))));
            let (max_hits, high_hits) = hits.unwrap_or_default();
            found.push(MemoryLevel {
                path: files.path_above(levels),
                max_bytes,
                high_bytes,
                usage_bytes,
                working_set_bytes: inactive
                    .and_then(|inactive| Some(usage_bytes?.saturating_sub(inactive))),
                max_hits,
                high_hits,
            });
        }
        if !upwards {
            break;
        }
    }
    found
}

/// How often usage was at memory.max, and above memory.high.
fn hits(bytes: &[u8]) -> (Option<u64>, Option<u64>) {
    (keyed_value(bytes, b"max"), keyed_value(bytes, b"high"))
}

fn near(usage: u64, limit: u64) -> bool {
    usage.saturating_mul(100) >= limit.saturating_mul(NEAR_PERCENT)
}

/// The group itself, and those above it that set a quota; `own` is known already.
pub fn cpu(files: &mut Reader<'_>, names: CpuFiles, own: CpuLevel) -> Vec<CpuLevel> {
    let mut own = Some(own);
    let mut found = Vec::new();
    for levels in files.levels() {
        let limit_millicores = (names.quota)(files, levels);
        let path = files.path_above(levels);
        if let Some(own) = own.take() {
            found.push(CpuLevel { path, limit_millicores, ..own });
        } else if let Some(Bound::At(_)) = limit_millicores {
            let stat = files.value_above(levels, "cpu.stat", |bytes| Some((names.stat)(bytes)));
            found.push(CpuLevel { path, limit_millicores, ..stat.unwrap_or_default() });
        }
    }
    found
}

/// The same files on v1 and v2. What is refused by a limit above is counted there since Linux 6.11,
/// in pids.events.local; before, and on v1, nobody can tell whose limit it was.
pub fn pids(files: &mut Reader<'_>, own: u64, own_hits: Option<u64>) -> Vec<PidsLevel> {
    let mut found = Vec::new();
    for levels in files.levels() {
        let max = files.value_above(levels, "pids.max", number_or_max);
        let path = files.path_above(levels);
        if levels == 0 {
            found.push(PidsLevel { path, max, current: Some(own), limit_hits: own_hits });
        } else if let Some(Bound::At(_)) = max {
            let current = files.value_above(levels, "pids.current", number);
            let limit_hits =
                files.value_above(levels, "pids.events.local", |bytes| Some(limit_hits(bytes)));
            found.push(PidsLevel { path, max, current, limit_hits: limit_hits.flatten() });
        }
    }
    found
}

/// What pids.events says.
pub fn limit_hits(bytes: &[u8]) -> Option<u64> {
    keyed_value(bytes, b"max")
}

/// What cpu.stat says of throttling; of what `throttled` counts there are `per_usec` in a microsecond.
pub fn throttling(bytes: &[u8], throttled: &[u8], per_usec: u64) -> CpuLevel {
    CpuLevel {
        periods: keyed_value(bytes, b"nr_periods"),
        throttled_periods: keyed_value(bytes, b"nr_throttled"),
        throttled_usec: keyed_value(bytes, throttled).and_then(|time| time.checked_div(per_usec)),
        ..CpuLevel::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_a_limit_is_from_four_fifths_of_it_on() {
        for (usage, limit, expected) in [
            (79, 100, false),
            (80, 100, true),
            (120, 100, true),
            (0, 1 << 30, false),
            (u64::MAX / 2, u64::MAX, true),
        ] {
            assert_eq!(near(usage, limit), expected, "{usage} of {limit}");
        }
    }
}
