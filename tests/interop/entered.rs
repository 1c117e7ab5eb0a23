//! A program started in each container of the lab: with the namespaces of its first process, and as
//! confined as that.

use crate::lab::Lab;
use crate::support::{self, Held, KINDS, STANDING};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

/// What does not agree, a line each.
pub fn differences(lab: &Lab, row: &Value, target: &str) -> Vec<String> {
    let entered = Entered { lab, pid: row["pid"].as_u64().expect("it runs"), target };
    if !entered.path(entered.pid, "root/bin/busybox").exists() {
        return vec![format!("{target}: it has no busybox to run")];
    }
    let mut found = entered.with(&["-a"], |_, _| Vec::new());
    if row["state"] == "paused" {
        found.extend(entered.stays_out());
    } else {
        found.extend(entered.with(&["--as-target"], confined));
    }
    found
}

struct Entered<'a> {
    lab: &'a Lab,
    pid: u64,
    target: &'a str,
}

impl Entered<'_> {
    fn path(&self, pid: u64, file: &str) -> PathBuf {
        self.lab.machine.path(&format!("/proc/{pid}/{file}"))
    }

    fn with(&self, options: &[&str], more: fn(&Self, u64) -> Vec<String>) -> Vec<String> {
        static NUMBER: AtomicU32 = AtomicU32::new(100_001);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
        let line = [&["enter", "-t", self.target], options].concat();
        let line = [&line[..], &["/bin/busybox", "sleep", &number]].concat();
        let mut command = self.lab.machine.nsx(&line);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut nsx = Held(command.spawn().expect("it starts"));
        let expected = format!("/bin/busybox\0sleep\0{number}\0");
        let (mut program, mut ended) = (None, false);
        support::until("it runs", || {
            program = self.lab.running(&["busybox", "sleep"]).into_iter().find(|pid| {
                let line = std::fs::read(self.path((*pid).into(), "cmdline"));
                line.is_ok_and(|line| line == expected.as_bytes())
            });
            ended = nsx.0.try_wait().expect("a child").is_some();
            program.is_some() || ended
        });
        let Some(program) = program else {
            let output = nsx.0.stderr.take().map(std::io::read_to_string);
            return vec![format!("{} {options:?}: nothing runs: {output:?}", self.target)];
        };
        let mut found = Vec::new();
        for kind in KINDS {
            let link = |pid| std::fs::read_link(self.path(pid, &format!("ns/{kind}"))).ok();
            if link(program.into()) != link(self.pid) || link(self.pid).is_none() {
                found.push(format!("{} {options:?}: another {kind} namespace", self.target));
            }
        }
        found.extend(more(self, program.into()));
        self.lab.asks(&["kill", "-KILL", &program.to_string()]);
        support::until("it ends", || nsx.0.try_wait().is_ok_and(|ended| ended.is_some()));
        found
    }

    /// A group that stands still is not gone into unasked.
    fn stays_out(&self) -> Vec<String> {
        let line = ["enter", "-t", self.target, "--as-target", "/bin/busybox", "true"];
        let output = support::output(&mut self.lab.machine.nsx(&line));
        let said = support::stderr(&output);
        let refused = output.status.code() == Some(125) && said.contains("--allow-frozen");
        (!refused)
            .then(|| format!("{}: paused, and entered: {said}", self.target))
            .into_iter()
            .collect()
    }
}

fn confined(entered: &Entered<'_>, program: u64) -> Vec<String> {
    let read =
        |pid, file: &str| std::fs::read_to_string(entered.path(pid, file)).unwrap_or_default();
    let statuses = [program, entered.pid].map(|pid| read(pid, "status"));
    let mut found = Vec::new();
    for field in STANDING {
        let [ours, theirs] = statuses.each_ref().map(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
            line.map(str::trim).map(str::to_owned)
        });
        if ours != theirs {
            found.push(format!("{}: {field} is {ours:?}, not {theirs:?}", entered.target));
        }
    }
    // A hierarchy that nobody has mounted cannot be gone into; nsx says so.
    let mounted = |lines: String| -> String {
        let is_mounted = |line: &&str| !line.contains(":hugetlb:");
        lines.lines().filter(is_mounted).collect::<Vec<_>>().join(" ")
    };
    for file in ["cgroup", "oom_score_adj"] {
        let [ours, theirs] = [program, entered.pid].map(|pid| mounted(read(pid, file)));
        if ours != theirs {
            found.push(format!("{}: {file} is {ours:?}, not {theirs:?}", entered.target));
        }
    }
    found
}
