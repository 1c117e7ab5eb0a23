//! How the program starts and ends, and what it is started with.

use super::scene::{ALL, NEWER, Scene, Who};
use crate::nsenter::probe::{self, Setting};
use crate::nsenter::programs;
use crate::support::{Held, PATIENCE, child_of, ends_within, pidfd, status, until};
use rustix::process::Signal;
use std::process::{Command, Stdio};
use std::time::Duration;

pub fn endings() {
    let scene = Scene::root();
    programs::plant(scene.directory.path());
    for flags in
        ["", "-n", "-f", "-nf", "-pf", "-mpf --mount-proc", "-Ur", "-Urf", "--kill-child", "-T"]
    {
        let lines: Vec<String> = [
            "true",
            "false",
            "sh -c exit\\42",
            "/bin/echo a b",
            "no-such-program",
            "/no/such/program",
            "/etc/passwd",
            "/etc/passwd/x",
            "/",
            "''",
            "echo -n -x --nope -t",
            "-- echo -- -n",
            "-- -n",
            "-",
            "%directory/plain a b",
            "%directory/script a b",
            "%directory/lost",
            "cat",
        ]
        .iter()
        .map(|program| format!("{flags} {program}"))
        .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        scene.same_endings(ALL, &lines, "a line\n");
    }
}

pub fn killed() {
    let scene = Scene::root();
    for flags in ["", "-n", "-f", "-nf", "-Urf", "-p", "--kill-child", "-T"] {
        let line = |signal| format!("{flags} sh -c ulimit\\-c\\0;\\kill\\-{signal}\\$$");
        for signal in [1, 2, 3, 6, 11, 13, 15, 10, 34, 64] {
            scene.same_endings(ALL, &[&line(signal)], "");
        }
        // Of which 2.38 says something else.
        scene.same_endings(NEWER, &[&line(9)], "");
    }
    // As PID 1 it is spared what it has no handler for; SIGKILL of its own, too.
    scene.same_endings(
        ALL,
        &["-pf sh -c kill\\-15\\$$;\\exit\\4", "-pf sh -c kill\\-9\\$$;\\exit\\4"],
        "",
    );
}

/// A login shell: the caller's, else that of passwd(5).
pub fn shells() {
    let scene = Scene::root();
    let told = "tr '\\0' ' ' </proc/$$/cmdline; exit 3\n";
    let ending = |mut command: Command, line: &str, shell: Option<&'static str>| {
        let mut setting = Setting::default();
        setting.environment.extend(shell.map(|shell| ("SHELL", shell)));
        probe::ending(command.args(scene.words(line)), &setting, told)
    };
    for shell in ["/bin/sh", "/bin/bash", "/no/such/shell", "bash"] {
        for line in ["-n", "-f", "-pf --mount-proc", "-Ur", "", "--"] {
            let ours = ending(scene.ours(), line, Some(shell));
            for command in scene.references() {
                assert_eq!(ours, ending(command, line, Some(shell)), "{shell}: unshare {line}");
            }
        }
    }
    // Where none is named, 2.38 takes /bin/sh.
    for shell in [None, Some("")] {
        for line in ["-n", "-f"] {
            let ours = ending(scene.ours(), line, shell);
            assert_eq!(ours.0, Some(3), "{ours:?}");
            let theirs = scene.reference(NEWER[0]).expect("it is needed");
            assert_eq!(ours, ending(theirs, line, shell), "{shell:?}: unshare {line}");
        }
    }
}

pub fn environments() {
    let scene = Scene::root();
    let told = |mut command: Command, line: &str, more: &[(&'static str, &'static str)]| {
        let mut setting = Setting::default();
        setting.environment.extend(more);
        command.args(scene.words(line)).args(["/usr/bin/env", "-0"]);
        let ended = probe::ending(&mut command, &setting, "");
        assert_eq!((ended.0, ended.3.as_str()), (Some(0), ""), "{line}");
        let mut words: Vec<String> = ended.2.split('\0').map(str::to_owned).collect();
        // What the shell before it leaves.
        words.retain(|word| !["_=", "SHLVL=", "PWD="].iter().any(|name| word.starts_with(name)));
        words.sort();
        words
    };
    for more in [
        &[][..],
        &[("LD_LIBRARY_PATH", "/nowhere"), ("POSIXLY_CORRECT", "1")],
        &[("A", ""), ("SHELL", "/bin/nothing")],
    ] {
        for line in ["", "-n", "-f", "-Ur", "-pf --mount-proc"] {
            let ours = told(scene.ours(), line, more);
            for command in scene.references() {
                assert_eq!(ours, told(command, line, more), "{line}");
            }
        }
    }
    // As 2.43 has it, which no reference here is.
    let only = |line: &str| -> Vec<String> {
        let words = told(scene.ours(), line, &[("A", "1"), ("C", "a,b")]);
        words.into_iter().filter(|word| !word.is_empty()).collect()
    };
    assert_eq!(only("--clear-env"), [""; 0]);
    assert_eq!(only("--clear-env --whitelist-env A,B"), ["A=1", "B=b=b"]);
    assert_eq!(only("--whitelist-env C -f --whitelist-env=NOPE,A"), ["A=1", "C=a,b"]);
}

/// The launcher, and the program that it started.
pub fn started(scene: &Scene, mut command: Command, line: &str, script: &str) -> (Held, u32) {
    command.args(scene.words(line)).args(["sh", "-c", script]).stdin(Stdio::null());
    let (held, line) = Held::ready(Setting::default().apply(&mut command));
    assert_eq!(line, "ready");
    let program = child_of(held.pid()).expect("it forks");
    (held, program)
}

pub fn send(pid: u32, signal: Signal) {
    rustix::process::pidfd_send_signal(pidfd(pid).expect("it runs"), signal).expect("it is sent");
}

const STAY: &str = "echo ready; exec sleep 1000";

pub fn kill_child() {
    let scene = Scene::root();
    let told = scene.directory.path().join("told");
    for command in [scene.references(), vec![scene.ours()]].into_iter().flatten() {
        let name = format!("{command:?}");
        let (mut held, program) = started(&scene, command, "--kill-child -n", STAY);
        let pinned = pidfd(program).expect("it runs");
        send(held.pid(), Signal::KILL);
        held.0.wait().unwrap();
        assert!(ends_within(&pinned, PATIENCE), "{name}");
    }
    for command in [scene.references(), vec![scene.ours()]].into_iter().flatten() {
        let name = format!("{command:?}");
        let script = format!(
            "trap 'echo told >{0}; exit' TERM; echo ready; while :; do sleep 0.05; done",
            told.display()
        );
        let (mut held, program) = started(&scene, command, "--kill-child=TERM -S 0", &script);
        let pinned = pidfd(program).expect("it runs");
        send(held.pid(), Signal::KILL);
        held.0.wait().unwrap();
        assert!(ends_within(&pinned, PATIENCE), "{name}");
        assert_eq!(std::fs::read_to_string(&told).unwrap(), "told\n", "{name}");
        std::fs::remove_file(&told).unwrap();
    }
    // Of an ordinary user, in a user namespace.
    let user = Scene::of(Who::Ordinary);
    for command in [user.references(), vec![user.ours()]].into_iter().flatten() {
        let (mut held, program) = started(&user, command, "-rp --kill-child", STAY);
        let pinned = pidfd(program).expect("it runs");
        send(held.pid(), Signal::KILL);
        held.0.wait().unwrap();
        assert!(ends_within(&pinned, PATIENCE));
    }
}

/// What is sent to the launcher alone, where that is asked for.
pub fn forwarded() {
    let scene = Scene::root();
    let newer = scene.reference(NEWER[0]).expect("it is needed");
    let none = status(std::process::id(), "SigBlk");
    for (command, loses) in [(newer, true), (scene.ours(), false)] {
        for flags in ["--forward-signals", "-p --forward-signals"] {
            for (signal, code) in [(Signal::TERM, 5), (Signal::INT, 6)] {
                let script = "trap 'exit 5' TERM; trap 'exit 6' INT; echo ready; \
                              while :; do sleep 0.05; done";
                let mut again = Command::new(command.get_program());
                again.args(command.get_args());
                let (mut held, program) = started(&scene, again, flags, script);
                let has = |pid, set: &str| {
                    status(pid, set).is_some_and(|signals| signals.ends_with("4002"))
                };
                until("it has its handlers", || has(program, "SigCgt"));
                // Before that unshare loses it; nsx reads its signals.
                until("the launcher listens", || {
                    has(held.pid(), "SigCgt") || status(held.pid(), "SigBlk") != none
                });
                let launcher = pidfd(held.pid()).expect("it runs");
                send(held.pid(), signal);
                // unshare loses one too that comes just before it waits.
                while loses && !ends_within(&launcher, Duration::from_millis(500)) {
                    send(held.pid(), signal);
                }
                assert!(ends_within(&launcher, PATIENCE), "{flags}");
                assert_eq!(held.0.wait().unwrap().code(), Some(code), "{flags}");
            }
        }
    }
}
