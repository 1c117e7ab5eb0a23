//! The sweep from outside: as many scenes as jobs, and what they tell, counted by command.

use super::scene::{self, Scene};
use super::subjects;
use super::sweep::{ERRNOS, Share, sweep};
use crate::support::Held;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};

/// How many jobs: every fault then, instead of some.
pub const WHOLE: &str = "NSX_TEST_FAULTS_WHOLE";
/// This command alone.
const COMMAND: &str = "NSX_TEST_FAULTS_COMMAND";
/// Where each run is written to, a line of JSON each.
const LOG: &str = "NSX_TEST_FAULTS_LOG";

#[derive(Debug, Default)]
struct Row {
    lines: usize,
    calls: usize,
    positions: usize,
    runs: usize,
    ended: BTreeMap<String, usize>,
    violations: usize,
}

/// In a scene: never returns.
pub fn act() {
    scene::act(|role| {
        let numbers: Vec<usize> = role.split('/').map(|number| number.parse().unwrap()).collect();
        let share = Share { job: numbers[0], jobs: numbers[1], sampled: numbers[2] == 0 };
        let only = std::env::var(COMMAND).ok();
        let scene = Scene::new();
        for (nth, subject) in subjects::all(&scene).iter().enumerate() {
            if only.as_deref().is_none_or(|only| only == subject.command) {
                sweep(&scene, subject, nth, share, |line| {
                    let mut stdout = std::io::stdout().lock();
                    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).unwrap();
                });
            }
        }
    });
}

/// Every command, and every fault or a sample of them; prints a table of them all.
pub fn every() {
    let whole: Option<usize> = std::env::var(WHOLE).ok().map(|jobs| jobs.parse().unwrap());
    let jobs = whole.unwrap_or(2).max(1);
    let start = |job| {
        let role = format!("{job}/{jobs}/{}", usize::from(whole.is_some()));
        Held(scene::start(&role).spawn().unwrap())
    };
    let begun = std::time::Instant::now();
    let children: Vec<Held> = (0..jobs).map(start).collect();
    let (tell, told) = std::sync::mpsc::channel();
    let threads: Vec<_> = children
        .into_iter()
        .map(|mut child| {
            let tell = tell.clone();
            std::thread::spawn(move || {
                let mut line_of = Value::Null;
                for line in BufReader::new(child.0.stdout.take().unwrap()).lines() {
                    let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
                    if !line["line"].is_null() {
                        line_of = line.clone();
                    }
                    tell.send((line_of.clone(), line)).unwrap();
                }
                child.0.wait().unwrap()
            })
        })
        .collect();
    drop(tell);
    let mut log = std::env::var_os(LOG).map(|path| std::fs::File::create(path).unwrap());
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut violations = Vec::new();
    for (subject, line) in told {
        if let Some(log) = &mut log {
            writeln!(log, "{}", serde_json::json!([subject["line"], line])).unwrap();
        }
        let row = rows.entry(subject["command"].as_str().unwrap().to_owned()).or_default();
        if line == subject {
            if seen.insert(line["line"].to_string()) {
                row.lines += 1;
                row.calls =
                    row.calls.max(usize::try_from(line["calls"].as_u64().unwrap()).unwrap());
                row.positions += usize::try_from(line["positions"].as_u64().unwrap()).unwrap();
                if whole.is_some() {
                    println!("{}: {} positions", line["line"], line["positions"]);
                }
            }
        } else if let Some(call) = line["call"].as_str() {
            row.runs += 1;
            *row.ended.entry(line["ended"].as_str().unwrap().to_owned()).or_default() += 1;
            if let Some(violation) = line["violation"].as_str() {
                row.violations += 1;
                violations.push(format!(
                    "{}: {call} {} {}: {violation}",
                    subject["line"], line["when"], line["errno"]
                ));
            }
        }
    }
    let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    show(&rows, begun.elapsed().as_secs());
    assert!(ended.iter().all(std::process::ExitStatus::success), "a scene broke: {ended:?}");
    assert!(violations.is_empty(), "{}:\n{}", violations.len(), violations.join("\n"));
    assert!(rows.values().map(|row| row.runs).sum::<usize>() > 10);
}

fn show(rows: &BTreeMap<String, Row>, seconds: u64) {
    println!("command    lines  calls  positions  errnos    runs  violations  ended");
    for (command, row) in rows {
        let ended: Vec<String> =
            row.ended.iter().map(|(how, count)| format!("{how}:{count}")).collect();
        println!(
            "{command:<9} {:>6} {:>6} {:>10} {:>7} {:>7} {:>11}  {}",
            row.lines,
            row.calls,
            row.positions,
            ERRNOS.len(),
            row.runs,
            row.violations,
            ended.join(" ")
        );
    }
    println!("{} runs in {seconds} s", rows.values().map(|row| row.runs).sum::<usize>());
}
