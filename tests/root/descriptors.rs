//! What a program inherits beside its environment: three descriptors, signals as they were, no more.

use crate::support::{
    Held, Need, asleep, child_of, isolated, nsx, output, status, stderr, stdout, test, until,
};
use libtest_mimic::Trial;
use std::process::{Command, Stdio};

const ROOT: &[Need] = &[Need::Root];
const PERL: &[Need] = &[Need::Root, Need::Program("perl")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("no descriptor above 2 reaches the program", ROOT, leaks),
        test(
            "standard descriptors that the caller closed are not filled by files of nsx",
            ROOT,
            closed,
        ),
        test("the program gets the caller's signal mask and dispositions", PERL, signals),
        test("the program gets the caller's core file limit", ROOT, core_limit),
    ]
}

/// `bash -c SETUP; exec nsx ARGUMENTS`
fn after(setup: &str, arguments: &[&str]) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!(r#"{setup}; exec "$@""#), "bash"]);
    shell.arg(nsx([""; 0]).get_program()).args(arguments);
    shell
}

/// Ways to start a program: each path through enter, and spawn.
fn ways(target: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["enter", "-t", target, "-n"],
        vec!["enter", "-t", target, "-m"],
        vec!["enter", "-t", target, "-p"],
        vec!["enter", "-t", target, "-a", "--wd=/usr"],
        vec!["enter", "-t", target, "-a", "-e"],
        vec!["spawn", "-u"],
        vec!["spawn", "--new-all"],
    ]
}

fn program_of(held: &Held) -> u32 {
    child_of(held.pid()).unwrap_or(held.pid())
}

fn leaks() {
    let (_held, target) = isolated(&["--new-all"]);
    let target = target.to_string();
    for mut way in ways(&target) {
        way.extend(["sh", "-c", "echo ready; exec sleep 1000"]);
        let mut command = after("exec 3</etc 9</tmp 10</etc/passwd 100</ 255</dev/null", &way);
        let (held, line) = Held::ready(command.stdin(Stdio::null()));
        assert_eq!(line, "ready", "{way:?}");
        let program = program_of(&held);
        // The loader of a program that is just starting has a library open; a leak stays.
        until(&format!("{way:?} has the standard descriptors alone"), || {
            descriptors(program) == ["0", "1", "2"]
        });
    }
}

fn descriptors(pid: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn closed() {
    let (_held, target) = isolated(&["--new-all"]);
    let target = target.to_string();
    for mut way in ways(&target) {
        way.extend(["sh", "-c", "exec sleep 1000"]);
        let mut command = after("exec 0<&- 1>&- 2>&-", &way);
        let held = Held(command.spawn().unwrap());
        crate::support::until("the program runs", || {
            status(program_of(&held), "Name").is_some_and(|name| name == "sleep")
        });
        asleep(program_of(&held));
        let program = program_of(&held);
        for entry in std::fs::read_dir(format!("/proc/{program}/fd")).unwrap() {
            let path = entry.unwrap().path();
            let to = std::fs::read_link(&path).unwrap();
            assert_eq!(to.to_str(), Some("/dev/null"), "{way:?}: {}", path.display());
        }
    }
    // With only one of them closed the others are what they were.
    let output = output(&mut after(
        "exec 0<&-",
        &["enter", "-t", &target, "-a", "sh", "-c", "cat; echo done"],
    ));
    assert_eq!(stdout(&output), "done\n", "{}", stderr(&output));
}

fn signals() {
    let (_held, target) = isolated(&["--new-all"]);
    let target = target.to_string();
    // 34 is one that C libraries keep to themselves.
    let setup = r#"trap '' USR1 HUP
        set -- perl -e 'use POSIX; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(12, 34)); exec @ARGV' "$@""#;
    let of = |pid: u32| ["SigBlk", "SigIgn", "SigCgt"].map(|field| status(pid, field).unwrap());
    let program = ["sh", "-c", "echo ready; exec sleep 1000"];
    let mut plain = Command::new("bash");
    plain.args(["-c", &format!(r#"{setup}; exec "$@""#), "bash"]).args(program);
    let (held, _) = Held::ready(plain.stdin(Stdio::null()));
    asleep(held.pid());
    let expected = of(held.pid());
    for mut way in ways(&target) {
        way.extend(program);
        let (held, _) = Held::ready(after(setup, &way).stdin(Stdio::null()));
        let program = program_of(&held);
        asleep(program);
        assert_eq!(of(program), expected, "{way:?}");
    }
}

fn core_limit() {
    let (_held, target) = isolated(&["--new-all"]);
    let target = target.to_string();
    for mut way in ways(&target) {
        way.extend(["bash", "-c", "ulimit -Sc; ulimit -Hc"]);
        let run = output(&mut after("ulimit -Hc 9; ulimit -Sc 7", &way));
        assert_eq!(stdout(&run), "7\n9\n", "{way:?}: {}", stderr(&run));
    }
}
