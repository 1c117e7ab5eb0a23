//! The files of cgroup v2, and of the v2 tree beside v1: admin-guide/cgroup-v2.

use super::group::{Group, Reader};
use super::io;
use super::levels::{self, CpuFiles, MemoryFiles};
use super::memory_stat::{self, MemoryStat};
use super::v1::in_full;
use super::values::{Bound, cpu_max, keyed_value, number, number_or_max, pressure, text, v1_bytes};
use crate::model::cgroup::{
    Cpu, CpuInFull, CpuLevel, HugePages, IoDevice, IoKind, Limit, Memory, MemoryEvents,
    MemoryInFull, MemoryLevel, Pids, PidsInFull, PressureSet,
};
use crate::model::gap::Gap;
use crate::model::text::Text;

const MEMORY: MemoryFiles = MemoryFiles {
    usage: "memory.current",
    max: "memory.max",
    high: Some("memory.high"),
    bound: number_or_max,
    stat: memory_stat::parse_v2,
    own_events: Some("memory.events.local"),
};
const CPU: CpuFiles = CpuFiles { quota, stat: throttling };

/// Device, what is limited, how much a second, and by which group.
pub type StatedIo = Vec<(Text, IoKind, u64, Text)>;

/// For a list. `None` in the root group, which has no memory.current, and where the controller is
/// off.
pub fn memory(group: &Group, gaps: &mut Vec<Gap>) -> Option<Memory> {
    let mut files = Reader::new(group, "memory", gaps);
    let (mut memory, _) = basic_memory(&mut files)?;
    memory.limit =
        files.tightest(|files, levels| files.value_above(levels, MEMORY.max, number_or_max));
    // Counts the groups below as well, unless mounted with memory_localevents.
    memory.oom_kills =
        files.value("memory.events", |bytes| Some(keyed_value(bytes, b"oom_kill"))).flatten();
    Some(memory)
}

/// `None` where the group has no memory controller; what else cannot be read is a gap.
pub fn memory_in_full(group: &Group, gaps: &mut Vec<Gap>) -> Option<MemoryInFull> {
    let mut files = Reader::new(group, "memory", gaps);
    let (mut basic, stat) = basic_memory(&mut files)?;
    let events = files.value("memory.events", |bytes| Some(events(bytes))).unwrap_or_default();
    let own = MemoryLevel {
        usage_bytes: Some(basic.usage_bytes),
        working_set_bytes: basic.working_set_bytes,
        max_hits: events.max,
        high_hits: events.high,
        ..MemoryLevel::default()
    };
    let levels = levels::memory(&mut files, MEMORY, &own, true);
    basic.limit = files.tightest_of(levels.iter().map(|level| (level.max_bytes, &level.path)));
    basic.oom_kills = events.oom_kill;
    Some(MemoryInFull {
        basic,
        high: files.tightest_of(levels.iter().map(|level| (level.high_bytes, &level.path))),
        low_bytes: files.value("memory.low", number_or_max),
        min_bytes: files.value("memory.min", number_or_max),
        swap_limit: files
            .tightest(|files, levels| files.value_above(levels, "memory.swap.max", number_or_max)),
        events,
        levels,
        ..in_full(&stat)
    })
}

fn events(bytes: &[u8]) -> MemoryEvents {
    let field = |key| keyed_value(bytes, key);
    MemoryEvents {
        low: field(b"low"),
        high: field(b"high"),
        max: field(b"max"),
        oom: field(b"oom"),
        oom_kill: field(b"oom_kill"),
        oom_group_kill: field(b"oom_group_kill"),
    }
}

/// All but the limit and the kills.
fn basic_memory(files: &mut Reader<'_>) -> Option<(Memory, MemoryStat)> {
    let usage_bytes = files.value(MEMORY.usage, number)?;
    let stat = files.value("memory.stat", |bytes| Some(memory_stat::parse_v2(bytes)));
    let stat = stat.unwrap_or_default();
    let memory = Memory {
        usage_bytes,
        working_set_bytes: stat.inactive_file.map(|inactive| usage_bytes.saturating_sub(inactive)),
        anon_bytes: stat.anon,
        file_bytes: stat.file,
        kernel_bytes: stat.kernel,
        peak_bytes: files.value("memory.peak", number),
        swap_bytes: files.value("memory.swap.current", number),
        limit: Limit::Unlimited,
        oom_kills: None,
    };
    Some((memory, stat))
}

/// cpu.stat tells the usage even where the controller is off; then it has no periods.
pub fn cpu(group: &Group, gaps: &mut Vec<Gap>) -> Option<Cpu> {
    let mut files = Reader::new(group, "cpu", gaps);
    let mut cpu = files.value("cpu.stat", |bytes| {
        Some(Cpu { usage_usec: usage_usec_of(bytes), ..throttled(&throttling(bytes)) })
    })?;
    cpu.limit_millicores = files.tightest(quota);
    Some(cpu)
}

/// In microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTimes {
    /// The other two, and what cannot be told apart.
    pub usage: Option<u64>,
    /// In programs.
    pub user: Option<u64>,
    /// In the kernel.
    pub system: Option<u64>,
}

/// Every group has them, the controller need not be there.
pub fn cpu_times(group: &Group, gaps: &mut Vec<Gap>) -> CpuTimes {
    let times = |bytes: &[u8]| {
        Some(CpuTimes {
            usage: usage_usec_of(bytes),
            user: keyed_value(bytes, b"user_usec"),
            system: keyed_value(bytes, b"system_usec"),
        })
    };
    Reader::new(group, "cpu", gaps).value("cpu.stat", times).unwrap_or_default()
}

/// `None` where cpu.stat cannot be read; without the controller there are no limits in it.
pub fn cpu_in_full(group: &Group, gaps: &mut Vec<Gap>) -> Option<CpuInFull> {
    let mut files = Reader::new(group, "cpu", gaps);
    let (mut cpu, own) = files.value("cpu.stat", |bytes| {
        let own = throttling(bytes);
        let basic = Cpu { usage_usec: usage_usec_of(bytes), ..throttled(&own) };
        let user_usec = keyed_value(bytes, b"user_usec");
        let system_usec = keyed_value(bytes, b"system_usec");
        Some((CpuInFull { basic, user_usec, system_usec, ..CpuInFull::default() }, own))
    })?;
    cpu.levels = levels::cpu(&mut files, CPU, own);
    let stated = cpu.levels.iter().map(|level| (level.limit_millicores, &level.path));
    cpu.basic.limit_millicores = files.tightest_of(stated);
    let own = cpu.levels.first().and_then(|own| own.limit_millicores);
    if let Some(Bound::At(_)) = own {
        cpu.burst_usec = files.value("cpu.max.burst", number);
    }
    cpu.weight = files.value("cpu.weight", number);
    cpu.cpus = nearest(&mut files, "cpuset.cpus.effective");
    cpu.mems = nearest(&mut files, "cpuset.mems.effective");
    Some(cpu)
}

/// Where the cpuset controller is off, the nearest group above that has it decides.
fn nearest(files: &mut Reader<'_>, file: &str) -> Option<Text> {
    files.levels().find_map(|levels| files.value_above(levels, file, text))
}

fn quota(files: &mut Reader<'_>, levels: usize) -> Option<Bound> {
    files.value_above(levels, "cpu.max", cpu_max)
}

fn throttling(bytes: &[u8]) -> CpuLevel {
    levels::throttling(bytes, b"throttled_usec", 1)
}

/// The counters of a group as those of a list.
pub(super) fn throttled(own: &CpuLevel) -> Cpu {
    Cpu {
        periods: own.periods,
        throttled_periods: own.throttled_periods,
        throttled_usec: own.throttled_usec,
        ..Cpu::default()
    }
}

/// What cpu.stat says.
pub fn usage_usec_of(bytes: &[u8]) -> Option<u64> {
    keyed_value(bytes, b"usage_usec")
}

/// The same files on v1 and v2. `None` in the root group.
pub fn pids(group: &Group, gaps: &mut Vec<Gap>) -> Option<Pids> {
    let mut files = Reader::new(group, "pids", gaps);
    Some(Pids {
        current: files.value("pids.current", number)?,
        limit: files.tightest(|files, levels| files.value_above(levels, "pids.max", number_or_max)),
    })
}

/// `None` where the group has no pids controller; what else cannot be read is a gap.
pub fn pids_in_full(group: &Group, gaps: &mut Vec<Gap>) -> Option<PidsInFull> {
    let mut files = Reader::new(group, "pids", gaps);
    let current = files.value("pids.current", number)?;
    let limit_hits = files.value("pids.events", |bytes| Some(levels::limit_hits(bytes))).flatten();
    let levels = levels::pids(&mut files, current, limit_hits);
    let limit = files.tightest_of(levels.iter().map(|level| (level.max, &level.path)));
    Some(PidsInFull {
        basic: Pids { current, limit },
        peak: files.value("pids.peak", number),
        limit_hits,
        levels,
    })
}

/// `None` where the controller is off.
pub fn io(group: &Group, gaps: &mut Vec<Gap>) -> Option<(Vec<IoDevice>, StatedIo)> {
    let mut files = Reader::new(group, "io", gaps);
    let devices = files.value("io.stat", |bytes| Some(io::stat(bytes)))?;
    let mut limits = Vec::new();
    for levels in files.levels() {
        let stated = files.value_above(levels, "io.max", |bytes| Some(io::max(bytes)));
        let path = files.path_above(levels);
        let with_path = |(device, kind, value)| (device, kind, value, path.clone());
        limits.extend(stated.unwrap_or_default().into_iter().map(with_path));
    }
    Some((devices, limits))
}

/// Pages of one size (`2MB`); `None` where the controller is off. v1 has other names for the files.
pub fn huge_pages(group: &Group, size: &Text, gaps: &mut Vec<Gap>) -> Option<HugePages> {
    let (usage, limit) = if group.is_v2() {
        (format!("hugetlb.{size}.current"), format!("hugetlb.{size}.max"))
    } else {
        (format!("hugetlb.{size}.usage_in_bytes"), format!("hugetlb.{size}.limit_in_bytes"))
    };
    let mut files = Reader::new(group, "hugetlb", gaps);
    Some(HugePages {
        size: size.clone(),
        usage_bytes: files.value(&usage, number)?,
        limit: files.tightest(|files, levels| files.value_above(levels, &limit, v1_bytes)),
    })
}

/// `None` where the kernel has no pressure stall information (before 4.20, or `psi=0`).
pub fn pressures(group: &Group, gaps: &mut Vec<Gap>) -> Option<PressureSet> {
    let mut files = Reader::new(group, "pressure", gaps);
    let set = PressureSet {
        cpu: files.value("cpu.pressure", pressure),
        memory: files.value("memory.pressure", pressure),
        io: files.value("io.pressure", pressure),
    };
    (set != PressureSet::default()).then_some(set)
}

/// Since 5.2; `None` in the root group, which cannot be frozen.
pub fn frozen(group: &Group, gaps: &mut Vec<Gap>) -> Option<bool> {
    let mut files = Reader::new(group, "freezer", gaps);
    files.value("cgroup.events", |bytes| Some(frozen_of(bytes))).flatten()
}

/// What cgroup.events says.
pub fn frozen_of(bytes: &[u8]) -> Option<bool> {
    keyed_value(bytes, b"frozen").map(|frozen| frozen == 1)
}
