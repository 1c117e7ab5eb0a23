//! The target ends, or its number goes to another process, at each boundary of a system call in turn
//! that nsx, a thread or a child of it makes.
//!
//! Whatever the moment: a program that is run has the namespaces, the control group, the ids and
//! all else of the process that was pinned, or it does not run; what is told is true of one process,
//! and what is missing is said to be. `scene` is the pid namespace in which numbers can be chosen,
//! `facts` what tells the two apart, `tracer` one traced run, `sweep` all of them.
//!
//! Some boundaries of each command are tried, spread evenly; each of them, with each fate of the
//! target, under `NSX_TEST_WHOLE=1`, which takes long. `NSX_TEST_SHOW_COST=1` shows what came of them.

use crate::names::own_group;
use crate::support::{self, Held, Lines, Need, binary, find, until};
use libtest_mimic::Trial;
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

mod entering;
mod facts;
mod reading;
mod scene;
mod sweep;
mod tracer;

pub use sweep::act;

const NEEDS: &[Need] = &[Need::Root, Need::Program("unshare"), Need::Program("ip"), LAST_PID];
const LAST_PID: Need = Need::Machine("/proc/sys/kernel/ns_last_pid", || {
    Path::new("/proc/sys/kernel/ns_last_pid").exists()
});
/// Fewer could not have held nsx at every step of its way.
const FEWEST: usize = 25;

pub fn tests() -> Vec<Trial> {
    [entering::tests(), reading::tests()].into_iter().flatten().collect()
}

/// One boundary: what stood there, and what came of it.
#[derive(Debug)]
struct Try {
    #[expect(dead_code, reason = "Debug shows it")]
    at: usize,
    fate: String,
    /// The process had been pinned, by its number, before.
    looked: bool,
    /// For whoever reads why a test failed.
    call: String,
    outcome: String,
    ended: String,
    errors: String,
}

/// The target's programs and control groups, and the decoy's.
struct Stage {
    programs: tempfile::TempDir,
    groups: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let programs = tempfile::tempdir().unwrap();
        std::fs::set_permissions(programs.path(), Permissions::from_mode(0o755)).unwrap();
        let name = programs.path().file_name().unwrap().to_string_lossy().into_owned();
        let groups = own_group().join(format!("nsx-test-boundaries{name}"));
        for who in [facts::Who::Target, facts::Who::Decoy] {
            std::fs::create_dir_all(groups.join(facts::group(who))).unwrap();
            let copy = programs.path().join(facts::program(who));
            support::copy_program(find("sleep").unwrap(), copy);
        }
        symlink(binary("nsx"), programs.path().join("nsenter")).unwrap();
        Self { programs, groups }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for who in [facts::Who::Target, facts::Who::Decoy] {
            let group = self.groups.join(facts::group(who));
            until("the group can be removed", || {
                let _ = std::fs::remove_dir(&group);
                !group.exists()
            });
        }
        let _ = std::fs::remove_dir(&self.groups);
    }
}

/// Runs the command, once for each boundary; first of all where nobody disturbs it, which must tell
/// or take over these facts.
fn tries(stage: &Stage, role: &str, words: &[&str], facts: &[&str]) -> Vec<Try> {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    command.arg(std::env::current_exe().unwrap()).args(words).env(sweep::ROLE, role);
    command.env(scene::GROUPS, &stage.groups).env(scene::PROGRAMS, stage.programs.path());
    let mut held = Held(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
    // Each line in time: all of them may take long.
    let lines = Lines::of(held.0.stdout.take().unwrap());
    let mut tries: Vec<Try> = std::iter::repeat_with(|| lines.next())
        .take_while(|line| !line.is_empty())
        .map(|line| parsed(&line))
        .collect();
    assert!(held.0.wait().unwrap().success(), "{words:?}: after {:?}", tries.last());
    let undisturbed = tries.remove(0);
    assert_eq!(undisturbed.ended, "code 0", "{words:?}: {undisturbed:?}");
    for fact in facts {
        let mut found = undisturbed.outcome.split(',');
        assert!(found.any(|found| found == *fact), "{words:?}: {fact} in {undisturbed:?}");
    }
    assert!(undisturbed.call.parse::<usize>().unwrap() > FEWEST, "{undisturbed:?}");
    report(words, &undisturbed, &tries);
    tries
}

/// Fails with those that are wrong.
fn none(tries: &[Try], is_wrong: impl Fn(&Try) -> bool) {
    let wrong: Vec<String> =
        tries.iter().filter(|one| is_wrong(one)).map(|one| format!("{one:?}")).collect();
    let told = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {}:\n{told}", wrong.len(), tries.len());
}

fn parsed(line: &str) -> Try {
    let mut fields = line.split('\t').map(str::to_owned);
    let mut next = || fields.next().unwrap_or_else(|| panic!("{line}"));
    Try {
        at: next().parse().unwrap(),
        fate: next(),
        looked: next() == "looked",
        call: next(),
        outcome: next(),
        ended: next(),
        errors: next(),
    }
}

/// How many boundaries came to what.
fn report(words: &[&str], undisturbed: &Try, tries: &[Try]) {
    if !support::cost::is_shown() {
        return;
    }
    let mixed = tries.iter().filter(|one| one.outcome.starts_with("mixed")).count();
    let told = format!("{} boundaries, {} runs, {mixed} mixtures", undisturbed.call, tries.len());
    println!("boundaries: {words:?}: {told}; tells {}", undisturbed.outcome);
    let mut counts = BTreeMap::new();
    for one in tries {
        let when = if one.looked { "after" } else { "before" };
        let outcome = one.outcome.split(':').next().unwrap_or_default();
        *counts.entry((when, &one.fate, outcome, &one.ended)).or_insert(0_usize) += 1;
    }
    for ((when, fate, outcome, ended), count) in counts {
        println!("    {count:5} {fate} {when} the look: {outcome}, {ended}");
    }
}
