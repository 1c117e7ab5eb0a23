//! Each system call of a command fails, one position and one errno a run, under strace.
//!
//! A position is the Nth call of a name in any one process of nsx's; where several get that far it
//! fails in each of them. What a run says is held against what the command says undisturbed.

use super::answers::{Answer, Known};
use super::scene::Scene;
use super::subjects::{MARK, Shows, Subject};
use crate::support::{ends_within, find, pidfd};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Those that the kernel gives and that programs treat differently.
pub const ERRNOS: [&str; 10] =
    ["EINTR", "EAGAIN", "ENOMEM", "EIO", "EPERM", "EACCES", "ENOENT", "ESRCH", "EMFILE", "ENOSYS"];
/// The start of nsx itself, as strace sees it, and the end, which cannot fail. strace does not make a
/// call that it lets fail: a close that closes nothing is no kernel's, and neither is a return from a
/// signal that does not return. The last cannot fail with such arguments as these.
///
/// brk answers with where the heap ends and never with an errno; the C library's start dies where
/// the next two fail, before nsx has begun. A futex that wakes nobody leaves who waits for it, and the
/// kernel has no such answer.
const NEVER: [&str; 21] = [
    "execve",
    "exit_group",
    "exit",
    "close",
    "rt_sigreturn",
    "restart_syscall",
    "brk",
    "futex",
    "arch_prctl",
    "mprotect",
    "getrandom",
    "uname",
    "geteuid",
    "getegid",
    "getuid",
    "getgid",
    "getppid",
    "getpid",
    "gettid",
    "umask",
    "prlimit64",
];
/// What waits fails for a signal and for nothing else, which the standard library and tokio rely on.
const INTERRUPTED: [&str; 5] = ["clock_nanosleep", "epoll_pwait", "epoll_wait", "wait4", "waitid"];
/// The kernel says of what is there never that it is not, and then nothing is left to remove.
const REMOVES: [&str; 3] = ["rmdir", "unlink", "unlinkat"];
/// A command that takes longer hangs, however busy the machine is.
const BOUND: Duration = Duration::from_secs(40);

#[derive(Clone, Debug)]
pub struct Fault {
    pub call: String,
    pub when: usize,
    pub errno: &'static str,
}

/// Which faults a scene tries.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub job: usize,
    pub jobs: usize,
    /// Of each call one position and one errno.
    pub sampled: bool,
}

impl Share {
    fn faults(self, calls: &BTreeMap<String, Vec<usize>>, nth_subject: usize) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (nth, (call, positions)) in calls.iter().enumerate() {
            let turn = nth_subject * 31 + nth * 7;
            let possible = if INTERRUPTED.contains(&call.as_str()) { 1 } else { ERRNOS.len() };
            for (place, when) in positions.iter().copied().enumerate() {
                for (at, errno) in ERRNOS.into_iter().enumerate().take(possible) {
                    let chosen = !self.sampled
                        || (turn.is_multiple_of(3)
                            && place == turn % positions.len()
                            && at == (turn / 3) % possible);
                    let is_lie = errno == "ENOENT" && REMOVES.contains(&call.as_str());
                    if chosen && !is_lie && (when + at) % self.jobs == self.job {
                        faults.push(Fault { call: call.clone(), when, errno });
                    }
                }
            }
        }
        faults
    }
}

/// Tries what is this job's of a subject, and tells each run, a line each.
pub fn sweep(scene: &Scene, subject: &Subject, nth: usize, share: Share, tell: impl Fn(Value)) {
    let (first, calls) = trace(scene, subject);
    let mut known = Known::new(subject.shows, &first);
    // What is another number each time is no answer.
    for _ in 0..2 {
        known.learn(&run(scene, subject, None));
    }
    let total: usize = calls.values().map(Vec::len).sum();
    tell(json!({"command": subject.command, "line": subject.line, "calls": calls.len(),
        "positions": total, "undisturbed": known.code()}));
    for fault in share.faults(&calls, nth) {
        let before = Scene::mark();
        let begun = Instant::now();
        let answer = run(scene, subject, Some(&fault));
        let mut verdict = known.judge(&answer, &fault);
        let left = scene.left(&before);
        if verdict.is_err() {
            // Time passes: is it the fault, and not the hour?
            known.learn(&run(scene, subject, None));
            verdict = known.judge(&answer, &fault);
            if verdict.is_err() {
                verdict = known.judge(&run(scene, subject, Some(&fault)), &fault);
            }
            scene.end_strangers();
        }
        let mut violation = verdict.err();
        // Who is told that there is nothing removes nothing.
        let is_lie = fault.errno == "ENOENT" && fault.call == "newfstatat";
        if !left.is_empty() && !is_lie {
            violation = Some(format!("left: {}", left.join(", ")));
        }
        tell(json!({"call": fault.call, "when": fault.when, "errno": fault.errno,
            "ended": answer.ended(), "violation": violation, "said": answer.stderr,
            "milliseconds": begun.elapsed().as_millis()}));
    }
    tell(json!({"volatile": known.volatile()}));
}

const TRACE: &str = "/run/sweep/trace";

/// An undisturbed run, and which of each call any one process of nsx's makes: the first, the second, …
fn trace(scene: &Scene, subject: &Subject) -> (Answer, BTreeMap<String, Vec<usize>>) {
    let answer = strace(scene, &["-y", "-o", TRACE], &subject.words);
    let trace = std::fs::read(TRACE).unwrap();
    let trace = String::from_utf8_lossy(&trace);
    let mut each: HashMap<(&str, &str), usize> = HashMap::new();
    let (mut known, mut programs) = (BTreeSet::new(), BTreeSet::new());
    let mut positions: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let (mut first, mut starts) = (None, BTreeSet::new());
    for line in trace.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let Some((name, rest)) = call.trim_start().split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let is_nsx = rest.starts_with(&format!("\"{}\"", subject.words[0]));
        // What begins after the program is the program's.
        let is_new = known.insert(pid);
        if is_new && !programs.is_empty() || name == "execve" && rest.contains(MARK) && !is_nsx {
            programs.insert(pid);
        }
        let count = each.entry((pid, name)).or_default();
        *count += 1;
        if programs.contains(pid) {
            continue;
        }
        // musl asks for one page before it says where a thread's variables are, and dies without.
        match name {
            "mmap" => first = Some(*count),
            "arch_prctl" => starts.extend(first.take()),
            _ => {}
        }
        // tokio wakes itself by what can be written to for ever.
        let is_wake = name == "write" && rest.contains("[eventfd");
        if !NEVER.contains(&name) && !is_wake {
            positions.entry(name.to_owned()).or_default().insert(*count);
        }
    }
    if let Some(positions) = positions.get_mut("mmap") {
        positions.retain(|count| !starts.contains(count));
    }
    let mut most: BTreeMap<String, Vec<usize>> = positions
        .into_iter()
        .map(|(name, positions)| (name, positions.into_iter().collect()))
        .collect();
    if subject.shows == Shows::Program {
        // The program's own start, which is told by what is started.
        most.insert("execve".to_owned(), vec![1]);
    }
    (answer, most)
}

fn run(scene: &Scene, subject: &Subject, fault: Option<&Fault>) -> Answer {
    // Undisturbed it is traced too: strace is one of the processes that it sees.
    let call = fault.map_or("exit", |fault| &fault.call);
    let traced = format!("trace={call}");
    let mut options = vec!["-o", "/dev/null", "-e", &traced];
    if subject.shows == Shows::Program {
        // What the program calls is its own.
        options.extend(["-b", "execve"]);
    } else if !subject.line.contains("--seccomp") {
        // Quicker, by a filter that a program would have too, and that keeps nsx from seeing others.
        options.push("--seccomp-bpf");
    }
    let inject =
        fault.map(|Fault { call, when, errno }| format!("inject={call}:error={errno}:when={when}"));
    if let Some(inject) = &inject {
        options.extend(["-e", inject]);
    }
    let shell = find("sh").unwrap();
    if call == "execve" {
        for path in [shell.to_str().unwrap(), "/bin/sh"] {
            options.extend(["-P", path]);
        }
    }
    strace(scene, &options, &subject.words)
}

fn strace(scene: &Scene, options: &[&str], words: &[String]) -> Answer {
    let [out, err] = ["/run/sweep/out", "/run/sweep/err"];
    let mut command = Command::new("strace");
    command.args(["-f", "-qqq", "-e", "signal=none"]).args(options).args(words);
    command.stdin(Stdio::null());
    command.stdout(File::create(out).unwrap()).stderr(File::create(err).unwrap());
    let mut child = command.spawn().unwrap();
    let pinned = pidfd(child.id()).unwrap();
    let late = !ends_within(&pinned, BOUND);
    if late {
        scene.end_strangers();
    }
    let status = child.wait().unwrap();
    let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    Answer {
        code: status.code(),
        signal: status.signal(),
        late,
        stdout: read(out),
        stderr: read(err),
    }
}
