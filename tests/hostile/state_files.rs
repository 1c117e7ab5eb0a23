//! Files in the places where engines keep state that are nothing of the kind: endless, deep, pipes,
//! links. Each costs its own container, marked, and none any time or memory.

use crate::support::cost;
use crate::support::{Held, Need, child_of, nsx, stderr, stdout, test};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const NEEDS: &[Need] = &[Need::Root, Need::Program("nsenter"), Need::Program("mount")];

pub fn tests() -> Vec<Trial> {
    vec![test("what is no state file costs one container, and no time", NEEDS, no_state)]
}

/// A mount namespace in which `/run` and `/var/lib` are empty.
struct Host {
    _held: Held,
    first: u32,
}

impl Host {
    fn new() -> Self {
        let script =
            "mount -t tmpfs t /run && mount -t tmpfs t /var/lib && echo ready && exec sleep 1000";
        let mut command = nsx(["spawn", "-m"]);
        command.args(["sh", "-c", script]);
        let (held, line) = Held::ready(command.stdin(Stdio::null()));
        assert_eq!(line, "ready");
        let first = child_of(held.pid()).unwrap();
        crate::support::asleep(first);
        Self { _held: held, first }
    }

    /// Only for directories: what is there is the test's own.
    fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first))
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn there(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.first.to_string(), "-m"]);
        let nsx = nsx(arguments);
        command.arg(nsx.get_program()).args(nsx.get_args());
        command
    }

    fn list(&self, code: i32) -> Value {
        let cost = cost::bounded(&self.there(&["ps", "--all", "--json", "--strict"]));
        assert_eq!(cost.status.code(), Some(code), "{}", stderr(&cost.output));
        serde_json::from_str(&stdout(&cost.output)).unwrap()
    }
}

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

const STORAGE: &str = "/var/lib/containers/storage";

/// A file for each runtime, of a container `d…` where its name has an id.
fn places() -> Vec<String> {
    let id = id('d');
    vec![
        format!("/var/lib/docker/containers/{id}/config.v2.json"),
        "/run/runc/bad/state.json".into(),
        "/run/crun/bad/status".into(),
        "/run/youki/bad/state.json".into(),
        format!("/run/containerd/io.containerd.runtime.v2.task/default/{id}/config.json"),
        format!("/run/containerd/runc/default/{id}/state.json"),
        "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db".into(),
        format!("{STORAGE}/vfs-containers/containers.json"),
        format!("{STORAGE}/overlay-containers/volatile-containers.json"),
        format!("{STORAGE}/overlay-containers/{}/userdata/config.json", self::id('b')),
        format!("{STORAGE}/libpod/bolt_state.db"),
        "/run/systemd/machines/bad".into(),
        format!("/run/runsc/{id}_sandbox:{id}.state"),
        "/run/vc/sbs/bad/persist.json".into(),
        "/var/lib/lxc/bad/config".into(),
    ]
}

/// Of each runtime one container that is as it should be.
fn good(host: &Host) -> BTreeSet<String> {
    let record = |id: &str| {
        json!({"id": id, "init_process_pid": 4_000_000, "init_process_start": 1,
               "created": "2024-05-01T10:00:00Z", "pid": 4_000_000, "process-start-time": 1})
        .to_string()
    };
    let docker = json!({"ID": id('a'), "Name": "/good-docker", "State": {"Pid": 0}});
    host.write(
        &format!("/var/lib/docker/containers/{}/config.v2.json", id('a')),
        docker.to_string(),
    );
    host.write("/run/runc/good-runc/state.json", record("good-runc"));
    host.write("/run/crun/good-crun/status", record("good-crun"));
    host.write("/run/youki/good-youki/state.json", record("good-youki"));
    let kept = json!([{"id": id('b'), "names": ["good-podman"]},
                      {"id": id('c'), "names": ["other-podman"]}]);
    host.write(&format!("{STORAGE}/overlay-containers/containers.json"), kept.to_string());
    let machine = "NAME=good-machine\nSERVICE=systemd-nspawn\n";
    host.write("/run/systemd/machines/good-machine", machine);
    host.write("/var/lib/lxc/good-lxc/config", "");
    host.write("/run/vc/sbs/good-kata/persist.json", r#"{"HypervisorState":{"Pid":0}}"#);
    let names = [
        "good-docker",
        "good-runc",
        "good-crun",
        "good-youki",
        "good-podman",
        "other-podman",
        "good-machine",
        "good-lxc",
    ];
    names.map(str::to_owned).into_iter().collect()
}

fn names(list: &Value) -> BTreeSet<String> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.filter_map(|row| row["name"].as_str()).map(str::to_owned).collect()
}

const MEBIBYTE: usize = 1 << 20;

type Plant = Box<dyn Fn(&Path)>;

/// What is planted, by what it is called; every place gets it.
fn plants() -> Vec<(&'static str, Plant)> {
    let bytes =
        |bytes: String| -> Plant { Box::new(move |path| std::fs::write(path, &bytes).unwrap()) };
    let small = |number: usize| format!("\"k{number}\":\"v\"");
    let values: Vec<String> = (0..80_000).map(small).collect();
    let values = values.join(",");
    let all_over = ["annotations", "labels", "Config", "spec", "config", "Labels"].map(|key| {
        format!("\"{key}\":{{{}}}", values.get(..150_000).unwrap().rsplit_once(',').unwrap().0)
    });
    vec![
        ("arrays", bytes("[".repeat(MEBIBYTE))),
        ("closed arrays", bytes("[".repeat(MEBIBYTE / 2) + &"]".repeat(MEBIBYTE / 2))),
        ("objects", bytes(r#"{"a":"#.repeat(MEBIBYTE / 5))),
        ("many elements", bytes(format!("[{}0]", "0,".repeat(MEBIBYTE / 2)))),
        ("many labels", bytes(format!("{{{}}}", all_over.join(",")))),
        (
            "pipe",
            Box::new(|path| {
                nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).unwrap();
            }),
        ),
        ("link to /dev/zero", Box::new(|path| symlink("/dev/zero", path).unwrap())),
        ("link to a pipe", Box::new(|path| symlink("/run/pipe", path).unwrap())),
        ("link to a directory", Box::new(|path| symlink("/run", path).unwrap())),
        ("directory", Box::new(|path| std::fs::create_dir(path).unwrap())),
    ]
}

fn remove(path: &Path) {
    if std::fs::remove_file(path).is_err() {
        let _ = std::fs::remove_dir(path);
    }
}

/// Whether what is planted there costs a container, or what is known of one. LXC's file is not read;
/// links in systemd's directory are names of units; and what is JSON may say nothing.
fn is_marked(place: &str, plant: &str) -> bool {
    let is_array = matches!(plant, "closed arrays" | "many elements");
    let is_object = plant == "many labels";
    match place.rsplit('/').next().unwrap() {
        "config" => false,
        "bad" => !plant.starts_with("link"),
        "config.json" | "persist.json" => !is_array && !is_object,
        "containers.json" | "volatile-containers.json" => !is_array,
        _ => true,
    }
}

fn no_state() {
    let host = Host::new();
    nix::unistd::mkfifo(&host.path("/run/pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let good = good(&host);
    let before = host.list(0);
    assert_eq!(names(&before).intersection(&good).count(), good.len(), "{before}");
    assert!(marked(&before).is_empty(), "{before}");
    for (plant, make) in plants() {
        for place in places() {
            let path = host.path(&place);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            remove(&path);
            make(&path);
        }
        let list = host.list(6);
        let missing: Vec<_> = good.difference(&names(&list)).cloned().collect();
        assert!(missing.is_empty(), "{plant}: {missing:?}");
        let marked = marked(&list);
        for place in places() {
            let expected = is_marked(&place, plant);
            assert_eq!(marked.contains(&place), expected, "{plant}: {place}: {list}");
        }
        if matches!(plant, "many labels" | "pipe") {
            others(&host);
        }
    }
}

fn others(host: &Host) {
    for (arguments, code) in [
        (&["ps"][..], 0),
        (&["ps", "--orphans"], 0),
        (&["ns", "--json"], 0),
        // A record that was not read may have any name.
        (&["inspect", "nobody"], 1),
    ] {
        let cost = cost::bounded(&host.there(arguments));
        assert_eq!(cost.status.code(), Some(code), "{arguments:?}: {}", stderr(&cost.output));
    }
}

fn marked(list: &Value) -> BTreeSet<String> {
    let gaps = list["gaps"].as_array().unwrap().iter();
    gaps.filter_map(|gap| gap["object"].as_str())
        .filter(|it| *it != "pid 1")
        .map(str::to_owned)
        .collect()
}
