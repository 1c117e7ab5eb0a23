//! Limits of spawned programs by control groups: that each holds, that what was used is told, and
//! that no group is left behind.

use crate::support::{
    Held, Need, child_of, find, isolated, json, nsx, output, pidfd, status, stderr, stdout,
    succeeds, test, until,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use nsx::action::cgroup::{Group, remove_left};
use nsx::collect::sites::collect_sites;
use nsx::model::group::{Controller, Limits, Sites, Used};
use nsx::sys::root::SysRoot;
use serde_json::Value;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

const V1: &[Need] = &[
    Need::Root,
    Need::Program("perl"),
    Need::Machine("every controller on v1", || {
        nsx::model::group::Controller::ALL.iter().all(|one| has_v1(one.v1_name()))
    }),
];
const USER: &[Need] = &[
    Need::Root,
    Need::Program("setpriv"),
    Need::Machine("a memory controller on v1", || has_v1("memory")),
];
const TRACED: &[Need] = &[
    Need::Root,
    Need::Program("strace"),
    Need::Machine("a memory controller on v1", || has_v1("memory")),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "limits, out of memory: one process of the program is killed, and told",
            V1,
            out_of_memory,
        ),
        test("limits, swap is limited beside memory", V1, swap),
        test("limits, --pids: a fork fails inside, and the host goes on", V1, forks),
        test("limits, a fork that fails in a group of the program's own is told", V1, forks_below),
        test("limits, --cpus: the program is throttled, and inspect says so", V1, throttled),
        test("limits, --cpuset: the program runs on no other CPU", V1, cpuset),
        test("limits, --io: what the kernel is told", V1, io),
        test("limits, those of I/O that the caller has are not left on v1", V1, throttled_io),
        test("limits, all limits at once, and nothing is left", V1, all_at_once),
        test("limits, a limit that cannot be had leaves nothing behind", V1, refused),
        test("limits, groups that the program made below its own go with it", V1, nested),
        test("limits, within limits: no more than the groups above have", V1, within),
        test("limits, that of a group above that is out of sight is not called none", V1, unseen),
        test("limits, a user who has no group is refused, with advice", USER, of_nobody),
        test("limits, a signal that ends nsx leaves no group", V1, ended),
        test("limits, nsx killed: neither a group nor a process is left", V1, killed),
        test("limits, a group that cannot be made leaves none of the others", TRACED, half_made),
        test("limits, a group knows what was used in it", V1, used),
        test("limits, without cgroup.kill what forks is killed all the same", V1, one_by_one),
        test("limits, what a killed nsx left is removed by its path", V1, left),
    ]
}

fn has_v1(controller: &str) -> bool {
    let lines = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    lines.lines().any(|line| line.split(':').nth(1).unwrap_or_default() == controller)
        && Path::new("/sys/fs/cgroup").join(controller).is_dir()
}

/// The groups of a supervisor, in whichever hierarchy.
pub fn groups_of(nsx: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![(PathBuf::from("/sys/fs/cgroup"), 0)];
    while let Some((directory, depth)) = pending.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let is_group = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_group && name.starts_with(&format!("nsx-{nsx}-")) {
                found.push(entry.path());
            } else if is_group && depth < 4 {
                pending.push((entry.path(), depth + 1));
            }
        }
    }
    found
}

const NONE: [PathBuf; 0] = [];

/// Runs to the end; the output, and nsx's own pid.
fn run(options: &[&str], program: &[&str]) -> (std::process::Output, u32) {
    let mut command = nsx(["spawn"]);
    command.args(options).args(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = child.id();
    (crate::support::finish(child), pid)
}

/// A running program and its supervisor, which is told to end, so that it can clear up.
struct Limited {
    nsx: Held,
    pid: u32,
}

impl Limited {
    fn run(options: &[&str]) -> Self {
        let (nsx, pid) = isolated(options);
        Self { nsx, pid }
    }

    /// `nsx spawn` of a program that says a word, which is returned.
    fn ready(command: &mut Command) -> (Self, String) {
        let (nsx, word) = Held::ready(command);
        let pid = child_of(nsx.pid()).unwrap();
        (Self { nsx, pid }, word)
    }

    fn end_by(&mut self, signal: Signal) -> ExitStatus {
        let nsx = nix::unistd::Pid::from_raw(i32::try_from(self.nsx.pid()).unwrap());
        nix::sys::signal::kill(nsx, signal).unwrap();
        let pidfd = pidfd(self.nsx.pid()).unwrap();
        assert!(crate::support::ends_within(&pidfd, crate::support::PATIENCE));
        self.nsx.0.wait().unwrap()
    }

    fn file(&self, controller: &str, name: &str) -> String {
        file(self.pid, controller, name)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        if matches!(self.nsx.0.try_wait(), Ok(None)) {
            self.end_by(Signal::SIGTERM);
        }
    }
}

/// Of a program that is running, the file of its group of a controller.
fn file(pid: u32, controller: &str, name: &str) -> String {
    let lines = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path =
        lines.lines().find_map(|line| line.split_once(&format!(":{controller}:"))).unwrap().1;
    let path = format!("/sys/fs/cgroup/{controller}{path}/{name}");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const TAKE: &str = r#"my $x = "x" x ($ARGV[0] << 20); print "alive\n""#;

fn out_of_memory() {
    let script = r#"perl -e "$0" 200; echo "ended with $?""#;
    let (output, nsx) = run(&["-p", "--memory", "64M"], &["sh", "-c", script, TAKE]);
    assert_eq!(stdout(&output), "ended with 137\n", "{}", stderr(&output));
    assert!(output.status.success(), "{}", output.status);
    assert_eq!(groups_of(nsx), NONE);
    let (output, _) = run(&["-p", "--memory", "64M"], &["perl", "-e", TAKE, "200"]);
    assert_eq!(output.status.signal(), Some(9), "{}", stderr(&output));
}

fn swap() {
    let total = |options: &[&str]| {
        let limited = Limited::run(options);
        let files = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"];
        files.map(|name| limited.file("memory", name).trim().parse::<u64>().unwrap() >> 20)
    };
    assert_eq!(total(&["--memory", "64M"]), [64, 64]);
    assert_eq!(total(&["--memory", "64M", "--swap", "16M"]), [64, 80]);
    assert_eq!(total(&["--memory", "64M", "--swap", "0"]), [64, 64]);
    assert!(total(&["--memory", "64M", "--swap", "max"])[1] > 1 << 40);
    let (output, _) = run(&["--swap", "16M"], &["echo", "RAN"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    assert!(stderr(&output).contains("hint: add --memory"), "{}", stderr(&output));
}

/// No more than fifty, whatever the limit does.
const FORKS: &str = r#"
$| = 1;
my $made = 0;
for (1 .. 50) {
    my $pid = fork;
    last unless defined $pid;
    if ($pid == 0) { sleep 1000; exit }
    $made++;
}
print "$made\n";
sleep 1000 if @ARGV;
"#;

fn forks() {
    let mut command = nsx(["spawn", "-u", "--pids", "10", "perl", "-e", FORKS, "stay"]);
    let (mut limited, line) = Limited::ready(&mut command);
    assert_eq!(line, "9");
    assert_eq!(limited.file("pids", "pids.current"), "10\n");
    assert_eq!(limited.file("pids", "pids.events"), "max 1\n");
    assert!(Command::new("true").status().unwrap().success(), "the host goes on");
    let children = format!("/proc/{0}/task/{0}/children", limited.pid);
    let children = std::fs::read_to_string(children).unwrap();
    let children: Vec<_> =
        children.split_whitespace().map(|pid| pidfd(pid.parse().unwrap()).unwrap()).collect();
    assert_eq!(children.len(), 9);
    limited.end_by(Signal::SIGTERM);
    for child in children {
        let over = crate::support::ends_within(&child, crate::support::PATIENCE);
        assert!(over, "what the program left behind is ended with its group");
    }
    assert_eq!(groups_of(limited.nsx.pid()), NONE);
}

fn forks_below() {
    let script = r#"
        own=$(sed -n "s/^[0-9]*:pids:/\/sys\/fs\/cgroup\/pids/p" /proc/self/cgroup)
        mkdir "$own/below" && echo $$ > "$own/below/cgroup.procs" && exec perl -e "$0" 2>&-
    "#;
    let options = ["-p", "--pids", "10", "--report=json"];
    let (output, nsx) = run(&options, &["sh", "-c", script, FORKS]);
    let report: Value = serde_json::from_str(&stderr(&output)).expect("JSON");
    assert_eq!(
        (stdout(&output).as_str(), &report["data"]["used"]["refused_forks"]),
        ("9\n", &1.into())
    );
    assert_eq!(groups_of(nsx), NONE);
}

fn throttled() {
    let mut command = nsx(["spawn", "-p", "--cpus", "0.1", "sh", "-c"]);
    let (limited, line) = Limited::ready(command.arg("echo ready; while :; do :; done"));
    assert_eq!(line, "ready");
    assert_eq!(limited.file("cpu", "cpu.cfs_quota_us"), "10000\n");
    assert_eq!(limited.file("cpu", "cpu.cfs_period_us"), "100000\n");
    until("inspect tells of throttling", || {
        let mut inspect = nsx(["inspect", &limited.pid.to_string(), "--json", "--only=cgroup"]);
        let report = json(&mut inspect);
        let cpu = &report["data"]["cgroup"]["cpu"];
        assert_eq!(cpu["limit_millicores"], 100);
        cpu["throttled_periods"].as_u64().unwrap() > 0
    });
}

fn cpuset() {
    let limited = Limited::run(&["-p", "--cpuset", "0"]);
    assert_eq!(status(limited.pid, "Cpus_allowed_list").unwrap(), "0");
    let (output, nsx) = run(&["-p", "--cpuset", "0,8000"], &["echo", "RAN"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    let said = stderr(&output);
    assert!(said.contains("cannot limit CPUs to 0,8000: there are 0"), "{said}");
    assert_eq!(groups_of(nsx), NONE);
}

/// A block device whose I/O the kernel limits.
fn disk() -> Option<(String, String)> {
    let names = std::fs::read_dir("/sys/block").ok()?;
    names.flatten().find_map(|entry| {
        let numbers = std::fs::read_to_string(entry.path().join("dev")).ok()?;
        let device = format!("/dev/{}", entry.file_name().into_string().ok()?);
        Path::new(&device).exists().then(|| (device, numbers.trim().to_owned()))
    })
}

fn io() {
    let (device, numbers) = disk().expect("a machine with v1 and no disk has no blkio");
    let by_name = format!("{device}:rbps=1M,wiops=100");
    let by_number = format!("{numbers}:wbps=2M,riops=7");
    let limited = Limited::run(&["-p", "--io", &by_name, "--io", &by_number]);
    let set = |name| limited.file("blkio", &format!("blkio.throttle.{name}_device"));
    assert_eq!(set("read_bps"), format!("{numbers} 1048576\n"));
    assert_eq!(set("write_bps"), format!("{numbers} 2097152\n"));
    assert_eq!(set("read_iops"), format!("{numbers} 7\n"));
    assert_eq!(set("write_iops"), format!("{numbers} 100\n"));
    for (device, why) in [
        ("/dev/null", "/dev/null is not a block device"),
        ("/nowhere", "cannot examine /nowhere: No such file or directory"),
        ("4095:7", "there is no block device 4095:7"),
    ] {
        let (output, _) = run(&["--io", &format!("{device}:rbps=1")], &["echo", "RAN"]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
}

/// v1 limits the I/O of each group by itself.
fn throttled_io() {
    let (device, numbers) = disk().expect("a disk");
    let group = PathBuf::from(format!("/sys/fs/cgroup/blkio/nsx-test-{}", std::process::id()));
    std::fs::create_dir(&group).unwrap();
    let within = |options: &[&str]| {
        let script = r#"echo $$ > "$0/cgroup.procs" && exec "$@""#;
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(&group).arg(crate::support::binary("nsx")).arg("spawn");
        output(command.args(options).args(["-u", "grep", ":blkio:", "/proc/self/cgroup"]))
    };
    let io = format!("{device}:rbps=1G");
    let [free, of_its_own] = [within(&["--report"]), within(&["--io", &io])];
    std::fs::write(group.join("blkio.throttle.read_iops_device"), format!("{numbers} 999999"))
        .unwrap();
    let [limited, refused] = [within(&["--report"]), within(&["--io", &io])];
    until("it is empty", || std::fs::remove_dir(&group).is_ok());
    let name = group.file_name().unwrap().to_str().unwrap();
    for done in [&free, &of_its_own] {
        assert!(
            stdout(done).contains(&format!("/{name}/nsx-")),
            "{}{}",
            stdout(done),
            stderr(done)
        );
    }
    assert!(stdout(&limited).ends_with(&format!(":blkio:/{name}\n")), "{}", stdout(&limited));
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(125), ""));
    assert!(
        stderr(&refused).contains("cannot limit I/O: the I/O limits of"),
        "{}",
        stderr(&refused)
    );
}

fn all_at_once() {
    let (device, _) = disk().expect("a disk");
    let io = format!("{device}:rbps=1G");
    let options = ["--memory", "256M", "--cpus", "1", "--cpuset", "0", "--pids", "50", "--io", &io];
    let mut limited = Limited::run(&[&["--new-all"], &options[..]].concat());
    let lines = std::fs::read_to_string(format!("/proc/{}/cgroup", limited.pid)).unwrap();
    let name = format!("/nsx-{}-", limited.nsx.pid());
    for controller in ["memory", "cpu", "cpuset", "pids", "blkio", ""] {
        let is_in = |line: &str| line.contains(&format!(":{controller}:/")) && line.contains(&name);
        assert!(lines.lines().any(is_in), "{controller} in {lines}");
    }
    // Every group is the root of what the program sees.
    let target = limited.pid.to_string();
    let seen = succeeds(&mut nsx(["enter", "-t", &target, "-a", "cat", "/proc/1/cgroup"]));
    assert!(!seen.contains("nsx-"), "{seen}");
    let made = groups_of(limited.nsx.pid());
    assert!(made.len() >= 5, "{made:?}");
    limited.end_by(Signal::SIGTERM);
    assert_eq!(groups_of(limited.nsx.pid()), NONE);
}

fn refused() {
    // The kernel refuses one of them, after all groups were made.
    let options = ["--memory", "64M", "--pids", "9", "--cpus", "1", "--cpuset", "0,8000"];
    let (output, nsx) = run(&options, &["echo", "RAN"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    assert_eq!(groups_of(nsx), NONE);
    for (options, why) in [
        (&["--memory", "1000"][..], "memory.limit_in_bytes to 1000: it is 0 afterwards"),
        (&["--pids", "1", "--init"], "hint: --pids may be too few"),
    ] {
        let (output, nsx) = run(options, &["echo", "RAN"]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        assert_eq!(groups_of(nsx), NONE);
    }
    let (output, nsx) = run(&["--pids", "9"], &["/nowhere/program"]);
    assert_eq!(output.status.code(), Some(127));
    assert_eq!(groups_of(nsx), NONE);
}

fn nested() {
    let script = r#"
        for c in pids memory unified; do
            own=$(sed -n "s/^[0-9]*:${c#unified}:/\/sys\/fs\/cgroup\/$c/p" /proc/self/cgroup)
            mkdir -p "$own/a/b" "$own/c" || exit 1
            sh -c 'echo $$ > "$0/a/b/cgroup.procs"; exec setsid sleep 1000 >&- 2>&-' "$own" &
            until read pid < "$own/a/b/cgroup.procs"; do :; done
        done
        # Deeper than a walk could hold open.
        cd "$own/c" && for level in $(seq 1500); do mkdir d && cd d || exit 2; done
        exit 7
    "#;
    let (output, nsx) = run(&["-u", "--pids", "30", "--memory", "64M"], &["sh", "-c", script]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert_eq!(groups_of(nsx), NONE);
}

fn within() {
    let nsx = crate::support::binary("nsx");
    let inner = |cpus: &str| {
        let options = ["--cpus", "0.2", "--pids", "50", "--memory", "256M"];
        let limits = ["--cpus", cpus, "--pids", "60", "--memory", "64M"];
        let program = [nsx.to_str().unwrap(), "spawn", "-u"];
        run(&options, &[&program[..], &limits, &["cat", "/proc/self/cgroup"]].concat())
    };
    let (output, outer) = inner("0.1");
    assert!(output.status.success(), "{}", stderr(&output));
    for controller in ["cpu", "pids", "memory"] {
        let said = stdout(&output);
        let line = said.lines().find(|line| line.contains(&format!(":{controller}:"))).unwrap();
        let path = line.split(':').nth(2).unwrap();
        assert_eq!(path.matches("/nsx-").count(), 2, "{path}");
        assert!(path.contains(&format!("/nsx-{outer}-")), "{path}");
    }
    assert_eq!(groups_of(outer), NONE);
    let (output, outer) = inner("0.5");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    let said = stderr(&output);
    assert!(said.contains("to 50000 of 100000: a group above has less"), "{said}");
    assert_eq!(groups_of(outer), NONE);
}

/// In a control group namespace, whose root is below the group with the limit.
const UNSEEN: &str = r#"
set -e
own=/sys/fs/cgroup/pids$(sed -n 's/^[0-9]*:pids://p' /proc/self/cgroup)
mkdir "$own/inner"
echo $$ > "$own/inner/cgroup.procs"
exec unshare -C -m sh -ec 'umount /sys/fs/cgroup/pids; mount -t cgroup -o pids nsx-test /sys/fs/cgroup/pids
    "$0" inspect $$ --only cgroup $1' "$0" "$1"
"#;

fn unseen() {
    let inspect = |options: &str| {
        let mut command = nsx(["spawn", "--pids=30", "sh", "-c", UNSEEN]);
        succeeds(command.arg(crate::support::binary("nsx")).arg(options))
    };
    let said: Value = serde_json::from_str(&inspect("--json")).unwrap();
    let pids = &said["data"]["cgroup"]["pids"];
    assert_eq!((&pids["limit"], &pids["limit_unlimited"]), (&Value::Null, &false.into()), "{pids}");
    let gaps = said["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["what"] == "limits of groups above"), "{gaps:?}");
    assert!(inspect("").contains(", no limit that can be seen"));
}

fn of_nobody() {
    let (_directory, copy) = crate::support::public_nsx();
    let mut command = crate::support::as_nobody(&copy);
    command.args(["spawn", "-U", "--memory", "64M", "echo", "RAN"]);
    let output = output(&mut command);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    let said = stderr(&output);
    assert!(said.contains("cannot limit memory: cannot make a control group in "), "{said}");
    assert!(said.ends_with(": Permission denied\n  hint: run it as root\n"), "{said}");
}

fn ended() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut limited = Limited::run(&["--pids", "30"]);
        assert!(!groups_of(limited.nsx.pid()).is_empty());
        assert_eq!(limited.end_by(signal).signal(), Some(signal as i32));
        assert_eq!(groups_of(limited.nsx.pid()), NONE);
    }
}

fn killed() {
    let mut command = nsx(["spawn", "-u", "--pids", "30", "--memory", "64M", "sh", "-c"]);
    // It asks for no tie to nsx, and leaves its session.
    let (mut held, left) = Held::ready(command.arg("setsid sleep 1000 >&- 2>&- & echo $!; wait"));
    let left = pidfd(left.parse().unwrap()).unwrap();
    assert!(!groups_of(held.pid()).is_empty());
    held.0.kill().unwrap();
    held.0.wait().unwrap();
    assert!(crate::support::ends_within(&left, crate::support::PATIENCE));
    until("no group is left", || groups_of(held.pid()).is_empty());
}

/// Whichever call of nsx fails, whenever it does. A removal fails as it may: for a moment.
fn half_made() {
    let spawn = ["spawn", "-u", "--memory", "64M", "--pids", "9", "true"];
    for call in ["mkdirat", "openat", "write", "read", "clone3", "pipe2", "unlinkat"] {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let traced = |inject: &str| {
            let mut strace = Command::new(find("strace").unwrap());
            strace.args(["-qq", "-e", inject, "-o"]).arg(at("trace"));
            strace.args(["sh", "-c", r#"echo $$ > "$0"; exec "$@""#]).arg(at("pid"));
            let output = output(strace.arg(crate::support::binary("nsx")).args(spawn));
            let nsx = std::fs::read_to_string(at("pid")).unwrap_or_default();
            // The shell is what an early failure hits.
            let nsx = nsx.trim().parse().unwrap_or(u32::MAX);
            let said = stderr(&output);
            assert_eq!(groups_of(nsx), NONE, "{inject}: {said}");
            (output.status.success(), said)
        };
        assert!(traced(&format!("trace={call}")).0);
        let times = std::fs::read_to_string(at("trace")).unwrap().lines().count();
        assert!(times > 0, "{call}");
        let error = if call == "unlinkat" { "EBUSY" } else { "EPERM" };
        let mut reached = 0;
        for time in 1..=times {
            let (survived, said) = traced(&format!("inject={call}:error={error}:when={time}"));
            assert!(survived || call != "unlinkat", "a removal is tried again");
            reached += usize::from(survived || said.contains("nsx spawn: "));
        }
        assert!(reached > 0, "{call}: the shell alone was hit");
    }
}

/// A child that waits for a line before it runs `script`.
fn waiting(script: &str) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("read go; {script}")]).stdin(Stdio::piped());
    command.spawn().unwrap()
}

fn let_go(child: &mut Child) {
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
}

fn add(group: &mut Group, child: &Child) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    group.add(pid, false).unwrap();
}

fn sites(needed: &[Controller], accounting: bool) -> Sites {
    collect_sites(&SysRoot::real().unwrap(), needed, accounting).unwrap()
}

fn used() {
    let limits = Limits {
        memory_bytes: Some(64 << 20),
        cpu_quota_usec: Some(20_000),
        pids: Some(5),
        ..Limits::default()
    };
    let mut group = Group::make(&sites(&limits.controllers(), true), &limits, |_| Ok(())).unwrap();
    let script = r#"perl -e 'my $x = "x" x (200 << 20)'
        perl -e 'for (1 .. 9) { my $pid = fork; last unless defined $pid; sleep 1, exit if !$pid }'
        perl -e '1 while times < 0.3'"#;
    let mut child = waiting(script);
    add(&mut group, &child);
    let_go(&mut child);
    child.wait().unwrap();
    group.kill().unwrap();
    let used = group.used();
    let directories = group.directories();
    assert!(
        directories.len() >= 5 && directories.iter().all(|one| one.is_dir()),
        "{directories:?}"
    );
    group.remove().unwrap();
    assert!(directories.iter().all(|one| !one.exists()), "{directories:?}");
    assert!(used.cpu_usec > Some(300_000), "{used:?}");
    assert!(used.cpu_user_usec > Some(0) && used.cpu_user_usec < used.cpu_usec, "{used:?}");
    assert!(used.throttled_periods > Some(0) && used.throttled_periods <= used.periods, "{used:?}");
    assert!(used.throttled_usec > Some(0), "{used:?}");
    let peak = used.memory_peak_bytes.unwrap() >> 20;
    assert!((32..=64).contains(&peak), "{used:?}");
    assert_eq!(used.oom_kills, Some(1), "{used:?}");
    assert_eq!(used.pids_peak, Some(5), "{used:?}");
    assert!(used.refused_forks > Some(0), "{used:?}");
    assert!(used.io.is_some(), "{used:?}");

    let nothing = Group::make(&sites(&[], true), &Limits::default(), |_| Ok(())).unwrap();
    assert_eq!(nothing.used().oom_kills, Some(0));
    assert_ne!(nothing.used(), Used::default());
}

/// v1 alone, and a bounded bomb that is faster than one look.
fn one_by_one() {
    let limits = Limits { pids: Some(60), ..Limits::default() };
    let mut of_v1 = sites(&limits.controllers(), false);
    of_v1.0.retain(|site| !site.is_v2);
    let mut group = Group::make(&of_v1, &limits, |_| Ok(())).unwrap();
    assert!(group.birthplace().is_none());
    let script = "exec perl -e '$SIG{CHLD} = q(IGNORE); for (1 .. 2000) { fork; select undef, undef, undef, 0.001 }'";
    let mut child = waiting(script);
    add(&mut group, &child);
    let_go(&mut child);
    let count = group.directories().pop().unwrap().join("pids.current");
    until("it has grown", || {
        std::fs::read_to_string(&count).unwrap().trim().parse::<u64>().unwrap() > 40
    });
    group.kill().unwrap();
    assert_eq!(std::fs::read_to_string(count.with_file_name("cgroup.procs")).unwrap(), "");
    child.wait().unwrap();
    let directories = group.directories();
    group.remove().unwrap();
    assert!(directories.iter().all(|one| !one.exists()), "{directories:?}");
}

fn left() {
    let limits = Limits { pids: Some(9), ..Limits::default() };
    let mut group = Group::make(&sites(&limits.controllers(), true), &limits, |_| Ok(())).unwrap();
    let mut child = waiting("sleep 1000 & sleep 1000");
    add(&mut group, &child);
    let_go(&mut child);
    let directories = group.directories();
    until("both sleep", || {
        let pids = directories.iter().find(|one| one.join("pids.current").exists()).unwrap();
        std::fs::read_to_string(pids.join("pids.current")).unwrap() == "3\n"
    });
    // As if this process had been killed.
    std::mem::forget(group);
    remove_left(&directories);
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert!(directories.iter().all(|one| !one.exists()), "{directories:?}");
}
