//! Programs that nsx limits on pure cgroup v2: of root, and of a user to whom systemd has delegated.

use crate::containers::as_alice;
use crate::host::INSIDE;
use crate::support::{
    Held, binary, child_of, ends_within, json, nsx, pidfd, stderr, stdout, succeeds, test, until,
};
use crate::truth::{file, group_of, keyed};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use nsx::action::cgroup::Group;
use nsx::collect::sites::collect_sites;
use nsx::model::group::Limits;
use nsx::sys::root::SysRoot;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub fn tests() -> Vec<Trial> {
    vec![
        test("spawn, limits of root: what the kernel is told, and nothing is left", INSIDE, told),
        test("spawn, limits of root: memory, swap, forks", INSIDE, hold),
        test("spawn, limits of root: throttled, and inspect says so", INSIDE, throttled),
        test("spawn, limits of root: what was used", INSIDE, used),
        test("spawn, limits of a service hold for a program that is reported on", INSIDE, reported),
        test("spawn, limits of a user with a delegated scope", INSIDE, delegated),
        test("spawn, limits of a user without one are refused with advice", INSIDE, undelegated),
    ]
}

/// The groups of a supervisor that are there.
fn groups_of(nsx: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with(&format!("nsx-{nsx}-")) {
                    found.push(entry.path());
                }
                pending.push(entry.path());
            }
        }
    }
    found
}

const NONE: [PathBuf; 0] = [];

/// Runs to the end, after which there is no group.
fn run(options: &[&str], program: &[&str]) -> Output {
    finish(nsx(["spawn"]).args(options).args(program))
}

fn finish(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = child.id();
    let output = crate::support::finish(child);
    assert_eq!(groups_of(pid), NONE);
    output
}

struct Limited {
    nsx: Held,
    pid: u32,
    group: String,
}

impl Limited {
    fn start(command: &mut Command) -> Self {
        let (nsx, line) = Held::ready(command);
        assert_eq!(line, "ready");
        let pid = child_of(nsx.pid()).unwrap();
        Self { nsx, pid, group: group_of(pid) }
    }

    /// `MAX 100000` and so on: one line.
    fn file(&self, name: &str) -> String {
        file(&self.group, name).unwrap().trim_end().to_owned()
    }

    fn end(mut self) {
        let nsx = nix::unistd::Pid::from_raw(i32::try_from(self.nsx.pid()).unwrap());
        nix::sys::signal::kill(nsx, Signal::SIGTERM).unwrap();
        let ended = ends_within(&pidfd(self.nsx.pid()).unwrap(), crate::support::PATIENCE);
        assert!(ended, "it hears SIGTERM");
        self.nsx.0.wait().unwrap();
        assert_eq!(groups_of(self.nsx.pid()), NONE);
    }
}

const WAIT: [&str; 3] = ["sh", "-c", "echo ready; exec sleep 1000"];

fn disk() -> (String, String) {
    let numbers = std::fs::read_to_string("/sys/block/nvme0n1/dev").unwrap();
    ("/dev/nvme0n1".to_owned(), numbers.trim().to_owned())
}

fn told() {
    let (device, numbers) = disk();
    let io = format!("{device}:rbps=10M,wiops=100");
    let mut command = nsx(["spawn", "--new-all", "--memory", "64M", "--swap", "1M", "--cpus"]);
    command.args(["1.5", "--cpuset", "1", "--pids", "30", "--io", &io]).args(WAIT);
    let limited = Limited::start(&mut command);
    assert_eq!(limited.file("memory.max"), (64 << 20).to_string());
    assert_eq!(limited.file("memory.swap.max"), (1 << 20).to_string());
    assert_eq!(limited.file("cpu.max"), "150000 100000");
    assert_eq!(limited.file("cpuset.cpus.effective"), "1");
    assert_eq!(limited.file("pids.max"), "30");
    assert_eq!(
        limited.file("io.max"),
        format!("{numbers} rbps=10485760 wbps=max riops=max wiops=100")
    );
    // It is the root of what the program sees.
    let mut inside = nsx(["enter", "-t", &limited.pid.to_string(), "-a", "cat", "/proc/1/cgroup"]);
    assert_eq!(succeeds(&mut inside), "0::/\n");
    limited.end();

    let none = Limited::start(nsx(["spawn", "-u", "--memory", "64M"]).args(WAIT));
    assert_eq!(none.file("memory.swap.max"), "0");
    none.end();
    let swap = Limited::start(nsx(["spawn", "-u", "--swap", "2M"]).args(WAIT));
    assert_eq!(
        (swap.file("memory.max"), swap.file("memory.swap.max")),
        ("max".into(), "2097152".into())
    );
    swap.end();
    // v2 would take it, and give the program other CPUs.
    let refused = run(&["--cpuset", "0,77"], &["echo", "RAN"]);
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(125), ""));
    let said = stderr(&refused);
    assert!(said.contains("cannot limit CPUs to 0,77: there are 0-1 in /sys/fs/cgroup/"), "{said}");
}

const TAKE: &str = r#"my $x = "x" x ($ARGV[0] << 20); print "alive""#;

const FORKS: &str = r"my $made = 0;
for (1 .. 50) { my $pid = fork; last unless defined $pid; if (!$pid) { sleep 1000; exit } $made++ }
print $made;";

fn hold() {
    let killed = run(&["-p", "--memory", "64M"], &["perl", "-e", TAKE, "200"]);
    assert_eq!(killed.status.signal(), Some(9), "{}", stderr(&killed));
    let alive = run(&["-p", "--memory", "256M"], &["perl", "-e", TAKE, "20"]);
    assert_eq!(stdout(&alive), "alive", "{}", stderr(&alive));
    // What it leaves behind goes with its group.
    let forks = run(&["-u", "--pids", "10"], &["perl", "-e", FORKS]);
    assert_eq!(stdout(&forks), "9", "{}", stderr(&forks));
}

fn throttled() {
    let mut command = nsx(["spawn", "-p", "--cpus", "0.1", "sh", "-c"]);
    let limited = Limited::start(command.arg("echo ready; while :; do :; done"));
    until("the kernel throttles", || keyed(&limited.group, "cpu.stat")["nr_throttled"] > 0);
    let mut inspect = nsx(["inspect", &limited.pid.to_string(), "--json", "--only=cgroup"]);
    let report = json(&mut inspect);
    let cpu = &report["data"]["cgroup"]["cpu"];
    assert_eq!(cpu["limit_millicores"], 100);
    assert!(cpu["throttled_periods"].as_u64() > Some(0), "{cpu}");
    limited.end();
}

fn used() {
    let limits = Limits {
        memory_bytes: Some(64 << 20),
        cpu_quota_usec: Some(50_000),
        pids: Some(5),
        ..Limits::default()
    };
    let root = SysRoot::real().unwrap();
    let sites = collect_sites(&root, &limits.controllers(), true).unwrap();
    assert_eq!(sites.0.len(), 1, "one group has all controllers");
    let mut group = Group::make(&sites, &limits, |_| Ok(())).unwrap();
    let script = r#"read go
        perl -e 'my $x = "x" x (200 << 20)'
        perl -e 'for (1 .. 9) { my $pid = fork; last unless defined $pid; sleep 1, exit if !$pid }'
        perl -e '1 while times < 0.2'"#;
    let mut command = Command::new("sh");
    let mut child = command.args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
    group.add(nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()), false).unwrap();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    child.wait().unwrap();
    group.kill().unwrap();
    let used = group.used();
    let directories = group.directories();
    group.remove().unwrap();
    assert!(directories.iter().all(|one| !one.exists()), "{directories:?}");
    assert!(used.cpu_usec > Some(200_000) && used.cpu_user_usec < used.cpu_usec, "{used:?}");
    assert!(used.throttled_periods > Some(0) && used.throttled_usec > Some(0), "{used:?}");
    assert_eq!(used.oom_kills, Some(1), "{used:?}");
    assert!(used.memory_peak_bytes > Some(32 << 20), "{used:?}");
    // Since Linux 6.11.
    assert!(used.pids_peak.is_none_or(|peak| peak == 5), "{used:?}");
    assert!(used.refused_forks > Some(0), "{used:?}");
    assert!(used.io.is_some(), "{used:?}");
}

/// Beside the service it would be free of what is set for the service.
fn reported() {
    let group_in = |name: &str, limit: &[&str]| {
        let mut run = Command::new("systemd-run");
        run.args(["--quiet", "--pipe", "--wait", "--collect", "--unit", name]).args(limit);
        run.arg(binary("nsx")).args(["spawn", "-u", "--report", "cat", "/proc/self/cgroup"]);
        succeeds(&mut run)
    };
    let limited = group_in("nsxvm-limited", &["--property=MemoryMax=200M"]);
    let below = "0::/system.slice/nsxvm-limited.service/nsx-";
    assert!(limited.starts_with(below), "{limited}");
    let free = group_in("nsxvm-free", &[]);
    assert!(free.starts_with("0::/system.slice/nsx-"), "{free}");
}

/// `nsx spawn OPTIONS` by alice, in a scope of her own manager.
fn in_scope(options: &[&str]) -> Command {
    let bus = Path::new("/run/user/1000/bus");
    until("alice's manager listens", || bus.exists());
    let mut command = as_alice();
    command.args(["systemd-run", "--user", "--scope", "--quiet", "-p", "Delegate=yes"]);
    command.arg(binary("nsx")).arg("spawn").args(options);
    command
}

fn delegated() {
    let options = ["--newuser", "-p", "--memory", "64M", "--pids", "30", "--cpus", "0.5"];
    // systemd-run becomes nsx.
    let limited = Limited::start(in_scope(&options).args(WAIT));
    let manager = "/user.slice/user-1000.slice/user@1000.service/";
    assert!(limited.group.starts_with(manager), "{}", limited.group);
    assert_eq!(limited.file("memory.max"), (64 << 20).to_string());
    assert_eq!(limited.file("pids.max"), "30");
    assert_eq!(limited.file("cpu.max"), "50000 100000");
    limited.end();

    let killed = finish(in_scope(&["-U", "--memory", "64M"]).args(["perl", "-e", TAKE, "200"]));
    assert_eq!(killed.status.signal(), Some(9), "{}", stderr(&killed));
    let forks = finish(in_scope(&["-U", "--pids", "10"]).args(["perl", "-e", FORKS]));
    assert_eq!(stdout(&forks), "9", "{}", stderr(&forks));
    // Her manager was not given it.
    let refused = finish(in_scope(&["-U", "--cpuset", "0"]).args(["echo", "RAN"]));
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(125), ""));
    let said = stderr(&refused);
    assert!(said.contains("cannot limit CPUs: cannot make a control group in "), "{said}");
}

fn undelegated() {
    let mut command = as_alice();
    command.arg(binary("nsx")).args(["spawn", "-U", "--memory", "64M", "echo", "RAN"]);
    let refused = finish(&mut command);
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(125), ""));
    let said = stderr(&refused);
    assert!(said.contains("cannot limit memory: cannot make a control group in"), "{said}");
    assert!(said.contains("systemd-run --user --scope -p Delegate=yes nsx spawn"), "{said}");
}
