//! A control group of our own, for one program: what it limits, where it can be made, and what was
//! used in it.

use super::cgroup::{Bound, IoDevice, IoKind};
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
    Memory,
    Cpu,
    /// Counts CPU time on v1. On v2 every group does.
    CpuAccounting,
    Cpuset,
    Pids,
    Io,
}

impl Controller {
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
    pub memory_bytes: Option<u64>,
    /// Swap alone, beside memory. Where only memory is limited there is none, if the kernel can.
    pub swap: Option<Bound>,
    /// Of each [`CPU_PERIOD_USEC`], on all CPUs together.
    pub cpu_quota_usec: Option<u64>,
    pub cpus: Option<CpuList>,
    pub pids: Option<u64>,
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
}

/// A block device by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    pub major: u32,
    pub minor: u32,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// One limit of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoRule {
    pub device: Device,
    pub kind: IoKind,
    pub per_second: u64,
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
    pub cpu_usec: Option<u64>,
    pub cpu_user_usec: Option<u64>,
    pub cpu_system_usec: Option<u64>,
    /// Periods in which it ran while its CPU time was limited, and those in which it used it up.
    pub periods: Option<u64>,
    pub throttled_periods: Option<u64>,
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
    fn the_two_versions_name_them_differently() {
        let names = |controller: Controller| (controller.v1_name(), controller.v2_name());
        assert_eq!(names(Controller::Io), ("blkio", Some("io")));
        assert_eq!(names(Controller::CpuAccounting), ("cpuacct", None));
        assert_eq!(names(Controller::Pids), ("pids", Some("pids")));
    }
}
