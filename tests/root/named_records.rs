//! Records of named programs: what is in them, and where they are.

use crate::support::{Need, json, nsx, succeeds, test};
use libtest_mimic::Trial;

const ROOT: &[Need] = &[Need::Root];

pub fn tests() -> Vec<Trial> {
    vec![test("named: a long command line is cut, and its program is ended as ever", ROOT, long)]
}

fn name(of: &str) -> String {
    format!("nsx-test-{}-{of}", std::process::id())
}

fn long() {
    let name = name("long");
    let argument = "x".repeat(120_000);
    let mut command = nsx(["spawn", "-p", "--detach", "--name", &name, "sh", "-c", "sleep 1000"]);
    succeeds(command.args(vec![argument.as_str(); 10]));
    let listed = json(&mut nsx(["ps", "--json"]));
    succeeds(&mut nsx(["spawn", "--stop", &name]));
    let rows = listed["data"].as_array().or_else(|| listed["data"]["containers"].as_array());
    let row = rows.unwrap().iter().find(|row| row["name"] == name.as_str()).expect("listed");
    let command = row["labels"]["nsx.command"].as_str().unwrap();
    assert!(command.starts_with("sh -c sleep 1000 xxx") && command.ends_with("x…"), "{command}");
}
