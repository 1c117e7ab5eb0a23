//! Which namespaces are joined, for every spelling of every option that names one.

use super::probe::{self, Setting};
use super::scene::Scene;
use std::process::Command;

/// The kinds, as they are spelled.
pub const OPTIONS: [(&str, &str, &str); 8] = [
    ("mnt", "-m", "--mount"),
    ("uts", "-u", "--uts"),
    ("ipc", "-i", "--ipc"),
    ("net", "-n", "--net"),
    ("pid", "-p", "--pid"),
    ("cgroup", "-C", "--cgroup"),
    ("user", "-U", "--user"),
    ("time", "-T", "--time"),
];

/// From a target and from a file, short and long.
pub fn each_kind() {
    let scene = Scene::start();
    let mut lines = Vec::new();
    for (kind, short, long) in OPTIONS {
        let of = if kind == "user" { "%user" } else { "%all" };
        lines.push(format!("-t {of} {short}"));
        lines.push(format!("{short} -t{of}"));
        lines.push(format!("{long} --target={of}"));
        lines.push(format!("{short}/proc/{of}/ns/{kind}"));
        lines.push(format!("{long}=/proc/{of}/ns/{kind}"));
        lines.push(format!("-t %self {short}/proc/{of}/ns/{kind}"));
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    scene.same(&lines, &Setting::default());
    // The comparison is of something: the program is where it was to be, and nowhere else.
    for (kind, short, _) in OPTIONS.into_iter().filter(|(kind, ..)| *kind != "user") {
        let [theirs, ours] = scene.seen(&format!("-t %all {short}"), &Setting::default());
        for seen in [theirs, ours] {
            for (other, ..) in OPTIONS {
                let target = crate::support::namespace(scene.pid("all"), other);
                let joined = seen.field(&format!("ns {other}")) == target;
                let shared = target == crate::support::namespace("self", other);
                assert_eq!(joined, other == kind || shared, "{short} and {other}");
            }
        }
    }
}

pub fn several() {
    let scene = Scene::start();
    scene.same(
        &[
            "-t %all -a",
            "-a -t %all",
            "--all --target %all",
            "-t %user -a",
            "-t %all -m -u -i -n -p -C -T",
            "-t %all -n -u",
            "-t %user -U -m",
            "-t %user -m -U -p -n",
            "-t %user -n -u",
            "-t %denied -U -n",
            "-t %denied -n -u",
            // A file overrides what -a or -t would take.
            "-t %all -a -n/proc/%dressed/ns/net",
            "-t %all -a -n/proc/self/ns/net",
            "-t %all -n/proc/%dressed/ns/net -a",
            "-t %user -a -m/proc/%chroot/ns/mnt",
            "-t %all -u -n/proc/%user/ns/net -i",
            "-u/proc/%all/ns/uts -n/proc/%user/ns/net",
            "-U/proc/%user/ns/user -n/proc/%user/ns/net -m/proc/%user/ns/mnt",
            // The last of several.
            "-n/proc/%all/ns/net -n/proc/%dressed/ns/net",
            "-t 4194304 -t %all -n",
            "-t %dressed -u -t %all",
        ],
        &Setting::default(),
    );
}

/// Files that are descriptors of the caller's by another name, and files by relative names.
pub fn descriptors() {
    let scene = Scene::start();
    for line in [
        "-n/proc/self/fd/9",
        "--net=/dev/fd/9",
        "-n/dev/stdin",
        "-n/proc/self/fd/8",
        "-n/proc/self/fd/9 -p/proc/%all/ns/pid",
        "-t %all -a -n/proc/self/fd/9",
        "-t %all -u -w/proc/self/fd/7",
        "-t %all -m -r/proc/self/fd/7 -w/proc/self/fd/7",
        "-nnet",
        "-n./net -uuts",
    ] {
        let [theirs, ours] = scene.both().map(|command| {
            let mut shell = Command::new("sh");
            let namespaces = format!("/proc/{}/ns", scene.pid("dressed"));
            let setup = r#"cd "$0" && exec 7</usr 9<net <net; exec "$@""#;
            shell.args(["-c", setup, &namespaces]).arg(command.get_program());
            shell.args(scene.words(line)).args(["sh", "-c"]).arg(
                "for kind in net uts pid; do readlink /proc/self/ns/$kind; done; pwd -P; ls -d .",
            );
            probe::ending(&mut shell, &Setting::default(), "")
        });
        assert_eq!(ours, theirs, "nsenter {line} (nsx first)");
    }
}

/// As getopt_long(3) takes a command line apart.
pub fn spellings() {
    let scene = Scene::start();
    scene.same(
        &[
            "--targ %all --moun",
            "--targ=%all --ut --ip",
            "--al --targ %all",
            "--ti=/proc/%all/ns/time",
            "-t %all -n --",
            "-at%all",
            "-Ft %all -n",
            "-t +%all -n",
            "-t 0%all -n",
            // What is attached to -m is a file, also if it looks like options.
            "-t %all -mu",
            "-t %all -nt",
            "-t %all -un",
            "-t %all --net --uts=",
            "-t %all --net=",
        ],
        &Setting::default(),
    );
    // The first word that is no option is the program, and what follows is its own.
    for line in [
        "-t %all -n echo -n -x --nope -t",
        "-t %all -n -- echo -- -n",
        "-t %all --net /no/such/program",
        "-t %all -n -- -n",
        "-t %all -n -",
        "-t %all -n ''",
    ] {
        super::same_ending(&scene, line, "");
    }
}
