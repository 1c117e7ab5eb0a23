//! What a process is and may do, as a program that is started beside it can take it over.

use super::capability::CapSet;
use super::group::CpuList;
use super::limits::Rlimit;
use super::text::Text;
use std::fmt;

/// How the target's user namespace stands to the program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// It is ours.
    Ours,
    /// The program is going to be in it.
    Joined,
    /// It is another, and the program stays in ours: the target's capabilities mean nothing there.
    Left,
}

/// A user or a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Number {
    /// As we see it.
    pub outside: u32,
    /// Where the program is going to be; none where that namespace does not know it.
    pub inside: Option<u32>,
}

/// The five sets of a process: capabilities(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapSets {
    /// Kept over exec by programs whose files have them inheritable too.
    pub inheritable: CapSet,
    /// What it may make effective.
    pub permitted: CapSet,
    /// What the kernel judges by.
    pub effective: CapSet,
    /// More than this no exec gives.
    pub bounding: CapSet,
    /// Kept over exec of an ordinary file.
    pub ambient: CapSet,
}

/// A security module that labels processes, and takes the label of the next program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// Labels are profiles: `docker-default`.
    AppArmor,
    /// Labels are contexts: `system_u:system_r:container_t:s0:c1,c2`.
    SeLinux,
}

/// What a security module calls a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The one whose label it is.
    pub module: Module,
    /// Without AppArmor's mode.
    pub text: Text,
}

/// A seccomp filter as the kernel takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// `struct sock_filter`, one after the other.
    pub program: Vec<u8>,
    /// What it does not allow is logged.
    pub logs: bool,
}

/// How much of the CPUs' time it gets: sched(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// SCHED_* of linux/sched.h.
    pub policy: u32,
    /// 1 to 99 of a real-time policy, else 0.
    pub priority: u32,
    /// −20 to 19; it counts with the others.
    pub nice: i32,
}

impl Schedule {
    /// Every process may change from the one to the other.
    pub const fn is_free_from(&self, before: Self) -> bool {
        const OTHER: u32 = 0;
        const BATCH: u32 = 3;
        const IDLE: u32 = 5;
        matches!(self.policy, OTHER | BATCH | IDLE)
            && before.policy != IDLE
            && self.nice >= before.nice
    }
}

/// A target's rights, read before the join so that they can be given to a program after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The one that it has after exec: mostly the effective one.
    pub user: Number,
    /// The same of groups.
    pub group: Number,
    /// Supplementary ones.
    pub groups: Vec<Number>,
    /// Its user namespace forbids setgroups(2).
    pub setgroups_denied: bool,
    /// Empty where its user namespace is another, and not joined.
    pub capabilities: CapSets,
    /// No exec gives it more rights: `NoNewPrivs` of /proc/PID/status.
    pub no_new_privs: bool,
    /// Absent where the kernel does not tell.
    pub umask: Option<u32>,
    /// As /proc/PID/limits has them; empty where it could not be read.
    pub rlimits: Vec<Rlimit>,
    /// Absent where the kernel does not tell.
    pub schedule: Option<Schedule>,
    /// On which it may run; absent where the kernel does not tell.
    pub cpus: Option<CpuList>,
    /// −1000 (never) to 1000.
    pub oom_score_adj: Option<i32>,
    /// None where nothing confines it, or what does confines us too.
    pub label: Option<Label>,
    /// The oldest first.
    pub filters: Vec<Filter>,
}

/// Something of the target that its program will not have, or not as the target has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// In our own words: `seccomp filters`, `security label`.
    pub what: &'static str,
    /// Safe to print: made of our own words and escaped text.
    pub why: String,
}

impl Shortfall {
    /// The reason must be safe to print: escape what comes from outside.
    pub fn new(what: &'static str, why: impl fmt::Display) -> Self {
        Self { what, why: why.to_string() }
    }
}

/// `seccomp filters: cannot trace pid 42: Operation not permitted`
impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}
