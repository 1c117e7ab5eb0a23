//! What a control group uses and may use, the same for cgroup v1, hybrid and v2.
//!
//! Units are in the names. The sources differ by version; see cgroups(7) and the kernel's
//! admin-guide/cgroup-v2.

use super::text::Text;

mod flat;
mod full;
mod io;

pub use full::{
    CpuInFull, CpuLevel, CpuRate, MemoryEvents, MemoryInFull, MemoryLevel, PidsInFull, PidsLevel,
};
pub use io::{HugePages, Io, IoDevice, IoKind, IoLimit};

/// A limit as one file states it. In JSON a number, or the kernel's word `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The file says `max`; on v1 `-1`, or more than any machine has.
    Unlimited,
    /// In the unit of the file, which is that in the name of the field.
    At(u64),
}

impl Bound {
    /// `None` where there is none, or none that can be seen.
    pub const fn value(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::At(value) => Some(value),
        }
    }
}

impl serde::Serialize for Bound {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unlimited => serializer.serialize_str("max"),
            Self::At(value) => serializer.serialize_u64(*value),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Bound {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bound".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A limit as its file states it; \"max\" is none.",
            "oneOf": [{ "type": "integer", "minimum": 0 }, { "const": "max" }]
        })
    }
}

/// A limit: none, or a value and the group that sets it. Serialized flat in what it limits:
/// `limit_bytes`, `limit_unlimited`, `limit_set_by`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Limit {
    /// Neither the group nor one above it states any.
    #[default]
    Unlimited,
    /// None of those that can be seen; there are groups above, as for whoever is in a container.
    Unseen,
    /// The tightest that the group or one above it states.
    Value {
        /// In the unit of what it limits: bytes, thousandths of a core, processes.
        value: u64,
        /// The group, itself or an ancestor, whose limit binds.
        set_by: Text,
    },
}

impl Limit {
    /// `None` where there is none, or none that can be seen.
    pub const fn value(&self) -> Option<u64> {
        match self {
            Self::Unlimited | Self::Unseen => None,
            Self::Value { value, .. } => Some(*value),
        }
    }

    /// The tighter of the two; the nearer group where they are equal.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        match (self.value(), other.value()) {
            (Some(mine), Some(theirs)) if theirs < mine => other,
            (None, Some(_)) => other,
            _ => self,
        }
    }
}

/// Which interface the numbers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// Controllers on v1 hierarchies only.
    V1,
    /// Controllers on v1, and a v2 hierarchy beside them.
    Hybrid,
    /// No v1 hierarchy has a controller.
    #[default]
    V2,
}

impl Version {
    /// As reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Hybrid => "hybrid",
            Self::V2 => "v2",
        }
    }
}

/// One process's or container's groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cgroup {
    /// By the hierarchies that are mounted: `v1`, `hybrid`, `v2`.
    pub version: Version,
    /// The path that names it best: v2's, else the memory controller's, else any; a root only
    /// where all are.
    pub path: Text,
    /// Its group in each hierarchy.
    pub paths: Vec<GroupPath>,
    /// Absent, like the three below, where the controller is not there or could not be read.
    pub memory: Option<MemoryInFull>,
    /// Of the controller `cpu`, and on v1 `cpuacct`.
    pub cpu: Option<CpuInFull>,
    /// Of the controller `pids`.
    pub pids: Option<PidsInFull>,
    /// Of the controller `io`, on v1 `blkio`.
    pub io: Option<Io>,
    /// One for each size of huge pages that the machine has.
    pub huge_pages: Vec<HugePages>,
    /// Absent on a kernel without pressure stall information, and without a group of v2.
    pub pressure: Option<PressureSet>,
    /// `Some(true)`: frozen by the freezer (docker pause).
    pub frozen: Option<bool>,
}

impl Cgroup {
    /// Its group in the hierarchy that a controller is in: what no v1 hierarchy has is v2's.
    pub fn group_of(&self, controller: &str) -> Option<&GroupPath> {
        let has = |group: &&GroupPath| {
            let mut controllers = group.controllers.as_bytes().split(|byte| *byte == b',');
            controllers.any(|one| one == controller.as_bytes())
        };
        let is_v2 = |group: &&GroupPath| group.controllers.is_empty();
        self.paths.iter().find(has).or_else(|| self.paths.iter().find(is_v2))
    }

    /// The path of that.
    pub fn path_of(&self, controller: &str) -> &Text {
        self.group_of(controller).map_or(&self.path, |group| &group.path)
    }
}

/// The group of a process in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GroupPath {
    /// `cpu,cpuacct`, `name=systemd`; empty for v2.
    pub controllers: Text,
    /// As /proc/PID/cgroup shows it.
    pub path: Text,
}

/// Memory, bytes. `None`: this kernel does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Memory {
    /// v1 memory.usage_in_bytes, v2 memory.current.
    pub usage_bytes: u64,
    /// Usage less inactive file cache, never below zero: what cAdvisor and the kubelet report.
    pub working_set_bytes: Option<u64>,
    /// Memory that no file stands behind.
    pub anon_bytes: Option<u64>,
    /// Cache of files, shared memory included.
    pub file_bytes: Option<u64>,
    /// What the kernel holds for it: v1 memory.kmem.usage_in_bytes, v2 `kernel` of memory.stat,
    /// before Linux 5.18 the sum of its parts.
    pub kernel_bytes: Option<u64>,
    /// The most that was ever used; on v2 since Linux 5.19.
    pub peak_bytes: Option<u64>,
    /// What of it lies in swap: v1 `total_swap` of memory.stat, v2 memory.swap.current.
    pub swap_bytes: Option<u64>,
    /// v1 memory.limit_in_bytes, v2 memory.max: the tightest from the group upwards.
    #[serde(flatten, serialize_with = "flat::bytes")]
    #[cfg_attr(feature = "schema", schemars(with = "flat::MemoryLimit"))]
    pub limit: Limit,
    /// Processes of this group (v2: and of those below it) killed because a limit on memory, its
    /// own or one above, was met.
    pub oom_kills: Option<u64>,
}

/// CPU. The limit is in thousandths of a core.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cpu {
    /// CPU time used so far, of all CPUs together: v1 cpuacct.usage, v2 `usage_usec` of cpu.stat.
    pub usage_usec: Option<u64>,
    /// v1 cpu.cfs_quota_us by cpu.cfs_period_us, v2 cpu.max: the tightest from the group upwards.
    #[serde(flatten, serialize_with = "flat::millicores")]
    #[cfg_attr(feature = "schema", schemars(with = "flat::CpuLimit"))]
    pub limit_millicores: Limit,
    /// Enforcement periods of its quota so far in which something ran.
    pub periods: Option<u64>,
    /// Those of them in which the quota was used up: `nr_throttled` of cpu.stat.
    pub throttled_periods: Option<u64>,
    /// How long all its CPUs together stood still for the quota.
    pub throttled_usec: Option<u64>,
}

/// Processes and threads of a group, and the limit that binds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pids {
    /// Threads count one by one.
    pub current: u64,
    /// pids.max: the tightest from the group upwards.
    #[serde(flatten, serialize_with = "flat::count")]
    #[cfg_attr(feature = "schema", schemars(with = "flat::PidsLimit"))]
    pub limit: Limit,
}

/// Pressure stall information of one resource: per cent of the last 10, 60 and 300 seconds in which
/// some, or all, that could run waited for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pressure {
    /// Share of the last 10 seconds in which at least one task waited: 0 to 100.
    pub some_avg10_percent: f64,
    /// Share of the last minute in which at least one task waited.
    pub some_avg60_percent: f64,
    /// Share of the last 5 minutes in which at least one task waited.
    pub some_avg300_percent: f64,
    /// How long at least one task waited, since the group was made.
    pub some_total_usec: u64,
    /// Share of the last 10 seconds in which all waited that could have run: 0 to 100.
    /// Null, like the three below, where the kernel does not tell: for cpu before Linux 5.13.
    pub full_avg10_percent: Option<f64>,
    /// Share of the last minute in which all waited.
    pub full_avg60_percent: Option<f64>,
    /// Share of the last 5 minutes in which all waited.
    pub full_avg300_percent: Option<f64>,
    /// How long all waited, since the group was made.
    pub full_total_usec: Option<u64>,
}

impl Eq for Pressure {}

/// How long work waited for each resource; absent where the kernel keeps no such account of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PressureSet {
    /// cpu.pressure: runnable tasks that waited for a CPU.
    pub cpu: Option<Pressure>,
    /// memory.pressure: tasks that waited for memory to be reclaimed or read back.
    pub memory: Option<Pressure>,
    /// io.pressure: tasks that waited for block devices.
    pub io: Option<Pressure>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(value: u64, set_by: &str) -> Limit {
        Limit::Value { value, set_by: set_by.into() }
    }

    #[test]
    fn the_tighter_limit_binds_and_the_nearer_wins_a_tie() {
        assert_eq!(Limit::Unlimited.tighter(limit(5, "/a")), limit(5, "/a"));
        assert_eq!(limit(5, "/a").tighter(Limit::Unlimited), limit(5, "/a"));
        assert_eq!(limit(5, "/a/b").tighter(limit(4, "/a")), limit(4, "/a"));
        assert_eq!(limit(5, "/a/b").tighter(limit(5, "/a")), limit(5, "/a/b"));
        assert_eq!(Limit::Unlimited.tighter(Limit::Unlimited), Limit::Unlimited);
    }
}
