//! Namespaces in JSON: the keys are those of the columns.

use super::ns::Row;
use super::ns_process::JsonProcess;
use crate::model::census::{Fact, Holder};
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::model::text::Text;

/// One namespace. What was not asked for is absent; what was and is not known is null.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonRow<'a> {
    /// Its inode.
    pub ns: u64,
    /// The word in `/proc/PID/ns`: `net`.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it is one of the host's own.
    pub host: bool,
    /// Processes in it that were seen.
    pub nprocs: usize,
    /// False: others may be in it, which do not show their namespaces.
    pub nprocs_complete: bool,
    /// Threads in it whose process is elsewhere.
    #[serde(default, skip_serializing_if = "Fact::is_not_asked")]
    pub threads: Fact<usize>,
    /// The lowest pid in it.
    pub pid: Option<Pid>,
    /// Its parent; null where that is outside our pid namespace.
    #[serde(default, skip_serializing_if = "Fact::is_not_asked")]
    pub ppid: Fact<Option<Pid>>,
    /// Of that process; of a user namespace without one, who made it.
    pub uid: Option<u32>,
    /// What the host calls that uid; null where it has no name for it.
    pub user: Option<&'a Text>,
    /// Of that process: its command line, or its name where it has none.
    pub command: Option<&'a Text>,
    /// What our own network namespace calls it; null where it has no number there.
    #[serde(default, skip_serializing_if = "Fact::is_not_asked")]
    pub netnsid: Fact<Option<u32>>,
    /// Where it is bind-mounted in our own mount namespace.
    pub nsfs: &'a [Text],
    /// The namespace above it: of pid and user namespaces.
    #[serde(default, skip_serializing_if = "Fact::is_not_asked")]
    pub pns: Fact<Option<u64>>,
    /// The user namespace that owns it.
    #[serde(default, skip_serializing_if = "Fact::is_not_asked")]
    pub ons: Fact<Option<u64>>,
    /// A number of the kernel's that is never given twice.
    #[serde(default, skip_serializing_if = "Fact::is_not_asked")]
    pub nsid: Fact<String>,
    /// What a person calls the container that it belongs to; null for none.
    #[serde(default, skip_serializing_if = "Fact::is_not_asked")]
    pub container: Fact<Option<&'a Text>>,
    /// What keeps it alive beside its processes.
    #[serde(default, skip_serializing_if = "Fact::is_not_asked")]
    pub holders: Fact<&'a [Holder]>,
    /// Where one namespace was asked for: the processes in it, by pid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<Vec<JsonProcess<'a>>>,
}

impl<'a> From<&Row<'a>> for JsonRow<'a> {
    fn from(row: &Row<'a>) -> Self {
        let namespace = row.namespace;
        let first = namespace.first.as_ref();
        Self {
            ns: namespace.inode,
            kind: namespace.kind,
            host: namespace.of_host,
            nprocs: namespace.processes,
            nprocs_complete: !row.is_open,
            threads: namespace.threads,
            pid: first.map(|first| first.pid),
            ppid: first.map_or(Fact::NotAsked, |first| first.parent),
            uid: namespace.uid,
            user: namespace.user.as_ref(),
            command: first.map(|first| &first.command),
            netnsid: namespace.net_id,
            nsfs: &namespace.mounts,
            pns: namespace.parent,
            ons: namespace.owner,
            nsid: namespace.id.map(|id| id.to_string()),
            container: namespace.container.as_ref().map(Option::as_ref),
            holders: namespace.holders.as_ref().map(Vec::as_slice),
            processes: None,
        }
    }
}
