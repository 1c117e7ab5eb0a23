//! Records as the runtimes left them.

use super::*;
use crate::collect::runtime::fixture::{Group, Host};

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
    let bundle = format!("/s/overlay-containers/{ENGINE_ID}/userdata");
    let of_podman = crun(CRUN.replace("/srv/build", &bundle).as_bytes(), ENGINE_ID).unwrap();
    assert_eq!(of_podman.runtime, Runtime::Podman);
    let of_runc = RUNC.replace("bundle=/srv/t1", "bundle=/d/buildkit/executor/t1");
    assert_eq!(runc(of_runc.as_bytes(), "t1").unwrap().runtime, Runtime::Buildkit);
    let of_youki = YOUKI.replace("/srv/tutorial", "/s/overlay-containers/t1/userdata");
    assert_eq!(youki(of_youki.as_bytes(), "t1").unwrap().runtime, Runtime::Podman);
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

fn find(host: &Host, pid: u32, start_ticks: u64, cgroup: &str) -> Option<Record> {
    let group = Group { pid, start_ticks: Some(start_ticks), cgroup, ..Group::default() };
    host.find(&mut OciState::default(), &group)
}

#[test]
fn a_container_is_found_by_its_first_process() {
    let host = Host::with(&[
        ("run/crun/build-7/status", CRUN),
        ("run/runc/t1/state.json", RUNC),
        ("run/runc/broken/state.json", "{"),
        ("run/user/1001/crun/mine/status", &CRUN.replace("17198", "5")),
    ]);
    let record = find(&host, 17198, 1_275_285, "").unwrap();
    assert_eq!((record.runtime, record.name), (Runtime::Crun, Some("build-7".into())));
    assert_eq!(record.file, "/run/crun/build-7/status");
    assert_eq!(record.owner_uid, Some(0));
    assert_eq!(find(&host, 17198, 1_275_286, ""), None, "another process of that number");
    let record = find(&host, 5, 1_275_285, "").unwrap();
    assert_eq!((record.name, record.owner_uid), (Some("mine".into()), Some(1001)));
    assert_eq!(OciState::default().all(&host.root).len(), 3);
}

#[test]
fn what_a_user_has_in_a_way_of_his_own_is_no_gap() {
    let of = |directory: &str| {
        let host = Host::with(&[(&format!("{directory}/x/status"), "{")]);
        assert!(OciState::default().all(&host.root).is_empty());
        host.root.reach().gaps().len()
    };
    assert_eq!((of("run/crun"), of("run/user/54321/crun")), (1, 0));
}

#[test]
fn a_record_without_a_start_time_names_nobody_who_came_later() {
    // The record was made 85 seconds after boot.
    let ticks = |seconds: u64| seconds * crate::collect::clock::ticks_per_second();
    let host = Host::with(&[("run/youki/t1/state.json", YOUKI)]);
    let start = |ticks: u64| {
        let stat = format!("42 (sleep) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} 0 0\n");
        host.write("proc/42/stat", &stat);
        find(&host, 42, ticks, "")
    };
    let record = start(ticks(84)).unwrap();
    assert_eq!((record.runtime, record.name), (Runtime::Youki, Some("t1".into())));
    assert_eq!(start(ticks(90)), None);
    let all = OciState::default().all(&host.root);
    assert_eq!((all[0].first, all[0].state), (First::NotRunning, State::Stopped));
}

#[test]
fn a_runtime_in_the_foreground_tells_its_own_directory() {
    let host = Host::with(&[("srv/c/build-7/status", CRUN)]);
    host.process(7, 1, "crun", 0, "crun --root /srv/c run -b /srv/b build-7");
    host.process(8, 1, "crun", 0, "crun run -b /srv/b build-7");
    let by = |parent| Group {
        pid: 17198,
        parent: Some(parent),
        start_ticks: Some(1_275_285),
        ..Group::default()
    };
    let record = host.find(&mut OciState::default(), &by(7)).unwrap();
    assert_eq!(record.file, "/srv/c/build-7/status");
    assert_eq!(host.find(&mut OciState::default(), &by(8)), None);
    let mut source = OciState::default();
    assert!(host.find(&mut source, &Group { pid: 9, ..by(7) }).is_none());
    std::fs::remove_file(host.path("srv/c/build-7/status")).unwrap();
    assert_eq!(host.find(&mut source, &by(7)), Some(record), "it is read once");
}

#[test]
fn no_more_directories_that_a_users_runtime_was_told_are_remembered_than_he_needs() {
    let host = Host::with(&[]);
    // With the byte that ends it, a path is as long as the kernel opens it.
    let long = format!("/{}", "x".repeat(LONGEST - 1));
    for pid in 100..120 {
        let told = if pid == 100 { long.clone() } else { format!("/srv/{pid}") };
        host.process(pid, 1, "crun", 1000, &format!("crun --root {told} run x"));
        host.process(pid + 100, 1, "crun", 0, &format!("crun --root {told} run x"));
    }
    let mut source = OciState::default();
    for parent in 100..220 {
        let group = Group { pid: 9, parent: Some(parent), ..Group::default() };
        assert_eq!(host.find(&mut source, &group), None);
    }
    let of = |uid| source.told.keys().filter(|key| key.0 == uid).count();
    assert_eq!((of(1000), of(0)), (MOST_ROOTS, 19));
}

#[test]
fn an_engines_container_is_the_engines_and_its_id_no_name() {
    let state = RUNC.replace("t1", ENGINE_ID);
    let host = Host::with(&[(&format!("run/runc/{ENGINE_ID}/state.json"), &state)]);
    let record = find(&host, 42, 99, &format!("/system.slice/crio-{ENGINE_ID}.scope")).unwrap();
    assert_eq!((record.runtime, record.name), (Runtime::Crio, None));
    // A group of any other name, or of none that is an engine's, makes it nobody else's.
    let other = ENGINE_ID.replace('9', "0");
    for cgroup in ["", &format!("/docker/{other}"), &format!("/custom/{ENGINE_ID}")] {
        assert_eq!(find(&host, 42, 99, cgroup).unwrap().runtime, Runtime::Runc, "{cgroup}");
    }
    let host = Host::with(&[("run/runc/t1/state.json", RUNC)]);
    let record = find(&host, 42, 99, "/system.slice/t1.service").unwrap();
    assert_eq!((record.runtime, record.name), (Runtime::Runc, Some("t1".into())));
}

#[test]
fn no_link_in_a_users_directory_is_followed() {
    let host = Host::with(&[("secret/status", CRUN), ("run/user/1001/x", "")]);
    let crun = host.path("run/user/1001/crun");
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

#[test]
fn a_users_record_speaks_of_no_process_but_his() {
    let root = SysRoot::real().unwrap();
    let own = crate::model::process::Pid::new(std::process::id()).unwrap();
    let record =
        Record { first: First::At { pid: own, start_ticks: Some(5) }, ..Record::default() };
    assert_eq!(first(&root, &record, 0), record.first);
    assert_eq!(first(&root, &record, 54321), First::NotRunning);
}
