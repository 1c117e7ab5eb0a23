//! Containers under podman, whose data and state are below the lab's directory; only the command
//! lines of the containers' monitors say where.

use super::controllers::Controllers;
use super::leftovers::Leftovers;
use super::record::{Pod, State};
use super::rootfs::{self, IMAGE, SLEEP};
use super::{Container, Lab, Runtime, start, traces};
use crate::process::Started;
use crate::run;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const NAME: &str = "nsx-lab-podman";
const PAUSED: &str = "nsx-lab-podman-paused";
const MEMBER: &str = "nsx-lab-podman-member";
const STOPPED: &str = "nsx-lab-podman-stopped";
const POD: &str = "nsx-lab-pod";

pub(super) fn up(lab: &mut Lab) -> Result<()> {
    let dir = lab.below(Runtime::Podman);
    let image = rootfs::image(&dir)?;
    let _controllers = Controllers::lend()?;
    run::output(client(&dir).args(["load", "--quiet", "--input"]).arg(&image))?;
    let shared = format!("{}:/shared:ro", dir.join("rootfs").display());
    let limits = ["--memory", "48m", "--pids-limit", "77", "--cpus", "0.5"];
    run_container(lab, NAME, &[&limits[..], &["--volume", &shared]].concat(), None)?;
    run_container(lab, PAUSED, &[], None)?;
    run::output(client(&dir).args(["pause", PAUSED]))?;
    lab.became(PAUSED, State::Paused)?;
    let uid = run::output(client(&dir).args(["pod", "create", "--name", POD, "--infra=false"]))?;
    let pod = Pod { name: Some(POD.to_owned()), uid: Some(uid), ..Pod::default() };
    run_container(lab, MEMBER, &["--pod", POD], Some(pod))?;
    run_container(lab, STOPPED, &[], None)?;
    run::output(client(&dir).args(["kill", STOPPED]))?;
    run::output(client(&dir).args(["wait", STOPPED]))?;
    lab.became(STOPPED, State::Stopped)
}

fn run_container(lab: &mut Lab, name: &str, options: &[&str], pod: Option<Pod>) -> Result<()> {
    let dir = lab.below(Runtime::Podman);
    let mut run = client(&dir);
    run.args(["run", "--detach", "--name", name, "--network", "none"]);
    // What it sets of its own accord only a process with CAP_SYS_RESOURCE may.
    run.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]);
    run.args(options).arg(IMAGE).args(SLEEP);
    start::detached(&mut run, &dir.join("log"))?;
    let told = "{{.State.Pid}} {{.Id}} {{.ImageName}}";
    let told = run::output(client(&dir).args(["inspect", "--format", told, name]))?;
    let mut told = told.split(' ').map(str::to_owned);
    let pid = told.next().unwrap_or_default().parse()?;
    lab.remember(Container {
        id: told.next(),
        image: told.next(),
        pod,
        ..Container::running(Runtime::Podman, Some(name), Started::of(name, pid)?)
    })
}

pub(crate) fn client(dir: &Path) -> Command {
    let mut client = run::plain("podman");
    for (option, place) in [
        ("--root", "data"),
        ("--runroot", "run"),
        ("--tmpdir", "tmp"),
        ("--network-config-dir", "networks"),
    ] {
        client.arg(option).arg(dir.join(place));
    }
    // Whatever the machine's configuration says, and without systemd.
    client.args(["--runtime", "crun", "--cgroup-manager", "cgroupfs"]);
    client.args(["--events-backend", "file"]);
    client
}

pub(super) fn leftovers(dir: &Path) -> Leftovers {
    let data = std::fs::read_dir(dir.join("data")).into_iter().flatten().flatten();
    let stores = data.map(|entry| entry.path()).filter(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("-containers"))
    });
    let ids: Vec<String> = stores.flat_map(|store| traces::names_in(&store)).collect();
    let crun = |id: &String| PathBuf::from("/run/crun").join(id);
    Leftovers {
        programs: &["podman", "conmon", "crun"],
        state: ids.iter().map(crun).collect(),
        cgroups: ids.iter().map(|id| format!("libpod-{id}")).collect(),
    }
}
