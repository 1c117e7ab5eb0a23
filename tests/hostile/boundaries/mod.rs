//! The target's number goes to another process at each boundary of a system call in turn, entry and
//! exit, that nsx or a child of nsx makes until its program runs.
//!
//! Whatever the moment, the program has the namespaces of the process that was pinned, all of them
//! and no others, or it does not run. `scene` is the pid namespace in which numbers can be chosen,
//! `tracer` one traced run.

use crate::support::{self, Need, binary, find, output, stderr, stdout, test};
use libtest_mimic::Trial;
use std::path::{Path, PathBuf};
use std::process::Command;

mod scene;
mod tracer;

pub use scene::act;

const NEEDS: &[Need] = &[Need::Root, Need::Program("unshare"), LAST_PID];
const NSENTER: &[Need] = &[
    Need::Root,
    Need::Program("unshare"),
    Need::Program("nsenter"),
    LAST_PID,
    Need::Machine("an nsenter that joins one namespace after the other (before 2.39)", || {
        let version = Command::new("nsenter").arg("--version").output();
        let version = version.map(|output| stdout(&output)).unwrap_or_default();
        version.contains("util-linux 2.3") && !version.contains("util-linux 2.39")
    }),
];
const LAST_PID: Need = Need::Machine("/proc/sys/kernel/ns_last_pid", || {
    Path::new("/proc/sys/kernel/ns_last_pid").exists()
});
/// Fewer could not have held nsx at every step of its way.
const FEWEST: usize = 40;

pub fn tests() -> Vec<Trial> {
    vec![
        test("a pid reused at any system call: one namespace", NEEDS, || never_another(&["-n"])),
        test("a pid reused at any system call: three namespaces", NEEDS, || {
            never_another(&["-n", "-u", "-i"]);
        }),
        test("a pid reused at any system call: all namespaces", NEEDS, || never_another(&["-a"])),
        test("a pid reused at any system call: all, and its environment", NEEDS, || {
            never_another(&["-a", "-e"]);
        }),
        test("a pid reused at any system call: as the target is", NEEDS, || {
            never_another(&["-a", "--as-target"]);
        }),
        test("a target that ends at any system call: one namespace", NEEDS, || ends(&["-n"])),
        test("a target that ends at any system call: three namespaces", NEEDS, || {
            ends(&["-n", "-u", "-i"]);
        }),
        test("a target that ends at any system call: all namespaces", NEEDS, || ends(&["-a"])),
        test("joined one after the other they are mixed: the attack is real", NSENTER, mixes),
    ]
}

/// One boundary: what stood there, and what came of it.
#[derive(Debug)]
struct Try {
    #[expect(dead_code, reason = "Debug shows it")]
    at: usize,
    /// For whoever reads why a test failed.
    #[expect(dead_code, reason = "Debug shows it")]
    call: String,
    /// The process had been pinned, by its number, before.
    looked: bool,
    outcome: String,
    ended: String,
    said: String,
}

/// Runs `tool FLAGS /usr/bin/env`, once for each boundary.
fn tries(mode: &str, tool: &Path, flags: &[&str]) -> Vec<Try> {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    command.arg(std::env::current_exe().unwrap()).arg(tool);
    if tool.ends_with("nsx") {
        command.arg("enter");
    }
    command.args(["-t", scene::NUMBER]).args(flags).arg(program());
    let output = output(command.env(scene::ROLE, mode));
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
    let tries: Vec<Try> = stdout(&output).lines().map(parsed).collect();
    // The first is a run that nobody disturbs.
    assert_eq!(tries[0].outcome, "target", "{:?}", tries[0]);
    assert!(tries.len() > 1);
    tries
}

fn parsed(line: &str) -> Try {
    let mut fields = line.split('\t').map(str::to_owned);
    let mut next = || fields.next().unwrap_or_else(|| panic!("{line}"));
    let at = next().parse().unwrap();
    let looked = next() == "looked";
    Try { at, looked, call: next(), outcome: next(), ended: next(), said: next() }
}

fn program() -> PathBuf {
    // What a path leads to, as /proc/PID/exe does.
    std::fs::canonicalize(find("env").unwrap()).unwrap()
}

/// Boundaries after the look at which the target was pinned.
fn after_the_look(tries: &[Try]) -> Vec<&Try> {
    let after: Vec<&Try> = tries[1..].iter().filter(|one| one.looked).collect();
    assert!(after.len() > FEWEST, "only {} boundaries", after.len());
    after
}

/// Before it was pinned the number is the other's by right; after that it must not be followed.
fn never_another(flags: &[&str]) {
    let tries = tries("reused", &binary("nsx"), flags);
    for one in &tries[1..] {
        let expected = if one.looked { "target" } else { "decoy" };
        assert!(one.outcome == expected || refused(one, flags), "{flags:?}: {one:?}");
    }
    let after = after_the_look(&tries);
    let entered = after.iter().filter(|one| one.outcome == "target").count();
    // It can do both.
    assert!((1..after.len()).contains(&entered), "{entered} of {} ran", after.len());
    report(flags, &tries);
}

fn ends(flags: &[&str]) {
    let tries = tries("ended", &binary("nsx"), flags);
    for one in &tries[1..] {
        let entered = one.looked && one.outcome == "target";
        assert!(entered || refused(one, flags), "{flags:?}: {one:?}");
    }
    after_the_look(&tries);
    report(flags, &tries);
}

/// Nothing ran, and nsx says why; or its child was in the pid namespace that ended.
fn refused(one: &Try, flags: &[&str]) -> bool {
    let explained = one.ended == "code 125" && !one.said.is_empty();
    let killed = flags.contains(&"-a") && one.ended == "signal 9";
    one.outcome == "none" && (explained || killed)
}

fn mixes() {
    let nsenter = find("nsenter").unwrap();
    let tries = tries("reused", &nsenter, &["-n", "-u", "-i"]);
    report(&["nsenter"], &tries);
    let mixed = tries.iter().filter(|one| one.outcome.starts_with("mixed")).count();
    assert!(mixed > 0, "none of {} boundaries", tries.len() - 1);
}

/// With `NSX_TEST_SHOW_COST=1`: how many boundaries came to what.
fn report(flags: &[&str], tries: &[Try]) {
    if support::cost::is_shown() {
        let mut counts = std::collections::BTreeMap::new();
        for one in &tries[1..] {
            let when = if one.looked { "after" } else { "before" };
            let outcome = one.outcome.split(':').next().unwrap_or_default();
            let outcome = (when, outcome, one.ended.as_str());
            *counts.entry(outcome).or_insert(0_usize) += 1;
        }
        println!("boundaries: {flags:?} {} {counts:?}", tries.len() - 1);
    }
}
