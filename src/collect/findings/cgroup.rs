//! Limits that are met or nearly so, and waiting for what there is too little of.

use crate::model::cgroup::{
    Bound, Cgroup, CpuInFull, CpuLevel, CpuRate, MemoryInFull, MemoryLevel, PidsInFull, Pressure,
    PressureSet,
};
use crate::model::finding::Finding;
use crate::model::inspection::Section;
use crate::model::text::Text;

/// Throttling below this is what a quota is for.
const THROTTLED_PERCENT: u64 = 10;
const MUCH_THROTTLED_PERCENT: u64 = 25;
/// Of this few periods no ratio is told.
const FEW_PERIODS: u64 = 10;
const NEARLY_FULL_PERCENT: u64 = 90;
const MANY_PIDS_PERCENT: u64 = 80;
/// Per cent of the last ten seconds in which nothing went on for want of a resource.
const STALLED_PERCENT: f64 = 10.0;
/// The same for one that waits while others go on.
const WAITING_PERCENT: f64 = 40.0;

pub(super) fn findings(cgroup: &Cgroup) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(memory) = &cgroup.memory {
        found.extend(of_memory(memory));
    }
    if let Some(cpu) = &cgroup.cpu {
        found.extend(of_cpu(cpu));
    }
    if let Some(pids) = &cgroup.pids {
        found.extend(of_pids(pids));
    }
    if let Some(pressure) = &cgroup.pressure {
        found.extend(of_pressure(pressure));
    }
    if cgroup.frozen == Some(true) {
        found.push(notice("frozen: its processes do not run"));
    }
    found
}

fn notice(text: impl Into<String>) -> Finding {
    Finding::notice(Section::Cgroup, text)
}

fn warning(text: impl Into<String>) -> Finding {
    Finding::warning(Section::Cgroup, text)
}

/// Whose limit it is, where it is not the target's own.
fn of_above(own: Option<&Text>, path: &Text) -> String {
    if own == Some(path) { String::new() } else { format!(" of {path}, a group above it") }
}

fn percent(part: u64, whole: u64) -> Option<u64> {
    part.saturating_mul(100).checked_div(whole)
}

fn of_memory(memory: &MemoryInFull) -> Vec<Finding> {
    let mut found = Vec::new();
    let kills = memory.basic.oom_kills.unwrap_or_default();
    if kills > 0 {
        let times = if kills == 1 { "1 process".to_owned() } else { format!("{kills} processes") };
        found.push(warning(format!("{times} killed for want of memory (OOM)")));
    }
    let own = memory.levels.first().map(|level| &level.path);
    // Cache that can be dropped at once is no reason to worry; where it was not looked at, the
    // usage is far from the limit.
    let used = |level: &MemoryLevel| {
        let Some(Bound::At(limit)) = level.max_bytes else { return None };
        let used = percent(level.working_set_bytes?, limit)?;
        (used >= NEARLY_FULL_PERCENT).then(|| {
            warning(format!("memory at {used} % of the limit{}", of_above(own, &level.path)))
        })
    };
    found.extend(memory.levels.iter().find_map(used));
    let slowed = |level: &MemoryLevel| {
        let Some(Bound::At(_)) = level.high_bytes else { return None };
        let hits = level.high_hits.filter(|hits| *hits > 0)?;
        let whose = of_above(own, &level.path);
        Some(notice(format!("slowed down {hits} times at memory.high{whose}")))
    };
    found.extend(memory.levels.iter().find_map(slowed));
    found
}

fn of_cpu(cpu: &CpuInFull) -> Option<Finding> {
    let own = cpu.levels.first().map(|level| &level.path);
    // What happens now counts more than what ever happened; it is known of its own quota alone.
    let now = cpu.rate.as_ref().and_then(CpuRate::throttled_percent);
    let now = now.map(|throttled| (throttled, String::new()));
    let of_level = |level: &CpuLevel| {
        // What was counted stays when the quota is gone.
        let Some(Bound::At(_)) = level.limit_millicores else { return None };
        level.periods.filter(|periods| *periods >= FEW_PERIODS)?;
        Some((level.throttled_percent()?, of_above(own, &level.path)))
    };
    let known = usize::from(cpu.rate.is_some());
    let ever = cpu.levels.iter().skip(known).filter_map(of_level);
    // Of equals the nearest.
    let all = now.into_iter().chain(ever);
    let (throttled, whose) = all.reduce(|one, next| if next.0 > one.0 { next } else { one })?;
    let text = format!("throttled in {throttled} % of CPU periods by the limit{whose}");
    match throttled {
        MUCH_THROTTLED_PERCENT.. => Some(warning(text)),
        THROTTLED_PERCENT.. => Some(notice(text)),
        _ => None,
    }
}

fn times(number: u64) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

fn of_pids(pids: &PidsInFull) -> Vec<Finding> {
    let mut found = Vec::new();
    let own = pids.levels.first().map(|level| &level.path);
    let refused = pids.limit_hits.unwrap_or_default();
    let above = pids.levels.iter().skip(1);
    let above = above.filter_map(|level| Some((level.limit_hits.filter(|hits| *hits > 0)?, level)));
    if refused > 0 {
        let times = times(refused);
        found.push(warning(format!("a new process or thread was refused {times} (pids limit)")));
    } else if let Some((hits, level)) = { above }.next() {
        // It may have been another's.
        let (times, whose) = (times(hits), of_above(own, &level.path));
        let text = format!("a new process or thread was refused {times} by the pids limit{whose}");
        found.push(notice(text));
    }
    let used = pids.levels.iter().find_map(|level| {
        let Some(Bound::At(limit)) = level.max else { return None };
        let used = percent(level.current?, limit)?;
        (used >= MANY_PIDS_PERCENT).then_some((used, limit, &level.path))
    });
    if let Some((used, limit, path)) = used {
        let text = format!("pids at {used} % of the limit of {limit}{}", of_above(own, path));
        found.push(if used >= NEARLY_FULL_PERCENT { warning(text) } else { notice(text) });
    }
    found
}

fn of_pressure(pressure: &PressureSet) -> Vec<Finding> {
    let all = [("memory", pressure.memory), ("io", pressure.io), ("cpu", pressure.cpu)];
    let stalled = |(resource, value): (&str, Option<Pressure>)| {
        let Pressure { some_avg10_percent: some, full_avg10_percent: full, .. } = value?;
        let full = full.unwrap_or_default();
        if full >= STALLED_PERCENT {
            return Some(warning(format!(
                "stood still for {resource} in {full:.0} % of the last 10 s"
            )));
        }
        (some >= WAITING_PERCENT)
            .then(|| notice(format!("some waited for {resource} in {some:.0} % of the last 10 s")))
    };
    all.into_iter().filter_map(stalled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cgroup::{Memory, PidsLevel};
    use crate::model::finding::Level;

    fn texts(cgroup: &Cgroup) -> Vec<(Level, String)> {
        findings(cgroup).into_iter().map(|finding| (finding.level, finding.text)).collect()
    }

    fn one(level: Level, text: &str) -> Vec<(Level, String)> {
        vec![(level, text.to_owned())]
    }

    fn with_memory(levels: Vec<MemoryLevel>) -> Cgroup {
        Cgroup {
            memory: Some(MemoryInFull { levels, ..MemoryInFull::default() }),
            ..Cgroup::default()
        }
    }

    fn memory_level(path: &str, max: Bound, working_set: Option<u64>) -> MemoryLevel {
        MemoryLevel {
            path: path.into(),
            max_bytes: Some(max),
            usage_bytes: Some(100),
            working_set_bytes: working_set,
            ..MemoryLevel::default()
        }
    }

    #[test]
    fn an_ordinary_group_is_not_spoken_of() {
        assert_eq!(texts(&Cgroup::default()), []);
        let quiet = with_memory(vec![
            memory_level("/a/b", Bound::Unlimited, Some(100)),
            // Full, but of cache.
            memory_level("/a", Bound::At(100), Some(20)),
        ]);
        assert_eq!(texts(&quiet), []);
    }

    #[test]
    fn memory_near_a_limit_names_whose_it_is() {
        let own = with_memory(vec![memory_level("/a/b", Bound::At(100), Some(97))]);
        assert_eq!(texts(&own), one(Level::Warning, "memory at 97 % of the limit"));
        let above = with_memory(vec![
            memory_level("/a/b", Bound::At(1000), Some(97)),
            memory_level("/a", Bound::At(100), Some(97)),
        ]);
        let text = "memory at 97 % of the limit of /a, a group above it";
        assert_eq!(texts(&above), one(Level::Warning, text));
    }

    #[test]
    fn kills_and_slowing_down() {
        let slowed = |path: &str, high, hits| MemoryLevel {
            path: path.into(),
            high_bytes: Some(high),
            high_hits: Some(hits),
            ..MemoryLevel::default()
        };
        let memory = MemoryInFull {
            basic: Memory { oom_kills: Some(1), ..Memory::default() },
            levels: vec![
                // Of a group below it.
                slowed("/a/b/c", Bound::Unlimited, 9),
                slowed("/a/b", Bound::At(1), 0),
                slowed("/a", Bound::At(1), 3),
            ],
            ..MemoryInFull::default()
        };
        let found = texts(&Cgroup { memory: Some(memory), ..Cgroup::default() });
        assert_eq!(found[0].1, "1 process killed for want of memory (OOM)");
        let text = "slowed down 3 times at memory.high of /a, a group above it";
        assert_eq!(found[1], (Level::Notice, text.to_owned()));
    }

    fn cpu(levels: &[(&str, u64, u64)], rate: Option<CpuRate>) -> Cgroup {
        let level = |(path, periods, throttled): &(&str, u64, u64)| CpuLevel {
            path: (*path).into(),
            limit_millicores: Some(Bound::At(100)),
            periods: Some(*periods),
            throttled_periods: Some(*throttled),
            ..CpuLevel::default()
        };
        let levels = levels.iter().map(level).collect();
        Cgroup {
            cpu: Some(CpuInFull { rate, levels, ..CpuInFull::default() }),
            ..Cgroup::default()
        }
    }

    #[test]
    fn throttling_is_told_of_the_level_where_it_is_worst() {
        let text = "throttled in 37 % of CPU periods by the limit of /a, a group above it";
        let found = texts(&cpu(&[("/a/b", 100, 10), ("/a", 100, 37)], None));
        assert_eq!(found, one(Level::Warning, text));
        let text = "throttled in 10 % of CPU periods by the limit";
        assert_eq!(texts(&cpu(&[("/a/b", 100, 10)], None)), one(Level::Notice, text));
        for quiet in [(100, 9), (9, 9), (0, 0)] {
            assert_eq!(texts(&cpu(&[("/a", quiet.0, quiet.1)], None)), []);
        }
        let mut gone = cpu(&[("/a", 100, 90)], None);
        for level in gone.cpu.iter_mut().flat_map(|cpu| &mut cpu.levels) {
            level.limit_millicores = Some(Bound::Unlimited);
        }
        assert_eq!(texts(&gone), []);
    }

    #[test]
    fn what_happens_now_counts_more_than_what_ever_happened() {
        let rate = |throttled| {
            let counted = CpuRate {
                periods: Some(20),
                throttled_periods: Some(throttled),
                ..CpuRate::default()
            };
            Some(counted)
        };
        assert_eq!(texts(&cpu(&[("/a", 100, 90)], rate(0))), []);
        let idle = Some(CpuRate { periods: Some(0), ..CpuRate::default() });
        assert_eq!(texts(&cpu(&[("/a", 100, 90)], idle)), []);
        assert_eq!(texts(&cpu(&[("/a", 100, 0)], rate(20)))[0].0, Level::Warning);
        // Of a group above no more is known than what ever happened.
        let text = "throttled in 90 % of CPU periods by the limit of /a, a group above it";
        let found = texts(&cpu(&[("/a/b", 100, 90), ("/a", 100, 90)], rate(0)));
        assert_eq!(found, one(Level::Warning, text));
    }

    #[test]
    fn pids_near_the_limit_and_refused() {
        let level = |current, max| PidsLevel {
            path: "/a".into(),
            current: Some(current),
            max: Some(Bound::At(max)),
            limit_hits: None,
        };
        let pids = |current, hits| Cgroup {
            pids: Some(PidsInFull {
                levels: vec![level(current, 100)],
                limit_hits: Some(hits),
                ..PidsInFull::default()
            }),
            ..Cgroup::default()
        };
        assert_eq!(texts(&pids(79, 0)), []);
        assert_eq!(texts(&pids(80, 0)), one(Level::Notice, "pids at 80 % of the limit of 100"));
        assert_eq!(texts(&pids(90, 0)), one(Level::Warning, "pids at 90 % of the limit of 100"));
        let refused = "a new process or thread was refused once (pids limit)";
        assert_eq!(texts(&pids(5, 1)), one(Level::Warning, refused));
    }

    #[test]
    fn a_refusal_that_is_counted_above() {
        let level = |path: &str, limit_hits| PidsLevel {
            path: path.into(),
            limit_hits,
            ..PidsLevel::default()
        };
        let pids = |own| Cgroup {
            pids: Some(PidsInFull {
                limit_hits: Some(own),
                levels: vec![level("/a/b", Some(own)), level("/a", Some(3))],
                ..PidsInFull::default()
            }),
            ..Cgroup::default()
        };
        let text = "a new process or thread was refused 3 times by the pids limit of /a, a group \
                    above it";
        assert_eq!(texts(&pids(0)), one(Level::Notice, text));
        let text = "a new process or thread was refused 2 times (pids limit)";
        assert_eq!(texts(&pids(2)), one(Level::Warning, text));
    }

    #[test]
    fn pressure_that_is_felt() {
        let pressure = |some, full| Cgroup {
            pressure: Some(PressureSet {
                io: Some(Pressure {
                    some_avg10_percent: some,
                    full_avg10_percent: full,
                    ..Pressure::default()
                }),
                ..PressureSet::default()
            }),
            ..Cgroup::default()
        };
        assert_eq!(texts(&pressure(39.0, Some(9.0))), []);
        assert_eq!(texts(&pressure(41.0, None))[0].0, Level::Notice);
        let text = "stood still for io in 12 % of the last 10 s";
        assert_eq!(texts(&pressure(41.0, Some(12.3))), one(Level::Warning, text));
    }
}
