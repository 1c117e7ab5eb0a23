//! What a report on one target tells of memory, CPU and processes beyond what a list does: the parts,
//! the counters of limits met, and each limit as the groups from itself upwards state it.

use super::{Bound, Cpu, Limit, Memory, Pids, flat};
use crate::model::text::Text;

/// What a group uses of memory, and every limit from it upwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemoryInFull {
    /// What a list tells, too.
    #[serde(flatten)]
    pub basic: Memory,
    /// File cache that was used lately: `active_file` of memory.stat.
    pub active_file_bytes: Option<u64>,
    /// File cache that is reclaimed first: `inactive_file` of memory.stat.
    pub inactive_file_bytes: Option<u64>,
    /// Part of the file cache that no disk stands behind.
    pub shmem_bytes: Option<u64>,
    /// File cache that processes have mapped: v1 `total_mapped_file`, v2 `file_mapped`.
    pub file_mapped_bytes: Option<u64>,
    /// File cache that is not written to disk yet: v1 `total_dirty`, v2 `file_dirty`.
    pub file_dirty_bytes: Option<u64>,
    /// Objects of the kernel's: `slab` of memory.stat; v2 only.
    pub slab_bytes: Option<u64>,
    /// Stacks in the kernel, one for each thread: `kernel_stack` of memory.stat; v2 only.
    pub kernel_stack_bytes: Option<u64>,
    /// Tables of its processes' address spaces: `pagetables` of memory.stat; v2 only.
    pub page_tables_bytes: Option<u64>,
    /// Buffers of sockets: v2 `sock` of memory.stat; v1 memory.kmem.tcp.usage_in_bytes, TCP alone.
    pub sock_bytes: Option<u64>,
    /// Above this it is slowed down and reclaimed from; v2 only.
    #[serde(flatten, serialize_with = "flat::high_bytes")]
    #[cfg_attr(feature = "schema", schemars(with = "flat::HighLimit"))]
    pub high: Limit,
    /// Protected as far as possible (memory.low) and in any case (memory.min); v2 only.
    pub low_bytes: Option<Bound>,
    /// The second of the two: a number, or `max` for all.
    pub min_bytes: Option<Bound>,
    /// v2: of swap alone. v1: of memory and swap together (memsw).
    #[serde(flatten, serialize_with = "flat::swap_bytes")]
    #[cfg_attr(feature = "schema", schemars(with = "flat::SwapLimit"))]
    pub swap_limit: Limit,
    /// v2 memory.events; v1 memory.failcnt and `oom_kill` of memory.oom_control.
    pub events: MemoryEvents,
    /// The group itself, then those above it that set a limit.
    pub levels: Vec<MemoryLevel>,
}

/// How often limits were met. v2 counts the groups below too. v1 has no more than `max` (failcnt) and
/// `oom_kill`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemoryEvents {
    /// Reclaimed though below memory.low.
    pub low: Option<u64>,
    /// Slowed down above memory.high.
    pub high: Option<u64>,
    /// Usage was about to go over memory.max.
    pub max: Option<u64>,
    /// A limit was met and nothing could be reclaimed.
    pub oom: Option<u64>,
    /// Processes that were killed for it.
    pub oom_kill: Option<u64>,
    /// Whole groups that were (memory.oom.group).
    pub oom_group_kill: Option<u64>,
}

/// What one group states of memory, and what is used in it where it states a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemoryLevel {
    /// Which group: its path in the hierarchy, `/..` and so on above what can be seen.
    pub path: Text,
    /// Absent where it could not be read; a root has none.
    pub max_bytes: Option<Bound>,
    /// memory.high, a number or `max`; null on v1.
    pub high_bytes: Option<Bound>,
    /// Groups below counted: v1 memory.usage_in_bytes, v2 memory.current.
    pub usage_bytes: Option<u64>,
    /// Read where the usage is near the limit.
    pub working_set_bytes: Option<u64>,
    /// How often this group was at max_bytes, or above high_bytes; read where there is a limit, v2
    /// only. Of the first level groups below count too; above, the very group alone, where others in
    /// it may have been the ones held up.
    pub max_hits: Option<u64>,
    /// The second of the two: `high` of memory.events.
    pub high_hits: Option<u64>,
}

/// What a group uses of CPUs, and every quota from it upwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CpuInFull {
    /// What a list tells, too.
    #[serde(flatten)]
    pub basic: Cpu,
    /// Of the usage, that in programs themselves. v1 counts it in hundredths of a second.
    pub user_usec: Option<u64>,
    /// Of the usage, that in the kernel for them. v1 counts it in hundredths of a second.
    pub system_usec: Option<u64>,
    /// What may be saved up of the quota.
    pub burst_usec: Option<u64>,
    /// v2 cpu.weight: 1 to 10000, 100 unless set.
    pub weight: Option<u64>,
    /// v1 cpu.shares: 2 to 262144, 1024 unless set. How one becomes the other differs by runtime.
    pub shares: Option<u64>,
    /// The CPUs and memory nodes that it may use in the end, as lists: `0-3,8`.
    pub cpus: Option<Text>,
    /// The second of the two: v1 cpuset.effective_mems, v2 cpuset.mems.effective.
    pub mems: Option<Text>,
    /// Only where an interval was asked for.
    pub rate: Option<CpuRate>,
    /// The group itself, then those above it that set a quota.
    pub levels: Vec<CpuLevel>,
}

/// What was used between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CpuRate {
    /// How far apart the two looks were, by the clock.
    pub interval_usec: u64,
    /// Thousandths of a core.
    pub used_millicores: u64,
    /// Of its own quota.
    pub periods: Option<u64>,
    /// Those of them in which it was used up; null where the kernel does not count them.
    pub throttled_periods: Option<u64>,
    /// What the CPUs of the machine counted meanwhile, idle or not.
    pub host_usec: Option<u64>,
    /// How many these are.
    pub host_cpus: Option<u64>,
}

/// What one group states of CPU, and how often its quota was used up.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CpuLevel {
    /// Which group: its path in the hierarchy, `/..` and so on above what can be seen.
    pub path: Text,
    /// Thousandths of a core; absent where it could not be read; a root has none.
    pub limit_millicores: Option<Bound>,
    /// Enforcement periods of its quota so far in which something ran: `nr_periods` of cpu.stat.
    pub periods: Option<u64>,
    /// Those of them in which it was used up: `nr_throttled` of cpu.stat.
    pub throttled_periods: Option<u64>,
    /// How long all its CPUs together stood still for it: v1 `throttled_time`, v2 `throttled_usec`.
    pub throttled_usec: Option<u64>,
}

impl CpuLevel {
    /// In how many of a hundred periods it was throttled; `None` where there was none.
    pub fn throttled_percent(&self) -> Option<u64> {
        percent(self.throttled_periods?, self.periods?)
    }
}

impl CpuRate {
    /// In how many of a hundred periods of the interval it was throttled; `None` where there was
    /// none.
    pub fn throttled_percent(&self) -> Option<u64> {
        percent(self.throttled_periods?, self.periods?)
    }
}

/// Rounded down; `None` of nothing.
pub(super) fn percent(part: u64, whole: u64) -> Option<u64> {
    part.saturating_mul(100).checked_div(whole)
}

/// Processes and threads of a group, and every limit from it upwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PidsInFull {
    /// What a list tells, too.
    #[serde(flatten)]
    pub basic: Pids,
    /// The most that were there at once; Linux 6.1.
    pub peak: Option<u64>,
    /// How often a process or thread could not be made because a limit was met: in this group, by
    /// whichever limit (v1, and v2 before 6.11), or by its own limit (since).
    pub limit_hits: Option<u64>,
    /// The group itself, then those above it that set a limit.
    pub levels: Vec<PidsLevel>,
}

/// What one group says of processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PidsLevel {
    /// Which group: its path in the hierarchy, `/..` and so on above what can be seen.
    pub path: Text,
    /// Absent where it could not be read; a root has none.
    pub max: Option<Bound>,
    /// Read where there is a limit.
    pub current: Option<u64>,
    /// Of the first level as for the whole. Above, read where there is a limit: refusals by the limit
    /// of this very group (v2 since 6.11, else null). Others in it may have been the ones refused.
    pub limit_hits: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_of_nothing_is_none() {
        assert_eq!(percent(37, 100), Some(37));
        assert_eq!(percent(0, 0), None);
        assert_eq!(CpuLevel { periods: Some(5), ..CpuLevel::default() }.throttled_percent(), None);
    }

    #[test]
    fn what_is_flat_stands_beside_the_rest() {
        let memory = MemoryInFull {
            basic: Memory { usage_bytes: 5, ..Memory::default() },
            min_bytes: Some(Bound::Unlimited),
            low_bytes: Some(Bound::At(3)),
            high: Limit::Value { value: 9, set_by: "/a".into() },
            ..MemoryInFull::default()
        };
        let json = serde_json::to_value(&memory).unwrap();
        assert_eq!(json["usage_bytes"], 5);
        assert_eq!((&json["min_bytes"], &json["low_bytes"]), (&"max".into(), &3.into()));
        assert_eq!((&json["high_bytes"], &json["high_set_by"]), (&9.into(), &"/a".into()));
        assert_eq!(json["swap_limit_unlimited"], true);
        assert_eq!(json["limit_unlimited"], true);
    }
}
