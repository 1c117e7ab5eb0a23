//! `xtask fuzz`: every parser of foreign bytes under libFuzzer and AddressSanitizer, with the stable
//! toolchain and nothing to install but a C++ compiler. fuzz/README.md says what the targets are.
//!
//! What cargo-fuzz would pass is passed here. The sanitizer is the one unstable flag; the compiler
//! takes it with `RUSTC_BOOTSTRAP`.

use crate::say;
use crate::workspace::{self, cargo, root, target};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How long to try inputs on each target
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// How many targets at a time
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Some of them only
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// In the routine tests: enough to run every seed and find what breaks at once.
pub(crate) const ROUTINE: Duration = Duration::from_secs(10);

/// One input may take this long on a busy machine; the slowest seed takes a fifth of a second.
const TIMEOUT_SECONDS: u32 = 20;
/// Longer inputs only where the format needs them.
const USUAL_LENGTH: u64 = 4096;

/// The counters and tables by which libFuzzer sees where an input leads.
const FLAGS: [&str; 9] = [
    "-Zsanitizer=address",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-stack-depth",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "--cfg=fuzzing",
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let known = targets()?;
    if let Some(unknown) = arguments.targets.iter().find(|name| !known.contains(name)) {
        bail!("there is no target {unknown}; there are {}", known.join(" "));
    }
    let chosen = if arguments.targets.is_empty() { &known } else { &arguments.targets };
    all(chosen, Duration::from_secs(arguments.seconds.max(1)), arguments.jobs.max(1))
}

/// Every target for a moment, on all processors.
pub(crate) fn routine() -> Result<()> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    all(&targets()?, ROUTINE, jobs)
}

fn all(names: &[String], time: Duration, jobs: usize) -> Result<()> {
    let programs = build(names)?;
    let left = Mutex::new(names.iter());
    let failed = Mutex::new(Vec::new());
    let work = || {
        let next = || left.lock().ok()?.next();
        while let Some(name) = next() {
            match try_inputs(&programs, name, time) {
                Ok(figures) => say::line(format_args!("{name:<18} {figures}")),
                Err(error) => {
                    say::line(format_args!("{name:<18} FAILED"));
                    say::note(format_args!("{name}: {error:#}"));
                    failed.lock().map(|mut failed| failed.push(name.as_str())).ok();
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(names.len()) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap_or_default();
    if !failed.is_empty() {
        bail!("{} of {} targets failed: {}", failed.len(), names.len(), failed.join(" "));
    }
    Ok(())
}

/// By their files.
fn targets() -> Result<Vec<String>> {
    let place = root().join("fuzz/targets");
    let files = std::fs::read_dir(&place).with_context(|| place.display().to_string())?;
    let name = |file: std::fs::DirEntry| {
        let path = file.path();
        let is_target = path.extension().is_some_and(|extension| extension == "rs");
        Some(path.file_stem()?.to_str()?.to_owned()).filter(|_| is_target)
    };
    let mut names: Vec<String> = files.filter_map(|file| name(file.ok()?)).collect();
    names.sort_unstable();
    Ok(names)
}

/// Where the instrumented programs are built, and what is learnt is kept.
fn place() -> Result<PathBuf> {
    Ok(target()?.join("fuzz"))
}

fn build(names: &[String]) -> Result<PathBuf> {
    let place = place()?;
    let triple = workspace::host()?;
    let mut build = cargo();
    build
        .args(["build", "--release", "--quiet", "--manifest-path=fuzz/Cargo.toml"])
        .arg(format!("--target={triple}"))
        .arg(format!("--target-dir={}", place.display()))
        .args(names.iter().map(|name| format!("--bin={name}")))
        // These go before all flags of .cargo/config.toml, which make static files: no sanitizer's
        // runtime is for such.
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
        .env("RUSTC_BOOTSTRAP", "1");
    say::note(format_args!("+ cargo build of {} fuzz targets", names.len()));
    let status = build.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("the fuzz targets are not built: {status}");
    }
    Ok(place.join(triple).join("release"))
}

fn try_inputs(programs: &Path, name: &str, time: Duration) -> Result<String> {
    let seeds = root().join("fuzz/corpus").join(name);
    let artifacts = root().join("fuzz/artifacts").join(name);
    let learnt = place()?.join("learnt").join(name);
    for directory in [&artifacts, &learnt] {
        std::fs::create_dir_all(directory)?;
    }
    let program = programs.join(name);
    let mut fuzzer = Command::new(&program);
    // What is learnt goes to the first directory, so that the seeds stay as they are.
    fuzzer
        .args([&learnt, &seeds])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg(format!("-max_len={}", longest(&seeds)?.max(USUAL_LENGTH)))
        .arg(format!("-timeout={TIMEOUT_SECONDS}"))
        .args(["-print_final_stats=1", "-print_funcs=0"]);
    let done = fuzzer.output().with_context(|| format!("cannot start {}", program.display()))?;
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.success() {
        return figures(&said).context("libFuzzer told no figures");
    }
    let log = learnt.with_extension("log");
    std::fs::write(&log, &done.stderr)?;
    let Some(input) = artifact(&said) else {
        let last: Vec<&str> = said.lines().rev().take(5).collect();
        bail!("{}: {}", done.status, last.into_iter().rev().collect::<Vec<_>>().join("\n"));
    };
    let why = said.lines().find(|line| line.contains("panicked at") || line.contains("ERROR: "));
    bail!(
        "{}\n  input:  {input}\n  all of it: {}\n  again:  {program} {input}\n  \
         smaller: {program} -minimize_crash=1 -max_total_time=60 {input}",
        why.unwrap_or("it ended"),
        log.display(),
        program = program.display(),
    );
}

fn longest(seeds: &Path) -> Result<u64> {
    let files =
        std::fs::read_dir(seeds).with_context(|| format!("{}: no seeds", seeds.display()))?;
    let lengths = files.map(|file| Ok(file?.metadata()?.len()));
    Ok(lengths.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or_default())
}

/// Of what libFuzzer says at its end.
fn figures(said: &str) -> Option<String> {
    let stat = |name: &str| {
        let line = said.lines().rev().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse::<u64>().ok()
    };
    let done = said.lines().rev().find(|line| line.contains(" cov: "))?;
    let mut words = done.split_ascii_whitespace();
    let mut after = |word: &str| {
        words.by_ref().find(|one| *one == word)?;
        words.next()?.parse::<u64>().ok()
    };
    let (coverage, features) = (after("cov:")?, after("ft:")?);
    let runs = stat("stat::number_of_executed_units:")?;
    let each_second = stat("stat::average_exec_per_sec:")?;
    Some(format!(
        "{runs:>10} runs {each_second:>7}/s  coverage {coverage:>5}  features {features:>6}"
    ))
}

/// The input that a run ended with.
fn artifact(said: &str) -> Option<&str> {
    said.lines().find_map(|line| line.split_once("Test unit written to ").map(|(_, path)| path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_built_described_and_has_seeds() {
        let read = |file: &str| std::fs::read_to_string(root().join("fuzz").join(file)).unwrap();
        let (manifest, readme) = (read("Cargo.toml"), read("README.md"));
        let targets = targets().unwrap();
        for name in &targets {
            assert!(
                manifest.contains(&format!("\nname = \"{name}\"\npath = \"targets/{name}.rs\""))
            );
            assert!(readme.contains(&format!("\n| `{name}` |")), "{name}: not in the table");
            let seeds = root().join("fuzz/corpus").join(name);
            let seeds = std::fs::read_dir(&seeds).map(Iterator::count).unwrap_or_default();
            assert!(seeds > 0, "{name}: no seeds");
        }
        let rows = readme.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, targets.len(), "rows of the table");
        let corpora = std::fs::read_dir(root().join("fuzz/corpus")).unwrap().count();
        assert_eq!(corpora, targets.len(), "directories of seeds");
    }

    #[test]
    fn what_libfuzzer_says_is_understood() {
        let said = "#9\tNEW    cov: 1 ft: 1 corp: 1/1b exec/s: 0 rss: 40Mb\n\
            #1234\tDONE   cov: 312 ft: 1032 corp: 88/3Kb lim: 4096 exec/s: 411 rss: 60Mb\n\
            Done 1234 runs in 3 second(s)\nstat::number_of_executed_units: 1234\n\
            stat::average_exec_per_sec:     411\n";
        let figures = figures(said).unwrap();
        assert_eq!(figures, "      1234 runs     411/s  coverage   312  features   1032");
        let crash = "==7== ERROR: libFuzzer: deadly signal\nartifact_prefix='/a/'; \
            Test unit written to /a/crash-0a\nBase64: AA==\n";
        assert_eq!(artifact(crash), Some("/a/crash-0a"));
        assert_eq!(artifact(said), None);
    }
}
