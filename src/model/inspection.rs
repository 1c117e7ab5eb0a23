//! Everything about one target.

use super::cgroup::Cgroup;
use super::container::Container;
use super::finding::Finding;
use super::formulas::Formulas;
use super::identity::Identity;
use super::limits::Limits;
use super::mount::Mount;
use super::namespace::Kind;
use super::network::Network;
use super::process::{Pid, State};
use super::security::Security;
use super::text::Text;
use super::uts::{ClockOffsets, Uts};
use std::time::Duration;

/// A section of the report, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// What the process runs, and as whom.
    Identity,
    /// Which it is in, whose these are, and who else is in them.
    Namespaces,
    /// Host name, NIS domain, and how far its clocks are off.
    Uts,
    /// Interfaces, addresses, routes, rules, neighbours, sockets, and the resolver's files.
    Net,
    /// What is mounted, as the process sees it.
    Mounts,
    /// What its control groups use and may use.
    Cgroup,
    /// What it may do to the rest of the machine.
    Security,
    /// Resource limits, scheduling, and how likely it is killed for want of memory.
    Limits,
    /// Those of the container or group, or the one that was named.
    Processes,
}

impl Section {
    /// In the order of a report.
    pub const ALL: [Self; 9] = [
        Self::Identity,
        Self::Namespaces,
        Self::Uts,
        Self::Net,
        Self::Mounts,
        Self::Cgroup,
        Self::Security,
        Self::Limits,
        Self::Processes,
    ];

    /// As `--only` and JSON spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Namespaces => "namespaces",
            Self::Uts => "uts",
            Self::Net => "net",
            Self::Mounts => "mounts",
            Self::Cgroup => "cgroup",
            Self::Security => "security",
            Self::Limits => "limits",
            Self::Processes => "processes",
        }
    }
}

/// A section that was not asked for, or could not be read (then a gap says why), is `None`.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The process that was named, or the first one of the container that was.
    pub pid: Pid,
    /// The inode of its pidfd, which with `pid` means this very process until the next boot.
    pub pid_inode: Option<u64>,
    /// What that process is called inside its own pid namespace.
    pub pid_inside: Option<Pid>,
    /// Command name of that process, at most 15 bytes, which it chooses itself.
    pub comm: Text,
    /// Seconds since 1970 at which that process started; absent where no boot time can be read.
    pub started_unix_seconds: Option<u64>,
    /// Since the process started.
    pub age_seconds: Option<u64>,
    /// It shares the host's mounts, pids and network; absent where that cannot be seen.
    pub of_the_host: Option<bool>,
    /// The container that the process belongs to.
    pub container: Option<Container>,
    /// What it runs, and as whom.
    pub identity: Option<Identity>,
    /// Those that can be seen, in the order of reports.
    pub namespaces: Option<Vec<Namespace>>,
    /// Asked in its UTS namespace.
    pub uts: Option<Uts>,
    /// Absent in the host's time namespace.
    pub clock_offsets: Option<ClockOffsets>,
    /// Asked in its network namespace.
    pub network: Option<Network>,
    /// As the process sees them.
    pub mounts: Option<Vec<Mount>>,
    /// Of the container's own groups, of the group that was named, or of those it is in.
    pub cgroup: Option<Cgroup>,
    /// Only where it was asked for.
    pub formulas: Option<Formulas>,
    /// Of that one process.
    pub security: Option<Security>,
    /// Of that one process, but for inotify.
    pub limits: Option<Limits>,
    /// Those of the container or group by pid, the first 8192, with the command lines of the first 512; or
    /// the one that was named.
    pub processes: Option<Vec<Member>>,
    /// What is unusual, the worst first.
    pub findings: Vec<Finding>,
}

/// A mount namespace that no process lives in: something else keeps it alive.
#[derive(Clone, Debug)]
pub struct Vacant {
    /// Its kind, inode and owner; nobody shares it.
    pub namespace: Namespace,
    /// Absent where it was not asked for.
    pub mounts: Option<Vec<Mount>>,
}

/// What is asked about a target.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What else is not read, and stays `None`.
    pub sections: Vec<Section>,
    /// How long the CPU is watched; not at all unless asked for.
    pub interval: Option<Duration>,
    /// What other tools would print, too.
    pub formulas: bool,
    /// How full the mounted file systems are, which each of them has to be asked.
    pub usage: bool,
    /// Its seccomp filters, for which it is stopped for a moment.
    pub seccomp: bool,
}

/// One namespace of the target.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Namespace {
    /// The word in `/proc/PID/ns`: `net`.
    pub kind: Kind,
    /// As `/proc/PID/ns` shows it: `4026531840`.
    pub inode: u64,
    /// It is not the host's.
    pub own: bool,
    /// The other containers in it, as targets; empty where it is the host's.
    pub shared_with: Vec<Text>,
    /// The user namespace that owns it; null for one of the host's, and where that is above ours.
    pub owner_inode: Option<u64>,
    /// A number of the kernel's that is never given twice (Linux 6.18); null for one of the host's.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    #[serde(serialize_with = "as_text")]
    pub nsid: Option<u64>,
    /// The namespace that the next child will be in, where that is another one.
    pub for_children_inode: Option<u64>,
}

/// It may pass 2^53.
#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn as_text<S: serde::Serializer>(id: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&id.map(|id| id.to_string()), serializer)
}

/// One process of the container.
#[derive(Clone, Debug)]
pub struct Member {
    /// As the reader's /proc numbers it.
    pub pid: Pid,
    /// Absent where that is outside the reader's pid namespace.
    pub parent: Option<Pid>,
    /// Its pid in its own namespace.
    pub pid_inside: Option<Pid>,
    /// The effective user, as the host numbers it.
    pub uid: Option<u32>,
    /// What it did when it was seen: `S`, `R`, `Z`.
    pub state: State,
    /// `Threads` of /proc/PID/status; absent where that could not be read.
    pub threads: Option<u32>,
    /// Resident memory; absent where it has none, as a zombie.
    pub rss_bytes: Option<u64>,
    /// Seconds since 1970; absent where no boot time can be read.
    pub started_unix_seconds: Option<u64>,
    /// Since it started; absent where no uptime can be read.
    pub age_seconds: Option<u64>,
    /// Command name, at most 15 bytes, which it chooses itself.
    pub comm: Text,
    /// Arguments joined by blanks; absent where its memory did not answer or it has none.
    pub command: Option<Text>,
}
