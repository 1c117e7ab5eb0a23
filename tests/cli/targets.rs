//! Which process or container a target means, on a host that a test puts together: pods, units, a
//! user's containers, and containers within a container.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "puts together a host, and fails where it cannot"
)]

use super::support;
use insta::assert_snapshot;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

const KINDS: [(&str, u64); 8] = [
    ("mnt", 4_026_531_832),
    ("uts", 4_026_531_838),
    ("ipc", 4_026_531_839),
    ("net", 4_026_531_833),
    ("pid", 4_026_531_836),
    ("cgroup", 4_026_531_835),
    ("user", 4_026_531_837),
    ("time", 4_026_531_834),
];

const WEB: &str = "6961dd4fce83c1e2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f80912";
const SANDBOX: &str = "aaaa111111111111111111111111111111111111111111111111111111111111";
const APP: &str = "aaaa222222222222222222222222222222222222222222222222222222222222";
const LOG: &str = "aaaa333333333333333333333333333333333333333333333333333333333333";
const BUILD: &str = "bbbb000000000000000000000000000000000000000000000000000000000004";
const USER: &str = "/user.slice/user-1000.slice/user@1000.service";
const OTHER: &str = "/user.slice/user-1001.slice/user@1001.service";

/// A directory that looks like a host with cgroup v2.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        host.write("proc/sys/kernel/hostname", "node\n");
        host.write("proc/sys/kernel/osrelease", "6.18.0\n");
        host.write("proc/stat", "btime 1764000000\n");
        host.write("proc/uptime", "100000.50 190000.00\n");
        host.process(1, 1, 0, "/init.scope", 0);
        host.process(500, 9_000_000, 1, "/", 0);
        let mount = "32 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        host.write("proc/500/mountinfo", mount);
        std::os::unix::fs::symlink("500", host.path("proc/self")).unwrap();
        host
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// One with namespaces of its own, numbered from `inode`; of the host where that is 0.
    fn process(&self, pid: u32, ticks: u64, parent: u32, cgroup: &str, inode: u64) {
        let dir = format!("proc/{pid}");
        let stat = format!(
            "{pid} (p{pid}) S {parent} {pid} {pid} 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 {ticks} 1 1\n"
        );
        self.write(&format!("{dir}/stat"), &stat);
        let status = format!(
            "Name:\tp{pid}\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t{parent}\n\
            Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nNSpid:\t{pid}\n"
        );
        self.write(&format!("{dir}/status"), &status);
        self.write(&format!("{dir}/cgroup"), &format!("0::{cgroup}\n"));
        self.write(&format!("{dir}/cmdline"), "");
        self.write(&format!("{dir}/mountinfo"), "");
        fs::create_dir_all(self.path(&format!("sys/fs/cgroup{cgroup}"))).unwrap();
        fs::create_dir_all(self.path(&format!("{dir}/ns"))).unwrap();
        for (place, (kind, of_the_host)) in (0_u64..).zip(KINDS) {
            let isolates = inode != 0 && matches!(kind, "mnt" | "pid" | "net");
            let inode = if isolates { inode + place } else { of_the_host };
            let link = self.path(&format!("{dir}/ns/{kind}"));
            std::os::unix::fs::symlink(format!("{kind}:[{inode}]"), link).unwrap();
        }
    }

    /// A container of containerd with a shim of its own, whose pid is one less.
    fn containerd(&self, pid: u32, namespace: &str, id: &str, cgroup: &str, notes: &str) {
        let bundle = format!("run/containerd/io.containerd.runtime.v2.task/{namespace}/{id}");
        self.write(&format!("{bundle}/config.json"), &format!(r#"{{"annotations":{{{notes}}}}}"#));
        self.process(pid - 1, 10, 1, "/system.slice/containerd.service", 0);
        self.write(&format!("proc/{}/comm", pid - 1), "containerd-shim\n");
        let cwd = self.path(&format!("proc/{}/cwd", pid - 1));
        std::os::unix::fs::symlink(Path::new("/").join(&bundle), cwd).unwrap();
        self.process(pid, u64::from(pid), pid - 1, cgroup, 5_000_000_000 + u64::from(pid) * 10);
    }

    fn nsx(&self, arguments: &[&str]) -> Output {
        let mut command = support::nsx(arguments);
        support::output(command.arg("--sysroot").arg(self.0.path()))
    }

    /// The pid that a target leads to, or what is said with the exit code.
    fn inspect(&self, target: &str) -> String {
        let output = self.nsx(&["inspect", "-q", target]);
        match output.status.code() {
            Some(0) => support::stdout(&output).trim().to_owned(),
            code => format!("{code:?} {}", support::stderr(&output)),
        }
    }

    /// The pids of the containers that `nsx ps TARGET` lists.
    fn ps(&self, target: &str) -> Vec<String> {
        let output = self.nsx(&["ps", "-o", "tsv", "--no-headings", "--columns", "pid", target]);
        let said = support::stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{target}: {said}");
        support::stdout(&output).lines().map(str::to_owned).collect()
    }
}

fn cri(kind: &str, container: &str) -> String {
    let container = match container {
        "" => String::new(),
        name => format!(r#","io.kubernetes.cri.container-name":"{name}""#),
    };
    format!(
        r#""io.kubernetes.cri.container-type":"{kind}","io.kubernetes.cri.sandbox-namespace":"shop",
        "io.kubernetes.cri.sandbox-name":"cart-7d4b9","io.kubernetes.cri.sandbox-uid":"u"{container}"#
    )
}

fn host() -> Host {
    let host = Host::new();
    // docker, with two containers of its own.
    let docker = format!("/docker/{WEB}");
    host.process(3000, 3000, 1, &docker, 4_100_000_000);
    host.write(
        &format!("var/lib/docker/containers/{WEB}/config.v2.json"),
        &format!(r#"{{"ID":"{WEB}","Name":"/web","State":{{"Pid":3000,"StartedAt":"2026-11-24T13:51:26Z"}}}}"#),
    );
    host.process(3100, 3100, 3000, &format!("{docker}/lxc.payload.web"), 4_100_001_000);
    host.process(3200, 3200, 3000, &format!("{docker}/lxc.payload.inner"), 4_100_002_000);
    host.process(3300, 3300, 3000, &format!("{docker}/system.slice/cron.service"), 4_100_000_000);
    // A user's, of the same name and of another.
    host.process(4000, 20, 1, &format!("{USER}/lxc.payload.web"), 4_100_003_000);
    host.process(4100, 21, 1, &format!("{USER}/lxc.payload.mine"), 4_100_004_000);
    // A pod of two, and a build of the same id's beginning in another namespace.
    let pod = "/kubepods/burstable/pod6e6f8a2c-1111-2222-3333-444455556666";
    host.containerd(5000, "k8s.io", SANDBOX, &format!("{pod}/{SANDBOX}"), &cri("sandbox", ""));
    host.containerd(5100, "k8s.io", APP, &format!("{pod}/{APP}"), &cri("container", "app"));
    host.containerd(5200, "k8s.io", LOG, &format!("{pod}/{LOG}"), &cri("container", "log"));
    host.containerd(
        5300,
        "default",
        BUILD,
        &format!("/default/{BUILD}"),
        r#""nerdctl/name":"app""#,
    );
    // Units: the elder has the higher number; users and containers have some of the same name.
    host.process(600, 60, 1, "/system.slice/nginx.service", 0);
    host.process(601, 50, 1, "/system.slice/nginx.service/worker", 0);
    host.process(610, 10, 1, &format!("{USER}/app.slice/nginx.service"), 0);
    host.process(620, 11, 1, &format!("{USER}/app.slice/sync.service"), 0);
    host.process(621, 12, 1, &format!("{OTHER}/app.slice/sync.service"), 0);
    host.process(630, 13, 1, &format!("{USER}/app.slice/mail.service"), 0);
    host
}

#[test]
fn a_name_leads_to_what_root_vouches_for() {
    let host = host();
    for (target, pid) in [
        ("web", "3000"),
        ("docker:web", "3000"),
        ("6961d", "3000"),
        ("docker:6961dd4fce83", "3000"),
        ("mine", "4100"),
        ("inner", "3200"),
        ("4100", "4100"),
    ] {
        assert_eq!(host.inspect(target), pid, "{target}");
    }
    // Those of users and containers alone: none is better than the other.
    assert_snapshot!("target-ambiguous", host.inspect("lxc:web"));
    assert_snapshot!("target-word", host.inspect("dokcer:web"));
    assert_snapshot!("target-misspelled", host.inspect("pod:shop//app"));
}

#[test]
fn a_pod_is_named_with_or_without_its_container() {
    let host = host();
    for (target, pid) in [
        ("pod:shop/cart-7d4b9", "5000"),
        ("pod:shop/cart-7d4b9/app", "5100"),
        ("shop/cart-7d4b9/log", "5200"),
        ("cri:app", "5100"),
        ("cri:log", "5200"),
        ("containerd:k8s.io/app", "5100"),
        ("containerd:default/bbbb", "5300"),
        ("containerd:default/app", "5300"),
    ] {
        assert_eq!(host.inspect(target), pid, "{target}");
    }
    assert_snapshot!("target-containerd", host.inspect("containerd:app"));
    assert_snapshot!("target-no-pod", host.inspect("pod:shop/cart"));
    assert_eq!(host.ps("pod:shop/cart-7d4b9"), ["5000", "5100", "5200"]);
    assert_eq!(host.ps("pod:shop/cart-7d4b9/log"), ["5200"]);
}

#[test]
fn a_unit_is_the_hosts_before_it_is_a_users_or_a_containers() {
    let host = host();
    for (target, pid) in [
        ("unit:nginx.service", "601"),
        ("unit:nginx", "601"),
        ("unit:mail", "630"),
        ("unit:cron", "3300"),
        ("unit:user@1000.service", "610"),
        ("unit:system.slice", "4999"),
        ("unit:user-1001.slice", "621"),
    ] {
        assert_eq!(host.inspect(target), pid, "{target}");
    }
    assert_snapshot!("target-units", host.inspect("unit:sync"));
    assert_snapshot!("target-no-unit", host.inspect("unit:absent"));
    assert_eq!(host.ps("unit:cron"), ["3000"]);
}

#[test]
fn a_control_group_is_all_that_is_below_it() {
    let host = host();
    for (target, pid) in [
        ("cgroup:/", "1"),
        ("cgroup:/system.slice/nginx.service", "601"),
        ("cgroup:/system.slice/nginx.service/worker/", "601"),
        ("cgroup:/kubepods", "5000"),
    ] {
        assert_eq!(host.inspect(target), pid, "{target}");
    }
    assert!(host.inspect("cgroup:/system").starts_with("Some(3)"));
    assert_snapshot!("target-no-group", host.inspect("cgroup:/kube"));
    assert_eq!(host.ps("cgroup:/kubepods"), ["5000", "5100", "5200"]);
    let output = host.nsx(&["ps", "cgroup:/system.slice/nginx.service"]);
    assert_snapshot!("target-in-no-container", super::seen(&output));
}

#[test]
fn a_namespace_is_the_oldest_process_in_it() {
    let host = host();
    // 3000 and 3300 share theirs.
    let net = 4_100_000_000_u64 + 3;
    assert_eq!(host.inspect(&format!("ns:{net}")), "3000");
    assert_eq!(host.ps(&format!("ns:{net}")), ["3000"]);
    assert_eq!(host.inspect("ns:4026531837"), "1", "of any kind");
    assert_snapshot!("target-no-namespace", host.inspect("ns:4099999999"));
    // Nothing on a fixture is a namespace file.
    host.write("run/netns/blue", "");
    assert_snapshot!("target-leftover", host.inspect("netns:blue"));
    assert_snapshot!("target-no-netns", host.inspect("netns:red"));
    assert_snapshot!("target-no-file", host.inspect("/run/netns/blue"));
}

/// Each name that `-o name` prints leads to the container that it stands for.
#[test]
fn what_is_listed_as_a_name_is_a_target() {
    let host = host();
    let names = support::stdout(&host.nsx(&["ps", "-o", "name"]));
    let pids =
        support::stdout(&host.nsx(&["ps", "-o", "tsv", "--no-headings", "--columns", "pid"]));
    assert_eq!(names.lines().count(), pids.lines().count());
    for (name, pid) in names.lines().zip(pids.lines()) {
        assert_eq!(host.inspect(name), pid, "{name}");
    }
    assert!(names.contains("pod:shop/cart-7d4b9/app\n"), "{names}");
}
