//! Bundles and databases as containerd 1.6 leaves them.

use super::*;
use crate::collect::runtime::fixture::{Group, Host};

const POD: &str = "993fef54ff728793a1961134bd76392059fd4cb910d1a1238a26dcff4dba02f3";
const TASKS: &str = "run/containerd/io.containerd.runtime.v2.task";

const SPECIFICATION: &str = r#"{"annotations":{"io.kubernetes.cri.container-type":"container",
    "io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-name":"cart-7d4b9",
    "io.kubernetes.cri.container-name":"app","io.kubernetes.cri.image-name":"registry/cart:2.1"}}"#;

/// Where a bundle's link leads.
const DATA: &str = "/data/c";

fn host() -> Host {
    let host = Host::with(&[
        (&format!("{TASKS}/k8s.io/{POD}/config.json"), SPECIFICATION),
        (&format!("{TASKS}/k8s.io/{POD}/init.pid"), "42"),
        (&format!("{TASKS}/default/web/config.json"), r#"{"annotations":{"app":"demo"}}"#),
        (&format!("{TASKS}/default/web/init.pid"), "52"),
        (&format!("{TASKS}/moby/{POD}/init.pid"), "62"),
        (&format!("{TASKS}/moby-5.6/{POD}/init.pid"), "72"),
        (
            &format!("run/containerd/runc/k8s.io/{POD}/state.json"),
            &format!(r#"{{"id":"{POD}","init_process_pid":42,"init_process_start":420}}"#),
        ),
    ]);
    host.process(42, 40, "cart", 0, "cart");
    host.process(40, 1, "containerd-shim", 0, "containerd-shim-runc-v2");
    let bundle = host.path(&format!("{TASKS}/default/web"));
    let work = format!("{DATA}/io.containerd.runtime.v2.task/default/web");
    std::os::unix::fs::symlink(work, bundle.join("work")).unwrap();
    host
}

fn with_database(host: &Host, data_root: &str, database: &[u8]) {
    let directory = host.path(data_root).join("io.containerd.metadata.v1.bolt");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("meta.db"), database).unwrap();
}

/// Group by its shim, whose working directory is a bundle.
fn find(host: &Host, bundle: &str) -> Option<Record> {
    let cwd = host.path("proc/40/cwd");
    let _ = std::fs::remove_file(&cwd);
    std::os::unix::fs::symlink(bundle, cwd).unwrap();
    let group = Group { pid: 42, parent: Some(40), ..Group::default() };
    host.find(&mut Containerd::default(), &group)
}

#[test]
fn annotations_tell_the_pod() {
    let record = parse(SPECIFICATION.as_bytes()).unwrap();
    assert_eq!(record.pod.unwrap().path().unwrap(), "shop/cart-7d4b9/app");
    assert_eq!(record.name.unwrap(), "app");
    assert_eq!(record.image.unwrap(), "registry/cart:2.1");
    assert_eq!(parse(b"{}").unwrap().pod, None);
    assert_eq!(parse(b"["), None);
    let nerdctl = br#"{"annotations":{"nerdctl/name":"web","nerdctl/ports":"[{\"HostPort\":8080,\"ContainerPort\":80,\"Protocol\":\"tcp\",\"HostIP\":\"0.0.0.0\"}]"}}"#;
    let nerdctl = parse(nerdctl).unwrap();
    assert_eq!(nerdctl.published[0].host_port, 8080);
    assert_eq!(nerdctl.name.unwrap(), "web");
}

#[test]
fn a_free_id_is_the_name_and_an_engines_is_none() {
    let host = host();
    let record = find(&host, &format!("/{TASKS}/default/web")).unwrap();
    assert_eq!((record.id, record.name), ("web".into(), Some("web".into())));
    assert_eq!(record.engine_namespace, Some("default".into()));
    assert_eq!(record.labels, [("app".into(), "demo".into())]);
    assert_eq!(named(Record::default(), "default", POD).name, None);
    assert_eq!(find(&host, &format!("/{TASKS}/moby/{POD}")), None);
    assert_eq!(find(&host, "/run"), None);
}

#[test]
fn a_shim_that_looks_after_a_pod_works_in_the_bundle_of_the_sandbox() {
    let host = host();
    let sandbox = POD.replace("993f", "8d17");
    host.write(&format!("{TASKS}/k8s.io/{sandbox}/init.pid"), "41");
    host.process(41, 40, "pause", 0, "pause");
    let bundle = format!("/{TASKS}/k8s.io/{sandbox}");
    let cwd = host.path("proc/40/cwd");
    std::os::unix::fs::symlink(bundle, cwd).unwrap();
    let find = |pid, cgroup: &str| {
        let group = Group { pid, parent: Some(40), cgroup, ..Group::default() };
        let record = host.find(&mut Containerd::default(), &group).unwrap();
        let First::At { pid: first, .. } = record.first else { panic!("{record:?}") };
        (record.id.to_string(), first.number())
    };
    let member = (POD.to_owned(), 42);
    assert_eq!(find(42, &format!("/kubepods.slice/cri-containerd-{POD}.scope")), member);
    assert_eq!(find(42, "/"), member);
    assert_eq!(find(41, "/"), (sandbox.clone(), 41));
    // Neither of them: the record names another process, which the caller sees.
    assert_eq!(find(43, "/"), (sandbox, 41));
}

#[test]
fn without_its_shim_the_start_of_the_process_tells_whose_it_is() {
    let host = host();
    let find = |start_ticks| {
        let cgroup = &format!("/kubepods/pod6e6f8a2c-1111-2222-3333-444455556666/{POD}");
        let start_ticks = Some(start_ticks);
        let group = Group { pid: 42, parent: Some(1), start_ticks, cgroup, ..Group::default() };
        host.find(&mut Containerd::default(), &group).unwrap()
    };
    let record = find(420);
    assert_eq!(record.name, Some("app".into()));
    assert_eq!(record.first, First::At { pid: Pid::new(42).unwrap(), start_ticks: Some(420) });
}

#[test]
fn the_database_tells_image_and_labels_and_what_does_not_run() {
    let host = host();
    let real = include_bytes!("../../../../tests/fixtures/bolt/containerd.db");
    let mut said: Vec<serde_json::Value> =
        serde_json::from_slice(include_bytes!("../../../../tests/fixtures/bolt/containerd.json"))
            .unwrap();
    // Those of Kubernetes are in the other database.
    said.retain(|info| info["ID"].as_str().is_some_and(|id| id.len() < 64));
    with_database(&host, DATA.trim_start_matches('/'), real);
    let all = Containerd::default().all(&host.root);
    for expected in &said {
        let id = expected["ID"].as_str().unwrap();
        let record = all.iter().find(|record| record.id == id).unwrap();
        let image = expected["Image"].as_str().filter(|image| !image.is_empty());
        assert_eq!(record.image, image.map(Text::from));
        assert_eq!(
            record.labels.len(),
            expected["Labels"].as_object().map_or(0, serde_json::Map::len)
        );
        assert_eq!((record.state, record.first), (State::Created, First::NotRunning));
    }
    assert_eq!(all.len(), said.len() + 2);
    let pod = all.iter().find(|record| record.id == POD).unwrap();
    assert_eq!(pod.first, First::At { pid: Pid::new(42).unwrap(), start_ticks: Some(420) });
}

#[test]
fn what_kubernetes_has_started_and_has_no_bundle_is_stopped() {
    let host = Host::with(&[]);
    let data = "var/lib/containerd";
    with_database(&host, data, include_bytes!("../../../../tests/fixtures/bolt/cri.db"));
    let states = |host: &Host| {
        let all = Containerd::default().all(&host.root);
        let state = |sandbox: bool| {
            let is =
                |record: &&Record| record.pod.as_ref().is_some_and(|pod| pod.sandbox == sandbox);
            let record = all.iter().find(is).unwrap();
            (record.state, record.id.to_string())
        };
        (state(true), state(false))
    };
    let ((sandbox, _), (container, id)) = states(&host);
    assert_eq!((sandbox, container), (State::Stopped, State::Unknown), "nothing tells");
    let status = r#"{"Version":"v1","Pid":0,"StartedAt":1795530050123456789,"FinishedAt":0}"#;
    let file = format!("{data}/io.containerd.grpc.v1.cri/containers/{id}/status");
    host.write(&file, status);
    assert_eq!(states(&host).1.0, State::Stopped);
    host.write(&file, r#"{"Version":"v1","Pid":0,"StartedAt":0}"#);
    assert_eq!(states(&host).1.0, State::Created);
    host.write(&file, "");
    assert_eq!(states(&host).1.0, State::Unknown);
}

#[test]
fn directories_are_those_of_the_configuration_too() {
    let configuration = "version = 2\nroot = \"/data/c\"\nstate = \"/data/s\"\n";
    let host = Host::with(&[
        ("etc/containerd/config.toml", configuration),
        ("data/s/io.containerd.runtime.v2.task/default/web/init.pid", "52"),
    ]);
    let records = Containerd::default().all(&host.root);
    assert_eq!(records[0].name, Some("web".into()));
    assert!(Roots::default().data_roots(&host.root).contains(&PathBuf::from("/data/c")));
}

#[test]
fn a_users_containers_are_his_whatever_they_are_called_there() {
    let tasks = "run/user/1000/containerd/io.containerd.runtime.v2.task";
    let data = "home/ann/.local/share/containerd";
    let host = Host::with(&[
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n"),
        (&format!("{tasks}/default/plain/config.json"), r#"{"annotations":{"app":"demo"}}"#),
        (&format!("{tasks}/default/plain/init.pid"), "42"),
        (
            "run/user/1000/containerd/runc/default/plain/state.json",
            r#"{"id":"plain","init_process_pid":42,"init_process_start":420}"#,
        ),
    ]);
    with_database(&host, data, include_bytes!("../../../../tests/fixtures/bolt/containerd.db"));
    host.process(40, 1, "containerd-shim", 1000, "containerd-shim-runc-v2");
    host.process(42, 40, "sleep", 1000, "sleep");
    let work = format!("/var/lib/containerd/{TASK}/default/plain");
    std::os::unix::fs::symlink(work, host.path(&format!("{tasks}/default/plain/work"))).unwrap();
    let cwd = format!("/run/containerd/{TASK}/default/plain");
    std::os::unix::fs::symlink(cwd, host.path("proc/40/cwd")).unwrap();
    let group = Group { pid: 42, parent: Some(40), is_parent_isolated: true, ..Group::default() };
    let record = host.find(&mut Containerd::default(), &group).unwrap();
    assert_eq!((record.id, record.owner_uid), ("plain".into(), Some(1000)));
    assert!(record.image.is_some(), "what only the database knows");
    let all = Containerd::default().all(&host.root);
    assert!(all.iter().all(|record| record.owner_uid == Some(1000)) && all.len() > 1);
    let plain = all.iter().find(|record| record.id == "plain").unwrap();
    assert!(matches!(plain.first, First::At { start_ticks: Some(420), .. }));
}

#[test]
fn what_is_kept_of_a_user_has_an_end_however_many_children_his_shim_has() {
    let bundle = format!("run/user/1000/containerd/{TASK}/default/plain");
    let labels: Vec<String> = (0..16_000).map(|number| format!(r#""k{number}":"v""#)).collect();
    let specification = format!(r#"{{"annotations":{{{}}}}}"#, labels.join(","));
    let found = |uid: u32| {
        let host = Host::with(&[
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n"),
            (&format!("{bundle}/config.json"), &specification),
        ]);
        host.process(40, 1, "containerd-shim", uid, "containerd-shim-runc-v2");
        std::os::unix::fs::symlink(format!("/{bundle}"), host.path("proc/40/cwd")).unwrap();
        let mut source = Containerd::default();
        let records = (100..150).map(|pid| {
            let group = Group { pid, parent: Some(40), ..Group::default() };
            host.find(&mut source, &group).unwrap()
        });
        records.map(|record| record.labels.len()).sum::<usize>()
    };
    assert_eq!(found(0), 50 * 16_000);
    assert!((16_000..400_000).contains(&found(1000)), "{}", found(1000));
}

const TASK: &str = "io.containerd.runtime.v2.task";

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = (parse(&bytes), parse_status(&bytes));
    }
}
