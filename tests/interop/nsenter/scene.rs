//! Targets of every shape, and the two programs that are called `nsenter`.

use super::probe::{self, Seen, Setting};
use crate::support::{self, Held, asleep, child_of, find, pidfd, succeeds};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Says that it is there, and stays.
const STAY: &str = "echo ready; exec sleep 1000";

pub struct Scene {
    targets: Vec<Target>,
    held: Vec<Held>,
    /// Holds a link to nsx that is called nsenter, and a place to chroot to.
    pub directory: tempfile::TempDir,
}

/// `%NAME` in a command line is its pid.
struct Target {
    name: &'static str,
    pid: u32,
    /// Ended with the scene; `None` for the test itself.
    pinned: Option<OwnedFd>,
}

/// A child that changed its ids outlives unshare, which `--kill-child` cannot help.
impl Drop for Target {
    fn drop(&mut self) {
        if let Some(pinned) = &self.pinned {
            let _ = rustix::process::pidfd_send_signal(pinned, rustix::process::Signal::KILL);
        }
    }
}

impl Scene {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let link = directory.path().join("nsenter");
        std::os::unix::fs::symlink(support::binary("nsx"), link).unwrap();
        let mut scene = Self { targets: Vec::new(), held: Vec::new(), directory };
        scene.add_forked("all", &["-muinpCT"], STAY);
        let mapped = Self::add_mapped();
        scene.keep("user", mapped);
        scene.add_forked("denied", &["-Ur", "-nu"], STAY);
        scene.add("unmapped", Command::new("unshare").args(["-U", "-u", "sh", "-c", STAY]));
        let root = scene.directory.path().join("root").display().to_string();
        let elsewhere = format!(
            "mkdir {root} && mount --bind / {root} && cd / && exec chroot {root} sh -c 'cd /usr; {STAY}'"
        );
        scene.add("chroot", Command::new("unshare").args(["-m", "sh", "-c", &elsewhere]));
        scene.add(
            "dressed",
            Command::new("unshare")
                .args(["-n", "-u", "setpriv", "--reuid", "33", "--regid", "34"])
                .args(["--groups", "4,5", "env", "-i", "PATH=/usr/bin:/bin", "WORD=inside"])
                .args(["ODD=a=b", "EMPTY=", "sh", "-c"])
                .arg(format!("cd /usr/lib; umask 027; {STAY}")),
        );
        scene.targets.push(Target { name: "self", pid: std::process::id(), pinned: None });
        scene
    }

    fn add(&mut self, name: &'static str, command: &mut Command) {
        let (held, line) = Held::ready(command.stdin(Stdio::null()));
        assert_eq!(line, "ready", "{name}");
        asleep(held.pid());
        let pid = held.pid();
        self.keep_pid(name, pid, held);
    }

    /// The target is the child that unshare stays with.
    fn add_forked(&mut self, name: &'static str, options: &[&str], stay: &str) {
        let mut command = Command::new("unshare");
        command.args(options).args(["--fork", "--kill-child", "sh", "-c", stay]);
        // It complains of the child's end.
        command.stderr(Stdio::null());
        let (held, line) = Held::ready(command.stdin(Stdio::null()));
        assert_eq!(line, "ready", "{name}");
        self.keep(name, held);
    }

    fn keep(&mut self, name: &'static str, held: Held) {
        let child = child_of(held.pid()).expect("a child");
        asleep(child);
        self.keep_pid(name, child, held);
    }

    fn keep_pid(&mut self, name: &'static str, pid: u32, held: Held) {
        self.targets.push(Target { name, pid, pinned: pidfd(pid) });
        self.held.push(held);
    }

    /// All eight kinds, with a user namespace of 65536 users and groups.
    fn add_mapped() -> Held {
        let mut command = Command::new("unshare");
        command.args(["-UmuinpCT", "--fork", "--kill-child", "sh", "-c"]);
        command.arg(format!("echo unmapped; read go; {STAY}"));
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        let (mut held, line) = Held::ready(&mut command);
        assert_eq!(line, "unmapped");
        let child = child_of(held.pid()).expect("a child");
        for file in ["uid_map", "gid_map"] {
            std::fs::write(format!("/proc/{child}/{file}"), "0 0 1\n1 100000 65535\n").unwrap();
        }
        held.0.stdin.take().expect("piped").write_all(b"go\n").expect("it reads");
        held
    }

    pub fn pid(&self, name: &str) -> u32 {
        self.targets.iter().find(|target| target.name == name).expect("a target").pid
    }

    /// A command line with `%all` and the like put in.
    pub fn words(&self, line: &str) -> Vec<String> {
        let mut line = line.replace("%directory", &self.directory.path().display().to_string());
        for Target { name, pid, .. } in &self.targets {
            line = line.replace(&format!("%{name}"), &pid.to_string());
        }
        line.split_whitespace().map(|word| word.replace("''", "")).collect()
    }

    fn named(program: PathBuf) -> Command {
        let mut command = Command::new(program);
        command.arg0("nsenter");
        command
    }

    pub fn reference() -> Command {
        Self::named(find("nsenter").expect("it is installed"))
    }

    pub fn ours(&self) -> Command {
        Self::named(self.directory.path().join("nsenter"))
    }

    /// The one or the other.
    pub fn both(&self) -> [Command; 2] {
        [Self::reference(), self.ours()]
    }

    /// A reference that has what 2.42 has, where there is one: the installed one, or a newer one.
    pub fn newer() -> Option<Command> {
        if Self::reference_is(2, 42) {
            return Some(Self::reference());
        }
        support::newer("nsenter").map(Self::named)
    }

    /// Whether the reference is at least this one.
    pub fn reference_is(major: u32, minor: u32) -> bool {
        let said = succeeds(Self::reference().arg("--version"));
        let version = said.split_whitespace().nth(3).expect("nsenter from util-linux VERSION");
        let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next(), parts.next()) >= (Some(major), Some(minor))
    }

    /// What the probe finds when it is started by this command line, by the one and the other.
    pub fn seen(&self, line: &str, setting: &Setting) -> [Seen; 2] {
        let words = self.words(line);
        self.both().map(|mut command| probe::run(command.args(&words), setting))
    }

    /// What differs between the two, for each of these command lines.
    pub fn differing(&self, lines: &[&str], setting: &Setting) -> Vec<String> {
        let mut different = Vec::new();
        for line in lines {
            let [theirs, ours] = self.seen(line, setting);
            let differing = probe::differing(&theirs, &ours);
            if !differing.is_empty() {
                different.push(format!("nsenter {line}\n  {}", differing.join("\n  ")));
            }
        }
        different
    }

    /// Both find the same, for each of these command lines.
    pub fn same(&self, lines: &[&str], setting: &Setting) {
        let different = self.differing(lines, setting);
        assert!(different.is_empty(), "{}", different.join("\n"));
    }
}
