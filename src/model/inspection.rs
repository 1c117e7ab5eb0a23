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
    Identity,
    Namespaces,
    Uts,
    Net,
    Mounts,
    Cgroup,
    Security,
    Limits,
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
    pub comm: Text,
    pub started_unix_seconds: Option<u64>,
    /// Since the process started.
    pub age_seconds: Option<u64>,
    /// It shares the host's mounts, pids and network; absent where that cannot be seen.
    pub of_the_host: Option<bool>,
    /// The container that the process belongs to.
    pub container: Option<Container>,
    pub identity: Option<Identity>,
    pub namespaces: Option<Vec<Namespace>>,
    pub uts: Option<Uts>,
    /// Absent in the host's time namespace.
    pub clock_offsets: Option<ClockOffsets>,
    pub network: Option<Network>,
    pub mounts: Option<Vec<Mount>>,
    pub cgroup: Option<Cgroup>,
    /// Only where it was asked for.
    pub formulas: Option<Formulas>,
    pub security: Option<Security>,
    pub limits: Option<Limits>,
    pub processes: Option<Vec<Member>>,
    /// What is unusual, the worst first.
    pub findings: Vec<Finding>,
}

/// A mount namespace that no process lives in: something else keeps it alive.
#[derive(Clone, Debug)]
pub struct Vacant {
    pub namespace: Namespace,
    /// Absent where it was not asked for.
    pub mounts: Option<Vec<Mount>>,
}

/// What is asked about a target.
#[derive(Clone, Debug)]
pub struct Wish {
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
    pub kind: Kind,
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
    pub pid: Pid,
    pub parent: Option<Pid>,
    /// Its pid in its own namespace.
    pub pid_inside: Option<Pid>,
    /// The effective user, as the host numbers it.
    pub uid: Option<u32>,
    pub state: State,
    pub threads: Option<u32>,
    /// Resident memory; absent where it has none, as a zombie.
    pub rss_bytes: Option<u64>,
    pub started_unix_seconds: Option<u64>,
    pub age_seconds: Option<u64>,
    pub comm: Text,
    /// Arguments joined by blanks; absent where its memory did not answer or it has none.
    pub command: Option<Text>,
}
