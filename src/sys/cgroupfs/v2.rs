//! The files of cgroup v2, and of the v2 tree beside v1: admin-guide/cgroup-v2.

use super::group::{Group, Reader};
use super::values::{cpu_max, keyed, keyed_value, number, number_or_max, pressure};
use crate::model::cgroup::{Cpu, Memory, Pids, PressureSet};
use crate::model::gap::Gap;

/// `None` in the root group, which has no memory.current, and where the controller is off.
pub fn memory(group: &Group, gaps: &mut Vec<Gap>) -> Option<Memory> {
    let mut files = Reader::new(group, "memory", gaps);
    let usage_bytes = files.value("memory.current", number)?;
    let stat = files.value("memory.stat", |bytes| Some(Stat::parse(bytes)));
    let stat = stat.unwrap_or_default();
    Some(Memory {
        usage_bytes,
        working_set_bytes: stat.inactive_file.map(|inactive| usage_bytes.saturating_sub(inactive)),
        anon_bytes: stat.anon,
        file_bytes: stat.file,
        kernel_bytes: stat.kernel.or(stat.kernel_parts),
        peak_bytes: files.value("memory.peak", number),
        swap_bytes: files.value("memory.swap.current", number),
        limit: files
            .tightest(|files, levels| files.value_above(levels, "memory.max", number_or_max)),
        // Counts the groups below as well, unless mounted with memory_localevents.
        oom_kills: files
            .value("memory.events", |bytes| Some(keyed_value(bytes, b"oom_kill")))
            .flatten(),
    })
}

/// What is used of memory.stat.
#[derive(Debug, Default)]
struct Stat {
    anon: Option<u64>,
    file: Option<u64>,
    inactive_file: Option<u64>,
    /// Since 5.18.
    kernel: Option<u64>,
    /// What `kernel` sums up, where it is told in parts.
    kernel_parts: Option<u64>,
}

impl Stat {
    fn parse(bytes: &[u8]) -> Self {
        let mut stat = Self::default();
        for (key, value) in keyed(bytes) {
            match key {
                b"anon" => stat.anon = Some(value),
                b"file" => stat.file = Some(value),
                b"inactive_file" => stat.inactive_file = Some(value),
                b"kernel" => stat.kernel = Some(value),
                b"kernel_stack" | b"pagetables" | b"percpu" | b"vmalloc" | b"slab" => {
                    let sum = stat.kernel_parts.unwrap_or_default();
                    stat.kernel_parts = Some(sum.saturating_add(value));
                }
                _ => {}
            }
        }
        stat
    }
}

/// cpu.stat tells the usage even where the controller is off; then it has no periods.
pub fn cpu(group: &Group, gaps: &mut Vec<Gap>) -> Option<Cpu> {
    let mut files = Reader::new(group, "cpu", gaps);
    let mut cpu = files.value("cpu.stat", |bytes| {
        Some(Cpu {
            usage_usec: usage_usec_of(bytes),
            periods: keyed_value(bytes, b"nr_periods"),
            throttled_periods: keyed_value(bytes, b"nr_throttled"),
            throttled_usec: keyed_value(bytes, b"throttled_usec"),
            ..Cpu::default()
        })
    })?;
    cpu.limit_millicores =
        files.tightest(|files, levels| files.value_above(levels, "cpu.max", cpu_max));
    Some(cpu)
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
