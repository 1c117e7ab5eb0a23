//! Containers that do not answer: stopped and frozen ones are shown and entered without waiting.

use crate::support::filtered::{Filtered, deny};
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
const FILTER: &[Need] = &[FREEZER[0], FREEZER[1], Need::Program("perl")];
const FREEZER_ROOT: &str = "/sys/fs/cgroup/freezer";

pub fn tests() -> Vec<Trial> {
    vec![
        test("a stopped container is shown and entered", ROOT, stopped),
        test("a frozen container is shown, as paused, and entered", FREEZER, frozen),
        test("the filter of a frozen process is given up, and it thaws as it was", FILTER, filter),
        test("nsx killed while it waits for a frozen process lets it go", FILTER, killed),
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
    held: Option<Held>,
}

impl Frozen {
    pub fn new(held: Held, pid: u32) -> Self {
        let mut frozen = Self::group(pid);
        frozen.held = Some(held);
        frozen
    }

    /// Of a process that lives on.
    fn group(pid: u32) -> Self {
        let group = Path::new(FREEZER_ROOT).join(format!("nsx-test-{pid}"));
        std::fs::create_dir(&group).unwrap();
        std::fs::write(group.join("cgroup.procs"), pid.to_string()).unwrap();
        let frozen = Self { group, held: None };
        std::fs::write(frozen.group.join("freezer.state"), "FROZEN").unwrap();
        until("it is frozen", || {
            std::fs::read_to_string(frozen.group.join("freezer.state")).unwrap().trim() == "FROZEN"
        });
        frozen
    }
}

impl Frozen {
    fn leave(&self) {
        let members = std::fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default();
        for pid in members.lines() {
            let _ = std::fs::write(Path::new(FREEZER_ROOT).join("cgroup.procs"), pid);
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = std::fs::write(self.group.join("freezer.state"), "THAWED");
        match &mut self.held {
            Some(held) => {
                let _ = held.0.kill();
                let _ = held.0.wait();
            }
            None => self.leave(),
        }
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

/// Its tracer is given up while the process cannot stop: nothing of that is left.
fn filter() {
    let mut target = Filtered::start(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
    let pid = target.pid();
    let inspect = || json(&mut nsx(["inspect", &pid.to_string(), "--seccomp", "--json"]));
    let group = Frozen::group(pid);
    let report = inspect();
    let gaps = report["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["what"] == "seccomp filters" && gap["reason"] == "timeout"));
    assert_eq!(status(pid, "TracerPid").as_deref(), Some("0"));
    drop(group);
    assert_eq!(target.call(libc::SYS_bpf), libc::EDOM);
    assert_eq!(inspect()["gaps"].as_array().unwrap().len(), 0);
}

/// The tracer, which would wait for as long as the process is frozen, ends with nsx.
fn killed() {
    let mut target = Filtered::start(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
    let pid = target.pid();
    let tracer = || status(pid, "TracerPid").unwrap_or_default();
    let group = Frozen::group(pid);
    let mut inspect = nsx(["inspect", &pid.to_string(), "--only", "security", "--seccomp"]);
    let mut inspect = Held(inspect.stdout(std::process::Stdio::null()).spawn().unwrap());
    until("it is traced", || tracer() != "0");
    inspect.0.kill().unwrap();
    inspect.0.wait().unwrap();
    until("it is let go", || tracer() == "0");
    drop(group);
    assert_eq!(target.call(libc::SYS_bpf), libc::EDOM);
}
