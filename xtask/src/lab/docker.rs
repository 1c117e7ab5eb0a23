//! Docker of the lab: a daemon of its own in a network namespace of its own, with data, sockets and
//! state below the lab's directory. The bridge uses an address range for documentation (RFC 5737)
//! and never appears among the host's interfaces.

use super::leftovers::Leftovers;
use super::record::State;
use super::{Container, Lab, Runtime, rootfs, start, traces};
use crate::process::Started;
use crate::run;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Debian's, which belong together; another client in `$PATH` may speak another version.
const DAEMON: &str = "/usr/sbin/dockerd";
const CLIENT: &str = "/usr/bin/docker";

const IMAGE: &str = "nsx-lab:1";
pub(crate) const NAME: &str = "nsx-lab-docker";
/// A port of the network namespace that the daemon is in.
const PUBLISHED: &str = "18080:80";

/// `exec` keeps the number: the daemon is the process that was started.
const START: &str = r#"
dir=$1
shift
ip link set lo up
exec "$0" --config-file config.json --data-root "$dir/data" --exec-root "$dir/run" \
    --host "unix://$dir/sock" --pidfile "$dir/pid" --iptables=false --ip6tables=false "$@"
"#;

/// What network its containers find.
#[derive(Clone, Copy)]
enum Net {
    /// A bridge in a network namespace of the daemon's own.
    Bridge,
    /// None. The daemon and its shims are ordinary processes of the host.
    Nothing,
}

/// One container in each state.
pub(super) fn up(lab: &mut Lab) -> Result<()> {
    up_alone(lab)?;
    let (paused, stopped) = ("nsx-lab-docker-paused", "nsx-lab-docker-stopped");
    run_container(lab, paused)?;
    run::output(client(lab).args(["pause", paused]))?;
    lab.became(paused, State::Paused)?;
    run_container(lab, stopped)?;
    run::output(client(lab).args(["kill", stopped]))?;
    run::output(client(lab).args(["wait", stopped]))?;
    lab.became(stopped, State::Stopped)?;
    let created = "nsx-lab-docker-created";
    let create = ["create", "--name", created, IMAGE];
    let id = run::output(client(lab).args(create).args(rootfs::SLEEP))?;
    lab.remember(described(created, id, State::Created, None))
}

/// The engine and one container.
pub(crate) fn up_alone(lab: &mut Lab) -> Result<()> {
    start_with(lab, Net::Bridge)?;
    run_with(lab, NAME, &["--publish", PUBLISHED])
}

/// An engine for many containers without a network: the host is as it is with any engine.
pub(crate) fn up_for_many(lab: &mut Lab) -> Result<()> {
    start_with(lab, Net::Nothing)
}

fn start_with(lab: &Lab, net: Net) -> Result<()> {
    for program in [DAEMON, CLIENT] {
        if !run::is_program(Path::new(program)) {
            bail!("{program} is missing (package docker.io)");
        }
    }
    let dir = lab.below(Runtime::Docker);
    rootfs::make(&dir)?;
    // A file of our own, or the machine's daemon.json would count.
    std::fs::write(dir.join("config.json"), "{}\n")?;
    start_engine(lab, &dir, net)?;
    let packed = Command::new("tar")
        .args(["-C", "rootfs", "-c", "."])
        .current_dir(&dir)
        .stdout(Stdio::piped())
        .spawn()?
        .stdout
        .context("tar has no output")?;
    let mut import = client(lab);
    let import = import.args(["import", "-", IMAGE]).stdin(packed).output()?;
    if !import.status.success() {
        bail!("docker import: {}", String::from_utf8_lossy(&import.stderr).trim());
    }
    Ok(())
}

fn start_engine(lab: &Lab, dir: &Path, net: Net) -> Result<()> {
    let log = dir.join("log");
    let (mut daemon, net) = match net {
        Net::Bridge => {
            let mut daemon = Command::new("unshare");
            daemon.args(["--net", "--", "sh"]);
            (daemon, &["--bip", "198.51.100.1/24"][..])
        }
        Net::Nothing => (Command::new("sh"), &["--bridge=none", "--ip-forward=false"][..]),
    };
    daemon.args(["-euc", START, DAEMON]).arg(dir).args(net).current_dir(dir);
    let daemon = start::background(&mut daemon, &log)?;
    let version = ["version", "--format", "{{.Server.Version}}"];
    start::until(&daemon, &log, || run::output(client(lab).args(version)).ok()).map(drop)
}

/// Starts one more container, with limits and a directory of the host's.
pub(crate) fn run_container(lab: &mut Lab, name: &str) -> Result<()> {
    run_with(lab, name, &[])
}

fn run_with(lab: &mut Lab, name: &str, options: &[&str]) -> Result<()> {
    let shared = format!("{}:/shared:ro", lab.below(Runtime::Docker).join("rootfs").display());
    let mut run = client(lab);
    run.args(["run", "-d", "--memory", "64m", "--pids-limit", "99", "--cpus", "0.75"]);
    run.args(["--volume", &shared]).args(options);
    run.args(["--name", name, IMAGE]).args(rootfs::SLEEP);
    let id = run::output(&mut run)?;
    let pid = run::output(client(lab).args(["inspect", "-f", "{{.State.Pid}}", name]))?;
    let init = Started::of(name, pid.parse()?)?;
    lab.remember(described(name, id, State::Running, Some(init)))
}

fn described(name: &str, id: String, state: State, init: Option<Started>) -> Container {
    Container {
        runtime: Runtime::Docker,
        name: Some(name.to_owned()),
        id: Some(id),
        image: Some(IMAGE.to_owned()),
        state,
        init,
        pod: None,
    }
}

/// Starts many more, without a network and a few at a time; they end with their daemon.
pub(crate) fn run_containers(lab: &Lab, count: usize) -> Result<()> {
    let left = AtomicUsize::new(count);
    let one_after_another = || -> Result<()> {
        while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            let args = ["run", "-d", "--network", "none", IMAGE];
            run::output(client(lab).args(args).args(rootfs::SLEEP))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one_after_another)).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(done) => done,
            Err(_) => bail!("a thread that starts containers panicked"),
        })
    })
}

/// The client, talking to the lab's daemon and with no configuration of the user's.
pub(crate) fn client(lab: &Lab) -> Command {
    let dir = lab.below(Runtime::Docker);
    let mut client = run::plain(CLIENT);
    client.env("DOCKER_HOST", format!("unix://{}", dir.join("sock").display()));
    client.env("DOCKER_CONFIG", &dir).env_remove("DOCKER_CONTEXT");
    client
}

pub(super) fn leftovers(dir: &Path) -> Leftovers {
    let tasks = dir.join("run/containerd/daemon/io.containerd.runtime.v2.task/moby");
    Leftovers {
        programs: &["dockerd", "containerd", "containerd-shim", "runc", "docker-proxy"],
        cgroups: traces::names_in(&dir.join("data/containers")),
        state: traces::shim_sockets(&tasks),
    }
}
