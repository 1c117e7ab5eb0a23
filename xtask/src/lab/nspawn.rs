//! A container under systemd-nspawn without systemd: nobody is told of it, and no unit is its own.

use super::leftovers::Leftovers;
use super::{Container, Lab, Runtime, rootfs, start};
use crate::run;
use anyhow::{Context, Result};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "nsx-lab-nspawn";

pub(super) fn up(lab: &mut Lab) -> Result<()> {
    let nspawn = run::find("systemd-nspawn");
    let nspawn = nspawn.context("systemd-nspawn is missing (package systemd-container)")?;
    let dir = lab.below(Runtime::Nspawn);
    rootfs::make(&dir)?;
    let mut command = Command::new(nspawn);
    command.args(["--quiet", "--machine", NAME, "--register=no", "--keep-unit"]);
    command.args(["--private-network", "--directory"]).arg(dir.join("rootfs"));
    let nspawn = start::background(command.args(rootfs::SLEEP), &dir.join("log"))?;
    let init = start::isolated_child(lab, Runtime::Nspawn, &nspawn)?;
    lab.remember(Container::running(Runtime::Nspawn, Some(NAME), init))
}

pub(super) fn leftovers(dir: &Path) -> Leftovers {
    let own = Path::new("/run/systemd/nspawn");
    let lock = |root: std::fs::Metadata| {
        own.join("locks").join(format!("inode-{}:{}", root.dev(), root.ino()))
    };
    let lock: Option<PathBuf> = dir.join("rootfs").metadata().ok().map(lock);
    Leftovers {
        programs: &["systemd-nspawn"],
        cgroups: Vec::new(),
        state: lock.into_iter().chain([own.join("propagate").join(NAME)]).collect(),
    }
}
