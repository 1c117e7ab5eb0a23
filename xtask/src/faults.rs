//! `xtask faults`: every system call of every command fails at every position with each of ten errnos,
//! under strace (as root). The hostile suite tries some of them; this makes it try all.

use crate::release::Release;
use crate::workspace::cargo;
use crate::{install, run};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// One command alone: ps, ns, inspect, who, pid, enter, spawn, lsns, nsenter, unshare, or nsx
    #[arg(long, value_name = "NAME")]
    command: Option<String>,
    /// How many faults at a time
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Write each run to this file, a line of JSON each
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    install::needs(true)?;
    let release = Release::build()?;
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.unwrap_or_else(processors).max(1);
    let mut tests = cargo();
    tests.args(["test", "--quiet", "--test=hostile", "--", "faults: a command"]);
    tests.env("NSX_TEST_BIN_DIR", &release.programs).env("NSX_TEST_STRICT", "1");
    tests.env("NSX_TEST_FAULTS_WHOLE", jobs.to_string());
    if let Some(command) = &arguments.command {
        tests.env("NSX_TEST_FAULTS_COMMAND", command);
    }
    if let Some(log) = &arguments.log {
        tests.env("NSX_TEST_FAULTS_LOG", std::path::absolute(log)?);
    }
    run::visibly(&mut tests)
}
