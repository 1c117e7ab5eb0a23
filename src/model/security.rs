//! What a process may do to the rest of the machine: ids, capabilities, seccomp, LSM labels, devices.

use super::capability::CapSet;
use super::namespace::Kind;
use super::process::Pid;
use super::seccomp::SeccompDump;
use super::text::Text;

/// Whom a process acts as, and what keeps it from the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Security {
    /// Whether it is as good as root on the host, and why.
    pub verdict: Verdict,
    /// As the host numbers them.
    pub uid: Ids,
    /// As the host numbers them; `name` is that of a group.
    pub gid: Ids,
    /// Supplementary ones, as the host numbers them.
    pub groups: Vec<Id>,
    /// Those of /proc/PID/status.
    pub capabilities: Capabilities,
    /// No exec gives it more rights: `NoNewPrivs` of /proc/PID/status.
    pub no_new_privs: bool,
    /// Its mode: `Seccomp` of /proc/PID/status.
    pub seccomp: Seccomp,
    /// Since Linux 5.9.
    pub seccomp_filters: Option<u64>,
    /// What its filters do; only with `--seccomp`, as root.
    pub seccomp_dump: Option<SeccompDump>,
    /// AppArmor's profile or SELinux's context: /proc/PID/attr/current.
    pub label: Option<Text>,
    /// Absent where it cannot be read.
    pub uid_map: Option<Vec<IdRange>>,
    /// The same of groups; absent where it cannot be read.
    pub gid_map: Option<Vec<IdRange>>,
    /// `allow` or `deny`.
    pub setgroups: Option<Text>,
    /// Whether others of its user may look into its memory; null where its files do not tell.
    pub dumpable: Option<bool>,
    /// Paths of /proc and /sys that something empty is mounted over.
    pub masked_paths: Vec<Text>,
    /// Paths of /proc and /sys that are mounted again, read-only.
    pub read_only_paths: Vec<Text>,
    /// By the devices controller of v1, or programs on groups of v2.
    pub devices: Devices,
    /// Threads that may do more than the first one, of which all else is told; null where there is
    /// none.
    pub stronger_threads: Option<StrongerThreads>,
    /// Sockets of engines and the like that are mounted into it, told by their names.
    pub control_sockets: Vec<Text>,
}

/// Of a process whose first thread has given up what others have.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StrongerThreads {
    /// How many; among the first 4096 of the process.
    pub count: u32,
    /// The one with the most capabilities, as the host numbers threads.
    pub strongest: Pid,
    /// What that one may make effective.
    pub permitted: CapSet,
    /// Whether no exec gives it more rights.
    pub no_new_privs: bool,
    /// Its mode.
    pub seccomp: Seccomp,
}

/// Whether it is as good as root on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verdict {
    /// Every capability that the host gives within its reach (of a service, or without new privileges
    /// and root's ids, what is permitted; else the bounding set), in the host's user namespace,
    /// without seccomp, nothing masked that it cannot uncover and no device forbidden.
    pub privileged: bool,
    /// Each thing that gives it more than a container usually has.
    pub reasons: Vec<String>,
}

/// Real, effective, saved, file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ids {
    /// Who it belongs to; it stays when a set-user-ID program is run.
    pub real: u32,
    /// By which the kernel mostly judges what it may do.
    pub effective: u32,
    /// To which it may go back.
    pub saved: u32,
    /// By which files are judged; mostly the effective one.
    pub fs: u32,
    /// What the host calls the effective one; null in another user namespace.
    pub name: Option<Text>,
}

/// An id as the host numbers it, and what the host calls it; no name where the host has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Id {
    /// Of a user or group.
    pub id: u32,
    /// `www-data`; null in another user namespace, too.
    pub name: Option<Text>,
}

/// A process's five sets, and how they compare to what containers usually have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Capabilities {
    /// What the kernel judges by.
    pub effective: CapSet,
    /// What it may make effective.
    pub permitted: CapSet,
    /// What a program keeps over exec whose file has them inheritable too.
    pub inheritable: CapSet,
    /// More than this no exec gives it.
    pub bounding: CapSet,
    /// What it keeps over exec of an ordinary file.
    pub ambient: CapSet,
    /// In the bounding set beyond what docker and most others give, and what is lacking from that.
    pub beyond_usual: CapSet,
    /// The second of the two.
    pub lacking_from_usual: CapSet,
}

/// A process's mode of seccomp(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Seccomp {
    /// No mode: every call is let through.
    #[default]
    Off,
    /// read, write, exit and sigreturn alone.
    Strict,
    /// Programs decide, each call anew.
    Filter,
    /// A mode of a newer kernel.
    Unknown,
}

/// `count` ids from `inside` on are the ids from `outside` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IdRange {
    /// The first, as the namespace itself numbers it.
    pub inside: u32,
    /// The first, as who reads the map (or writes it) numbers it.
    pub outside: u32,
    /// How many; 4294967295 of the initial namespace.
    pub count: u32,
}

/// Which devices it may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Devices {
    /// All by default: v1's `a *:* rwm`, beside which the kernel does not list what was denied since;
    /// or no rule on any group of v2 from its own upwards.
    All,
    /// Those that the v1 devices controller lists.
    Listed(Vec<Text>),
    /// A program decides: its ids on v2, the nearest group's first.
    Programs(Vec<u32>),
    /// It may not be asked, or its groups cannot be seen.
    #[default]
    Unknown,
}

/// What the verdict is made from besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Its user namespace is the host's; not known where it cannot be seen.
    pub hosts_users: Option<bool>,
    /// Root of the host is somebody in its user namespace: whoever becomes him there is root to the
    /// host's files.
    pub maps_hosts_root: bool,
    /// It is a service of systemd, whose root is the host's in any case.
    pub is_service: bool,
    /// Isolating namespaces that it shares with the host.
    pub shared: Vec<Kind>,
    /// The most that a process of the host can have.
    pub hosts_capabilities: Option<CapSet>,
}
