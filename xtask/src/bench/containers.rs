//! Containers under docker and podman: looked at, entered and listed, against their own engines and
//! against what one types today for a part of it.

use super::{Bench, peer};
use crate::lab::{Lab, Runtime, docker, podman};
use crate::{run, say};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// A lab of its own, so that one that is up is left alone.
const LAB: &str = "/tmp/nsx-bench";
/// How many docker containers the listings have, ascending.
const MANY: [usize; 2] = [2, 50];

impl Bench {
    pub(super) fn containers(&mut self) -> Result<()> {
        if run::find("docker").is_some() {
            self.in_lab(Runtime::Docker, |bench, lab| {
                lab.up_by(Runtime::Docker, docker::up_alone)?;
                bench.one_of_docker(lab)
            })?;
        } else {
            say::note(format_args!("bench: docker is not installed: left out"));
        }
        if run::find("podman").is_some() {
            return self.in_lab(Runtime::Podman, |bench, lab| {
                lab.up(Runtime::Podman)?;
                bench.one_of_podman(lab);
                Ok(())
            });
        }
        say::note(format_args!("bench: podman is not installed: left out"));
        Ok(())
    }

    fn one_of_docker(&mut self, lab: &Lab) -> Result<()> {
        let client = |arguments: &[&str]| {
            let mut client = docker::client(lab);
            client.args(arguments);
            client
        };
        let whole = [docker::NAME, "--json"];
        let ours = self.nsx("nsx-inspect", &whole);
        self.compare("a container", ours, client(&["inspect", docker::NAME]));
        let pid = run::output(&mut client(&["inspect", "-f", "{{.State.Pid}}", docker::NAME]))?;
        let pid = pid.trim();
        let ours = self.nsx("nsx-inspect", &whole);
        self.compare("the same", ours, shell_line(pid));
        for (what, line) in [
            ("its network, the peer only addresses", &["ip", "-j", "addr"][..]),
            ("its network, the peer only sockets", &["ss", "-tanpH"]),
        ] {
            let ours = self.nsx("nsx-inspect", &[docker::NAME, "--only", "net", "--json"]);
            self.compare(what, ours, peer("nsenter", &[&["-t", pid, "-n"], line].concat())?);
        }
        let ours = self.nsx("nsx-inspect", &[docker::NAME, "--only", "mounts", "--json"]);
        self.compare("its mounts", ours, peer("findmnt", &["-N", pid, "-J"])?);
        let ours = self.nsx("nsx-ps", &["--usage"]);
        self.compare("what it uses", ours, client(&["stats", "--no-stream"]));
        let program = [docker::NAME, "/bin/busybox", "true"];
        let ours = self.nsx("nsx-enter", &[&["--as-target", "-t"], &program[..]].concat());
        self.compare("run in it, as it", ours, client(&[&["exec"], &program[..]].concat()));
        Ok(())
    }

    fn one_of_podman(&mut self, lab: &Lab) {
        let dir = lab.below(Runtime::Podman);
        let client = |arguments: &[&str]| {
            let mut client = podman::client(&dir);
            client.args(arguments);
            client
        };
        let ours = self.nsx("nsx-inspect", &[podman::NAME, "--json"]);
        self.compare("a container of podman", ours, client(&["inspect", podman::NAME]));
        let program = [podman::NAME, "/bin/busybox", "true"];
        let ours = self.nsx("nsx-enter", &[&["--as-target", "-t"], &program[..]].concat());
        self.compare("run in it, as it", ours, client(&[&["exec"], &program[..]].concat()));
        self.compare("list 5 containers", self.nsx("nsx-ps", &["--all"]), client(&["ps", "--all"]));
    }

    pub(super) fn listings(&mut self) -> Result<()> {
        if run::find("docker").is_none() {
            say::note(format_args!("bench: docker is not installed: left out"));
            return Ok(());
        }
        self.in_lab(Runtime::Docker, |bench, lab| {
            lab.up_by(Runtime::Docker, docker::up_for_many)?;
            let mut running = 0;
            for count in MANY {
                say::note(format_args!("bench: starting {count} containers"));
                docker::run_containers(lab, count.saturating_sub(running))?;
                running = running.max(count);
                let what = format!("{running} containers");
                let mut client = docker::client(lab);
                client.arg("ps");
                bench.compare(&what, bench.nsx("nsx-ps", &[]), client);
                bench.compare(&what, bench.nsx("nsx-ps", &[]), peer("lsns", &[])?);
                let ours = bench.nsx("nsx-ps", &[]);
                bench.compare(&what, ours, bench.nsx("nsx-ns", &[]));
            }
            Ok(())
        })
    }

    /// What was measured is not lost with what cannot be cleared away.
    fn in_lab(
        &mut self,
        runtime: Runtime,
        measure: impl FnOnce(&mut Self, &mut Lab) -> Result<()>,
    ) -> Result<()> {
        let mut lab = Lab::create(Path::new(LAB))?;
        let measured = measure(self, &mut lab);
        let cleared = lab.down(&[runtime]);
        measured.and(cleared)
    }
}

/// What one types today for a part of what inspect tells.
fn shell_line(pid: &str) -> Command {
    let mut line = Command::new("sh");
    line.arg("-c").arg(format!(
        "nsenter -t {pid} -n ip -j addr; findmnt -N {pid} -J; nsenter -t {pid} -u hostname"
    ));
    line
}
