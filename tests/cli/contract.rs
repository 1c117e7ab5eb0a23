//! Every command in every form it prints.
#![allow(clippy::disallowed_methods, reason = "asks who owns the fixture under test")]

use super::{on, seen};
use insta::assert_snapshot;
use std::os::unix::fs::MetadataExt;

#[test]
fn ps_as_a_table() {
    assert_snapshot!("ps-table", seen(&on("mixed", &["ps"])));
    assert_snapshot!("ps-wide", seen(&on("docker-v2", &["ps", "-o", "wide"])));
    assert_snapshot!("ps-units", seen(&on("mixed", &["ps", "--units"])));
}

#[test]
fn ps_for_scripts() {
    assert_snapshot!("ps-json", seen(&on("docker-v2", &["ps", "--json"])));
    assert_snapshot!("ps-jsonl", seen(&on("mixed", &["ps", "-o", "jsonl"])));
    assert_snapshot!("ps-tsv", seen(&on("mixed", &["ps", "-o", "tsv"])));
    assert_snapshot!("ps-names", seen(&on("mixed", &["ps", "-q"])));
    assert_snapshot!(
        "ps-columns",
        seen(&on("mixed", &["ps", "--no-headings", "--columns", "pid,own"]))
    );
}

#[test]
fn ps_of_targets() {
    assert_snapshot!("ps-targets", seen(&on("mixed", &["ps", "build1", "3cd7f", "runc:web"])));
    assert_snapshot!("ps-ambiguous", seen(&on("mixed", &["ps", "web"])));
}

/// Whose processes they are is whose files the fixture is made of: left out, or made the same.
const NOBODYS: &str = "ns,type,nprocs,pid,command";

#[test]
fn ns_as_a_table() {
    assert_snapshot!("ns-table", seen(&on("mixed", &["ns", "--columns", NOBODYS])));
    let columns = format!("{NOBODYS},netnsid,nsfs,host,path");
    assert_snapshot!(
        "ns-types",
        seen(&on("mixed", &["ns", "-t", "net", "-t", "user", "--columns", &columns]))
    );
    let first = super::support::stdout(&on("mixed", &["ns"]));
    let headings: Vec<&str> = first.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(headings, ["NS", "TYPE", "NPROCS", "PID", "USER", "COMMAND"]);
}

#[test]
fn ns_for_scripts() {
    let uid = std::fs::metadata(super::fixture("docker-v2")).unwrap().uid();
    let same = |text: String| text.replace(&format!("\"uid\":{uid},"), "\"uid\":UID,");
    assert_snapshot!("ns-json", same(seen(&on("docker-v2", &["ns", "--json"]))));
    assert_snapshot!("ns-jsonl", same(seen(&on("docker-v2", &["ns", "-o", "jsonl", "-t", "pid"]))));
    assert_snapshot!("ns-tsv", seen(&on("mixed", &["ns", "-o", "tsv", "--columns", NOBODYS])));
    assert_snapshot!("ns-names", seen(&on("docker-v2", &["ns", "-q", "-t", "net"])));
}

#[test]
fn ns_of_a_process_and_of_a_container() {
    let columns = ["--columns", NOBODYS];
    assert_snapshot!(
        "ns-task",
        seen(&on("mixed", &[&["ns", "-p", "4242"], &columns[..]].concat()))
    );
    assert_snapshot!(
        "ns-name",
        seen(&on("mixed", &[&["ns", "-p", "build1"], &columns[..]].concat()))
    );
    assert_snapshot!("ns-no-task", seen(&on("mixed", &["ns", "-p", "999999"])));
}

#[test]
fn ns_as_trees() {
    let columns = ["--columns", "ns,type,nprocs,pid,command"];
    let tree = |by, kinds: &[&str]| {
        let arguments = [&["ns", "--tree", by], kinds, &columns[..]].concat();
        seen(&on("mixed", &arguments))
    };
    assert_snapshot!("ns-tree-process", tree("process", &["-t", "pid", "-t", "net"]));
    // A fixture has no kernel to ask who owns what: nothing hangs, and the gaps say so.
    assert_snapshot!("ns-tree-owner", tree("owner", &["-t", "user"]));
}

#[test]
fn ns_of_an_inode_are_its_processes() {
    let columns = ["--columns", "pid,ppid,command"];
    assert_snapshot!(
        "ns-inode",
        seen(&on("mixed", &[&["ns", "4026532640"], &columns[..]].concat()))
    );
    assert_snapshot!("ns-no-inode", seen(&on("mixed", &["ns", "net:[12]"])));
    let json = super::support::stdout(&on("mixed", &["ns", "4026532640", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let processes = json["data"][0]["processes"].as_array().unwrap();
    let pids: Vec<_> = processes.iter().map(|one| one["pid"].as_u64().unwrap()).collect();
    assert_eq!(pids, [4242, 4243]);
    assert_eq!(processes[1]["ppid"], 4242);
}

#[test]
fn ns_by_a_filter() {
    let shown = |filter| {
        let output = on("mixed", &["ns", "-q", "-Q", filter]);
        super::support::stdout(&output).split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(shown("type == \"user\" and not host"), ["4026532642"]);
    assert_eq!(shown("command =~ \"^http\" and ppid == 1 and type == \"pid\""), ["4026532613"]);
    assert_eq!(shown("container == \"build1\" and type == \"net\""), ["4026532634"]);
}

#[test]
fn inspect_on_a_screen() {
    assert_snapshot!("inspect-screen", seen(&on("docker-v2", &["inspect", "web"])));
    let only = "cgroup,security,limits";
    let arguments = ["inspect", "web", "--only", only, "--columns", "+formulas"];
    assert_snapshot!("inspect-held", seen(&on("docker-v2", &arguments)));
    assert_snapshot!(
        "inspect-mounts",
        seen(&on("docker-v2", &["inspect", "web", "--only", "mounts"]))
    );
    assert_snapshot!(
        "inspect-host",
        seen(&on("docker-v2", &["inspect", "900", "--skip", "net,uts"]))
    );
}

#[test]
fn inspect_for_scripts() {
    assert_snapshot!("inspect-json", seen(&on("docker-v2", &["inspect", "6961dd", "--json"])));
    assert_snapshot!("inspect-pid", seen(&on("docker-v2", &["inspect", "docker:web", "-q"])));
}

#[test]
fn who_as_a_table() {
    let on_docker = |clues: &[&str]| seen(&on("docker-v2", &[&["who"], clues].concat()));
    assert_snapshot!("who-pid", on_docker(&["30176"]));
    assert_snapshot!("who-several", on_docker(&["30221", "web", "cgroup:/system.slice", "ns:1"]));
    assert_snapshot!("who-units", seen(&on("mixed", &["who", "build1", "cgroup:/web", "web"])));
    assert_snapshot!("who-misspelled", on_docker(&["30176", "port:x"]));
}

#[test]
fn who_for_scripts() {
    assert_snapshot!("who-json", seen(&on("docker-v2", &["who", "30176", "--json"])));
    assert_snapshot!("who-tsv", seen(&on("docker-v2", &["who", "30176", "-o", "tsv"])));
    assert_snapshot!("who-names", seen(&on("mixed", &["who", "-q", "3000", "3200", "3000"])));
}

/// Entering and spawning need live processes; what can be seen without is the same for all.
#[test]
fn help_can_be_read_and_version_is_one_line() {
    for command in ["ps", "ns", "inspect", "enter", "spawn", "who", "pid"] {
        let help = super::support::succeeds(&mut super::support::nsx([command, "--help"]));
        assert!(help.lines().count() <= 160, "{command}: {} lines", help.lines().count());
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{command}: too wide");
        let small = super::support::binary(&format!("nsx-{command}"));
        let same = super::support::succeeds(std::process::Command::new(small).arg("--help"));
        assert_eq!(help, same, "nsx {command} and nsx-{command} are one command");
        let version = super::support::succeeds(&mut super::support::nsx([command, "--version"]));
        assert_eq!(version, format!("nsx {command} {}\n", env!("CARGO_PKG_VERSION")));
    }
    let help = super::support::succeeds(&mut super::support::nsx(["--help"]));
    assert!(help.lines().count() <= 24);
}
