//! The cgroup section: what is used, of how much, and whose limit it is.

use crate::model::cgroup::{
    Bound, Cgroup, CpuInFull, IoDevice, IoKind, IoLimit, Limit, MemoryInFull, PidsInFull, Pressure,
    PressureSet,
};
use crate::model::formulas::Formulas;
use crate::model::text::Text;
use crate::render::{formulas, human};

/// Devices beyond this are counted, unless everything is asked for.
const FEW: usize = 3;

pub(super) fn lines(cgroup: &Cgroup, printed: Option<&Formulas>, everything: bool) -> Vec<String> {
    let frozen = if cgroup.frozen == Some(true) { "   frozen" } else { "" };
    let mut lines = vec![format!("{}   {}{frozen}", cgroup.version.name(), cgroup.path)];
    let mut add = |name: &str, parts: Vec<String>| {
        if !parts.is_empty() {
            lines.push(format!("{name:<8} {}", parts.join(" · ")));
        }
    };
    if let Some(memory) = &cgroup.memory {
        let own = cgroup.path_of("memory");
        add("memory", memory_parts(memory, own));
        if everything {
            add("", memory_details(memory));
            let on_v1 =
                cgroup.group_of("memory").is_some_and(|group| !group.controllers.is_empty());
            add("", memory_limits(memory, own, on_v1));
        }
    }
    if let Some(cpu) = &cgroup.cpu {
        add("cpu", cpu_parts(cpu, cgroup.path_of("cpu")));
        if everything {
            add("", cpu_details(cpu));
        }
    }
    if let Some(pids) = &cgroup.pids {
        add("pids", pids_parts(pids, cgroup.path_of("pids"), everything));
    }
    if let Some(io) = &cgroup.io {
        let most = if everything { usize::MAX } else { FEW };
        let mut devices: Vec<String> = io.devices.iter().take(most).map(device).collect();
        if let Some(more) = io.devices.len().checked_sub(most).filter(|more| *more > 0) {
            devices.push(format!("{more} more"));
        }
        add("io", devices);
        let own = cgroup.path_of("blkio");
        let limits = io.limits.iter().filter(|limit| limit.binds || everything);
        add("io limit", limits.map(|limit| io_limit(limit, own)).collect());
    }
    let own = cgroup.path_of("hugetlb");
    let pages = cgroup.huge_pages.iter().filter(|pages| everything || pages.usage_bytes > 0);
    let pages = pages.map(|pages| {
        let used = human::bytes(pages.usage_bytes);
        format!("of {} {used}{}", pages.size, of(&pages.limit, human::bytes, own))
    });
    add("pages", pages.collect());
    if let Some(pressure) = &cgroup.pressure {
        add("pressure", pressure_parts(pressure, everything));
    }
    if everything {
        lines.extend(elsewhere(cgroup));
    }
    lines.extend(printed.into_iter().flat_map(formulas::lines));
    lines
}

/// `path     /p in the hierarchies of pids, cpuset`: where hierarchies have other paths than the one that names it best.
fn elsewhere(cgroup: &Cgroup) -> Vec<String> {
    let mut paths: Vec<(&Text, Vec<String>)> = Vec::new();
    for group in cgroup.paths.iter().filter(|group| group.path != cgroup.path) {
        let controllers = &group.controllers;
        let name = if controllers.is_empty() { "v2".to_owned() } else { controllers.to_string() };
        match paths.iter_mut().find(|(path, _)| *path == &group.path) {
            Some((_, names)) => names.push(name),
            None => paths.push((&group.path, vec![name])),
        }
    }
    let line = |(path, names): (&Text, Vec<String>)| {
        let hierarchies = if names.len() == 1 { "hierarchy" } else { "hierarchies" };
        format!("path     {path} in the {hierarchies} of {}", names.join(", "))
    };
    paths.into_iter().map(line).collect()
}

/// `name 12M` of those that are known.
fn sizes<const N: usize>(named: [(&str, Option<u64>); N]) -> Vec<String> {
    let told = |(name, bytes): (&str, Option<u64>)| {
        bytes.map(|bytes| format!("{name} {}", human::bytes(bytes)))
    };
    named.into_iter().filter_map(told).collect()
}

/// Where there are groups above that cannot be seen.
const NONE_SEEN: &str = "no limit that can be seen";

fn memory_parts(memory: &MemoryInFull, own: &Text) -> Vec<String> {
    let basic = &memory.basic;
    let used = human::bytes(basic.usage_bytes);
    let mut parts = vec![format!("{used}{}", of(&basic.limit, human::bytes, own))];
    parts.extend(sizes([
        ("working set", basic.working_set_bytes),
        ("anon", basic.anon_bytes),
        ("file", basic.file_bytes),
        ("swap", basic.swap_bytes.filter(|bytes| *bytes > 0)),
        ("peak", basic.peak_bytes),
    ]));
    parts
}

fn memory_details(memory: &MemoryInFull) -> Vec<String> {
    sizes([
        ("active file", memory.active_file_bytes),
        ("inactive", memory.inactive_file_bytes),
        ("shmem", memory.shmem_bytes),
        ("kernel", memory.basic.kernel_bytes),
        ("slab", memory.slab_bytes),
        ("sock", memory.sock_bytes),
    ])
}

fn memory_limits(memory: &MemoryInFull, own: &Text, on_v1: bool) -> Vec<String> {
    let mut parts = Vec::new();
    let swap = if on_v1 { "memory and swap at most" } else { "swap at most" };
    let limits = [("high", &memory.high), (swap, &memory.swap_limit)];
    for (name, limit) in limits {
        if let Limit::Value { value, set_by } = limit {
            parts.push(format!("{name} {}{}", human::bytes(*value), whose(set_by, own)));
        }
    }
    for (name, bound) in [("low", memory.low_bytes), ("min", memory.min_bytes)] {
        match bound {
            Some(Bound::At(value)) if value > 0 => {
                parts.push(format!("{name} {}", human::bytes(value)));
            }
            Some(Bound::Unlimited) => parts.push(format!("{name} max")),
            _ => {}
        }
    }
    let hits = memory.events.max.filter(|hits| *hits > 0);
    parts.extend(hits.map(|hits| format!("limit met {hits} times")));
    let kills = memory.basic.oom_kills.filter(|kills| *kills > 0);
    parts.extend(kills.map(|kills| format!("OOM kills {kills}")));
    parts
}

fn cpu_parts(cpu: &CpuInFull, own: &Text) -> Vec<String> {
    let basic = &cpu.basic;
    let used = basic.usage_usec.map_or_else(|| "-".to_owned(), human::usec);
    let mut parts = vec![format!("{used} of cpu time")];
    if let Some(rate) = &cpu.rate {
        let cores = human::cores(rate.used_millicores);
        parts.push(format!("{cores} core in the last {}", human::usec(rate.interval_usec)));
    }
    parts.push(match &basic.limit_millicores {
        Limit::Unlimited => "no limit".to_owned(),
        Limit::Unseen => NONE_SEEN.to_owned(),
        Limit::Value { value, set_by } => {
            format!("limit of {} core{}", human::cores(*value), whose(set_by, own))
        }
    });
    // Counts of a quota that is gone stay.
    let own = cpu.levels.first().and_then(|level| level.limit_millicores);
    if let (Some(periods), Some(throttled)) = (basic.periods, basic.throttled_periods)
        && own != Some(Bound::Unlimited)
        && let Some(percent) = (throttled.saturating_mul(100)).checked_div(periods)
    {
        parts.push(format!("throttled in {percent} % of periods"));
    }
    parts
}

fn cpu_details(cpu: &CpuInFull) -> Vec<String> {
    let times = [("user", cpu.user_usec), ("system", cpu.system_usec), ("burst", cpu.burst_usec)];
    let times = times
        .into_iter()
        .filter_map(|(name, usec)| usec.map(|usec| format!("{name} {}", human::usec(usec))));
    let shares = [("weight", cpu.weight), ("shares", cpu.shares)];
    let shares = shares
        .into_iter()
        .filter_map(|(name, number)| number.map(|number| format!("{name} {number}")));
    let lists = [("cpus", &cpu.cpus), ("nodes", &cpu.mems)];
    let lists = lists
        .into_iter()
        .filter_map(|(name, list)| list.as_ref().map(|list| format!("{name} {list}")));
    times.chain(shares).chain(lists).collect()
}

fn pids_parts(pids: &PidsInFull, own: &Text, everything: bool) -> Vec<String> {
    let basic = &pids.basic;
    let mut parts =
        vec![format!("{}{}", basic.current, of(&basic.limit, |limit| limit.to_string(), own))];
    parts.extend(pids.peak.filter(|_| everything).map(|peak| format!("peak {peak}")));
    let hits = pids.limit_hits.filter(|hits| *hits > 0);
    parts.extend(hits.map(|hits| format!("refused {hits}")));
    parts
}

fn device(io: &IoDevice) -> String {
    let name = io.name.as_ref().unwrap_or(&io.device);
    let (read, written) = (human::bytes(io.read_bytes), human::bytes(io.written_bytes));
    format!("{name} read {read}, written {written}")
}

fn io_limit(limit: &IoLimit, own: &Text) -> String {
    let name = limit.name.as_ref().unwrap_or(&limit.device);
    let value = match limit.kind {
        IoKind::ReadBytes => format!("read {}", human::bytes(limit.per_second)),
        IoKind::WrittenBytes => format!("write {}", human::bytes(limit.per_second)),
        IoKind::Reads => format!("{} reads", limit.per_second),
        IoKind::Writes => format!("{} writes", limit.per_second),
    };
    format!("{name} {value} a second{}", whose(&limit.set_by, own))
}

/// Nothing where nothing waited, unless everything is asked for.
fn pressure_parts(pressure: &PressureSet, everything: bool) -> Vec<String> {
    let all = [("cpu", pressure.cpu), ("memory", pressure.memory), ("io", pressure.io)];
    let told = |(name, value): (&str, Option<Pressure>)| {
        let value = value.filter(|value| everything || value.some_avg10_percent >= 0.5)?;
        let full = value.full_avg10_percent.filter(|full| *full >= 0.5);
        let full = full.map(|full| format!(" (all {full:.0} %)")).unwrap_or_default();
        Some(format!("{name} {:.0} %{full}", value.some_avg10_percent))
    };
    let mut parts: Vec<String> = all.into_iter().filter_map(told).collect();
    if !parts.is_empty() {
        parts.push("last 10 s".to_owned());
    }
    parts
}

/// ` of 64M`, and whose limit it is where it is an ancestor's.
fn of(limit: &Limit, unit: impl Fn(u64) -> String, own: &Text) -> String {
    match limit {
        Limit::Unlimited => ", no limit".to_owned(),
        Limit::Unseen => format!(", {NONE_SEEN}"),
        Limit::Value { value, set_by } => format!(" of {}{}", unit(*value), whose(set_by, own)),
    }
}

fn whose(set_by: &Text, own: &Text) -> String {
    if set_by == own { String::new() } else { format!(" (set by {set_by})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cgroup::{Cpu, CpuRate, GroupPath, Io, Memory, Pids};

    fn limit(value: u64, set_by: &str) -> Limit {
        Limit::Value { value, set_by: set_by.into() }
    }

    fn busy() -> Cgroup {
        Cgroup {
            path: "/docker/a".into(),
            paths: [("", "/docker/a"), ("pids", "/p"), ("cpuset", "/p")]
                .map(|(controllers, path)| GroupPath {
                    controllers: controllers.into(),
                    path: path.into(),
                })
                .into(),
            memory: Some(MemoryInFull {
                basic: Memory {
                    usage_bytes: 12 << 20,
                    limit: limit(64 << 20, "/docker/a"),
                    oom_kills: Some(2),
                    ..Memory::default()
                },
                shmem_bytes: Some(4096),
                high: limit(1 << 20, "/docker"),
                low_bytes: Some(Bound::At(0)),
                min_bytes: Some(Bound::Unlimited),
                ..MemoryInFull::default()
            }),
            cpu: Some(CpuInFull {
                basic: Cpu {
                    usage_usec: Some(2_500_000),
                    limit_millicores: limit(500, "/docker/a"),
                    periods: Some(100),
                    throttled_periods: Some(37),
                    ..Cpu::default()
                },
                rate: Some(CpuRate {
                    interval_usec: 200_100,
                    used_millicores: 490,
                    ..CpuRate::default()
                }),
                shares: Some(1024),
                cpus: Some("0-1".into()),
                ..CpuInFull::default()
            }),
            pids: Some(PidsInFull {
                basic: Pids { current: 4, limit: limit(4700, "/docker") },
                peak: Some(9),
                limit_hits: Some(1),
                ..PidsInFull::default()
            }),
            io: Some(Io {
                devices: vec![IoDevice {
                    device: "254:0".into(),
                    name: Some("vda".into()),
                    read_bytes: 2 << 20,
                    ..IoDevice::default()
                }],
                limits: vec![IoLimit {
                    device: "254:0".into(),
                    name: None,
                    kind: IoKind::WrittenBytes,
                    per_second: 1 << 20,
                    set_by: "/docker/a".into(),
                    binds: true,
                }],
            }),
            pressure: Some(PressureSet {
                cpu: Some(Pressure {
                    some_avg10_percent: 23.8,
                    full_avg10_percent: Some(20.0),
                    ..Pressure::default()
                }),
                io: Some(Pressure::default()),
                ..PressureSet::default()
            }),
            ..Cgroup::default()
        }
    }

    #[test]
    fn a_limit_is_told_with_its_setter_where_that_is_another_group() {
        assert_eq!(
            lines(&busy(), None, false),
            [
                "v2   /docker/a",
                "memory   12M of 64M",
                "cpu      2.5s of cpu time · 0.49 core in the last 200ms · limit of 0.5 core · throttled in 37 % of periods",
                "pids     4 of 4700 (set by /docker) · refused 1",
                "io       vda read 2M, written 0",
                "io limit 254:0 write 1M a second",
                "pressure cpu 24 % (all 20 %) · last 10 s",
            ]
        );
    }

    #[test]
    fn everything_adds_the_parts() {
        let all = lines(&busy(), None, true).join("\n");
        for part in [
            "         shmem 4K\n",
            "         high 1M (set by /docker) · min max · OOM kills 2\n",
            "         shares 1024 · cpus 0-1\n",
            "peak 9 · refused 1\n",
            "io 0 %",
            "path     /p in the hierarchies of pids, cpuset",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
    }
}
