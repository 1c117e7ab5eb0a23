//! Containers as podman 4.3 leaves them, root's and a user's.

use super::*;
use crate::collect::runtime::fixture::{Group, Host};

const WEB: &str = "993fef54a7abcb78f8f687dfe8300c1625c539b72d2a12a764023442921e8e50";
const INFRA: &str = "d590572aaf733ca2deb5071745db26cbea7be6ae6c420bf0b18bc2435578b53a";
const POD: &str = "d441bb7ce3152a1ff37cf3e8fa3c2132f6ebd9b24b23e4478f2b59257ac04c3d";

const GRAPH: &str = "var/lib/containers/storage/overlay-containers";
const RUN: &str = "run/containers/storage/overlay-containers";

fn list(containers: &[(&str, &str)]) -> String {
    let entry = |(id, name): &(&str, &str)| {
        let noted = format!(r#"{{\"image-name\":\"localhost/bb:1\",\"name\":\"{name}\"}}"#);
        format!(
            r#"{{"id":"{id}","names":["{name}"],"metadata":"{noted}","created":"2026-11-24T14:20:50Z"}}"#
        )
    };
    format!("[{}]", containers.iter().map(entry).collect::<Vec<_>>().join(","))
}

fn specification(sandbox: &str) -> String {
    format!(
        r#"{{"annotations":{{"io.container.manager":"libpod",
        "io.kubernetes.cri-o.ContainerType":"container","io.kubernetes.cri-o.SandboxID":"{sandbox}"}}}}"#
    )
}

fn at(pid: u32, start_ticks: Option<u64>) -> First {
    First::At { pid: Pid::new(pid).unwrap(), start_ticks }
}

fn host() -> Host {
    let host = Host::with(&[
        (
            &format!("{GRAPH}/containers.json"),
            &list(&[(WEB, "web"), (INFRA, "d441bb7ce315-infra")]),
        ),
        (&format!("{GRAPH}/{WEB}/userdata/config.json"), "{}"),
        (&format!("{RUN}/{WEB}/userdata/pidfile"), "42"),
        (&format!("{RUN}/{WEB}/userdata/conmon.pid"), "40"),
    ]);
    host.process(40, 1, "conmon", 0, &format!("conmon -c {WEB} -n web --exit-command podman"));
    host.process(42, 40, "sleep", 0, "sleep");
    host
}

fn find(host: &Host, group: &Group<'_>) -> Option<Record> {
    host.find(&mut Podman::default(), group)
}

#[test]
fn a_container_is_found_by_its_groups_name_and_by_its_conmon() {
    let host = host();
    let scope = format!("/machine.slice/libpod-{WEB}.scope/container");
    for cgroup in [&scope, "/"] {
        let group = Group { pid: 42, parent: Some(40), cgroup, ..Group::default() };
        let record = find(&host, &group).unwrap();
        assert_eq!((record.runtime, record.id), (Runtime::Podman, WEB.into()));
        assert_eq!(record.name, Some("web".into()));
        assert_eq!(record.image, Some("localhost/bb:1".into()));
        assert_eq!((record.owner_uid, record.pod), (Some(0), None));
        assert_eq!(record.first, at(42, None));
        assert_eq!(record.file.to_string(), format!("/{RUN}/{WEB}/userdata/pidfile"));
    }
    assert_eq!(find(&host, &Group { pid: 42, parent: Some(1), ..Group::default() }), None);
}

#[test]
fn what_a_user_has_in_a_way_of_his_own_is_no_gap() {
    let gaps = |graph: &str| {
        let id = "ab".repeat(32);
        let of_driver = format!("{graph}/overlay-containers");
        let host = Host::with(&[
            ("etc/passwd", "ann:x:54321:54321::/home/ann:/bin/sh\n"),
            (&format!("{of_driver}/containers.json"), &list(&[(&id, "web")])),
            (&format!("{of_driver}/volatile-containers.json"), "{"),
            (&format!("{of_driver}/{id}/userdata/config.json"), "{"),
            (&format!("{graph}/libpod/bolt_state.db"), "x"),
            (&format!("{graph}/db.sql"), "x"),
        ]);
        let mut source = Podman::default();
        assert_eq!(source.all(&host.root).len(), 1);
        source.gaps().len() + host.root.reach().gaps().len()
    };
    assert_eq!(gaps("var/lib/containers/storage"), 4);
    assert_eq!(gaps("home/ann/.local/share/containers/storage"), 0);
}

#[test]
fn a_storage_of_roots_that_cannot_be_looked_at_is_missing() {
    let host = Host::with(&[("var/lib/containers/storage", "no directory")]);
    let mut source = Podman::default();
    assert_eq!(source.all(&host.root), []);
    let gaps: Vec<String> = source.gaps().iter().map(|gap| gap.object.to_string()).collect();
    assert_eq!(gaps, ["/var/lib/containers/storage"]);
}

#[test]
fn of_a_user_whose_conmon_does_not_answer_no_other_is_asked() {
    let found = |uid: u32, asked: [u32; 2]| {
        let host = Host::with(&[("etc/passwd", "ann:x:1001:1001::/home/ann:/bin/sh\n")]);
        host.process(40, 1, "conmon", uid, "");
        for (pid, name) in [(41, "one"), (42, "two")] {
            let arguments = format!("conmon -c {WEB} -n {name} --exit-command podman");
            host.process(pid, 1, "conmon", uid, &arguments);
        }
        let mut source = Podman::default();
        asked.map(|parent| {
            let group = Group { pid: 50, parent: Some(parent), ..Group::default() };
            Some(host.find(&mut source, &group)?.name?.to_string())
        })
    };
    let [one, two] = ["one", "two"].map(|name| Some(name.to_owned()));
    for uid in [0, 1001] {
        assert_eq!(found(uid, [41, 42]), [one.clone(), two.clone()]);
    }
    assert_eq!(found(0, [40, 42]), [None, two]);
    assert_eq!(found(1001, [40, 42]), [None, None]);
}

#[test]
fn without_its_conmon_the_runtimes_note_must_tell_the_start() {
    let host = host();
    let cgroup = &format!("/machine.slice/libpod-{WEB}.scope/container");
    let group = Group { pid: 42, parent: Some(1), cgroup, ..Group::default() };
    assert_eq!(find(&host, &group), None, "the number may be another's by now");
    host.write(
        &format!("run/crun/{WEB}/status"),
        r#"{"pid":42,"process-start-time":420,"created":"2026-11-24T14:20:50Z","bundle":"/b"}"#,
    );
    let record = find(&host, &group).unwrap();
    assert_eq!((record.name, record.first), (Some("web".into()), at(42, Some(420))));
    assert_eq!(record.file.to_string(), format!("/run/crun/{WEB}/status"));
}

#[test]
fn conmon_leads_to_a_store_elsewhere_or_at_least_to_a_name() {
    let host = Host::with(&[
        ("srv/g/vfs-containers/containers.json", &list(&[(WEB, "web")])),
        (&format!("srv/r/vfs-containers/{WEB}/userdata/pidfile"), "42"),
    ]);
    let conmon = |pid, graph: &str| {
        let arguments = format!(
            "conmon -c {WEB} -n other --exit-command podman --exit-command-arg --root \
             --exit-command-arg {graph} --exit-command-arg --runroot --exit-command-arg /srv/r"
        );
        host.process(pid, 1, "conmon", 0, &arguments);
        find(&host, &Group { pid: 42, parent: Some(pid), ..Group::default() }).unwrap()
    };
    let record = conmon(40, "/srv/g");
    assert_eq!((record.name, record.first), (Some("web".into()), at(42, None)));
    let record = conmon(41, "/srv/none");
    let expected = Record {
        runtime: Runtime::Podman,
        id: WEB.into(),
        name: Some("other".into()),
        owner_uid: Some(0),
        first: First::Untold,
        file: "pid 41".into(),
        ..Record::default()
    };
    assert_eq!(record, expected);
}

#[test]
fn a_users_container_is_his_word() {
    let home = "home/ann/.local/share/containers/storage/vfs-containers";
    let run = "run/user/1001/containers/vfs-containers";
    let host = Host::with(&[
        ("etc/passwd", "ann:x:1001:1001::/home/ann:/bin/sh\n"),
        (&format!("{home}/containers.json"), &list(&[(WEB, "mine")])),
        (&format!("{run}/{WEB}/userdata/pidfile"), "42"),
        ("run/user/1001/libpod/tmp/pause.pid", "30"),
    ]);
    let arguments = format!("conmon -c {WEB} -n mine --exit-command podman");
    host.process(40, 1, "conmon", 1001, &arguments);
    host.process(41, 1, "conmon", 0, &arguments);
    host.process(30, 1, "podman pause", 1001, "podman");
    let by = |parent| Group {
        pid: 42,
        parent: Some(parent),
        is_parent_isolated: true,
        ..Group::default()
    };
    let record = find(&host, &by(40)).unwrap();
    assert_eq!((record.name, record.owner_uid), (Some("mine".into()), Some(1001)));
    assert_eq!(record.first, at(42, None));
    // Isolated and root's: it may be in a container.
    assert_eq!(find(&host, &by(41)), None);
    let pause = Group { pid: 30, parent: Some(1), comm: "podman pause", ..Group::default() };
    let record = find(&host, &pause).unwrap();
    assert_eq!((record.runtime, record.id), (Runtime::Podman, Text::default()));
    assert_eq!((record.owner_uid, record.first), (Some(1001), at(30, None)));
    let other = Group { pid: 31, parent: Some(1), comm: "podman pause", ..Group::default() };
    host.process(31, 1, "podman pause", 1001, "podman");
    assert_eq!(find(&host, &other), None);
}

#[test]
fn a_pod_is_told_by_the_group_or_by_the_specification() {
    let host = host();
    let pod = |cgroup: &str| {
        let group = Group { pid: 42, parent: Some(40), cgroup, ..Group::default() };
        find(&host, &group).unwrap().pod
    };
    let member = Pod { uid: Some(POD.into()), container: Some("web".into()), ..Pod::default() };
    let slice = format!("/machine.slice/machine-libpod_pod_{POD}.slice/libpod-{WEB}.scope");
    assert_eq!(pod(&slice), Some(member.clone()));
    assert_eq!(pod("/"), None);
    host.write(&format!("{GRAPH}/{WEB}/userdata/config.json"), &specification(POD));
    assert_eq!(pod("/"), Some(member));
    // A pod with a container of its own is called by that.
    host.write(&format!("{GRAPH}/{WEB}/userdata/config.json"), &specification(INFRA));
    assert_eq!(pod("/"), None);
    host.write(&format!("{RUN}/{INFRA}/userdata/pidfile"), "43");
    host.process(41, 1, "conmon", 0, &format!("conmon -c {INFRA} --exit-command podman"));
    let cgroup = &format!("/libpod_parent/{POD}/libpod-{INFRA}");
    let infra = Group { pid: 43, parent: Some(41), cgroup, ..Group::default() };
    assert!(find(&host, &infra).unwrap().pod.unwrap().sandbox);
}

#[test]
fn all_of_them_are_listed_with_how_they_are() {
    let host = host();
    let states = |host: &Host| {
        let mut all = Podman::default().all(&host.root);
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all.into_iter().map(|record| (record.state, record.first)).collect::<Vec<_>>()
    };
    let created = (State::Created, First::NotRunning);
    assert_eq!(states(&host), [created, (State::Stopped, at(42, Some(420)))]);
    host.process(42, 1, "other", 0, "other");
    assert_eq!(states(&host), [created, (State::Stopped, First::NotRunning)]);
}

#[test]
fn podmans_database_tells_labels_state_and_pods() {
    const MEMBER: &str = "fb66febe84975fb1908c1881e359424719b1cc7e77a253e50ba95c25229bd97a";
    const MADE: &str = "ddc9d3b74132f6f03f30452ce14c2ac57d262c7d311ea15d83ce91ec330b021d";
    const POD: &str = "fde1fe3ae64f3bcb815040acb526e4fce0b93ac3a915d8a897a69705fd3dd0f9";
    let host = Host::with(&[
        (&format!("{GRAPH}/containers.json"), &list(&[(MEMBER, "member"), (MADE, "made")])),
        // Would say otherwise.
        (&format!("{GRAPH}/{MADE}/userdata/config.json"), &specification(MEMBER)),
    ]);
    let database = host.path("var/lib/containers/storage/libpod/bolt_state.db");
    std::fs::create_dir(database.parent().unwrap()).unwrap();
    let real = include_bytes!("../../../../tests/fixtures/bolt/podman.db");
    std::fs::write(database, real).unwrap();
    let mut all = Podman::default().all(&host.root);
    all.sort_by(|a, b| b.name.cmp(&a.name));
    let [member, made] = <[Record; 2]>::try_from(all).unwrap();
    assert_eq!((made.state, made.pod, made.labels.len()), (State::Created, None, 0));
    let pod = member.pod.unwrap();
    assert_eq!((pod.uid, pod.container), (Some(POD.into()), Some("member".into())));
    assert!(pod.name.is_some() && !pod.sandbox);
    assert_eq!((member.state, member.first), (State::Stopped, First::NotRunning));
    assert_eq!(member.labels[0], ("app".into(), "demo".into()));
}

#[test]
fn what_podman_5_noted_is_read_and_what_is_damaged_is_told() {
    let id = format!("aa{:062}", 1);
    let host = Host::with(&[(&format!("{GRAPH}/containers.json"), &list(&[(&id, "web")]))]);
    let file = host.path("var/lib/containers/storage/db.sql");
    std::fs::write(&file, include_bytes!("../../../../tests/fixtures/sqlite/podman.db")).unwrap();
    let all = |podman: &mut Podman| podman.all(&host.root).pop().unwrap();
    let record = all(&mut Podman::default());
    assert_eq!(record.labels, [("app".into(), "shop".into()), ("tier".into(), "front".into())]);
    assert_eq!(record.pod.unwrap().name, Some("shop".into()));
    for damage in [&b""[..], b"SQLite format 3\0", &[0; 8192]] {
        std::fs::write(&file, damage).unwrap();
        let mut podman = Podman::default();
        let record = all(&mut podman);
        assert_eq!((record.name, record.pod), (Some("web".into()), None));
        let gaps = podman.gaps();
        assert_eq!(gaps.len(), 1, "{damage:?}");
        assert_eq!(gaps[0].object, "/var/lib/containers/storage/db.sql");
    }
    std::fs::remove_file(&file).unwrap();
    let mut podman = Podman::default();
    assert_eq!((all(&mut podman).labels, podman.gaps()), (vec![], vec![]));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = parse_sandbox(&bytes);
    }
}
