//! Containers that were created and not started: their first process is there, and waits until
//! somebody opens the pipe that lies beside the runtime's record.
//!
//! What a process is called is its own word; the pipe is the runtime's. It is looked for only where
//! a process is called like one that waits, so that no other container costs a call.

use super::oci_state;
use super::owners::Owners;
use super::record::{Case, Record};
use super::rootless;
use super::shim;
use crate::model::runtime::Runtime;
use crate::sys::owned::Place;
use crate::sys::root::SysRoot;
use std::path::{Path, PathBuf};

/// Removed when the container is started.
const PIPE: &str = "exec.fifo";

/// What runc, crun and youki call a process that has not become the container's program yet.
pub fn may_wait(comm: &[u8]) -> bool {
    matches!(comm, b"runc:[2:INIT]" | b"crun" | b"youki:[2:INIT]")
}

/// Whether what a record tells of has not been started; `case` where its monitor is known.
pub fn waits(root: &SysRoot, case: Option<&Case<'_>>, record: &Record) -> bool {
    let found = places(root, case, record);
    found.iter().any(|place| place.names().iter().any(|name| name == PIPE))
}

/// Where the runtime may keep what it notes of the container.
fn places(root: &SysRoot, case: Option<&Case<'_>>, record: &Record) -> Vec<Place> {
    let (owners, uid) = (Owners::default(), record.owner_uid.unwrap_or(0));
    let text = |text: &[u8]| std::str::from_utf8(text).ok().map(str::to_owned);
    let Some(id) = text(record.id.as_bytes()).filter(|id| !id.contains('/') && !id.is_empty())
    else {
        return Vec::new();
    };
    let of_uid = |path: &Path| match uid {
        0 => Place::of_root(root, path),
        uid => rootless::place(root, &owners, uid, path),
    };
    let is_dockers = record.engine_namespace.is_none() && record.runtime == Runtime::Docker;
    let is_its = |namespace: &String| match &record.engine_namespace {
        Some(its) => its == &namespace.as_str(),
        None => shim::is_dockers(namespace),
    };
    let names = |path: &Path| of_uid(path).map(|place| place.names()).unwrap_or_default();
    let mut below: Vec<PathBuf> = Vec::new();
    if is_dockers || record.engine_namespace.is_some() {
        let told = case.and_then(Case::monitor).and_then(|shim| shim::bundle(root, shim));
        let mut runtimes = vec![PathBuf::from("/run/containerd/runc")];
        runtimes.extend(told.and_then(|bundle| shim::runtime_root(&bundle)));
        let docker = match uid {
            0 => PathBuf::from("/run/docker"),
            uid => PathBuf::from(format!("/run/user/{uid}/docker")),
        };
        let of_docker = names(&docker).into_iter().filter(|name| name.starts_with("runtime-"));
        runtimes.extend(of_docker.map(|name| docker.join(name)));
        for runtime in runtimes {
            let namespaces = names(&runtime).into_iter().filter(is_its);
            below.extend(namespaces.map(|namespace| runtime.join(namespace)));
        }
    }
    let file = text(record.file.as_bytes()).map(PathBuf::from);
    let beside = file.as_deref().and_then(Path::parent).and_then(Path::parent);
    below.extend(beside.map(Path::to_owned));
    let told = below.iter().filter_map(|path| of_uid(path).ok());
    let usual = oci_state::usual_places(root, &owners, uid);
    told.chain(usual).filter_map(|place| place.enter(&id).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::runtime::fixture::Host;
    use crate::model::text::Text;

    fn record(runtime: Runtime, uid: u32) -> Record {
        Record { runtime, id: "c1".into(), owner_uid: Some(uid), ..Record::default() }
    }

    #[test]
    fn a_container_waits_while_its_pipe_is_there() {
        let of = |pipe: &str, record: &Record| {
            let host = Host::with(&[
                ("etc/passwd", "ann:x:1000:1000::/home/ann:/bin/sh\n"),
                (&format!("{pipe}/c1/{PIPE}"), ""),
                (&format!("{pipe}/c2/state.json"), ""),
            ]);
            assert!(!waits(&host.root, None, &Record { id: "c2".into(), ..record.clone() }));
            waits(&host.root, None, record)
        };
        let containerd =
            Record { engine_namespace: Some("k8s.io".into()), ..record(Runtime::Containerd, 0) };
        let elsewhere = Record { file: "/srv/r/c1/state.json".into(), ..record(Runtime::Runc, 0) };
        assert!(of("run/runc", &record(Runtime::Runc, 0)));
        assert!(of("run/crun", &record(Runtime::Podman, 0)));
        assert!(of("run/user/1000/crun", &record(Runtime::Podman, 1000)));
        assert!(of("run/docker/runtime-runc/moby", &record(Runtime::Docker, 0)));
        assert!(of("run/docker/runtime-runc/moby-5.5", &record(Runtime::Docker, 0)));
        assert!(of("run/user/1000/docker/runtime-runc/moby", &record(Runtime::Docker, 1000)));
        assert!(of("run/containerd/runc/k8s.io", &containerd));
        assert!(of(
            "run/user/1000/containerd/runc/k8s.io",
            &Record { owner_uid: Some(1000), ..containerd.clone() }
        ));
        assert!(of("srv/r", &elsewhere));
        assert!(!of("run/user/1000/crun", &record(Runtime::Podman, 0)), "a user's word");
        assert!(!of("run/containerd/runc/moby", &containerd));
        assert!(!of("run/docker/runtime-runc/moby", &record(Runtime::Runc, 0)), "one of docker's");
        let strange = Record { id: "../c1".into(), ..record(Runtime::Runc, 0) };
        assert!(!of("run/runc/x", &strange));
        // What has no id has no directory: what lies beside those of others is not its.
        let host = Host::with(&[(&format!("run/runc/{PIPE}"), "")]);
        let nameless = Record { id: Text::default(), ..record(Runtime::Runc, 0) };
        assert!(!waits(&host.root, None, &nameless));
    }

    #[test]
    fn a_process_that_waits_is_known_by_what_it_is_called() {
        for comm in ["runc:[2:INIT]", "crun", "youki:[2:INIT]"] {
            assert!(may_wait(comm.as_bytes()), "{comm}");
        }
        for comm in ["runc", "runc:[1:CHILD]", "crun-x", "sh", ""] {
            assert!(!may_wait(comm.as_bytes()), "{comm}");
        }
    }
}
