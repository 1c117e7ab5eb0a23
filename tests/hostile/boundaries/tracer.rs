//! One run of a command under ptrace(2), held at one boundary while its target is changed.

use super::scene::{Look, NUMBER, Numbered};
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout};
use nsx::sys::calls::Abi;
use nsx::sys::raw::fork::{self, Side};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::MetadataExt;

/// What came of it.
#[derive(Debug)]
pub(super) struct Run {
    pub target: Numbered,
    /// Made as soon as the number was free.
    pub decoy: Option<Numbered>,
    /// The call at which it was held, and whether the target had been pinned then. `None` if it
    /// has fewer boundaries.
    pub held: Option<(String, bool)>,
    /// What the program was in when it began.
    pub program: Option<Look>,
    /// Other programs that ran.
    pub strangers: Vec<String>,
    pub ended: String,
    pub said: String,
}

/// A file, by device and inode.
type Identity = (u64, u64);

fn identity(path: &str) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

struct Tracer {
    run: Run,
    /// Whether each has made its first stop.
    tracees: BTreeMap<Pid, bool>,
    first: Pid,
    tool: Identity,
    program: Identity,
    /// The processes that have become the program, or ended as what they are.
    through: Vec<Pid>,
    boundaries: usize,
    at: usize,
    reuse: bool,
    looked: bool,
    /// A child of nsx has been in the target's pid namespace.
    inside: bool,
    /// The target has been.
    reaped: bool,
}

/// Starts `words`, the last of which is the program, and changes the target at the boundary `at`.
pub(super) fn run(words: &[CString], at: usize, reuse: bool) -> Run {
    let target = Numbered::start("target");
    let mut said = tempfile::tempfile().unwrap();
    let first = start(words, &said);
    let path = |word: Option<&CString>| word.unwrap().to_str().unwrap().to_owned();
    let mut tracer = Tracer {
        run: Run {
            target,
            decoy: None,
            held: None,
            program: None,
            strangers: Vec::new(),
            ended: String::new(),
            said: String::new(),
        },
        tracees: BTreeMap::from([(first, true)]),
        first,
        tool: identity(&path(words.first())).unwrap(),
        program: identity(&path(words.last())).unwrap(),
        through: Vec::new(),
        boundaries: 0,
        at,
        reuse,
        looked: false,
        inside: false,
        reaped: false,
    };
    while !tracer.tracees.is_empty() {
        let status = waitpid(None, Some(WaitPidFlag::__WALL)).unwrap();
        tracer.take(status);
    }
    let Tracer { mut run, reaped, .. } = tracer;
    said.rewind().unwrap();
    said.read_to_string(&mut run.said).unwrap();
    // Whoever has the number now.
    if let Some(last) = run.decoy.as_ref().or((!reaped).then_some(&run.target)) {
        last.kill();
        last.reap();
    }
    run
}

/// Stands after its exec.
fn start(words: &[CString], said: &File) -> Pid {
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let child = match fork::fork(0).unwrap() {
        Side::Child => {
            dup2_stdin(&null).unwrap();
            dup2_stdout(&null).unwrap();
            dup2_stderr(said).unwrap();
            ptrace::traceme().unwrap();
            let environment = [CString::new("WHO=operator").unwrap()];
            let _ = nix::unistd::execve(&words[0], words, &environment);
            fork::exit_now(1)
        }
        Side::Parent(child) => child.pid,
    };
    let status = waitpid(child, None).unwrap();
    assert_eq!(status, WaitStatus::Stopped(child, Signal::SIGTRAP));
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(child, options).unwrap();
    ptrace::syscall(child, None).unwrap();
    child
}

impl Tracer {
    fn take(&mut self, status: WaitStatus) {
        match status {
            WaitStatus::PtraceSyscall(pid) => {
                if !self.through.contains(&pid) {
                    self.boundary(pid);
                }
                self.go_on(pid, None);
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                if event == Event::PTRACE_EVENT_EXEC as i32 {
                    self.becomes(pid);
                } else if let Ok(child) = ptrace::getevent(pid) {
                    let child = Pid::from_raw(i32::try_from(child).unwrap());
                    self.tracees.entry(child).or_insert(false);
                }
                self.go_on(pid, None);
            }
            WaitStatus::Stopped(pid, signal) => {
                // A new tracee begins with a stop that nobody sent.
                let is_first = !self.tracees.insert(pid, true).unwrap_or(false);
                let hidden = is_first && signal == Signal::SIGSTOP;
                self.look_where(pid);
                self.go_on(pid, (!hidden).then_some(signal));
            }
            WaitStatus::Exited(pid, code) => self.ends(pid, &format!("code {code}")),
            WaitStatus::Signaled(pid, signal, _) => {
                self.ends(pid, &format!("signal {}", signal as i32));
            }
            _ => {}
        }
    }

    /// One that was killed meanwhile has nothing to go on with.
    fn go_on(&self, pid: Pid, signal: Option<Signal>) {
        let _ = if self.through.contains(&pid) {
            ptrace::cont(pid, signal)
        } else {
            ptrace::syscall(pid, signal)
        };
    }

    fn boundary(&mut self, pid: Pid) {
        self.boundaries += 1;
        let call = || std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        if self.boundaries == self.at {
            self.run.held = Some((name_of(&call()), self.looked));
            self.change_target();
        } else if self.boundaries > self.at {
            return;
        }
        // From the next boundary on, which is the call's exit, it has happened.
        self.looked = self.looked || is_look(&call());
    }

    /// The number is free when the target is reaped: at once, unless a child of nsx is in the pid
    /// namespace that ends with it, which its own parent is to reap first.
    fn change_target(&mut self) {
        let children: Vec<Pid> = self.tracees.keys().copied().collect();
        for pid in children {
            self.look_where(pid);
        }
        self.run.target.kill();
        if !self.inside {
            self.run.target.reap();
            self.number_is_free();
        }
    }

    fn look_where(&mut self, pid: Pid) {
        self.inside = self.inside || self.run.target.look.is_in_pid_namespace_of(pid);
    }

    fn number_is_free(&mut self) {
        self.reaped = true;
        if self.reuse {
            self.run.decoy = Some(Numbered::start("decoy"));
        }
    }

    fn becomes(&mut self, pid: Pid) {
        let exe = format!("/proc/{pid}/exe");
        let file = identity(&exe);
        let name = std::fs::read_link(&exe).unwrap_or_default();
        if file == Some(self.program) {
            self.through.push(pid);
            self.run.program = Look::at(&pid.to_string());
        } else if file != Some(self.tool) && !name.starts_with("/memfd:") {
            // Sealed, nsx runs from a copy in memory.
            self.run.strangers.push(name.display().to_string());
        }
    }

    fn ends(&mut self, pid: Pid, how: &str) {
        if pid == self.run.target.pid && !self.reaped {
            self.number_is_free();
            return;
        }
        self.tracees.remove(&pid);
        if pid == self.first {
            how.clone_into(&mut self.run.ended);
        }
    }
}

/// `/proc/PID/syscall`: the number, then six arguments.
fn words(call: &str) -> impl Iterator<Item = &str> {
    call.split_whitespace()
}

fn name_of(call: &str) -> String {
    let number = words(call).next().and_then(|number| number.parse::<u32>().ok());
    let known = Abi::HERE.first().into_iter().flat_map(|abi| abi.calls());
    let named = known.into_iter().find(|(_, of)| Some(*of) == number);
    named.map_or_else(|| call.trim().to_owned(), |(name, _)| name.to_owned())
}

fn is_look(call: &str) -> bool {
    let mut words = words(call);
    let number: u32 = NUMBER.parse().unwrap();
    words.next() == Some(&libc::SYS_pidfd_open.to_string())
        && words.next() == Some(&format!("{number:#x}"))
}
