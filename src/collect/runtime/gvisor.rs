//! gVisor: containers with a kernel in user space, by the state that runsc keeps of each.
//!
//! Two processes of the host make one: the sandbox, which is that kernel, and the gofer, which
//! opens files for it. Neither is what runs inside. The containers of a pod share a sandbox.

use super::picked::{Path as Key, Picked};
use super::record::{CAP, Record};
use super::sandboxed::{self, Kept, Sandboxed, each};
use super::{recognise, timestamp};
use crate::model::container::State;
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::sys::root::{self, SysRoot};
use std::path::{Path, PathBuf};

/// What runsc is told to keep its state in: by itself, by containerd and by docker.
const STATE: &str = "/run/runsc";
const OF_CONTAINERD: &str = "/run/containerd/runsc";
const OF_DOCKER: &str = "/run/docker";

pub fn source() -> Sandboxed {
    Sandboxed::new(Runtime::Gvisor, read)
}

fn read(root: &SysRoot) -> Vec<Kept> {
    places(root).iter().flat_map(|place| read_place(root, place)).collect()
}

fn places(root: &SysRoot) -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from(STATE)];
    places.extend(each(root, Path::new(OF_CONTAINERD), |_, namespace| {
        Some(Path::new(OF_CONTAINERD).join(namespace))
    }));
    places.extend(each(root, Path::new(OF_DOCKER), |_, name| {
        name.starts_with("runtime-").then(|| Path::new(OF_DOCKER).join(name).join("moby"))
    }));
    places
}

fn read_place(root: &SysRoot, place: &Path) -> Vec<Kept> {
    each(root, place, |directory, name| {
        // `ID_sandbox:SANDBOX.state`; beside it lie locks, and what other runtimes keep.
        name.strip_suffix(".state").filter(|stem| stem.contains("_sandbox:"))?;
        let bytes = root::read_beneath(directory, name, CAP).ok()?;
        let (record, mut processes) = parse(&bytes)?;
        processes.retain(|pid| {
            let arguments = sandboxed::arguments(root, *pid);
            arguments.first().is_some_and(|name| name.as_bytes().starts_with(b"runsc-"))
        });
        Some(Kept {
            record: Record { file: root::path_text(&place.join(name)), ..record },
            processes,
        })
    })
}

const ID: Key = &["id"];
const STATUS: Key = &["status"];
const CREATED: Key = &["createdAt"];
const GOFER: Key = &["goferPid"];
const SANDBOX: Key = &["sandbox", "pid"];
const SANDBOX_ID: Key = &["sandbox", "id"];
const ANNOTATIONS: Key = &["spec", "annotations", "*"];

/// A state file, and the processes of this container alone, the sandbox first.
pub fn parse(bytes: &[u8]) -> Option<(Record, Vec<Pid>)> {
    let keys = [ID, STATUS, CREATED, GOFER, SANDBOX, SANDBOX_ID, ANNOTATIONS];
    let json = Picked::from_json(bytes, &keys)?;
    let id = json.text(ID).filter(|id| !id.is_empty())?;
    let pid = |key| json.number(key).and_then(|pid| Pid::new(u32::try_from(pid).ok()?));
    // In a pod the sandbox is that of its first container.
    let sandbox = pid(SANDBOX).filter(|_| json.text(SANDBOX_ID) == Some(id));
    let processes: Vec<Pid> = sandbox.into_iter().chain(pid(GOFER)).collect();
    let record = Record {
        runtime: Runtime::Gvisor,
        id: id.into(),
        // What a person called it; engines' ids are not names.
        name: (!recognise::is_engine_id(id.as_bytes())).then(|| id.into()),
        labels: json.labels(ANNOTATIONS),
        created_unix_seconds: json.text(CREATED).and_then(timestamp::unix_seconds),
        owner_uid: Some(0),
        state: match json.text(STATUS) {
            Some("creating" | "created") => State::Created,
            _ => State::Stopped,
        },
        first: sandboxed::first_of(&processes),
        ..Record::default()
    };
    Some((record, processes))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Host;
    use super::*;
    use crate::collect::runtime::record::{First, Sandbox, Source};

    /// As runsc 20221219 writes it, cut to what matters.
    const STATE: &str = r#"{"id":"t1","spec":{"ociVersion":"1.0.2-dev","process":{"args":["/bin/sleep","9"]},
        "annotations":{"k1":"v1"},"linux":{"cgroupsPath":"/t1"}},"bundleDir":"/b",
        "createdAt":"2026-11-24T14:17:58.461019878Z","owner":"","status":"running","goferPid":9600,
        "sandbox":{"id":"t1","pid":9604,"uid":65534,"cgroup":{"cgroupv1":{"name":"/t1"}}}}"#;

    fn pids(numbers: &[u32]) -> Vec<Pid> {
        numbers.iter().filter_map(|number| Pid::new(*number)).collect()
    }

    #[test]
    fn a_state_file_names_sandbox_and_gofer() {
        let (record, processes) = parse(STATE.as_bytes()).unwrap();
        assert_eq!(processes, pids(&[9604, 9600]));
        assert_eq!(record.first, First::At { pid: processes[0], start_ticks: None });
        assert_eq!((record.id, record.name), ("t1".into(), Some("t1".into())));
        assert_eq!(record.labels, [("k1".into(), "v1".into())]);
        assert_eq!(record.created_unix_seconds, Some(1_795_529_878));
    }

    #[test]
    fn a_pods_other_containers_have_a_gofer_of_their_own_and_no_sandbox() {
        let (_, processes) =
            parse(STATE.replace("\"id\":\"t1\",\"pid\"", "\"id\":\"pause\",\"pid\"").as_bytes())
                .unwrap();
        assert_eq!(processes, pids(&[9600]));
    }

    #[test]
    fn what_was_never_started_or_has_ended_has_no_process() {
        let state = |status: &str| {
            let json =
                format!(r#"{{"id":"{}","status":"{status}","goferPid":0}}"#, "ab".repeat(32));
            let (record, processes) = parse(json.as_bytes()).unwrap();
            assert_eq!((record.first, processes, record.name), (First::NotRunning, vec![], None));
            record.state
        };
        assert_eq!(state("created"), State::Created);
        assert_eq!(state("stopped"), State::Stopped);
        assert!(parse(b"{}").is_none() && parse(b"[").is_none());
    }

    #[test]
    fn only_runscs_own_processes_are_taken_from_a_file() {
        const FILE: &str = "/run/docker/runtime-runsc/moby/t1_sandbox:t1.state";
        let host = Host::with(&[
            (FILE.trim_start_matches('/'), STATE),
            ("run/docker/runtime-runsc/moby/t1_sandbox:t1.lock", ""),
        ]);
        host.process(9604, 1, "exe", 65534, "runsc-sandbox boot t1");
        host.process(9600, 1, "exe", 0, "nginx");
        let expected = Sandbox { runtime: Runtime::Gvisor, processes: pids(&[9604]) };
        assert_eq!(source().sandboxes(&host.root), [expected]);
        assert_eq!(source().all(&host.root)[0].file, FILE);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
