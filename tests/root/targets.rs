//! Targets that are none, or none any more: a clear message, the documented code, and nothing runs.

use crate::support::{self, Held, Need, isolated, nsx, output, stderr, test, until};
use libtest_mimic::Trial;
use std::process::{Command, Output};

const ROOT: &[Need] = &[Need::Root];

pub fn tests() -> Vec<Trial> {
    vec![
        test("inspect of a pid that nobody has is code 3", ROOT, || {
            let said = refused(&mut nsx(["inspect", "999999"]), 3);
            assert!(said.contains("no process has pid 999999"), "{said}");
        }),
        test("a target that is no pid and no name is refused, and nothing runs", ROOT, no_target),
        test("a pid beyond the kernel's is never truncated to a smaller one", ROOT, truncation),
        test("a zombie is refused, and nothing runs", ROOT, zombie),
        test("a thread is refused and its process is named", ROOT, thread),
        test("enter without a target runs nothing", ROOT, without_target),
        test("enter with nothing to join runs nothing", ROOT, nothing_to_join),
        test("a target given twice is refused", ROOT, || {
            let said = refused(&mut nsx(["enter", "-t", "1", "-t", "2", "echo", "RAN"]), 125);
            assert!(said.contains("only once"), "{said}");
        }),
    ]
}

/// Fails with `code`, an error and no output; what it said.
pub fn refused(command: &mut Command, code: i32) -> String {
    let output = output(command);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
    assert_eq!(support::stdout(&output), "", "{command:?}");
    assert!(said.starts_with("nsx "), "{said}");
    said
}

fn no_target() {
    let spellings =
        ["1x", "x1", "+1", " 1", "1 ", "01", "0", "0x1", "1.0", "-1", "１", "/proc/1", "4194305"];
    for spelled in spellings {
        let said = refused(&mut nsx(["enter", "-t", spelled, "echo", "RAN"]), 125);
        assert!(said.contains("hint"), "{spelled:?}: {said}");
        let inspected = output(&mut nsx(["inspect", "--", spelled]));
        assert_eq!(inspected.status.code(), Some(3), "{spelled:?}: {}", stderr(&inspected));
    }
    let said = refused(&mut nsx(["enter", "-t", "1x", "echo", "RAN"]), 125);
    assert!(said.contains("1x"), "{said}");
    refused(&mut nsx(["enter", "-t", "", "echo", "RAN"]), 125);
    refused(&mut nsx(["inspect", ""]), 2);
}

/// 2^32 and 2^64 more than the pid of a process that could be entered.
fn truncation() {
    let (_held, pid) = isolated(&["-n"]);
    for more in [1_u128 << 31, 1 << 32, 1 << 63, 1 << 64] {
        let spelled = (more + u128::from(pid)).to_string();
        let said = refused(&mut nsx(["enter", "-t", &spelled, "-n", "echo", "RAN"]), 125);
        assert!(said.contains(&spelled), "{said}");
        refused(&mut nsx(["inspect", &spelled]), 3);
    }
    let said = refused(&mut nsx(["enter", "-t", "4294967297", "echo", "RAN"]), 125);
    assert!(said.contains("4294967297"), "{said}");
}

/// A child that ended and that its parent does not collect.
fn zombie() {
    let mut parent = Command::new("sh");
    parent.args(["-c", "sh -c 'echo $$; exit 0' & exec sleep 1000"]);
    let (_held, pid) = Held::ready(&mut parent);
    let number: u32 = pid.parse().unwrap();
    until("it is a zombie", || {
        support::status(number, "State").is_some_and(|state| state.starts_with('Z'))
    });
    let said = refused(&mut nsx(["enter", "-t", &pid, "echo", "RAN"]), 125);
    assert!(said.contains("zombie"), "{said}");
    for flags in [&["-a"][..], &["-m"], &["-p"], &["-n", "-U"]] {
        refused(nsx(["enter", "-t", &pid]).args(flags).args(["echo", "RAN"]), 125);
    }
    let said = refused(&mut nsx(["inspect", &pid]), 3);
    assert!(said.contains("zombie"), "{said}");
}

fn thread() {
    let (tell, thread) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        tell.send(nix::unistd::gettid()).unwrap();
        let _ = ended.recv();
    });
    let tid = thread.recv().unwrap().to_string();
    let said = refused(&mut nsx(["enter", "-t", &tid, "echo", "RAN"]), 125);
    assert!(said.contains("thread"), "{said}");
    refused(&mut nsx(["inspect", &tid]), 3);
    drop(end);
    other.join().unwrap();
}

fn without_target() {
    for flags in [&[][..], &["-a"], &["-n"], &["--mount", "--pid"]] {
        let said = refused(nsx(["enter"]).args(flags).args(["echo", "RAN"]), 125);
        assert!(said.contains("no target"), "{said}");
    }
}

fn nothing_to_join() {
    let (_held, pid) = isolated(&["-u"]);
    let pid = pid.to_string();
    for flags in [&["-n"][..], &["-U"], &["-m", "-p", "-i", "-n", "-C", "-U", "-T"]] {
        let said = refused(nsx(["enter", "-t", &pid]).args(flags).args(["echo", "RAN"]), 125);
        assert!(said.contains("nothing to join"), "{said}");
    }
    let me = std::process::id().to_string();
    let said = refused(&mut nsx(["enter", "-t", &me, "-a", "echo", "RAN"]), 125);
    assert!(said.contains("nothing to join"), "{said}");
    let ran: Output = output(&mut nsx(["enter", "-t", &pid, "-u", "echo", "RAN"]));
    assert_eq!(support::stdout(&ran), "RAN\n");
}
