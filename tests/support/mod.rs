//! What every suite of real processes shares: prerequisites, nsx itself, and children that end
//! with their test.
#![allow(dead_code, reason = "each suite uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// What a test cannot do without.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    Root,
    /// A program, looked for in PATH and in the directories of system programs.
    Program(&'static str),
}

impl Need {
    fn missing(self) -> Option<String> {
        match self {
            Self::Root => (!nix::unistd::geteuid().is_root()).then(|| "root is needed".to_owned()),
            Self::Program(name) => find(name).is_none().then(|| format!("{name} is not installed")),
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

/// A test, ignored with its reason where a need is missing; under `NSX_TEST_STRICT=1` it fails.
pub fn test(
    name: &str,
    needs: &'static [Need],
    body: impl FnOnce() + Send + 'static,
) -> libtest_mimic::Trial {
    let missing: Vec<String> = needs.iter().filter_map(|need| need.missing()).collect();
    let strict = std::env::var_os("NSX_TEST_STRICT").is_some_and(|value| value == "1");
    let reason = missing.join(", ");
    let ignored = !missing.is_empty() && !strict;
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

/// Runs a suite. Its tests start processes by the dozen, so they take turns.
pub fn run(tests: Vec<libtest_mimic::Trial>) -> ! {
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

/// Runs to the end; panics if it cannot be started.
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("it starts")
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
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        (Self(child), line.trim().to_owned())
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

/// `nsx spawn OPTIONS` of a program that says `ready` and then waits for its end: the supervisor,
/// and the program's pid on the host.
pub fn isolated(options: &[&str]) -> (Held, u32) {
    let mut command = nsx(["spawn"]);
    command.args(options).args(["sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    let children = format!("/proc/{0}/task/{0}/children", held.pid());
    let children = std::fs::read_to_string(children).expect("children are listed");
    let pid = children.split_whitespace().next().expect("a child").parse().expect("a pid");
    (held, pid)
}
