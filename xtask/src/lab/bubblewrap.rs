//! A program under bubblewrap, which keeps no state at all.

use super::leftovers::Leftovers;
use super::{Container, Lab, Runtime, rootfs, start};
use crate::run;
use anyhow::{Context, Result};
use std::process::Command;

pub(super) fn up(lab: &mut Lab) -> Result<()> {
    let bwrap = run::find("bwrap").context("bwrap is missing (package bubblewrap)")?;
    let dir = lab.below(Runtime::Bubblewrap);
    rootfs::make(&dir)?;
    let mut command = Command::new(bwrap);
    command.arg("--ro-bind").arg(dir.join("rootfs")).args(["/", "--proc", "/proc", "--dev"]);
    command.args(["/dev", "--unshare-pid", "--unshare-net", "--unshare-uts"]);
    command.args(["--hostname", "nsx-lab-bwrap"]).args(rootfs::SLEEP);
    let bwrap = start::background(&mut command, &dir.join("log"))?;
    let init = start::isolated_child(lab, Runtime::Bubblewrap, &bwrap)?;
    lab.remember(Container::running(Runtime::Bubblewrap, None, init))
}

pub(super) fn leftovers() -> Leftovers {
    Leftovers { programs: &["bwrap"], cgroups: Vec::new(), state: Vec::new() }
}
