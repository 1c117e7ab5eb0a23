//! Hosts as they really were (`cargo xtask capture`): what nsx lists, beside what the runtimes' own
//! tools said at that moment (`expected.json`). And hosts composed where none could be captured:
//! there `expected.json` is what the documentation says that the tools would say.
//!
//! A snapshot holds every difference; one that is empty says that there is none.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails where its own fixtures are not as they should be"
)]

use super::{fixture, on, seen, support};
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The user without rights on every captured host.
const ALICE: u32 = 1000;

/// The mounts of every container, as a screen tells them.
#[test]
fn mounts() {
    const REST: &str = "identity,namespaces,uts,net,cgroup,security,limits,processes";
    for host in
        ["docker-systemd", "podman", "kubernetes-containerd", "composed-crio", "nspawn", "lxd"]
    {
        let listed = support::stdout(&on(host, &["ps", "-q"]));
        let screens = listed.lines().map(|one| {
            let screen = support::stdout(&on(host, &["inspect", one, "--skip", REST]));
            // Some ages are told by the clock of this machine.
            let (_, mounts) = screen.split_once('\n').unwrap();
            format!("{one}\n{mounts}")
        });
        assert_snapshot!(format!("captured-{host}-mounts"), screens.collect::<String>());
    }
}

#[test]
fn docker() {
    compare("docker-systemd");
}

#[test]
fn podman() {
    compare("podman");
}

#[test]
fn nspawn() {
    compare("nspawn");
}

#[test]
fn lxc() {
    compare("lxc");
}

/// With v1 hierarchies and v2 beside them; the engine's directories are where it was told.
#[test]
fn docker_of_a_hybrid_host() {
    compare("docker-hybrid");
}

#[test]
fn kubernetes() {
    compare("kubernetes-containerd");
}

#[test]
fn lxd() {
    compare("lxd");
}

/// Docker and containerd of a user, under rootlesskit.
#[test]
fn rootless() {
    compare("rootless");
}

#[test]
fn crio() {
    compare("composed-crio");
}

/// The same whether it is looked for among those that run or among all that is recorded.
#[test]
fn a_stopped_one_is_said_to_be_stopped() {
    let said = |arguments: &[&str]| {
        let output = on("docker-systemd", arguments);
        assert_eq!(output.status.code(), Some(3));
        support::stderr(&output).split_once(": ").map(|(_, said)| said.to_owned()).unwrap()
    };
    let stopped = said(&["ps", "job"]);
    assert!(stopped.starts_with("job has no process: it is stopped\n"), "{stopped}");
    assert_eq!(stopped, said(&["inspect", "job"]));
    assert!(said(&["ps", "--all", "nobody"]).contains("`nsx ps --all`"));
    assert_eq!(on("docker-systemd", &["ps", "--all", "job"]).status.code(), Some(0));
}

/// A filter sees what is displayed, shown or not.
#[test]
fn who_names_a_column_of_usage_asks_for_it() {
    let list = |arguments: &[&str]| {
        support::stdout(&on("docker-systemd", &[&["ps", "--no-headings"], arguments].concat()))
    };
    for filter in ["mem > 1", "not (mem == 1)", "name and 1 < MEM", r#"mem =~ "." or pid"#] {
        assert!(list(&["-Q", filter, "-q"]).contains("cache"), "{filter}");
        assert!(list(&["-Q", filter, "-o", "jsonl"]).contains("working_set"), "{filter}");
    }
    assert!(!list(&["-Q", "pid > 1", "-o", "jsonl"]).contains("working_set"));
    let mem = list(&["--columns", "+mem", "-Q", r#"name == "cache""#]);
    assert!(mem.trim_end().ends_with('K'), "{mem}");
    assert_eq!(list(&["--columns", "name"]).lines().count(), 5);
}

fn compare(host: &str) {
    let output = on(host, &["ps", "--all", "--json"]);
    let json: Value = serde_json::from_str(&support::stdout(&output)).unwrap();
    assert_snapshot!(format!("captured-{host}-table"), seen(&on(host, &["ps", "--all"])));
    assert_snapshot!(format!("captured-{host}-json"), readable(&json));
    assert_snapshot!(format!("captured-{host}-differences"), differences(host, &json));
}

/// All of a listing, a field of a row on a line.
fn readable(json: &Value) -> String {
    let mut text = String::new();
    for (key, value) in json.as_object().unwrap().iter().filter(|(key, _)| *key != "data") {
        writeln!(text, "{key}: {value}").unwrap();
    }
    for row in json["data"].as_array().unwrap() {
        writeln!(text, "\n{}:{}", word(&row["runtime"]), word(&row["name"])).unwrap();
        for (key, value) in row.as_object().unwrap() {
            writeln!(text, "  {key}: {value}").unwrap();
        }
    }
    text
}

/// A line for each field in which a row differs, and for each row that only one side has.
fn differences(host: &str, listed: &Value) -> String {
    let expected = std::fs::read(format!("{}/expected.json", fixture(host))).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let mut listed = listed["data"].as_array().unwrap().clone();
    let mut text = String::new();
    for row in expected.as_array().unwrap() {
        let title = format!("{}:{}", word(&row["runtime"]), word(&row["name"]));
        let Some(at) = listed.iter().position(|other| is_same(row, other)) else {
            writeln!(text, "{title} ({}): not listed", word(&row["state"])).unwrap();
            continue;
        };
        let found = listed.remove(at);
        for (field, expected, found) in fields(row, &found) {
            if expected != found {
                let (expected, found) = (word(&expected), word(&found));
                writeln!(text, "{title}: {field} is {expected}, not {found}").unwrap();
            }
        }
    }
    for row in listed {
        let (runtime, name) = (word(&row["runtime"]), word(&row["name"]));
        writeln!(text, "{runtime}:{name} (pid {}): nobody's", row["pid"]).unwrap();
    }
    text
}

/// What the runtime told of a row, and what nsx says there.
fn fields<'a>(row: &'a Value, found: &Value) -> Vec<(&'a str, Value, Value)> {
    let same = |field: &str| (row[field].clone(), found[field].clone());
    let compare = |field: &'a String| {
        let (expected, found) = match field.as_str() {
            "kind" => (json!(row["kind"] == "sandbox"), found["pod"]["sandbox"].clone()),
            // A sandbox has no name of its own.
            "name" if row["kind"] == "sandbox" => return None,
            // Of a project other than the one that is always there.
            "project" if row["project"] == "default" => {
                (Value::Null, found["labels"]["project"].clone())
            }
            "project" => (row["project"].clone(), found["labels"]["project"].clone()),
            "runtime" | "name" | "id" | "image" | "pid" => same(field),
            "state" => (state(&row["state"]).into(), found["state"].clone()),
            "labels" if row["labels"].is_null() => (json!({}), found["labels"].clone()),
            "labels" => same("labels"),
            "addresses" if row["addresses"].as_array().is_some_and(|all| !all.is_empty()) => {
                same("addresses")
            }
            "user" => (json!(row["user"] == "alice"), json!(found["owner_uid"] == ALICE)),
            // podman knows its pods by their ids.
            "pod" if !row["pod"].is_object() => (row["pod"].clone(), found["pod"]["uid"].clone()),
            "pod" => {
                let part = |of: &Value| json!([of["namespace"], of["name"], of["uid"]]);
                (part(&row["pod"]), part(&found["pod"]))
            }
            _ => return None,
        };
        Some((field.as_str(), expected, found))
    };
    row.as_object().unwrap().keys().filter_map(compare).collect()
}

/// By the process; where there is none by what it is called.
fn is_same(expected: &Value, listed: &Value) -> bool {
    if expected["pid"].is_number() {
        return expected["pid"] == listed["pid"];
    }
    let known = ["id", "name"].into_iter().find(|field| expected[field].is_string());
    known.is_some_and(|field| expected[field] == listed[field])
}

/// The runtimes' words for what nsx has one word for.
fn state(value: &Value) -> &str {
    match value.as_str().unwrap() {
        "exited" | "stopped" | "dead" | "succeeded" | "failed" => "stopped",
        "configured" | "created" | "initialized" => "created",
        "frozen" | "paused" => "paused",
        other => other,
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
