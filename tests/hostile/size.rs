//! Containers that are too much: arguments, mounts, threads. Everything ends, in bounded memory, and
//! says what was cut.

use crate::support::cost;
use crate::support::{Held, Need, child_of, isolated, nsx, status, stderr, stdout, test};
use libtest_mimic::Trial;
use serde_json::Value;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

const PERL: &[Need] = &[Need::Root, Need::Program("perl"), Need::Program("prlimit")];
const HOST: &[Need] =
    &[Need::Root, Need::Program("perl"), Need::Program("nsenter"), Need::Program("unshare")];
const PRLIMIT: &[Need] = &[Need::Root, Need::Program("prlimit")];
/// Set in the environment of a container that runs this program to have many threads.
pub const ROLE: &str = "NSX_TEST_MANY_THREADS";
const THREADS: usize = 3000;
/// Address space that nsx gets: static, it needs little beside what it reads.
const MEMORY: &str = "268435456";

pub fn tests() -> Vec<Trial> {
    vec![
        test("1.4 MB of arguments are cut, and the cut is marked", PERL, arguments),
        test("20,000 mounts are all there, and the screen shows few", PERL, mounts),
        test("10,000 mounts that the host has too are told with their paths there", HOST, on_host),
        test("mounts with names of four kilobytes are cut, and the cut is marked", PERL, names),
        test("3,000 threads are one process", PRLIMIT, threads),
        test("600 processes are counted, the first in full", PERL, processes),
    ]
}

fn bounded(arguments: &[&str]) -> String {
    let nsx = nsx(arguments);
    let mut command = Command::new("prlimit");
    command.arg(format!("--as={MEMORY}")).arg(nsx.get_program()).args(nsx.get_args());
    let output = cost::bounded(&command).output;
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

fn report(pid: u32) -> Value {
    serde_json::from_str(&bounded(&["inspect", "--json", &pid.to_string()])).unwrap()
}

fn everything(pid: u32) {
    let text = pid.to_string();
    let space = std::fs::metadata(format!("/proc/{pid}/ns/pid")).unwrap().ino().to_string();
    for arguments in [
        &["ps"][..],
        &["ps", "--json"],
        &["ps", "--all"],
        &["ps", "--usage", "--interval", "0"],
        &["ns"],
        &["ns", "--all", "--threads", "--sockets", "--json"],
        &["inspect", &text],
        &["inspect", "-o", "wide", &text],
    ] {
        let said = bounded(arguments);
        // Who stands for a namespace is of the lowest pid, and numbers begin anew.
        let shown = if arguments[0] == "ns" { &space } else { &text };
        assert!(said.contains(shown.as_str()), "{arguments:?}");
    }
    bounded(&["ps", "--orphans"]);
}

fn perl(options: &[&str], script: &str, arguments: &[String]) -> (Held, u32) {
    let mut command = nsx(["spawn"]);
    command.args(options).args(["perl", "-e", script]).args(arguments);
    let (held, line) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let pid = child_of(held.pid()).unwrap();
    (held, pid)
}

fn arguments() {
    let words = vec!["w".repeat(127_000); 11];
    let (_held, pid) = perl(&["-p"], r#"$| = 1; print "ready\n"; sleep 1000"#, &words);
    everything(pid);
    let report = report(pid);
    let command = report["data"]["processes"][0]["command"].as_str().unwrap();
    assert!(command.len() < 100_000, "{}", command.len());
    let marked = report["gaps"].as_array().unwrap().iter().any(|gap| gap["reason"] == "truncated");
    assert!(marked || command.ends_with('…'), "a command line that was cut looks whole");
}

const MOUNTS: &str = r#"
    my ($mount) = @ARGV; my ($tmpfs, $base) = ("tmpfs", "/mnt");
    syscall($mount, $tmpfs, $base, $tmpfs, 0, 0) == 0 or die "mount: $!";
    for my $number (1..20000) {
        my $place = "$base/" . "directory-with-a-long-name-" x 4 . $number;
        mkdir $place or die;
        syscall($mount, $place, $place, 0, 4096, 0) == 0 or die "mount: $!";
    }
    $| = 1; print "ready\n"; sleep 1000;
"#;

fn mounts() {
    let (_held, pid) = perl(&["-m", "-n"], MOUNTS, &[libc::SYS_mount.to_string()]);
    everything(pid);
    let report = report(pid);
    assert!(report["data"]["mounts"].as_array().unwrap().len() > 20_000);
    let screen = bounded(&["inspect", &pid.to_string()]);
    assert!(screen.lines().count() < 100, "{} lines", screen.lines().count());
    let all = bounded(&["inspect", "--only", "mounts", &pid.to_string()]);
    assert!(all.lines().count() > 20_000);
}

/// A container on a machine whose first process sees as many mounts.
fn on_host() {
    let script = MOUNTS.replace("20000", "10000");
    let (_held, first) = perl(&["-p", "-m", "-n"], &script, &[libc::SYS_mount.to_string()]);
    let there = |line: &[&str]| {
        let mut command = Command::new("nsenter");
        command.args(["-t", &first.to_string(), "-p", "-m"]).args(line);
        command
    };
    let container = ["unshare", "-m", "sh", "-c", "echo ready; exec sleep 1000"];
    let (held, line) = Held::ready(there(&container).stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let pid = child_of(held.pid()).expect("nsenter forks into a pid namespace");
    let pid = status(pid, "NSpid").and_then(|all| all.split('\t').next_back().map(str::to_owned));
    let nsx = nsx(["inspect", "--json", &pid.expect("it runs")]);
    let mut command = there(&[]);
    command.arg(nsx.get_program()).args(nsx.get_args());
    let output = cost::bounded(&command).output;
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let mounts = report["data"]["mounts"].as_array().unwrap().iter();
    let mounts = mounts.filter(|mount| mount["target"].as_str().unwrap().starts_with("/mnt/dir"));
    let found: Vec<_> = mounts.map(|mount| mount["host_source"] == mount["target"]).collect();
    assert_eq!((found.len(), found.contains(&false)), (10_000, false));
}

/// Far more than is read of a list of mounts, and most of it shown as escapes.
const LONG_MOUNTS: &str = r#"
    my ($mount) = @ARGV; my ($tmpfs, $base) = ("tmpfs", "/mnt");
    syscall($mount, $tmpfs, $base, $tmpfs, 0, 0) == 0 or die "mount: $!";
    my $part = "a\x1b" x 120; my $place = $base;
    for (1..15) { $place .= "/$part"; mkdir $place or die }
    for my $number (1..4000) {
        syscall($mount, $place, $place, 0, 4096, 0) == 0 or die "mount: $!";
    }
    $| = 1; print "ready\n"; sleep 1000;
"#;

fn names() {
    let (_held, pid) = perl(&["-m", "-n"], LONG_MOUNTS, &[libc::SYS_mount.to_string()]);
    let report = report(pid);
    let gaps = report["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["what"] == "mounts" && gap["reason"] == "truncated"));
    let all = bounded(&["inspect", "--only", "mounts", &pid.to_string()]);
    assert!(all.lines().count() > 500);
}

/// What a container runs: many threads that wait.
pub fn many_threads() -> ! {
    for _ in 0..THREADS {
        let waiting = std::thread::Builder::new().stack_size(16 << 10).spawn(std::thread::park);
        waiting.expect("a thread");
    }
    println!("ready");
    loop {
        std::thread::park();
    }
}

fn threads() {
    let mut command = nsx(["spawn", "-p", "-n"]);
    command.arg(std::env::current_exe().unwrap()).env(ROLE, "1").stdin(Stdio::null());
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    let pid = child_of(held.pid()).unwrap();
    everything(pid);
    let report = report(pid);
    assert_eq!(report["data"]["processes"].as_array().unwrap().len(), 1);
    let entered = bounded(&["enter", "-t", &pid.to_string(), "-a", "echo", "in"]);
    assert_eq!(entered, "in\n");
}

fn processes() {
    let script = r#"for (1..599) { fork // die or do { sleep 1000; exit } } $| = 1; print "ready\n"; sleep 1000"#;
    let (_held, pid) = perl(&["-p", "-n"], script, &[]);
    let (_other, _) = isolated(&["-p"]);
    everything(pid);
    let rows: Value = serde_json::from_str(&bounded(&["ps", "--json"])).unwrap();
    let row = rows["data"].as_array().unwrap().iter().find(|row| row["pid"] == pid).unwrap();
    assert_eq!(row["processes"].as_array().unwrap().len(), 600);
    let report = report(pid);
    let shown = report["data"]["processes"].as_array().unwrap().len();
    let marked = report["gaps"].as_array().unwrap().iter().any(|gap| gap["reason"] == "truncated");
    assert!(shown == 600 || marked, "{shown} of 600 processes, and no word of the others");
}
