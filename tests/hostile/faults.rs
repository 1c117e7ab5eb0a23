//! Commands whose system calls fail: none says what is not so, and none leaves anything. `spawn` whose
//! nsx is killed at each call in turn, too.
//!
//! `cargo xtask faults` tries every fault, the suite some of them: `tally` starts the scenes in which
//! `sweep` does that; `subjects` are the commands, `answers` what they may say.

use crate::support::rootfs::mounts;
use crate::support::{Held, Need, binary, output, stderr, test, until};
use libtest_mimic::Trial;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

mod answers;
mod scene;
mod subjects;
mod sweep;
mod tally;

pub use tally::act;

const NEEDS: &[Need] = &[Need::Root, Need::Program("strace")];
const SCENE: &[Need] = &[
    Need::Root,
    Need::Program("strace"),
    Need::Program("unshare"),
    Need::Program("ip"),
    Need::Program("perl"),
    Need::Program("busybox"),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("faults: a call that fails leaves nothing of a spawned program", NEEDS, || {
            alone(|| sweep(Traced::All, &["error=EIO", "error=ENOMEM"]));
        }),
        test("faults: a command whose call fails says so, or what is so", SCENE, || {
            alone(tally::every);
        }),
        test("faults: however a spawned program ends, nothing is left", &[Need::Root], || {
            alone(ends);
        }),
        test("faults: nsx that is killed at any call leaves nothing", NEEDS, || {
            alone(|| sweep(Traced::Nsx, &["signal=KILL"]));
        }),
    ]
}

/// What one of these makes for a moment another would take for left behind.
fn alone(act: impl FnOnce()) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    act();
}

/// By itself, by a signal to it or to nsx, in time, for memory, and where it cannot begin.
fn ends() {
    let run = Run::new();
    let before = Host::look(&run.name);
    let cases: [(&[&str], &str, Option<&str>, i32); 8] = [
        (&[], "exit 7", None, 7),
        (&["--init"], "sleep 1000 & exit 7", None, 7),
        (&[], "kill -TERM $$; sleep 1000 & exit 9", None, 9),
        (
            &["--timeout=300ms", "--kill-after=300ms"],
            "trap '' TERM; sleep 1000; sleep 1000",
            None,
            124,
        ),
        (&["--memory=32M"], "x=$(head -c 200M /dev/zero | tr '\\0' x)", None, 137),
        (&["--net=veth:198.51.100.2/24,peer=nsx-faults"], "sleep 1000", Some("TERM"), 143),
        (&["--init"], "sleep 1000 & sleep 1000", Some("HUP"), 129),
        (&["--net=veth:198.51.100.2/24,peer=nsx-faults"], "sleep 1000", Some("KILL"), 137),
    ];
    for (options, script, signal, code) in cases {
        let mut command = Command::new(binary("nsx"));
        command.args(["spawn", "-pmuiC", "--pids=50", "--name", &run.name, "--pid-file"]);
        command.arg(run.directory.path().join("pid")).args(options);
        command.args(["sh", "-c", script, &run.name]);
        let mut held = Held(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        if let Some(signal) = signal {
            until("it runs", || run.directory.path().join("pid").exists());
            let pid = held.pid().to_string();
            output(Command::new("kill").args(["-s", signal, &pid]));
        }
        let status = held.0.wait().unwrap();
        let ended = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        assert_eq!(ended, Some(code), "{options:?} {script}");
        until(&format!("nothing is left of {options:?} {script}"), || run.left(&before).is_empty());
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Traced {
    /// The process that was called alone.
    Nsx,
    /// What it starts too.
    All,
}

/// What a run may leave behind, all under names of its own.
struct Run {
    directory: tempfile::TempDir,
    name: String,
}

impl Run {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("nsx-faults-{}-{number}", std::process::id());
        Self { directory: tempfile::tempdir().unwrap(), name }
    }

    /// A group, a network, a name, a pid file, an init.
    fn spawn(&self, traced: Traced, strace: &[String]) -> Output {
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", "60", "strace", "-qq", "-o"]);
        command.arg(self.trace());
        if traced == Traced::All {
            command.arg("-f");
        }
        let pid_file = self.directory.path().join("pid");
        command.args(strace).arg(binary("nsx")).args(["spawn", "--new-all", "--init"]);
        command.args([
            "--memory",
            "64M",
            "--pids",
            "50",
            "--report",
            "--timeout=10s",
            "--map-users=0:100000:9",
        ]);
        command.args(["--map-groups=0:100000:9", "--name", &self.name, "--pid-file"]);
        command.arg(pid_file).args(["sh", "-c", "sleep 0 & wait", &self.name]);
        output(&mut command)
    }

    fn trace(&self) -> PathBuf {
        self.directory.path().join("trace")
    }

    /// How often each call is made at most by one process.
    fn calls(&self, traced: Traced) -> BTreeMap<String, usize> {
        let done = self.spawn(traced, &[]);
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
        most(&std::fs::read_to_string(self.trace()).unwrap(), traced == Traced::All)
    }

    fn left(&self, before: &Host) -> Vec<String> {
        let mut left = Host::look(&self.name).differences(before);
        for entry in std::fs::read_dir("/run/nsx").into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().contains(&self.name) {
                left.push(entry.path().display().to_string());
            }
        }
        if self.directory.path().join("pid").exists() {
            left.push("its pid file".to_owned());
        }
        left
    }
}

/// How often each call is made at most by one process, by a trace of one process or of all.
pub fn most(trace: &str, has_pids: bool) -> BTreeMap<String, usize> {
    let mut each: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in trace.lines() {
        let (pid, call) = if has_pids { line.split_once(' ').unwrap() } else { ("", line) };
        let name = call.trim_start().split('(').next().unwrap();
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            *each.entry((pid, name)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, name), count) in each {
        let known: &mut usize = most.entry(name.to_owned()).or_default();
        *known = count.max(*known);
    }
    // Those that end a process cannot fail, and the first one is before nsx; a descriptor is gone
    // whatever close(2) says, and kept by one that is only said to have failed.
    for never in ["exit_group", "exit", "execve", "rt_sigreturn", "close"] {
        most.remove(never);
    }
    most
}

/// What is there of what a run could leave.
struct Host {
    mounts: String,
    interfaces: String,
    groups: Vec<String>,
    processes: Vec<String>,
}

impl Host {
    fn look(name: &str) -> Self {
        let interfaces = std::fs::read_to_string("/proc/self/net/dev").unwrap();
        let names =
            interfaces.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
        Self {
            mounts: mounts(),
            interfaces: names.collect::<Vec<_>>().join(" "),
            groups: groups(),
            processes: processes(name),
        }
    }

    fn differences(&self, before: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        if self.mounts != before.mounts {
            differences.push("a mount".to_owned());
        }
        if self.interfaces != before.interfaces {
            differences.push(format!("an interface: {}", self.interfaces));
        }
        let new = |ours: &[String], theirs: &[String]| -> Vec<String> {
            ours.iter().filter(|one| !theirs.contains(one)).cloned().collect()
        };
        differences.extend(new(&self.groups, &before.groups));
        differences.extend(new(&self.processes, &before.processes));
        differences
    }
}

/// The groups of nsx's, wherever they are.
fn groups() -> Vec<String> {
    let mut found = Vec::new();
    let mut above = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = above.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            if name.starts_with(b"nsx-") && !name.starts_with(b"nsx-test-") {
                found.push(entry.path().display().to_string());
            }
            above.push(entry.path());
        }
    }
    found
}

/// Those that run the program of a run, or are its nsx.
pub fn processes(name: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let read = entries.filter_map(|entry| {
        let bytes = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
        let is_its =
            line.contains(name) && !line.starts_with("timeout") && !line.starts_with("strace");
        is_its.then(|| format!("process {}: {line}", entry.file_name().display()))
    });
    read.collect()
}

/// One fault at a time, of those in turn.
fn sweep(traced: Traced, faults: &[&str]) {
    let run = Run::new();
    let before = Host::look(&run.name);
    let calls = run.calls(traced);
    assert!(calls.len() > 30, "{calls:?}");
    let mut failed = 0;
    for (call, count) in &calls {
        for (when, fault) in (1..=*count).zip(faults.iter().cycle()) {
            let begun = std::time::Instant::now();
            let inject = format!("inject={call}:{fault}:when={when}");
            let done = run.spawn(traced, &["-e".into(), inject.clone()]);
            let said = stderr(&done);
            assert!(!said.contains("panicked"), "{inject}: {said}");
            assert!(begun.elapsed().as_secs() < 50, "{inject}: it hangs");
            failed += usize::from(!done.status.success());
            until(&format!("nothing is left of {inject}: {:?}", run.left(&before)), || {
                run.left(&before).is_empty()
            });
        }
    }
    assert!(failed > 20, "only {failed} of them failed");
}
