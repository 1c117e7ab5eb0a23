//! Two commands started in turn, and what one costs in terms of the other.

use crate::run;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One comparison; a ratio below 1 says that nsx is faster.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) ours: String,
    pub(super) peer: String,
    pub(super) rounds: usize,
    pub(super) ours_median_usec: f64,
    pub(super) peer_median_usec: f64,
    /// Of the ratios of each round: the middle, and the range without the outermost rounds, in which
    /// somebody else had the processor.
    pub(super) ratio_median: f64,
    pub(super) ratio_p5: f64,
    pub(super) ratio_p95: f64,
    /// Ours and the peer's, with all children; absent without strace.
    pub(super) system_calls: Option<(u64, u64)>,
}

const ROUNDS: std::ops::RangeInclusive<usize> = 5..=200;

pub(super) fn compare(what: &str, ours: Command, peer: Command, budget: Duration) -> Result<Row> {
    let (mut ours, mut peer) = (quiet(ours), quiet(peer));
    for _ in 0..2 {
        time(&mut ours)?;
        time(&mut peer)?;
    }
    let mut rounds = Vec::new();
    let start = Instant::now();
    while rounds.len() < *ROUNDS.start()
        || (rounds.len() < *ROUNDS.end() && start.elapsed() < budget)
    {
        // Whoever goes first may profit or suffer from it: take turns.
        rounds.push(if rounds.len() % 2 == 0 {
            (time(&mut ours)?, time(&mut peer)?)
        } else {
            let peer = time(&mut peer)?;
            (time(&mut ours)?, peer)
        });
    }
    let ratios = sorted(rounds.iter().map(|(ours, peer)| ours / peer));
    Ok(Row {
        what: what.to_owned(),
        ours: run::shown(&ours),
        peer: run::shown(&peer),
        rounds: rounds.len(),
        ours_median_usec: median(&sorted(rounds.iter().map(|(ours, _)| *ours))),
        peer_median_usec: median(&sorted(rounds.iter().map(|(_, peer)| *peer))),
        ratio_median: median(&ratios),
        ratio_p5: at(&ratios, 5),
        ratio_p95: at(&ratios, 95),
        system_calls: system_calls(&ours)?.zip(system_calls(&peer)?),
    })
}

fn quiet(mut command: Command) -> Command {
    // Cargo sets it for what it runs: every loader would search there, the peers' above all.
    command.env_remove("LD_LIBRARY_PATH");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// From start to reaped, in microseconds.
fn time(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let status = command.status().with_context(|| run::shown(command))?;
    let time = start.elapsed().as_secs_f64() * 1e6;
    if !status.success() {
        bail!("{} ended with {status}", run::shown(command));
    }
    Ok(time)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    at(sorted, 50)
}

/// The value that this many percent are below.
fn at(sorted: &[f64], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last * percent + 50) / 100).copied().unwrap_or(f64::NAN)
}

/// As `strace -c -f` counts them.
fn system_calls(command: &Command) -> Result<Option<u64>> {
    let Some(strace) = run::find("strace") else {
        return Ok(None);
    };
    let mut traced = quiet(Command::new(strace));
    traced.args(["-c", "-f", "-o", "/proc/self/fd/2"]).stderr(Stdio::piped());
    traced.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    let summary = traced.output()?.stderr;
    Ok(total(&String::from_utf8_lossy(&summary)))
}

/// The line `100.00 SECONDS USECS CALLS [ERRORS] total`.
fn total(summary: &str) -> Option<u64> {
    let line = summary.lines().rev().find(|line| line.trim_end().ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_summary() {
        let summary = "% time     seconds  usecs/call     calls    errors syscall\n\
                       ------ ----------- ----------- --------- --------- ----------------\n\
                       100.00    0.000412           3       123         2 total\n";
        assert_eq!(total(summary), Some(123));
        assert_eq!(total(""), None);
    }

    #[test]
    fn a_comparison_with_itself() {
        let command = || Command::new("true");
        let row = compare("same", command(), command(), Duration::ZERO).unwrap();
        assert_eq!(row.rounds, *ROUNDS.start());
        assert!(row.ratio_p5 <= row.ratio_median && row.ratio_median <= row.ratio_p95);
        assert!(row.ours_median_usec > 0.0);
    }
}
