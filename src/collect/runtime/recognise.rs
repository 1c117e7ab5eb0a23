//! Which runtime a cgroup path speaks of, by the names that the runtimes give their groups.

use crate::model::container::Runtime;
use crate::sys::proc::cgroup;

/// What a path told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recognised {
    pub runtime: Runtime,
    /// The engine's id or, for lxc, nspawn and systemd, the name.
    pub id: Vec<u8>,
    /// The path up to and with the component that told it.
    pub group: Vec<u8>,
}

impl Recognised {
    /// A service of the host rather than a container.
    pub fn is_host_service(&self) -> bool {
        self.runtime == Runtime::Systemd
    }
}

/// The outermost container that any line of `/proc/PID/cgroup` tells; else a systemd service.
pub fn cgroup(bytes: &[u8]) -> Option<Recognised> {
    let mut service = None;
    for line in cgroup::parse(bytes) {
        match path(line.path) {
            Some(found) if found.is_host_service() => service = service.or(Some(found)),
            Some(found) => return Some(found),
            None => {}
        }
    }
    service
}

/// The outermost container in one path; else the service it belongs to.
pub fn path(path: &[u8]) -> Option<Recognised> {
    let mut parent: &[u8] = b"";
    let mut service = None;
    let mut end = 0;
    for component in path.split(|byte| *byte == b'/') {
        end += component.len() + 1;
        let group = path.get(..end - 1).unwrap_or(path);
        if let Some((runtime, id)) = component_of(component, parent)
            && !id.is_empty()
        {
            return Some(Recognised { runtime, id: id.to_vec(), group: group.to_vec() });
        }
        // A user's own manager is a service too; what counts is the unit below it.
        if let Some(unit) = component.strip_suffix(b".service")
            && !unit.is_empty()
            && !component.starts_with(b"user@")
        {
            service = Some(Recognised {
                runtime: Runtime::Systemd,
                id: unit.to_vec(),
                group: group.to_vec(),
            });
        }
        parent = component;
    }
    service
}

/// Prefixes of `PREFIX-ID.scope` and `PREFIX-ID`, ID being 64 hexadecimal digits.
const PREFIXES: [(&[u8], Runtime); 7] = [
    (b"docker", Runtime::Docker),
    (b"cri-containerd", Runtime::Containerd),
    (b"nerdctl", Runtime::Containerd),
    (b"crio", Runtime::Crio),
    (b"libpod", Runtime::Podman),
    (b"libpod-payload", Runtime::Podman),
    (b"runc", Runtime::Runc),
];

fn component_of<'a>(component: &'a [u8], parent: &[u8]) -> Option<(Runtime, &'a [u8])> {
    if let Some(name) = component.strip_prefix(b"lxc.payload.") {
        return Some((Runtime::Lxc, name));
    }
    if parent == b"lxc.payload" || (parent == b"lxc" && !component.is_empty()) {
        return Some((Runtime::Lxc, component));
    }
    if let Some(name) = component.strip_prefix(b"machine-").and_then(|c| c.strip_suffix(b".scope"))
    {
        return Some((Runtime::Nspawn, name));
    }
    // SLICE:PREFIX:ID, left by a runtime that was given systemd's spelling without systemd. A
    // socket-activated service has colons too: `sshd@0-192.0.2.1:22-192.0.2.7:50514.service`.
    let mut colons = component.rsplitn(3, |byte| *byte == b':');
    if let (Some(id), Some(prefix), Some(slice)) = (colons.next(), colons.next(), colons.next())
        && slice.ends_with(b".slice")
        && is_engine_id(id)
    {
        return Some((by_prefix(prefix), id));
    }
    if is_engine_id(component) {
        let runtime = match parent {
            b"docker" => Runtime::Docker,
            b"default" | b"k8s.io" => Runtime::Containerd,
            _ if parent.starts_with(b"pod") => Runtime::Containerd,
            _ => Runtime::Oci,
        };
        return Some((runtime, component));
    }
    let bare = component.strip_suffix(b".scope").unwrap_or(component);
    let dash = bare.iter().rposition(|byte| *byte == b'-')?;
    let (prefix, id) = (bare.get(..dash)?, bare.get(dash + 1..)?);
    // Monitors carry the id too and are no part of the container.
    if !is_engine_id(id) || prefix.ends_with(b"conmon") {
        return None;
    }
    Some((by_prefix(prefix), id))
}

fn by_prefix(prefix: &[u8]) -> Runtime {
    PREFIXES.iter().find(|(name, _)| *name == prefix).map_or(Runtime::Oci, |(_, runtime)| *runtime)
}

/// Exactly 64 lower-case hexadecimal digits: what engines use. Shorter ones are not accepted,
/// since other software names its groups like that.
pub fn is_engine_id(text: &[u8]) -> bool {
    text.len() == 64 && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6961dd4fce83c1e2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f80912";

    fn told(path_with_id: &str) -> Option<(Runtime, String)> {
        let found = path(path_with_id.replace("ID", ID).as_bytes())?;
        Some((found.runtime, String::from_utf8(found.id).unwrap().replace(ID, "ID")))
    }

    #[test]
    fn the_paths_of_each_runtime() {
        let id = || "ID".to_owned();
        for (path, expected) in [
            ("/docker/ID", Some((Runtime::Docker, id()))),
            ("/system.slice/docker-ID.scope", Some((Runtime::Docker, id()))),
            ("/foo.slice/docker-ID.scope/init.scope", Some((Runtime::Docker, id()))),
            ("/../docker/ID", Some((Runtime::Docker, id()))),
            ("/docker/ID/docker/ID", Some((Runtime::Docker, id()))),
            ("/custom/ID", Some((Runtime::Oci, id()))),
            (
                "/kubepods/burstable/pod6e6f8a2c-1111-2222-3333-444455556666/ID",
                Some((Runtime::Containerd, id())),
            ),
            (
                "/kubepods.slice/kubepods-pod1.slice/cri-containerd-ID.scope",
                Some((Runtime::Containerd, id())),
            ),
            (
                "/system.slice/kubepods-pod1.slice:cri-containerd:ID",
                Some((Runtime::Containerd, id())),
            ),
            ("/kubepods.slice/crio-ID.scope", Some((Runtime::Crio, id()))),
            ("/kubepods.slice/crio-conmon-ID.scope", None),
            ("/machine.slice/libpod-ID.scope/container", Some((Runtime::Podman, id()))),
            ("/machine.slice/libpod-conmon-ID.scope", None),
            ("/libpod_parent/libpod-ID", Some((Runtime::Podman, id()))),
            ("/lxc.payload.build1/system.slice/x.service", Some((Runtime::Lxc, "build1".into()))),
            ("/lxc.monitor.build1", None),
            ("/x/a:docker:web", None),
            ("/machine.slice/machine-nsm1.scope/payload", Some((Runtime::Nspawn, "nsm1".into()))),
            ("/system.slice/nginx.service", Some((Runtime::Systemd, "nginx".into()))),
            ("/process_api/daf47bffd4bfb6b44fa60b9cab5d528c", None),
            ("/user.slice/user-1000.slice/session-3.scope", None),
            ("/system.slice/nsxtest.slice:runc:sd1", None),
            (
                "/system.slice/system-sshd.slice/sshd@0-192.0.2.1:22-192.0.2.7:50514.service",
                Some((Runtime::Systemd, "sshd@0-192.0.2.1:22-192.0.2.7:50514".into())),
            ),
            ("/lxc.payload./machine-.scope/x.slice:docker:/.service", None),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice", None),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service",
                Some((Runtime::Systemd, "x".into())),
            ),
            ("/", None),
        ] {
            assert_eq!(told(path), expected, "{path}");
        }
    }

    #[test]
    fn the_group_ends_with_the_container_and_any_line_may_tell_it() {
        let lines = format!("9:name=systemd:/\n4:memory:/x/y\n0::/docker/{ID}/inner\n");
        let found = cgroup(lines.as_bytes()).unwrap();
        assert_eq!(found.group, format!("/docker/{ID}").into_bytes());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (cgroup(&bytes), path(&bytes));
        }
    }
}
