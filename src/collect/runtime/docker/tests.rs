//! Records, and where they are found.

use super::*;
use crate::collect::runtime::containerd::Containerd;
use crate::collect::runtime::fixture::{Group, Host};
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::Pid;

#[test]
fn a_record_gives_name_image_labels_and_state() {
    let bytes = br#"{"ID":"abc","Name":"/web","Config":{"Image":"my_nginx:v1.0","Labels":{"b":"2","a":"1"}},
        "Created":"2026-11-24T13:51:25.1Z","State":{"Pid":7,"StartedAt":"2026-11-24T13:51:26Z"}}"#;
    let record = parse(bytes, "abc").unwrap();
    assert_eq!(record.name, Some("web".into()));
    assert_eq!(record.image, Some("my_nginx:v1.0".into()));
    assert_eq!(record.labels, [("a".into(), "1".into()), ("b".into(), "2".into())]);
    assert_eq!(record.created_unix_seconds, Some(1_795_528_285));
    assert_eq!(record.first, First::At { pid: Pid::new(7).unwrap(), start_ticks: None });
    assert_eq!(parse(bytes, "abd"), None);
    assert_eq!(parse(b"{", "abc"), None);
}

#[test]
fn the_kubelets_labels_tell_the_pod() {
    let labels = r#"{"io.kubernetes.docker.type":"container","io.kubernetes.container.name":"app",
        "io.kubernetes.pod.name":"cart-7d4b9","io.kubernetes.pod.namespace":"shop"}"#;
    let json = format!(r#"{{"ID":"a","Name":"/k8s_app","Config":{{"Labels":{labels}}}}}"#);
    let pod = parse(json.as_bytes(), "a").unwrap().pod.unwrap();
    assert_eq!(pod.path().unwrap(), "shop/cart-7d4b9/app");
}

#[test]
fn ports_are_those_of_a_container_that_runs() {
    let published = |pid: u32| {
        let ports = r#"{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]}}"#;
        let json = format!(r#"{{"ID":"a","State":{{"Pid":{pid}}},"NetworkSettings":{ports}}}"#);
        parse(json.as_bytes(), "a").unwrap().published
    };
    assert_eq!((published(7)[0].host_port, published(7)[0].container_port), (8080, 80));
    assert!(published(0).is_empty());
}

#[test]
fn what_never_started_is_created_and_what_ended_is_stopped() {
    let record = |started: &str| {
        let json = format!(r#"{{"ID":"a","State":{{"Pid":0,"StartedAt":"{started}"}}}}"#);
        let record = parse(json.as_bytes(), "a").unwrap();
        assert_eq!(record.first, First::NotRunning);
        record.state
    };
    assert_eq!(record("0001-01-01T00:00:00Z"), State::Created);
    assert_eq!(record("2026-11-24T13:51:26Z"), State::Stopped);
}

#[test]
fn a_bundle_leads_to_the_data_root() {
    let bytes = br#"{"mounts":[{"source":"proc"},{"source":"/data/d/containers/abc/hostname"}]}"#;
    assert_eq!(parse_data_root(bytes, "abc"), Some(PathBuf::from("/data/d")));
    assert_eq!(parse_data_root(bytes, "abd"), None);
}

const ID: &str = "993fef54ff728793a1961134bd76392059fd4cb910d1a1238a26dcff4dba02f3";

fn config(name: &str, pid: u32) -> String {
    format!(r#"{{"ID":"{ID}","Name":"/{name}","State":{{"Pid":{pid}}}}}"#)
}

/// What ann runs; her data root is `of`.
fn anns(of: &str) -> Host {
    let bundle = format!("run/user/1000/docker/containerd/daemon/{TASKS}/moby/{ID}");
    let mounts = format!(r#"{{"mounts":[{{"source":"/{of}/containers/{ID}/hostname"}}]}}"#);
    let host = Host::with(&[
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n"),
        (&format!("{of}/containers/{ID}/config.v2.json"), &config("hers", 42)),
        (&format!("{bundle}/config.json"), &mounts),
    ]);
    host.process(40, 1, "containerd-shim", 1000, "containerd-shim-runc-v2");
    host.process(42, 40, "sleep", 1000, "sleep");
    std::os::unix::fs::symlink(
        format!("/run/.ro378940/{}", &bundle["run/".len()..]),
        host.path("proc/40/cwd"),
    )
    .unwrap();
    host
}

const TASKS: &str = "io.containerd.runtime.v2.task";

const HERS: Group<'static> = Group {
    pid: 42,
    parent: Some(40),
    comm: "sleep",
    start_ticks: None,
    cgroup: "/",
    is_parent_isolated: true,
    mount_namespace: None,
};

#[test]
fn a_users_container_is_found_by_his_shim_wherever_he_keeps_it() {
    for data_root in ["home/ann/.local/share/docker", "home/ann/d", "srv/d"] {
        let host = anns(data_root);
        let record = host.find(&mut Docker::default(), &HERS).unwrap();
        assert_eq!((record.name, record.owner_uid), (Some("hers".into()), Some(1000)));
        assert_eq!(record.first, First::At { pid: Pid::new(42).unwrap(), start_ticks: None });
    }
    let host = anns("home/ann/.local/share/docker");
    let all = Docker::default().all(&host.root);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].owner_uid, &all[0].name), (Some(1000), &Some("hers".into())));
}

#[test]
fn a_shim_tells_whose_it_is_where_there_is_no_record() {
    let told = |uid: u32, file: String| Record {
        runtime: Runtime::Docker,
        id: ID.into(),
        owner_uid: Some(uid),
        file: file.into(),
        ..Record::default()
    };
    let host = anns("home/ann/d");
    std::fs::remove_dir_all(host.path("home/ann/d")).unwrap();
    let bundle = format!("docker/containerd/daemon/{TASKS}/moby/{ID}");
    let hers = told(1000, format!("/run/user/1000/{bundle}"));
    assert_eq!(host.find(&mut Docker::default(), &HERS), Some(hers));
    let host = Host::with(&[(&format!("run/{bundle}/config.json"), "{}")]);
    host.process(40, 1, "containerd-shim", 0, "containerd-shim-runc-v2");
    std::os::unix::fs::symlink(format!("/run/{bundle}"), host.path("proc/40/cwd")).unwrap();
    let roots = told(0, format!("/run/{bundle}"));
    let group = Group { is_parent_isolated: false, ..HERS };
    assert_eq!(host.find(&mut Docker::default(), &group), Some(roots));
}

#[test]
fn what_cannot_be_read_is_missing_and_hides_nothing_else() {
    let gaps = |files: &[(&str, &str)]| {
        let host = Host::with(files);
        let mut docker = Docker::default();
        let listed = docker.all(&host.root).len();
        let gaps = docker.gaps().iter().map(|gap| gap.object.to_string()).collect::<Vec<_>>();
        (listed, gaps)
    };
    let containers = "/var/lib/docker/containers";
    assert_eq!(gaps(&[]), (0, vec![]), "what is not there is not missing");
    assert_eq!(gaps(&[(&containers[1..], "no directory")]), (0, vec![containers.to_owned()]));
    let good = format!("{}/{ID}/config.v2.json", &containers[1..]);
    // Where the file should be there is a directory.
    let broken = format!("{containers}/abc/config.v2.json");
    let inside = format!("{}/f", &broken[1..]);
    assert_eq!(gaps(&[(&good, &config("web", 0)), (&inside, "")]), (1, vec![broken]));
}

#[test]
fn a_users_container_is_found_by_its_group_in_his_slice() {
    let host = anns("home/ann/.local/share/docker");
    let cgroup =
        format!("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope");
    let group = Group { parent: Some(1), cgroup: &cgroup, is_parent_isolated: false, ..HERS };
    let record = host.find(&mut Docker::default(), &group).unwrap();
    assert_eq!((record.name, record.owner_uid), (Some("hers".into()), Some(1000)));
    let cgroup = format!("/system.slice/docker-{ID}.scope");
    let group = Group { cgroup: &cgroup, ..group };
    assert_eq!(host.find(&mut Docker::default(), &group), None);
}

#[test]
fn roots_record_comes_before_a_users() {
    let host = anns("home/ann/.local/share/docker");
    let file = format!("var/lib/docker/containers/{ID}/config.v2.json");
    host.write(&file, &config("roots", 42));
    let cgroup = format!("/user.slice/user-1000.slice/docker-{ID}.scope");
    let group = Group { cgroup: &cgroup, ..HERS };
    let record = host.find(&mut Docker::default(), &group).unwrap();
    assert_eq!((record.name, record.owner_uid), (Some("roots".into()), Some(0)));
}

#[test]
fn a_record_of_this_very_process_comes_before_its_shim_and_that_after_another_process() {
    let other = ID.replace("993", "aaa");
    let bundle = format!("docker/containerd/daemon/{TASKS}/moby/{other}");
    let host = Host::with(&[(&format!("run/{bundle}/config.json"), "{}")]);
    host.process(40, 1, "containerd-shim", 0, "containerd-shim-runc-v2");
    std::os::unix::fs::symlink(format!("/run/{bundle}"), host.path("proc/40/cwd")).unwrap();
    host.process(41, 40, "sleep", 0, "sleep");
    host.process(42, 40, "sleep", 0, "sleep");
    let records = "var/lib/docker/containers";
    let theirs = config("of-the-shim", 42).replace(ID, &other);
    host.write(&format!("{records}/{other}/config.v2.json"), &theirs);
    let cgroup = format!("/docker/{ID}");
    let group = Group { cgroup: &cgroup, is_parent_isolated: false, ..HERS };
    for (pid, name) in [(42, "of-the-group"), (41, "of-the-shim")] {
        host.write(&format!("{records}/{ID}/config.v2.json"), &config("of-the-group", pid));
        let record = host.find(&mut Docker::default(), &group).unwrap();
        assert_eq!(record.name, Some(name.into()), "{pid}");
    }
}

#[test]
fn docker_may_have_users_of_its_own() {
    let host = Host::with(&[]);
    let bundle = format!("run/docker/containerd/daemon/{TASKS}/moby-5.6/{ID}");
    let data_root = "var/lib/docker/5.6";
    let mounts = format!(r#"{{"mounts":[{{"source":"/{data_root}/containers/{ID}/hostname"}}]}}"#);
    host.write(&format!("{bundle}/config.json"), &mounts);
    host.write(&format!("{data_root}/containers/{ID}/config.v2.json"), &config("web", 42));
    host.process(40, 1, "containerd-shim", 0, "containerd-shim-runc-v2");
    std::os::unix::fs::symlink(format!("/{bundle}"), host.path("proc/40/cwd")).unwrap();
    let group = Group { is_parent_isolated: false, ..HERS };
    let record = host.find(&mut Docker::default(), &group).unwrap();
    assert_eq!((record.runtime, record.name), (Runtime::Docker, Some("web".into())));
    assert_eq!(host.find(&mut Containerd::default(), &group), None);
}

#[test]
fn what_does_not_run_is_found_wherever_root_keeps_it() {
    let ids = |files: &[(&str, &str)], data_root: &str| {
        let host = Host::with(files);
        let record = config("web", 0);
        host.write(&format!("{data_root}/containers/{ID}/config.v2.json"), &record);
        host.process(30, 1, "dockerd", 0, "dockerd --data-root=/srv/p");
        Docker::default().all(&host.root).len()
    };
    let configured = [("etc/docker/daemon.json", r#"{"data-root":"/srv/c"}"#)];
    let running = [("run/docker.pid", "30\n")];
    assert_eq!(ids(&[], "var/lib/docker"), 1);
    assert_eq!(ids(&[], "var/lib/docker/165536.165536"), 1);
    assert_eq!(ids(&[], "var/lib/docker/165536"), 0);
    assert_eq!(ids(&[], "var/snap/docker/common/var-lib-docker"), 1);
    assert_eq!((ids(&configured, "srv/c"), ids(&[], "srv/c")), (1, 0));
    assert_eq!(ids(&configured, "srv/c/5.6"), 1);
    assert_eq!((ids(&running, "srv/p"), ids(&[], "srv/p")), (1, 0));
    assert_eq!(ids(&[("run/docker.pid", "31\n")], "srv/p"), 0);
}

#[test]
fn a_number_that_was_given_again_is_not_the_containers() {
    let host = anns("home/ann/.local/share/docker");
    let file = format!("var/lib/docker/containers/{ID}/config.v2.json");
    // 25 seconds after boot.
    let started = r#""Pid":43,"StartedAt":"2026-11-24T14:20:25Z""#;
    host.write(&file, &config("roots", 43).replace(r#""Pid":43"#, started));
    let cgroup = format!("/user.slice/user-1000.slice/docker-{ID}.scope");
    let hz = crate::collect::clock::ticks_per_second();
    let found = |host: &Host, seconds: u64, parent| {
        let start_ticks = Some(seconds * hz);
        let group = Group { pid: 43, parent, start_ticks, cgroup: &cgroup, ..Group::default() };
        let record = host.find(&mut Docker::default(), &group)?;
        Some((record.name?.to_string(), record.first))
    };
    let first = |seconds: u64| {
        let start_ticks = Some(seconds * hz);
        First::At { pid: Pid::new(43).unwrap(), start_ticks }
    };
    assert_eq!(found(&host, 24, None), Some(("roots".into(), first(24))));
    assert_eq!(found(&host, 90, None).map(|(name, _)| name), Some("hers".into()));
    host.process(43, 1, "sleep", 1000, "sleep");
    let all = |host: &Host| {
        let all = Docker::default().all(&host.root);
        all.iter().find(|one| one.owner_uid == Some(0)).map(|one| one.first).unwrap()
    };
    assert_eq!(all(&host), First::At { pid: Pid::new(43).unwrap(), start_ticks: Some(430) });
    let stat = format!("43 (sleep) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {} 0 0\n", 90 * hz);
    host.write("proc/43/stat", &stat);
    assert_eq!(all(&host), First::At { pid: Pid::new(43).unwrap(), start_ticks: Some(NEVER) });
    // The clock was set since, and docker's shim still looks after it.
    host.process(40, 1, "containerd-shim", 0, "containerd-shim-runc-v2");
    std::fs::remove_file(host.path("proc/40/cwd")).unwrap();
    let bundle = format!("/run/user/1000/docker/containerd/daemon/{TASKS}/moby/{ID}");
    std::os::unix::fs::symlink(bundle, host.path("proc/40/cwd")).unwrap();
    assert_eq!(found(&host, 90, Some(40)).map(|(name, _)| name), Some("roots".into()));
}

#[test]
fn what_is_isolated_and_roots_is_no_shim() {
    let host = anns("home/ann/.local/share/docker");
    host.process(40, 1, "containerd-shim", 0, "containerd-shim-runc-v2");
    assert_eq!(host.find(&mut Docker::default(), &HERS), None);
}

#[test]
fn an_engine_tells_where_its_containers_are_that_do_not_run() {
    let host = anns("home/ann/d");
    host.process(30, 1, "dockerd", 1000, "dockerd --data-root /home/ann/d");
    let engine = Process { comm: "dockerd".into(), pid: Pid::new(30).unwrap(), ..process() };
    let scan = Scan { host: NsSet::default(), isolated: vec![engine], gaps: Vec::new() };
    let mut docker = Docker::default();
    assert!(docker.all(&host.root).is_empty());
    docker.see(&scan);
    assert_eq!(docker.all(&host.root).len(), 1);
    // What is isolated and root's is not the host's engine, whatever number it has.
    host.process(30, 1, "dockerd", 0, "dockerd --data-root /home/ann/d");
    host.write("run/docker.pid", "30\n");
    let [host_pids, own_pids] = [1, 7].map(|inode| {
        let mut set = NsSet::default();
        set.set(Kind::Pid, inode);
        set
    });
    let isolated = scan.isolated.into_iter();
    let isolated = isolated.map(|one| Process { namespaces: own_pids, ..one }).collect();
    let mut docker = Docker::default();
    docker.see(&Scan { host: host_pids, isolated, gaps: Vec::new() });
    assert!(docker.all(&host.root).is_empty());
    // Nor is one that has got the number since the processes were seen.
    let all_by = |inode: u64| {
        let link = host.path("proc/30/ns/pid");
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(format!("pid:[{inode}]"), link).unwrap();
        let mut docker = Docker::default();
        docker.see(&Scan { host: host_pids, isolated: Vec::new(), gaps: Vec::new() });
        docker.all(&host.root).len()
    };
    assert_eq!((all_by(1), all_by(7)), (1, 0));
}

#[test]
fn an_engine_with_a_network_of_its_own_speaks_for_root_and_one_in_a_container_does_not() {
    let record = format!("srv/p/containers/{ID}/config.v2.json");
    let host = Host::with(&[(&record, &config("web", 0))]);
    host.process(30, 1, "dockerd", 0, "dockerd --data-root /srv/p");
    std::fs::create_dir(host.path("proc/30/ns")).unwrap();
    let kinds = [Kind::Pid, Kind::User, Kind::Mnt, Kind::Net];
    // Whatever it was when it was seen, its number is now one of the host's.
    for kind in ["pid", "user", "mnt"] {
        let link = host.path(&format!("proc/30/ns/{kind}"));
        std::os::unix::fs::symlink(format!("{kind}:[1]"), link).unwrap();
    }
    let all_but = |own: Kind, inode: Option<u64>| {
        let mut set = NsSet::default();
        for kind in kinds {
            if let Some(inode) = if kind == own { inode } else { Some(1) } {
                set.set(kind, inode);
            }
        }
        set
    };
    let listed = |namespaces: NsSet| {
        let pid = Pid::new(30).unwrap();
        let engine = Process { comm: "dockerd".into(), pid, namespaces, ..process() };
        let mut docker = Docker::default();
        let host_set = all_but(Kind::Net, Some(1));
        docker.see(&Scan { host: host_set, isolated: vec![engine], gaps: Vec::new() });
        docker.all(&host.root).len()
    };
    assert_eq!(listed(all_but(Kind::Net, Some(7))), 1);
    for kind in [Kind::Pid, Kind::User, Kind::Mnt] {
        assert_eq!(listed(all_but(kind, Some(7))), 0, "its own {kind:?}");
        assert_eq!(listed(all_but(kind, None)), 0, "{kind:?} is not known");
    }
}

#[test]
fn no_more_data_roots_of_a_user_are_held_than_he_needs() {
    let host = anns("home/ann/d");
    let (mut users, owners) = (Users::default(), Owners::default());
    for number in 0..20 {
        let path = format!("home/ann/{number}");
        host.write(&format!("{path}/f"), "");
        users.add(&host.root, &owners, 1000, &Path::new("/").join(path));
    }
    assert_eq!(users.of(1000).count(), 8);
}

fn process() -> Process {
    Process {
        pid: Pid::new(1).unwrap(),
        parent: None,
        state: crate::model::process::State(b'S'),
        kernel_thread: false,
        comm: Text::default(),
        start_ticks: 0,
        namespaces: NsSet::default(),
        cgroup: Text::default(),
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = (parse(&bytes, "abc"), parse_data_root(&bytes, "abc"));
    }
}
