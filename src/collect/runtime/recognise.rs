//! Which containers a cgroup path speaks of, by the names that the runtimes give their groups.
//!
//! Pure. A name is a claim, not a fact: whoever may make a group can give it any name. Who vouches
//! for it is for `collect::containers` to find out.

use super::nspawn;
use crate::model::pod::Qos;
use crate::model::runtime::Runtime;
use crate::sys::proc::cgroup;

/// What one component of a path told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recognised {
    /// The one that gives groups such names; systemd for a service of the host.
    pub runtime: Runtime,
    /// The engine's id or, for lxc, nspawn, libvirt, snap and systemd, the name.
    pub id: Vec<u8>,
    /// The path up to and with the component that told it.
    pub group: Vec<u8>,
    /// By the group it is in, or by its own name; None where neither tells of one.
    pub pod: Option<PodGroup>,
    /// The user in whose slice it is, the outermost: root made that slice, what is below is the user's.
    pub user: Option<u32>,
}

/// A pod as its group tells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodGroup {
    /// With dashes; podman's is 64 digits.
    pub uid: Vec<u8>,
    /// By the names of groups: a pod below no class is guaranteed. None for podman's.
    pub qos: Option<Qos>,
    /// The slice's name is part of the container's: it lies outside of the pod's group.
    pub driver_mismatch: bool,
}

impl Recognised {
    /// A service of the host rather than a container.
    pub fn is_host_service(&self) -> bool {
        self.runtime == Runtime::Systemd
    }
}

/// The containers that `/proc/PID/cgroup` tells, the outermost first; else the systemd service,
/// alone. Controllers may have different paths: the one that tells most counts, of two that tell as
/// much v2's, then that of the older hierarchy.
///
/// A container that may mount makes hierarchies without controllers of any name, and what it likes
/// in them: only systemd's counts, and that after all others. It makes those of controllers too that
/// are in no hierarchy yet: where v2 tells a container, others tell no more than what is in there.
pub fn cgroup(bytes: &[u8]) -> Vec<Recognised> {
    let mut best: Vec<Recognised> = Vec::new();
    let mut of_v2 = 0;
    let mut before = &b""[..];
    // The newest comes first, v2 last.
    let lines = || cgroup::parse(bytes).rev();
    let with_controllers = lines().filter(|line| !line.controllers.starts_with(b"name="));
    let of_systemd = lines().filter(|line| line.controllers == b"name=systemd");
    for line in with_controllers.chain(of_systemd) {
        // Most controllers have the same.
        if std::mem::replace(&mut before, line.path) == line.path {
            continue;
        }
        let found = path(line.path);
        let containers =
            |found: &[Recognised]| found.iter().filter(|one| !one.is_host_service()).count();
        // A service is more than nothing.
        let told = |found: &[Recognised]| (containers(found), found.len());
        if line.is_v2() {
            of_v2 = containers(&found);
        }
        let is_in_it = best.iter().take(of_v2).zip(&found).all(|(one, other)| one.id == other.id);
        if (line.is_v2() || is_in_it) && told(&found) > told(&best) {
            best = found;
        }
    }
    best
}

/// The containers in one path, the outermost first; else the service it belongs to.
pub fn path(path: &[u8]) -> Vec<Recognised> {
    let mut found: Vec<Recognised> = Vec::new();
    let mut service = None;
    let mut walk = Walk::default();
    let mut end = 0;
    for component in path.split(|byte| *byte == b'/') {
        end += component.len() + 1;
        let group = path.get(..end - 1).unwrap_or(path);
        let name = unescape(component);
        walk.note(&name);
        if let Some((runtime, id)) = container(&name, &walk.parent)
            && !id.is_empty()
        {
            let pod = mismatched_pod(&name)
                .or_else(|| walk.pod.take())
                .or_else(|| podmans_pod(&mut found, runtime, group));
            found.push(Recognised {
                runtime,
                id: id.to_vec(),
                group: group.to_vec(),
                pod,
                user: walk.user,
            });
        } else if let Some(unit) = name.strip_suffix(b".service")
            && service.is_none()
            && !unit.is_empty()
            && !name.starts_with(b"user@")
        {
            // A user's own manager is a service too; what counts is the unit below it. Below that
            // it is for the unit to say what its groups are called.
            service = Some(Recognised {
                runtime: Runtime::Systemd,
                id: unit.to_vec(),
                group: group.to_vec(),
                pod: None,
                user: walk.user,
            });
        }
        walk.parent = name;
    }
    if found.is_empty() { service.into_iter().collect() } else { found }
}

/// What the components so far have told of those to come.
#[derive(Default)]
struct Walk {
    parent: Vec<u8>,
    pod: Option<PodGroup>,
    qos: Option<Qos>,
    user: Option<u32>,
}

impl Walk {
    fn note(&mut self, name: &[u8]) {
        match name {
            b"burstable" => self.qos = Some(Qos::Burstable),
            b"besteffort" => self.qos = Some(Qos::BestEffort),
            _ if name.starts_with(b"kubepods") && !name.ends_with(b".slice") => self.qos = None,
            _ => {}
        }
        if let Some(uid) = name.strip_prefix(b"pod").filter(|uid| is_pod_uid(uid)) {
            let qos = Some(self.qos.unwrap_or(Qos::Guaranteed));
            self.pod = Some(PodGroup { uid: uid.to_vec(), qos, driver_mismatch: false });
        } else if let Some(pod) = pod_slice(name) {
            self.pod = Some(pod);
        }
        if self.parent == b"libpod_parent" && is_engine_id(name) {
            self.pod = Some(PodGroup { uid: name.to_vec(), qos: None, driver_mismatch: false });
        }
        let user = name.strip_prefix(b"user-").and_then(|name| name.strip_suffix(b".slice"));
        self.user = self.user.or_else(|| number(user?));
    }
}

/// `kubepods-burstable-pod6e6f8a2c_1111.slice`, also below a prefix of kubelet's own; podman's
/// `machine-libpod_pod_ID.slice`.
fn pod_slice(name: &[u8]) -> Option<PodGroup> {
    let slice = name.strip_suffix(b".slice")?;
    if let Some(id) = slice.strip_prefix(b"machine-libpod_pod_").filter(|id| is_engine_id(id)) {
        return Some(PodGroup { uid: id.to_vec(), qos: None, driver_mismatch: false });
    }
    let at = find(slice, b"-pod")?;
    let (above, uid) = (slice.get(..at)?, slice.get(at + 4..)?);
    find(above, b"kubepods")?;
    let uid: Vec<u8> = uid.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    let qos = if above.ends_with(b"-burstable") {
        Qos::Burstable
    } else if above.ends_with(b"-besteffort") {
        Qos::BestEffort
    } else {
        Qos::Guaranteed
    };
    is_pod_uid(&uid).then_some(PodGroup { uid, qos: Some(qos), driver_mismatch: false })
}

/// The pod in `SLICE:PREFIX:ID`.
fn mismatched_pod(name: &[u8]) -> Option<PodGroup> {
    let (slice, _, _) = three_fields(name)?;
    Some(PodGroup { driver_mismatch: true, ..pod_slice(slice)? })
}

/// Without systemd podman calls the group of a pod by nothing but its id: what was taken for a
/// container, below a parent of somebody's choice, is its pod.
fn podmans_pod(found: &mut Vec<Recognised>, runtime: Runtime, group: &[u8]) -> Option<PodGroup> {
    let above = group.iter().rposition(|byte| *byte == b'/').and_then(|at| group.get(..at));
    let pod = found.pop_if(|pod| {
        runtime == Runtime::Podman && pod.runtime == Runtime::Oci && Some(&*pod.group) == above
    })?;
    Some(PodGroup { uid: pod.id, qos: None, driver_mismatch: false })
}

/// A UUID or, for a pod from a file, 32 digits.
fn is_pod_uid(text: &[u8]) -> bool {
    (text.len() == 36 || text.len() == 32)
        && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

/// Prefixes of `PREFIX-ID.scope` and `PREFIX-ID`, ID being 64 hexadecimal digits.
const PREFIXES: [(&[u8], Runtime); 10] = [
    (b"docker", Runtime::Docker),
    (b"cri-containerd", Runtime::Containerd),
    (b"nerdctl", Runtime::Containerd),
    (b"crio", Runtime::Crio),
    (b"libpod", Runtime::Podman),
    (b"libpod-payload", Runtime::Podman),
    (b"buildkit", Runtime::Buildkit),
    (b"runc", Runtime::Runc),
    (b"crun", Runtime::Crun),
    (b"youki", Runtime::Youki),
];

/// Runtimes whose ids are free text. `PREFIX-ID.scope` is believed of them.
const FREE_IDS: [&[u8]; 3] = [b"runc", b"crun", b"youki"];

fn container<'a>(name: &'a [u8], parent: &[u8]) -> Option<(Runtime, &'a [u8])> {
    if let Some(name) = name.strip_prefix(b"lxc.payload.") {
        return Some((Runtime::Lxc, name));
    }
    if parent == b"lxc.payload" || (parent == b"lxc" && !name.is_empty()) {
        return Some((Runtime::Lxc, name));
    }
    if let Some(found) = unit(name) {
        return Some(found);
    }
    if let Some(name) = name.strip_suffix(b".libvirt-lxc") {
        return Some((Runtime::Libvirt, name));
    }
    // SLICE:PREFIX:ID, left by a runtime that was given systemd's spelling without systemd. A
    // socket-activated service has colons too: `sshd@0-192.0.2.1:22-192.0.2.7:50514.service`.
    if let Some((slice, prefix, id)) = three_fields(name)
        && (slice.is_empty() || slice.ends_with(b".slice"))
        && (is_engine_id(id) || FREE_IDS.contains(&prefix))
    {
        return Some((by_prefix(prefix), id));
    }
    if is_engine_id(name) {
        let runtime = match parent {
            b"docker" => Runtime::Docker,
            b"default" | b"k8s.io" => Runtime::Containerd,
            // podman's pod, in which its conmons are too.
            b"libpod_parent" => return None,
            _ if parent.starts_with(b"pod") => Runtime::Containerd,
            _ => Runtime::Oci,
        };
        return Some((runtime, name));
    }
    if matches!(parent, b"docker" | b"buildkit") && is_build_id(name) {
        return Some((Runtime::Buildkit, name));
    }
    if is_task_id(name) {
        return Some((Runtime::Oci, name));
    }
    if let Some(id) = name.strip_prefix(b"kata_").filter(|id| is_engine_id(id)) {
        return Some((Runtime::Kata, id));
    }
    let bare = name.strip_suffix(b".scope").unwrap_or(name);
    let dash = bare.iter().rposition(|byte| *byte == b'-')?;
    let (prefix, id) = (bare.get(..dash)?, bare.get(dash + 1..)?);
    // Monitors carry the id too and are no part of the container.
    if !is_engine_id(id) || prefix.ends_with(b"conmon") {
        return None;
    }
    Some((by_prefix(prefix), id))
}

/// Scopes and services that are one container each.
fn unit(name: &[u8]) -> Option<(Runtime, &[u8])> {
    if let Some(scope) = name.strip_suffix(b".scope") {
        if let Some(machine) = scope.strip_prefix(b"machine-") {
            // A virtual machine is a process of the host, not a container.
            if machine.starts_with(b"qemu-") {
                return None;
            }
            let is_libvirts = nspawn::without_number(machine) != machine;
            let runtime = if is_libvirts { Runtime::Libvirt } else { Runtime::Nspawn };
            return Some((runtime, machine));
        }
        if let Some(app) = scope.strip_prefix(b"app-flatpak-") {
            // The app, then a number that tells instances apart.
            let dash = app.iter().rposition(|byte| *byte == b'-').unwrap_or(app.len());
            return Some((Runtime::Flatpak, app.get(..dash).unwrap_or(app)));
        }
        if let Some(snap) = scope.strip_prefix(b"snap.") {
            return Some((Runtime::Snap, without_uuid(snap)));
        }
        let free = FREE_IDS.iter().find_map(|prefix| {
            let id = scope.strip_prefix(*prefix)?.strip_prefix(b"-")?;
            Some((by_prefix(prefix), id))
        });
        return free;
    }
    let service = name.strip_suffix(b".service")?;
    if let Some(machine) = service.strip_prefix(b"systemd-nspawn@") {
        return Some((Runtime::Nspawn, machine));
    }
    service.strip_prefix(b"snap.").map(|snap| (Runtime::Snap, snap))
}

/// `SNAP.APP` of `SNAP.APP-UUID`.
fn without_uuid(snap: &[u8]) -> &[u8] {
    let cut = snap.len().checked_sub(37).and_then(|at| Some((snap.get(..at)?, snap.get(at..)?)));
    match cut {
        Some((name, tail))
            if tail.starts_with(b"-") && is_pod_uid(tail.get(1..).unwrap_or(&[])) =>
        {
            name
        }
        _ => snap,
    }
}

fn three_fields(name: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut fields = name.rsplitn(3, |byte| *byte == b':');
    let (id, prefix, slice) = (fields.next()?, fields.next()?, fields.next()?);
    Some((slice, prefix, id))
}

fn by_prefix(prefix: &[u8]) -> Runtime {
    PREFIXES.iter().find(|(name, _)| *name == prefix).map_or(Runtime::Oci, |(_, runtime)| *runtime)
}

/// Exactly 64 lower-case hexadecimal digits: what engines use. Shorter ones are not accepted,
/// since other software names its groups like that.
pub fn is_engine_id(text: &[u8]) -> bool {
    text.len() == 64 && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// BuildKit's: 25 digits of base 36.
fn is_build_id(text: &[u8]) -> bool {
    text.len() == 25 && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'))
}

/// Amazon ECS': 32 hexadecimal digits, a dash, a number.
fn is_task_id(text: &[u8]) -> bool {
    let Some((task, number)) = text.split_at_checked(32) else { return false };
    task.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && number
            .strip_prefix(b"-")
            .is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

/// Undoes systemd's spelling of a unit: `\x2d`, and the `_` before what could be taken for one of
/// the kernel's own files.
fn unescape(component: &[u8]) -> Vec<u8> {
    let component = match component {
        [b'_', rest @ ..] if rest.contains(&b'.') => rest,
        all => all,
    };
    let mut name = Vec::with_capacity(component.len());
    let mut rest = component;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.strip_prefix(b"x").and_then(|digits| digits.get(..2));
        let byte = digits
            .filter(|_| *first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                name.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                name.push(*first);
                rest = after;
            }
        }
    }
    name
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests;
