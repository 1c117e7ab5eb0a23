//! What a target is held to: its groups, what it may do, and its limits.

use super::super::cgroups;
use super::super::formulas::collect_formulas;
use super::super::limits::collect_limits;
use super::super::security::{Known, collect_security};
use super::super::target::PinnedProcess;
use super::super::usage;
use crate::model::gap::Gap;
use crate::model::inspection::{Inspection, Section, Wish};
use crate::model::namespace::{Kind, NsSet};
use crate::model::security::Surroundings;
use crate::sys::cgroupfs::hierarchy::Hierarchies;
use crate::sys::error::Result;
use crate::sys::root::SysRoot;
use std::borrow::Cow;

/// What is read already.
pub(super) struct Read<'a> {
    /// `/proc/PID/status`
    pub status: &'a Result<Vec<u8>>,
    pub around: &'a Surroundings,
}

/// The three sections; those of the mounts, if wanted, are in the report already.
pub(super) fn add(
    root: &SysRoot,
    target: &PinnedProcess,
    read: &Read<'_>,
    wish: &Wish,
    report: &mut Inspection,
    gaps: &mut Vec<Gap>,
) {
    let wanted = |section| wish.sections.contains(&section);
    let hierarchies = if wanted(Section::Cgroup) || wanted(Section::Security) {
        Hierarchies::read(root).map_err(|error| gaps.push(error.gap("cgroup"))).ok()
    } else {
        None
    };
    // A container or group that was named is told of by that, a process by the one that it is in.
    let lines = match (&target.container, &target.group) {
        (Some(container), _) => Cow::Owned(usage::group_lines(container)),
        (None, Some(group)) => Cow::Borrowed(group.lines.as_bytes()),
        (None, None) => Cow::Borrowed(target.process.cgroup.as_bytes()),
    };
    if let Some(hierarchies) = hierarchies.as_ref().filter(|_| wanted(Section::Cgroup)) {
        let (mut cgroup, more) = cgroups::collect_cgroup(root, hierarchies, &lines);
        gaps.extend(more);
        if let (Some(interval), Some(cpu)) = (wish.interval, &mut cgroup.cpu) {
            cgroups::sample::add_rate(root, hierarchies, &lines, interval, cpu);
        }
        if wish.formulas {
            report.formulas = collect_formulas(root, &cgroup);
        }
        report.cgroup = Some(cgroup);
    }
    if !wanted(Section::Security) && !wanted(Section::Limits) {
        return;
    }
    let status = match read.status {
        Ok(status) => status,
        Err(error) => {
            gaps.push(Gap { object: super::object(target), ..error.gap("status") });
            return;
        }
    };
    if wanted(Section::Security) {
        let known = Known {
            status,
            mounts: report.mounts.as_deref(),
            hierarchies: hierarchies.as_ref(),
            cgroup_lines: &lines,
        };
        report.security = collect_security(root, &target.handle, known, read.around.clone(), gaps);
    }
    if wanted(Section::Limits) {
        let members = target.processes(report.container.as_ref());
        report.limits = collect_limits(root, &target.handle, status, members, gaps);
    }
}

/// Which of the kinds that keep a container apart it shares with the host.
pub(super) fn surroundings(host: &NsSet, theirs: &NsSet) -> Surroundings {
    let own = host.differing(theirs);
    let shares = |kind: &Kind| theirs.inode(*kind).is_some() && !own.has(*kind);
    let kinds = [Kind::Mnt, Kind::Pid, Kind::Net, Kind::Ipc];
    Surroundings {
        hosts_users: theirs.inode(Kind::User).map(|_| !own.has(Kind::User)),
        maps_hosts_root: false,
        is_service: false,
        shared: kinds.into_iter().filter(shares).collect(),
        hosts_capabilities: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_shared() {
        let mut host = NsSet::default();
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            host.set(kind, at as u64 + 1);
        }
        let mut theirs = host;
        assert_eq!(surroundings(&host, &theirs).shared.len(), 4);
        theirs.set(Kind::Mnt, 100);
        theirs.set(Kind::User, 101);
        let found = surroundings(&host, &theirs);
        assert_eq!((found.hosts_users, found.shared.len()), (Some(false), 3));
        assert_eq!(surroundings(&host, &NsSet::default()), Surroundings::default());
    }
}
