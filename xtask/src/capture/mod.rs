//! `xtask capture`: this host as a fixture root, with just what a reader of containers looks at.
//!
//! Meant for hosts that were set up to be captured: what an engine keeps in a database is copied as
//! it is. No environment is, and other files lose theirs.

mod cgroups;
mod edit;
mod engines;
mod host;
mod processes;
mod store;

use crate::{run, say};
use anyhow::{Result, bail};
use clap::Args;
use std::path::PathBuf;
use store::Store;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The root to write; a directory that is empty or not there yet
    out: PathBuf,
    /// Every process, not only those of the runtimes, of their containers and their ancestors
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !run::is_root() {
        bail!("a capture needs root: what runtimes keep is theirs to read");
    }
    let mut store = Store::create(&arguments.out)?;
    let processes = processes::choose(processes::all(), arguments.all);
    for process in &processes {
        processes::save(process, &mut store)?;
    }
    cgroups::save(&processes, &mut store)?;
    engines::save(&mut store)?;
    // Last, so that nothing is younger than the host's clock.
    host::save(&mut store)?;
    let (files, kib) = (store.files, store.bytes.div_ceil(1024));
    say::line(format_args!("captured {} processes: {files} files, {kib} KiB", processes.len()));
    Ok(())
}
