//! The cgroup section: what is used, of how much, and whose limit it is.

use crate::model::cgroup::{Cgroup, Cpu, Limit, Memory, Pids, Pressure, PressureSet};
use crate::model::text::Text;
use crate::render::human;

pub(super) fn lines(cgroup: &Cgroup) -> Vec<String> {
    let frozen = if cgroup.frozen == Some(true) { "   frozen" } else { "" };
    let mut lines = vec![format!("{}   {}{frozen}", cgroup.path, cgroup.version.name())];
    let mut add = |name, parts: Option<Vec<String>>| {
        lines.extend(parts.map(|parts| format!("{name:<8} {}", parts.join(" · "))));
    };
    add("memory", cgroup.memory.as_ref().map(|memory| memory_parts(memory, &cgroup.path)));
    add("cpu", cgroup.cpu.as_ref().map(|cpu| cpu_parts(cpu, &cgroup.path)));
    add("pids", cgroup.pids.as_ref().map(|pids| pids_parts(pids, &cgroup.path)));
    add("pressure", cgroup.pressure.as_ref().map(pressure_parts));
    lines
}

fn memory_parts(memory: &Memory, own: &Text) -> Vec<String> {
    let used = human::bytes(memory.usage_bytes);
    let mut parts = vec![format!("{used}{}", of(&memory.limit, human::bytes, own))];
    let details = [
        ("working set", memory.working_set_bytes),
        ("anon", memory.anon_bytes),
        ("file", memory.file_bytes),
        ("peak", memory.peak_bytes),
    ];
    for (name, bytes) in details {
        parts.extend(bytes.map(|bytes| format!("{name} {}", human::bytes(bytes))));
    }
    let kills = memory.oom_kills.filter(|kills| *kills > 0);
    parts.extend(kills.map(|kills| format!("OOM kills {kills}")));
    parts
}

fn cpu_parts(cpu: &Cpu, own: &Text) -> Vec<String> {
    let used = cpu.usage_usec.map_or_else(|| "-".to_owned(), human::usec);
    let mut parts = vec![format!("{used} of cpu time")];
    parts.push(match &cpu.limit_millicores {
        Limit::Unlimited => "no limit".to_owned(),
        limit @ Limit::Value { .. } => {
            format!("limit{}", of(limit, |cores| format!("{} core", human::cores(cores)), own))
        }
    });
    if let (Some(periods), Some(throttled)) = (cpu.periods, cpu.throttled_periods)
        && let Some(percent) = (throttled.saturating_mul(100)).checked_div(periods)
    {
        parts.push(format!("throttled in {percent} % of periods"));
    }
    parts
}

fn pids_parts(pids: &Pids, own: &Text) -> Vec<String> {
    vec![format!("{}{}", pids.current, of(&pids.limit, |limit| limit.to_string(), own))]
}

fn pressure_parts(pressure: &PressureSet) -> Vec<String> {
    let all = [("cpu", pressure.cpu), ("memory", pressure.memory), ("io", pressure.io)];
    let told = |(name, value): (&str, Option<Pressure>)| {
        value.map(|value| format!("{name} {:.0} %", value.some_avg10_percent))
    };
    all.into_iter().filter_map(told).chain(["last 10 s".to_owned()]).collect()
}

/// ` of 64M`, and whose limit it is where it is an ancestor's.
fn of(limit: &Limit, unit: impl Fn(u64) -> String, own: &Text) -> String {
    match limit {
        Limit::Unlimited => ", no limit".to_owned(),
        Limit::Value { value, set_by } if set_by == own => format!(" of {}", unit(*value)),
        Limit::Value { value, set_by } => format!(" of {} (set by {set_by})", unit(*value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(value: u64, set_by: &str) -> Limit {
        Limit::Value { value, set_by: set_by.into() }
    }

    #[test]
    fn a_limit_is_told_with_its_setter_where_that_is_another_group() {
        let cgroup = Cgroup {
            path: "/docker/a".into(),
            memory: Some(Memory {
                usage_bytes: 12 << 20,
                limit: limit(64 << 20, "/docker/a"),
                oom_kills: Some(2),
                ..Memory::default()
            }),
            cpu: Some(Cpu {
                usage_usec: Some(2_500_000),
                limit_millicores: limit(500, "/docker/a"),
                periods: Some(100),
                throttled_periods: Some(37),
                ..Cpu::default()
            }),
            pids: Some(Pids { current: 4, limit: limit(4700, "/docker") }),
            ..Cgroup::default()
        };
        assert_eq!(
            lines(&cgroup),
            [
                "/docker/a   v2",
                "memory   12M of 64M · OOM kills 2",
                "cpu      2.5s of cpu time · limit of 0.5 core · throttled in 37 % of periods",
                "pids     4 of 4700 (set by /docker)",
            ]
        );
    }
}
