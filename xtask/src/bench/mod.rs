//! `xtask bench`: whole commands against their peers, in one run and in turn. It prints ratios, numbers
//! of system calls and instructions, and peaks of memory, which travel; it asserts nothing.

mod containers;
mod cost;
mod floor;
mod interfaces;
mod launch;
mod measure;
mod mounts;
mod networks;
mod nothing;
mod report;
mod scale;

pub(crate) use networks::each as each_network;

use crate::release::Release;
use crate::workspace::PROGRAMS;
use crate::{run, say};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use measure::Row;
use report::Section;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only some of the parts; without it all are measured, and BENCHMARKS.md is written
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    only: Vec<Part>,
    /// How long to measure each pair
    #[arg(long, value_name = "SECONDS", default_value_t = 4)]
    seconds: u64,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// In namespaces of the bench's own already
    #[arg(long, hide = true)]
    apart: bool,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
pub(crate) enum Part {
    /// Starting programs: enter and spawn against nsenter, unshare, bwrap, crun, runc
    Launchers,
    /// One container: against docker, podman, ip, ss, findmnt
    Containers,
    /// Listing containers: against docker ps, lsns
    Listings,
    /// Mounts of one process, 1,000 and 10,000: against findmnt
    Mounts,
    /// Interfaces of one process, 100 and 3,000: against ip
    Interfaces,
    /// Whose an address is among 500 network namespaces: against listing the links of each
    Networks,
    /// 1,000 and 3,000 isolated processes: against lsns, and against reading eight links of each
    Scale,
}

impl Part {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !run::is_root() {
        bail!("the peers need root, and so does this");
    }
    let release = if arguments.apart { Release::locate()? } else { Release::build()? };
    let parts = match &arguments.only[..] {
        [] => Part::value_variants(),
        some => some,
    };
    let mut bench = Bench::new(&release, arguments.seconds)?;
    let mut sections = Vec::new();
    let mut failed = Vec::new();
    for &part in parts {
        say::note(format_args!("bench: {}", part.about()));
        // What was measured is not lost with what could not be.
        if let Err(error) = bench.measure(part, arguments.apart) {
            say::note(format_args!("bench: {}: {error:#}", part.name()));
            failed.push(part.name());
        }
        let (rows, notes) = (std::mem::take(&mut bench.rows), std::mem::take(&mut bench.notes));
        sections.push(Section { part, rows, notes });
    }
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&sections)? + "\n")?;
    }
    if !arguments.apart {
        report::print(&release, &sections, arguments.only.is_empty() && failed.is_empty())?;
    }
    if !failed.is_empty() {
        bail!("not measured as a whole: {}", failed.join(", "));
    }
    Ok(())
}

struct Bench {
    /// As installed programs lie in memory: what a linker has just written is read more slowly.
    installed: tempfile::TempDir,
    seconds: u64,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Bench {
    fn new(release: &Release, seconds: u64) -> Result<Self> {
        let installed = tempfile::tempdir().context("make a directory")?;
        for program in PROGRAMS {
            std::fs::copy(release.program(program), installed.path().join(program))?;
        }
        Ok(Self { installed, seconds, rows: Vec::new(), notes: Vec::new() })
    }

    fn measure(&mut self, part: Part, apart: bool) -> Result<()> {
        match part {
            Part::Launchers => self.launchers(),
            Part::Containers => self.containers(),
            Part::Listings => self.listings(),
            Part::Mounts => self.mounts(),
            Part::Interfaces => self.interfaces(),
            Part::Networks if apart => self.networks(),
            Part::Networks => self.networks_apart(),
            Part::Scale => self.scale(),
        }
    }

    fn nsx(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.installed.path().join(program));
        command.args(arguments);
        command
    }

    /// What cannot be compared is said and left out.
    fn compare(&mut self, what: &str, ours: Command, peer: Command) -> Option<Row> {
        say::note(format_args!("bench: {what}: {}", run::shown(&peer)));
        match measure::compare(what, ours, peer, Duration::from_secs(self.seconds)) {
            Ok(row) => {
                self.rows.push(row.clone());
                Some(row)
            }
            Err(error) => {
                say::note(format_args!("bench: left out: {error:#}"));
                None
            }
        }
    }
}

/// As its caller has it, the locale included: all that a person waits for.
fn peer(name: &str, arguments: &[&str]) -> Result<Command> {
    let program = run::find(name).with_context(|| format!("{name} is not installed"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}
