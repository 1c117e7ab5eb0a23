//! Seccomp filters of processes that the suite gives them: what is told of them, and that a process
//! is left as it was, whatever happens while it is looked at.

use crate::support::filtered::{Filtered, PERL, deny};
use crate::support::{
    Held, Need, binary, child_of, finish, isolated, json, nsx, output, pidfd, status, stderr,
    stdout, succeeds, test, until,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

const STRACE: &[Need] = &[Need::Root, Need::Program("perl"), Need::Program("strace")];

const SETPRIV: &[Need] =
    &[Need::Root, Need::Program("perl"), Need::Program("strace"), Need::Program("setpriv")];

/// docker 20.10's own, as libseccomp made it.
const DOCKERS: &[u8] = include_bytes!("../../fuzz/corpus/seccomp/docker");

/// The worker seizes, interrupts, reads, lets go: strace holds it after the first or the second.
const SEIZED: &str = "ptrace:delay_exit=500000:when=1";
const INTERRUPTED: &str = "ptrace:delay_exit=500000:when=2";

pub fn tests() -> Vec<Trial> {
    vec![
        test("seccomp: a process that ends before the look is said to have ended", STRACE, zombie),
        test("seccomp: the calls that a filter denies are those that are told", PERL, known),
        test(
            "seccomp: the newest of several filters is the last, and its error counts",
            PERL,
            several,
        ),
        test("seccomp: every call that docker's filter is said to deny fails so", PERL, dockers),
        test("seccomp: a process without a filter is not touched", PERL, none),
        test("seccomp: a process goes on after a look at its filter", PERL, goes_on),
        test("seccomp: a stopped process stays stopped after a look at its filter", PERL, stopped),
        test("seccomp: a signal that arrives during the look is received", STRACE, signals),
        test("seccomp: a job's stop and its end arrive during the look", STRACE, stops),
        test("seccomp: nsx killed during the look leaves the process as it was", STRACE, killed),
        test("seccomp: a process that ends during the look is said to have ended", STRACE, ended),
        test("seccomp: a process that strace traces is said to be traced", STRACE, traced),
        test(
            "seccomp: an nsx with a filter of its own says so, and stops nothing",
            PERL,
            own_filter,
        ),
        test(
            "seccomp: without CAP_SYS_ADMIN a filter is denied, and nothing is stopped",
            SETPRIV,
            no_capability,
        ),
    ]
}

fn report(pid: u32) -> Value {
    json(&mut nsx(["inspect", &pid.to_string(), "--only", "security", "--seccomp", "--json"]))
}

fn dump(report: &Value) -> &Value {
    &report["data"]["security"]["seccomp_dump"]
}

fn gap(report: &Value) -> (&str, &str) {
    let [gap] = report["gaps"].as_array().unwrap().as_slice() else { panic!("{}", report["gaps"]) };
    assert_eq!(gap["what"], "seccomp filters");
    (gap["object"].as_str().unwrap(), gap["reason"].as_str().unwrap())
}

/// Of this machine's own calls.
fn calls(report: &Value) -> &Vec<Value> {
    let calls = dump(report)["architectures"][0]["calls"].as_array();
    calls.unwrap_or_else(|| panic!("{}", report["gaps"]))
}

fn state(pid: u32) -> char {
    status(pid, "State").and_then(|state| state.chars().next()).unwrap_or('-')
}

fn tracer(pid: u32) -> String {
    status(pid, "TracerPid").unwrap_or_default()
}

fn known() {
    let denied = [libc::SYS_bpf, libc::SYS_keyctl, libc::SYS_mount];
    let target = Filtered::start(&[deny(&denied, libc::EXDEV)]);
    let report = report(target.pid());
    assert_eq!(report["gaps"], json!([]));
    let told: Vec<_> = calls(&report)
        .iter()
        .map(|call| (call["name"].as_str().unwrap(), call["errno"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("bpf", "EXDEV"), ("keyctl", "EXDEV"), ("mount", "EXDEV")]);
    assert_eq!(dump(&report)["filters"][0]["program"][0], "ld [0]");
    assert_eq!(dump(&report)["filters"][0]["logs"], false);
    // Where this runs there may be no checkout.
    let schema = include_str!("../../docs/schema/nsx.inspect.1.json");
    let schema = serde_json::from_str(schema).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = schema.iter_errors(&report).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    let screen = ["inspect", &target.pid().to_string(), "--seccomp"];
    let screen = succeeds(&mut nsx(screen));
    assert!(screen.contains("errno EXDEV 3: bpf keyctl mount"), "{screen}");
}

fn several() {
    let older = deny(&[libc::SYS_bpf, libc::SYS_mount], libc::EXDEV);
    let newer = deny(&[libc::SYS_bpf], libc::EDOM);
    let mut target = Filtered::start(&[older, newer]);
    let report = report(target.pid());
    let lengths: Vec<_> = dump(&report)["filters"].as_array().unwrap().iter().collect();
    let lengths: Vec<_> = lengths.iter().map(|filter| &filter["instructions"]).collect();
    assert_eq!(lengths, [&json!(5), &json!(4)], "the oldest first");
    for call in calls(&report) {
        let number = call["number"].as_i64().unwrap();
        assert_eq!(i64::from(target.call(number)), call["data"].as_i64().unwrap(), "{call}");
    }
    assert_eq!(calls(&report).len(), 2);
}

/// Made without arguments, in a process that could do no harm if one went through.
fn dockers() {
    let mut target = Filtered::start(&[DOCKERS.to_vec()]);
    let report = report(target.pid());
    let names: BTreeSet<_> =
        calls(&report).iter().map(|call| call["name"].as_str().unwrap()).collect();
    for name in ["bpf", "keyctl", "mount", "clone3", "unshare", "setns", "reboot", "kexec_load"] {
        assert!(names.contains(name), "{name} of {names:?}");
    }
    let mut tried = 0;
    for call in calls(&report).iter().filter(|call| call["conditional"] == false) {
        let number = call["number"].as_i64().unwrap();
        assert_eq!(i64::from(target.call(number)), call["data"].as_i64().unwrap(), "{call}");
        tried += 1;
    }
    assert!(tried > 80, "{tried}");
    for allowed in [libc::SYS_getpid, libc::SYS_getppid, libc::SYS_sched_yield] {
        assert_eq!(target.call(allowed), 0);
    }
}

fn none() {
    let (_held, pid) = isolated(&["-p"]);
    let report = report(pid);
    assert_eq!((dump(&report), &report["gaps"]), (&Value::Null, &json!([])));
}

fn goes_on() {
    let mut target = Filtered::start(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
    for _ in 0..20 {
        assert_eq!(calls(&report(target.pid())).len(), 1);
        assert_eq!((target.call(libc::SYS_bpf), target.call(libc::SYS_getpid)), (libc::EDOM, 0));
        assert_eq!(tracer(target.pid()), "0");
    }
}

fn stopped() {
    let mut target = Filtered::start(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
    target.signal(libc::SIGSTOP);
    until("it is stopped", || state(target.pid()) == 'T');
    assert_eq!(calls(&report(target.pid())).len(), 1);
    assert_eq!((state(target.pid()), tracer(target.pid()).as_str()), ('T', "0"));
    target.signal(libc::SIGCONT);
    assert_eq!(target.call(libc::SYS_bpf), libc::EDOM);
}

/// nsx, whose worker strace holds.
fn look(pid: u32, inject: &str) -> Child {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=ptrace", "-e"]);
    strace.arg(format!("inject={inject}")).arg(binary("nsx"));
    strace.args(["inspect", &pid.to_string(), "--only", "security", "--seccomp", "--json"]);
    strace.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    strace.spawn().unwrap()
}

fn signals() {
    for inject in [SEIZED, INTERRUPTED] {
        for signal in [libc::SIGUSR1, libc::SIGRTMIN() + 6] {
            let mut target = Filtered::start(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
            let looking = look(target.pid(), inject);
            until("it is traced", || tracer(target.pid()) != "0");
            if inject == INTERRUPTED {
                until("it is stopped by us", || state(target.pid()) == 't');
            }
            target.signal(signal);
            let output = finish(looking);
            let end = target.wait();
            assert_eq!(end.signal(), Some(signal), "{inject}: {end}: {}", stderr(&output));
        }
    }
}

fn stops() {
    let mut target = Filtered::start(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
    for (signal, expected) in [(libc::SIGSTOP, 'T'), (libc::SIGCONT, 'S')] {
        for inject in [SEIZED, INTERRUPTED] {
            let looking = look(target.pid(), inject);
            until("it is traced", || tracer(target.pid()) != "0");
            target.signal(signal);
            let output = finish(looking);
            let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
            assert_eq!(calls(&report).len(), 1, "{inject}");
            until("it is as it was told to be", || state(target.pid()) == expected);
            assert_eq!(tracer(target.pid()), "0");
        }
    }
    assert_eq!(target.call(libc::SYS_bpf), libc::EDOM);
}

fn killed() {
    let mut target = Filtered::start(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
    for was in ['S', 'T'] {
        if was == 'T' {
            target.signal(libc::SIGSTOP);
            until("it is stopped", || state(target.pid()) == 'T');
        }
        let looking = look(target.pid(), INTERRUPTED);
        until("it is stopped by us", || state(target.pid()) == 't');
        let nsx = pidfd(child_of(looking.id()).unwrap()).unwrap();
        rustix::process::pidfd_send_signal(&nsx, rustix::process::Signal::KILL).unwrap();
        until("it is let go", || tracer(target.pid()) == "0" && state(target.pid()) == was);
        finish(looking);
        assert_eq!(state(target.pid()), was);
    }
    target.signal(libc::SIGCONT);
    assert_eq!(target.call(libc::SYS_bpf), libc::EDOM);
}

fn ended() {
    for inject in [SEIZED, INTERRUPTED] {
        let mut target = Filtered::start(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
        let looking = look(target.pid(), inject);
        until("it is traced", || tracer(target.pid()) != "0");
        target.signal(libc::SIGKILL);
        target.wait();
        let output = finish(looking);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert!(stderr(&output).contains("No such process"), "{}", stderr(&output));
    }
}

fn traced() {
    let mut target = Filtered::start(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-o", "/dev/null", "-p", &target.pid().to_string()]);
    let strace = Held(strace.spawn().unwrap());
    until("it is traced", || tracer(target.pid()) == strace.pid().to_string());
    let report = report(target.pid());
    let object = format!("pid {}, which pid {} traces,", target.pid(), strace.pid());
    assert_eq!(gap(&report), (object.as_str(), "denied"));
    assert_eq!(tracer(target.pid()), strace.pid().to_string(), "it still is");
    assert_eq!(target.call(libc::SYS_bpf), libc::EDOM);
}

/// It has ended and its parent, the test, has not collected it.
fn zombie() {
    let target = Filtered::start(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
    let looking = look(target.pid(), "ptrace:delay_enter=2000000:when=1");
    until("nsx is about to trace it", || {
        let worker = child_of(looking.id()).and_then(child_of);
        let call = worker.map(|pid| std::fs::read_to_string(format!("/proc/{pid}/syscall")));
        matches!(call, Some(Ok(call)) if call.starts_with(&format!("{} ", libc::SYS_ptrace)))
    });
    target.signal(libc::SIGKILL);
    until("it has ended", || state(target.pid()) == 'Z');
    let output = finish(looking);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("No such process"), "{}", stderr(&output));
}

fn own_filter() {
    let target = Filtered::start(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
    // ptrace itself kills: it is not tried.
    let filter = deny(&[libc::SYS_ptrace], libc::EDOM);
    let mut command = Filtered::command(&[filter]);
    command.arg(binary("nsx"));
    command.args(["inspect", &target.pid().to_string(), "--only=security", "--seccomp", "--json"]);
    let report = json(&mut command);
    let object = format!("pid {}, since nsx has a filter itself,", target.pid());
    assert_eq!(gap(&report), (object.as_str(), "denied"));
}

fn no_capability() {
    let target = Filtered::start(&[deny(&[libc::SYS_bpf], libc::EDOM)]);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=ptrace", "setpriv", "--bounding-set=-sys_admin"]);
    command.arg(binary("nsx"));
    command.args(["inspect", &target.pid().to_string(), "--only=security", "--seccomp", "--json"]);
    let output = output(&mut command);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(gap(&report), (format!("pid {}", target.pid()).as_str(), "denied"));
    assert!(!stderr(&output).contains("ptrace("), "{}", stderr(&output));
}
