//! What confines a container that an engine started with its defaults, and one that it started
//! without any: under AppArmor, with every capability there is, devices by a program.

use crate::containers::{Container, Engine};
use crate::host::INSIDE;
use crate::support::{asleep, json, nsx, succeeds, test};
use libtest_mimic::Trial;
use serde_json::{Value, json};

pub fn tests() -> Vec<Trial> {
    vec![
        test("docker: a profile, a filter, and a program for devices", INSIDE, confined),
        test("docker: a privileged container is told as such", INSIDE, privileged),
        test("podman: a profile as it says itself", INSIDE, of_podman),
    ]
}

const SLEEP: &str = "exec sleep 1000";

fn started(engine: Engine, name: &'static str, options: &[&str]) -> (Container, Value) {
    let container = Container::run(engine, name, options, SLEEP);
    asleep(container.pid);
    let report = json(&mut nsx(["inspect", "--json", "--seccomp", name]));
    assert_eq!((&report["gaps"], &report["data"]["pid"]), (&json!([]), &json!(container.pid)));
    (container, report["data"].clone())
}

fn label(pid: u32) -> String {
    let file = std::fs::read_to_string(format!("/proc/{pid}/attr/current")).expect("an LSM");
    file.trim_end_matches(['\n', '\0']).to_owned()
}

/// What the filter of the kernel's own programs refuses outright.
fn denied(report: &Value) -> Vec<&str> {
    let calls = report["security"]["seccomp_dump"]["architectures"][0]["calls"].as_array();
    calls.expect("calls").iter().filter_map(|call| call["name"].as_str()).collect()
}

fn confined() {
    let (container, report) = started(Engine::Docker, "confined", &[]);
    let security = &report["security"];
    assert_eq!(container.told["AppArmorProfile"], "docker-default", "the reference");
    assert_eq!(label(container.pid), "docker-default (enforce)", "the reference");
    assert_eq!(security["label"], "docker-default (enforce)");
    assert_eq!(security["verdict"], json!({ "privileged": false, "reasons": [] }));
    let calls = denied(&report);
    for call in ["keyctl", "bpf", "mount", "kexec_load"] {
        assert!(calls.contains(&call), "{call}: {calls:?}");
    }
    // The engine's program is attached to the group, as bpftool would list it.
    let programs = security["devices"]["programs"].as_array();
    assert!(programs.is_some_and(|ids| !ids.is_empty()), "{}", security["devices"]);
}

fn privileged() {
    let (container, report) = started(Engine::Docker, "mighty", &["--privileged"]);
    assert_eq!(container.told["HostConfig"]["Privileged"], true, "the reference");
    let security = &report["security"];
    assert_eq!(security["verdict"]["privileged"], true, "{security}");
    assert_eq!(security["label"], label(container.pid));
    assert_eq!((&security["seccomp"], &security["seccomp_dump"]), (&json!("off"), &Value::Null));
    assert_eq!(security["masked_paths"], json!([]));
    let screen = succeeds(&mut nsx(["inspect", "mighty"]));
    assert!(screen.contains("! privileged"), "{screen}");
}

fn of_podman() {
    let (container, report) = started(Engine::Podman, "kept", &[]);
    let told = container.told["AppArmorProfile"].as_str().unwrap_or_default();
    let label = label(container.pid);
    assert!(label.starts_with(told), "the reference: {told}, {label}");
    assert_eq!(report["security"]["label"], label);
    assert_eq!(report["security"]["verdict"]["privileged"], false);
}
