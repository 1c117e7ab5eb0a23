//! A control group of our own, for one program: what it limits, where it can be made, and what was
//! used in it.

use super::cgroup::{Bound, IoDevice, IoKind};
use super::device::Device;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

mod cpus;

pub use cpus::CpuList;

/// The length of the period of which a group may use a quota of CPU time: the kernel's own default.
pub const CPU_PERIOD_USEC: u64 = 100_000;
/// The kernel takes no less.
pub const LEAST_CPU_QUOTA_USEC: u64 = 1_000;

/// What a group needs to limit or to count something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// `memory`; swap too.
    Memory,
    /// `cpu`, for a quota of CPU time. On v1 usage is counted by another.
    Cpu,
    /// Counts CPU time on v1. On v2 every group does.
    CpuAccounting,
    /// `cpuset`, for which CPUs it runs on.
    Cpuset,
    /// `pids`, for the number of processes and threads.
    Pids,
    /// `io` of v2, `blkio` of v1, for block devices.
    Io,
}

impl Controller {
    /// Every controller that `spawn` may want.
    pub const ALL: [Self; 6] =
        [Self::Memory, Self::Cpu, Self::CpuAccounting, Self::Cpuset, Self::Pids, Self::Io];

    /// As v1 calls it.
    pub const fn v1_name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::CpuAccounting => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Pids => "pids",
            Self::Io => "blkio",
        }
    }

    /// As v2 calls it; the accounting of CPU time is no controller there.
    pub const fn v2_name(self) -> Option<&'static str> {
        match self {
            Self::CpuAccounting => None,
            Self::Io => Some("io"),
            same => Some(same.v1_name()),
        }
    }

    /// What it limits.
    pub const fn subject(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu | Self::CpuAccounting => "CPU time",
            Self::Cpuset => "CPUs",
            Self::Pids => "processes",
            Self::Io => "I/O",
        }
    }
}

/// What the program may use, all its processes together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// v1 memory.limit_in_bytes, v2 memory.max. Absent, like the others: no limit is set.
    pub memory_bytes: Option<u64>,
    /// Swap alone, beside memory. Where only memory is limited there is none, if the kernel can.
    pub swap: Option<Bound>,
    /// Of each [`CPU_PERIOD_USEC`], on all CPUs together.
    pub cpu_quota_usec: Option<u64>,
    /// On which it may run: `0-3,8`.
    pub cpus: Option<CpuList>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Empty: none is set.
    pub io: Vec<IoRule>,
}

impl Limits {
    /// What must be there for them to hold.
    pub fn controllers(&self) -> Vec<Controller> {
        let memory = self.memory_bytes.is_some() || self.swap.is_some();
        [
            (Controller::Memory, memory),
            (Controller::Cpu, self.cpu_quota_usec.is_some()),
            (Controller::Cpuset, self.cpus.is_some()),
            (Controller::Pids, self.pids.is_some()),
            (Controller::Io, !self.io.is_empty()),
        ]
        .into_iter()
        .filter_map(|(controller, needed)| needed.then_some(controller))
        .collect()
    }

    /// In the words of the options: `cpus` → `0.5`.
    pub fn words(&self) -> BTreeMap<String, String> {
        let io: Vec<_> = self.io.iter().map(ToString::to_string).collect();
        let swap = self.swap.map(|swap| match swap {
            Bound::Unlimited => "max".to_owned(),
            Bound::At(bytes) => size(bytes),
        });
        let said = [
            ("memory", self.memory_bytes.map(size)),
            ("swap", swap),
            ("cpus", self.cpu_quota_usec.map(share)),
            ("cpuset", self.cpus.as_ref().map(ToString::to_string)),
            ("pids", self.pids.map(|most| most.to_string())),
            ("io", (!io.is_empty()).then(|| io.join(" "))),
        ];
        let said = said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        said.collect()
    }
}

/// `0.5` of 50000.
fn share(quota_usec: u64) -> String {
    let (whole, part) = (quota_usec / CPU_PERIOD_USEC, quota_usec % CPU_PERIOD_USEC);
    let text = format!("{whole}.{part:05}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `64M`, with the largest unit of which it is a whole number: exact, and what an option takes.
fn size(bytes: u64) -> String {
    let units = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
    let whole = |(shift, _): &(u32, &str)| bytes > 0 && bytes.trailing_zeros() >= *shift;
    match units.iter().find(|unit| whole(unit)) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

/// One limit of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoRule {
    /// A block device of the host.
    pub device: Device,
    /// Bytes or operations, read or written.
    pub kind: IoKind,
    /// Bytes or operations, as the kind says.
    pub per_second: u64,
}

impl fmt::Display for IoRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = match self.kind {
            IoKind::ReadBytes | IoKind::WrittenBytes => size(self.per_second),
            IoKind::Reads | IoKind::Writes => self.per_second.to_string(),
        };
        write!(f, "{}:{}={per_second}", self.device, self.kind.key())
    }
}

/// Where the groups of one program can be made, one in each hierarchy that is needed. Empty where
/// none is needed, or none can be had for mere accounting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sites(pub Vec<Site>);

/// A place for a group in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The directory in which it is made.
    pub parent: PathBuf,
    /// The hierarchy is v2's.
    pub is_v2: bool,
    /// Those that the group will have, as far as we care.
    pub controllers: Vec<Controller>,
    /// It only counts or helps to clear up: where it cannot be made the program runs without.
    pub is_optional: bool,
}

/// What was used in a group from its making to the end. `None`: this kernel does not say, or there
/// was no controller for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Used {
    /// CPU time on all CPUs together: v1 cpuacct.usage, v2 `usage_usec` of cpu.stat.
    pub cpu_usec: Option<u64>,
    /// Of that, what its programs used themselves.
    pub cpu_user_usec: Option<u64>,
    /// Of that, what the kernel used for them.
    pub cpu_system_usec: Option<u64>,
    /// Periods in which it ran while its CPU time was limited, and those in which it used it up.
    pub periods: Option<u64>,
    /// The second of the two: `nr_throttled` of cpu.stat.
    pub throttled_periods: Option<u64>,
    /// How long all its CPUs together stood still for the limit.
    pub throttled_usec: Option<u64>,
    /// The file cache is in it.
    pub memory_peak_bytes: Option<u64>,
    /// Processes that were killed because a limit on memory was met.
    pub oom_kills: Option<u64>,
    /// Processes and threads at one time.
    pub pids_peak: Option<u64>,
    /// Processes and threads that could not be started because of a limit on their number.
    pub refused_forks: Option<u64>,
    /// By device. v1 does not see what was written through the page cache.
    pub io: Option<Vec<IoDevice>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_needs_its_controller() {
        assert_eq!(Limits::default().controllers(), []);
        let device = Device { major: 8, minor: 16 };
        assert_eq!(device.to_string(), "8:16");
        let swap = Limits { swap: Some(Bound::At(0)), ..Limits::default() };
        assert_eq!(swap.controllers(), [Controller::Memory]);
        let rest = Limits {
            cpu_quota_usec: Some(50_000),
            cpus: CpuList::parse(b"0"),
            pids: Some(9),
            io: vec![IoRule { device, kind: IoKind::Reads, per_second: 1 }],
            ..Limits::default()
        };
        let needed = [Controller::Cpu, Controller::Cpuset, Controller::Pids, Controller::Io];
        assert_eq!(rest.controllers(), needed);
    }

    #[test]
    fn limits_are_told_in_the_words_of_the_options() {
        let device = Device { major: 8, minor: 0 };
        let rule = |kind, per_second| IoRule { device, kind, per_second };
        let limits = Limits {
            memory_bytes: Some(64 << 20),
            swap: Some(Bound::Unlimited),
            cpu_quota_usec: Some(50_000),
            cpus: CpuList::parse(b"3,1"),
            pids: Some(9),
            io: vec![rule(IoKind::WrittenBytes, 10 << 20), rule(IoKind::Reads, 1024)],
        };
        let told: Vec<_> =
            limits.words().into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        let expected = [
            "cpus 0.5",
            "cpuset 1,3",
            "io 8:0:wbps=10M 8:0:riops=1024",
            "memory 64M",
            "pids 9",
            "swap max",
        ];
        assert_eq!(told, expected);
        assert_eq!(["2", "1.25", "0.01"].map(str::to_owned), [200_000, 125_000, 1000].map(share));
        assert!(Limits::default().words().is_empty());
        for (bytes, told) in [
            (0, "0"),
            (1, "1"),
            (1536, "1536"),
            (1 << 10, "1K"),
            (3 << 29, "1536M"),
            (1 << 50, "1024T"),
        ] {
            assert_eq!(size(bytes), told);
        }
    }

    #[test]
    fn the_two_versions_name_them_differently() {
        let names = |controller: Controller| (controller.v1_name(), controller.v2_name());
        assert_eq!(names(Controller::Io), ("blkio", Some("io")));
        assert_eq!(names(Controller::CpuAccounting), ("cpuacct", None));
        assert_eq!(names(Controller::Pids), ("pids", Some("pids")));
    }
}
