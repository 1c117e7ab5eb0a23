//! What the system calls of `enter` and `spawn` must look like until the program runs: one thread,
//! one pidfd, one join, nothing readable, nothing opened.

use crate::support::{Need, binary, isolated, nsx, output, stderr, stdout, succeeds, test};
use libtest_mimic::Trial;
use std::process::Command;

const STRACE: &[Need] = &[Need::Root, Need::Program("strace")];
const PERL: &[Need] = &[Need::Root, Need::Program("perl")];

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "enter joins once, through the one pidfd it looked the target up with",
            STRACE,
            joins_once,
        ),
        test(
            "enter is not dumpable from before the join until its program runs",
            STRACE,
            undumpable,
        ),
        test("enter opens nothing between the join and its program", STRACE, opens_nothing),
        test("enter and spawn start no thread", STRACE, one_thread),
        test("nobody in the target gets a handle of nsx", STRACE, no_handle),
        test("who makes a /proc for the tools is as protected as a program", STRACE, tools),
        test("spawn is not dumpable until its program runs", STRACE, spawn_undumpable),
        test("the program itself can be traced and dumped as anywhere else", PERL, dumpable_again),
    ]
}

const WAYS: [&[&str]; 8] = [
    &["-n"],
    &["-p"],
    &["-m"],
    &["-a"],
    &["-a", "-e", "--wd=/usr"],
    &["-a", "--as-target"],
    &["-a", "-c", "-S", "0"],
    &["-a", "--user=0:0", "--timeout=60"],
];

/// The calls of every process of nsx, in order, up to the exec of the program.
fn calls(arguments: &[&str]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("calls");
    // With core files to take from nsx.
    let mut strace = Command::new("sh");
    strace.args(["-c", "ulimit -c unlimited; exec strace \"$@\"", "sh"]);
    strace.args(["-f", "-qq", "-o"]).arg(&log).arg(binary("nsx")).args(arguments).arg("/bin/true");
    let output = output(&mut strace);
    assert!(output.status.success(), "{}", stderr(&output));
    let log = std::fs::read_to_string(log).unwrap();
    // Each line begins with the pid.
    let calls = log.lines().map(|line| line.split_once(' ').unwrap().1.trim_start().to_owned());
    let mut own: Vec<String> = calls.collect();
    let program = own.iter().rposition(|call| call.starts_with("execve(\"/bin/true\"")).unwrap();
    own.truncate(program + 1);
    own
}

fn enter(target: u32, way: &[&str]) -> Vec<String> {
    let target = target.to_string();
    calls(&[&["enter", "-t", &target], way].concat())
}

fn places(calls: &[String], beginning: &str) -> Vec<usize> {
    (0..calls.len()).filter(|at| calls[*at].starts_with(beginning)).collect()
}

fn joins_once() {
    let (_held, target) = isolated(&["-p", "-n", "-u"]);
    for way in WAYS {
        let calls = enter(target, way);
        let pinned = places(&calls, &format!("pidfd_open({target},"));
        let joined = places(&calls, "setns(");
        assert_eq!((pinned.len(), joined.len()), (1, 1), "{way:?}");
        let pidfd = calls[pinned[0]].rsplit("= ").next().unwrap().trim();
        assert!(calls[joined[0]].starts_with(&format!("setns({pidfd},")), "{}", calls[joined[0]]);
        // Held all the time: it is closed by nobody in between.
        let closed = places(&calls[pinned[0]..joined[0]], &format!("close({pidfd})"));
        assert!(closed.is_empty(), "{way:?}");
    }
}

fn undumpable() {
    let (_held, target) = isolated(&["-p", "-n", "-U"]);
    for way in WAYS {
        let calls = enter(target, way);
        let joined = places(&calls, "setns(")[0];
        let protected = places(&calls, "prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE");
        assert!(protected.first().is_some_and(|at| *at < joined), "{way:?}");
        assert_eq!(
            places(&calls, "prctl(PR_SET_DUMPABLE, SUID_DUMP_USER"),
            [] as [usize; 0],
            "{way:?}"
        );
        // No core file either, until the last steps.
        let no_core = places(&calls, "prlimit64(0, RLIMIT_CORE, {rlim_cur=0");
        assert!(no_core.first().is_some_and(|at| *at < joined), "{way:?}");
        // Changing ids makes a process dumpable again on some hosts.
        if let Some(changed) = places(&calls, "setresuid(").last() {
            assert!(protected.iter().any(|at| at > changed), "{way:?}");
        }
    }
}

fn opens_nothing() {
    let (_held, target) = isolated(&["-p", "-n", "-U"]);
    for way in WAYS {
        let calls = enter(target, way);
        let joined = places(&calls, "setns(")[0];
        for call in &calls[joined..calls.len() - 1] {
            let opens = [
                "open(",
                "openat(",
                "openat2(",
                "readlink",
                "stat(",
                "newfstatat(",
                "access(",
                "faccessat",
                "socket(",
            ];
            assert!(!opens.iter().any(|name| call.starts_with(name)), "{way:?}: {call}");
        }
        let closing = places(&calls, "close_range(3, 4294967295, CLOSE_RANGE_CLOEXEC");
        assert_eq!(closing.len(), 1, "{way:?}");
    }
}

fn one_thread() {
    let (_held, target) = isolated(&["-p", "-n"]);
    let mut all: Vec<Vec<String>> = WAYS.iter().map(|way| enter(target, way)).collect();
    all.push(calls(&["spawn", "-p", "-u", "-m"]));
    for calls in all {
        for call in &calls {
            let starts =
                ["clone(", "clone3(", "vfork(", "fork("].iter().any(|name| call.starts_with(name));
            let shares = call.contains("CLONE_VM") || call.contains("CLONE_THREAD");
            assert!(!(starts && shares), "{call}");
        }
    }
}

/// By a pidfd its descriptors could be had.
fn no_handle() {
    let (_held, target) = isolated(&["-p", "-m"]);
    let ways: [&[&str]; 4] = [&["-p"], &["-m", "-p"], &["-a"], &["-a", "--init"]];
    for way in ways {
        let calls = enter(target, way);
        let joined = places(&calls, "setns(")[0];
        let pinned = places(&calls[..joined], "pidfd_open(");
        assert_eq!(pinned.len(), 1, "{way:?}: the target alone");
    }
}

fn tools() {
    let (_held, target) = isolated(&["-p", "-m"]);
    for way in [&["-m", "--tools"][..], &["-m", "-p", "--tools"], &["-m", "--tools-inside"]] {
        let calls = enter(target, way);
        let first = |call: &str| places(&calls, call).first().copied().unwrap_or(usize::MAX);
        let joined = first("setns(");
        assert!(joined < calls.len(), "{way:?}");
        assert!(first("execveat(") < joined, "{way:?}: sealed");
        assert!(first("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE") < joined, "{way:?}");
        assert!(first("close_range(0, ") < joined, "{way:?}: it has nothing of ours");
    }
}

fn spawn_undumpable() {
    for way in [&["-p"][..], &["-U", "-p", "-n"], &["--new-all"]] {
        let calls = calls(&[&["spawn"], way].concat());
        let protected = places(&calls, "prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE");
        let started = *places(&calls, "clone3(").last().unwrap();
        assert!(protected.first().is_some_and(|at| *at < started), "{way:?}");
        assert!(protected.last().is_some_and(|at| *at > started), "{way:?}: and in the child");
    }
}

/// prctl(PR_GET_DUMPABLE) says 1.
fn dumpable_again() {
    let (_held, target) = isolated(&["-p", "-n", "-U"]);
    let target = target.to_string();
    let ask = format!("print syscall({}, 3)", libc::SYS_prctl);
    for way in WAYS {
        let mut command = nsx(["enter", "-t", &target]);
        let output = output(command.args(way).args(["perl", "-e", &ask]));
        assert_eq!(stdout(&output), "1", "{way:?}: {}", stderr(&output));
    }
    assert_eq!(succeeds(&mut nsx(["spawn", "-U", "-p", "perl", "-e", &ask])), "1");
}
