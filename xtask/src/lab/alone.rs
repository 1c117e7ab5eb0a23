//! Programs in namespaces of their own without any container engine: with `nsx spawn`, and with
//! unshare(1), of which nothing tells what it is.

use super::leftovers::Leftovers;
use super::{Container, Lab, Runtime, rootfs, start};
use crate::release::Release;
use crate::run;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

pub(super) fn nsx(lab: &mut Lab) -> Result<()> {
    // Tests bring the programs that are tested.
    let nsx = match std::env::var_os("NSX_TEST_BIN_DIR") {
        Some(dir) => PathBuf::from(dir).join("nsx"),
        None => Release::build()?.program("nsx"),
    };
    let mut command = Command::new(nsx);
    command.args(["spawn", "--newpid", "--newnet", "--newuts", "--hostname=nsx-lab-nsx"]);
    isolate(lab, Runtime::Nsx, command)
}

pub(super) fn unshare(lab: &mut Lab) -> Result<()> {
    let unshare = run::find("unshare").context("unshare is missing (package util-linux)")?;
    let mut command = Command::new(unshare);
    command.args(["--pid", "--mount", "--fork", "--mount-proc"]);
    isolate(lab, Runtime::Unshare, command)
}

fn isolate(lab: &mut Lab, runtime: Runtime, mut command: Command) -> Result<()> {
    let dir = lab.below(runtime);
    rootfs::make(&dir)?;
    // The host's root, and a program by whose path what is started is known as the lab's.
    command.arg(rootfs::busybox(&dir)).args(["sleep", "100000"]);
    let launcher = start::background(&mut command, &dir.join("log"))?;
    let init = start::isolated_child(lab, runtime, &launcher)?;
    lab.remember(Container::running(runtime, None, init))
}

pub(super) fn leftovers() -> Leftovers {
    Leftovers { programs: &["nsx", "unshare"], cgroups: Vec::new(), state: Vec::new() }
}
