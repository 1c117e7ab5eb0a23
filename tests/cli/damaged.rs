//! Hosts whose engines' databases cannot be read: their containers are listed, and what is missing
//! is told.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails where its own fixtures are not as they should be"
)]

use super::{fixture, support};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const CONTAINERD: (&str, &str) =
    ("kubernetes-containerd", "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db");
const PODMAN: (&str, &str) = ("podman", "/var/lib/containers/storage/libpod/bolt_state.db");

/// `nsx ps` on a host one of whose files `damage` changes.
fn on(
    (host, file): (&str, &str),
    damage: impl Fn(&Path),
    arguments: &[&str],
) -> (Value, i32, String) {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("host");
    let copied = Command::new("cp").arg("-a").arg(fixture(host)).arg(&root).status();
    assert!(copied.unwrap().success());
    damage(&root.join(file.trim_start_matches('/')));
    let mut command = support::nsx(["ps", "--strict", "--json", "--sysroot"]);
    let output = support::output(command.arg(&root).args(arguments));
    let json = serde_json::from_str(&support::stdout(&output)).unwrap();
    (json, output.status.code().unwrap(), support::stderr(&output))
}

fn truncated(file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    // Its meta pages are whole; what they lead to is not there.
    std::fs::write(file, &bytes[..8192]).unwrap();
}

fn foreign(file: &Path) {
    std::fs::write(file, "SQLite format 3\0").unwrap();
}

fn replaced(file: &Path) {
    std::fs::remove_file(file).unwrap();
    std::fs::create_dir(file).unwrap();
}

fn is_told(engine: (&str, &str)) {
    let (whole, code, said) = on(engine, |_| {}, &[]);
    assert_eq!((code, said.as_str(), &whole["gaps"]), (0, "", &json!([])));
    for damage in [truncated, foreign, replaced] {
        let (damaged, code, said) = on(engine, damage, &[]);
        let gap = json!({"object": engine.1, "what": "names and images", "reason": "malformed"});
        assert_eq!(damaged["gaps"], json!([gap]));
        let line =
            format!("nsx ps: names and images of {} could not be read (malformed)\n", engine.1);
        assert_eq!((code, said), (6, line));
        let rows = |of: &Value| {
            let rows = of["data"].as_array().unwrap().iter();
            rows.map(|row| [row["pid"].clone(), row["runtime"].clone()]).collect::<Vec<_>>()
        };
        assert_eq!(rows(&damaged), rows(&whole));
        assert_ne!(damaged["data"], whole["data"]);
        let (_, code, _) = on(engine, damage, &["--all"]);
        assert_eq!(code, 6);
    }
}

#[test]
fn a_damaged_database_of_containerd_is_told() {
    is_told(CONTAINERD);
}

#[test]
fn a_damaged_database_of_podman_is_told() {
    is_told(PODMAN);
}
