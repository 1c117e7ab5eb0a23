//! A pod's container as CRI-O notes it.

use super::*;
use crate::collect::runtime::fixture::{Group, Host};
use crate::model::process::Pid;

const APP: &str = "6961dd4fce83c1e2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f80912";
const POD: &str = "91a72bf5c65da4d92731704f371a5a32c2d2dc186ba94bd1250d142dcafe14ef";
const WEB: &str = "993fef54a7abcb78f8f687dfe8300c1625c539b72d2a12a764023442921e8e50";

const GRAPH: &str = "var/lib/containers/storage/overlay-containers";
const RUN: &str = "run/containers/storage/overlay-containers";

const SPECIFICATION: &str = r#"{"ociVersion":"1.1.0","annotations":{
    "io.container.manager":"cri-o",
    "io.kubernetes.container.name":"app",
    "io.kubernetes.cri-o.ContainerID":"6961dd4fce83c1e2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f80912",
    "io.kubernetes.cri-o.ContainerType":"container",
    "io.kubernetes.cri-o.Image":"registry.example/cart@sha256:5f3c",
    "io.kubernetes.cri-o.ImageName":"registry.example/cart:2.1",
    "io.kubernetes.cri-o.Labels":"{\"io.kubernetes.container.name\":\"app\",\"tier\":\"front\"}",
    "io.kubernetes.cri-o.Metadata":"{\"name\":\"app\"}",
    "io.kubernetes.cri-o.Name":"k8s_app_cart-7d4b9_shop_6e6f8a2c-1111-2222-3333-444455556666_0",
    "io.kubernetes.cri-o.SandboxID":"91a72bf5c65da4d92731704f371a5a32c2d2dc186ba94bd1250d142dcafe14ef",
    "io.kubernetes.pod.name":"cart-7d4b9","io.kubernetes.pod.namespace":"shop",
    "io.kubernetes.pod.uid":"6e6f8a2c-1111-2222-3333-444455556666"}}"#;

const SANDBOX: &str = r#"{"annotations":{"io.container.manager":"cri-o",
    "io.kubernetes.container.name":"POD","io.kubernetes.cri-o.ContainerType":"sandbox",
    "io.kubernetes.cri-o.Image":"registry.k8s.io/pause:3.10","io.kubernetes.cri-o.ImageName":"",
    "io.kubernetes.cri-o.KubeName":"cart-7d4b9","io.kubernetes.cri-o.Namespace":"shop"}}"#;

const STATE: &str = r#"{"ociVersion":"1.0.0","id":"6961dd4f","status":"running","pid":42,"bundle":"/run/x",
    "created":"2026-11-24T14:20:50.5Z","started":"2026-11-24T14:20:51.5Z",
    "finished":"0001-01-01T00:00:00Z","initPid":42,"initStartTime":"420"}"#;

fn list(containers: &[(&str, &str, bool)]) -> String {
    let entry = |(id, name, is_cri_os): &(&str, &str, bool)| {
        let pod = if *is_cri_os { format!(r#"\"pod-id\":\"{POD}\","#) } else { String::new() };
        let noted = format!(r#"{{{pod}\"image-name\":\"cart\",\"name\":\"{name}\"}}"#);
        format!(
            r#"{{"id":"{id}","names":["{name}"],"metadata":"{noted}","created":"2026-11-24T14:20:50Z"}}"#
        )
    };
    format!("[{}]", containers.iter().map(entry).collect::<Vec<_>>().join(","))
}

fn at(pid: u32, start_ticks: Option<u64>) -> First {
    First::At { pid: Pid::new(pid).unwrap(), start_ticks }
}

fn host() -> Host {
    let listed = [(APP, "k8s_app", true), (POD, "k8s_POD", true), (WEB, "web", false)];
    let host = Host::with(&[
        (&format!("{GRAPH}/volatile-containers.json"), &list(&listed)),
        (&format!("{GRAPH}/{APP}/userdata/config.json"), SPECIFICATION),
        (&format!("{GRAPH}/{APP}/userdata/state.json"), STATE),
        (&format!("{RUN}/{APP}/userdata/pidfile"), "42"),
        (&format!("{RUN}/{APP}/userdata/conmon-pidfile"), "40"),
        (&format!("{GRAPH}/{POD}/userdata/config.json"), SANDBOX),
        (&format!("{GRAPH}/{WEB}/userdata/config.json"), "{}"),
    ]);
    host.process(40, 1, "conmon", 0, &format!("conmon -c {APP} -n k8s_app -b /run/x"));
    host.process(42, 40, "cart", 0, "cart");
    host
}

fn find(host: &Host, pid: u32, parent: u32, cgroup: &str) -> Option<Record> {
    let group = Group { pid, parent: Some(parent), cgroup, ..Group::default() };
    host.find(&mut Crio::default(), &group)
}

#[test]
fn a_specification_tells_pod_name_image_and_labels() {
    let record = parse(SPECIFICATION.as_bytes()).unwrap();
    let pod = record.pod.unwrap();
    assert_eq!(pod.path().unwrap(), "shop/cart-7d4b9/app");
    assert_eq!(pod.uid.unwrap(), "6e6f8a2c-1111-2222-3333-444455556666");
    assert_eq!(record.name.unwrap(), "app");
    assert_eq!(record.image.unwrap(), "registry.example/cart:2.1");
    assert_eq!(record.labels.len(), 2);
    assert_eq!(record.labels[1], ("tier".into(), "front".into()));
    let sandbox = parse(SANDBOX.as_bytes()).unwrap();
    let pod = sandbox.pod.unwrap();
    assert_eq!((pod.path().unwrap(), pod.sandbox), ("shop/cart-7d4b9".into(), true));
    assert_eq!(sandbox.image.unwrap(), "registry.k8s.io/pause:3.10");
    assert_eq!(parse(br#"{"annotations":{"io.container.manager":"libpod"}}"#), None);
}

#[test]
fn the_start_of_a_process_counts_where_it_is_in_ticks() {
    assert_eq!(parse_state(STATE.as_bytes()), Some((State::Stopped, at(42, Some(420)))));
    let seconds = STATE.replace(r#""420""#, "1795530051");
    assert_eq!(parse_state(seconds.as_bytes()), Some((State::Stopped, at(42, None))));
    let state = |status: &str| parse_state(STATE.replace("running", status).as_bytes());
    assert_eq!(state("stopped"), Some((State::Stopped, First::NotRunning)));
    assert_eq!(state("created"), Some((State::Created, at(42, Some(420)))));
    assert_eq!(parse_state(b"{}"), None);
}

#[test]
fn a_container_is_found_by_its_groups_name_and_by_its_conmon() {
    let host = host();
    let scope = format!("/kubepods.slice/crio-{APP}.scope");
    for cgroup in [&scope, "/"] {
        let record = find(&host, 42, 40, cgroup).unwrap();
        assert_eq!((record.runtime, record.id), (Runtime::Crio, APP.into()));
        assert_eq!(record.name, Some("app".into()));
        assert_eq!(record.first, at(42, None));
    }
    // One for a whole pod tells nothing of its own, but is the parent.
    host.process(45, 1, "conmonrs", 0, "conmonrs --runtime /usr/bin/crun -c systemd");
    assert_eq!(find(&host, 42, 45, &scope).unwrap().first, at(42, None));
    assert_eq!(find(&host, 42, 45, "/"), None);
    // Without conmon the start must be told.
    let record = find(&host, 42, 1, &scope).unwrap();
    assert_eq!(record.first, at(42, Some(420)));
    let state = STATE.replace(r#""420""#, "1795530051");
    host.write(&format!("{GRAPH}/{APP}/userdata/state.json"), &state);
    assert_eq!(find(&host, 42, 1, &scope), None);
}

#[test]
fn what_is_podmans_is_left_to_it() {
    let host = host();
    host.process(41, 1, "conmon", 0, &format!("conmon -c {WEB} -n web --exit-command podman"));
    assert_eq!(find(&host, 43, 41, "/"), None);
    assert_eq!(find(&host, 43, 41, &format!("/machine.slice/libpod-{WEB}.scope")), None);
}

#[test]
fn what_is_named_like_another_engines_is_left_to_that() {
    let host = host();
    let found = |cgroup: &str| find(&host, 42, 40, cgroup).map(|record| record.id);
    assert_eq!(found(&format!("/system.slice/docker-{APP}.scope")), None);
    assert_eq!(found(&format!("/machine.slice/libpod-{APP}.scope")), None);
    // These names are nobody's, and conmon tells whose it is.
    assert_eq!(found(&format!("/machines/{APP}")), Some(APP.into()));
    assert_eq!(found("/system.slice/crio.service"), Some(APP.into()));
}

#[test]
fn without_a_specification_the_list_tells_name_and_whose_it_is() {
    let host = host();
    std::fs::remove_file(host.path(&format!("{GRAPH}/{APP}/userdata/config.json"))).unwrap();
    let expected = Record {
        runtime: Runtime::Crio,
        id: APP.into(),
        name: Some("k8s_app".into()),
        image: Some("cart".into()),
        created_unix_seconds: Some(1_795_530_050),
        owner_uid: Some(0),
        first: at(42, None),
        file: format!("/{RUN}/{APP}/userdata/pidfile").into(),
        ..Record::default()
    };
    assert_eq!(find(&host, 42, 40, &format!("/kubepods.slice/crio-{APP}.scope")), Some(expected));
    // What the list has as podman's is not CRI-O's, whatever its group is called.
    host.process(45, 1, "conmonrs", 0, "conmonrs --runtime /usr/bin/crun -c systemd");
    assert_eq!(find(&host, 43, 45, &format!("/kubepods.slice/crio-{WEB}.scope")), None);
}

#[test]
fn a_store_elsewhere_is_told_by_conmon() {
    let host = Host::with(&[
        ("data/g/overlay-containers/containers.json", &list(&[(APP, "k8s_app", true)])),
        (&format!("data/g/overlay-containers/{APP}/userdata/config.json"), SPECIFICATION),
        (&format!("data/r/overlay-containers/{APP}/userdata/pidfile"), "42"),
    ]);
    let conmon = |below: &str| {
        let arguments = format!(
            "conmon -b {below}/r/overlay-containers/{APP}/userdata -c {APP} -n k8s_app \
             --persist-dir {below}/g/overlay-containers/{APP}/userdata"
        );
        host.process(40, 1, "conmon", 0, &arguments);
        find(&host, 42, 40, "/").unwrap()
    };
    assert_eq!(conmon("/data").name, Some("app".into()));
    let record = conmon("/none");
    let expected = Record {
        runtime: Runtime::Crio,
        id: APP.into(),
        name: Some("k8s_app".into()),
        owner_uid: Some(0),
        first: First::Untold,
        file: "pid 40".into(),
        ..Record::default()
    };
    assert_eq!(record, expected);
}

#[test]
fn all_of_them_are_listed_but_pods_without_a_process() {
    let host = host();
    let all = Crio::default().all(&host.root);
    assert_eq!(all.len(), 1);
    assert_eq!((&all[0].name, all[0].first), (&Some("app".into()), at(42, Some(420))));
    assert_eq!((all[0].owner_uid, all[0].created_unix_seconds), (Some(0), Some(1_795_530_050)));
    host.write("proc/42/stat", "");
    let all = Crio::default().all(&host.root);
    assert_eq!((all[0].state, all[0].first), (State::Stopped, First::NotRunning));
}

#[test]
fn a_pod_with_a_process_is_listed_and_so_is_a_container_that_never_had_one() {
    let host = host();
    host.write(&format!("{RUN}/{POD}/userdata/pidfile"), "41");
    host.write(&format!("{RUN}/{POD}/userdata/conmon-pidfile"), "40");
    host.process(41, 40, "pause", 0, "pause");
    for gone in [format!("{RUN}/{APP}"), format!("{GRAPH}/{APP}/userdata/state.json")] {
        let gone = host.path(&gone);
        let _ = std::fs::remove_file(&gone).or_else(|_| std::fs::remove_dir_all(&gone));
    }
    let all = Crio::default().all(&host.root);
    let told: Vec<_> =
        all.into_iter().map(|one| (one.name.unwrap().to_string(), one.state, one.first)).collect();
    let app = ("app".to_owned(), State::Created, First::NotRunning);
    let pod = ("cart-7d4b9".to_owned(), State::Created, at(41, Some(410)));
    assert_eq!(told, [app, pod]);
}

#[test]
fn a_storage_that_cannot_be_looked_at_is_missing() {
    let host = Host::with(&[("var/lib/containers/storage", "no directory")]);
    let mut source = Crio::default();
    assert_eq!(source.all(&host.root), []);
    let gaps: Vec<String> = source.gaps().iter().map(|gap| gap.object.to_string()).collect();
    assert_eq!(gaps, ["/var/lib/containers/storage"]);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = (parse(&bytes), parse_state(&bytes), parse_labels(&bytes));
    }
}
