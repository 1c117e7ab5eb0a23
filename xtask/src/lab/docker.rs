//! Docker of the lab: a daemon of its own in a network namespace of its own, with data, sockets and
//! state below the lab's directory. The bridge uses an address range for documentation (RFC 5737)
//! and never appears among the host's interfaces.

use super::{Container, Lab, Runtime, rootfs, traces};
use crate::process::{self, Started};
use crate::{run, say};
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Debian's, which belong together; another client in `$PATH` may speak another version.
const DAEMON: &str = "/usr/sbin/dockerd";
const CLIENT: &str = "/usr/bin/docker";

const IMAGE: &str = "nsx-lab:1";
const NAME: &str = "nsx-lab-docker";

/// `exec` keeps the number: the daemon is the process that was started.
const START: &str = r#"
ip link set lo up
exec "$0" --config-file config.json --data-root "$1/data" --exec-root "$1/run" \
    --host "unix://$1/sock" --pidfile "$1/pid" --bip 198.51.100.1/24 \
    --iptables=false --ip6tables=false
"#;

pub(super) fn up(lab: &mut Lab) -> Result<()> {
    for program in [DAEMON, CLIENT] {
        if !run::is_program(Path::new(program)) {
            bail!("{program} is missing (package docker.io)");
        }
    }
    let dir = lab.below(Runtime::Docker);
    rootfs::make(&dir.join("rootfs"))?;
    // A file of our own, or the machine's daemon.json would count.
    std::fs::write(dir.join("config.json"), "{}\n")?;
    start(lab, &dir)?;
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
    run_container(lab, NAME)
}

fn start(lab: &mut Lab, dir: &Path) -> Result<()> {
    let log = File::create(dir.join("log"))?;
    let mut daemon = Command::new("unshare");
    daemon.args(["--net", "--", "sh", "-euc", START, DAEMON]).arg(dir).current_dir(dir);
    daemon.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    let child = daemon.spawn().context("unshare")?;
    lab.record.engine = Some(Started::of("dockerd", child.id().cast_signed())?);
    lab.save()?;
    let start = Instant::now();
    while run::output(client(lab).args(["version", "--format", "{{.Server.Version}}"])).is_err() {
        let running = lab.record.engine.as_ref().is_some_and(Started::is_running);
        if !running || start.elapsed() > Duration::from_mins(1) {
            let said = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
            bail!("dockerd does not answer; it said last: {}", said.lines().last().unwrap_or(""));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Starts one more container.
pub(crate) fn run_container(lab: &mut Lab, name: &str) -> Result<()> {
    let args = ["run", "-d", "--memory", "64m", "--name", name, IMAGE, "/bin/sleep", "100000"];
    run::output(client(lab).args(args))?;
    let pid = run::output(client(lab).args(["inspect", "-f", "{{.State.Pid}}", name]))?;
    let init = Started::of(name, pid.parse()?)?;
    let name = name.to_owned();
    lab.remember(Container { runtime: Runtime::Docker, name, init })
}

/// Starts many more, without a network and a few at a time; they end with their daemon.
pub(crate) fn run_containers(lab: &Lab, count: usize) -> Result<()> {
    let left = AtomicUsize::new(count);
    let one_after_another = || -> Result<()> {
        while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            let args = ["run", "-d", "--network", "none", IMAGE, "/bin/sleep", "100000"];
            run::output(client(lab).args(args))?;
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

/// Ends everything, in an order that works with a healthy daemon, a stopped one and none.
pub(super) fn clear(lab: &mut Lab) -> Result<()> {
    let dir = lab.below(Runtime::Docker);
    if !dir.exists() {
        return Ok(());
    }
    let cgroups = traces::cgroups_named(ids(&dir).iter().map(String::as_str));
    let sockets = shim_sockets(&dir);
    let engines = || {
        let pids = process::all().into_iter();
        pids.filter(|pid| belongs(&process::arguments(*pid), &dir))
            .filter_map(|pid| Started::of("docker's", pid).ok())
            .collect::<Vec<_>>()
    };
    engines().iter().for_each(Started::wake);
    traces::thaw(&cgroups);
    for pid in traces::members(&cgroups) {
        if let Ok(member) = Started::of("container", pid) {
            member.kill();
        }
    }
    if let Some(engine) = &lab.record.engine {
        ensure!(engine.end(Duration::from_secs(20)), "dockerd does not end");
    }
    for left in engines() {
        say::note(format_args!("lab: ending pid {}, which was left", left.pid));
        left.end(Duration::from_secs(5));
    }
    lab.record.engine = None;
    traces::remove(&cgroups);
    traces::remove(&sockets);
    Ok(())
}

/// The ids of all containers, from the daemon's files.
fn ids(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join("data/containers")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The sockets of the shims, which containerd puts into /run/containerd/s.
fn shim_sockets(dir: &Path) -> Vec<PathBuf> {
    let tasks = dir.join("run/containerd/daemon/io.containerd.runtime.v2.task/moby");
    let entries = std::fs::read_dir(tasks).into_iter().flatten().flatten();
    let addresses = entries.filter_map(|e| std::fs::read_to_string(e.path().join("address")).ok());
    addresses.filter_map(|text| text.trim().strip_prefix("unix://").map(PathBuf::from)).collect()
}

/// Whether a command line is that of an engine's program working in `dir`.
fn belongs(arguments: &[String], dir: &Path) -> bool {
    let Some((program, rest)) = arguments.split_first() else {
        return false;
    };
    let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
    let known = ["dockerd", "containerd", "runc", "docker-proxy"].contains(&&*name)
        || name.starts_with("containerd-shim");
    let within =
        |argument: &String| Path::new(argument.trim_start_matches("unix://")).starts_with(dir);
    known && rest.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_engine_in_the_same_directory_belongs() {
        let dir = Path::new("/tmp/lab/docker");
        let line = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (text, expected) in [
            ("/usr/bin/containerd --config /tmp/lab/docker/run/containerd/containerd.toml", true),
            ("containerd-shim-runc-v2 -address /tmp/lab/docker/run/containerd/c.sock", true),
            ("/usr/sbin/dockerd --host unix:///tmp/lab/docker/sock", true),
            ("/usr/sbin/dockerd --host unix:///tmp/lab/docker2/sock", false),
            ("vi /tmp/lab/docker/log", false),
            ("/usr/bin/dockerd", false),
        ] {
            assert_eq!(belongs(&line(text), dir), expected, "{text}");
        }
    }
}
