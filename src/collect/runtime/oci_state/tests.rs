//! Records as the runtimes left them.

use super::*;
use crate::collect::runtime::recognise::{self, Recognised};
use crate::model::namespace::NsSet;
use crate::model::process::{self, Process};
use crate::model::text::Text;

const CRUN: &str = r#"{"pid": 17198, "process-start-time": 1275285, "cgroup-path": "/build-7",
    "scope": "", "rootfs": "/srv/rootfs", "systemd-cgroup": false, "bundle": "/srv/build",
    "created": "2026-11-24T14:21:25.418629Z", "owner": "root", "detached": true,
    "external_descriptors": "[\"/dev/null\",\"/tmp/o\",\"/tmp/o\"]"}"#;

const YOUKI: &str = r#"{"ociVersion":"v1.0.2","id":"t1","status":"running","pid":42,
    "bundle":"/srv/tutorial","annotations":{},"created":"2026-11-24T14:21:25.418629100Z",
    "creator":0,"useSystemd":false,"cleanUpIntelRdtSubdirectory":null}"#;

const RUNC: &str = r#"{"id":"t1","init_process_pid":42,"init_process_start":99,
    "created":"2026-11-24T14:21:25.170447742Z",
    "config":{"labels":["a=b","bundle=/srv/t1"],"rootfs":"/srv/t1/rootfs"},"rootless":false}"#;

const ENGINE_ID: &str = "993fef54a7abcb78f8f687dfe8300c1625c539b72d2a12a764023442921e8e50";

fn at(pid: u32, start_ticks: Option<u64>) -> First {
    First::At { pid: Pid::new(pid).unwrap(), start_ticks }
}

#[test]
fn each_runtimes_record_gives_id_pid_and_start() {
    let record = crun(CRUN.as_bytes(), "build-7").unwrap();
    assert_eq!(record.id, "build-7");
    assert_eq!(record.first, at(17198, Some(1_275_285)));
    assert_eq!(record.created_unix_seconds, Some(1_795_530_085));
    let record = runc(RUNC.as_bytes(), "t1").unwrap();
    assert_eq!((record.id, record.first), ("t1".into(), at(42, Some(99))));
    assert_eq!(record.runtime, Runtime::Unknown);
    let record = youki(YOUKI.as_bytes(), "t1").unwrap();
    assert_eq!((record.id, record.first), ("t1".into(), at(42, None)));
    assert_eq!(runc(br#"{"id":"t1"}"#, "t1"), None);
    assert_eq!(crun(b"{}", "t1"), None);
    assert_eq!(youki(br#"{"id":"t1"}"#, "t1").unwrap().first, First::NotRunning);
}

#[test]
fn a_bundle_tells_the_engine() {
    let podman = format!("/var/lib/containers/storage/overlay-containers/{ENGINE_ID}/userdata");
    assert_eq!(engine_of(&podman, ENGINE_ID), Runtime::Podman);
    let buildkit = "/var/lib/docker/buildkit/executor/zkkw0mmpdsk5dyzl4wdi0o0z7";
    assert_eq!(engine_of(buildkit, "zkkw0mmpdsk5dyzl4wdi0o0z7"), Runtime::Buildkit);
    assert_eq!(engine_of("/srv/web", "web"), Runtime::Unknown);
    assert_eq!(engine_of("web", "web"), Runtime::Unknown);
    assert_eq!(engine_of("", ""), Runtime::Unknown);
}

struct Host {
    temp: tempfile::TempDir,
    root: SysRoot,
}

impl Host {
    fn with(files: &[(&str, &str)]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let stat = "cpu 1 2\nbtime 1795530000\n";
        for (path, text) in [("proc/stat", stat)].iter().chain(files) {
            let path = temp.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = SysRoot::fixture(temp.path()).unwrap();
        Self { temp, root }
    }

    fn find(&self, pid: u32, start_ticks: u64, named: Option<&Recognised>) -> Option<Record> {
        let init = Process {
            pid: Pid::new(pid).unwrap(),
            parent: None,
            state: process::State(b'S'),
            kernel_thread: false,
            comm: "sleep".into(),
            start_ticks,
            namespaces: NsSet::default(),
            cgroup: Text::default(),
        };
        let case = Case { root: &self.root, init: &init, named, monitor: None };
        OciState::default().find(&case).unwrap()
    }
}

fn stat(pid: u32, start_ticks: u64) -> String {
    format!("{pid} (sleep) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {start_ticks} 0 0\n")
}

#[test]
fn a_container_is_found_by_its_first_process() {
    let host = Host::with(&[
        ("run/crun/build-7/status", CRUN),
        ("run/runc/t1/state.json", RUNC),
        ("run/runc/broken/state.json", "{"),
        ("run/user/1001/crun/mine/status", &CRUN.replace("17198", "5")),
    ]);
    let record = host.find(17198, 1_275_285, None).unwrap();
    assert_eq!((record.runtime, record.name), (Runtime::Crun, Some("build-7".into())));
    assert_eq!(record.file, "/run/crun/build-7/status");
    assert_eq!(record.owner_uid, Some(0));
    assert_eq!(host.find(17198, 1_275_286, None), None, "another process of that number");
    let record = host.find(5, 1_275_285, None).unwrap();
    assert_eq!((record.name, record.owner_uid), (Some("mine".into()), Some(1001)));
    assert_eq!(OciState::default().all(&host.root).len(), 3);
}

#[test]
fn a_record_without_a_start_time_names_nobody_who_came_later() {
    let hz = rustix::param::clock_ticks_per_second();
    // The record was made 85 seconds after boot.
    let host = |start: u64| {
        Host::with(&[("run/youki/t1/state.json", YOUKI), ("proc/42/stat", &stat(42, start))])
    };
    let record = host(84 * hz).find(42, 84 * hz, None).unwrap();
    assert_eq!((record.runtime, record.name), (Runtime::Youki, Some("t1".into())));
    assert_eq!(host(90 * hz).find(42, 90 * hz, None), None);
    let all = OciState::default().all(&host(90 * hz).root);
    assert_eq!((all[0].first, all[0].state), (First::NotRunning, State::Stopped));
}

#[test]
fn an_engines_container_is_the_engines_and_its_id_no_name() {
    let state = RUNC.replace("t1", ENGINE_ID);
    let host = Host::with(&[(&format!("run/runc/{ENGINE_ID}/state.json"), &state)]);
    let named = recognise::path(format!("/system.slice/crio-{ENGINE_ID}.scope").as_bytes()).pop();
    let record = host.find(42, 99, named.as_ref()).unwrap();
    assert_eq!((record.runtime, record.name), (Runtime::Crio, None));
    assert_eq!(host.find(42, 99, None).unwrap().runtime, Runtime::Runc);
}

#[test]
fn no_link_in_a_users_directory_is_followed() {
    let host = Host::with(&[("secret/status", CRUN), ("run/user/1001/x", "")]);
    let crun = host.temp.path().join("run/user/1001/crun");
    std::os::unix::fs::symlink("../../../secret", &crun).unwrap();
    assert!(OciState::default().all(&host.root).is_empty());
    std::fs::remove_file(&crun).unwrap();
    std::fs::create_dir(&crun).unwrap();
    std::os::unix::fs::symlink("../../../../secret", crun.join("x")).unwrap();
    assert!(OciState::default().all(&host.root).is_empty());
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, bundle: String, id: String) {
        let _ = (runc(&bytes, &id), crun(&bytes, &id), youki(&bytes, &id));
        let _ = engine_of(&bundle, &id);
    }
}
