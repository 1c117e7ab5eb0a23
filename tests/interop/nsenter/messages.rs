//! What is said of a command line that cannot be done, byte by byte.

use super::probe::{self, Setting};
use super::same_ending;
use super::scene::Scene;
use crate::support::{Held, until};
use std::process::Command;

/// The same in 2.38 and in 2.42.
const SAME: &[&str] = &[
    "--nope",
    "--nope=1",
    "-x",
    "-t",
    "--target",
    "-t %all -n -S",
    "--setuid",
    "-t %all -n -G",
    "-t %all --all=1 true",
    "-t %all -n --no-fork=x true",
    "--t=%all",
    "--set=1 true",
    "-t %all -n -S x true",
    "-t %all -n -S '' true",
    "-t %all -n -S 0x10 true",
    "-t %all -n --setuid=1z true",
    "-t %all -n -G x true",
    "-t %all -n --setgid= true",
    "-n/no/such/file true",
    "--net=/no/such/file true",
    "-t %all -mu true",
    "-t %all --net= true",
    "-t %all -r/no/such/directory -n true",
    "-t %all --root= -n true",
    "-t %all -r=/ -n true",
    "-t %all -w/no/such/directory -n true",
    "-t %all -n -W/no/such/directory true",
    "-t %all -n -W/etc/passwd true",
    "-t %all -n -w/etc/passwd true",
    "-t %all -n -r/etc/passwd true",
    "-n/etc/passwd true",
    "-n/proc/%all/ns/mnt true",
    "-t %all -m/proc/%all/ns/net true",
    "-t %all -n -m/proc/%all/ns/uts true",
    "-r -n/proc/%all/ns/net true",
    "-w -n/proc/%all/ns/net true",
];

/// What 2.42 says and 2.38 does not.
const OF_2_42: &[(&str, &str)] = &[
    ("", "no namespace specified"),
    ("true", "no namespace specified"),
    ("-t %all true", "no namespace specified"),
    ("-t %all -w true", "no namespace specified"),
    ("-t %all -r -S 0 true", "no namespace specified"),
    ("-n true", "no target PID specified"),
    ("-m -u true", "no target PID specified"),
    ("--net /proc/%all/ns/net", "no target PID specified"),
    ("-t %all -W/usr -w/usr -n true", "options --wdns and --wd cannot be combined"),
    ("-t %all -w/usr --wdns=/usr -n true", "options --wd and --wdns cannot be combined"),
    ("-t %unmapped -n -S 4294967295 true", "setuid() failed: Invalid argument"),
    ("-t %denied -U -S 5 true", "setuid() failed: Invalid argument"),
    ("-t %denied -U -G 5 true", "setgid() failed: Invalid argument"),
    ("-t abc -n true", "invalid PID argument: 'abc'"),
    ("-t 0 -n true", "invalid PID argument: '0'"),
    ("-t -1 -n true", "invalid PID argument: '-1'"),
    ("-t 1: -n true", "invalid PID argument: '1:'"),
    ("-t 99999999999 -n true", "invalid PID argument: '99999999999'"),
];

pub fn mistakes() {
    let scene = Scene::start();
    for line in SAME {
        same_ending(&scene, line, "");
    }
    for (line, message) in OF_2_42 {
        says(&scene, line, message);
    }
}

/// nsx says this, as 2.42 does, and does nothing.
pub fn says(scene: &Scene, line: &str, message: &str) {
    let words = scene.words(line);
    let ended = probe::ending(scene.ours().args(&words), &Setting::default(), "echo ran\n");
    let expected = (Some(1), None, String::new(), format!("nsenter: {message}\n"));
    assert_eq!(ended, expected, "nsenter {line}");
    if let Some(mut newer) = Scene::newer() {
        let mut theirs = probe::ending(newer.args(&words), &Setting::default(), "");
        if theirs.3 == "nsenter: invalid PID argument\n" && message.starts_with("invalid PID") {
            // It does not repeat what it was given.
            theirs.3.clone_from(&expected.3);
        }
        assert_eq!(theirs, expected, "the reference itself: nsenter {line}");
    }
}

pub fn gone() {
    let scene = Scene::start();
    same_ending(&scene, "-t 4194304 -n true", "");
    same_ending(&scene, "-t 4194304 -a -n/proc/%all/ns/net true", "");
    // A zombie: its namespaces are gone, and nothing may be run where we are instead.
    let ended = Held(Command::new("true").spawn().expect("it starts"));
    let zombie = ended.pid();
    until("it is a zombie", || {
        crate::support::status(zombie, "State").is_some_and(|state| state.starts_with('Z'))
    });
    for flags in ["-n", "-a", "-p -m"] {
        let message = "reassociate to namespaces failed: No such process";
        says(&scene, &format!("-t {zombie} {flags} echo ran"), message);
    }
}
