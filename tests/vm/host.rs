//! The machine itself: that it is what the other tests take it for.

use crate::support::{Need, json, nsx, succeeds, test};
use libtest_mimic::Trial;
use std::process::Command;

/// Set by the machine for what runs in it.
pub const INSIDE: &[Need] = &[
    Need::Machine("the project's VM", || std::env::var_os("NSX_VM").is_some()),
    Need::Root,
    Need::Program("docker"),
    Need::Program("podman"),
    Need::Program("crun"),
];

pub fn tests() -> Vec<Trial> {
    vec![test("the machine has systemd, every controller, and pressure", INSIDE, machine)]
}

fn machine() {
    let init = std::fs::read_to_string("/proc/1/comm").unwrap();
    assert_eq!(init, "systemd\n");
    let controllers = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap();
    for controller in ["cpuset", "cpu", "io", "memory", "hugetlb", "pids"] {
        assert!(controllers.split_whitespace().any(|one| one == controller), "{controllers}");
    }
    let failed = succeeds(Command::new("systemctl").args(["--failed", "--no-legend", "--plain"]));
    assert_eq!(failed, "", "units that failed");
    let pressure = std::fs::read_to_string("/proc/pressure/memory").unwrap();
    assert!(pressure.starts_with("some avg10="), "{pressure}");
    let report = json(&mut nsx(["inspect", "1", "--json", "--only=cgroup"]));
    assert_eq!(report["data"]["cgroup"]["version"], "v2");
    assert_eq!(report["data"]["cgroup"]["path"], "/init.scope");
}
