//! Containers that do not answer: stopped and frozen ones are shown and entered without waiting.

use crate::support::{
    Held, Need, isolated, json, nsx, output, status, stderr, succeeds, test, until,
};
use libtest_mimic::Trial;
use std::path::{Path, PathBuf};

const ROOT: &[Need] = &[Need::Root];
pub const FREEZER: &[Need] = &[
    Need::Root,
    Need::Machine("the v1 freezer", || Path::new(FREEZER_ROOT).join("cgroup.procs").exists()),
];
const FREEZER_ROOT: &str = "/sys/fs/cgroup/freezer";

pub fn tests() -> Vec<Trial> {
    vec![
        test("a stopped container is shown and entered", ROOT, stopped),
        test("a frozen container is shown, as paused, and entered", FREEZER, frozen),
    ]
}

fn shown_and_entered(pid: u32) {
    let text = pid.to_string();
    for format in ["table", "wide", "json", "tsv"] {
        assert!(succeeds(&mut nsx(["ps", "-o", format])).contains(&text), "{format}");
    }
    let report = json(&mut nsx(["inspect", "--json", &text]));
    assert_eq!(report["data"]["processes"][0]["command"], "sleep 1000");
    let entered = output(&mut nsx(["enter", "-t", &text, "-a", "echo", "in"]));
    assert_eq!(entered.stdout, b"in\n", "{}", stderr(&entered));
}

fn stopped() {
    let (_held, pid) = isolated(&["-p", "-n", "-u"]);
    let number = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(number, nix::sys::signal::Signal::SIGSTOP).unwrap();
    // Its supervisor stops with it.
    until("it is stopped", || status(pid, "State").is_some_and(|state| state.starts_with('T')));
    shown_and_entered(pid);
    assert!(
        status(pid, "State").is_some_and(|state| state.starts_with('T')),
        "it was not continued"
    );
}

/// A frozen process of v1 cannot even be killed: it is thawed on every way out.
pub struct Frozen {
    group: PathBuf,
    held: Held,
}

impl Frozen {
    pub fn new(held: Held, pid: u32) -> Self {
        let group = Path::new(FREEZER_ROOT).join(format!("nsx-test-{pid}"));
        std::fs::create_dir(&group).unwrap();
        std::fs::write(group.join("cgroup.procs"), pid.to_string()).unwrap();
        let frozen = Self { group, held };
        std::fs::write(frozen.group.join("freezer.state"), "FROZEN").unwrap();
        until("it is frozen", || {
            std::fs::read_to_string(frozen.group.join("freezer.state")).unwrap().trim() == "FROZEN"
        });
        frozen
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = std::fs::write(self.group.join("freezer.state"), "THAWED");
        let _ = self.held.0.kill();
        let _ = self.held.0.wait();
        until("the group can be removed", || {
            std::fs::remove_dir(&self.group).is_ok() || !self.group.exists()
        });
    }
}

fn frozen() {
    let (held, pid) = isolated(&["-p", "-n", "-u"]);
    let _frozen = Frozen::new(held, pid);
    shown_and_entered(pid);
    let rows = json(&mut nsx(["ps", "--json"]));
    let row = rows["data"].as_array().unwrap().iter().find(|row| row["pid"] == pid).unwrap();
    assert_eq!(row["state"], "paused");
}
