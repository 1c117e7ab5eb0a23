//! nsx where it is given little: no privileges, a /proc that hides or lacks something, no control
//! groups, few descriptors, little memory, nowhere to write. What it shows is so, what it could not
//! see is said, and what it cannot do at all ends with a message and a documented code.

mod agreement;
mod limits;
mod places;
mod proc;
mod streams;
mod user;

use crate::clean::harmless;
use crate::support::{Held, asleep, child_of, isolated, output, public_nsx, stderr};
use libtest_mimic::Trial;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

pub fn tests() -> Vec<Trial> {
    let suites = [user::tests(), proc::tests(), limits::tests(), places::tests(), streams::tests()];
    suites.into_iter().flatten().collect()
}

/// What is taken from a command before it starts.
#[derive(Clone, Copy, Debug)]
struct Lack {
    /// In a mount namespace of its own, as root.
    setup: &'static str,
    /// Programs that start the next one with less.
    prefix: &'static [&'static str],
    /// Redirections of a shell.
    streams: &'static str,
}

const NOTHING: Lack = Lack { setup: ":", prefix: &[], streams: "" };

const fn place(setup: &'static str) -> Lack {
    Lack { setup, ..NOTHING }
}

const fn limit(prefix: &'static [&'static str]) -> Lack {
    Lack { prefix, ..NOTHING }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Root,
    Nobody,
}

const BOTH: [Who; 2] = [Who::Root, Who::Nobody];

const AS_NOBODY: [&str; 6] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
const AS_STRANGER: [&str; 6] =
    ["setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups"];

/// Isolated processes of three users, and nsx where all of them may run it.
struct Scene {
    _directory: tempfile::TempDir,
    nsx: PathBuf,
    _held: [Held; 3],
    /// Of nobody, in a user namespace.
    own: u32,
    /// Of root, in none.
    roots: u32,
    /// Of another ordinary user, in a user namespace.
    strangers: u32,
}

impl Scene {
    fn new() -> Self {
        Self::with_program("echo ready; exec sleep 1000")
    }

    /// nobody's process runs this in a shell.
    fn with_program(program: &str) -> Self {
        let (directory, nsx) = public_nsx();
        for name in ["lsns", "nsenter", "unshare"] {
            std::os::unix::fs::symlink("nsx", directory.path().join(name)).unwrap();
        }
        let start = |whom: &[&str], program: &str| {
            let mut command = Command::new(whom[0]);
            command.args(&whom[1..]).arg(&nsx);
            command.args(["spawn", "-U", "-p", "-n", "-u", "--hostname", "mine", "sh", "-c"]);
            let (held, line) = Held::ready(command.arg(program).stdin(Stdio::null()));
            assert_eq!(line, "ready");
            let pid = child_of(held.pid()).unwrap();
            (held, pid)
        };
        let (own_held, own) = start(&AS_NOBODY, program);
        let (their_held, strangers) = start(&AS_STRANGER, "echo ready; exec sleep 1000");
        asleep(strangers);
        let (held, roots) = isolated(&["-p", "-n", "-u", "-m"]);
        let held = [own_held, their_held, held];
        Self { _directory: directory, nsx, _held: held, own, roots, strangers }
    }

    /// `words` are those of nsx, or begin with the name of a personality.
    fn run(&self, lack: Lack, who: Who, words: &[&str]) -> Output {
        let program = match words[0] {
            name @ ("lsns" | "nsenter" | "unshare") => format!("/mnt/{name}"),
            _ => "/mnt/nsx".to_owned(),
        };
        let words = if program == "/mnt/nsx" { words } else { &words[1..] };
        let Lack { setup, prefix, streams } = lack;
        let script = format!("set -e; mount --bind \"$0\" /mnt; {setup}; exec \"$@\" {streams}");
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]).arg(self.nsx.parent().unwrap());
        if who == Who::Nobody {
            command.args(AS_NOBODY);
        }
        output(command.args(prefix).arg(program).args(words))
    }

    /// The same, held to what every command owes: the code, and what it said.
    fn decent(&self, lack: Lack, who: Who, words: &[&str]) -> (i32, String) {
        let done = self.run(lack, who, words);
        let what = format!("{words:?} of {who:?} with {lack:?}");
        let code = done.status.code().unwrap_or_else(|| panic!("{what}: {}", done.status));
        let documented: &[i32] = match words[0] {
            // The last is the program's, if the limit leaves it no descriptor for its libraries.
            "enter" | "spawn" => &[0, 125, 127],
            "lsns" => &[0, 1],
            "nsenter" | "unshare" => &[0, 1, 127],
            _ => &[0, 1, 3, 4, 5, 6],
        };
        let said = harmless(&what, &done.stderr, false);
        assert!(documented.contains(&code), "{what}: {code}: {said}");
        let is_heard = !lack.streams.contains("2>");
        assert!(code == 0 || code == 6 || !is_heard || !said.is_empty(), "{what}: {code}");
        let program = match words[0] {
            name @ ("lsns" | "nsenter" | "unshare") => name.to_owned(),
            name if name.starts_with('-') => "nsx".to_owned(),
            name => format!("nsx {name}"),
        };
        for line in said.lines() {
            let ours = format!("{program}: ");
            let known = [&*ours, "  hint: ", "/bin/true: error while loading"];
            let is_known = known.iter().any(|begin| line.starts_with(begin));
            assert!(is_known && !line.contains("internal error"), "{what}: {said}");
        }
        assert!(said.lines().count() <= 3, "{what}: {said}");
        (code, said)
    }

    fn json(&self, lack: Lack, who: Who, words: &[&str]) -> Value {
        let done = self.run(lack, who, &[words, &["--json"]].concat());
        let what = format!("{words:?} of {who:?} with {lack:?}: {}", stderr(&done));
        assert!(done.status.success(), "{what}");
        serde_json::from_slice(&done.stdout).expect(&what)
    }
}

/// Everything that only looks, about a process and about the host.
fn looks(pid: &str) -> Vec<Vec<&str>> {
    let lines: [&[&str]; 27] = [
        &["--help"],
        &["--version"],
        &["enter", "--help"],
        &["ps"],
        &["ps", "--all", "-o", "wide"],
        &["ps", "--usage", "--interval", "0"],
        &["ps", "--orphans"],
        &["ps", pid],
        &["ns"],
        &["ns", "--all", "--threads", "--sockets"],
        &["ns", "-p", pid],
        &["inspect", pid],
        &["inspect", "--usage", "--json", pid],
        &["who", pid],
        &["who", "port:22"],
        &["who", "ip:127.0.0.1"],
        &["who", "if:lo"],
        &["who", "mac:00:00:00:00:00:01"],
        &["who", "path:/etc"],
        &["who", "ns:4026531840"],
        &["who", "cgroup:/"],
        &["who", "dev:4095:1"],
        &["who", "--peers", pid],
        &["pid", pid],
        &["pid", pid, "1"],
        &["lsns"],
        &["lsns", "-p", pid],
    ];
    lines.iter().map(|line| line.to_vec()).collect()
}

/// Everything that runs a program.
fn acts(pid: &str) -> Vec<Vec<&str>> {
    let lines: [&[&str]; 11] = [
        &["enter", "-t", pid, "-n", "/bin/true"],
        &["enter", "-t", pid, "-a", "/bin/true"],
        &["enter", "-t", pid, "-a", "--as-target", "/bin/true"],
        &["enter", "-t", pid, "--tools", "/bin/true"],
        &["spawn", "--newpid", "/bin/true"],
        &["spawn", "--new-all", "--map-root", "/bin/true"],
        &["spawn", "--rootfs", "/", "/bin/true"],
        &["nsenter", "-t", pid, "-n", "/bin/true"],
        &["nsenter", "-t", pid, "-U", "-n", "/bin/true"],
        &["unshare", "-n", "/bin/true"],
        &["unshare", "-Ur", "/bin/true"],
    ];
    lines.iter().map(|line| line.to_vec()).collect()
}
