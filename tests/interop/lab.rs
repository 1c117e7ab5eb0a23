//! The lab (`cargo xtask lab`) on a machine of its own: a container under each runtime, and what was
//! there before it.

use crate::machine::{Machine, below, hierarchies};
use crate::support;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where it is on the machine: in what ends with the machine, and short for the engines' sockets.
pub const DIR: &str = "/run/lab";

/// What engines and users of the real host keep is out of sight: the lab's containers are all there
/// are.
const PREPARE: &str = "set -e
mount -t tmpfs -o mode=755 nsx-interop /var/lib
mount -t tmpfs -o mode=755 nsx-interop /opt
mkdir /run/root
echo root:x:0:0:root:/run/root:/bin/sh >/run/passwd
mount --bind /run/passwd /etc/passwd";

#[derive(Debug)]
pub struct Lab {
    pub machine: Machine,
    xtask: PathBuf,
    before: BTreeSet<String>,
    is_up: bool,
}

impl Lab {
    pub fn up() -> Self {
        let xtask = xtask();
        let machine = Machine::start();
        support::succeeds(machine.command("sh").args(["-c", PREPARE]));
        let before = traces(&machine);
        let lab = Self { machine, xtask, before, is_up: true };
        lab.xtask("up");
        lab
    }

    /// `cargo xtask lab ACTION`. What it starts is told from its own record, not from its output.
    pub fn xtask(&self, action: &str) {
        let mut command = self.machine.command(&self.xtask);
        command.args(["lab", action, "--dir", DIR]);
        let programs = support::binary("nsx");
        command.env("NSX_TEST_BIN_DIR", programs.parent().expect("a directory"));
        // It knows itself how long it waits, and for what.
        let output = command.stdin(Stdio::null()).output().expect("it starts");
        assert!(output.status.success(), "lab {action}: {}", support::stderr(&output));
    }

    /// What it noted of its containers.
    pub fn record(&self) -> Vec<Value> {
        let file = self.machine.path(&format!("{DIR}/record.json"));
        let text = std::fs::read(file).expect("it keeps a record");
        let mut record: Value = serde_json::from_slice(&text).expect("JSON");
        serde_json::from_value(record["containers"].take()).expect("a list")
    }

    /// A program on the machine that speaks no other language.
    pub fn command(&self, line: &[&str]) -> Command {
        let mut command = self.machine.command("env");
        command.arg("LC_ALL=C").args(line);
        command
    }

    /// What a program on the machine prints.
    pub fn asks(&self, line: &[&str]) -> String {
        support::succeeds(&mut self.command(line)).trim().to_owned()
    }

    /// The same as JSON.
    pub fn asks_json(&self, line: &[&str]) -> Value {
        let text = self.asks(line);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line:?}: {error}: {text}"))
    }

    /// What nsx prints.
    pub fn nsx(&self, arguments: &[&str]) -> String {
        support::succeeds(&mut self.machine.nsx(arguments))
    }

    /// What nsx prints as JSON, without its wrapping.
    pub fn data(&self, arguments: &[&str]) -> Value {
        let mut report: Value = serde_json::from_str(&self.nsx(arguments)).expect("JSON");
        assert_eq!(report["gaps"].as_array().map_or(0, Vec::len), 0, "{}", report["gaps"]);
        report["data"].take()
    }

    /// The processes of these names on the machine, as it numbers them.
    pub fn running(&self, names: &[&str]) -> Vec<u32> {
        let is_named = |pid: &u32| {
            let comm = std::fs::read_to_string(self.machine.path(&format!("/proc/{pid}/comm")));
            comm.is_ok_and(|comm| names.contains(&comm.trim()))
        };
        processes(&self.machine).into_iter().filter(is_named).collect()
    }

    /// The state of a process, as a letter; nothing once it has ended.
    pub fn state(&self, pid: u64) -> Option<char> {
        let stat = std::fs::read_to_string(self.machine.path(&format!("/proc/{pid}/stat")));
        let state = stat.ok()?.rsplit_once(") ")?.1.chars().next()?;
        (state != 'Z').then_some(state)
    }

    /// Makes the engines stand still, as if they hung; they go on when the guard is dropped.
    pub fn stopped(&self) -> Stopped<'_> {
        let stopped = Stopped(self);
        self.xtask("stop");
        let engines = self.running(&["dockerd", "containerd"]);
        assert_eq!(engines.len(), 3, "dockerd, its containerd, and the lab's: {engines:?}");
        for engine in engines {
            assert_eq!(self.state(engine.into()), Some('T'), "{engine}");
        }
        stopped
    }

    /// Takes it down; what is left of it that was not there before.
    pub fn down(&mut self) -> Vec<String> {
        let containers = self.record();
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let words = |one: &Value| [word(&one["id"]), word(&one["name"]), word(&one["pod"]["uid"])];
        let names: Vec<String> = containers.iter().flat_map(words).flatten().collect();
        self.xtask("down");
        self.is_up = false;
        let left = traces(&self.machine).difference(&self.before).cloned().collect::<Vec<_>>();
        let groups = hierarchies().into_iter().flat_map(|top| below(&top, 8));
        let groups = groups.map(|group| group.display().to_string());
        let is_its = |group: &String| names.iter().any(|name| group.contains(name.as_str()));
        left.into_iter().chain(groups.filter(is_its)).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Control groups are in hierarchies too that are mounted nowhere and that only it knows.
        if self.is_up {
            let mut command = self.machine.command(&self.xtask);
            let _ = command.args(["lab", "down", "--dir", DIR]).output();
        }
    }
}

/// Engines that hang.
#[derive(Debug)]
pub struct Stopped<'a>(&'a Lab);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let mut command = self.0.machine.command(&self.0.xtask);
        let output = support::output(command.args(["lab", "wake", "--dir", DIR]));
        assert!(output.status.success() || std::thread::panicking(), "{output:?}");
    }
}

/// The program, built if need be; where there is no checkout it was brought with nsx.
fn xtask() -> PathBuf {
    if !Path::new(env!("CARGO_MANIFEST_DIR")).exists() {
        return support::binary("xtask");
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--quiet", "--package", "xtask", "--message-format", "json"]);
    // It may have much to compile.
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo starts");
    assert!(output.status.success(), "cargo builds xtask");
    let text = support::stdout(&output);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs = messages.filter(|message| message["target"]["name"] == "xtask");
    let mut programs =
        programs.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    programs.next().expect("cargo names the program")
}

/// What a lab can leave on its machine: processes, mounts, links, files.
fn traces(machine: &Machine) -> BTreeSet<String> {
    let on_machine = |line: &[&str]| support::succeeds(machine.command("env").args(line));
    let lines = |text: String, kind: &str| {
        text.lines().map(|line| format!("{kind} {line}")).collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for pid in processes(machine) {
        let name = std::fs::read_to_string(machine.path(&format!("/proc/{pid}/comm")));
        found.push(format!("process {}", name.unwrap_or_default().trim()));
    }
    found.extend(lines(on_machine(&["findmnt", "-rno", "TARGET,FSTYPE"]), "mount"));
    found.extend(lines(on_machine(&["ip", "-br", "link"]), "link"));
    found.extend(lines(on_machine(&["find", "/run", "/var/lib", "/opt"]), "file"));
    found.into_iter().collect()
}

fn processes(machine: &Machine) -> Vec<u32> {
    let list = std::fs::read_dir(machine.path("/proc")).expect("the machine's /proc").flatten();
    list.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
