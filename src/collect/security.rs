//! What a process may do to the rest of the machine: ids, capabilities, seccomp, LSM labels, devices.

use super::cgroups::device_rules;
use super::mounts::mark_overmounted;
use super::verdict::verdict;
use crate::model::capability::CapSet;
use crate::model::gap::{Gap, Reason};
use crate::model::mount::Mount;
use crate::model::security::{
    Capabilities, Devices, Id, IdRange, Ids, Seccomp, Security, Surroundings,
};
use crate::model::text::Text;
use crate::sys::cgroupfs::hierarchy::Hierarchies;
use crate::sys::cgroupfs::paths::CgroupPaths;
use crate::sys::passwd::{self, Users};
use crate::sys::pidfd::ProcessHandle;
use crate::sys::proc::status::{self, Status};
use crate::sys::root::SysRoot;
use crate::sys::{bounded, idmap, proc, raw};
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use std::cell::LazyCell;
use std::os::fd::AsFd;

mod stronger;

/// Sockets that make whoever writes to them root on the host.
const CONTROL_SOCKETS: [&[u8]; 6] = [
    b"docker.sock",
    b"containerd.sock",
    b"crio.sock",
    b"podman.sock",
    b"cri-dockerd.sock",
    b"buildkitd.sock",
];

/// What is read elsewhere already.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// `/proc/PID/status`
    pub status: &'a [u8],
    /// Those of the target; read here where they are not known.
    pub mounts: Option<&'a [Mount]>,
    /// Absent where they could not be read: then it is not known which devices may be used.
    pub hierarchies: Option<&'a Hierarchies>,
    /// `/proc/PID/cgroup` of the target.
    pub cgroup_lines: &'a [u8],
}

/// `None`, and a gap, where the target's status has another form than the kernel's.
pub fn collect_security(
    root: &SysRoot,
    target: &ProcessHandle,
    known: Known<'_>,
    mut around: Surroundings,
    gaps: &mut Vec<Gap>,
) -> Option<Security> {
    let object = || Text::from(format!("pid {}", target.pid()));
    let Some(status) = status::parse(known.status) else {
        gaps.push(Gap { object: object(), what: "security", reason: Reason::Malformed });
        return None;
    };
    let read;
    let mounts = match known.mounts {
        Some(mounts) => mounts,
        None => {
            let file = bounded::read_capped(target.dir(), "mountinfo", bounded::LARGE);
            let file = root.reach().told(object, "mounts", file);
            read = seen(&file.unwrap_or_default().bytes);
            &read
        }
    };
    let map = |name| {
        let file = bounded::read(target.dir(), name, bounded::SMALL);
        let file = root.reach().told(object, "security", file)?;
        idmap::parse(&file)
    };
    let uid_map: Option<Vec<IdRange>> = map("uid_map");
    // The files of a fixture are owned by whoever copied them.
    let dumpable =
        if root.is_real() { dumpable(target, &status, uid_map.as_deref()) } else { None };
    let mut security = Security {
        uid: ids(status.uids),
        gid: ids(status.gids),
        groups: status.groups.iter().map(|id| Id { id: *id, name: None }).collect(),
        capabilities: capabilities(&status),
        no_new_privs: status.no_new_privs,
        seccomp: mode(status.seccomp),
        seccomp_filters: status.seccomp_filters,
        label: label(root, target),
        gid_map: map("gid_map"),
        uid_map,
        setgroups: setgroups(root, target),
        dumpable,
        devices: devices(root, known),
        stronger_threads: stronger::stronger(root, target, &status, gaps),
        ..Security::default()
    };
    cover(&mut security, mounts);
    if root.is_real() {
        security.control_sockets.retain(|path| may_be_socket(target, path));
    }
    if around.hosts_users == Some(true) {
        name(root, &mut security);
    }
    if security.capabilities.bounding.contains_all(CapSet::SYS_ADMIN) {
        match hosts_capabilities(root) {
            Ok(found) => around.hosts_capabilities = Some(found),
            // What is privileged is measured by it.
            Err(reason) if root.is_real() && around.hosts_users != Some(false) => {
                gaps.push(Gap { object: "pid 1".into(), what: "capabilities", reason });
            }
            Err(_) => {}
        }
    }
    security.verdict = verdict(&security, &around);
    Some(security)
}

fn ids([real, effective, saved, fs]: [u32; 4]) -> Ids {
    Ids { real, effective, saved, fs, name: None }
}

const fn mode(seccomp: u8) -> Seccomp {
    match seccomp {
        0 => Seccomp::Off,
        1 => Seccomp::Strict,
        2 => Seccomp::Filter,
        _ => Seccomp::Unknown,
    }
}

fn capabilities(status: &Status) -> Capabilities {
    let bounding = status.cap_bounding;
    Capabilities {
        effective: status.cap_effective,
        permitted: status.cap_permitted,
        inheritable: status.cap_inheritable,
        bounding,
        ambient: status.cap_ambient,
        beyond_usual: bounding.without(CapSet::USUAL),
        lacking_from_usual: CapSet::USUAL.without(bounding),
    }
}

/// What the first process of the host is bounded by: a machine may give less than all there are.
fn hosts_capabilities(root: &SysRoot) -> Result<CapSet, Reason> {
    let bytes = bounded::read(root.proc(), "1/status", bounded::LARGE);
    let bytes = bytes.map_err(|error| match error.reason() {
        Reason::Failed => Reason::Failed,
        // hidepid may hide it from root, too, as if it were not there.
        _ => Reason::Denied,
    })?;
    Ok(status::parse(&bytes).ok_or(Reason::Malformed)?.cap_bounding)
}

fn setgroups(root: &SysRoot, target: &ProcessHandle) -> Option<Text> {
    let object = || Text::from(format!("pid {}", target.pid()));
    let bytes = bounded::read_single(target.dir(), "setgroups");
    let bytes = root.reach().told(object, "security", bytes)?;
    Some(Text::new(bytes.trim_ascii()))
}

/// EINVAL without a security module that labels processes.
fn label(root: &SysRoot, target: &ProcessHandle) -> Option<Text> {
    let object = || Text::from(format!("pid {}", target.pid()));
    let bytes = match bounded::read_single(target.dir(), "attr/current") {
        Err(error) if error.errno() == Some(Errno::EINVAL) => return None,
        read => root.reach().told(object, "security label", read)?,
    };
    let label = bytes.strip_suffix(b"\0").unwrap_or(&bytes).trim_ascii();
    (!label.is_empty()).then(|| Text::new(label))
}

/// The files of a process that is not belong to the root of its user namespace, or to the host's; its
/// directory is its own either way.
fn dumpable(target: &ProcessHandle, status: &Status, map: Option<&[IdRange]>) -> Option<bool> {
    let file = rustix::fs::statat(target.dir(), "status", AtFlags::SYMLINK_NOFOLLOW);
    let owner = file.ok()?.st_uid;
    let [_, effective, _, _] = status.uids;
    if owner != effective {
        return Some(false);
    }
    // As its own root it owns them either way.
    let root = |range: &IdRange| (range.inside == 0).then_some(range.outside);
    let inner_root = map?.iter().find_map(root);
    (effective != 0 && inner_root != Some(effective)).then_some(true)
}

fn devices(root: &SysRoot, known: Known<'_>) -> Devices {
    let Some(hierarchies) = known.hierarchies else { return Devices::Unknown };
    if let Some(list) = device_rules(root, hierarchies, known.cgroup_lines) {
        return device_list(&list);
    }
    if hierarchies.v1(b"devices").next().is_some() || !root.is_real() {
        return Devices::Unknown;
    }
    let place = hierarchies.locate_unified(&CgroupPaths::parse(known.cgroup_lines));
    let group = place.and_then(|place| root.open_dir(&place.directory).ok());
    match group.map(|group| raw::bpf::device_programs(group.as_fd())) {
        Some(Ok(programs)) if programs.is_empty() => Devices::All,
        Some(Ok(programs)) => Devices::Programs(programs),
        Some(Err(_)) | None => Devices::Unknown,
    }
}

/// `a *:* rwm` alone means all by default: what was denied of it is not listed.
fn device_list(list: &[u8]) -> Devices {
    let rules = list.split(|byte| *byte == b'\n').filter(|rule| !rule.is_empty());
    let rules: Vec<Text> = rules.map(Text::new).collect();
    if rules.iter().any(|rule| *rule == "a *:* rwm") {
        Devices::All
    } else {
        Devices::Listed(rules)
    }
}

/// The target's mounts, and which of them cannot be reached.
fn seen(mountinfo: &[u8]) -> Vec<Mount> {
    let mut mounts = proc::mountinfo::parse(mountinfo).0;
    mark_overmounted(&mut mounts);
    mounts
}

/// What of /proc and /sys is hidden or read-only, and which sockets of engines are there. What cannot
/// be reached hides nothing.
fn cover(security: &mut Security, mounts: &[Mount]) {
    for mount in mounts.iter().filter(|mount| !mount.overmounted) {
        let target = mount.target.as_bytes();
        let last = |path: &Text| {
            let name = path.as_bytes().rsplit(|byte| *byte == b'/').next();
            name.is_some_and(|name| CONTROL_SOCKETS.contains(&name))
        };
        if last(&mount.root) || last(&mount.target) {
            security.control_sockets.push(mount.target.clone());
        }
        let is_kernels = mount.is_in_kernels_trees() || target == b"/sys";
        if mount.masked {
            security.masked_paths.push(mount.target.clone());
        } else if matches!(mount.fs_type.as_bytes(), b"proc" | b"sysfs")
            && mount.read_only
            && is_kernels
        {
            security.read_only_paths.push(mount.target.clone());
        }
    }
}

/// Engines make a directory where the socket is missing that they are to mount. What a mount point is
/// the kernel knows, and nobody who serves a file system is asked; what it does not tell may be one.
fn may_be_socket(target: &ProcessHandle, path: &Text) -> bool {
    let look = || {
        let place = OFlags::PATH | OFlags::CLOEXEC;
        let open = |dir, path: &[u8], flags, resolve| {
            rustix::fs::openat2(dir, path, place | flags, Mode::empty(), resolve)
        };
        let root = open(target.dir(), b"root", OFlags::DIRECTORY, ResolveFlags::empty())?;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::CACHED;
        let file = open(root.as_fd(), path.as_bytes(), OFlags::NOFOLLOW, inside)?;
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        rustix::fs::statx(&file, "", flags, StatxFlags::TYPE)
    };
    let file_type = |found: Statx| FileType::from_raw_mode(found.stx_mode.into());
    look().map_or(true, |found| file_type(found) == FileType::Socket)
}

fn name(root: &SysRoot, security: &mut Security) {
    let told = |users| root.reach().told(|| "/etc/passwd".into(), "names of users", users);
    let users = LazyCell::new(|| told(Users::read(root)));
    let groups = LazyCell::new(|| passwd::read_groups(root).ok());
    // Root needs no look.
    let of = |id: u32, file: &dyn Fn(u32) -> Option<Text>| {
        if id == 0 { Some("root".into()) } else { file(id) }
    };
    let user = |id| users.as_ref()?.name(id).cloned();
    let group = |id| groups.as_ref()?.name(id).cloned();
    security.uid.name = of(security.uid.effective, &user);
    security.gid.name = of(security.gid.effective, &group);
    for one in &mut security.groups {
        one.name = of(one.id, &group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rule_means_every_device() {
        assert_eq!(device_list(b"a *:* rwm\n"), Devices::All);
        let listed = device_list(b"c *:* m\nb *:* m\nc 1:3 rwm\n");
        let Devices::Listed(rules) = listed else { panic!("{listed:?}") };
        assert_eq!((rules.len(), &rules[2]), (3, &"c 1:3 rwm".into()));
        assert_eq!(device_list(b""), Devices::Listed(Vec::new()));
    }

    #[test]
    fn masked_and_read_only_paths_of_a_docker_container() {
        // From `docker run` on Linux 6.18 with v1 groups, cut.
        let mounts = b"\
592 501 0:60 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
594 501 0:64 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
595 594 0:65 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw,mode=755
610 592 0:60 /bus /proc/bus ro,nosuid - proc proc rw
611 592 0:60 /sys /proc/sys ro,nosuid - proc proc rw
612 592 0:67 / /proc/acpi ro,relatime - tmpfs tmpfs ro
613 592 0:61 /null /proc/kcore rw,nosuid - tmpfs tmpfs rw,size=65536k
614 594 0:68 / /sys/firmware ro,relatime - tmpfs tmpfs ro
615 501 0:24 /docker.sock /var/run/engine rw - tmpfs tmpfs rw
";
        let covered = |mounts: &[Mount]| {
            let mut security = Security::default();
            cover(&mut security, mounts);
            security
        };
        let security = covered(&seen(mounts));
        let masked: Vec<_> = security.masked_paths.iter().map(Text::to_string).collect();
        assert_eq!(masked, ["/proc/acpi", "/proc/kcore", "/sys/firmware"]);
        let read_only: Vec<_> = security.read_only_paths.iter().map(Text::to_string).collect();
        assert_eq!(read_only, ["/sys", "/proc/bus", "/proc/sys"]);
        assert_eq!(security.control_sockets, ["/var/run/engine"]);
        // What is mounted over all that undoes it.
        let over = b"\
620 592 0:70 / /proc rw - proc proc rw
621 594 0:71 / /sys rw - sysfs sysfs rw
622 501 0:72 / /var/run rw - tmpfs tmpfs rw
";
        let security = covered(&seen(&[&mounts[..], over].concat()));
        assert_eq!(security.masked_paths, [] as [&str; 0]);
        assert_eq!(security.read_only_paths, [] as [&str; 0]);
        assert_eq!(security.control_sockets, [] as [&str; 0]);
    }
}
