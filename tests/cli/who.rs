//! `nsx who` on hosts that are directories: every kind of clue is answered by them alone, never by the
//! machine that the tests run on.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails where its own fixtures are not as they should be"
)]

use crate::{fixture, on};
use serde_json::Value;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

const HOSTS: [&str; 12] = [
    "composed-crio",
    "docker-hybrid",
    "docker-systemd",
    "docker-v2",
    "hostile",
    "kubernetes-containerd",
    "lxc",
    "lxd",
    "mixed",
    "nspawn",
    "podman",
    "rootless",
];

/// The trails and gaps; what leads nowhere is 3.
fn asked(host: &str, clue: &str) -> (Vec<Value>, Vec<Value>) {
    let said = on(host, &["who", "--json", clue]);
    let told: Value = serde_json::from_slice(&said.stdout).unwrap();
    let list = |key: &str| told[key].as_array().unwrap().clone();
    let code = if list("data").is_empty() { 3 } else { 0 };
    assert_eq!(said.status.code(), Some(code), "{host} {clue}: {told}");
    (list("data"), list("gaps"))
}

/// Every process that an answer names.
fn pids(trails: &[Value]) -> Vec<u64> {
    let steps = trails.iter().flat_map(|trail| trail["steps"].as_array().unwrap());
    let owners = trails.iter().map(|trail| &trail["owner"]["container"]);
    steps.chain(owners).filter_map(|one| one["pid"].as_u64()).collect()
}

#[test]
fn every_kind_of_clue_is_answered_by_the_fixture_alone() {
    // All of these lead somewhere on the machine: to this test.
    let directory = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(directory.path().join("open")).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = std::fs::metadata(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
    let group = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let group = group.lines().find_map(|line| line.splitn(3, ':').nth(2)).unwrap();
    let own = u64::from(std::process::id());
    let clues = [
        format!("pid:{own}"),
        "nspid:1".to_owned(),
        format!("port:{}", address.port()),
        address.to_string(),
        "ip:127.0.0.1".to_owned(),
        "mac:00:00:00:00:00:00".to_owned(),
        "if:lo".to_owned(),
        format!("ns:{}", std::fs::metadata("/proc/self/ns/net").unwrap().ino()),
        format!("cgroup:{group}"),
        format!("path:{}", directory.path().display()),
        "path:/proc/self/ns/net".to_owned(),
        format!("dev:{}", device(&file)),
        format!("socket:{}", socket.ino()),
        "unit:no-such-unit".to_owned(),
        "overlay:0000feed".to_owned(),
        "lo".to_owned(),
    ];
    for host in HOSTS {
        let proc = PathBuf::from(fixture(host)).join("proc");
        let is_there = |pid: &u64| proc.join(pid.to_string()).is_dir();
        for clue in &clues {
            let (trails, gaps) = asked(host, clue);
            let told = pids(&trails);
            assert!(told.iter().all(is_there), "{host} {clue}: {trails:?}");
            let is_of_a_network = ["port:", "127.", "ip:", "mac:", "if:", "socket:", "lo"]
                .iter()
                .any(|word| clue.starts_with(word));
            let no_kernel = gaps.iter().any(|gap| gap["reason"] == "unsupported");
            assert!(!is_of_a_network || no_kernel || !trails.is_empty(), "{host} {clue}: {gaps:?}");
            let is_empty = ["port:", "socket:", "unit:", "overlay:", "lo"];
            if is_empty.iter().any(|word| clue.starts_with(word)) {
                assert_eq!(trails, [] as [Value; 0], "{host} {clue}");
            }
        }
    }
}

/// As `stat` has it.
fn device(file: &std::fs::File) -> String {
    let number = file.metadata().unwrap().dev();
    format!("{}:{}", rustix::fs::major(number), rustix::fs::minor(number))
}

/// A host with one process in a group.
fn with_process(group: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let link = |pid: u32, kind: &str| {
        let path = directory.path().join(format!("proc/{pid}/ns/{kind}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(format!("{kind}:[4026531840]"), path).unwrap();
    };
    for (pid, comm, group) in [(1, "init", "/init.scope"), (7, "nginx", group)] {
        for kind in ["mnt", "uts", "ipc", "net", "pid", "cgroup", "user", "time"] {
            link(pid, kind);
        }
        let numbers = "0 ".repeat(40);
        write(&format!("proc/{pid}/stat"), &format!("{pid} ({comm}) S 1 {numbers}\n"));
        write(&format!("proc/{pid}/status"), &format!("Name:\t{comm}\nTgid:\t{pid}\n"));
        write(&format!("proc/{pid}/cgroup"), &format!("0::{group}\n"));
    }
    directory
}

fn unit_in(group: &str) -> Value {
    let host = with_process(group);
    let root = host.path().to_str().unwrap();
    let mut command = crate::support::nsx(["who", "-o", "jsonl", "7", "--sysroot", root]);
    let said = crate::support::succeeds(&mut command);
    serde_json::from_str::<Value>(&said).unwrap()["owner"]["unit"].take()
}

/// Users call their units what they like, and `unit:NAME` means that of the host's manager.
#[test]
fn a_unit_of_a_users_is_not_told_as_the_hosts() {
    assert_eq!(unit_in("/system.slice/nginx.service"), "nginx.service");
    let users = "/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service";
    assert_eq!(unit_in(users), "user@1000.service");
}

/// A container may be called `host`, so that this is no answer to `-q`.
#[test]
fn the_hosts_own_is_a_target_that_nothing_else_is_called() {
    let said = on("docker-hybrid", &["who", "-q", "1"]);
    assert_eq!(crate::support::stdout(&said), "1\n");
}

#[test]
fn a_port_that_is_none_is_a_mistake() {
    for clue in [":65536", ":http", "port:0x50"] {
        assert_eq!(on("docker-v2", &["who", clue]).status.code(), Some(2), "{clue}");
    }
}
