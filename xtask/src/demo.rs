//! `xtask demo`: what nsx does, on this machine, with what every machine has. A program is isolated,
//! listed, looked at, entered and ended, and then it is shown that nothing is left.

use crate::process::{self, Started};
use crate::release::Release;
use crate::{run, say};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Says which PID it has in its own eyes, then waits.
const PROGRAM: &str = "echo $$; exec sleep 600";

pub(crate) fn run() -> Result<()> {
    heading("Build the programs");
    let release = Release::build()?;
    let demo = Demo { nsx: release.program("nsx") };

    heading("Run a program in namespaces of its own: pid, net, uts, mnt");
    let mut isolated = demo.isolate()?;
    let pid = isolated.program.pid;
    say::line(format_args!(
        "The program has PID {pid} on the host. In its own eyes it is PID {}.",
        isolated.pid_inside
    ));

    heading("List what is isolated on this host; nobody was told of the program");
    demo.show(&["ps"])?;

    heading("Look at it");
    let target = pid.to_string();
    demo.show(&["inspect", &target])?;

    heading("Enter it: all its namespaces, then only its network with the host's program");
    demo.show(&["enter", "-t", &target, "-a", "hostname"])?;
    // The user namespace gives an ordinary user the right to join the other one.
    let network = if run::is_root() { "-n" } else { "-Un" };
    let look: &[&str] = match run::find("ip") {
        Some(_) => &["ip", "-br", "addr"],
        None => &["cat", "/proc/net/dev"],
    };
    demo.show(&[&["enter", "-t", &target, network], look].concat())?;

    heading("Translate its PID");
    let inspection = demo.inspection(&target)?;
    let inside = inspection.pointer("/pid_inside").unwrap_or(&Value::Null);
    say::line(format_args!("nsx inspect {pid} --json   says: pid {pid} is {inside} inside"));
    ensure!(*inside == 1, "the program is not PID 1 inside");
    let look = "echo \"PID 1 here is $(cat /proc/1/comm); I am PID $(readlink /proc/self)\"";
    demo.show(&["enter", "-t", &target, "-a", "sh", "-c", look])?;

    heading("End it, and look what is left");
    isolated.end()?;
    let cgroup = inspection.pointer("/cgroup/path").and_then(Value::as_str).unwrap_or_default();
    nothing_is_left(&isolated.program, cgroup)?;
    for name in own_namespaces(&inspection) {
        ensure!(!process::is_in(&name), "a process is left in {name}");
    }
    demo.show(&["ps"])?;
    say::line(format_args!("Nothing is left: no process, no namespace, no cgroup."));
    Ok(())
}

fn heading(text: &str) {
    say::line(format_args!("\n## {text}"));
}

struct Demo {
    nsx: PathBuf,
}

impl Demo {
    /// Shows a command and what it prints.
    fn show(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.nsx);
        command.args(arguments).stdin(Stdio::null());
        say::line(format_args!("$ {}", run::shown(&command)));
        let status = command.status().context("nsx")?;
        ensure!(status.success(), "{} ended with {status}", run::shown(&command));
        Ok(())
    }

    fn inspection(&self, target: &str) -> Result<Value> {
        let text = run::output(Command::new(&self.nsx).args(["inspect", target, "--json"]))?;
        let mut document: Value = serde_json::from_str(&text)?;
        document.get_mut("data").map(Value::take).context("no data")
    }

    /// With a memory limit where the host allows one, and as somebody else than root with a user
    /// namespace.
    fn isolate(&self) -> Result<Isolated> {
        let mut options = vec!["--newpid", "--newnet", "--newuts", "--newns", "--hostname=demo"];
        if !run::is_root() {
            say::line(format_args!(
                "You are not root: --newuser is added, and root is what the program is inside only."
            ));
            options.push("--newuser");
        }
        let limited = [&options[..], &["--memory=64M"]].concat();
        match self.spawn(&limited) {
            Ok(isolated) => Ok(isolated),
            Err(error) => {
                say::line(format_args!("{error:#}"));
                say::line(format_args!("This host grants no memory limit here; without one:"));
                self.spawn(&options)
            }
        }
    }

    fn spawn(&self, options: &[&str]) -> Result<Isolated> {
        let mut command = Command::new(&self.nsx);
        command.arg("spawn").args(options).args(["sh", "-c", PROGRAM]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        say::line(format_args!("$ {} &", run::shown(&command)));
        let mut supervisor = command.spawn().context("nsx spawn")?;
        let stdout = supervisor.stdout.take().context("no pipe")?;
        let mut isolated =
            Isolated { supervisor, stdout, pid_inside: String::new(), program: Started::none() };
        let mut line = String::new();
        BufReader::new(&mut isolated.stdout).read_line(&mut line)?;
        if line.is_empty() {
            let mut said = String::new();
            isolated.supervisor.stderr.take().context("no pipe")?.read_to_string(&mut said)?;
            bail!("{}", said.trim());
        }
        line.trim().clone_into(&mut isolated.pid_inside);
        let parent = isolated.supervisor.id().cast_signed();
        // Its guard comes before the program.
        let child = process::children(parent).into_iter().next_back();
        isolated.program = Started::of("the program", child.context("nsx spawn has no child")?)?;
        Ok(isolated)
    }
}

/// Ended when dropped, whatever went wrong.
struct Isolated {
    supervisor: Child,
    stdout: ChildStdout,
    pid_inside: String,
    program: Started,
}

impl Isolated {
    /// Ends the supervisor, which passes the signal on and waits for the program.
    fn end(&mut self) -> Result<()> {
        let supervisor = Started::of("nsx spawn", self.supervisor.id().cast_signed());
        if let Ok(supervisor) = supervisor {
            supervisor.end(Duration::from_secs(5));
        }
        self.supervisor.wait()?;
        Ok(())
    }
}

impl Drop for Isolated {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// As the links in `/proc/PID/ns` spell them.
fn own_namespaces(inspection: &Value) -> Vec<String> {
    let all = inspection.get("namespaces").and_then(Value::as_array);
    let own = all
        .into_iter()
        .flatten()
        .filter(|namespace| namespace.get("own") == Some(&Value::Bool(true)));
    own.filter_map(|own| Some(format!("{}:[{}]", own.get("kind")?.as_str()?, own.get("inode")?)))
        .collect()
}

fn nothing_is_left(program: &Started, cgroup: &str) -> Result<()> {
    ensure!(!program.is_running(), "the program still runs");
    let name = cgroup.rsplit('/').next().unwrap_or_default();
    if name.starts_with("nsx-") {
        let left = crate::lab::cgroups_named([name]);
        ensure!(left.is_empty(), "cgroups are left: {left:?}");
    }
    Ok(())
}
