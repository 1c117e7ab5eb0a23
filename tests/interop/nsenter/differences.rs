//! Where nsx differs from nsenter on purpose.

use super::lifetime::{send, started};
use super::probe::{self, Seen, Setting};
use super::scene::Scene;
use super::who::Ordinary;
use crate::support::pty::Pty;
use crate::support::{PATIENCE, ends_within, namespace, output, pidfd, stderr};
use rustix::process::Signal;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

struct Difference {
    option: &'static str,
    nsenter: &'static str,
    nsx: &'static str,
    why: &'static str,
    /// Panics unless each does what is said of it.
    shows: fn(&Scene),
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        option: "-m, -a with a shared mount namespace",
        nsenter: "enters it again and stands in / instead of the working directory",
        nsx: "leaves alone what is shared",
        why: "nothing is entered that one is in",
        shows: |scene| {
            for flags in ["-m", "-a"] {
                let [theirs, ours] = seen(scene, &format!("-t %self {flags}"));
                assert_eq!((theirs.field("cwd"), ours.field("cwd")), ("/", "/usr/lib"), "{flags}");
            }
        },
    },
    Difference {
        option: "-p, -a with a shared pid namespace",
        nsenter: "starts the program as a child",
        nsx: "becomes the program",
        why: "only a child is in a joined pid namespace, and none is joined",
        shows: |scene| {
            for flags in ["-p", "-a"] {
                let [theirs, ours] = seen(scene, &format!("-t %dressed {flags}"));
                let child = (theirs.field("is a child"), ours.field("is a child"));
                assert_eq!(child, ("true", "false"), "{flags}");
            }
        },
    },
    Difference {
        option: "-r without -w",
        nsenter: "stays in the working directory, outside the new root",
        nsx: "stands in the new root",
        why: "a directory outside leads to all that is outside",
        shows: |scene| {
            let root = scene.directory.path().join("root").display().to_string();
            for (flags, at) in [("-u -r", "/usr/lib"), ("-m -r", "/")] {
                let [theirs, ours] = seen(scene, &format!("-t %chroot {flags}"));
                assert_eq!((theirs.field("root"), ours.field("root")), (&*root, &*root), "{flags}");
                assert_eq!((theirs.field("cwd"), ours.field("cwd")), (at, &*root), "{flags}");
            }
        },
    },
    Difference {
        option: "-w where the target's directory is none inside",
        nsenter: "starts there",
        nsx: "refuses",
        why: "a directory outside leads to all that is outside",
        shows: |scene| {
            let [theirs, ours] = seen(scene, "-t %self -m/proc/%all/ns/mnt -w");
            assert_eq!(theirs.code, Some(7), "{theirs:?}");
            let said = "nsenter: the working directory would be outside the target\n";
            assert_eq!((ours.code, ours.stderr.as_str()), (Some(1), said));
        },
    },
    Difference {
        option: "-U with a shared user namespace",
        nsenter: "fails: Invalid argument",
        nsx: "leaves it alone",
        why: "as -a does in both",
        shows: |scene| {
            for line in ["-t %all -U -n", "-t %self -U", "-U/proc/self/ns/user"] {
                let [theirs, ours] = seen(scene, line);
                assert_eq!((theirs.code, ours.code), (Some(1), Some(7)), "{line}: {ours:?}");
                assert!(theirs.stderr.contains("Invalid argument"), "{}", theirs.stderr);
                assert_eq!(ours.field("ns user"), namespace("self", "user"));
            }
        },
    },
    Difference {
        option: "-U of a namespace in which root is nobody",
        nsenter: "fails: setgid() failed",
        nsx: "leaves the ids that are",
        why: "there is no root to become",
        shows: |scene| {
            for line in ["-t %unmapped -U", "-U/proc/%unmapped/ns/user"] {
                let [theirs, ours] = seen(scene, line);
                assert_eq!((theirs.code, ours.code), (Some(1), Some(7)), "{line}: {ours:?}");
                assert!(theirs.stderr.contains("setgid"), "{}", theirs.stderr);
            }
        },
    },
    Difference {
        option: "-U as an ordinary user",
        nsenter: "fails: setgroups failed",
        nsx: "is root there, and keeps the groups",
        why: "setgroups(2) is denied in a namespace that an ordinary user made",
        shows: |_| {
            let user = Ordinary::start();
            for line in ["-t %own -U", "-t %own -U -n -m -p", "-U/proc/%own/ns/user"] {
                let [theirs, ours] = user.seen(line);
                assert_eq!((theirs.code, ours.code), (Some(1), Some(7)), "{line}: {ours:?}");
                assert!(theirs.stderr.contains("setgroups failed"), "{}", theirs.stderr);
                assert_eq!(ours.field("ns user"), namespace(user.target, "user"));
            }
        },
    },
    Difference {
        option: "-a as an ordinary user, with namespaces shared",
        nsenter: "fails: Operation not permitted",
        nsx: "joins what differs",
        why: "nothing is entered that one is in",
        shows: |_| {
            let user = Ordinary::start();
            for line in ["-t %own -a", "-t %own -a --preserve-credentials"] {
                let [theirs, ours] = user.seen(line);
                assert_eq!((theirs.code, ours.code), (Some(1), Some(7)), "{line}: {ours:?}");
                assert_eq!(ours.field("ns pid"), namespace(user.target, "pid"));
                assert_eq!(ours.field("ns time"), namespace("self", "time"));
            }
        },
    },
    Difference {
        option: "several kinds with -t",
        nsenter: "before 2.41 one setns(2) a kind, by number; a file of another process may be among them",
        nsx: "one setns(2) by a pidfd: all of one process, or none",
        why: "a number can become another process's between two calls",
        shows: |scene| {
            let calls = |mut command: Command, program: String| {
                let mut strace = Command::new("strace");
                strace.args(["-f", "-e", "trace=setns", "-o", "/dev/stderr"]).arg(program);
                strace.args(command.args(scene.words("-t %all -m -u -n -p true")).get_args());
                let said = stderr(&output(&mut strace));
                said.lines().filter(|line| line.contains("setns(")).count()
            };
            let program = |command: &Command| command.get_program().to_str().unwrap().to_owned();
            let [theirs, ours] = scene.both().map(|command| {
                let program = program(&command);
                calls(command, program)
            });
            assert!(theirs >= 4 || Scene::reference_is(2, 41), "{theirs}");
            assert_eq!(ours, 1);
        },
    },
    Difference {
        option: "descriptors of the caller",
        nsenter: "hands them to the program",
        nsx: "hands on 0, 1 and 2",
        why: "a directory of the host's leads out of every container",
        shows: |scene| {
            let [theirs, ours] = scene.both().map(|command| {
                let mut shell = Command::new("sh");
                shell.args(["-c", r#"exec 7</tmp; exec "$@""#, "sh"]).arg(command.get_program());
                probe::run(shell.args(scene.words("-t %all -n")), &Setting::default())
            });
            assert!(theirs.field("descriptors").split(' ').any(|number| number == "7"));
            assert_eq!(ours.field("descriptors"), "0 1 2");
        },
    },
    Difference {
        option: "SIGTERM, SIGHUP, SIGINT, SIGUSR1 to the launcher alone",
        nsenter: "dies of it; the program lives on as an orphan",
        nsx: "sends it on, and ends as the program ends",
        why: "who stops nsx means the program",
        shows: |scene| {
            for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::USR1] {
                let [theirs, ours] = after(scene, signal);
                assert_eq!((theirs, ours), (Fate::Lives, Fate::Ended(signal.as_raw())));
            }
        },
    },
    Difference {
        option: "SIGKILL to the launcher",
        nsenter: "leaves the program as an orphan",
        nsx: "takes the program with it",
        why: "nothing is left running in a container by an end of nsx",
        shows: |scene| {
            let [theirs, ours] = after(scene, Signal::KILL);
            assert_eq!((theirs, ours), (Fate::Lives, Fate::Ended(9)));
        },
    },
    Difference {
        option: "a program of the target on a terminal",
        nsenter: "gives it the caller's own terminal",
        nsx: "gives it one of its own, and relays",
        why: "who has a terminal can type into the shell behind it, and read its keys",
        shows: |scene| {
            let mut pty = Pty::shell();
            let name = pty.name.display().to_string();
            let [theirs, ours] = scene.both().map(|command| {
                let line = scene.words("-t %all -m tty").join(" ");
                pty.run(&format!("{} {line}", command.get_program().display()))
            });
            assert_eq!(theirs, (name.clone(), "0".to_owned()));
            assert!(ours.0.starts_with("/dev/pts/") && ours.0 != name, "{ours:?}");
        },
    },
    Difference {
        option: "-t with a number beyond 2^32",
        nsenter: "up to 2.41 takes its lower half: another process",
        nsx: "refuses it",
        why: "never another process than the one that was named",
        shows: |scene| {
            let number = (1_u64 << 32) + u64::from(scene.pid("all"));
            let [theirs, ours] = seen(scene, &format!("-t {number} -n"));
            assert!(theirs.code == Some(7) || Scene::reference_is(2, 42), "{theirs:?}");
            assert_eq!(ours.code, Some(1));
            assert_eq!(ours.stderr, format!("nsenter: invalid PID argument: '{number}'\n"));
        },
    },
    Difference {
        option: "-S, -G with what is no id",
        nsenter: "takes the lower half of a number, and -1 for the largest",
        nsx: "refuses it",
        why: "4294967296 would be root",
        shows: |scene| {
            let [theirs, ours] = seen(scene, "-t %all -n -S 4294967296 -G 4294967296");
            assert!(theirs.code == Some(7) || Scene::reference_is(2, 42), "{theirs:?}");
            assert_eq!(ours.code, Some(1));
            for id in ["-1", "4294967296", "99999999999999999999"] {
                let [_, ours] = seen(scene, &format!("-t %all -n -S {id}"));
                let why = "Numerical result out of range";
                let said = format!("nsenter: failed to parse uid: '{id}': {why}\n");
                assert_eq!((ours.code, ours.stderr), (Some(1), said));
            }
        },
    },
    Difference {
        option: "no option that names a namespace",
        nsenter: "up to 2.40 runs the program where one is",
        nsx: "refuses, as 2.42 does",
        why: "nothing is run on the host by mistake",
        shows: |scene| {
            let [theirs, ours] = seen(scene, "-t %all");
            assert!(theirs.code == Some(7) || Scene::reference_is(2, 42), "{theirs:?}");
            assert_eq!(ours.code, Some(1));
        },
    },
    Difference {
        option: "-Z without a target, where there is no SELinux",
        nsenter: "ignores it",
        nsx: "refuses, as nsenter does where there is SELinux",
        why: "what cannot be done is never left out silently",
        shows: |scene| {
            let [theirs, ours] = newer(scene, "-Z -n/proc/%all/ns/net");
            assert!(theirs.is_none_or(|theirs| theirs.code == Some(7)) || selinux());
            let said = "nsenter: no target PID specified for --follow-context\n";
            assert_eq!(ours.map(|ours| (ours.code, ours.stderr)), Some((Some(1), said.to_owned())));
        },
    },
    Difference {
        option: "-W with its directory as the next word, and without one",
        nsenter: "2.42 takes the word for the program, and none for nothing at all",
        nsx: "takes the directory, and refuses none, as 2.38 does",
        why: "it is how the option is documented",
        shows: |scene| {
            let [theirs, ours] = newer(scene, "-t %all -n -W /usr/bin");
            assert!(theirs.is_none_or(|theirs| theirs.code == Some(126)));
            assert_eq!(ours.expect("nsx").field("cwd"), "/usr/bin");
            let words = scene.words("-t %all -n -W");
            let ended = probe::ending(scene.ours().args(words), &Setting::default(), "");
            assert!(ended.3.contains("requires an argument -- 'W'"), "{ended:?}");
        },
    },
    Difference {
        option: ":NSID on Linux 6.18",
        nsenter: "fails: Stale file handle",
        nsx: "joins it",
        why: "the number is known there too",
        shows: |scene| {
            let of = format!("/proc/{}/ns/net", scene.pid("all"));
            let file = std::fs::File::open(of).expect("it runs");
            let Some(id) = nsx::sys::nsfs::id_of(file.as_fd()) else { return };
            let [theirs, ours] = newer(scene, &format!("-n:{id}"));
            assert_eq!(ours.map(|ours| ours.code), Some(Some(7)));
            if let Some(theirs) = theirs.filter(|theirs| theirs.code != Some(7)) {
                let said =
                    format!("nsenter: cannot open namespace of id {id}: Stale file handle\n");
                assert_eq!((theirs.code, theirs.stderr), (Some(1), said));
            }
        },
    },
    Difference {
        option: "--keep-caps",
        nsenter: "2.42.4 keeps none over a change of the user, and makes none inheritable",
        nsx: "keeps them, over execve(2) of an ordinary user too",
        why: "it is what the option is for",
        shows: |scene| {
            for line in ["-t %user -U -S 33 -G 33 --keep-caps", "-t %user -U --keep-caps"] {
                let [theirs, ours] = newer(scene, line);
                let none = |seen: &Seen| seen.field("CapAmb").chars().all(|digit| digit == '0');
                assert!(theirs.is_none_or(|theirs| none(&theirs)), "{line}");
                let kept = |seen: &Seen| seen.field("CapAmb") == seen.field("CapBnd");
                assert!(ours.is_some_and(|ours| kept(&ours)), "{line}");
            }
        },
    },
    Difference {
        option: "-N with a descriptor that is no socket, or none",
        nsenter: "says the numbers that its own copies of process and descriptor have",
        nsx: "says the numbers that it was given",
        why: "nobody knows the others",
        shows: |scene| {
            let pid = scene.pid("all");
            for (line, ours_begins, ends) in [
                (0, "ioctl(0, ".to_owned(), "SIOCGSKNS): Inappropriate ioctl for device\n"),
                (99, format!("pidfd_getfd({pid}, "), "99): Bad file descriptor\n"),
            ] {
                let [theirs, ours] = newer(scene, &format!("-t %all -N {line}"));
                assert!(theirs.is_none_or(|theirs| theirs.stderr.ends_with(ends)), "{line}");
                let expected = format!("nsenter: {ours_begins}{ends}");
                assert_eq!(ours.map(|ours| ours.stderr), Some(expected));
            }
        },
    },
    Difference {
        option: "-c where v2 is not what is mounted first",
        nsenter: "refuses",
        nsx: "joins the target's group in every hierarchy",
        why: "limits hold there too",
        shows: |scene| {
            let [theirs, ours] = newer(scene, "-t %all -c -n");
            let alone = rustix::fs::statfs("/sys/fs/cgroup").is_ok_and(|at| at.f_type == CGROUP2);
            assert!(theirs.is_none_or(|theirs| theirs.code == Some(1)) || alone);
            assert_eq!(ours.map(|ours| ours.code), Some(Some(7)));
        },
    },
    Difference {
        option: "--user-parent that is the caller's user namespace",
        nsenter: "fails: Invalid argument",
        nsx: "leaves it alone",
        why: "as with -U",
        shows: |scene| {
            let [theirs, ours] = newer(scene, "-t %user --user-parent -n");
            assert!(theirs.is_none_or(|theirs| theirs.stderr.contains("Invalid argument")));
            let own = ours.map(|ours| ours.field("ns user").to_owned());
            assert_eq!(own, Some(namespace("self", "user")));
        },
    },
];

/// The magic number of a v2 hierarchy.
const CGROUP2: i64 = 0x6367_7270;

fn selinux() -> bool {
    std::path::Path::new("/sys/fs/selinux/enforce").exists()
}

/// What is found by an nsenter that has all options, where there is one, and by nsx.
fn newer(scene: &Scene, line: &str) -> [Option<Seen>; 2] {
    let words = scene.words(line);
    [Scene::newer(), Some(scene.ours())].map(|command| {
        command.map(|mut command| probe::run(command.args(&words), &Setting::default()))
    })
}

fn seen(scene: &Scene, line: &str) -> [Seen; 2] {
    scene.seen(line, &Setting::default())
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Lives,
    /// And the launcher ended of this signal.
    Ended(i32),
}

/// What becomes of the program when the launcher alone is sent a signal.
fn after(scene: &Scene, signal: Signal) -> [Fate; 2] {
    [true, false].map(|reference| {
        let command = if reference { Scene::reference() } else { scene.ours() };
        let (mut held, program) = started(command, &scene.words("-t %all -p"));
        let pinned = pidfd(program).expect("it runs");
        send(held.pid(), signal);
        let status = held.0.wait().expect("it ends");
        let fate = if reference {
            // It was never told; this test is whom it waits for.
            let lives = !ends_within(&pinned, std::time::Duration::ZERO);
            let _ = rustix::process::pidfd_send_signal(&pinned, Signal::KILL);
            if lives { Fate::Lives } else { Fate::Ended(0) }
        } else {
            assert!(ends_within(&pinned, PATIENCE));
            Fate::Ended(status.signal().unwrap_or(0))
        };
        assert!(ends_within(&pinned, PATIENCE));
        fate
    })
}

pub fn all() {
    for difference in DIFFERENCES {
        let Difference { option, nsenter, nsx, why, shows } = difference;
        // Each on targets of its own: some end with it.
        let shown = std::panic::catch_unwind(|| shows(&Scene::start()));
        assert!(shown.is_ok(), "{option}: nsenter {nsenter}; nsx {nsx}: {why}");
    }
}
