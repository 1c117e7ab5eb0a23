//! What every suite of real processes shares: prerequisites, nsx itself, and children that end
//! with their test.
#![allow(dead_code, unreachable_pub, reason = "each suite uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub mod cost;
pub mod filtered;
pub mod kernel;
pub mod outer;
pub mod pty;
pub mod rootfs;
pub mod talk;

/// What a test cannot do without.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    Root,
    /// A program, looked for in PATH and in the directories of system programs.
    Program(&'static str),
    /// A program of the newer util-linux that `cargo xtask test` unpacks.
    Newer(&'static str),
    /// Something that the machine has or has not and that nobody can install: ignored without it,
    /// under `NSX_TEST_STRICT=1` too.
    Machine(&'static str, fn() -> bool),
}

impl Need {
    fn missing(self) -> Option<String> {
        match self {
            Self::Root => (!nix::unistd::geteuid().is_root()).then(|| "root is needed".to_owned()),
            Self::Program(name) => find(name).is_none().then(|| format!("{name} is not installed")),
            Self::Newer(name) => newer(name)
                .is_none()
                .then(|| format!("there is no newer {name} (cargo xtask peer)")),
            Self::Machine(what, has) => (!has()).then(|| format!("{what} is needed")),
        }
    }
}

/// Where a program is.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

/// Where a program of the newer util-linux is.
pub fn newer(name: &str) -> Option<PathBuf> {
    let program = Path::new("/var/cache/nsx-peers/util-linux/usr/bin").join(name);
    program.is_file().then_some(program)
}

/// A test, ignored with its reason where a need is missing; under `NSX_TEST_STRICT=1` it fails.
pub fn test(
    name: &str,
    needs: &'static [Need],
    body: impl FnOnce() + Send + 'static,
) -> libtest_mimic::Trial {
    let missing: Vec<String> = needs.iter().filter_map(|need| need.missing()).collect();
    let strict = std::env::var_os("NSX_TEST_STRICT").is_some_and(|value| value == "1");
    let elsewhere =
        needs.iter().any(|need| matches!(need, Need::Machine(..)) && need.missing().is_some());
    let reason = missing.join(", ");
    let ignored = !missing.is_empty() && (!strict || elsewhere);
    let name =
        if ignored { format!("{name} (ignored, because {reason})") } else { name.to_owned() };
    libtest_mimic::Trial::test(name, move || {
        if !missing.is_empty() {
            return Err(format!("{reason}, and NSX_TEST_STRICT=1").into());
        }
        body();
        Ok(())
    })
    .with_ignored_flag(ignored)
}

/// Open at a time, in one process.
const FILES: u64 = 20_000;

/// Runs a suite. Its tests start processes by the dozen, so they take turns.
pub fn run(tests: Vec<libtest_mimic::Trial>) -> ! {
    // A shell's job in the background ignores these, and would hand that to every child.
    for signal in [nix::sys::signal::Signal::SIGINT, nix::sys::signal::Signal::SIGQUIT] {
        nsx::sys::raw::signal::set_default(signal as i32).expect("it can be reset");
    }
    // Some open thousands of sockets, and many a machine allows 1024 to who does not ask.
    let files = rustix::process::Resource::Nofile;
    let mut allowed = rustix::process::getrlimit(files);
    let most = allowed.maximum.map_or(FILES, |most| most.min(FILES));
    allowed.current = allowed.current.map(|now| now.max(most));
    rustix::process::setrlimit(files, allowed).expect("no more than the hard limit");
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    libtest_mimic::run(&arguments, tests).exit()
}

/// The directory of the binaries under test: `NSX_TEST_BIN_DIR`, or what cargo built for the suite.
pub fn binary(name: &str) -> PathBuf {
    match std::env::var_os("NSX_TEST_BIN_DIR") {
        Some(directory) => PathBuf::from(directory).join(name),
        None => PathBuf::from(env!("CARGO_BIN_EXE_nsx")).with_file_name(name),
    }
}

/// `nsx ARGUMENTS`, its environment that of the test.
pub fn nsx<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Command {
    let mut command = Command::new(binary("nsx"));
    command.args(arguments);
    command
}

/// How long anything may take that must happen: generous, since the machine may be busy.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Runs to the end, which must come within [`PATIENCE`]; panics if it cannot be started.
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().expect("it starts"))
}

/// Waits for a child that was started with pipes; one that does not end is killed and fails.
pub fn finish(child: Child) -> Output {
    finish_within(child, PATIENCE)
}

/// With a patience of its own, for what does much.
pub fn finish_within(child: Child, patience: Duration) -> Output {
    let pidfd = pidfd(child.id()).expect("a child can be pinned");
    let watchdog = std::thread::spawn(move || {
        let late = !ends_within(&pidfd, patience);
        if late {
            let _ = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
        }
        late
    });
    let output = child.wait_with_output().expect("it can be waited for");
    assert!(
        !watchdog.join().unwrap(),
        "it did not end; so far it said:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A process, held by descriptor.
pub fn pidfd(pid: u32) -> Option<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

/// Sends a signal to a process that is there.
pub fn send(pid: u32, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a pid"));
    nix::sys::signal::kill(pid, signal).expect("it is there");
}

/// Whether a process ends in time.
pub fn ends_within(pidfd: &OwnedFd, patience: Duration) -> bool {
    let patience = rustix::event::Timespec::try_from(patience).expect("a short time");
    let mut watched = [rustix::event::PollFd::new(pidfd, rustix::event::PollFlags::IN)];
    matches!(rustix::event::poll(&mut watched, Some(&patience)), Ok(1))
}

/// Waits for a state that nothing announces.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it never came to pass that {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// For what is about a namespace that has ended: its number may be given again at once, so that it is
/// tried with up to three.
pub fn once_anew(is_so: impl FnMut() -> bool) {
    let mut tries = std::iter::repeat_with(is_so).take(3);
    assert!(tries.any(|is_so| is_so), "not with any of three namespaces");
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("standard output is UTF-8")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("standard error is UTF-8")
}

/// Runs and expects success; its standard output.
pub fn succeeds(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, stderr(&output));
    stdout(&output)
}

/// Runs and expects success; its standard output as JSON.
pub fn json(command: &mut Command) -> serde_json::Value {
    serde_json::from_str(&succeeds(command)).expect("valid JSON")
}

/// A child that is killed and reaped when its test ends, however it ends.
#[derive(Debug)]
pub struct Held(pub Child);

impl Held {
    /// Starts `command` and waits until it has written a line; returns that line too.
    pub fn ready(command: &mut Command) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let lines = Lines::of(child.stdout.take().expect("piped"));
        let held = Self(child);
        let line = lines.next();
        (held, line.trim().to_owned())
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines that a child writes, each waited for no longer than [`PATIENCE`].
#[derive(Debug)]
pub struct Lines(std::sync::mpsc::Receiver<String>);

impl Lines {
    pub fn of(output: ChildStdout) -> Self {
        let (tell, lines) = std::sync::mpsc::channel();
        // Ends with the child's output.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Self(lines)
    }

    /// The next line; empty at the end.
    pub fn next(&self) -> String {
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => String::new(),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("no line was written"),
        }
    }
}

/// `nsx spawn OPTIONS` of a program that says `ready` and then waits for its end: the supervisor,
/// and the program's pid on the host.
pub fn isolated(options: &[&str]) -> (Held, u32) {
    let mut command = nsx(["spawn"]);
    command.args(options).args(["sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    let pid = child_of(held.pid()).expect("a child");
    asleep(pid);
    (held, pid)
}

/// Waits until a process has become `sleep` and sleeps.
pub fn asleep(pid: u32) {
    until("it sleeps", || is_asleep(pid));
}

/// The program that a launcher has started, once it is `sleep` and sleeps: its guard is there first.
pub fn sleeper_of(launcher: u32) -> u32 {
    let mut program = None;
    until("the program sleeps", || {
        program = child_of(launcher).filter(|pid| is_asleep(*pid));
        program.is_some()
    });
    program.unwrap()
}

fn is_asleep(pid: u32) -> bool {
    status(pid, "Name").is_some_and(|name| name == "sleep")
        && status(pid, "State").is_some_and(|state| state.starts_with('S'))
}

/// The first child of a process; of nsx the last, which is the program: its guard comes before it.
pub fn child_of(pid: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let is_nsx = status(pid, "Name").is_some_and(|name| name.starts_with("nsx"));
    let mut children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    if is_nsx { children.next_back() } else { children.next() }
}

/// Ends what a process has started, and what that has, when the test is over; the process itself is
/// held elsewhere.
#[derive(Debug)]
pub struct Below(pub u32);

impl Drop for Below {
    fn drop(&mut self) {
        let mut above = vec![self.0];
        while let Some(pid) = above.pop() {
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            let children = children.unwrap_or_default();
            above.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            if let Some(pidfd) = pidfd(pid).filter(|_| pid != self.0) {
                let signal = rustix::process::Signal::KILL;
                let _ = rustix::process::pidfd_send_signal(&pidfd, signal);
            }
        }
    }
}

/// The eight kinds of namespaces as `/proc/PID/ns` spells them.
pub const KINDS: [&str; 8] = ["mnt", "uts", "ipc", "net", "pid", "cgroup", "user", "time"];

/// The fields of `/proc/PID/status` that say what a process is and may do.
pub const STANDING: [&str; 12] = [
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "Umask",
];

/// What `/proc/PID/ns/KIND` says.
pub fn namespace(pid: impl Display, kind: &str) -> String {
    let link = format!("/proc/{pid}/ns/{kind}");
    let text = std::fs::read_link(&link).unwrap_or_else(|error| panic!("{link}: {error}"));
    text.to_str().expect("ASCII").to_owned()
}

/// One field of `/proc/PID/status`; `None` once there is no such process.
pub fn status(pid: u32, field: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// Copies a program by a process of its own: while a file is open for writing it cannot be run, and
/// what another test starts meanwhile inherits whatever is open here.
pub fn copy_program(from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) {
    succeeds(Command::new("cp").arg("--preserve=mode").arg(from).arg(to));
}

/// Writes a script that can be run, by a process of its own too.
pub fn write_script(to: impl AsRef<OsStr>, text: &str) {
    let write = r#"printf %s "$1" >"$0" && chmod 755 "$0""#;
    succeeds(Command::new("sh").args(["-c", write]).arg(to).arg(text));
}

/// Whether a process has ended. Where nobody reaps it, its number stays.
pub fn has_ended(pid: u32) -> bool {
    status(pid, "State").is_none_or(|state| state.starts_with('Z'))
}

/// A copy of nsx that every user may run, in a directory that ends with the test.
pub fn public_nsx() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let copy = directory.path().join("nsx");
    copy_program(binary("nsx"), &copy);
    for path in [directory.path(), &copy] {
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it is ours");
    }
    (directory, copy)
}

/// `PROGRAM` as a user without any privilege.
pub fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
    command
}
