//! A container under crun alone, with its state in /run/crun.

use super::controllers::Controllers;
use super::leftovers::Leftovers;
use super::{Container, Lab, Runtime, bundle, runc};
use crate::run;
use anyhow::{Context, Result};
use std::path::PathBuf;

const NAME: &str = "nsx-lab-crun";

pub(super) fn up(lab: &mut Lab) -> Result<()> {
    let crun = run::find("crun").context("crun is missing (package crun)")?;
    let dir = lab.below(Runtime::Crun);
    bundle::make(&crun, &dir, NAME)?;
    let controllers = Controllers::lend()?;
    let init = runc::run_detached(&crun, &dir, NAME)?;
    drop(controllers);
    let container = Container::running(Runtime::Crun, Some(NAME), init);
    lab.remember(Container { id: Some(NAME.to_owned()), ..container })
}

pub(super) fn leftovers() -> Leftovers {
    Leftovers {
        programs: &["crun"],
        cgroups: vec![NAME.to_owned()],
        state: vec![PathBuf::from("/run/crun").join(NAME)],
    }
}
