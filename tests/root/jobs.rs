//! Job control through nsx: keys that interrupt and stop, and what the shell outside makes of it.

use crate::support::pty::Pty;
use crate::support::{Need, binary, child_of, status, test, until};
use crate::terminal::{enter, scene};
use libtest_mimic::Trial;

const TERMINAL: &[Need] = &[Need::Root, Need::Program("bash"), Need::Program("setsid")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("^C and ^\\ reach the program through its own terminal", TERMINAL, interrupted),
        test("^Z in a shell inside stops the job of that shell", TERMINAL, job_inside),
        test(
            "^Z stops a program that shares our terminal, and fg resumes it",
            TERMINAL,
            suspended_without_pty,
        ),
        test(
            "^Z stops a program behind an init that cannot stop, and fg resumes it",
            TERMINAL,
            suspended_behind_an_init,
        ),
        test(
            "a program that stops itself gives the terminal back, and fg resumes it",
            TERMINAL,
            stops_itself,
        ),
        test(
            "started in the background, nsx leaves the terminal alone until fg",
            TERMINAL,
            background,
        ),
    ]
}

fn interrupted() {
    let (_held, target, mut pty) = scene();
    for (key, code) in [("\x03", "130"), ("\x1c", "131")] {
        pty.type_keys(
            &(enter(target, "-m -p") + " sh -c 'ulimit -c 0; echo only; exec sleep 1000'\n"),
        );
        pty.expect("only\r\n");
        pty.type_keys(key);
        pty.expect("OUT> ");
        assert_eq!(pty.code(), code);
    }
    pty.type_keys(
        &(enter(target, "-m -p")
            + " sh -c 'trap \"echo caught; exit 4\" INT; echo only; while :; do sleep 1; done'\n"),
    );
    pty.expect("only\r\n");
    pty.type_keys("\x03");
    pty.expect("caught\r\n");
    pty.expect("OUT> ");
    assert_eq!(pty.code(), "4");
}

fn job_inside() {
    let (_held, target, mut pty) = scene();
    pty.type_keys(&(enter(target, "-m -p") + " bash --norc\n"));
    pty.type_keys("PS1='IN> '; sleep 1000\n");
    until("it sleeps", || {
        child_of(pty.child.id())
            .and_then(child_of)
            .and_then(child_of)
            .and_then(|job| status(job, "Name"))
            .is_some_and(|name| name == "sleep")
    });
    pty.type_keys("\x1a");
    pty.expect("Stopped");
    pty.expect("IN> ");
    pty.type_keys("disown -a; exit 6\n");
    pty.expect("OUT> ");
    assert_eq!(pty.code(), "6");
}

fn spawn(options: &str) -> String {
    format!("{} spawn {options}", binary("nsx").display())
}

fn suspend(launcher: &str, mut pty: Pty) {
    let before = pty.run("stty -g").0;
    pty.type_keys(
        &(launcher.to_owned() + " sh -c 'echo only; read line; echo got $line; exit 8'\n"),
    );
    pty.expect("only\r\n");
    pty.type_keys("\x1a");
    pty.expect("Stopped");
    pty.expect("OUT> ");
    assert_eq!(pty.run("stty -g").0, before, "while it is stopped");
    pty.type_keys("fg\n");
    pty.expect("exit 8'\r\n");
    pty.type_keys("word\n");
    pty.expect("got word\r\n");
    pty.expect("OUT> ");
    assert_eq!(pty.code(), "8");
}

fn suspended_without_pty() {
    let (_held, target, pty) = scene();
    suspend(&enter(target, "-m -p --no-pty"), pty);
}

/// The first process of a pid namespace takes no stop from inside it, and tells nsx of the program's.
fn suspended_behind_an_init() {
    for options in ["--newpid --init", "--newpid --init --timeout 100s"] {
        suspend(&spawn(options), Pty::shell());
    }
}

fn stops_itself() {
    let (_held, target, mut pty) = scene();
    let before = pty.run("stty -g").0;
    for launcher in
        [enter(target, "-m -p"), spawn("-u"), spawn("-p --init"), spawn("-p --init --pty")]
    {
        pty.type_keys(
            &(launcher.clone() + " sh -c 'echo only; kill -STOP $$; echo again; exit 8'\n"),
        );
        pty.expect("only\r\n");
        pty.expect("Stopped");
        pty.expect("OUT> ");
        assert_eq!(pty.run("stty -g").0, before, "{launcher}");
        pty.type_keys("fg\n");
        pty.expect("again\r\n");
        pty.expect("OUT> ");
        assert_eq!(pty.code(), "8", "{launcher}");
    }
}

fn background() {
    let (_held, target, mut pty) = scene();
    let before = pty.run("stty -g").0;
    let words = " sh -c 'echo only; read line; echo got $line; exit 8' &\n";
    pty.type_keys(&(enter(target, "-m -p") + words));
    // It runs, and leaves keys and settings alone.
    pty.expect("only\r");
    assert_eq!(pty.run("stty -g").0, before);
    pty.type_keys("fg\n");
    pty.expect("sh -c");
    std::thread::sleep(std::time::Duration::from_millis(600));
    pty.type_keys("a word\n");
    pty.expect("got a word\r\n");
    pty.expect("OUT> ");
    assert_eq!(pty.code(), "8");
    assert_eq!(pty.run("stty -g").0, before);
    // As timeout(1) starts a program, in a group of its own that is never in the foreground.
    let timed = enter(target, "-m -p");
    pty.type_keys(&format!("timeout -k 20 20 {timed} sh -c 'echo in time; exit 7'\n"));
    pty.expect("in time\r");
    pty.expect("OUT> ");
    assert_eq!(pty.code(), "7");
}
