//! Containers of a containerd of the lab's own, whose data, state and sockets are below the lab's
//! directory: some under ids that anybody may choose, and a pod as the kubelet would ask for it.

use super::leftovers::Leftovers;
use super::record::{Pod, State};
use super::rootfs::{self, IMAGE, SLEEP};
use super::{Container, Lab, Runtime, start, traces};
use crate::process::Started;
use crate::run;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// containerd's names for the containers of people and of the kubelet.
const PEOPLE: &str = "default";
const KUBELET: &str = "k8s.io";

const POD_UID: &str = "6e6f8a2c-1111-4222-8333-444455556666";
const MISMATCHED_UID: &str = "0a1b2c3d-1111-4222-8333-444455556666";

pub(super) fn up(lab: &mut Lab) -> Result<()> {
    start_engine(lab)?;
    for id in ["nsx-lab-ctr", "nsx-lab-ctr-paused"] {
        run_container(lab, PEOPLE, id, &[], None)?;
    }
    run::output(client(lab, PEOPLE).args(["tasks", "pause", "nsx-lab-ctr-paused"]))?;
    lab.became("nsx-lab-ctr-paused", State::Paused)?;
    create(lab, "nsx-lab-ctr-created")?;
    pod(lab)?;
    mismatched(lab)
}

fn start_engine(lab: &Lab) -> Result<()> {
    let containerd = run::find("containerd");
    let containerd = containerd.context("containerd is missing (package containerd)")?;
    let dir = lab.below(Runtime::Containerd);
    let image = rootfs::image(&dir)?;
    let log = dir.join("engine.log");
    // The kubelet's own door would want a network.
    let config = "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";
    std::fs::write(dir.join("config.toml"), config)?;
    let mut command = Command::new(containerd);
    command.arg("--config").arg(dir.join("config.toml")).arg("--root").arg(dir.join("root"));
    command.arg("--state").arg(dir.join("state")).arg("--address").arg(dir.join("sock"));
    let engine = start::background(&mut command, &log)?;
    start::until(&engine, &log, || run::output(client(lab, PEOPLE).arg("version")).ok())?;
    for namespace in [PEOPLE, KUBELET] {
        run::output(client(lab, namespace).args(["images", "import"]).arg(&image))?;
    }
    Ok(())
}

/// A sandbox and a container that shares its network, below the control group of the pod.
fn pod(lab: &mut Lab) -> Result<()> {
    let (sandbox, web) = ("5a".repeat(32), "c0".repeat(32));
    let pod = Pod {
        namespace: Some("shop".to_owned()),
        name: Some("web-0".to_owned()),
        uid: Some(POD_UID.to_owned()),
        container: None,
        sandbox: true,
    };
    let group = |id| format!("/kubepods/burstable/pod{POD_UID}/{id}");
    let cri =
        |key: &str, value: &str| ["--label".to_owned(), format!("io.kubernetes.cri.{key}={value}")];
    let of_pod = [
        cri("sandbox-id", &sandbox),
        cri("sandbox-name", "web-0"),
        cri("sandbox-namespace", "shop"),
        cri("sandbox-uid", POD_UID),
    ]
    .concat();
    let own = ["--cgroup".to_owned(), group(&sandbox)];
    let options = [&own, &cri("container-type", "sandbox")[..], &of_pod].concat();
    let pause = run_container(lab, KUBELET, &sandbox, &options, Some(pod.clone()))?;
    let own = [
        "--cgroup".to_owned(),
        group(&web),
        "--with-ns".to_owned(),
        format!("network:/proc/{}/ns/net", pause.pid),
    ];
    let named = [cri("container-type", "container"), cri("container-name", "nginx")].concat();
    let options = [&own, &named[..], &cri("image-name", IMAGE), &of_pod].concat();
    let pod = Pod { container: Some("nginx".to_owned()), sandbox: false, ..pod };
    run_container(lab, KUBELET, &web, &options, Some(pod)).map(drop)
}

/// What becomes of a container when the kubelet spells groups for systemd and containerd does not.
fn mismatched(lab: &mut Lab) -> Result<()> {
    let id = "ad".repeat(32);
    let options = ["--cgroup".to_owned(), mismatched_group(&id)];
    let pod = Pod { uid: Some(MISMATCHED_UID.to_owned()), ..Pod::default() };
    run_container(lab, KUBELET, &id, &options, Some(pod)).map(drop)
}

fn mismatched_group(id: &str) -> String {
    let uid = MISMATCHED_UID.replace('-', "_");
    format!("kubepods-besteffort-pod{uid}.slice:cri-containerd:{id}")
}

fn run_container(
    lab: &mut Lab,
    namespace: &str,
    id: &str,
    options: &[String],
    pod: Option<Pod>,
) -> Result<Started> {
    let mut run = client(lab, namespace);
    run.args(["run", "-d"]).args(options).args([IMAGE, id]).args(SLEEP);
    // It passes its streams on to nobody, but for a moment it holds them itself.
    start::detached(&mut run, &lab.below(Runtime::Containerd).join("log"))?;
    let tasks = run::output(client(lab, namespace).args(["tasks", "ls"]))?;
    let init = Started::of(id, pid_of(&tasks, id).with_context(|| format!("{id} has no task"))?)?;
    let described = described(id, State::Running);
    lab.remember(Container { init: Some(init.clone()), pod, ..described })?;
    Ok(init)
}

fn create(lab: &mut Lab, id: &str) -> Result<()> {
    let mut create = client(lab, PEOPLE);
    run::output(create.args(["containers", "create", IMAGE, id]).args(SLEEP))?;
    lab.remember(described(id, State::Created))
}

fn described(id: &str, state: State) -> Container {
    Container {
        runtime: Runtime::Containerd,
        name: None,
        id: Some(id.to_owned()),
        image: Some(IMAGE.to_owned()),
        state,
        init: None,
        pod: None,
    }
}

/// The line `ID PID STATUS` of a table.
fn pid_of(tasks: &str, id: &str) -> Option<i32> {
    let fields = tasks.lines().map(|line| line.split_whitespace());
    let mut of_id =
        fields.filter_map(|mut line| line.next().filter(|name| *name == id).and(line.next()));
    of_id.next()?.parse().ok()
}

fn client(lab: &Lab, namespace: &str) -> Command {
    let mut client = run::plain("ctr");
    client.arg("--address").arg(lab.below(Runtime::Containerd).join("sock"));
    client.args(["--namespace", namespace]);
    client
}

pub(super) fn leftovers(dir: &Path) -> Leftovers {
    let tasks = dir.join("state/io.containerd.runtime.v2.task");
    let namespaces = [PEOPLE, KUBELET];
    let ids = namespaces.map(|namespace| traces::names_in(&tasks.join(namespace)));
    // runc is told to keep its state here, whatever containerd's own place is.
    let runc = |namespace: &&str| {
        let state = Path::new("/run/containerd/runc").join(namespace);
        traces::names_in(&tasks.join(namespace)).into_iter().map(move |id| state.join(id))
    };
    let ids = ids.concat();
    let mut state: Vec<PathBuf> = namespaces.iter().flat_map(runc).collect();
    state.extend(namespaces.iter().flat_map(|name| traces::shim_sockets(&tasks.join(name))));
    state.extend(traces::streams(&ids));
    let mut cgroups: Vec<String> = ids.iter().map(|id| mismatched_group(id)).collect();
    cgroups.push(format!("pod{POD_UID}"));
    cgroups.extend(ids);
    Leftovers { programs: &["ctr", "containerd", "containerd-shim", "runc"], cgroups, state }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_tasks_pid() {
        let table = "TASK    PID    STATUS    \nweb-2    17    RUNNING\nweb    4242    PAUSED\n";
        assert_eq!(super::pid_of(table, "web"), Some(4242));
        assert_eq!(super::pid_of(table, "17"), None);
    }
}
