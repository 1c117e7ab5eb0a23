//! What a process may do to the rest of the machine.

use super::capability::CapSet;
use super::namespace::Kind;
use super::seccomp::SeccompDump;
use super::text::Text;

/// Whom a process acts as, and what keeps it from the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Security {
    pub verdict: Verdict,
    /// As the host numbers them.
    pub uid: Ids,
    pub gid: Ids,
    pub groups: Vec<Id>,
    pub capabilities: Capabilities,
    pub no_new_privs: bool,
    pub seccomp: Seccomp,
    /// Since Linux 5.9.
    pub seccomp_filters: Option<u64>,
    /// What its filters do; only with `--seccomp`, as root.
    pub seccomp_dump: Option<SeccompDump>,
    /// AppArmor's profile or SELinux's context: /proc/PID/attr/current.
    pub label: Option<Text>,
    /// Absent where it cannot be read.
    pub uid_map: Option<Vec<IdRange>>,
    pub gid_map: Option<Vec<IdRange>>,
    /// `allow` or `deny`.
    pub setgroups: Option<Text>,
    /// Whether others of its user may look into its memory; null where its files do not tell.
    pub dumpable: Option<bool>,
    /// Paths of /proc and /sys that something empty is mounted over.
    pub masked_paths: Vec<Text>,
    /// Paths of /proc and /sys that are mounted again, read-only.
    pub read_only_paths: Vec<Text>,
    pub devices: Devices,
    /// Sockets of engines and the like that are mounted into it.
    pub control_sockets: Vec<Text>,
}

/// Whether it is as good as root on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verdict {
    /// Every capability that the host gives, in the host's user namespace, without seccomp, nothing
    /// masked and no device forbidden.
    pub privileged: bool,
    /// Each thing that gives it more than a container usually has.
    pub reasons: Vec<String>,
}

/// Real, effective, saved, file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ids {
    pub real: u32,
    pub effective: u32,
    pub saved: u32,
    pub fs: u32,
    /// What the host calls the effective one; null in another user namespace.
    pub name: Option<Text>,
}

/// An id as the host numbers it, and what the host calls it; no name where the host has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Id {
    pub id: u32,
    pub name: Option<Text>,
}

/// A process's five sets, and how they compare to what containers usually have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Capabilities {
    pub effective: CapSet,
    pub permitted: CapSet,
    pub inheritable: CapSet,
    pub bounding: CapSet,
    pub ambient: CapSet,
    /// In the bounding set beyond what docker and most others give, and what is lacking from that.
    pub beyond_usual: CapSet,
    pub lacking_from_usual: CapSet,
}

/// A process's mode of seccomp(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Seccomp {
    #[default]
    Off,
    /// read, write, exit and sigreturn alone.
    Strict,
    Filter,
    /// A mode of a newer kernel.
    Unknown,
}

/// `count` ids from `inside` on are the ids from `outside` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IdRange {
    pub inside: u32,
    pub outside: u32,
    pub count: u32,
}

/// Which devices it may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Devices {
    /// All: v1's `a *:* rwm`, or no rule on any group of v2 from its own upwards.
    All,
    /// Those that the v1 devices controller lists.
    Listed(Vec<Text>),
    /// A program decides: its ids on v2, the nearest group's first.
    Programs(Vec<u32>),
    #[default]
    Unknown,
}

/// What the verdict is made from besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Its user namespace is the host's; not known where it cannot be seen.
    pub hosts_users: Option<bool>,
    /// Isolating namespaces that it shares with the host.
    pub shared: Vec<Kind>,
    /// The most that a process of the host can have.
    pub hosts_capabilities: Option<CapSet>,
}
