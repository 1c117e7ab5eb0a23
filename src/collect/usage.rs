//! Memory, CPU and processes of each container, from the group that is the container's own.

use super::cgroups::{collect_usage, cpu_usage_usec};
use super::runtime::recognise;
use crate::model::container::Container;
use crate::model::gap::{Gap, Reason};
use crate::model::process::Pid;
use crate::sys::bounded;
use crate::sys::cgroupfs::hierarchy::Hierarchies;
use crate::sys::proc::cgroup::{self, Line};
use crate::sys::root::{SysRoot, path_text};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Looks twice, `interval` apart, at what CPU time was used.
pub fn add_usage(root: &SysRoot, containers: &mut [Container], interval: Duration) -> Vec<Gap> {
    let hierarchies = match Hierarchies::read(root) {
        Ok(hierarchies) => hierarchies,
        Err(error) => return vec![error.gap("usage")],
    };
    let mut gaps = Vec::new();
    if !containers.is_empty() && hierarchies.is_empty() {
        let object = "/sys/fs/cgroup".into();
        gaps.push(Gap { object, what: "usage", reason: Reason::Unsupported });
    }
    let mut first = Vec::new();
    for (place, container) in containers.iter_mut().enumerate() {
        if container.init.is_none() {
            continue;
        }
        let lines = own_lines(root, &hierarchies, container);
        if lines.is_empty() {
            continue;
        }
        let (usage, more) = collect_usage(root, &hierarchies, &lines);
        gaps.extend(more);
        container.usage = Some(usage);
        if let Some(used) = cpu_usage_usec(root, &hierarchies, &lines) {
            first.push((place, lines, used, Instant::now()));
        }
    }
    if interval.is_zero() || first.is_empty() {
        return gaps;
    }
    std::thread::sleep(interval);
    for (place, lines, before, since) in first {
        let Some(after) = cpu_usage_usec(root, &hierarchies, &lines) else { continue };
        let watched = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        if let Some(usage) = containers.get_mut(place).and_then(|one| one.usage.as_mut()) {
            usage.cpu_millicores =
                Some(after.saturating_sub(before).saturating_mul(1000) / watched);
            usage.interval_usec = Some(watched);
        }
    }
    gaps
}

/// crun makes a group of this name in the scope that systemd made, puts all processes there, and
/// states the limits there: the scope has only what systemd sets by default.
const OF_CRUN: &[u8] = b"/container";

/// The lines of its first process, each cut to the container's own group: the process may be in
/// one below it (that of a manager inside), whose numbers are less than all. Controllers may have
/// different paths. A group that it shares with others stays as it is; but where an engine made
/// groups of v1 alone, that of v2 is the engine's own.
pub fn group_lines(container: &Container) -> Vec<u8> {
    let own = |line: &Line<'_>| own_group(container, line.path);
    let mut all = cgroup::parse(container.cgroup_lines.as_bytes());
    let has_on_v1 = all.any(|line| !line.is_v2() && own(&line).is_some());
    let mut lines = Vec::new();
    for line in cgroup::parse(container.cgroup_lines.as_bytes()) {
        let found = own(&line);
        if line.is_v2() && found.is_none() && has_on_v1 {
            continue;
        }
        let path = found.as_deref().unwrap_or(line.path);
        lines.extend_from_slice(&[b"0:", line.controllers, b":", path, b"\n"].concat());
    }
    lines
}

/// The same without what it shares, which tells nothing of it.
fn own_lines(root: &SysRoot, hierarchies: &Hierarchies, container: &Container) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in cgroup::parse(container.cgroup_lines.as_bytes()) {
        let found = own_group(container, line.path);
        let path = found.as_deref().unwrap_or(line.path);
        let own = [b"0:", line.controllers, b":", path, b"\n"].concat();
        if found.is_some() || is_alone(root, hierarchies, &own, path, container) {
            lines.extend_from_slice(&own);
        }
    }
    lines
}

/// The beginning of a path that is the container's group.
fn own_group(container: &Container, path: &[u8]) -> Option<Vec<u8>> {
    let group = container.cgroup.as_bytes();
    let id = container.id.as_ref().or(container.name.as_ref());
    let found = recognise::path(path).into_iter().find(|found| {
        !found.is_host_service()
            && (found.group == group || id.is_some_and(|id| id.as_bytes() == found.id))
    });
    let mut own = found?.group;
    let below = path.strip_prefix(own.as_slice()).and_then(|rest| rest.strip_prefix(OF_CRUN));
    let is_crun = below.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
    if is_crun && own.ends_with(b".scope") {
        own.extend_from_slice(OF_CRUN);
    }
    Some(own)
}

fn is_alone(
    root: &SysRoot,
    hierarchies: &Hierarchies,
    line: &[u8],
    path: &[u8],
    container: &Container,
) -> bool {
    let members = || {
        let directory = hierarchies.directory_of(line, path)?;
        let object = || path_text(&directory);
        let group = root.reach().told(object, "cgroup", root.open_dir(&directory))?;
        let read = bounded::read(group.as_fd(), "cgroup.procs", bounded::LARGE);
        root.reach().told(object, "cgroup", read)
    };
    path != b"/"
        && members().is_some_and(|members| {
            members.split(|byte| *byte == b'\n').filter(|pid| !pid.is_empty()).all(|pid| {
                Pid::parse(pid).is_some_and(|pid| container.processes.binary_search(&pid).is_ok())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::proc::mountinfo;

    #[test]
    fn the_numbers_are_those_of_the_containers_own_group() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        for (group, members) in [("alone", "7\n"), ("shared", "7\n8\n")] {
            let group = temp.path().join("cg").join(group);
            std::fs::create_dir_all(&group).unwrap();
            std::fs::write(group.join("cgroup.procs"), members).unwrap();
        }
        let root = SysRoot::fixture(temp.path()).unwrap();
        let mounts = "30 1 0:26 / /cg rw - cgroup cgroup rw,memory,pids\n";
        let hierarchies = Hierarchies::of(&mountinfo::parse(mounts.as_bytes()).0);
        let id = "3c".repeat(32);
        let scope = format!("/machine.slice/libpod-{id}.scope");
        let container = Container {
            id: Some(id.as_str().into()),
            processes: vec![Pid::new(7).unwrap()],
            cgroup: scope.as_str().into(),
            cgroup_lines: format!("4:memory:/alone\n5:pids:/shared\n0::{scope}/container\n").into(),
            ..Container::default()
        };
        let expected = format!("0:memory:/alone\n0::{scope}/container\n");
        assert_eq!(own_lines(&root, &hierarchies, &container), expected.into_bytes());
        let expected = format!("0:memory:/alone\n0:pids:/shared\n0::{scope}/container\n");
        assert_eq!(group_lines(&container), expected.into_bytes());
        // On a hybrid host an engine may leave its own group of v2 to the container.
        let group = format!("/docker/{id}");
        let lines = format!("4:memory:{group}\n0::/system.slice/containerd.service\n").into();
        let container =
            Container { cgroup: group.as_str().into(), cgroup_lines: lines, ..container };
        assert_eq!(group_lines(&container), format!("0:memory:{group}\n").into_bytes());
    }

    #[test]
    fn below_its_group_only_what_crun_makes_is_its_own() {
        let id = "3c".repeat(32);
        let scope = format!("/machine.slice/libpod-{id}.scope");
        let container = Container {
            id: Some(id.as_str().into()),
            cgroup: scope.as_str().into(),
            ..Container::default()
        };
        for (below, own) in [
            ("", ""),
            ("/container", "/container"),
            ("/container/init.scope", "/container"),
            ("/containers", ""),
            ("/init.scope", ""),
        ] {
            let path = format!("{scope}{below}");
            let found = own_group(&container, path.as_bytes());
            assert_eq!(found, Some(format!("{scope}{own}").into_bytes()), "{below}");
        }
    }
}
