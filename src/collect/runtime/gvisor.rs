//! gVisor: containers with a kernel in user space, by the state that runsc keeps of each.
//!
//! Two processes of the host make one: the sandbox, which is that kernel, and the gofer, which
//! opens files for it. Neither is what runs inside. The containers of a pod share a sandbox.

use super::monitor::Monitor;
use super::picked::{Path as Key, Picked};
use super::record::{self, CAP, Record};
use super::sandboxed::{self, Kept, Sandboxed};
use super::{recognise, shim, timestamp};
use crate::model::container::State;
use crate::model::process::{Pid, Process};
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::owned::Place;
use crate::sys::root::{self, SysRoot};
use std::path::{Path, PathBuf};

/// What runsc is told to keep its state in: by itself, by containerd and by docker.
const STATE: &str = "/run/runsc";
const OF_CONTAINERD: &str = "/run/containerd/runsc";
const OF_DOCKER: &str = "/run/docker";

/// By what runsc keeps, in the usual places and where a sandbox's process says.
pub fn source() -> Sandboxed {
    // It calls itself by a link.
    Sandboxed::new(Runtime::Gvisor, |process| process.comm == "exe", read)
}

fn read(root: &SysRoot, telling: &[Process]) -> Vec<Kept> {
    let usual = usual_places(root);
    let told = told(root, telling);
    let mut more: Vec<&Path> = told.iter().map(|one| &*one.place).collect();
    more.retain(|path| !usual.iter().any(|usual| usual == path));
    more.sort_unstable();
    more.dedup();
    let more = more.into_iter().filter_map(|path| {
        let place = Place::claimed(root, path, 0).ok()?;
        let is_told = |own: &str, sandbox: &str| {
            told.iter().any(|one| one.place == path && one.speaks_of(own, sandbox))
        };
        Some(read_place(root, &place, is_told))
    });
    let usual = usual.iter().filter_map(|path| Place::of_root(root, path).ok());
    usual.map(|place| read_place(root, &place, |_, _| true)).chain(more).flatten().collect()
}

/// What a sandbox's command line says: where its state is kept, and its id.
struct Told {
    place: PathBuf,
    id: Vec<u8>,
    /// Its group bears that id.
    is_named: bool,
}

impl Told {
    /// Whether it speaks of a container and its sandbox. What is in a container can call itself a
    /// sandbox, and write what it likes: that speaks of itself alone.
    fn speaks_of(&self, own: &str, sandbox: &str) -> bool {
        sandbox.as_bytes() == self.id && (own == sandbox || !self.is_named)
    }
}

/// What sandboxes were told. One that lies in the group of a container tells of that container, or
/// of nothing. They run as nobody, and more is not asked of a user whose process did not answer.
fn told(root: &SysRoot, telling: &[Process]) -> Vec<Told> {
    let mut all = Vec::new();
    let mut silent = Vec::new();
    for process in telling {
        let Some(monitor) = Monitor::of(root, process.pid) else { continue };
        if silent.contains(&monitor.uid) {
            continue;
        }
        let arguments = monitor.arguments();
        if arguments.iter().all(Text::is_empty) {
            silent.push(monitor.uid);
        }
        let Some((place, id)) = parse_arguments(&arguments) else { continue };
        let group = sandboxed::container_of(process.cgroup.as_bytes());
        let is_named = group.is_some();
        if group.is_none_or(|group| group == id) {
            all.push(Told { place, id, is_named });
        }
    }
    all
}

/// `--root` on a sandbox's command line, which ends with the container's id.
pub fn parse_arguments(arguments: &[Text]) -> Option<(PathBuf, Vec<u8>)> {
    let (name, rest) = arguments.split_first()?;
    if name != &"runsc-sandbox" {
        return None;
    }
    let id = rest.last()?.as_bytes().to_vec();
    let mut rest = rest.iter().map(Text::as_bytes);
    let place = loop {
        let option = rest.next()?;
        let option = option.strip_prefix(b"--").or_else(|| option.strip_prefix(b"-"))?;
        match option.strip_prefix(b"root") {
            Some(b"") => break rest.next()?,
            Some([b'=', place @ ..]) => break place,
            _ => {}
        }
    };
    let place = std::str::from_utf8(place).ok().filter(|place| place.starts_with('/'))?;
    Some((PathBuf::from(place), id))
}

fn usual_places(root: &SysRoot) -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from(STATE)];
    places.extend(record::each(root, Path::new(OF_CONTAINERD), |_, namespace| {
        Some(Path::new(OF_CONTAINERD).join(namespace))
    }));
    let runtimes = record::each(root, Path::new(OF_DOCKER), |_, name| {
        name.starts_with("runtime-").then(|| Path::new(OF_DOCKER).join(name))
    });
    for runtime in runtimes {
        places.extend(record::each(root, &runtime, |_, namespace| {
            shim::is_dockers(namespace).then(|| runtime.join(namespace))
        }));
    }
    places
}

/// What is kept of the containers that `is_wanted`, by id and sandbox.
fn read_place(root: &SysRoot, place: &Place, is_wanted: impl Fn(&str, &str) -> bool) -> Vec<Kept> {
    let names = place.names();
    let kept = names.iter().filter_map(|name| {
        // `ID_sandbox:SANDBOX.state`; beside it lie locks, and what other runtimes keep.
        let (own, sandbox) = name.strip_suffix(".state")?.split_once("_sandbox:")?;
        if !is_wanted(own, sandbox) {
            return None;
        }
        let bytes = record::noted_of(place, place.read(name, CAP))?;
        let file = root::path_text(&place.path().join(name));
        let parsed = record::parsed_of(place, file.clone(), parse(&bytes));
        let (record, mut processes) = parsed.filter(|(record, _)| record.id == own)?;
        processes.retain(|pid| {
            let arguments = sandboxed::arguments(root, *pid);
            arguments.first().is_some_and(|name| name.as_bytes().starts_with(b"runsc-"))
        });
        Some(Kept { record: Record { file, ..record }, processes, sandbox: sandbox.into() })
    });
    kept.collect()
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
    let waits = matches!(json.text(STATUS), Some("creating" | "created"));
    let record = Record {
        runtime: Runtime::Gvisor,
        id: id.into(),
        // What a person called it; engines' ids are not names.
        name: (!recognise::is_engine_id(id.as_bytes())).then(|| id.into()),
        labels: json.labels(ANNOTATIONS),
        created_unix_seconds: json.text(CREATED).and_then(timestamp::unix_seconds),
        owner_uid: Some(0),
        state: if waits { State::Created } else { State::Stopped },
        waits,
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
    use crate::collect::scan::Scan;
    use crate::model::namespace::{Kind, NsSet};
    use crate::model::process;

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
        assert_eq!((record.runtime, record.owner_uid), (Runtime::Gvisor, Some(0)));
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
            (record.state, record.waits)
        };
        for status in ["creating", "created"] {
            assert_eq!(state(status), (State::Created, true), "{status}");
        }
        assert_eq!(state("stopped"), (State::Stopped, false));
        assert!(parse(b"{}").is_none() && parse(b"[").is_none());
    }

    #[test]
    fn docker_may_have_users_of_its_own() {
        let file = "run/docker/runtime-runsc/moby-165536.165536/t1_sandbox:t1.state";
        assert_eq!(source().all(&Host::with(&[(file, STATE)]).root).len(), 1);
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

    fn sandbox(cgroup: &str, inode: u64) -> Process {
        let mut namespaces = NsSet::default();
        namespaces.set(Kind::Pid, inode);
        Process {
            pid: Pid::new(9604).unwrap(),
            parent: None,
            state: process::State(b'S'),
            kernel_thread: false,
            comm: "exe".into(),
            start_ticks: 96040,
            namespaces,
            cgroup: format!("0::{cgroup}\n").into(),
        }
    }

    /// How many are known once a sandbox's process was seen.
    fn told_by(host: &Host, process: Process) -> usize {
        let mut host_namespaces = NsSet::default();
        host_namespaces.set(Kind::Pid, 1);
        let scan = Scan { host: host_namespaces, isolated: vec![process], gaps: Vec::new() };
        let mut source = source();
        source.see(&scan);
        source.sandboxes(&host.root).len()
    }

    #[test]
    fn a_sandbox_tells_where_its_state_is() {
        let host = Host::with(&[("srv/r/t1_sandbox:t1.state", STATE)]);
        host.process(9604, 1, "exe", 65534, "runsc-sandbox --root=/srv/r boot --bundle=/b t1");
        host.process(9600, 1, "exe", 0, "runsc-gofer --root=/srv/r gofer");
        assert_eq!(source().sandboxes(&host.root), []);
        assert_eq!(told_by(&host, sandbox("/t1", 1)), 1);
        assert_eq!(told_by(&host, sandbox("/t1", 2)), 0, "one within a container");
        let docker = format!("/docker/{}", "ab".repeat(32));
        assert_eq!(told_by(&host, sandbox(&docker, 1)), 0, "one that a container shows");
    }

    #[test]
    fn a_sandbox_tells_of_its_own_containers() {
        let id = "ab".repeat(32);
        let with = |own: &str, sandbox_id: &str, cgroup: &str| {
            let state = STATE.replace("t1", own).replace(
                &format!(r#""sandbox":{{"id":"{own}""#),
                &format!(r#""sandbox":{{"id":"{sandbox_id}""#),
            );
            let host = Host::with(&[(&format!("srv/r/{own}_sandbox:{sandbox_id}.state"), &state)]);
            host.process(9604, 1, "exe", 65534, &format!("runsc-sandbox --root=/srv/r boot {id}"));
            host.process(9600, 1, "exe", 0, "runsc-gofer");
            told_by(&host, sandbox(cgroup, 1))
        };
        let docker = format!("/docker/{id}");
        assert_eq!((with(&id, &id, &docker), with(&id, &id, "/x")), (1, 1));
        assert_eq!((with("web", "web", &docker), with("web", "web", "/x")), (0, 0));
        assert_eq!(with("web", &id, "/x"), 1, "another of its pod");
        assert_eq!(with("web", &id, &docker), 0, "what a container shows speaks of that alone");
    }

    #[test]
    fn a_process_in_another_containers_group_is_not_taken() {
        let ids = ["ab".repeat(32), "cd".repeat(32), "ef".repeat(32)];
        let taken = |own: &str, sandbox: &str, cgroup: &str| {
            let file = format!("run/runsc/{own}_sandbox:{sandbox}.state");
            let host = Host::with(&[(&file, &STATE.replace("t1", own))]);
            host.process(9604, 1, "exe", 65534, "runsc-sandbox boot x");
            host.write("proc/9604/cgroup", &format!("0::{cgroup}\n"));
            source().sandboxes(&host.root).len()
        };
        let [own, pod, other] = &ids;
        assert_eq!(taken(own, own, &format!("/docker/{own}")), 1);
        assert_eq!(taken(own, pod, &format!("/docker/{pod}")), 1);
        assert_eq!(taken(own, own, &format!("/docker/{other}")), 0);
        assert_eq!(taken(own, own, &format!("/docker/{other}/docker/{own}")), 0);
        assert_eq!(taken("web", "web", "/user.slice/snap.code.code-1.scope"), 1);
    }

    #[test]
    fn a_command_line_tells_the_root_and_the_id() {
        let told = |line: &str| {
            let told = parse_arguments(&line.split(' ').map(Text::from).collect::<Vec<_>>())?;
            Some((told.0.display().to_string(), String::from_utf8(told.1).unwrap()))
        };
        let expected = Some(("/r".to_owned(), "c".to_owned()));
        assert_eq!(told("runsc-sandbox --root=/r --debug boot c"), expected);
        assert_eq!(told("runsc-sandbox --debug -root /r boot c"), expected);
        assert_eq!(told("runsc-sandbox --debug boot --root=/r c"), None);
        assert_eq!(told("runsc-gofer --root=/r gofer c"), None);
        assert_eq!(told("runsc-sandbox --root=r boot c"), None);
        assert_eq!(told("runsc-sandbox"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, line in "(runsc-sandbox|-|root|=|/| ){0,12}") {
            let words: Vec<Text> = line.split(' ').map(Text::from).collect();
            let _ = (parse(&bytes), parse_arguments(&words));
        }
    }
}
