//! What `inspect` tells of limits, against processes that meet them or may go beyond.

use crate::support::{Held, Need, child_of, json, nsx, succeeds, test, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::process::Command;

const PERL: &[Need] = &[Need::Root, Need::Program("unshare"), Need::Program("perl")];

const SETPRIV: &[Need] = &[Need::Root, Need::Program("unshare"), Need::Program("setpriv")];

const SPAWN: &[Need] = &[Need::Root, Need::Program("perl")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("who may lock more memory than the limit is not warned of", PERL, locked),
        test("who made a user namespace pays for all that is in it", SETPRIV, paid),
        test("an inotify object that children have inherited is one", PERL, inherited),
        test("inotify objects of a user namespace count for who made it", SPAWN, watched),
    ]
}

fn inspect(pid: u32) -> Value {
    json(&mut nsx(["inspect", "--json", "--only", "limits", &pid.to_string()]))["data"].clone()
}

fn limit<'a>(report: &'a Value, resource: &str) -> &'a Value {
    let mut list = report["limits"]["rlimits"].as_array().expect("a list").iter();
    list.find(|one| one["resource"] == resource).expect("it is there")
}

/// A script of perl's that says `ready` and then sleeps.
fn perl(before: &str, around: &str, script: &str) -> Held {
    let script = format!("$| = 1; {script} print qq(ready\\n); sleep 1000");
    let mut shell = Command::new("sh");
    let line = format!("{before}\nexec {around} perl -e \"$0\"");
    let (held, line) = Held::ready(shell.args(["-c", &line, &script]));
    assert_eq!(line, "ready");
    held
}

fn inherited() {
    let script = format!(
        "syscall({}, 0) >= 0 or die; for (1 .. 9) {{ if (!fork) {{ sleep 1000; exit }} }}",
        libc::SYS_inotify_init1
    );
    let held = perl("", "unshare --pid --fork --kill-child", &script);
    let report = inspect(child_of(held.pid()).expect("it has forked"));
    let told = &report["limits"]["inotify"];
    assert_eq!((&told["instances"], &told["of_one_user_instances"]), (&json!(1), &json!(1)));
}

fn watched() {
    let script = format!(
        "$| = 1; for my $uid (0, 1) {{ if (!fork) {{ $> = $uid; \
         for (1 .. 3) {{ syscall({}, 0) >= 0 or die; }} print qq(x\n) if $uid; sleep 1000; exit }} }} \
         sleep 1000",
        libc::SYS_inotify_init1
    );
    let users = ["--map-users", "0:100000:2", "--map-groups", "0:100000:2"];
    let spawn = [&["spawn", "--newuser", "--newpid"], &users[..], &["perl", "-e", &script]];
    let (held, line) = Held::ready(&mut nsx(spawn.concat()));
    assert_eq!(line, "x");
    let init = child_of(held.pid()).expect("it has forked");
    until("both have theirs", || {
        let told = &inspect(init)["limits"]["inotify"];
        let count = |name: &str| told[name].as_u64();
        assert_eq!(count("instances"), count("of_one_user_instances"), "{told}");
        count("instances") == Some(6)
    });
}

/// Of a uid that nobody else has.
fn paid() {
    let script = "unshare -Ur unshare -Ur sh -c 'for i in 1 2 3 4 5; do sleep 1000 & done; echo ready; \
                  wait' & exec sleep 1000";
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "46813", "--regid", "46813", "--clear-groups", "--pdeathsig", "KILL"]);
    command.args(["unshare", "-Urp", "--kill-child", "--mount-proc", "-f", "sh", "-c", script]);
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    // What its maker has outside: itself, and all inside.
    let inside = ["sleep", "sh", "sleep", "sleep", "sleep", "sleep", "sleep"];
    let told = inspect(held.pid());
    let all = json!(inside.len() + 1);
    assert_eq!(limit(&told, "processes")["used"], all, "{told}");
    assert_eq!(told["limits"]["processes_above"], all, "{told}");
    // The innermost root pays for himself, and those above him do, too.
    let init = child_of(held.pid()).expect("it has forked");
    let told = inspect(child_of(init).expect("it has forked"));
    assert_eq!(limit(&told, "processes")["used"], json!(6), "{told}");
    assert_eq!(told["limits"]["processes_above"], all, "{told}");
    let told = inspect(std::process::id());
    assert_eq!(told["limits"]["processes_above"], Value::Null, "of the host");
}

fn locked() {
    let lock = |megabytes: u32| {
        format!(
            "my $x = 'x' x ({megabytes} << 20); syscall({}, 1) == 0 or die;",
            libc::SYS_mlockall
        )
    };
    let daemon = perl("ulimit -l 8192", "", &lock(64));
    let report = inspect(daemon.pid());
    let told = limit(&report, "locked_bytes");
    assert_eq!((&told["soft"], &told["exempt"]), (&json!(8 << 20), &json!(true)));
    assert!(told["used"].as_u64() > Some(64 << 20), "{told}");
    assert_eq!(report["findings"], json!([]));
    let screen = succeeds(&mut nsx(["inspect", &daemon.pid().to_string(), "--only", "limits"]));
    assert!(screen.contains("of 8M (hard 8M), exempt"), "{screen}");
    // Another user namespace's root is not.
    let other = perl("ulimit -l 8192", "unshare --user --map-root-user", "");
    let report = inspect(other.pid());
    assert_eq!(limit(&report, "locked_bytes")["exempt"], json!(false));
}
