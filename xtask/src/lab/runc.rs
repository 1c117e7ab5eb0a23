//! A container under runc alone. Its state is in runc's own place, /run/runc, where everybody who
//! looks for containers looks; everything else is in the lab.

use super::leftovers::Leftovers;
use super::{Container, Lab, Runtime, bundle, start};
use crate::process::Started;
use crate::run;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "nsx-lab-runc";

pub(super) fn up(lab: &mut Lab) -> Result<()> {
    let runc = run::find("runc").context("runc is missing (package runc)")?;
    let dir = lab.below(Runtime::Runc);
    bundle::make(&runc, &dir, NAME)?;
    let init = run_detached(&runc, &dir, NAME)?;
    let container = Container::running(Runtime::Runc, Some(NAME), init);
    lab.remember(Container { id: Some(NAME.to_owned()), ..container })
}

/// `run -d`, whose options runc and crun share; the container's first process.
pub(super) fn run_detached(runtime: &Path, dir: &Path, name: &str) -> Result<Started> {
    let pid_file = dir.join("pid");
    let mut command = Command::new(runtime);
    command.args(["run", "-d", "-b"]).arg(dir).arg("--pid-file").arg(&pid_file).arg(name);
    start::detached(&mut command, &dir.join("log"))?;
    Started::of(name, bundle::pid(&pid_file)?)
}

pub(super) fn leftovers() -> Leftovers {
    Leftovers {
        programs: &["runc"],
        cgroups: vec![NAME.to_owned()],
        state: vec![PathBuf::from("/run/runc").join(NAME)],
    }
}
