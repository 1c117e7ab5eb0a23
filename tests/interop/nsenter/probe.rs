//! A program that stays until everything about it has been read, from inside and from outside.

use crate::support::{Held, KINDS, Lines, STANDING, child_of, finish, stderr, stdout};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// What it says of itself ends with a line `ready`; its end is the end of its standard input.
const PROBE: &str = r#"printf 'argv0=%s\n' "$0"; printf 'umask=%s\n' "$(umask)"
printf 'pwd=%s\n' "$(pwd -P 2>&1)"; printf 'arguments=%s\n' "$*"
echo ready; read -r word; printf 'input=%s\n' "$word"; exit 7"#;

/// What the two programs are started with.
#[derive(Clone, Debug)]
pub struct Setting {
    pub directory: &'static str,
    pub environment: Vec<(&'static str, &'static str)>,
}

impl Default for Setting {
    fn default() -> Self {
        let environment = vec![
            ("PATH", "/usr/bin:/bin"),
            ("HOME", "/nowhere"),
            ("WORD", "outside"),
            ("B", "b=b"),
        ];
        Self { directory: "/usr/lib", environment }
    }
}

impl Setting {
    pub fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env_clear().envs(self.environment.iter().copied()).current_dir(self.directory)
    }
}

/// What was found, and how it ended.
#[derive(Debug, Default)]
pub struct Seen {
    /// Empty where the probe was not started.
    pub fields: BTreeMap<String, String>,
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stderr: String,
}

impl Seen {
    pub fn field(&self, name: &str) -> &str {
        match self.fields.get(name) {
            Some(value) => value,
            None => panic!("the probe did not tell {name}: {self:?}"),
        }
    }
}

/// Runs `command`, a launcher with its options, with the probe as the program.
pub fn run(command: &mut Command, setting: &Setting) -> Seen {
    command.args(["sh", "-c", PROBE, "probe", "one", "two three"]);
    read(setting.apply(command))
}

/// The same of a command that says by itself what the probe is.
fn read(command: &mut Command) -> Seen {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut held = Held(command.spawn().expect("it starts"));
    let lines = Lines::of(held.0.stdout.take().expect("piped"));
    let mut seen = Seen::default();
    loop {
        let line = lines.next();
        match line.split_once('=') {
            Some((name, value)) => seen.fields.insert(format!("inside {name}"), value.to_owned()),
            None if line == "ready" => break outside(&held, &mut seen),
            None => break,
        };
    }
    // Whoever is not there reads nothing.
    let _ = held.0.stdin.take().expect("piped").write_all(b"a word\n");
    if !seen.fields.is_empty() {
        let word = lines.next();
        seen.fields.insert("inside input".to_owned(), word);
    }
    let mut errors = String::new();
    std::io::Read::read_to_string(&mut held.0.stderr.take().expect("piped"), &mut errors).unwrap();
    let status = held.0.wait().expect("it is a child");
    (seen.code, seen.signal, seen.stderr) = (status.code(), status.signal(), errors);
    seen
}

/// What the host's procfs tells of the program.
fn outside(launcher: &Held, seen: &mut Seen) {
    let child = child_of(launcher.pid());
    let pid = child.unwrap_or(launcher.pid());
    let mut tell = |name: &str, value: String| seen.fields.insert(name.to_owned(), value);
    tell("is a child", child.is_some().to_string());
    for kind in KINDS.into_iter().chain(["pid_for_children", "time_for_children"]) {
        tell(&format!("ns {kind}"), link(pid, &format!("ns/{kind}")));
    }
    for field in STANDING.into_iter().chain(["SigBlk", "SigIgn"]) {
        tell(field, crate::support::status(pid, field).unwrap_or_default());
    }
    for name in ["root", "cwd"] {
        tell(name, link(pid, name));
    }
    tell("environ", environment(pid));
    tell("cmdline", text(pid, "cmdline").replace('\0', " "));
    for name in ["cgroup", "limits", "oom_score_adj", "loginuid"] {
        tell(name, text(pid, name));
    }
    for name in ["uid_map", "gid_map", "setgroups", "timens_offsets"] {
        tell(name, text(pid, name));
    }
    tell("mounts", mounts(pid));
    for standard in 0..3 {
        let target = link(pid, &format!("fd/{standard}"));
        tell(&format!("fd {standard}"), target.split(':').next().unwrap_or_default().to_owned());
    }
    tell("descriptors", descriptors(pid));
    // State, parent, group, session, terminal.
    let stat = text(pid, "stat");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let numbers: Vec<&str> = after_name.split_whitespace().collect();
    tell("session", numbers[3].to_owned());
    tell("terminal", numbers[4].to_owned());
    tell("leads its group", (numbers[2] == pid.to_string()).to_string());
}

fn link(pid: u32, name: &str) -> String {
    match std::fs::read_link(format!("/proc/{pid}/{name}")) {
        Ok(target) => target.display().to_string(),
        Err(error) => error.to_string(),
    }
}

fn text(pid: u32, name: &str) -> String {
    match std::fs::read(format!("/proc/{pid}/{name}")) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => error.to_string(),
    }
}

/// What is mounted, and how it stands to other namespaces; without numbers.
fn mounts(pid: u32) -> String {
    let table = text(pid, "mountinfo");
    let line = |line: &str| -> Option<String> {
        let (mount, source) = line.split_once(" - ")?;
        let fields: Vec<&str> = mount.split(' ').collect();
        let peers = fields.get(6..)?.iter().map(|peer| peer.split(':').next().unwrap_or_default());
        let peers: Vec<&str> = peers.collect();
        let kind = source.split(' ').next()?;
        Some(format!("{} {} {kind} {}", fields.get(4)?, fields.get(5)?, peers.join(",")))
    };
    table.lines().filter_map(line).collect::<Vec<_>>().join("\n")
}

/// What a process was started with, in order.
pub fn environment(pid: u32) -> String {
    let block = text(pid, "environ");
    let mut entries: Vec<&str> = block.split('\0').collect();
    entries.sort_unstable();
    entries.join("\n")
}

/// The numbers that are open.
pub fn descriptors(pid: u32) -> String {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").flatten();
    let mut open: Vec<u32> =
        open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    open.sort_unstable();
    open.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The fields in which one differs from the other. Descriptors are apart: nsenter hands on what it
/// has.
pub fn differing(theirs: &Seen, ours: &Seen) -> Vec<String> {
    let mut different = Vec::new();
    let mut compare = |name: &str, theirs: &str, ours: &str| {
        if theirs != ours {
            different.push(format!("{name}: {theirs:?}, nsx {ours:?}"));
        }
    };
    compare("exit code", &format!("{:?}", theirs.code), &format!("{:?}", ours.code));
    compare("signal", &format!("{:?}", theirs.signal), &format!("{:?}", ours.signal));
    compare("standard error", &theirs.stderr, &ours.stderr);
    if theirs.fields.is_empty() != ours.fields.is_empty() {
        different.push(format!("nsx alone starts it: {}", theirs.fields.is_empty()));
        return different;
    }
    let names = theirs
        .fields
        .keys()
        .chain(ours.fields.keys().filter(|name| !theirs.fields.contains_key(*name)));
    for name in names.filter(|name| *name != "descriptors") {
        let of = |seen: &Seen| seen.fields.get(name).cloned().unwrap_or("nothing".to_owned());
        compare(name, &of(theirs), &of(ours));
    }
    if let Some(open) = ours.fields.get("descriptors") {
        compare("descriptors", "0 1 2", open);
    }
    different
}

/// How a command line ends that has its own program, and what it says.
pub fn ending(
    command: &mut Command,
    setting: &Setting,
    input: &str,
) -> (Option<i32>, Option<i32>, String, String) {
    setting.apply(command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = finish(child);
    (output.status.code(), output.status.signal(), stdout(&output), stderr(&output))
}
