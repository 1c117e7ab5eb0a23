//! One run of a command under ptrace(2), held at one boundary while its target is changed.

use super::facts::{Look, Who};
use super::scene::{NUMBER, Numbered};
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout};
use nsx::sys::calls::Abi;
use nsx::sys::raw::fork::{self, Side};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// What happens to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is killed, and nobody waits for it before the command has ended.
    Unreaped,
    /// It is killed and reaped.
    Ended,
    /// And its number is the decoy's at once.
    Reused,
}

impl Fate {
    pub(super) const ALL: [Self; 3] = [Self::Reused, Self::Ended, Self::Unreaped];
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Run {
    pub target: Look,
    /// Made as soon as the number was free.
    pub decoy: Option<Look>,
    /// The call at which it was held, and whether the target had been pinned then. `None` if it
    /// has fewer boundaries.
    pub held: Option<(String, bool)>,
    /// How many it had.
    pub boundaries: usize,
    /// What the program was in when it began.
    pub program: Option<Look>,
    /// Other programs that ran.
    pub strangers: Vec<String>,
    pub ended: String,
    pub output: String,
    pub errors: String,
}

/// A file, by device and inode.
type Identity = (u64, u64);

fn identity(path: &str) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// One process or thread of the command.
#[derive(Debug, Default)]
struct Tracee {
    /// It has made its first stop.
    begun: bool,
    /// In a call: the next stop is its exit.
    calling: bool,
    /// The number is being looked up.
    looking: bool,
}

struct Tracer {
    target: Numbered,
    decoy: Option<Numbered>,
    run: Run,
    tracees: BTreeMap<Pid, Tracee>,
    ended: BTreeSet<Pid>,
    first: Pid,
    tool: Identity,
    program: Option<Identity>,
    /// The processes that have become the program, or ended as what they are.
    through: Vec<Pid>,
    at: usize,
    fate: Fate,
    looked: bool,
    /// A child of nsx has been in the target's pid namespace.
    inside: bool,
}

/// What is run.
#[derive(Debug)]
pub(super) struct Tool {
    pub words: Vec<CString>,
    /// The last word is a program that it runs in a place of the target's.
    pub enters: bool,
    /// In whose namespaces the target is, if they are not its own.
    pub first: Option<Numbered>,
}

/// Starts it, and changes the target at the boundary `at`, from 1 on.
pub(super) fn run(tool: &Tool, at: usize, fate: Fate) -> Run {
    let Tool { words, enters, first } = tool;
    let target = first.as_ref().map_or_else(|| Numbered::start(Who::Target), Numbered::member);
    let [mut output, mut errors] = [(); 2].map(|()| tempfile::tempfile().unwrap());
    let first = start(words, &output, &errors);
    let path = |word: Option<&CString>| word.unwrap().to_str().unwrap().to_owned();
    let mut tracer = Tracer {
        run: Run {
            target: target.look.clone(),
            decoy: None,
            held: None,
            boundaries: 0,
            program: None,
            strangers: Vec::new(),
            ended: String::new(),
            output: String::new(),
            errors: String::new(),
        },
        target,
        decoy: None,
        tracees: BTreeMap::from([(first, Tracee { begun: true, ..Tracee::default() })]),
        ended: BTreeSet::new(),
        first,
        tool: identity(&path(words.first())).unwrap(),
        program: (*enters).then(|| identity(&path(words.last())).unwrap()),
        through: Vec::new(),
        at,
        fate,
        looked: false,
        inside: false,
    };
    while !tracer.tracees.is_empty() {
        let status = waitpid(None, Some(WaitPidFlag::__WALL)).unwrap();
        tracer.take(status);
    }
    let Tracer { mut run, target, decoy, .. } = tracer;
    for (file, said) in [(&mut output, &mut run.output), (&mut errors, &mut run.errors)] {
        file.rewind().unwrap();
        file.read_to_string(said).unwrap();
    }
    // Whoever has the number now.
    if let Some(decoy) = decoy {
        decoy.end();
    }
    target.end();
    run
}

/// Stands after its exec.
fn start(words: &[CString], output: &File, errors: &File) -> Pid {
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let child = match fork::fork(0).unwrap() {
        Side::Child => {
            dup2_stdin(&null).unwrap();
            dup2_stdout(output).unwrap();
            dup2_stderr(errors).unwrap();
            ptrace::traceme().unwrap();
            let environment = [c"WHO=operator".to_owned(), c"PATH=/usr/bin:/bin".to_owned()];
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
                    // It runs before its parent tells of it, and may be through already.
                    if !self.ended.contains(&child) {
                        self.tracees.entry(child).or_default();
                    }
                }
                self.go_on(pid, None);
            }
            WaitStatus::Stopped(pid, signal) => {
                // A new tracee begins with a stop that nobody sent.
                let tracee = self.tracees.entry(pid).or_default();
                let hidden =
                    !std::mem::replace(&mut tracee.begun, true) && signal == Signal::SIGSTOP;
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

    /// Where a call begins; where it ended nothing lies between it and the next.
    fn boundary(&mut self, pid: Pid) {
        let tracee = self.tracees.entry(pid).or_default();
        tracee.calling = !tracee.calling;
        if !tracee.calling {
            self.looked |= tracee.looking;
            return;
        }
        self.run.boundaries += 1;
        if self.run.boundaries > self.at {
            return;
        }
        let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        tracee.looking = is_look(&call);
        if self.run.boundaries == self.at {
            self.run.held = Some((name_of(&call), self.looked));
            self.change_target();
        }
    }

    /// The number is free when the target is reaped: at once, unless a child of nsx is in the pid
    /// namespace that ends with it, which its own parent is to reap first, or nsx traces it.
    fn change_target(&mut self) {
        let tracees: Vec<Pid> = self.tracees.keys().copied().collect();
        for pid in tracees {
            self.look_where(pid);
        }
        let is_at_once = !self.inside && !Numbered::is_traced();
        self.target.kill();
        let patience = Duration::from_secs(if is_at_once { 60 } else { 0 });
        if self.fate == Fate::Unreaped {
            Numbered::has_ended(patience);
            return;
        }
        self.target.let_reap();
        if self.target.is_reaped(patience) {
            self.number_is_free();
        }
    }

    fn look_where(&mut self, pid: Pid) {
        let theirs = std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let theirs = theirs.map(|link| link.display().to_string());
        self.inside |= theirs.as_ref() == self.run.target.facts.get("pid");
    }

    fn number_is_free(&mut self) {
        if self.fate == Fate::Reused {
            let decoy = Numbered::start(Who::Decoy);
            self.run.decoy = Some(decoy.look.clone());
            self.decoy = Some(decoy);
        }
    }

    fn becomes(&mut self, pid: Pid) {
        let exe = format!("/proc/{pid}/exe");
        let file = identity(&exe);
        let name = std::fs::read_link(&exe).unwrap_or_default();
        if file.is_some() && file == self.program {
            self.through.push(pid);
            self.run.program = Look::at(&pid.to_string());
        } else if file != Some(self.tool) && !name.starts_with("/memfd:") {
            // Sealed, nsx runs from a copy in memory.
            self.run.strangers.push(name.display().to_string());
        }
    }

    fn ends(&mut self, pid: Pid, how: &str) {
        if self.target.has_lost(pid) {
            self.number_is_free();
            return;
        }
        self.tracees.remove(&pid);
        self.ended.insert(pid);
        if pid == self.first {
            how.clone_into(&mut self.run.ended);
        }
    }
}

/// Of `/proc/PID/syscall`: the number, then six arguments.
fn name_of(call: &str) -> String {
    let number = call.split_whitespace().next().and_then(|number| number.parse::<u32>().ok());
    let known = Abi::HERE.first().into_iter().flat_map(|abi| abi.calls());
    let named = known.into_iter().find(|(_, of)| Some(*of) == number);
    named.map_or_else(|| call.trim().to_owned(), |(name, _)| name.to_owned())
}

fn is_look(call: &str) -> bool {
    let mut words = call.split_whitespace();
    let number: u32 = NUMBER.parse().unwrap();
    words.next() == Some(&libc::SYS_pidfd_open.to_string())
        && words.next() == Some(&format!("{number:#x}"))
}
