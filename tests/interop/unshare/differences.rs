//! Where nsx differs from unshare on purpose.

use super::life::{send, started};
use super::scene::{NEWER, Scene, Who};
use crate::nsenter::probe::{self, Seen, Setting};
use crate::support::{PATIENCE, ends_within, pidfd, status, until};
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

struct Difference {
    option: &'static str,
    unshare: &'static str,
    nsx: &'static str,
    why: &'static str,
    /// Panics unless each does what is said of it.
    shows: fn(&Scene),
}

const STAY: &str = "echo ready; exec sleep 1000";

const DIFFERENCES: &[Difference] = &[
    Difference {
        option: "descriptors of the caller",
        unshare: "hands them to the program",
        nsx: "hands on 0, 1 and 2",
        why: "a directory of the host's leads out of every new root",
        shows: |scene| {
            let [theirs, ours] = newer(scene).map(|command| {
                let mut shell = Command::new("sh");
                shell.args(["-c", r#"exec 7</tmp; exec "$@""#, "sh"]).arg(command.get_program());
                shell.args(command.get_args()).arg("-n");
                probe::run(&mut shell, &Setting::default())
            });
            assert!(theirs.field("descriptors").split(' ').any(|number| number == "7"));
            assert_eq!(ours.field("descriptors"), "0 1 2");
        },
    },
    Difference {
        option: "SIGTERM, SIGINT to unshare -f alone",
        unshare: "hears nothing",
        nsx: "sends it on, and ends as the program ends",
        why: "who stops nsx means the program",
        shows: |scene| {
            for signal in [Signal::TERM, Signal::INT] {
                let [theirs, ours] = after(scene, "-nf", signal);
                assert_eq!((theirs, ours), (Fate::Lives, Fate::Ended(signal.as_raw())));
            }
        },
    },
    Difference {
        option: "SIGHUP, SIGUSR1 to unshare -f alone, with --forward-signals too",
        unshare: "dies of it; the program lives on as an orphan",
        nsx: "sends it on, and ends as the program ends",
        why: "who stops nsx means the program",
        shows: |scene| {
            for signal in [Signal::HUP, Signal::USR1] {
                for flags in ["-nf", "-n --forward-signals"] {
                    let [theirs, ours] = after(scene, flags, signal);
                    assert_eq!((theirs, ours), (Fate::Orphan, Fate::Ended(signal.as_raw())));
                }
            }
        },
    },
    Difference {
        option: "SIGTERM to unshare --forward-signals of a PID 1 without a handler",
        unshare: "the kernel drops it",
        nsx: "ends the program, and itself as by SIGTERM",
        why: "who stops nsx means the program",
        shows: |scene| {
            let [theirs, ours] = after(scene, "-p --forward-signals", Signal::TERM);
            assert_eq!((theirs, ours), (Fate::Lives, Fate::Ended(15)));
        },
    },
    Difference {
        option: "SIGKILL to unshare -f without --kill-child",
        unshare: "leaves the program as an orphan",
        nsx: "takes the program with it",
        why: "nothing is left running by an end of nsx",
        shows: |scene| {
            let [theirs, ours] = after(scene, "-nf", Signal::KILL);
            assert_eq!((theirs, ours), (Fate::Orphan, Fate::Ended(9)));
        },
    },
    Difference {
        option: "a program of unshare -f that stops",
        unshare: "sleeps on",
        nsx: "stops too, and sets it going again",
        why: "the shell behind it is to know, as with nsenter",
        shows: |scene| {
            // nsx follows; unshare has nothing to do, and does nothing.
            let [theirs, ours] = newer(scene);
            let both = [(theirs, Duration::from_millis(500)), (ours, PATIENCE)];
            let [theirs, ours] = both.map(|(command, patience)| {
                let (mut held, program) = started(scene, command, "-nf", STAY);
                crate::support::asleep(program);
                send(program, Signal::STOP);
                until("it stops", || is(program, 'T'));
                let end = Instant::now() + patience;
                let mut stopped = false;
                while !stopped && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(5));
                    stopped = is(held.pid(), 'T');
                }
                send(held.pid(), Signal::CONT);
                if stopped {
                    until("the program goes on", || is(program, 'S'));
                }
                send(program, Signal::KILL);
                held.0.wait().unwrap();
                stopped
            });
            assert_eq!((theirs, ours), (false, true));
        },
    },
    Difference {
        option: "-r, -c with --setgroups deny, of one with privileges",
        unshare: "denies twice, and fails at it",
        nsx: "denies once",
        why: "it is what was asked for",
        shows: |scene| {
            for line in ["-r --setgroups deny", "-c --setgroups deny"] {
                let [theirs, ours] = seen(scene, line);
                let said = "unshare: write failed /proc/self/setgroups: Operation not permitted\n";
                assert_eq!((theirs.code, theirs.stderr.as_str()), (Some(1), said), "{line}");
                assert_eq!(ours.field("setgroups"), "deny\n", "{line}");
            }
        },
    },
    Difference {
        option: "--owner with -r, -c",
        unshare: "maps the caller, and the owner, who runs the program, is nobody",
        nsx: "maps the owner",
        why: "the program is who was asked for",
        shows: |scene| {
            let [theirs, ours] = seen(scene, "--owner 33:34 -r");
            assert_eq!(
                (map(&theirs, "uid_map"), map(&ours, "uid_map")),
                ("0 0 1".into(), "0 33 1".into())
            );
            let may = |seen: &Seen| seen.field("CapEff") == seen.field("CapBnd");
            assert_eq!((may(&theirs), may(&ours)), (false, true));
        },
    },
    Difference {
        option: "--map-user just above a range",
        unshare: "takes the last id from the range",
        nsx: "leaves the range as it is",
        why: "they do not overlap",
        shows: |scene| {
            let [theirs, ours] = seen(scene, "--map-user 10 --map-users 0:100000:10");
            assert_eq!(
                (map(&theirs, "uid_map"), map(&ours, "uid_map")),
                ("10 0 1 0 100000 9".into(), "10 0 1 0 100000 10".into())
            );
        },
    },
    Difference {
        option: "-w with a relative directory and -R",
        unshare: "takes it from the working directory, which is outside of the new root",
        nsx: "takes it from the new root",
        why: "a directory outside leads to all that is outside",
        shows: |scene| {
            let [theirs, ours] = seen(scene, "-R / -w share");
            assert_eq!((theirs.field("cwd"), ours.code), ("/usr/share", Some(1)));
            let [theirs, ours] = seen(scene, "-R / -w usr");
            assert_eq!((theirs.code, ours.field("cwd")), (Some(1), "/usr"));
        },
    },
    Difference {
        option: "newuidmap that refuses",
        unshare: "leaves it to newuidmap to say why",
        nsx: "says what can be done, too",
        why: "its words name no file",
        shows: |_| {
            let [theirs, ours] = newer(&Scene::of(Who::Ordinary)).map(|mut command| {
                let command = command.args(["--map-users", "0:0:10", "true"]);
                probe::ending(command, &Setting::default(), "")
            });
            assert_eq!((theirs.0, ours.0), (Some(1), Some(1)));
            assert!(ours.3.starts_with(&theirs.3) && ours.3.contains("/etc/subuid"), "{}", ours.3);
        },
    },
    Difference {
        option: "numbers that are no ids",
        unshare: "takes their lower half",
        nsx: "refuses them",
        why: "4294967296 would be root",
        shows: |scene| {
            for line in [
                "-S 4294967296",
                "-G 4294967296",
                "--owner 4294967296:0",
                "--owner -1:0",
                "--map-users 0:0:0",
                "--map-users 0:0:4294967297",
                "--map-users -1:0:1",
            ] {
                let [theirs, ours] = seen(scene, line);
                assert_eq!((theirs.code, ours.code), (Some(7), Some(1)), "{line}");
            }
        },
    },
];

fn map(seen: &Seen, file: &str) -> String {
    seen.field(file).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// unshare as it is today, and nsx.
fn newer(scene: &Scene) -> [Command; 2] {
    [scene.reference(NEWER[0]).expect("it is needed"), scene.ours()]
}

fn seen(scene: &Scene, line: &str) -> [Seen; 2] {
    newer(scene).map(|command| scene.seen(command, line))
}

fn is(pid: u32, state: char) -> bool {
    status(pid, "State").is_some_and(|now| now.starts_with(state))
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Both are there.
    Lives,
    /// Its launcher is gone.
    Orphan,
    /// It, and its launcher of this signal.
    Ended(i32),
}

/// What becomes of the program when its launcher is sent a signal.
fn after(scene: &Scene, flags: &str, signal: Signal) -> [Fate; 2] {
    let mut reference = true;
    newer(scene).map(|command| {
        let (mut held, program) = started(scene, command, flags, STAY);
        crate::support::asleep(program);
        let pinned = pidfd(program).expect("it runs");
        send(held.pid(), signal);
        let is_reference = std::mem::replace(&mut reference, false);
        if is_reference {
            let dies = ![Signal::TERM, Signal::INT].contains(&signal);
            if dies {
                held.0.wait().expect("it ends");
            }
            // Nothing is under way that would end it.
            let lives = !ends_within(&pinned, Duration::from_millis(200));
            send(program, Signal::KILL);
            assert!(ends_within(&pinned, PATIENCE));
            return match (lives, dies) {
                (true, false) => Fate::Lives,
                (true, true) => Fate::Orphan,
                (false, _) => Fate::Ended(0),
            };
        }
        let status = held.0.wait().expect("it ends");
        assert!(ends_within(&pinned, PATIENCE));
        Fate::Ended(status.signal().unwrap_or(0))
    })
}

pub fn all() {
    for difference in DIFFERENCES {
        let Difference { option, unshare, nsx, why, shows } = difference;
        let shown = std::panic::catch_unwind(|| shows(&Scene::root()));
        assert!(shown.is_ok(), "{option}: unshare {unshare}; nsx {nsx}: {why}");
    }
}
