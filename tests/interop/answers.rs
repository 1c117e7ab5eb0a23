//! What each runtime of the lab says of its own containers, in the words of a row of `nsx ps`.

use crate::lab::{DIR, Lab};
use crate::support;
use serde_json::{Value, json};
use std::process::Command;

/// A runtime of the lab as nsx spells it, and how it is asked.
pub type Question = (&'static str, fn(&Lab) -> Vec<Value>);

/// All but those of which nothing but the lab's record tells.
pub const QUESTIONS: [Question; 11] = [
    ("docker", docker),
    ("containerd", containerd),
    ("podman", podman),
    ("runc", runc),
    ("crun", crun),
    ("gvisor", gvisor),
    ("lxc", lxc),
    ("nspawn", |lab| recorded(lab, "nspawn")),
    ("bubblewrap", |lab| recorded(lab, "bubblewrap")),
    ("nsx", |lab| recorded(lab, "nsx")),
    ("unknown", unknown),
];

/// A row of its own, within nothing; `fields` say what else it shows.
fn row(runtime: &str, state: &str, pid: &Value, fields: Value) -> Value {
    let state = match state.to_lowercase().as_str() {
        "exited" => "stopped".to_owned(),
        "frozen" => "paused".to_owned(),
        state => state.to_owned(),
    };
    // Engines say 0 where there is no process.
    let pid = pid.as_u64().filter(|pid| *pid != 0);
    let common = json!({
        "runtime": runtime, "name": null, "id": null, "image": null, "pid": pid, "state": state,
        "pod": null, "within": null, "depth": 0, "opaque": false,
    });
    let (Value::Object(mut row), Value::Object(fields)) = (common, fields) else {
        panic!("a row is an object");
    };
    row.extend(fields);
    Value::Object(row)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Labels of nothing at all are written as null.
fn labels(value: &Value) -> Value {
    if value.is_null() { json!({}) } else { value.clone() }
}

/// The client, talking to the lab's engine.
pub fn docker_command(lab: &Lab, line: &[&str]) -> Command {
    let socket = format!("unix://{DIR}/docker/sock");
    lab.command(&[&["/usr/bin/docker", "--host", &socket], line].concat())
}

fn ask_docker(lab: &Lab, line: &[&str]) -> String {
    support::succeeds(&mut docker_command(lab, line)).trim().to_owned()
}

/// Everything that docker tells of these.
pub fn docker_inspect(lab: &Lab, ids: &[&str]) -> Value {
    parsed(&ask_docker(lab, &[&["inspect"], ids].concat()))
}

fn docker(lab: &Lab) -> Vec<Value> {
    let ids = ask_docker(lab, &["ps", "--all", "--quiet"]);
    let told = docker_inspect(lab, &ids.lines().collect::<Vec<_>>());
    let of = |one: &Value| {
        let state = one["State"]["Status"].as_str().expect("a state");
        let fields = json!({
            "id": one["Id"], "image": one["Config"]["Image"],
            "labels": labels(&one["Config"]["Labels"]),
            "name": one["Name"].as_str().expect("a name").trim_start_matches('/'),
        });
        row("docker", state, &one["State"]["Pid"], fields)
    };
    // The engine too is listed: the lab gives it a network of its own.
    let engine = std::fs::read_to_string(lab.machine.path(&format!("{DIR}/docker/pid")));
    let engine: u32 = engine.expect("dockerd keeps its pid").trim().parse().expect("a pid");
    let engine = row("docker", "running", &json!(engine), json!({ "name": null, "id": null }));
    list(&told).map(of).chain([engine]).collect()
}

fn ask_containerd(lab: &Lab, line: &[&str]) -> String {
    lab.asks(&[&["ctr", "--address", &format!("{DIR}/containerd/sock")], line].concat())
}

/// Everything that containerd tells of one, in whichever namespace of its own it is.
pub fn containerd_info(lab: &Lab, id: &str) -> Value {
    let namespaces = ask_containerd(lab, &["namespaces", "ls", "-q"]);
    let has = |namespace: &&str| {
        let ids = ask_containerd(lab, &["--namespace", namespace, "containers", "ls", "-q"]);
        ids.lines().any(|one| one == id)
    };
    let namespace = namespaces.lines().find(has).expect("it is in one");
    parsed(&ask_containerd(lab, &["--namespace", namespace, "containers", "info", id]))
}

/// Of every namespace of containerd's, and of pods what the kubelet would have had noted.
fn containerd(lab: &Lab) -> Vec<Value> {
    let mut rows = Vec::new();
    for namespace in ask_containerd(lab, &["namespaces", "ls", "-q"]).lines() {
        let ask =
            |line: &[&str]| ask_containerd(lab, &[&["--namespace", namespace], line].concat());
        let tasks = ask(&["tasks", "ls"]);
        for id in ask(&["containers", "ls", "-q"]).lines() {
            let told = parsed(&ask(&["containers", "info", id]));
            let mut tasks = tasks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let (pid, state) = match tasks.find(|task| task[0] == id).as_deref() {
                Some([_, pid, state]) => (pid.parse().expect("a pid"), *state),
                _ => (0, "created"),
            };
            let pod = pod_of(&told);
            let name = match pod["sandbox"].as_bool() {
                Some(true) => pod["name"].clone(),
                Some(false) => pod["container"].clone(),
                None => json!(id),
            };
            let fields = json!({
                "id": id, "name": name, "image": told["Image"], "pod": pod,
                "labels": labels(&told["Labels"]),
            });
            rows.push(row("containerd", state, &json!(pid), fields));
        }
    }
    rows
}

/// The pod as labels and the path of the control group tell it.
fn pod_of(told: &Value) -> Value {
    let group = told["Spec"]["linux"]["cgroupsPath"].as_str().unwrap_or_default();
    let Some((before, of_pod)) = group.split_once("pod").filter(|_| group.contains("kubepods"))
    else {
        return Value::Null;
    };
    // `kubepods` ends so too.
    let (before, of_pod) = match of_pod.split_once("pod") {
        Some((more, uid)) => (format!("{before}pod{more}"), uid),
        None => (before.to_owned(), of_pod),
    };
    let uid = of_pod.split(['/', '.']).next().unwrap_or_default().replace('_', "-");
    let qos = match () {
        () if before.contains("besteffort") => "best_effort",
        () if before.contains("burstable") => "burstable",
        () => "guaranteed",
    };
    let cri = |key: &str| &told["Labels"][format!("io.kubernetes.cri.{key}")];
    json!({
        "namespace": cri("sandbox-namespace"), "name": cri("sandbox-name"), "uid": uid,
        "container": cri("container-name"), "sandbox": cri("container-type") == "sandbox",
        "qos": qos, "driver_mismatch": group.contains(".slice:"),
    })
}

/// With the lab's data and state.
fn ask_podman(lab: &Lab, line: &[&str]) -> String {
    let place = |below: &str| format!("{DIR}/podman/{below}");
    let (root, run, tmp) = (place("data"), place("run"), place("tmp"));
    let client = ["podman", "--root", &root, "--runroot", &run, "--tmpdir", &tmp];
    lab.asks(&[&client[..], line].concat())
}

/// Everything that podman tells of these.
pub fn podman_inspect(lab: &Lab, ids: &[&str]) -> Value {
    parsed(&ask_podman(lab, &[&["container", "inspect"], ids].concat()))
}

fn podman(lab: &Lab) -> Vec<Value> {
    let ids = ask_podman(lab, &["ps", "--all", "--quiet", "--no-trunc"]);
    let told = podman_inspect(lab, &ids.lines().collect::<Vec<_>>());
    let of = |one: &Value| {
        let state = one["State"]["Status"].as_str().expect("a state");
        let pod = match one["Pod"].as_str() {
            None | Some("") => Value::Null,
            Some(uid) => {
                let name = ["pod", "inspect", "--format", "{{.Name}}", uid];
                json!({
                    "namespace": null, "name": ask_podman(lab, &name),
                    "uid": uid, "container": one["Name"], "sandbox": false, "qos": null,
                    "driver_mismatch": false,
                })
            }
        };
        let fields = json!({
            "id": one["Id"], "name": one["Name"], "image": one["ImageName"], "pod": pod,
            "labels": labels(&one["Config"]["Labels"]),
        });
        row("podman", state, &one["State"]["Pid"], fields)
    };
    list(&told).map(of).collect()
}

fn runc(lab: &Lab) -> Vec<Value> {
    oci(lab, "runc", &["runc", "list", "--format", "json"])
}

/// podman's are in the same place.
fn crun(lab: &Lab) -> Vec<Value> {
    let rows = oci(lab, "crun", &["crun", "list", "--format", "json"]);
    rows.into_iter().filter(|row| !is_engines(&row["id"])).collect()
}

fn gvisor(lab: &Lab) -> Vec<Value> {
    let rows = oci(lab, "gvisor", &["runsc", "list", "--format", "json"]);
    let opaque = |mut row: Value| {
        row["opaque"] = json!(true);
        row
    };
    rows.into_iter().map(opaque).collect()
}

/// Sixty-four hexadecimal digits, which nobody chooses.
fn is_engines(id: &Value) -> bool {
    let is_hex = |id: &str| id.bytes().all(|byte| byte.is_ascii_hexdigit());
    id.as_str().is_some_and(|id| id.len() == 64 && is_hex(id))
}

/// A name is all that these have; the image is whatever directory they were given.
fn oci(lab: &Lab, runtime: &str, line: &[&str]) -> Vec<Value> {
    let of = |one: &Value| {
        let fields = json!({ "id": one["id"], "name": one["id"] });
        row(runtime, one["status"].as_str().expect("a state"), &one["pid"], fields)
    };
    list(&lab.asks_json(line)).map(of).collect()
}

/// One thing that LXC tells of one of its own, without a heading.
pub fn lxc_info(lab: &Lab, name: &str, what: &[&str]) -> String {
    let path = format!("{DIR}/lxc");
    lab.asks(&[&["lxc-info", "-P", &path, "-n", name, "-H"], what].concat())
}

fn lxc(lab: &Lab) -> Vec<Value> {
    let path = format!("{DIR}/lxc");
    let of = |name: &str| {
        let info = |what| lxc_info(lab, name, &[what]);
        let pid = info("-p").parse::<u64>().ok();
        row("lxc", &info("-s"), &json!(pid), json!({ "name": name }))
    };
    // One directory beside them holds the root of all.
    let names = lab.asks(&["lxc-ls", "-P", &path, "-1"]);
    names.lines().map(str::trim).filter(|name| *name != "rootfs").map(of).collect()
}

/// Of a runtime that keeps no list.
fn recorded(lab: &Lab, runtime: &str) -> Vec<Value> {
    let of = |one: &Value| {
        let fields = json!({ "name": one["name"], "id": one["id"], "image": one["image"] });
        row(runtime, one["state"].as_str().expect("a state"), &one["init"]["pid"], fields)
    };
    lab.record().iter().filter(|one| one["runtime"] == runtime).map(of).collect()
}

/// unshare's child, and unshare itself in the mount namespace that it made.
fn unknown(lab: &Lab) -> Vec<Value> {
    let child = recorded(lab, "unshare");
    let others = lab.running(&["unshare"]).into_iter();
    let children = child.iter().map(|row| row["pid"].as_u64().expect("it runs"));
    let pids = children.chain(others.map(u64::from));
    pids.map(|pid| row("unknown", "running", &json!(pid), json!({}))).collect()
}

/// What is wrong with one row, and the runtime that spoke of it.
#[derive(Debug)]
pub struct Difference {
    pub runtime: &'static str,
    pub what: String,
}

/// Of what is listed and nobody spoke of.
pub const NOBODY: &str = "nobody";

/// How a listing differs from what was said: each field that does, each row that is missing and each
/// that is too many.
pub fn differences(said: &[(&'static str, Vec<Value>)], listed: &[Value]) -> Vec<Difference> {
    let mut listed: Vec<&Value> = listed.iter().collect();
    let mut others = Vec::new();
    for (runtime, row) in
        said.iter().flat_map(|(name, rows)| rows.iter().map(move |row| (name, row)))
    {
        match listed.iter().position(|other| differing(row, other).is_empty()) {
            Some(place) => drop(listed.remove(place)),
            None => others.push((*runtime, row)),
        }
    }
    let mut found = Vec::new();
    for (runtime, row) in others {
        let shares = |other: &Value, key: &str| !row[key].is_null() && row[key] == other[key];
        let is_it = |other: &&Value| shares(other, "id") || shares(other, "pid");
        let what = match listed.iter().position(is_it) {
            Some(place) => differing(row, listed.remove(place)),
            None => vec![format!("not listed: {row}")],
        };
        found.extend(what.into_iter().map(|what| Difference { runtime, what }));
    }
    let too_many = listed.iter().map(|row| format!("listed, and nobody's: {row}"));
    found.extend(too_many.map(|what| Difference { runtime: NOBODY, what }));
    found
}

/// The fields of `row` that another has not or has otherwise.
fn differing(row: &Value, other: &Value) -> Vec<String> {
    let fields = row.as_object().expect("a row is an object").iter();
    let fields = fields.filter(|(key, value)| other[*key] != **value);
    let title = [&row["name"], &row["id"], &row["pid"]].map(Value::to_string).join(" ");
    let line = |(key, value): (&String, &Value)| {
        format!("{title}: {key} is {value}, listed as {} by {}", other[key], other["evidence"])
    };
    fields.map(line).collect()
}
