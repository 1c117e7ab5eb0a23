//! One target in JSON.

use super::formulas::JsonFormulas;
use super::ps::JsonRow;
use crate::model::cgroup::Cgroup;
use crate::model::finding::Finding;
use crate::model::identity::Identity;
use crate::model::inspection::{Inspection, Member, Namespace, Vacant};
use crate::model::limits::Limits;
use crate::model::mount::Mount;
use crate::model::network::Network;
use crate::model::process::Pid;
use crate::model::security::Security;
use crate::model::text::Text;
use crate::model::uts::{ClockOffsets, Uts};

/// A section that was not asked for or could not be read is null.
#[derive(Debug, Default, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonInspection<'a> {
    /// The process that was named, or the first one of the container that was. Null for a mount
    /// namespace without a process, which has namespaces and mounts alone.
    pub pid: Option<Pid>,
    /// The inode of its pidfd: PID:INODE is a target that means this very process until the next
    /// boot. Null on a kernel without pidfs.
    pub pid_inode: Option<u64>,
    /// What it is called inside its own pid namespace.
    pub pid_inside: Option<Pid>,
    /// Command name, at most 15 bytes, chosen by the process; null without one.
    pub comm: Option<&'a Text>,
    /// When that process started; null where no boot time can be read.
    pub started_unix_seconds: Option<u64>,
    /// Since that process started; null where no uptime can be read.
    pub age_seconds: Option<u64>,
    /// The container that the process belongs to; null for a process of the host.
    pub container: Option<JsonRow<'a>>,
    /// Null, like every section, where it was not asked for or could not be read: see `gaps`.
    pub identity: Option<&'a Identity>,
    /// Those that can be seen, in the order of reports.
    pub namespaces: Option<&'a [Namespace]>,
    /// Host name and NIS domain.
    pub uts: Option<&'a Uts>,
    /// Of its time namespace; null in the host's.
    pub clock_offsets: Option<&'a ClockOffsets>,
    /// What its network namespace holds.
    pub net: Option<&'a Network>,
    /// As the process sees them.
    pub mounts: Option<&'a [Mount]>,
    /// Of the container's own groups, of the group that was named, or of those it is in.
    pub cgroup: Option<&'a Cgroup>,
    /// What other tools would print for the same numbers; only with `--columns +formulas`.
    pub formulas: Option<JsonFormulas>,
    /// Of that one process.
    pub security: Option<&'a Security>,
    /// Of that one process, but for inotify.
    pub limits: Option<&'a Limits>,
    /// Those of the container or group by pid, the first 8192, with the command lines of the first 512; or
    /// the one that was named.
    pub processes: Option<Vec<JsonMember<'a>>>,
    /// What is unusual, the worst first.
    pub findings: &'a [Finding],
}

/// One process of the target.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonMember<'a> {
    /// As the reader's /proc numbers it.
    pub pid: Pid,
    /// Null where that is outside the reader's pid namespace.
    pub parent_pid: Option<Pid>,
    /// Its pid in its own namespace; null where its status could not be read.
    pub pid_inside: Option<Pid>,
    /// The effective user, as the host numbers it.
    pub uid: Option<u32>,
    /// The kernel's letter: R, S, D, Z, T, …
    pub state: char,
    /// Null where its status could not be read.
    pub threads: Option<u32>,
    /// Resident memory; null where it has none, as a zombie.
    pub rss_bytes: Option<u64>,
    /// Seconds since 1970; null where no boot time can be read.
    pub started_unix_seconds: Option<u64>,
    /// Since it started; null where no uptime can be read.
    pub age_seconds: Option<u64>,
    /// Command name, at most 15 bytes, chosen by the process.
    pub comm: &'a Text,
    /// Arguments joined by blanks.
    pub command: Option<&'a Text>,
}

impl<'a> From<&'a Inspection> for JsonInspection<'a> {
    fn from(report: &'a Inspection) -> Self {
        Self {
            pid: Some(report.pid),
            pid_inode: report.pid_inode,
            pid_inside: report.pid_inside,
            comm: Some(&report.comm),
            started_unix_seconds: report.started_unix_seconds,
            age_seconds: report.age_seconds,
            container: report.container.as_ref().map(JsonRow::from),
            identity: report.identity.as_ref(),
            namespaces: report.namespaces.as_deref(),
            uts: report.uts.as_ref(),
            clock_offsets: report.clock_offsets.as_ref(),
            net: report.network.as_ref(),
            mounts: report.mounts.as_deref(),
            cgroup: report.cgroup.as_ref(),
            formulas: report.formulas.as_ref().map(JsonFormulas::from),
            security: report.security.as_ref(),
            limits: report.limits.as_ref(),
            processes: report
                .processes
                .as_ref()
                .map(|members| members.iter().map(JsonMember::from).collect()),
            findings: &report.findings,
        }
    }
}

impl<'a> From<&'a Vacant> for JsonInspection<'a> {
    fn from(vacant: &'a Vacant) -> Self {
        Self {
            namespaces: Some(std::slice::from_ref(&vacant.namespace)),
            mounts: vacant.mounts.as_deref(),
            ..Self::default()
        }
    }
}

impl<'a> From<&'a Member> for JsonMember<'a> {
    fn from(member: &'a Member) -> Self {
        Self {
            pid: member.pid,
            parent_pid: member.parent,
            pid_inside: member.pid_inside,
            uid: member.uid,
            state: member.state.letter(),
            threads: member.threads,
            rss_bytes: member.rss_bytes,
            started_unix_seconds: member.started_unix_seconds,
            age_seconds: member.age_seconds,
            comm: &member.comm,
            command: member.command.as_ref(),
        }
    }
}
