//! Containers of the machine's engines, each removed with its test. Their root holds busybox.

use crate::support::{self, json, succeeds};
use serde_json::Value;
use std::process::Command;
use std::sync::OnceLock;

const ROOTFS: &str = "/usr/share/nsx-vm/rootfs.tar";
const IMAGE: &str = "bb:1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// With systemd's driver, the one that it has on such a host.
    Docker,
    /// Of root, with crun and systemd's groups.
    Podman,
    /// Of alice.
    Rootless,
}

impl Engine {
    pub fn command(self) -> Command {
        match self {
            Self::Docker => Command::new("docker"),
            Self::Podman => Command::new("podman"),
            Self::Rootless => {
                let mut command = as_alice();
                command.arg("podman");
                command
            }
        }
    }

    /// Its image, imported once; and docker started once.
    fn prepare(self) {
        static READY: [OnceLock<()>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        READY[self as usize].get_or_init(|| {
            if self == Self::Docker {
                succeeds(Command::new("systemctl").args(["start", "docker"]));
            }
            if self == Self::Rootless {
                let bus = std::path::Path::new("/run/user/1000/bus");
                support::until("alice's manager listens", || bus.exists());
            }
            succeeds(self.command().args(["import", ROOTFS, IMAGE]));
        });
    }
}

/// A command as alice, in the session of her own manager.
pub fn as_alice() -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "alice", "--regid", "alice", "--init-groups", "env", "HOME=/home/alice"])
        .args(["XDG_RUNTIME_DIR=/run/user/1000", "USER=alice"])
        .arg("DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus")
        .current_dir("/home/alice");
    command
}

/// A running container.
#[derive(Debug)]
pub struct Container {
    engine: Engine,
    pub name: &'static str,
    pub pid: u32,
    /// What its engine says of it.
    pub told: Value,
}

impl Container {
    /// Runs `script` by a shell that is PID 1 of it.
    pub fn run(engine: Engine, name: &'static str, options: &[&str], script: &str) -> Self {
        engine.prepare();
        let mut run = engine.command();
        run.args(["run", "--detach", "--name", name, "--network", "none"]);
        succeeds(run.args(options).args([IMAGE, "/bin/sh", "-c", script]));
        let mut container = Self { engine, name, pid: 0, told: Value::Null };
        container.told = json(engine.command().args(["inspect", name]))[0].take();
        let pid = container.told["State"]["Pid"].as_u64().expect("a pid");
        container.pid = u32::try_from(pid).expect("a pid");
        container
    }

    /// The path of its init's group.
    pub fn group(&self) -> String {
        crate::truth::group_of(self.pid)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let mut remove = self.engine.command();
        remove.args(["rm", "--force"]);
        if self.engine != Engine::Docker {
            remove.args(["--time", "0"]);
        }
        let _ = support::output(remove.arg(self.name));
    }
}

/// A service of the system's manager, stopped with its test.
#[derive(Debug)]
pub struct Service {
    pub unit: String,
    pub pid: u32,
}

impl Service {
    pub fn run(name: &str, options: &[&str], script: &str) -> Self {
        let unit = format!("{name}.service");
        let mut run = Command::new("systemd-run");
        run.args(["--quiet", "--unit", &unit]).args(options);
        succeeds(run.args(["/bin/sh", "-c", script]));
        let mut service = Self { unit, pid: 0 };
        let mut show = Command::new("systemctl");
        let pid = succeeds(show.args(["show", "--property=MainPID", "--value", &service.unit]));
        service.pid = pid.trim().parse().expect("a pid");
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let kill = ["kill", "--signal=KILL", &self.unit];
        let _ = support::output(Command::new("systemctl").args(kill));
    }
}
