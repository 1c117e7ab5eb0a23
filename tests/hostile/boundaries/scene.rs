//! A pid namespace in which this program is the first process and nobody else takes numbers: the
//! target, and the decoy that gets its number once it has gone.

use super::facts::{self, Look, Who};
use crate::support::KINDS;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid};
use nsx::sys::raw::fork::{self, Side};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The target's, and the decoy's.
pub(super) const NUMBER: &str = "1000";
/// The target's name, by which the decoy cannot be found.
pub(super) const NAME: &str = "race-target";
/// Of the process in whose namespaces the target is, where it is a member of a container.
const FIRST: &str = "900";
/// Where the control groups of both are, and the programs that they run.
pub(super) const GROUPS: &str = "NSX_TEST_BOUNDARIES_GROUPS";
pub(super) const PROGRAMS: &str = "NSX_TEST_BOUNDARIES_PROGRAMS";

/// All of it is new for the target, and again for the decoy.
const NEW: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWTIME;

/// A process with a number that was chosen, started by one that reaps it when it is told to: until
/// then it has ended and is there.
#[derive(Debug)]
pub(super) struct Numbered {
    number: &'static str,
    pub look: Look,
    keeper: Pid,
    reap: Option<File>,
    is_over: bool,
    /// Held, for the numbers of namespaces are used again too, and the decoy's must be others.
    _namespaces: Vec<File>,
}

impl Numbered {
    /// In namespaces of its own.
    pub(super) fn start(who: Who) -> Self {
        Self::of(NUMBER, who, None)
    }

    /// What the target may be a member of.
    pub(super) fn first() -> Self {
        Self::of(FIRST, Who::Target, None)
    }

    /// In the namespaces of that one.
    pub(super) fn member(&self) -> Self {
        Self::of(NUMBER, Who::Target, Some(self))
    }

    fn of(number: &'static str, who: Who, first: Option<&Self>) -> Self {
        let [(told, reap), (ready, done)] = [(); 2]
            .map(|()| rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe"));
        let keeper = match fork::fork(0).unwrap() {
            Side::Child => {
                drop((reap, ready));
                keep(&Start { number, who, first }, done.into(), told.into());
            }
            Side::Parent(child) => child.pid,
        };
        drop((told, done));
        let mut word = String::new();
        File::from(ready).read_to_string(&mut word).unwrap();
        assert_eq!(word, "ready", "{who:?} did not start");
        let look = Look::at(number).unwrap();
        let file = |kind| File::open(format!("/proc/{number}/ns/{kind}")).unwrap();
        let namespaces = KINDS.into_iter().map(file).collect();
        let reap = Some(reap.into());
        Self { number, look, keeper, reap, is_over: false, _namespaces: namespaces }
    }

    /// Once it has ended nobody else has its number, until it is reaped.
    pub(super) fn kill(&self) {
        let _ = kill(Pid::from_raw(self.number.parse().unwrap()), Signal::SIGKILL);
    }

    /// As soon as that is possible.
    pub(super) fn let_reap(&mut self) {
        drop(self.reap.take());
    }

    /// Whether it has been reaped by now, or soon: not where somebody else is to wait for something
    /// before that.
    pub(super) fn is_reaped(&mut self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while !self.is_over {
            let waited = waitpid(self.keeper, Some(WaitPidFlag::WNOHANG)).unwrap();
            self.is_over = waited != WaitStatus::StillAlive;
            if Instant::now() >= end {
                break;
            }
            std::thread::sleep(Duration::from_micros(if self.is_over { 0 } else { 200 }));
        }
        self.is_over
    }

    /// Whether that process was its keeper, who ends when he has reaped it.
    pub(super) fn has_lost(&mut self, pid: Pid) -> bool {
        let is_it = pid == self.keeper && !self.is_over;
        self.is_over |= is_it;
        is_it
    }

    pub(super) fn end(mut self) {
        if !self.is_over {
            self.kill();
            self.let_reap();
            waitpid(self.keeper, None).unwrap();
        }
    }

    /// For children only where it is the pid namespace.
    fn join(&self) {
        let kinds = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWPID;
        let number = rustix::process::Pid::from_raw(self.number.parse().unwrap()).unwrap();
        let pidfd = rustix::process::pidfd_open(number, rustix::process::PidfdFlags::empty());
        setns(pidfd.unwrap(), kinds).unwrap();
    }

    /// Waits until the target is a zombie: a signal takes effect later than it is sent.
    pub(super) fn has_ended(patience: Duration) {
        let end = Instant::now() + patience;
        while !status("State").is_some_and(|state| state.starts_with('Z')) && Instant::now() < end {
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Somebody traces it, and is to wait for it first.
    pub(super) fn is_traced() -> bool {
        status("TracerPid").is_some_and(|tracer| tracer != "0")
    }
}

/// Of the target.
fn status(field: &str) -> Option<String> {
    crate::support::status(NUMBER.parse().unwrap(), field)
}

struct Start<'a> {
    number: &'static str,
    who: Who,
    first: Option<&'a Numbered>,
}

/// The parent of such a process: says when it is ready, and waits for it when it is told.
fn keep(start: &Start<'_>, mut done: File, mut told: File) -> ! {
    let who = start.who;
    let number: i32 = start.number.parse().unwrap();
    let [(go, told_child), (running, run)] = [(); 2]
        .map(|()| rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe"));
    std::fs::write("/proc/sys/kernel/ns_last_pid", (number - 1).to_string()).unwrap();
    let new = match start.first {
        Some(first) => {
            first.join();
            0
        }
        None => NEW,
    };
    let pid = match fork::fork(u64::from(new.cast_unsigned())).unwrap() {
        Side::Child => {
            drop((told_child, running, done, told));
            // Until it has its ids.
            let _ = File::from(go).read(&mut [0]);
            if start.first.is_none() {
                furnish(who);
            }
            become_it(who);
        }
        Side::Parent(child) => child.pid,
    };
    drop((go, run));
    assert_eq!(pid.as_raw(), number, "another process took the number");
    if start.first.is_none() {
        for file in ["uid_map", "gid_map"] {
            std::fs::write(format!("/proc/{pid}/{file}"), "0 0 4294967295").unwrap();
        }
    }
    std::fs::write(format!("/proc/{pid}/oom_score_adj"), facts::oom_score(who)).unwrap();
    let groups = PathBuf::from(std::env::var_os(GROUPS).unwrap());
    let group = groups.join(facts::group(who)).join("cgroup.procs");
    std::fs::write(group, pid.to_string()).unwrap();
    File::from(told_child).write_all(b"!").unwrap();
    // Its end of the pipe closes when it has become the program.
    let _ = File::from(running).read(&mut [0]);
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    if environment == format!("WHO={}\0", facts::word(who)).as_bytes() {
        done.write_all(b"ready").unwrap();
    }
    drop(done);
    let _ = told.read(&mut [0]);
    waitpid(pid, None).unwrap();
    fork::exit_now(0)
}

/// Gives each new namespace something of its own.
fn furnish(who: Who) {
    let disk = Path::new("/mnt");
    let none: Option<&str> = None;
    nix::unistd::sethostname(facts::host(who)).unwrap();
    mount(Some(facts::disk(who).as_str()), disk, Some("tmpfs"), MsFlags::empty(), none).unwrap();
    std::fs::write(disk.join("who"), facts::word(who)).unwrap();
    let resolver = disk.join("resolv.conf");
    std::fs::write(&resolver, format!("nameserver {}\n", facts::resolver(who))).unwrap();
    mount(Some(&resolver), "/etc/resolv.conf", none, MsFlags::MS_BIND, none).unwrap();
    let mut ip = Command::new("ip");
    ip.args(["address", "add", &facts::address(who), "dev", "lo"]);
    assert!(ip.status().unwrap().success());
    // Kept open over exec, by whoever is its last owner.
    let listener = TcpListener::bind(("0.0.0.0", facts::port(who))).unwrap();
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
    std::mem::forget(listener);
}

/// Becomes a program that sleeps.
fn become_it(who: Who) -> ! {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_NOFILE, facts::files(who), facts::files(who)).unwrap();
    let id = facts::id(who);
    nix::unistd::setgroups(&[Gid::from_raw(id + 2)]).unwrap();
    nix::unistd::setgid(Gid::from_raw(id + 1)).unwrap();
    nix::unistd::setuid(Uid::from_raw(id)).unwrap();
    let word = |text: &str| CString::new(text).unwrap();
    let programs = PathBuf::from(std::env::var_os(PROGRAMS).unwrap());
    let program = word(programs.join(facts::program(who)).to_str().unwrap());
    let arguments = [word(&facts::argument(who)), word("1000")];
    let environment = [word(&format!("WHO={}", facts::word(who)))];
    let _ = nix::unistd::execve(&program, &arguments, &environment);
    fork::exit_now(1)
}
