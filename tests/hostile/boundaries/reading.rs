//! What tells of a process: inspect, ps, ns, pid, who.

use super::scene::NAME;
use super::{NEEDS, Stage, Try, scene, sweep, tries};
use crate::support::{binary, test};
use libtest_mimic::Trial;

/// A command, how it is pointed at the target, and what it must tell of one that is left alone.
struct Case {
    words: &'static [&'static str],
    tells: &'static [&'static str],
    by: By,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Its number, which is the decoy's as well, until it was pinned.
    Number,
    /// Its name, which the decoy has not.
    Name,
    /// It lists all there are: both, one after the other.
    List,
    /// It lists namespaces, of which a process that has ended leaves one or the other.
    Census,
    /// The name of a container that it is in, which goes on without it.
    Member,
}

const fn case(by: By, words: &'static [&'static str], tells: &'static [&'static str]) -> Case {
    Case { words, tells, by }
}

const ONE: &str = scene::NUMBER;

const CASES: [Case; 26] = [
    case(By::Number, &["inspect", ONE], &["hostname", "mount", "program", "address"]),
    case(By::Number, &["inspect", ONE, "--only", "identity"], &["uid", "command"]),
    case(By::Number, &["inspect", ONE, "--only", "namespaces"], &["net", "mnt", "user"]),
    case(By::Number, &["inspect", ONE, "--only", "uts"], &["hostname"]),
    case(By::Number, &["inspect", ONE, "--only", "net"], &["address", "port", "resolver"]),
    case(By::Number, &["inspect", ONE, "--only", "mounts", "--usage"], &["mount"]),
    case(By::Number, &["inspect", ONE, "--only", "cgroup"], &["control group"]),
    case(By::Number, &["inspect", ONE, "--only", "security", "--seccomp"], &[]),
    case(By::Number, &["inspect", ONE, "--only", "limits"], &["files", "oom score"]),
    case(By::Number, &["inspect", ONE, "--only", "processes"], &["command"]),
    case(By::Name, &["inspect", NAME], &["hostname", "mount", "program", "address"]),
    case(By::List, &["ps"], &["name", "address"]),
    case(By::List, &["ps", "--usage", "--interval", "10ms"], &["name", "address"]),
    case(By::Census, &["ns"], &["net", "mnt", "user", "command"]),
    case(By::Number, &["ns", "-p", ONE], &["net", "mnt", "user", "command"]),
    case(By::Number, &["pid", ONE], &["pid"]),
    case(By::Name, &["pid", NAME, "1"], &["pid"]),
    case(By::Number, &["pid", "--inside", ONE], &["pid"]),
    case(By::Number, &["who", "pid:1000"], &["name"]),
    case(By::List, &["who", "nspid:1"], &["name"]),
    case(By::List, &["who", "port:4117"], &["name", "port"]),
    case(By::Member, &["inspect", NAME, "--only", "net"], &["port"]),
    case(By::Member, &["inspect", NAME], &["hostname", "mount", "program", "address"]),
    case(By::Member, &["inspect", NAME, "--only", "processes"], &["command"]),
    case(By::Member, &["pid", NAME, "--all"], &["pid"]),
    case(By::Member, &["who", NAME], &["name"]),
];

pub fn tests() -> Vec<Trial> {
    let each = CASES.iter().map(|case| {
        let what = if case.by == By::Member { "a member" } else { "a target" };
        let words = case.words.join(" ");
        let name = format!("told of {what} that ends or is replaced at any call: {words}");
        test(&name, NEEDS, || reads(case))
    });
    each.collect()
}

fn reads(case: &Case) {
    let nsx = binary("nsx");
    let words = [&[nsx.to_str().unwrap()], case.words, &["--json"]].concat();
    let role = if case.by == By::Member { sweep::READS_MEMBER } else { sweep::READS };
    let tries = tries(&Stage::new(), role, &words, case.tells);
    super::none(&tries, |one| !is_true(case, one));
}

/// All of one process; or it says what it lacks; or that there is nothing to tell.
fn is_true(case: &Case, one: &Try) -> bool {
    let is_list = matches!(case.by, By::List | By::Census);
    let by_right = is_list || case.by == By::Number && !one.looked;
    let (outcome, has_gaps) = match one.outcome.strip_suffix(" with gaps") {
        Some(outcome) => (outcome, true),
        None => (one.outcome.as_str(), false),
    };
    // Nobody knows the name of a container of which a zombie is left.
    let is_left = case.words.first() == Some(&"who") && one.fate == "Unreaped";
    let is_told = has_gaps || case.by == By::Census || is_left && outcome == "target without name";
    match outcome {
        "none" if is_list && one.ended == "code 0" => true,
        "none" => matches!(one.ended.as_str(), "code 1" | "code 3") && !one.errors.is_empty(),
        "target" => one.ended == "code 0",
        "decoy" => one.ended == "code 0" && by_right,
        _ => {
            let is_apart =
                !outcome.starts_with("mixed") && (by_right || !outcome.contains("decoy"));
            is_told && is_apart && one.ended == "code 0"
        }
    }
}
