//! The paths of each runtime, as they were seen on hosts.

use super::*;

const ID: &str = "6961dd4fce83c1e2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f80912";
const UID: &str = "6e6f8a2c-1111-2222-3333-444455556666";

fn filled(text: &str) -> String {
    text.replace("UID_", &UID.replace('-', "_")).replace("UID", UID).replace("ID", ID)
}

fn told(pattern: &str) -> Vec<(Runtime, String)> {
    path(filled(pattern).as_bytes())
        .into_iter()
        .map(|found| (found.runtime, String::from_utf8(found.id).unwrap().replace(ID, "ID")))
        .collect()
}

#[test]
fn one_container_or_none() {
    for (path, expected) in [
        ("/docker/ID", Some((Runtime::Docker, "ID"))),
        ("/system.slice/docker-ID.scope", Some((Runtime::Docker, "ID"))),
        ("/foo.slice/docker-ID.scope/init.scope", Some((Runtime::Docker, "ID"))),
        ("/../docker/ID", Some((Runtime::Docker, "ID"))),
        ("/custom/ID", Some((Runtime::Oci, "ID"))),
        ("/default/ID", Some((Runtime::Containerd, "ID"))),
        ("/k8s.io/ID", Some((Runtime::Containerd, "ID"))),
        ("/kubepods/burstable/podUID/ID", Some((Runtime::Containerd, "ID"))),
        (
            "/kubepods.slice/kubepods-podUID_.slice/cri-containerd-ID.scope",
            Some((Runtime::Containerd, "ID")),
        ),
        (
            "/system.slice/kubepods-podUID_.slice:cri-containerd:ID",
            Some((Runtime::Containerd, "ID")),
        ),
        ("/kubepods.slice/crio-ID.scope", Some((Runtime::Crio, "ID"))),
        ("/kubepods.slice/crio-ID", Some((Runtime::Crio, "ID"))),
        ("/kubepods.slice/crio-conmon-ID.scope", None),
        ("/machine.slice/libpod-ID.scope/container", Some((Runtime::Podman, "ID"))),
        ("/system.slice/db.service/libpod-payload-ID", Some((Runtime::Podman, "ID"))),
        ("/machine.slice/libpod-conmon-ID.scope", None),
        ("/libpod_parent/libpod-ID", Some((Runtime::Podman, "ID"))),
        ("/libpod_parent/ID/conmon", None),
        ("/libpod_parent/conmon", None),
        ("/lxc.payload.build1/system.slice/x.service", Some((Runtime::Lxc, "build1"))),
        ("/lxc/build1", Some((Runtime::Lxc, "build1"))),
        ("/lxc.monitor.build1", None),
        ("/x/a:docker:web", None),
        ("/machine.slice/machine-nsm1.scope/payload", Some((Runtime::Nspawn, "nsm1"))),
        ("/machine.slice/machine-my\\x2dm1.scope/payload", Some((Runtime::Nspawn, "my-m1"))),
        (
            "/machine.slice/machine-lxc\\x2d1234\\x2dweb.scope/libvirt",
            Some((Runtime::Libvirt, "lxc-1234-web")),
        ),
        ("/machine/web.libvirt-lxc", Some((Runtime::Libvirt, "web"))),
        ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt", None),
        ("/machine.slice/systemd-nspawn@m2.service/payload", Some((Runtime::Nspawn, "m2"))),
        ("/nsxtest.slice/runc-sd1.scope", Some((Runtime::Runc, "sd1"))),
        ("/nsxtest.slice/crun-sd2.scope/container", Some((Runtime::Crun, "sd2"))),
        ("/system.slice/nsxtest.slice:runc:sd1", Some((Runtime::Runc, "sd1"))),
        ("/:youki:t1", Some((Runtime::Youki, "t1"))),
        (
            "/docker/buildkit/zkkw0mmpdsk5dyzl4wdi0o0z7",
            Some((Runtime::Buildkit, "zkkw0mmpdsk5dyzl4wdi0o0z7")),
        ),
        (
            "/ecs/t/0123456789abcdef0123456789abcdef-123",
            Some((Runtime::Oci, "0123456789abcdef0123456789abcdef-123")),
        ),
        ("/ecs/t/0123456789abcdef0123456789abcdef", None),
        ("/ecs/t/0123456789abcdef0123456789abcdef-", None),
        ("/ecs/t/0123456789abcdef0123456789abcdef-12x", None),
        ("/kata_ID", Some((Runtime::Kata, "ID"))),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-flatpak-org.x.Y-12.scope",
            Some((Runtime::Flatpak, "org.x.Y")),
        ),
        ("/system.slice/snap.lxd.daemon.service", Some((Runtime::Snap, "lxd.daemon"))),
        ("/user.slice/snap.code.code-UID.scope", Some((Runtime::Snap, "code.code"))),
        (
            "/user.slice/snap.a-name-without-any-number.and-a-program.scope",
            Some((Runtime::Snap, "a-name-without-any-number.and-a-program")),
        ),
        (
            "/user.slice/snap.code.url-handler-of-a-name-that-has-36-bytes0.scope",
            Some((Runtime::Snap, "code.url-handler-of-a-name-that-has-36-bytes0")),
        ),
        (
            "/user.slice/snap.code.codeUID.scope",
            Some((Runtime::Snap, "code.code6e6f8a2c-1111-2222-3333-444455556666")),
        ),
        ("/system.slice/nginx.service", Some((Runtime::Systemd, "nginx"))),
        // systemd's way with what could be a file of a controller, and a name that is as it is.
        ("/system.slice/_memory.service", Some((Runtime::Systemd, "memory"))),
        ("/lxc/_web", Some((Runtime::Lxc, "_web"))),
        (
            "/system.slice/system-foo.slice/foo@bar\\x2d1.service",
            Some((Runtime::Systemd, "foo@bar-1")),
        ),
        ("/system.slice/ci.service/sshd.service/x", Some((Runtime::Systemd, "ci"))),
        ("/process_api/daf47bffd4bfb6b44fa60b9cab5d528c", None),
        ("/user.slice/user-1000.slice/session-3.scope", None),
        (
            "/system.slice/system-sshd.slice/sshd@0-192.0.2.1:22-192.0.2.7:50514.service",
            Some((Runtime::Systemd, "sshd@0-192.0.2.1:22-192.0.2.7:50514")),
        ),
        ("/lxc.payload./machine-.scope/x.slice:docker:/.service", None),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice", None),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service",
            Some((Runtime::Systemd, "x")),
        ),
        ("/", None),
    ] {
        let expected: Vec<_> =
            expected.into_iter().map(|(runtime, id)| (runtime, id.to_owned())).collect();
        assert_eq!(told(path), expected, "{path}");
    }
}

#[test]
fn containers_in_containers_are_told_from_the_outside_in() {
    assert_eq!(
        told("/docker/ID/kubelet/kubepods/besteffort/podUID/ID"),
        [(Runtime::Docker, "ID".to_owned()), (Runtime::Containerd, "ID".to_owned())]
    );
    assert_eq!(
        told("/lxc.payload.c1/system.slice/docker-ID.scope"),
        [(Runtime::Lxc, "c1".to_owned()), (Runtime::Docker, "ID".to_owned())]
    );
}

#[test]
fn a_pod_is_told_by_the_group_above() {
    let pod = |pattern: &str| path(filled(pattern).as_bytes()).pop().unwrap().pod;
    let expected =
        |qos, driver_mismatch| Some(PodGroup { uid: UID.into(), qos: Some(qos), driver_mismatch });
    assert_eq!(pod("/kubepods/burstable/podUID/ID"), expected(Qos::Burstable, false));
    assert_eq!(pod("/kubepods/besteffort/podUID/ID"), expected(Qos::BestEffort, false));
    assert_eq!(pod("/kubepods/podUID/ID"), expected(Qos::Guaranteed, false));
    // A kubelet in a pod begins anew.
    let inner = "/kubepods/burstable/podUID/ID/kubelet/kubepods/podUID/ID";
    assert_eq!(pod(inner), expected(Qos::Guaranteed, false));
    let slices = "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUID_.slice";
    assert_eq!(pod(&format!("{slices}/cri-containerd-ID.scope")), expected(Qos::BestEffort, false));
    assert_eq!(
        pod("/kubelet.slice/kubelet-kubepods-podUID_.slice/crio-ID.scope"),
        expected(Qos::Guaranteed, false)
    );
    assert_eq!(
        pod("/system.slice/kubepods-burstable-podUID_.slice:cri-containerd:ID"),
        expected(Qos::Burstable, true)
    );
    assert_eq!(pod("/docker/ID"), None);
    let podman = pod("/machine.slice/machine-libpod_pod_ID.slice/libpod-ID.scope/container");
    let expected = Some(PodGroup { uid: ID.into(), qos: None, driver_mismatch: false });
    assert_eq!(podman, expected);
    assert_eq!(pod("/libpod_parent/ID/libpod-ID"), expected);
    assert_eq!(pod("/some/ID/libpod-ID"), expected);
    assert_eq!(pod("/some/ID/x/libpod-ID"), None);
    assert_eq!(told("/libpod_parent/ID/libpod-ID"), [(Runtime::Podman, "ID".to_owned())]);
    assert_eq!(told("/docker/ID/libpod-ID").len(), 2);
}

#[test]
fn a_users_slice_tells_whose_it_is() {
    let path = filled("/user.slice/user-1001.slice/user@1001.service/user.slice/libpod-ID.scope");
    assert_eq!(super::path(path.as_bytes()).pop().unwrap().user, Some(1001));
    // What he calls his own groups changes nothing about it.
    let his = path.replace("/user.slice/libpod", "/user-0.slice/user-1002.slice/libpod");
    assert_eq!(super::path(his.as_bytes()).pop().unwrap().user, Some(1001));
}

#[test]
fn the_group_ends_with_the_container_and_any_line_may_tell_it() {
    let lines = format!("9:name=systemd:/\n4:memory:/x/y.service\n0::/docker/{ID}/inner\n");
    let found = cgroup(lines.as_bytes());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].group, format!("/docker/{ID}").into_bytes());
    // A container tells more than a service, and a service more than nothing, wherever they stand.
    let told = |lines: &str| {
        let found = cgroup(lines.replace("ID", ID).as_bytes()).pop();
        found.map(|one| one.runtime)
    };
    let container = "4:memory:/docker/ID\n0::/system.slice/x.service\n";
    assert_eq!(told(container), Some(Runtime::Docker));
    assert_eq!(told("4:memory:/x/y.service\n0::/\n"), Some(Runtime::Systemd));
}

#[test]
fn a_hierarchy_that_a_container_made_tells_nothing() {
    let other = ID.replace('6', "0");
    let told = |lines: &str| {
        let lines = lines.replace("OTHER", &other).replace("ID", ID);
        let groups = cgroup(lines.as_bytes()).into_iter().map(|found| found.group);
        let groups: Vec<_> = groups.map(|group| String::from_utf8(group).unwrap()).collect();
        groups.join(" ").replace(ID, "ID")
    };
    let own = "8:pids:/docker/ID\n2:name=systemd:/docker/ID\n1:cpu:/docker/ID\n0::/\n";
    for named in ["name=evil", "name=elogind", "name=systemd2"] {
        assert_eq!(told(&format!("9:{named}:/docker/OTHER\n{own}")), "/docker/ID", "{named}");
        assert_eq!(told(&format!("9:{named}:/docker/OTHER/docker/ID\n{own}")), "/docker/ID");
    }
    // On a host without v1 every controller is free.
    for path in ["/docker/OTHER/docker/ID", "/docker/OTHER/docker/ID/docker/OTHER"] {
        assert_eq!(told(&format!("9:net_cls:{path}\n0::/docker/ID\n")), "/docker/ID", "{path}");
    }
    let inner = "9:pids:/docker/ID/docker/OTHER\n0::/system.slice/docker-ID.scope\n";
    assert_eq!(told(inner), format!("/docker/ID /docker/ID/docker/{other}"));
    // The others are asked in this order.
    for lines in [
        "9:misc:/docker/OTHER\n1:name=systemd:/docker/OTHER\n0::/docker/ID\n",
        "9:misc:/docker/OTHER\n2:cpu:/docker/ID\n1:name=systemd:/docker/OTHER\n0::/\n",
        "2:cpu:/\n1:name=systemd:/docker/ID\n0::/\n",
    ] {
        assert_eq!(told(lines), "/docker/ID", "{lines}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = (cgroup(&bytes), path(&bytes));
    }
}

#[test]
fn a_pods_uid_is_a_uuid_or_as_many_digits() {
    let uuid = "6e6f8a2c-1111-2222-3333-444455556666";
    for uid in [uuid, &"a".repeat(32), &"0".repeat(36)] {
        assert!(is_pod_uid(uid.as_bytes()), "{uid}");
    }
    for uid in ["", &"a".repeat(33), &"a".repeat(35), &uuid.to_uppercase(), &"g".repeat(32)] {
        assert!(!is_pod_uid(uid.as_bytes()), "{uid}");
    }
}
