//! A container under LXC, with configuration and root file system below the lab's directory.

use super::leftovers::Leftovers;
use super::{Container, Lab, Runtime, rootfs, start};
use crate::process::Started;
use crate::run;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

const NAME: &str = "nsx-lab-lxc";

pub(super) fn up(lab: &mut Lab) -> Result<()> {
    let lxc_start = run::find("lxc-start").context("lxc-start is missing (package lxc)")?;
    let dir = lab.below(Runtime::Lxc);
    rootfs::make(&dir)?;
    std::fs::create_dir(dir.join(NAME))?;
    std::fs::write(dir.join(NAME).join("config"), configuration(&dir))?;
    let mut command = Command::new(lxc_start);
    command.arg("-P").arg(&dir).args(["-n", NAME, "-d", "-o"]).arg(dir.join("lxc.log"));
    start::detached(&mut command, &dir.join("log"))?;
    let mut info = Command::new("lxc-info");
    let pid = run::output(info.arg("-P").arg(&dir).args(["-n", NAME, "-pH"]))?;
    let init = Started::of(NAME, pid.trim().parse().context("lxc-info names no pid")?)?;
    lab.remember(Container::running(Runtime::Lxc, Some(NAME), init))
}

fn configuration(dir: &Path) -> String {
    let root = dir.join("rootfs");
    let root = root.display();
    let program = rootfs::SLEEP.join(" ");
    format!(
        "lxc.uts.name = {NAME}\nlxc.rootfs.path = dir:{root}\nlxc.net.0.type = empty\n\
         lxc.init.cmd = {program}\nlxc.mount.auto = proc:rw sys:ro\n\
         lxc.apparmor.profile = unconfined\n"
    )
}

pub(super) fn leftovers(dir: &Path) -> Leftovers {
    let groups = ["lxc.payload", "lxc.monitor"].map(|kind| format!("{kind}.{NAME}"));
    // Locks lie in directories that are named like those of the containers.
    let locks = Path::new("/run/lxc/lock").join(dir.strip_prefix("/").unwrap_or(dir));
    Leftovers {
        programs: &["lxc-start", "[lxc monitor]"],
        cgroups: groups.to_vec(),
        state: vec![locks],
    }
}
