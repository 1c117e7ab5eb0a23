//! What a process may use, and uses: rlimits, inotify, CPUs, its OOM score.

use super::cgroup::Bound;
use super::text::Text;

/// Limits of one process, and how much of each is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limits {
    /// As /proc/PID/limits lists them.
    pub rlimits: Vec<Rlimit>,
    /// Processes and threads of whoever made the user namespace that it is in, or one above, with all
    /// below: the most that one has. The kernel holds them to the limit that he had when he made it,
    /// which nobody can ask for. Absent where no such limit is: in the host's user namespace, and in
    /// what its root made.
    pub processes_above: Option<u64>,
    /// 0 to 2000: the highest is killed first when the host has no memory.
    pub oom_score: Option<u32>,
    /// −1000 (never) to 1000.
    pub oom_score_adj: Option<i32>,
    /// −20 (most CPU time) to 19.
    pub nice: Option<i32>,
    /// Its policy: `policy` of proc_pid_stat(5).
    pub scheduler: Option<Scheduler>,
    /// 1 to 99; 0 of a process that has none.
    pub realtime_priority: Option<u32>,
    /// CPUs and memory nodes, as lists: `0-3,8`.
    pub cpus_allowed: Option<Text>,
    /// The second of the two: `Mems_allowed_list` of /proc/PID/status.
    pub mems_allowed: Option<Text>,
    /// Of its user, and what of that the target's processes hold.
    pub inotify: Inotify,
}

/// One limit of getrlimit(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rlimit {
    /// Which limit, and its unit: `open_files`.
    pub resource: Resource,
    /// What the kernel holds it to: a number, or `max`.
    pub soft: Bound,
    /// How far it may raise the soft one without a capability: a number, or `max`.
    pub hard: Bound,
    /// In the unit of the limit; null where the kernel does not tell, and for processes where the
    /// limit does not hold (root of the host) or there is none.
    pub used: Option<u64>,
    /// The process may take more than that: as root of the host, or by a capability over the host's
    /// user namespace. Null where it has the capability and its user namespace cannot be seen.
    pub exempt: Option<bool>,
}

impl Rlimit {
    /// In per cent of the soft limit; only where the process is known to be held to it.
    pub fn used_percent(&self) -> Option<u64> {
        self.used
            .filter(|_| self.exempt == Some(false))?
            .saturating_mul(100)
            .checked_div(self.soft.value()?)
    }
}

/// setrlimit(2); the unit is in the name, or a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// RLIMIT_CPU: CPU time, after which it gets SIGXCPU.
    CpuSeconds,
    /// RLIMIT_FSIZE: how large a file that it writes may become.
    FileBytes,
    /// RLIMIT_DATA: data, heap and private writable memory.
    DataBytes,
    /// RLIMIT_STACK: of its first thread.
    StackBytes,
    /// RLIMIT_CORE: how large a core file may be.
    CoreBytes,
    /// Without effect since Linux 2.4.30.
    ResidentBytes,
    /// Of its user, in its user namespace.
    Processes,
    /// RLIMIT_NOFILE: one more than the highest descriptor.
    OpenFiles,
    /// RLIMIT_MEMLOCK: what may be kept out of swap by mlock(2).
    LockedBytes,
    /// RLIMIT_AS: virtual memory.
    AddressSpaceBytes,
    /// RLIMIT_LOCKS: without effect since Linux 2.4.25.
    FileLocks,
    /// RLIMIT_SIGPENDING: of its user, signals that are queued.
    PendingSignals,
    /// RLIMIT_MSGQUEUE: of its user, in POSIX message queues.
    MessageQueueBytes,
    /// 20 less the nice value that it may take.
    Nice,
    /// RLIMIT_RTPRIO: the highest priority of real time that it may take.
    RealtimePriority,
    /// RLIMIT_RTTIME: CPU time in real time without a call that waits.
    RealtimeUsec,
}

impl Resource {
    /// By their numbers in the kernel: RLIMIT_CPU is the first.
    pub const ALL: [Self; 16] = [
        Self::CpuSeconds,
        Self::FileBytes,
        Self::DataBytes,
        Self::StackBytes,
        Self::CoreBytes,
        Self::ResidentBytes,
        Self::Processes,
        Self::OpenFiles,
        Self::LockedBytes,
        Self::AddressSpaceBytes,
        Self::FileLocks,
        Self::PendingSignals,
        Self::MessageQueueBytes,
        Self::Nice,
        Self::RealtimePriority,
        Self::RealtimeUsec,
    ];

    /// As `/proc/PID/limits` names it, after `Max `.
    pub const fn kernels_name(self) -> &'static str {
        match self {
            Self::CpuSeconds => "cpu time",
            Self::FileBytes => "file size",
            Self::DataBytes => "data size",
            Self::StackBytes => "stack size",
            Self::CoreBytes => "core file size",
            Self::ResidentBytes => "resident set",
            Self::Processes => "processes",
            Self::OpenFiles => "open files",
            Self::LockedBytes => "locked memory",
            Self::AddressSpaceBytes => "address space",
            Self::FileLocks => "file locks",
            Self::PendingSignals => "pending signals",
            Self::MessageQueueBytes => "msgqueue size",
            Self::Nice => "nice priority",
            Self::RealtimePriority => "realtime priority",
            Self::RealtimeUsec => "realtime timeout",
        }
    }

    /// As setrlimit(2) names it after `RLIMIT_`, in small letters, as prlimit(1) has it.
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::CpuSeconds => "cpu",
            Self::FileBytes => "fsize",
            Self::DataBytes => "data",
            Self::StackBytes => "stack",
            Self::CoreBytes => "core",
            Self::ResidentBytes => "rss",
            Self::Processes => "nproc",
            Self::OpenFiles => "nofile",
            Self::LockedBytes => "memlock",
            Self::AddressSpaceBytes => "as",
            Self::FileLocks => "locks",
            Self::PendingSignals => "sigpending",
            Self::MessageQueueBytes => "msgqueue",
            Self::Nice => "nice",
            Self::RealtimePriority => "rtprio",
            Self::RealtimeUsec => "rttime",
        }
    }

    /// It is counted in bytes.
    pub const fn is_bytes(self) -> bool {
        matches!(
            self,
            Self::FileBytes
                | Self::DataBytes
                | Self::StackBytes
                | Self::CoreBytes
                | Self::ResidentBytes
                | Self::LockedBytes
                | Self::AddressSpaceBytes
                | Self::MessageQueueBytes
        )
    }
}

/// sched(7)
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scheduler {
    /// SCHED_OTHER: time sharing, by nice values.
    Other,
    /// SCHED_FIFO: real time; runs until it waits or yields.
    Fifo,
    /// SCHED_RR: real time, in turns with its equals.
    Rr,
    /// SCHED_BATCH: time sharing, for what computes and waits for nobody.
    Batch,
    /// SCHED_IDLE: only when little else wants to run.
    Idle,
    /// SCHED_DEADLINE: so much CPU time within each period.
    Deadline,
    /// SCHED_EXT: by a BPF program (Linux 6.12).
    Ext,
    /// A policy of a newer kernel.
    Unknown,
}

impl Scheduler {
    /// By its number in linux/sched.h.
    pub const fn of(policy: u32) -> Self {
        match policy {
            0 => Self::Other,
            1 => Self::Fifo,
            2 => Self::Rr,
            3 => Self::Batch,
            5 => Self::Idle,
            6 => Self::Deadline,
            7 => Self::Ext,
            _ => Self::Unknown,
        }
    }

    /// As reports spell it: SCHED_* in small letters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Fifo => "fifo",
            Self::Rr => "rr",
            Self::Batch => "batch",
            Self::Idle => "idle",
            Self::Deadline => "deadline",
            Self::Ext => "ext",
            Self::Unknown => "unknown",
        }
    }
}

/// Limits for all processes of a user together (inotify(7)), and what those of the target hold, each
/// object once: null where they have too many descriptors to look through, or where these cannot be
/// seen or told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Inotify {
    /// What the target's processes hold.
    pub instances: Option<u64>,
    /// Of all these instances together.
    pub watches: Option<u64>,
    /// Of these instances, those of the one user who has most: of the host, or who made the user
    /// namespace that they are in, whoever has them there.
    pub of_one_user_instances: Option<u64>,
    /// Of these watches, those of the one user who has most.
    pub of_one_user_watches: Option<u64>,
    /// fs.inotify.max_user_instances, which is the same for the whole host.
    pub max_user_instances: Option<u64>,
    /// fs.inotify.max_user_watches, which is the same for the whole host.
    pub max_user_watches: Option<u64>,
}
