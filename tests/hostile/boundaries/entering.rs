//! `nsx enter`, and nsx as `nsenter`.

use super::scene::NAME;
use super::{LAST_PID, NEEDS, Stage, Try, scene, sweep, tries};
use crate::support::{KINDS, Need, binary, find, stdout, test};
use libtest_mimic::Trial;
use std::path::{Path, PathBuf};
use std::process::Command;

const NSENTER: &[Need] = &[
    Need::Root,
    Need::Program("unshare"),
    Need::Program("ip"),
    Need::Program("nsenter"),
    LAST_PID,
    Need::Machine("an nsenter that joins one namespace after the other (before 2.39)", || {
        let version = Command::new("nsenter").arg("--version").output();
        let version = version.map(|output| stdout(&output)).unwrap_or_default();
        version.contains("util-linux 2.3") && !version.contains("util-linux 2.39")
    }),
];

const AS_TARGET: [&str; 8] =
    ["net", "environment", "uid", "gid", "groups", "oom score", "files", "control group"];

/// What is entered how, and what the program must then have of its target.
struct Case {
    called: &'static str,
    target: &'static str,
    flags: &'static [&'static str],
    takes: &'static [&'static str],
}

const fn case(
    called: &'static str,
    flags: &'static [&'static str],
    takes: &'static [&'static str],
) -> Case {
    Case { called, target: scene::NUMBER, flags, takes }
}

const CASES: [Case; 10] = [
    case("one namespace", &["-n"], &["net"]),
    case("three namespaces", &["-n", "-u", "-i"], &["net", "uts", "ipc"]),
    case("all namespaces", &["-a"], &KINDS),
    case("all, and its environment", &["-a", "-e"], &["net", "environment"]),
    case("as the target is", &["-a", "--as-target"], &AS_TARGET),
    case("its control group", &["-n", "-c"], &["net", "control group"]),
    case("the host's tools", &["--tools"], &["pid", "disk", "resolver"]),
    case("its resolver", &["-n", "--dns"], &["net", "resolver"]),
    Case { target: NAME, ..case("by name, as the target is", &["-a", "--as-target"], &AS_TARGET) },
    Case { target: NAME, ..case("by name, one namespace", &["-n"], &["net"]) },
];

pub fn tests() -> Vec<Trial> {
    let mut tests: Vec<Trial> = CASES
        .iter()
        .map(|case| {
            let name = format!("a target that ends or is replaced at any call: {}", case.called);
            test(&name, NEEDS, || enters(case))
        })
        .collect();
    tests.push(test("a target that ends or is replaced at any call: nsenter", NEEDS, nsenter));
    tests.push(test(
        "joined one after the other they are mixed: the attack is real",
        NSENTER,
        mixes,
    ));
    tests
}

fn program() -> PathBuf {
    // What a path leads to, as /proc/PID/exe does.
    std::fs::canonicalize(find("env").unwrap()).unwrap()
}

fn enter(stage: &Stage, role: &str, tool: &[&str], case: &Case) -> Vec<Try> {
    let program = program();
    let program = program.to_str().unwrap();
    let words = [tool, &["-t", case.target], case.flags, &[program]].concat();
    tries(stage, role, &words, case.takes)
}

fn enters(case: &Case) {
    let nsx = binary("nsx");
    let tries = enter(&Stage::new(), sweep::ENTERS, &[nsx.to_str().unwrap(), "enter"], case);
    judge(case, &tries, "code 125");
}

fn nsenter() {
    let stage = Stage::new();
    let tool = stage.programs.path().join("nsenter");
    let case = case("nsenter", &["-a"], &KINDS);
    judge(&case, &enter(&stage, sweep::ENTERS, &[tool.to_str().unwrap()], &case), "code 1");
}

/// Before it was pinned the number is the other's by right; after that it must not be followed.
fn judge(case: &Case, tries: &[Try], refusal: &str) {
    super::none(tries, |one| {
        let by_right = !one.looked && case.target == scene::NUMBER && one.fate == "Reused";
        let entered = one.outcome == "target" && (one.looked || case.target == NAME);
        let entered = entered || by_right && one.outcome == "decoy";
        !entered && !refused(one, case, refusal)
    });
    // It can do both: that it enters one that is left alone was seen.
    assert!(tries.iter().any(|one| one.looked && one.outcome == "none"), "{}", case.called);
}

/// Nothing ran, and nsx says why; or its child was in the pid namespace that ended.
fn refused(one: &Try, case: &Case, refusal: &str) -> bool {
    let explained = one.ended == refusal && !one.errors.is_empty();
    let joins_pids = case.flags.contains(&"-a") || case.flags.contains(&"--tools");
    one.outcome == "none" && (explained || joins_pids && one.ended == "signal 9")
}

fn mixes() {
    let nsenter = find("nsenter").unwrap();
    let case = case("util-linux", &["-n", "-u", "-i"], &["net", "uts", "ipc"]);
    let nsenter = Path::new(&nsenter).to_str().unwrap();
    let tries = enter(&Stage::new(), sweep::ENTERS_EACH, &[nsenter], &case);
    let mixed = tries.iter().filter(|one| one.outcome.starts_with("mixed")).count();
    assert!(mixed > 0, "none of {} runs", tries.len());
}
