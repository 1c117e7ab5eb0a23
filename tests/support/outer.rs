//! A network namespace in place of the host's, for what must not touch that.

use super::{Held, binary, isolated, json, output, stderr, stdout};
use serde_json::Value;
use std::ffi::OsStr;
use std::process::Command;

/// A network namespace in place of the host's; its only interface is lo.
#[derive(Debug)]
pub struct Outer {
    _held: Held,
    pub pid: u32,
}

impl Outer {
    pub fn new() -> Self {
        let (held, pid) = isolated(&["--newnet"]);
        Self { _held: held, pid }
    }

    /// A program in it.
    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, program: I) -> Command {
        inside(self.pid, program)
    }

    /// `nsx spawn` in it.
    pub fn spawn(&self, options: &[&str], program: &[&str]) -> Command {
        let nsx = binary("nsx");
        let mut command = self.run([nsx.as_os_str(), OsStr::new("spawn")]);
        command.args(options).args(program);
        command
    }

    /// A program that waits, and its pid.
    pub fn held(&self, options: &[&str]) -> (Held, u32) {
        let mut command = self.spawn(options, &["sh", "-c", "echo ready; exec sleep 1000"]);
        let (held, line) = Held::ready(&mut command);
        assert_eq!(line, "ready");
        // Before it there may be one that only clears up.
        let pid = held.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.expect("it lives");
        let program = children.split_whitespace().next_back().and_then(|pid| pid.parse().ok());
        (held, program.expect("a child"))
    }

    /// Fails to start; what it says.
    pub fn fails(&self, options: &[&str]) -> String {
        let output = output(&mut self.spawn(options, &["echo", "RAN"]));
        assert_eq!(stdout(&output), "", "{options:?}");
        assert_eq!(output.status.code(), Some(125), "{options:?}: {}", stderr(&output));
        stderr(&output)
    }

    pub fn interfaces(&self) -> Vec<String> {
        interfaces(self.pid)
    }

    pub fn is_as_before(&self) {
        assert_eq!(self.interfaces(), ["lo"]);
    }
}

/// A program in the network namespace of a process.
pub fn inside<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(pid: u32, program: I) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["-t", &pid.to_string(), "-n", "--"]).args(program);
    command
}

pub fn ip(pid: u32, question: &[&str]) -> Vec<Value> {
    let answer = json(inside(pid, ["ip", "-j"]).args(question));
    answer.as_array().cloned().unwrap_or_default()
}

/// Their names, sorted.
pub fn interfaces(pid: u32) -> Vec<String> {
    let links = ip(pid, &["link"]);
    let mut names: Vec<String> =
        links.iter().map(|link| link["ifname"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}
