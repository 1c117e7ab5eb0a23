//! What a target is held to: nsx against the files of the control groups and of /proc, against capsh,
//! prlimit and ps, in groups of the suite's own.

use crate::support::{self, Held, Need, json, nsx, succeeds, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const V1: &[Need] = &[
    Need::Root,
    Need::Program("perl"),
    Need::Machine("control groups of v1 that can be made", || {
        ["cpu", "cpuacct", "memory", "pids"].iter().all(|name| own_group(name).is_some())
    }),
];
const CAPSH: &[Need] = &[Need::Root, Need::Program("capsh"), Need::Program("setpriv")];
const LIMITS: &[Need] = &[Need::Root, Need::Program("prlimit"), Need::Program("ps")];

pub fn tests() -> Vec<Trial> {
    vec![
        support::test("cgroup files: a process that an ancestor throttles", V1, throttled),
        support::test("cgroup files: pids.max is reached", V1, no_more_processes),
        support::test("cgroup files: a child is killed for want of memory", V1, out_of_memory),
        support::test("capsh: capabilities by name", CAPSH, capabilities),
        support::test("/proc: who it runs as and what confines it", CAPSH, identity),
        support::test("prlimit and ps: limits, and what is used of them", LIMITS, limits),
    ]
}

/// The group of this process in a v1 hierarchy that is mounted at the usual place.
fn own_group(controller: &str) -> Option<PathBuf> {
    let lines = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = lines.lines().find_map(|line| line.split_once(&format!(":{controller}:")))?.1;
    let group = Path::new("/sys/fs/cgroup").join(controller).join(path.trim_start_matches('/'));
    group.join("cgroup.procs").exists().then_some(group)
}

/// A group of the suite's own with one in it. Whatever runs there ends with it.
struct Nest {
    outer: PathBuf,
}

impl Nest {
    fn new(controller: &str, name: &str) -> Self {
        let own = own_group(controller).expect("needed");
        let outer = own.join(format!("nsx-held-{name}-{}", std::process::id()));
        std::fs::create_dir_all(outer.join("inner")).expect("a group can be made");
        Self { outer }
    }

    fn inner(&self) -> PathBuf {
        self.outer.join("inner")
    }

    fn set(&self, file: &str, value: &str) {
        std::fs::write(self.outer.join(file), value).expect("a limit can be set");
    }

    fn add(&self, pid: u32) {
        std::fs::write(self.inner().join("cgroup.procs"), pid.to_string()).expect("it may join");
    }

    /// As the kernel names it.
    fn path(&self) -> String {
        let mut parts = self.outer.components().skip(5);
        let path: PathBuf = parts.by_ref().collect();
        format!("/{}", path.display())
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        for group in [self.inner(), self.outer.clone()] {
            let members =
                || std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            for pid in members().lines().filter_map(|pid| pid.parse().ok()) {
                let pid = nix::unistd::Pid::from_raw(pid);
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
            until("a group is removed", || std::fs::remove_dir(&group).is_ok() || !group.exists());
        }
    }
}

/// A shell that waits for a line, and then does `script`.
fn waiting(script: &str) -> Held {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("echo up; read go; {script}")]).stdin(Stdio::piped());
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "up");
    held
}

fn go(held: &mut Held) {
    held.0.stdin.as_mut().expect("piped").write_all(b"go\n").expect("it reads");
}

fn file(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path.as_ref())
        .unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
        .trim()
        .to_owned()
}

fn number(path: impl AsRef<Path>) -> u64 {
    file(path).parse().expect("a number")
}

fn field(path: impl AsRef<Path>, key: &str) -> u64 {
    let text = file(path);
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == key).expect("it is there").1.parse().expect("a number")
}

fn inspect(pid: u32, options: &[&str]) -> Value {
    let pid = pid.to_string();
    let report = json(&mut nsx([&["inspect", &pid, "--json"], options].concat()));
    assert_eq!(report["gaps"], json!([]));
    report["data"].clone()
}

fn says(report: &Value, text: &str) -> bool {
    let findings = report["findings"].as_array().expect("a list");
    findings.iter().any(|finding| finding["text"].as_str().expect("text").contains(text))
}

fn throttled() {
    let (cpu, acct) = (Nest::new("cpu", "cpu"), Nest::new("cpuacct", "cpu"));
    cpu.set("cpu.cfs_period_us", "10000");
    cpu.set("cpu.cfs_quota_us", "2000");
    let mut busy = waiting("while :; do :; done");
    cpu.add(busy.pid());
    acct.add(busy.pid());
    go(&mut busy);
    let stat = cpu.outer.join("cpu.stat");
    until("it is throttled", || {
        field(&stat, "nr_periods") > 50
            && field(&stat, "nr_throttled") * 2 > field(&stat, "nr_periods")
    });
    let before = (field(&stat, "nr_periods"), number(acct.inner().join("cpuacct.usage")) / 1000);
    let report = inspect(busy.pid(), &["--only", "cgroup", "--interval", "200ms"]);
    let after = (field(&stat, "nr_periods"), number(acct.inner().join("cpuacct.usage")) / 1000);
    let told = &report["cgroup"]["cpu"];
    assert_eq!(told["limit_millicores"], 200);
    assert_eq!(told["limit_set_by"], cpu.path());
    assert_eq!(told["shares"], number(cpu.inner().join("cpu.shares")));
    let own = &told["levels"][0];
    assert_eq!(
        (&own["path"], &own["limit_millicores"]),
        (&json!(cpu.path() + "/inner"), &json!("max"))
    );
    let above = &told["levels"][1];
    assert_eq!((&above["path"], &above["limit_millicores"]), (&json!(cpu.path()), &json!(200)));
    let periods = above["periods"].as_u64().expect("a number");
    assert!((before.0..=after.0).contains(&periods), "{periods} of {before:?} to {after:?}");
    let usage = told["usage_usec"].as_u64().expect("a number");
    assert!((before.1..=after.1).contains(&usage), "{usage} of {before:?} to {after:?}");
    // Its own group sets nothing; on this interval it used some, and never more than there is.
    let rate = &told["rate"];
    let cores = rate["host_cpus"].as_u64().expect("a number");
    let used = rate["used_millicores"].as_u64().expect("a number");
    assert!(used > 0 && used <= cores * 1000, "{rate}");
    assert!(rate["interval_usec"].as_u64() >= Some(200_000), "{rate}");
    let sentence = format!("CPU periods by the limit of {}, a group above it", cpu.path());
    assert!(says(&report, &sentence), "{}", report["findings"]);
}

fn no_more_processes() {
    let nest = Nest::new("pids", "pids");
    nest.set("pids.max", "3");
    let fork = "my $n = 0; while ($n++ < 9) { my $p = fork; last unless defined $p; \
                if (!$p) { sleep 1000; exit } } sleep 1000";
    let mut held = waiting(&format!("exec perl -e '{fork}'"));
    nest.add(held.pid());
    go(&mut held);
    let events = || file(nest.inner().join("pids.events"));
    until("the limit is met", || {
        events() != "max 0" || file(nest.outer.join("pids.events")) != "max 0"
    });
    let report = inspect(held.pid(), &["--only", "cgroup"]);
    let told = &report["cgroup"]["pids"];
    assert_eq!(told["current"], number(nest.inner().join("pids.current")));
    assert_eq!((&told["limit"], &told["limit_set_by"]), (&json!(3), &json!(nest.path())));
    assert_eq!(told["levels"][1]["current"], number(nest.outer.join("pids.current")));
    assert_eq!(told["limit_hits"], field(nest.inner().join("pids.events"), "max"));
    let sentence = format!("pids at 100 % of the limit of 3 of {}, a group above it", nest.path());
    assert!(says(&report, &sentence), "{}", report["findings"]);
}

fn out_of_memory() {
    let nest = Nest::new("memory", "memory");
    std::fs::write(nest.inner().join("memory.limit_in_bytes"), "16M").expect("a limit can be set");
    let take = "perl -e 'my $x = \"x\" x (64 << 20); print \"alive\\n\"'";
    let mut held = waiting(&format!("{take}; exec sleep 1000"));
    nest.add(held.pid());
    go(&mut held);
    let control = nest.inner().join("memory.oom_control");
    until("the child is killed", || field(&control, "oom_kill") == 1);
    support::asleep(held.pid());
    let options = ["--only", "cgroup", "--columns", "+formulas"];
    // Between two looks of ours it must not have changed, else nsx may have seen either.
    let looks = || {
        let of = |name: &str| number(nest.inner().join(format!("memory.{name}")));
        let numbers =
            ["usage_in_bytes", "kmem.usage_in_bytes", "max_usage_in_bytes", "failcnt"].map(of);
        (numbers, file(nest.inner().join("memory.stat")))
    };
    let (report, ([usage, kernel, peak, failures], stat)) = loop {
        let before = looks();
        let report = inspect(held.pid(), &options);
        if looks() == before {
            break (report, before);
        }
    };
    let of = |key: &str| {
        let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
        let value = lines.find(|(name, _)| *name == key).expect("it is there").1;
        value.parse::<u64>().expect("a number")
    };
    let told = &report["cgroup"]["memory"];
    for (name, expected) in [
        ("usage_bytes", usage),
        ("anon_bytes", of("total_rss")),
        ("file_bytes", of("total_cache")),
        ("active_file_bytes", of("total_active_file")),
        ("inactive_file_bytes", of("total_inactive_file")),
        ("shmem_bytes", of("total_shmem")),
        ("file_mapped_bytes", of("total_mapped_file")),
        ("working_set_bytes", usage.saturating_sub(of("total_inactive_file"))),
        ("kernel_bytes", kernel),
        ("peak_bytes", peak),
        ("limit_bytes", 16 << 20),
        ("oom_kills", 1),
    ] {
        assert_eq!(told[name], expected, "{name}");
    }
    assert_eq!(told["events"]["max"], failures);
    assert_eq!(told["limit_set_by"], nest.path() + "/inner");
    let formulas = &report["formulas"];
    assert_eq!(formulas["docker"]["memory_limit_bytes"], 16 << 20);
    assert_eq!(formulas["kubelet"]["memory_bytes"], told["working_set_bytes"]);
    assert!(says(&report, "1 process killed for want of memory (OOM)"), "{}", report["findings"]);
}

fn sleeper(options: &[&str]) -> Held {
    let mut command = Command::new("setpriv");
    command.args(options).args(["--", "sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    support::asleep(held.pid());
    held
}

/// The five sets, and their lines in `/proc/PID/status`.
pub const CAPABILITIES: [(&str, &str); 5] = [
    ("effective", "CapEff"),
    ("permitted", "CapPrm"),
    ("inheritable", "CapInh"),
    ("bounding", "CapBnd"),
    ("ambient", "CapAmb"),
];

fn capabilities() {
    for options in [
        &[][..],
        &["--bounding-set", "-sys_admin,-mknod"],
        &["--reuid", "65534", "--regid", "65534", "--clear-groups"],
        &["--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"],
    ] {
        let held = sleeper(options);
        let report = inspect(held.pid(), &["--only", "security"]);
        let told = &report["security"]["capabilities"];
        for (set, line) in CAPABILITIES {
            let hex = support::status(held.pid(), line).expect("it lives");
            let decoded = succeeds(Command::new("capsh").arg(format!("--decode={hex}")));
            let names = decoded.trim().split_once('=').expect("HEX=NAMES").1.to_uppercase();
            let names: Vec<&str> = names.split(',').filter(|name| !name.is_empty()).collect();
            assert_eq!(told[set], json!(names), "{set} of {options:?}");
        }
    }
}

fn identity() {
    let held =
        sleeper(&["--reuid", "65534", "--regid", "6", "--groups", "4,65534", "--no-new-privs"]);
    let pid = held.pid();
    let told = &inspect(pid, &["--only", "security"])["security"];
    for (kind, line) in [("uid", "Uid"), ("gid", "Gid")] {
        let ids = support::status(pid, line).expect("it lives");
        let ids: Vec<u64> = ids.split_whitespace().map(|id| id.parse().expect("an id")).collect();
        let found = ["real", "effective", "saved", "fs"].map(|which| told[kind][which].as_u64());
        assert_eq!(found.to_vec(), ids.into_iter().map(Some).collect::<Vec<_>>());
    }
    let named = |database: &str, id: &str| {
        let line = succeeds(Command::new("getent").args([database, id]));
        line.split(':').next().expect("a name").to_owned()
    };
    assert_eq!(told["uid"]["name"], named("passwd", "65534"));
    assert_eq!(told["gid"]["name"], named("group", "6"));
    assert_eq!(
        told["groups"],
        json!([
            { "id": 4, "name": named("group", "4") },
            { "id": 65534, "name": named("group", "65534") },
        ])
    );
    assert_eq!(told["no_new_privs"], true);
    assert_eq!(support::status(pid, "NoNewPrivs").as_deref(), Some("1"), "the reference");
    assert_eq!((&told["seccomp"], &told["seccomp_filters"]), (&json!("off"), &json!(0)));
    assert_eq!(told["setgroups"], file(format!("/proc/{pid}/setgroups")));
    let map = file(format!("/proc/{pid}/uid_map"));
    let map: Vec<u64> = map.split_whitespace().map(|id| id.parse().expect("an id")).collect();
    let range = &told["uid_map"][0];
    let found = ["inside", "outside", "count"].map(|which| range[which].as_u64().expect("an id"));
    assert_eq!(found.to_vec(), map);
    assert_eq!(told["verdict"]["privileged"], false, "it can gain nothing");
    // A program that may be looked into belongs to its user in /proc.
    assert_eq!(told["dumpable"], true);
    let held = sleeper(&["--reuid", "65534", "--regid", "6", "--clear-groups"]);
    let told = &inspect(held.pid(), &["--only", "security"])["security"];
    assert_eq!(told["verdict"]["privileged"], has_everything(held.pid()));
}

/// What setpriv left it: the bounding set of the test itself, in the host's user namespace.
fn has_everything(pid: u32) -> bool {
    support::status(pid, "CapBnd") == support::status(1, "CapBnd")
}

fn limits() {
    let mut command = Command::new("prlimit");
    command.args(["--nofile=64:128", "--stack=1048576:unlimited", "--core=0"]);
    command.args(["nice", "-n", "7", "sh", "-c", "exec 9</dev/null; echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    support::asleep(held.pid());
    let pid = held.pid();
    let told = &inspect(pid, &["--only", "limits"])["limits"];
    let rlimits = told["rlimits"].as_array().expect("a list");
    let table = succeeds(Command::new("prlimit").args([
        "--pid",
        &pid.to_string(),
        "--raw",
        "--noheadings",
        "--output",
        "RESOURCE,SOFT,HARD",
    ]));
    let names = [
        ("AS", "address_space_bytes"),
        ("CORE", "core_bytes"),
        ("CPU", "cpu_seconds"),
        ("DATA", "data_bytes"),
        ("FSIZE", "file_bytes"),
        ("LOCKS", "file_locks"),
        ("MEMLOCK", "locked_bytes"),
        ("MSGQUEUE", "message_queue_bytes"),
        ("NICE", "nice"),
        ("NOFILE", "open_files"),
        ("NPROC", "processes"),
        ("RSS", "resident_bytes"),
        ("RTPRIO", "realtime_priority"),
        ("RTTIME", "realtime_usec"),
        ("SIGPENDING", "pending_signals"),
        ("STACK", "stack_bytes"),
    ];
    let bound = |word: &str| match word {
        "unlimited" => json!("max"),
        number => json!(number.parse::<u64>().expect("a number")),
    };
    assert_eq!(table.lines().count(), rlimits.len(), "{table}");
    let of = |resource: &str| {
        rlimits.iter().find(|limit| limit["resource"] == resource).expect("it is there")
    };
    for line in table.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (_, resource) = names.iter().find(|(name, _)| *name == words[0]).expect("known");
        let limit = of(resource);
        assert_eq!(
            (&limit["soft"], &limit["hard"]),
            (&bound(words[1]), &bound(words[2])),
            "{line}"
        );
    }
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").count();
    assert_eq!(of("open_files")["used"], open);
    let kib = |line: &str| {
        let value = support::status(pid, line).expect("it lives");
        value.trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    };
    assert_eq!(of("address_space_bytes")["used"], kib("VmSize"));
    assert_eq!(of("stack_bytes")["used"], kib("VmStk"));
    let ps = succeeds(Command::new("ps").args(["-o", "ni=,cls=", "-p", &pid.to_string()]));
    assert_eq!(ps.split_whitespace().collect::<Vec<_>>(), ["7", "TS"], "the reference");
    assert_eq!((&told["nice"], &told["scheduler"]), (&json!(7), &json!("other")));
    assert_eq!(told["cpus_allowed"], support::status(pid, "Cpus_allowed_list").expect("it lives"));
    assert_eq!(told["oom_score_adj"], number(format!("/proc/{pid}/oom_score_adj")));
    let host = |name: &str| number(format!("/proc/sys/fs/inotify/{name}"));
    assert_eq!(told["inotify"]["max_user_instances"], host("max_user_instances"));
    assert_eq!(told["inotify"]["max_user_watches"], host("max_user_watches"));
    assert_eq!(told["inotify"]["instances"], 0);
}
