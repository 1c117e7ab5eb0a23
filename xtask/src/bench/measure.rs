//! Two commands started in turn, and what one costs in terms of the other.

use super::cost::Cost;
use crate::run;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One comparison; a ratio below 1 says that nsx is faster.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    pub(super) ours_cost: Cost,
    pub(super) peer_cost: Cost,
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
        ours: anywhere(&run::shown(&ours)),
        peer: anywhere(&run::shown(&peer)),
        rounds: rounds.len(),
        ours_median_usec: median(&sorted(rounds.iter().map(|(ours, _)| *ours))),
        peer_median_usec: median(&sorted(rounds.iter().map(|(_, peer)| *peer))),
        ratio_median: median(&ratios),
        ratio_p5: at(&ratios, 5),
        ratio_p95: at(&ratios, 95),
        ours_cost: Cost::of(&ours)?,
        peer_cost: Cost::of(&peer)?,
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

/// A directory that was made for this run is `DIR`.
fn anywhere(line: &str) -> String {
    let made = std::env::temp_dir().join(".tmp").display().to_string();
    let mut parts = line.split(&made);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| {
        line + "DIR" + part.trim_start_matches(|c: char| c.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_one_run_have_no_name() {
        let made = std::env::temp_dir().join(".tmpA1b2C3").display().to_string();
        assert_eq!(anywhere(&format!("run -b {made} x {made}/a")), "run -b DIR x DIR/a");
        assert_eq!(anywhere("run /bin/true"), "run /bin/true");
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
