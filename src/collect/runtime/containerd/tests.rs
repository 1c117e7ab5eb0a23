//! Bundles and databases as containerd 1.6 leaves them.

use super::*;
use crate::collect::runtime::bolt::tests::{Node, database};
use crate::collect::runtime::fixture::{Group, Host};
use std::os::unix::fs::symlink;

const POD: &str = "993fef54ff728793a1961134bd76392059fd4cb910d1a1238a26dcff4dba02f3";
const TASKS: &str = "run/containerd/io.containerd.runtime.v2.task";

const SPECIFICATION: &str = r#"{"annotations":{"io.kubernetes.cri.container-type":"container",
    "io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-name":"cart-7d4b9",
    "io.kubernetes.cri.sandbox-uid":"6e6f8a2c-1111-2222-3333-444455556666",
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
    symlink(work, bundle.join("work")).unwrap();
    host
}

fn with_database(host: &Host, data_root: &str, database: &[u8]) {
    let directory = host.path(data_root).join("io.containerd.metadata.v1.bolt");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("meta.db"), database).unwrap();
}

/// A database with a container in each of these namespaces, all with the same labels.
fn metadata(containers: &[(&str, &str)], labels: &[(&str, &str)]) -> Vec<u8> {
    let of = |key: &str, node| (key.as_bytes().to_vec(), node);
    let one = |(namespace, id): &(&str, &str)| {
        let labels = labels.iter().map(|(key, value)| of(key, Node::Value((*value).into())));
        let container = Node::Bucket(vec![of("labels", Node::Bucket(labels.collect()))]);
        let containers = Node::Bucket(vec![of(id, container)]);
        of(namespace, Node::Bucket(vec![of("containers", containers)]))
    };
    let namespaces = containers.iter().map(one).collect();
    database(4096, 16, vec![of("v1", Node::Bucket(namespaces))])
}

const PASSWD: (&str, &str) =
    ("etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n");

/// Group by its shim, whose working directory is a bundle.
fn find(host: &Host, bundle: &str) -> Option<Record> {
    let cwd = host.path("proc/40/cwd");
    let _ = std::fs::remove_file(&cwd);
    symlink(bundle, cwd).unwrap();
    let group = Group { pid: 42, parent: Some(40), ..Group::default() };
    host.find(&mut Containerd::default(), &group)
}

#[test]
fn annotations_tell_the_pod() {
    let record = parse(SPECIFICATION.as_bytes()).unwrap();
    let pod = record.pod.unwrap();
    assert_eq!(pod.path().unwrap(), "shop/cart-7d4b9/app");
    assert_eq!(pod.uid.unwrap(), "6e6f8a2c-1111-2222-3333-444455556666");
    assert_eq!(record.name.unwrap(), "app");
    // The pod's own container is called like the pod.
    let sandbox =
        SPECIFICATION.replace(r#"container-type":"container""#, r#"container-type":"sandbox""#);
    let sandbox = parse(sandbox.as_bytes()).unwrap();
    assert_eq!((sandbox.name.unwrap(), sandbox.pod.unwrap().sandbox), ("cart-7d4b9".into(), true));
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
    symlink(bundle, cwd).unwrap();
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
fn a_member_whose_number_is_not_noted_is_told_by_its_group() {
    let host = host();
    let sandbox = POD.replace("993f", "8d17");
    host.write(&format!("{TASKS}/k8s.io/{sandbox}/init.pid"), "41");
    std::fs::remove_file(host.path(&format!("{TASKS}/k8s.io/{POD}/init.pid"))).unwrap();
    symlink(format!("/{TASKS}/k8s.io/{sandbox}"), host.path("proc/40/cwd")).unwrap();
    let cgroup = &format!("/kubepods.slice/cri-containerd-{POD}.scope");
    let group = Group { pid: 42, parent: Some(40), cgroup, ..Group::default() };
    let record = host.find(&mut Containerd::default(), &group).unwrap();
    assert_eq!((record.id, record.name), (POD.into(), Some("app".into())));
    assert_eq!(record.first, First::Untold);
}

#[test]
fn a_number_that_no_runtime_noted_counts_where_its_group_bears_the_id() {
    let host = host();
    std::fs::create_dir_all(host.path("proc/52/ns")).unwrap();
    let first = |state: &str, cgroup: &str| {
        let stat = format!("52 (web) {state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 520 0 0\n");
        host.write("proc/52/stat", &stat);
        host.write("proc/52/cgroup", cgroup);
        let all = Containerd::default().all(&host.root);
        all.into_iter().find(|record| record.id == "web").unwrap().first
    };
    let own = "0::/default/web\n";
    assert_eq!(first("S", own), First::At { pid: Pid::new(52).unwrap(), start_ticks: Some(520) });
    assert_eq!(first("S", "0::/user.slice\n"), First::NotRunning, "the number was given again");
    assert_eq!(first("Z", own), First::NotRunning);
    std::fs::remove_dir_all(host.path("proc/52")).unwrap();
    let all = Containerd::default().all(&host.root);
    assert!(all.iter().any(|one| one.id == "web" && one.first == First::NotRunning));
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
fn what_has_a_bundle_is_listed_once_and_what_is_dockers_is_left_to_it() {
    let host = host();
    let containers = [("default", "web"), ("moby", "dockers"), ("other", "made")];
    with_database(&host, DATA.trim_start_matches('/'), &metadata(&containers, &[]));
    let all = Containerd::default().all(&host.root);
    let mut listed: Vec<String> = all
        .iter()
        .map(|one| format!("{}/{}", one.engine_namespace.clone().unwrap(), one.id))
        .collect();
    listed.sort_unstable();
    assert_eq!(
        listed,
        ["default/web".to_owned(), format!("k8s.io/{POD}"), "other/made".to_owned()]
    );
}

#[test]
fn what_root_and_a_user_have_is_each_ones_own() {
    let host = Host::with(&[PASSWD]);
    // Both call theirs the same, each in a `/var/lib` of his own.
    let data_roots = [
        ("roots", 0, "/var/lib/containerd"),
        ("of-k3s", 0, "/var/lib/rancher/k3s/agent/containerd"),
        ("anns", 1000, "/home/ann/.local/share/containerd"),
    ];
    for (id, _, data_root) in data_roots {
        with_database(&host, &data_root[1..], &metadata(&[("default", id)], &[]));
    }
    let all = Containerd::default().all(&host.root);
    let told: Vec<_> =
        all.iter().map(|one| (one.id.to_string(), one.owner_uid, one.file.to_string())).collect();
    let expected = data_roots.map(|(id, uid, data_root)| {
        let file = format!("{data_root}/io.containerd.metadata.v1.bolt/meta.db");
        (id.to_owned(), Some(uid), file)
    });
    assert_eq!(told, expected);
}

#[test]
fn no_more_data_roots_of_a_user_are_held_than_he_needs() {
    let listed = |uid: u32, state: &str, data: &str| {
        let host = Host::with(&[PASSWD]);
        for number in 0..12 {
            let bundle = format!("{state}/{TASK}/default/{number}");
            host.write(&format!("{bundle}/config.json"), "{}");
            let work = format!("/{data}/{number}/{TASK}/default/{number}");
            symlink(work, host.path(&bundle).join("work")).unwrap();
            let made = metadata(&[("other", "made")], &[]);
            with_database(&host, &format!("{data}/{number}"), &made);
        }
        let all = Containerd::default().all(&host.root);
        assert!(all.iter().all(|record| record.owner_uid == Some(uid)));
        all.iter().filter(|record| record.id == "made").count()
    };
    assert_eq!(listed(0, "run/containerd", "srv"), 12);
    assert_eq!(listed(1000, "run/user/1000/containerd", "home/ann"), MOST_ROOTS);
}

#[test]
fn what_a_user_has_in_a_way_of_his_own_is_no_gap() {
    let gaps = |data_root: &str| {
        let host = Host::with(&[PASSWD, (data_root, "no directory")]);
        let mut source = Containerd::default();
        assert_eq!(source.all(&host.root), []);
        source.gaps().iter().map(|gap| gap.object.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(gaps("var/lib/containerd"), ["/var/lib/containerd"]);
    assert!(gaps("home/ann/.local/share/containerd").is_empty());
}

#[test]
fn nerdctls_labels_tell_the_name_and_what_a_user_publishes() {
    let ports = r#"[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":"0.0.0.0"}]"#;
    let labels = [("app", "demo"), ("nerdctl/name", "web"), ("nerdctl/ports", ports)];
    let found = |uid: u32, specification: &str| {
        let (state, data_root) = match uid {
            0 => ("run/containerd", "var/lib/containerd"),
            _ => ("run/user/1000/containerd", "home/ann/.local/share/containerd"),
        };
        let config = format!("{state}/{TASK}/default/{POD}/config.json");
        let host = Host::with(&[PASSWD, (&config, specification)]);
        with_database(&host, data_root, &metadata(&[("default", POD)], &labels));
        host.process(40, 1, "containerd-shim", uid, "containerd-shim-runc-v2");
        symlink(format!("/run/containerd/{TASK}/default/{POD}"), host.path("proc/40/cwd")).unwrap();
        let is_parent_isolated = uid != 0;
        let group = Group { pid: 42, parent: Some(40), is_parent_isolated, ..Group::default() };
        let record = host.find(&mut Containerd::default(), &group).unwrap();
        assert_eq!((record.owner_uid, record.labels.len()), (Some(uid), 3));
        let ports: Vec<u16> = record.published.iter().map(|port| port.host_port).collect();
        (record.name.unwrap().to_string(), ports)
    };
    assert_eq!(found(1000, "{}"), ("web".to_owned(), vec![8080]));
    assert_eq!(found(0, "{}"), ("web".to_owned(), vec![]), "CNI notes what root's publish");
    // What the kubelet runs has whatever labels its image brings.
    assert_eq!(found(1000, SPECIFICATION), ("app".to_owned(), vec![]));
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
fn a_bundle_without_a_link_goes_with_the_data_root_of_its_directory() {
    const USUAL: &str = "/var/lib/containerd";
    const K3S: (&str, &str) = ("/run/k3s/containerd", "/var/lib/rancher/k3s/agent/containerd");
    let beside = |configuration: &str, state: &str| {
        let path = format!("{state}/{TASK}/default/web");
        let host = Host::with(&[
            ("etc/containerd/config.toml", configuration),
            (&format!("{}/init.pid", &path[1..]), "52"),
        ]);
        let place = Place::of_root(&host.root, Path::new(&path)).unwrap();
        let bundle = Bundle { place, namespace: "default".to_owned(), id: "web".to_owned() };
        let found = roots::data_root_beside(&host.root, &bundle);
        found.map(|path| path.display().to_string())
    };
    let (root, state) = ("root = \"/data/c\"\n", "state = \"/data/s\"\n");
    let both = &format!("{root}{state}");
    for (configuration, state, expected) in [
        ("", "/run/containerd", Some(USUAL)),
        ("", K3S.0, Some(K3S.1)),
        ("", "/data/s", None),
        (root, "/run/containerd", Some("/data/c")),
        // Another engine than the one whose configuration this is.
        (root, K3S.0, Some(K3S.1)),
        (both, "/data/s", Some("/data/c")),
        (both, K3S.0, Some(K3S.1)),
        (state, "/data/s", Some(USUAL)),
    ] {
        assert_eq!(beside(configuration, state).as_deref(), expected, "{configuration:?} {state}");
    }
}

#[test]
fn where_shims_worked_all_bundles_are_listed() {
    let host = host();
    let mut source = Containerd::default();
    for directory in ["srv/a", "srv/b"] {
        for id in ["web", "other"] {
            host.write(&format!("{directory}/{TASK}/default/{id}/config.json"), "{}");
        }
        let cwd = host.path("proc/40/cwd");
        let _ = std::fs::remove_file(&cwd);
        symlink(format!("/{directory}/{TASK}/default/web"), cwd).unwrap();
        for pid in [42, 43] {
            let group = Group { pid, parent: Some(40), ..Group::default() };
            assert_eq!(host.find(&mut source, &group).unwrap().id, "web");
        }
    }
    let all = source.all(&host.root).into_iter().map(|record| record.file.to_string());
    let mut elsewhere: Vec<String> = all.filter(|file| file.starts_with("/srv")).collect();
    elsewhere.sort_unstable();
    let bundles = ["a/*other", "a/*web", "b/*other", "b/*web"];
    let bundles =
        bundles.map(|one| format!("/srv/{}", one.replace('*', &format!("{TASK}/default/"))));
    assert_eq!(elsewhere, bundles);
}

#[test]
fn a_users_containers_are_his_whatever_they_are_called_there() {
    let tasks = "run/user/1000/containerd/io.containerd.runtime.v2.task";
    let data = "home/ann/.local/share/containerd";
    let host = Host::with(&[
        PASSWD,
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
    symlink(work, host.path(&format!("{tasks}/default/plain/work"))).unwrap();
    let cwd = format!("/run/containerd/{TASK}/default/plain");
    symlink(cwd, host.path("proc/40/cwd")).unwrap();
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
        let host = Host::with(&[PASSWD, (&format!("{bundle}/config.json"), &specification)]);
        host.process(40, 1, "containerd-shim", uid, "containerd-shim-runc-v2");
        symlink(format!("/{bundle}"), host.path("proc/40/cwd")).unwrap();
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
