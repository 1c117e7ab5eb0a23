//! `enter` and `spawn` against what starts programs in namespaces today: nsenter(1), unshare(1),
//! bwrap(1), and the runtimes crun(1) and runc(8) with the smallest of bundles. The program does
//! nothing, so that the launchers' own cost is seen.

use super::nothing::Nothing;
use super::{Bench, peer};
use crate::lab::Controllers;
use crate::many::{isolated::Isolated, mounts};
use crate::run;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// How many mounts there are besides the host's, where many matter.
const MANY: usize = 1_000;
/// Of the containers; a runtime makes control groups of that name, and removes them.
const CONTAINER: &str = "nsx-bench";

impl Bench {
    pub(super) fn launchers(&mut self) -> Result<()> {
        let nothing = Nothing::write()?;
        let path = nothing.path.to_str().context("a path that is no text")?;
        self.enter(path)?;
        self.spawn(path)?;
        self.isolate(path, "full isolation, read-only");
        let what = format!("full isolation, read-only, {MANY} mounts more");
        mounts::among(MANY, || self.isolate(path, &what))?;
        self.contain(&nothing)
    }

    fn enter(&mut self, nothing: &str) -> Result<()> {
        let target = Isolated::gather(1)?;
        let pid = target.first().context("nobody is isolated")?.to_string();
        let net = ["-t", &pid, "-n"];
        let five = ["-t", &pid, "-n", "-u", "-i", "-p", "-C"];
        for (what, options) in [("a network namespace", &net[..]), ("five namespaces", &five)] {
            for program in [nothing, "/bin/true"] {
                let line = [options, &[program]].concat();
                let theirs = peer("nsenter", &line)?;
                self.compare(&format!("enter {what}"), self.nsx("nsx-enter", &line), theirs);
            }
        }
        Ok(())
    }

    fn spawn(&mut self, nothing: &str) -> Result<()> {
        let unshare = |options: &[&str], program| {
            peer("unshare", &[options, &["-pf", "--mount-proc", program]].concat())
        };
        for program in [nothing, "/bin/true"] {
            let what = "spawn in a pid namespace";
            let ours = self.nsx("nsx-spawn", &["--newpid", program]);
            self.compare(what, ours, unshare(&[], program)?);
            let ours = self.nsx("nsx", &["spawn", "--newpid", program]);
            self.compare(what, ours, unshare(&[], program)?);
        }
        let ours = self.nsx("nsx-spawn", &["-pn", nothing]);
        self.compare("and in a network namespace", ours, unshare(&["-n"], nothing)?);
        let ours = self.nsx("nsx-spawn", &["-pU", nothing]);
        self.compare("and in a user namespace, as root inside", ours, unshare(&["-Ur"], nothing)?);
        Ok(())
    }

    /// All namespaces, the host's files read-only, a /proc of its own.
    fn isolate(&mut self, nothing: &str, what: &str) {
        let Some(mut peer) = program("bwrap") else { return };
        peer.args(["--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", nothing]);
        let ours = self.nsx("nsx-spawn", &["--new-all", "--read-only", nothing]);
        self.compare(what, ours, peer);
    }

    /// A bundle as the runtime's `spec` has it, and what comes closest here: without a control
    /// group, and with one.
    fn contain(&mut self, nothing: &Nothing) -> Result<()> {
        for name in ["crun", "runc"] {
            let Some(runtime) = program(name) else { continue };
            // Without them crun begins nothing on a host with both versions.
            let controllers = (name == "crun").then(Controllers::lend).transpose()?;
            let bundle = tempfile::tempdir().context("make a directory")?;
            let root = bundle.path().join("rootfs");
            // A runtime makes what it mounts on; with us a root is left as it is.
            for directory in ["proc", "sys", "dev"] {
                std::fs::create_dir_all(root.join(directory))?;
            }
            std::fs::copy(&nothing.path, root.join("nothing"))?;
            describe(Path::new(runtime.get_program()), bundle.path())?;
            let root = root.to_str().context("a path that is no text")?;
            let alone = [
                "-pnuimC",
                "--rootfs",
                root,
                "--read-only",
                "--cap-drop=all",
                "--cap-add=audit_write,kill,net_bind_service",
                "--no-new-privs",
                "--rlimit=nofile=1024",
            ];
            let words: &[&str] = &["/nothing"];
            let run = || {
                let mut peer = Command::new(runtime.get_program());
                peer.args(["run", "-b"]).arg(bundle.path()).arg(CONTAINER);
                peer
            };
            // A runtime that did not end as it should, as one that valgrind cannot run, leaves it.
            let clear = || {
                let mut delete = Command::new(runtime.get_program());
                let _ = run::output(delete.args(["delete", "--force", CONTAINER]));
            };
            // The kernel's part of it: most of that is the network namespace.
            let nothing = nothing.path.to_str().context("a path that is no text")?;
            let ours = self.nsx("nsx-spawn", &["-pnuimC", nothing]);
            self.compare("the namespaces of a bundle alone", ours, run());
            clear();
            for more in [&[][..], &["--pids=100"]] {
                let ours = self.nsx("nsx-spawn", &[&alone, more, words].concat());
                let group = if more.is_empty() { "" } else { ", with a control group" };
                self.compare(&format!("run a minimal bundle{group}"), ours, run());
                clear();
            }
            if let Some(lent) = controllers {
                drop(lent);
                Controllers::give_back()?;
            }
        }
        Ok(())
    }
}

/// What is not installed is said and left out.
fn program(name: &str) -> Option<Command> {
    let found = run::find(name);
    if found.is_none() {
        crate::say::note(format_args!("bench: {name} is not installed: left out"));
    }
    found.map(Command::new)
}

/// The runtime's own example, with our program and without a terminal.
fn describe(runtime: &Path, bundle: &Path) -> Result<()> {
    run::output(Command::new(runtime).arg("spec").current_dir(bundle))?;
    let file = bundle.join("config.json");
    let mut spec: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    let process = spec.get_mut("process").and_then(Value::as_object_mut);
    let process = process.context("the runtime's spec names no process")?;
    process.insert("terminal".to_owned(), json!(false));
    process.insert("args".to_owned(), json!(["/nothing"]));
    std::fs::write(file, spec.to_string())?;
    Ok(())
}
