//! Every section of `inspect`, of every container of the lab, against what the kernel's own files and
//! tools say of it at that moment, and its engine and runtime.

mod engine;
pub mod net;
mod spec;

use crate::held::CAPABILITIES;
use crate::lab::Lab;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What does not agree, a line each. What changes between two looks agrees the second time.
pub fn differences(lab: &Lab, row: &Value, rows: &[&Value]) -> Vec<String> {
    let first = look(lab, row, rows);
    if first.is_empty() { first } else { look(lab, row, rows) }
}

fn look(lab: &Lab, row: &Value, rows: &[&Value]) -> Vec<String> {
    let pid = row["pid"].as_u64().expect("it runs");
    let mut seen = Seen { lab, pid, before: Moving::read(lab, pid), found: Vec::new() };
    let network = net::Look::at(lab, pid);
    let report = lab.nsx(&["inspect", "--json", &pid.to_string()]);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let (after, network) = (Moving::read(lab, pid), [network, net::Look::at(lab, pid)]);
    let gaps = report["gaps"].as_array().expect("a list").iter();
    // A hierarchy of the container's that nobody has mounted cannot be looked into.
    let others = gaps.filter(|gap| gap["reason"] != "unsupported" || gap["what"] != "hugetlb");
    seen.is("what is missing", &others.cloned().collect(), &json!([]));
    let report = &report["data"];
    seen.is("pid", &report["pid"], &json!(pid));
    seen.identity(report);
    seen.namespaces(report, rows);
    seen.uts(report);
    seen.net(report, &network);
    seen.cgroup(report, &after);
    seen.security(report);
    seen.limits(report);
    seen.processes(report);
    seen.engine(row, report);
    seen.spec(row, report);
    let name = row["name"].as_str().or(row["id"].as_str()).unwrap_or("?");
    let whose = format!("{} {name} ({pid})", row["runtime"]);
    seen.found.into_iter().map(|what| format!("{whose}: {what}")).collect()
}

struct Seen<'a> {
    lab: &'a Lab,
    pid: u64,
    before: Moving,
    found: Vec<String>,
}

/// What goes on growing while it is looked at: ours lies between two looks.
struct Moving {
    memory: Option<u64>,
    cpu_usec: Option<u64>,
    pids: Option<u64>,
}

impl Moving {
    fn read(lab: &Lab, pid: u64) -> Self {
        let number = |controller: &str, file: &str| {
            std::fs::read_to_string(format!("{}/{file}", group(lab, pid, controller)?))
                .ok()?
                .trim()
                .parse::<u64>()
                .ok()
        };
        Self {
            memory: number("memory", "memory.usage_in_bytes"),
            cpu_usec: number("cpuacct", "cpuacct.usage").map(|nsec| nsec / 1000),
            pids: number("pids", "pids.current"),
        }
    }
}

/// The directory of a process's group in a hierarchy of cgroup v1, which is mounted by its name. What
/// the root of a hierarchy counts is the machine's, and our own group's is ours.
fn group(lab: &Lab, pid: u64, controller: &str) -> Option<String> {
    let lines = std::fs::read_to_string(lab.machine.path(&format!("/proc/{pid}/cgroup"))).ok()?;
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = path_of(&lines, controller)?;
    if path == "/" || path_of(&own, controller) == Some(path) {
        return None;
    }
    let directory = format!("/sys/fs/cgroup/{controller}{path}");
    std::path::Path::new(&directory).is_dir().then_some(directory)
}

fn path_of<'a>(lines: &'a str, controller: &str) -> Option<&'a str> {
    lines.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let controllers = fields.nth(1)?;
        controllers.split(',').any(|name| name == controller).then(|| fields.next())?
    })
}

/// In one of its namespaces.
fn inside(lab: &Lab, pid: u64, kind: &str, line: &[&str]) -> String {
    let target = pid.to_string();
    lab.asks(&[&["nsenter", "--target", &target, kind, "--"], line].concat())
}

impl Seen<'_> {
    fn is(&mut self, what: &str, ours: &Value, theirs: &Value) {
        if ours != theirs {
            self.found.push(format!("{what} is {theirs}, not {ours}"));
        }
    }

    fn same(&mut self, what: &str, ours: Vec<Value>, theirs: Vec<Value>) {
        let set = |values: Vec<Value>| -> BTreeSet<String> {
            values.iter().map(ToString::to_string).collect()
        };
        let (ours, theirs) = (set(ours), set(theirs));
        for only in ours.difference(&theirs) {
            self.found.push(format!("{what}: nsx alone has {only}"));
        }
        for only in theirs.difference(&ours) {
            self.found.push(format!("{what}: the reference alone has {only}"));
        }
    }

    fn file(&self, name: &str) -> Vec<u8> {
        let path = self.lab.machine.path(&format!("/proc/{}/{name}", self.pid));
        std::fs::read(path).unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.file(name)).trim().to_owned()
    }

    fn status(&self, field: &str) -> String {
        let text = self.text("status");
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        lines.next().unwrap_or_default().trim().to_owned()
    }

    fn link(&self, name: &str) -> String {
        self.lab.asks(&["readlink", &format!("/proc/{}/{name}", self.pid)])
    }

    fn inside(&self, kind: &str, line: &[&str]) -> String {
        inside(self.lab, self.pid, kind, line)
    }

    fn identity(&mut self, report: &Value) {
        let told = &report["identity"];
        let words = self.file("cmdline");
        let command: Vec<u8> =
            words.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
        let command = String::from_utf8_lossy(&command).trim_end().to_owned();
        self.is("the command", &told["command"], &json!(command));
        self.is("the program", &told["executable"], &json!(self.link("exe")));
        let euid = self.lab.asks(&["ps", "-o", "euid=", "-p", &self.pid.to_string()]);
        self.is("the user", &told["uid"], &json!(euid.trim().parse::<u64>().ok()));
        // As the kernel translates it for somebody inside; nobody may join a user namespace twice.
        let is_own = self.link("ns/user") != self.lab.asks(&["readlink", "/proc/1/ns/user"]);
        let inside = if is_own {
            self.inside("--user", &["stat", "-c", "%u", &format!("/proc/{}", self.pid)])
        } else {
            euid
        };
        // The files of a program that may not be looked into are root's.
        if report["security"]["dumpable"] == true {
            self.is(
                "the user inside",
                &told["uid_inside"],
                &json!(inside.trim().parse::<u64>().ok()),
            );
        }
    }

    fn namespaces(&mut self, report: &Value, rows: &[&Value]) {
        let told = report["namespaces"].as_array().cloned().unwrap_or_default();
        if told.len() != 8 {
            self.found.push(format!("there are 8 namespaces, not {}", told.len()));
        }
        for one in told {
            let kind = one["kind"].as_str().expect("a kind");
            let link = self.link(&format!("ns/{kind}"));
            self.is("a namespace", &json!(format!("{kind}:[{}]", one["inode"])), &json!(link));
            let hosts = self.lab.asks(&["readlink", &format!("/proc/1/ns/{kind}")]);
            self.is(&format!("own {kind}"), &one["own"], &json!(link != hosts));
            let of = |pid: u64| self.lab.asks(&["readlink", &format!("/proc/{pid}/ns/{kind}")]);
            let pids = rows.iter().filter_map(|row| row["pid"].as_u64());
            let others = pids.filter(|pid| link != hosts && *pid != self.pid && of(*pid) == link);
            let others = others.count();
            let told = one["shared_with"].as_array().map(Vec::len);
            self.is(&format!("who shares {kind}"), &json!(told), &json!(others));
        }
    }

    fn uts(&mut self, report: &Value) {
        let name = self.inside("--uts", &["uname", "-n"]);
        self.is("the hostname", &report["uts"]["hostname"], &json!(name));
    }

    fn cgroup(&mut self, report: &Value, after: &Moving) {
        let told = &report["cgroup"];
        let before = &self.before;
        let pairs = [
            ("memory in use", &told["memory"]["usage_bytes"], before.memory, after.memory),
            ("CPU time", &told["cpu"]["usage_usec"], before.cpu_usec, after.cpu_usec),
            ("processes and threads", &told["pids"]["current"], before.pids, after.pids),
        ];
        let mut found = Vec::new();
        for (what, ours, before, after) in pairs {
            let (low, high) = (before.min(after), before.max(after));
            let ours = ours.as_u64();
            // Per processor the kernel keeps up to 64 pages back that no number has yet.
            let slack = if what == "memory in use" { 2 << 20 } else { 0 };
            let is_between = ours.is_some_and(|ours| {
                low.is_some_and(|low| ours + slack >= low)
                    && high.is_some_and(|high| ours <= high + slack)
            });
            if low.is_some() && !is_between {
                found.push(format!("{what} is from {low:?} to {high:?}, not {ours:?}"));
            }
        }
        self.found.append(&mut found);
        let (lab, pid) = (self.lab, self.pid);
        let limit = |controller: &str, file: &str| {
            let text = std::fs::read_to_string(format!("{}/{file}", group(lab, pid, controller)?));
            text.ok()?.trim().parse::<u64>().ok().filter(|limit| *limit < 1 << 60)
        };
        // The lab sets limits on the containers' own groups only.
        if let Some(bytes) = limit("memory", "memory.limit_in_bytes") {
            self.is("the memory limit", &told["memory"]["limit_bytes"], &json!(bytes));
        }
        if let Some(most) = limit("pids", "pids.max") {
            self.is("the limit of processes", &told["pids"]["limit"], &json!(most));
        }
    }

    fn security(&mut self, report: &Value) {
        let told = &report["security"];
        for (set, line) in CAPABILITIES {
            let decoded = self.lab.asks(&["capsh", &format!("--decode={}", self.status(line))]);
            let names = decoded.split_once('=').expect("HEX=NAMES").1.to_uppercase();
            let names: Vec<&str> = names.split(',').filter(|name| !name.is_empty()).collect();
            self.is(set, &told["capabilities"][set], &json!(names));
        }
        self.is("no_new_privs", &told["no_new_privs"], &json!(self.status("NoNewPrivs") == "1"));
        let mode = match self.status("Seccomp").as_str() {
            "0" => "off",
            "1" => "strict",
            _ => "filter",
        };
        self.is("seccomp", &told["seccomp"], &json!(mode));
        let filters = self.status("Seccomp_filters").parse::<u64>().ok();
        self.is("seccomp filters", &told["seccomp_filters"], &json!(filters));
        for map in ["uid_map", "gid_map"] {
            let lines = self.text(map);
            let ranges: Vec<Value> = lines
                .lines()
                .map(|line| {
                    let mut ids = line.split_whitespace().map(|id| id.parse::<u64>().ok());
                    let mut next = || ids.next().flatten();
                    json!({ "inside": next(), "outside": next(), "count": next() })
                })
                .collect();
            self.is(map, &told[map], &json!(ranges));
        }
        self.is("setgroups", &told["setgroups"], &json!(self.text("setgroups")));
    }

    fn limits(&mut self, report: &Value) {
        let told = &report["limits"];
        let file = self.text("limits");
        let line = file.lines().find_map(|line| line.strip_prefix("Max open files"));
        let mut words = line.unwrap_or_default().split_whitespace().map(|word| word.parse().ok());
        let (soft, hard): (Option<u64>, Option<u64>) =
            (words.next().flatten(), words.next().flatten());
        let rlimits = told["rlimits"].as_array().cloned().unwrap_or_default();
        let open = rlimits.iter().find(|one| one["resource"] == "open_files");
        let open = open.cloned().unwrap_or_default();
        self.is("open files, soft", &open["soft"], &json!(soft));
        self.is("open files, hard", &open["hard"], &json!(hard));
        let adjusted = self.text("oom_score_adj").parse::<i64>().ok();
        self.is("oom_score_adj", &told["oom_score_adj"], &json!(adjusted));
        let nice = self.lab.asks(&["ps", "-o", "ni=", "-p", &self.pid.to_string()]);
        self.is("nice", &told["nice"], &json!(nice.trim().parse::<i64>().ok()));
    }

    fn processes(&mut self, report: &Value) {
        let members = report["processes"].as_array().cloned().unwrap_or_default();
        let mut theirs = Vec::new();
        let mut ours = Vec::new();
        for member in &members {
            let pid = member["pid"].to_string();
            let fields = "pid=,ppid=,nlwp=,euid=,rss=,s=";
            let line = self.lab.asks(&["ps", "-o", fields, "-p", &pid]);
            // Whether a process that lives runs or sleeps is a matter of the moment.
            let alive = |state: &str| if state == "R" { "S" } else { state }.to_owned();
            let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            if let Some(state) = words.get_mut(5) {
                *state = alive(state);
            }
            theirs.push(json!(words));
            // An engine allocates and frees meanwhile.
            let kib = member["rss_bytes"].as_u64().unwrap_or_default() / 1024;
            let theirs_kib: u64 = words.get(4).and_then(|kib| kib.parse().ok()).unwrap_or_default();
            let kib = if kib.abs_diff(theirs_kib) <= kib / 16 { theirs_kib } else { kib };
            let word = |value: &Value| match value {
                Value::String(text) => text.clone(),
                // A parent outside the reader's pid namespace is 0 to ps.
                Value::Null => "0".to_owned(),
                other => other.to_string(),
            };
            ours.push(json!([
                word(&member["pid"]),
                word(&member["parent_pid"]),
                word(&member["threads"]),
                word(&member["uid"]),
                kib.to_string(),
                alive(&word(&member["state"])),
            ]));
        }
        self.same("processes", ours, theirs);
        // All that are in its pid namespace, where that is its own.
        let own = self.link("ns/pid");
        if own != self.lab.asks(&["readlink", "/proc/1/ns/pid"]) {
            let listed = self.lab.asks(&["sh", "-c", "ls -l /proc/[0-9]*/ns/pid 2>/dev/null || :"]);
            let inside = listed.lines().filter(|line| line.ends_with(&own));
            let pids: BTreeSet<u64> = inside
                .filter_map(|line| line.split("/proc/").nth(1)?.split('/').next()?.parse().ok())
                .collect();
            let ours: BTreeSet<u64> =
                members.iter().filter_map(|one| one["pid"].as_u64()).collect();
            if !pids.is_subset(&ours) {
                self.found.push(format!("the processes in it are {pids:?}, not {ours:?}"));
            }
        }
    }
}
