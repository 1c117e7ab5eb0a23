//! What this program does in the scene: runs the command once for each boundary and each fate of
//! its target, and writes a line of what came of each.

use super::facts::{self, Look, Told};
use super::scene::Numbered;
use super::tracer::{self, Fate, Run, Tool};
use crate::support::KINDS;
use nsx::sys::raw::fork;
use std::collections::BTreeSet;
use std::ffi::CString;

/// Set where this program is to do so: what the command does.
pub(super) const ROLE: &str = "NSX_TEST_BOUNDARIES";
/// It runs its last word in a place of the target's.
pub(super) const ENTERS: &str = "enters";
/// The same, at each boundary, with the number reused: for a tool that fails at few.
pub(super) const ENTERS_EACH: &str = "enters each";
/// It tells of the target.
pub(super) const READS: &str = "reads";
/// It tells of a container in which the target is not the first process.
pub(super) const READS_MEMBER: &str = "reads of a member";

/// More than any run has.
const ENDLESS: usize = 100_000;
/// How many runs of each command there are where not all of them are wanted.
const SAMPLE: usize = 42;

pub(super) fn is_whole() -> bool {
    std::env::var_os("NSX_TEST_WHOLE").is_some_and(|value| value == "1")
}

/// In the program that was started anew: never returns then.
pub fn act() {
    let Some(role) = std::env::var_os(ROLE) else { return };
    let words = std::env::args().skip(1).map(|word| CString::new(word).unwrap()).collect();
    let enters = role == ENTERS || role == ENTERS_EACH;
    let first = (role == READS_MEMBER).then(Numbered::first);
    let tool = Tool { words, enters, first };
    let undisturbed = Undisturbed::of(tracer::run(&tool, ENDLESS, Fate::Ended));
    for (at, fate) in plan(role == ENTERS_EACH, undisturbed.boundaries) {
        let run = tracer::run(&tool, at, fate);
        // It has not as many each time.
        let Some((call, looked)) = &run.held else { continue };
        let looked = if *looked { "looked" } else { "-" };
        let which = [&at.to_string(), &format!("{fate:?}"), looked, call];
        tell(&which, &undisturbed.outcome(&run), &run);
    }
    if let Some(numbered) = tool.first {
        numbered.end();
    }
    fork::exit_now(0);
}

fn plan(each: bool, boundaries: usize) -> Vec<(usize, Fate)> {
    if each {
        return (1..=boundaries).map(|at| (at, Fate::Reused)).collect();
    }
    if is_whole() {
        return (1..=boundaries).flat_map(|at| Fate::ALL.map(|fate| (at, fate))).collect();
    }
    let place = |nth: usize| (1 + nth * boundaries / SAMPLE, Fate::ALL[nth % Fate::ALL.len()]);
    (0..SAMPLE).map(place).collect()
}

fn tell(which: &[&str], outcome: &str, run: &Run) {
    let errors = run.errors.trim().replace(['\n', '\t'], " ");
    println!("{}\t{outcome}\t{}\t{errors}", which.join("\t"), run.ended);
}

/// What comes of it where nobody disturbs it.
struct Undisturbed {
    boundaries: usize,
    /// What it was in, what of that is its target's, and what is nobody's but its own.
    program: Option<(Look, Vec<&'static str>, Vec<&'static str>)>,
    /// What it tells of its target.
    told: BTreeSet<&'static str>,
}

impl Undisturbed {
    fn of(run: Run) -> Self {
        let told = facts::told(&run.output, &run.target, None).target;
        let boundaries = run.boundaries;
        let common = run.program.as_ref().map(|program| program.common(&run.target));
        let facts: Vec<&str> = match &common {
            Some(common) => common.clone(),
            None => told.iter().copied().collect(),
        };
        tell(&["0", "-", "-", &boundaries.to_string()], &facts.join(","), &run);
        let ours = Look::at("self").unwrap();
        let own = |program: &Look, common: &[&str]| -> Vec<&'static str> {
            let ours = program.common(&ours);
            let is_own = |kind: &&str| !common.contains(kind) && !ours.contains(kind);
            KINDS.into_iter().filter(is_own).collect()
        };
        let program = run.program.zip(common).map(|(program, common)| {
            let own = own(&program, &common);
            (program, common, own)
        });
        Self { boundaries, program, told }
    }

    fn outcome(&self, run: &Run) -> String {
        let mut outcome = match &self.program {
            Some((program, common, own)) => {
                // A namespace that is made for each run has another number.
                let theirs = run.program.as_ref().map(|now| program.with(own, now));
                entered(run, theirs.as_ref().unwrap_or(program), common)
            }
            None => self.reported(run),
        };
        for stranger in &run.strangers {
            outcome = format!("{outcome}, and {stranger} ran");
        }
        outcome
    }

    fn reported(&self, run: &Run) -> String {
        let told = facts::told(&run.output, &run.target, run.decoy.as_ref());
        let gaps = if told.gaps { " with gaps" } else { "" };
        let Told { target, decoy, mixed, .. } = told;
        if let Some(mixed) = mixed {
            return format!("mixed: {mixed}");
        }
        let mut parts = Vec::new();
        for (who, facts) in [("target", target), ("decoy", decoy)] {
            let missing: Vec<&str> = self.told.difference(&facts).copied().collect();
            match missing[..] {
                _ if facts.is_empty() => {}
                [] => parts.push(who.to_owned()),
                _ => parts.push(format!("{who} without {}", missing.join(","))),
            }
        }
        if parts.is_empty() {
            parts.push("none".to_owned());
        }
        format!("{}{gaps}", parts.join(" and "))
    }
}

/// Whose the program is.
fn entered(run: &Run, undisturbed: &Look, common: &[&'static str]) -> String {
    let Some(program) = &run.program else { return "none".to_owned() };
    let is = |who: &Look| program.agrees(&undisturbed.with(common, who));
    if is(&run.target) {
        "target".to_owned()
    } else if run.decoy.as_ref().is_some_and(is) {
        "decoy".to_owned()
    } else {
        format!("mixed: {program:?} of {:?} and {:?}", run.target, run.decoy)
    }
}
