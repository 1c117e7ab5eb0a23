//! `xtask mutants`: whether the unit tests notice when code that decides on foreign bytes is changed.
//! `.cargo/mutants.toml` lists that code, and what is left out because nobody could notice.

use crate::workspace::{self, cargo, target};
use crate::{run, say, scope};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// One part of many, each with some of every file: 0/8 is the first of eight
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// How many mutants at a time; each needs a copy of the tree
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// These files only
    #[arg(value_name = "FILE")]
    files: Vec<String>,
}

/// So many of a hundred must be caught.
const CAUGHT: f64 = 90.0;

/// Exit codes of cargo-mutants by which it has tried everything: all caught, some missed, some that
/// did not end.
const TRIED: [i32; 3] = [0, 2, 3];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if run::find("cargo-mutants").is_none() && !in_cargo_home() {
        bail!("cargo-mutants is not installed: cargo install cargo-mutants --locked");
    }
    let scope = scope::Files::read()?;
    if let Some(file) = arguments.files.iter().find(|file| !scope.has(file)) {
        bail!("{file} is not in .cargo/mutants.toml");
    }
    let place = target()?.join("mutants");
    std::fs::create_dir_all(&place)?;
    let mut mutants = cargo();
    mutants.args(["mutants", "--no-shuffle", "--package=nsx", "--colors=never"]);
    mutants.arg(format!("--output={}", place.display()));
    mutants.arg(format!("--jobs={}", arguments.jobs.max(1)));
    mutants.arg("--sharding=round-robin");
    mutants.args(arguments.shard.iter().map(|shard| format!("--shard={shard}")));
    mutants.args(arguments.files.iter().map(|file| format!("--file={file}")));
    // Nobody debugs a mutant.
    mutants.env("CARGO_PROFILE_DEV_DEBUG", "0");
    say::note(format_args!("+ {}", run::shown(&mutants)));
    let status = mutants.status().context("cannot start cargo")?;
    if !status.code().is_some_and(|code| TRIED.contains(&code)) {
        bail!("cargo-mutants ended with {status}");
    }
    let told = place.join("mutants.out/outcomes.json");
    let told = std::fs::read(&told).with_context(|| told.display().to_string())?;
    let told: Told = serde_json::from_slice(&told).context("what cargo-mutants tells")?;
    let all = table(&told);
    if all.percent() < CAUGHT {
        bail!("too few are caught: {CAUGHT} % must be");
    }
    Ok(())
}

/// Where `cargo install` puts it, which need not be in `$PATH` for cargo to find it.
fn in_cargo_home() -> bool {
    workspace::cargo_home().is_ok_and(|home| run::is_program(&home.join("bin/cargo-mutants")))
}

/// The part of `outcomes.json` that is needed.
#[derive(Debug, Deserialize)]
struct Told {
    outcomes: Vec<Outcome>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    scenario: Scenario,
    summary: String,
}

#[derive(Debug, Deserialize)]
enum Scenario {
    Baseline,
    Mutant(Mutant),
}

#[derive(Debug, Deserialize)]
struct Mutant {
    name: String,
    file: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    caught: u32,
    missed: u32,
    endless: u32,
    unviable: u32,
}

impl Tally {
    fn count(&mut self, summary: &str) {
        match summary {
            "CaughtMutant" => self.caught += 1,
            "Timeout" => self.endless += 1,
            "Unviable" => self.unviable += 1,
            _ => self.missed += 1,
        }
    }

    /// Of those that compile; one that never ends is noticed by whoever waits.
    fn percent(self) -> f64 {
        let noticed = self.caught + self.endless;
        let all = noticed + self.missed;
        if all == 0 { 100.0 } else { f64::from(noticed) * 100.0 / f64::from(all) }
    }

    fn line(self, name: &str) {
        let Self { caught, missed, endless, unviable } = self;
        let percent = self.percent();
        say::line(format_args!(
            "{name:<28} {caught:>6} {endless:>8} {missed:>7} {unviable:>9} {percent:>7.1} %"
        ));
    }
}

/// Prints it, the missed ones first; the last line of it.
fn table(told: &Told) -> Tally {
    let mut directories: BTreeMap<String, Tally> = BTreeMap::new();
    let mut all = Tally::default();
    for outcome in &told.outcomes {
        let Scenario::Mutant(mutant) = &outcome.scenario else { continue };
        if outcome.summary == "MissedMutant" {
            say::line(format_args!("missed: {}", mutant.name));
        }
        directories.entry(scope::directory(&mutant.file)).or_default().count(&outcome.summary);
        all.count(&outcome.summary);
    }
    say::line(format_args!(
        "{:<28} {:>6} {:>8} {:>7} {:>9} {:>9}",
        "", "caught", "endless", "missed", "unviable", "share"
    ));
    for (directory, tally) in directories {
        tally.line(&directory);
    }
    all.line("all");
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_mutants_tells_is_counted() {
        let told = r#"{"outcomes": [
            {"scenario": "Baseline", "summary": "Success", "phase_results": []},
            {"scenario": {"Mutant": {"name": "a", "file": "src/sys/proc/stat.rs", "span": {}}},
             "summary": "CaughtMutant"},
            {"scenario": {"Mutant": {"name": "b", "file": "src/sys/elf.rs"}},
             "summary": "MissedMutant"},
            {"scenario": {"Mutant": {"name": "c", "file": "src/sys/elf.rs"}},
             "summary": "Timeout"},
            {"scenario": {"Mutant": {"name": "d", "file": "src/sys/elf.rs"}},
             "summary": "Unviable"}
        ], "total_mutants": 4}"#;
        let all = table(&serde_json::from_str(told).unwrap());
        assert_eq!(all, Tally { caught: 1, missed: 1, endless: 1, unviable: 1 });
        assert!((all.percent() - 66.7).abs() < 0.1);
    }
}
