//! The commands whose system calls fail, in the forms that go different ways.

use super::scene::{ADDRESS, PORT, Scene};
use crate::support::binary;
use std::path::PathBuf;

/// How it is known that a command did what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// It looks, and its JSON has gaps.
    Json,
    /// It prints a text.
    Text,
    /// It prints what another tool prints.
    Table,
    /// The program that it runs prints what it has become.
    Program,
}

#[derive(Debug)]
pub struct Subject {
    /// `ps`, …: what can be chosen.
    pub command: &'static str,
    /// The line as it is reported.
    pub line: String,
    pub shows: Shows,
    pub words: Vec<String>,
}

/// By which a call of execve is known to be the last one of nsx's.
pub const MARK: &str = "nsx-faults-probe";

/// Every namespace, who it is, what it may, where it is, what it sees of the network and of mounts.
const PROBE: &str = "for kind in /proc/self/ns/*; do readlink $kind; done; \
    grep -E '^(Uid|Gid|Groups|Cap[A-Z].*|NoNewPrivs|Seccomp):' /proc/self/status; \
    cat /proc/self/cgroup /proc/sys/kernel/hostname; grep -o '^ *[a-z0-9]*:' /proc/net/dev; \
    grep -c . /proc/self/mountinfo; ulimit -n; pwd; echo whole";
/// The limits of its control groups, in either version.
const LIMITS: &str = "n=0; while IFS=: read -r number controllers path; do \
    for file in memory.max memory.limit_in_bytes pids.max; do \
    for place in /sys/fs/cgroup/$controllers /sys/fs/cgroup; do \
    if [ -f $place$path/$file ]; then cat $place$path/$file; n=$((n + 1)); break; fi; done; done; done \
    </proc/self/cgroup; [ $n = 2 ]; echo whole";

pub fn all(scene: &Scene) -> Vec<Subject> {
    let (web, jail) = (scene.web, scene.jail);
    let inode = std::fs::read_link(format!("/proc/{web}/ns/net")).unwrap();
    let inode = inode.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).to_owned();
    let root = scene.root.name();
    let mut all = vec![
        look("ps", "ps --all"),
        look("ps", "ps --usage --interval 1ms"),
        look("ps", "ps --orphans"),
        look("ns", "ns"),
        look("ns", "ns --all"),
        look("ns", &format!("ns {inode}")),
        look("inspect", "inspect web"),
        look("inspect", "inspect web --only mounts --usage"),
        look("inspect", &format!("inspect {jail} --only security --seccomp")),
        look("who", "who web"),
        look("who", &format!("who pid:{web}")),
        look("who", "who nspid:1"),
        look("who", &format!("who port:{PORT}")),
        look("who", &format!("who ip:{ADDRESS}")),
        look("who", "who if:webpeer"),
        look("who", "who path:/run/data"),
        look("who", &format!("who ns:{inode}")),
        look("who", "who netns:left"),
        look("who", "who --peers web"),
        look("pid", "pid web 1"),
        look("pid", "pid web --all"),
        look("pid", &format!("pid --inside {web}")),
        text("nsx", "nsx --help"),
        text("nsx", "nsx --version"),
        text("nsx", "nsx enter --help"),
        text("nsx", "nsx enter -t web -a --as-target --dry-run true"),
        subject("lsns", "lsns", Shows::Table),
        subject("lsns", "lsns --json", Shows::Table),
        subject("lsns", &format!("lsns {inode}"), Shows::Table),
    ];
    for options in [
        "-n",
        "-a",
        "-a --as-target",
        "-a -c",
        "-n --no-fork",
        "-n --dns",
        "-m -p --tools",
        "-a --init --timeout 300s",
        "-m -p -S 1000 -G 1000 -w/tmp",
        "-a --pty",
    ] {
        all.push(program("enter", "nsx", &format!("enter -t web {options}"), PROBE));
    }
    all.push(program("enter", "nsx", "enter -t netns:left", PROBE));
    for options in [
        "--newpid",
        &format!("--new-all --map-root --rootfs {root} --overlay --tmpfs /tmp --hostname faults"),
        "-pn --net veth:203.0.113.2/24,peer=faultspeer",
        "-pmuiC --init --name faults --pid-file /run/faults.pid",
        "--seccomp default --cap-drop all --no-new-privs --rlimit nofile=99:99 --umask 077",
        "-U --map-users 0:100000:9 --map-groups 0:100000:9",
        "--landlock-ro / --landlock-rw /dev",
    ] {
        all.push(program("spawn", "nsx", &format!("spawn {options}"), PROBE));
    }
    all.push(program("spawn", "nsx", "spawn -p --memory 64M --pids 50", LIMITS));
    all.push(program("nsenter", "nsenter", &format!("-t {web} -a"), PROBE));
    all.push(program("unshare", "unshare", "-pf --mount-proc -u -n", PROBE));
    all
}

fn subject(command: &'static str, line: &str, shows: Shows) -> Subject {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let program = called(&words[0]);
    program.to_str().unwrap().clone_into(&mut words[0]);
    Subject { command, line: line.to_owned(), shows, words }
}

fn look(command: &'static str, line: &str) -> Subject {
    let mut look = subject(command, &format!("nsx {line}"), Shows::Json);
    look.words.extend(["--json", "--strict"].map(str::to_owned));
    look
}

fn text(command: &'static str, line: &str) -> Subject {
    subject(command, line, Shows::Text)
}

fn program(command: &'static str, tool: &str, options: &str, script: &str) -> Subject {
    let mut program = subject(command, &format!("{tool} {options}"), Shows::Program);
    program.words.extend(["sh", "-ec", script, MARK].map(str::to_owned));
    program
}

/// nsx, by the name of the tool that it is to be.
fn called(name: &str) -> PathBuf {
    if name == "nsx" {
        return binary("nsx");
    }
    let link = PathBuf::from("/run/sweep").join(name);
    if !link.exists() {
        std::os::unix::fs::symlink(binary("nsx"), &link).unwrap();
    }
    link
}
