//! A host of its own in which nothing happens by itself: what every command looks at and enters, and
//! what a run may leave behind.
//!
//! The scene has its own pid, mount, network, UTS and IPC namespaces, with nothing in /run, /var/lib and
//! /home. Its first process reaps; the sweep is the second.

use super::groups;
use crate::support::rootfs::{Small, mounts};
use crate::support::{Held, child_of, nsx, succeeds, until};
use nsx::sys::raw::fork;
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Set in the first process of a scene, and, with [`SWEEPS`], in the second.
pub const ROLE: &str = "NSX_TEST_FAULTS";
const SWEEPS: &str = "NSX_TEST_FAULTS_SWEEPS";
pub const ADDRESS: &str = "198.51.100.2";
pub const PORT: u16 = 4242;

/// Takes one connection and keeps it.
const SERVER: &str = "use Socket; $| = 1; socket S, AF_INET, SOCK_STREAM, 0;
bind S, pack_sockaddr_in(4242, INADDR_ANY) or die; listen S, 5; accept C, S; sleep 100000";

/// Starts this program as the first process of a new scene; its standard output is the sweep's.
pub fn start(role: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-mpuin", "--fork", "--kill-child", "--mount-proc"]);
    command.arg(std::env::current_exe().unwrap()).env(ROLE, role);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// In the first process: never returns.
pub fn act(sweep: impl FnOnce(&str)) {
    let Some(role) = std::env::var_os(ROLE) else { return };
    if std::env::var_os(SWEEPS).is_some() {
        sweep(role.to_str().unwrap());
        fork::exit_now(0);
    }
    let mut second = Command::new(std::env::current_exe().unwrap());
    let second = second.env(SWEEPS, "1").env("TMPDIR", "/run").spawn().unwrap().id();
    loop {
        use nix::sys::wait::{WaitStatus, wait};
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid.as_raw().cast_unsigned() == second => {
                fork::exit_now(code)
            }
            Ok(WaitStatus::Signaled(pid, ..)) if pid.as_raw().cast_unsigned() == second => {
                fork::exit_now(1)
            }
            _ => {}
        }
    }
}

#[derive(Debug)]
pub struct Scene {
    /// A server with an address, limits and every namespace but user and time.
    pub web: u32,
    /// One with a seccomp filter.
    pub jail: u32,
    pub root: Small,
    at_rest: Rest,
    named: Vec<Held>,
    _plain: Held,
    _talk: TcpStream,
}

/// Where a run may leave files.
const PLACES: [&str; 4] = ["/run/nsx", "/run/netns", "/run", "/run/data"];

/// What there was before a run.
#[derive(Debug)]
pub struct Mark {
    groups: BTreeSet<String>,
    pid: u32,
}

/// The number that was given last; after the greatest they begin anew.
fn last_pid() -> u32 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    load.split_whitespace().last().unwrap().parse().unwrap()
}

/// What is there when nothing runs.
#[derive(Debug)]
struct Rest {
    processes: BTreeSet<u32>,
    mounts: String,
    interfaces: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Scene {
    pub fn new() -> Self {
        let run = |words: &str| {
            let mut words = words.split(' ');
            succeeds(Command::new(words.next().unwrap()).args(words));
        };
        run("mount --make-rprivate /");
        for place in ["/run", "/var/lib", "/home"] {
            run(&format!("mount -t tmpfs none {place}"));
        }
        for made in ["/run/data", "/run/sweep"] {
            std::fs::create_dir(made).unwrap();
        }
        run("ip link set lo up");
        run("ip netns add left");
        let net = format!("veth:{ADDRESS}/24,gw=198.51.100.1,peer=webpeer");
        let server = ["perl", "-e", SERVER];
        let (held, web) = named(
            "web",
            &["-pmuiC", "--memory=64M", "--pids=50", "--bind=/run/data:/mnt", "--net", &net],
            &server,
        );
        let (other, jail) = named("jail", &["-m", "--seccomp=default"], &["sleep", "100000"]);
        let mut plain = Command::new("unshare");
        plain.args(["-n", "sh", "-c", "echo ready; exec sleep 100000"]);
        let (plain, _) = Held::ready(&mut plain);
        let mut talk = None;
        until("the server listens", || {
            talk = TcpStream::connect((ADDRESS, PORT)).ok();
            talk.is_some()
        });
        // Addresses that are still being looked for are another answer.
        until("IPv6 has settled", || {
            !std::fs::read_to_string(format!("/proc/{web}/net/if_inet6"))
                .unwrap_or_default()
                .lines()
                .any(|line| line.split_whitespace().nth(4) == Some("40"))
        });
        let root = Small::new();
        Self {
            web,
            jail,
            root,
            at_rest: Rest::look(),
            named: vec![held, other],
            _plain: plain,
            _talk: talk.unwrap(),
        }
    }

    /// To know later what is new.
    pub fn mark() -> Mark {
        Mark { groups: groups().into_iter().collect(), pid: last_pid() }
    }

    /// What a run has left, though it had time to go; it is ended then.
    pub fn left(&self, before: &Mark) -> Vec<String> {
        // Other scenes and other suites have theirs: a group has the number of the nsx that made it.
        let is_ours = |group: &String| {
            let name = group.rsplit('/').next().and_then(|name| name.strip_prefix("nsx-"));
            let pid = name.and_then(|name| name.split('-').next()?.parse().ok());
            let last = last_pid();
            pid.is_some_and(|pid: u32| {
                let (is_later, is_given) = (pid >= before.pid, pid <= last);
                if before.pid <= last { is_later && is_given } else { is_later || is_given }
            })
        };
        let new = groups().into_iter().filter(|group| !before.groups.contains(group));
        let new: Vec<String> = new.filter(is_ours).collect();
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            let mut left: Vec<String> =
                new.iter().filter(|group| Path::new(group).exists()).cloned().collect();
            left.extend(Rest::look().beyond(&self.at_rest));
            if left.is_empty() {
                return left;
            }
            if Instant::now() > end {
                self.end_strangers();
                for group in &new {
                    let _ = std::fs::remove_dir(group);
                }
                self.remove_files();
                return left;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What the next run would be blamed for.
    fn remove_files(&self) {
        for place in PLACES {
            for file in names(place).difference(&self.at_rest.files) {
                let _ = std::fs::remove_file(Path::new(place).join(file));
            }
        }
    }

    /// Everything that was not here at rest.
    pub fn end_strangers(&self) {
        for pid in Rest::look().processes.difference(&self.at_rest.processes) {
            if let Some(pidfd) = crate::support::pidfd(*pid) {
                let _ = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
            }
        }
    }
}

impl Drop for Scene {
    /// Its groups go with their supervisors, which end with their programs and not with the scene.
    fn drop(&mut self) {
        for held in &mut self.named {
            let _ = Command::new("kill").arg(held.pid().to_string()).status();
            let _ = held.0.wait();
        }
    }
}

fn names(place: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

impl Rest {
    fn look() -> Self {
        let interfaces = std::fs::read_to_string("/proc/net/dev").unwrap();
        let interfaces =
            interfaces.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
        Self {
            processes: names("/proc").iter().filter_map(|name| name.parse().ok()).collect(),
            mounts: mounts(),
            interfaces: interfaces.collect(),
            files: PLACES.into_iter().flat_map(names).collect(),
        }
    }

    fn beyond(&self, rest: &Self) -> Vec<String> {
        // What has ended and is not reaped by the first process of a target holds its number alone.
        let runs = |pid: &&u32| {
            crate::support::status(**pid, "State").is_some_and(|state| !state.starts_with('Z'))
        };
        let processes = self.processes.difference(&rest.processes).filter(runs).map(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            format!("process {pid}: {}", String::from_utf8_lossy(&line).replace('\0', " "))
        });
        let mut beyond: Vec<String> = processes.collect();
        if self.mounts != rest.mounts {
            beyond.push("a mount".to_owned());
        }
        beyond.extend(self.interfaces.difference(&rest.interfaces).cloned());
        beyond.extend(self.files.difference(&rest.files).map(|file| format!("file {file}")));
        beyond
    }
}

fn named(name: &str, options: &[&str], program: &[&str]) -> (Held, u32) {
    let mut command = nsx(["spawn", "--name", name]);
    command.args(options).args(program);
    let held = Held(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    let mut pid = None;
    until("it runs", || {
        pid = child_of(held.pid()).filter(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            program[0] == name.trim()
        });
        pid.is_some()
    });
    (held, pid.unwrap())
}
