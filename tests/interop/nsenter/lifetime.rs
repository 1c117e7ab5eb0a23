//! Stops and ends go through in both directions.

use super::probe::{self, Setting};
use super::scene::Scene;
use crate::support::{Held, PATIENCE, child_of, ends_within, pidfd, status, until};
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// Starts a child that waits; the launcher, and the child's pid on the host.
pub fn started(mut command: Command, words: &[String]) -> (Held, u32) {
    command.args(words).args(["sh", "-c", "echo ready; exec sleep 1000"]).stdin(Stdio::null());
    let (held, line) = Held::ready(Setting::default().apply(&mut command));
    assert_eq!(line, "ready");
    let program = child_of(held.pid()).expect("it forks");
    crate::support::asleep(program);
    (held, program)
}

pub fn send(pid: u32, signal: Signal) {
    rustix::process::pidfd_send_signal(pidfd(pid).expect("it runs"), signal).expect("it is sent");
}

fn is(pid: u32, state: char) -> bool {
    status(pid, "State").is_some_and(|now| now.starts_with(state))
}

pub fn stops() {
    let scene = Scene::start();
    for flags in ["-p", "-a"] {
        let words = scene.words(&format!("-t %all {flags}"));
        for command in scene.both() {
            let (mut held, program) = started(command, &words);
            send(program, Signal::STOP);
            until("the launcher stops too", || is(held.pid(), 'T'));
            assert!(is(program, 'T'));
            send(held.pid(), Signal::CONT);
            until("the program goes on", || is(program, 'S'));
            until("the launcher goes on", || is(held.pid(), 'S'));
            send(program, Signal::KILL);
            assert_eq!(held.0.wait().unwrap().signal(), Some(9));
        }
    }
}

pub fn killed() {
    let scene = Scene::start();
    for flags in ["-p", "-a", "-n", "-a -F"] {
        for signal in [1, 2, 3, 6, 9, 11, 13, 15, 10, 34, 64] {
            let mut words = scene.words(&format!("-t %all {flags} sh -c"));
            words.push(format!("ulimit -c 0; kill -{signal} $$"));
            let [theirs, ours] = scene
                .both()
                .map(|mut command| probe::ending(command.args(&words), &Setting::default(), ""));
            assert_eq!(ours, theirs, "{flags} and {signal} (nsx first)");
        }
    }
    // The target's pid namespace ends, and the program with it.
    for of_reference in [true, false] {
        let scene = Scene::start();
        let command = if of_reference { Scene::reference() } else { scene.ours() };
        let (mut held, program) = started(command, &scene.words("-t %all -p"));
        let program = pidfd(program).expect("it runs");
        send(scene.pid("all"), Signal::KILL);
        assert!(ends_within(&program, PATIENCE));
        assert_eq!(held.0.wait().unwrap().signal(), Some(9));
        // Nobody can be started there any more.
    }
}
