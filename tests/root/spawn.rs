//! `spawn` makes exactly the namespaces that were asked for, and leaves nothing behind.

use crate::support::{
    KINDS, Need, binary, isolated, namespace, nsx, output, status, stderr, stdout, succeeds, test,
};
use libtest_mimic::Trial;
use std::process::{Command, Stdio};

const ROOT: &[Need] = &[Need::Root];
const UNSHARE: &[Need] = &[Need::Root, Need::Program("unshare")];
const IP: &[Need] = &[Need::Root, Need::Program("ip")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("the program is PID 1 inside and an ordinary process outside", ROOT, pid_one),
        test("each option makes its own kind of namespace and no other", ROOT, each_kind),
        test("--new-all makes all eight", ROOT, || {
            let (_held, pid) = isolated(&["--new-all"]);
            made(pid, &KINDS);
        }),
        test("the hostname is set inside and not outside", ROOT, hostname),
        test("lo is up in a new network namespace, and alone", IP, loopback),
        test("mounts made inside do not appear outside", ROOT, mounts),
        test("a /proc inside is no /proc outside, however mounts propagate", UNSHARE, shared),
        test("the codes are the program's, or 125, 126 and 127", ROOT, codes),
        test("nothing to isolate is an error, and nothing runs", ROOT, || {
            let output = output(&mut nsx(["spawn", "echo", "RAN"]));
            assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
            assert!(stderr(&output).contains("nothing to isolate"));
        }),
        test("in a new user namespace the program is root, mapped to the caller", ROOT, user),
    ]
}

fn made(pid: u32, expected: &[&str]) {
    for kind in KINDS {
        let differs = namespace(pid, kind) != namespace("self", kind);
        assert_eq!(differs, expected.contains(&kind), "{kind}, {expected:?} being asked for");
    }
}

fn pid_one() {
    let (held, pid) = isolated(&["-p"]);
    assert_eq!(status(pid, "NSpid"), Some(format!("{pid}\t1")));
    assert_eq!(status(pid, "PPid"), Some(held.pid().to_string()));
    let said = succeeds(&mut nsx([
        "spawn",
        "--newpid",
        "sh",
        "-c",
        "echo $$; exec sh -c 'echo /proc/[0-9]*'",
    ]));
    assert_eq!(said, "1\n/proc/1\n", "its /proc is its own");
}

fn each_kind() {
    let options = [
        ("-m", "--newns", "mnt"),
        ("-u", "--newuts", "uts"),
        ("-i", "--newipc", "ipc"),
        ("-n", "--newnet", "net"),
        ("-C", "--newcgroup", "cgroup"),
        ("-U", "--newuser", "user"),
        ("-T", "--newtime", "time"),
    ];
    for (short, long, kind) in options {
        for option in [short, long] {
            let (_held, pid) = isolated(&[option]);
            made(pid, &[kind]);
        }
    }
    // A /proc of its own has to be mounted where nobody else sees it.
    for option in ["-p", "--newpid"] {
        let (_held, pid) = isolated(&[option]);
        made(pid, &["pid", "mnt"]);
    }
    let (_held, pid) = isolated(&["-n", "-u", "-i"]);
    made(pid, &["net", "uts", "ipc"]);
}

fn hostname() {
    let before = nix::unistd::gethostname().unwrap();
    let said = succeeds(&mut nsx(["spawn", "--hostname", "web-1.example", "uname", "-n"]));
    assert_eq!(said, "web-1.example\n");
    assert_eq!(nix::unistd::gethostname().unwrap(), before);
    let output = output(&mut nsx(["spawn", "--hostname", &"x".repeat(65), "echo", "RAN"]));
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
}

fn loopback() {
    let said = succeeds(&mut nsx(["spawn", "--newnet", "ip", "-br", "addr"]));
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("127.0.0.1/8")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(lines[0].starts_with("lo "), "{said}");
    let flags = succeeds(&mut nsx(["spawn", "-n", "-m", "ip", "link", "show", "lo"]));
    assert!(flags.contains("LOOPBACK,UP"), "{flags}");
}

/// In mounts that are shared, as systemd makes them.
fn shared() {
    let script =
        "mount --make-rshared / && mkdir \"$0/proc\" && before=$(cat /proc/self/mountinfo) && \
                  \"$@\"; code=$?; test -d /proc/self || exit 99
                  test \"$before\" = \"$(cat /proc/self/mountinfo)\" || exit 98; exit $code";
    let run = |unshare: bool, options: &[&str]| {
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("unshare");
        std::os::unix::fs::symlink(binary("nsx"), &link).unwrap();
        let root = format!("--root={}", place.path().display());
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", script]).arg(place.path());
        if unshare {
            command.arg(link);
        } else {
            command.arg(binary("nsx")).arg("spawn");
        }
        let options = options.iter().map(|option| if *option == "ROOT" { &root } else { *option });
        command.args(options).args(["sh", "-c", "test $$ = 1 && ls -d /proc/1"]);
        let output = output(command.stderr(Stdio::piped()));
        (output.status.code(), stdout(&output), stderr(&output))
    };
    for propagation in ["shared", "unchanged", "slave", "private"] {
        let option = format!("--propagation={propagation}");
        for (unshare, options) in
            [(false, &["-p", &option][..]), (true, &["-pf", "--mount-proc", &option])]
        {
            let ran = run(unshare, options);
            assert_eq!(ran, (Some(0), "/proc/1\n".to_owned(), String::new()), "{options:?}");
        }
    }
    for option in ["--propagation=shared", "--propagation=unchanged"] {
        for options in [&["-p", option, "ROOT"][..], &["-p", option, "--mount-proc=/mnt"]] {
            let (code, said, why) = run(false, options);
            assert_eq!((code, said.as_str()), (Some(125), ""), "{options:?}: {why}");
            assert!(why.contains("mounted outside") && why.contains("slave"), "{why}");
        }
    }
}

fn mounts() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    let inside = format!(
        "mount -t tmpfs nsx-test {place} && touch {place}/file && grep -c ' {place} ' /proc/self/mountinfo"
    );
    for options in [&["-m"][..], &["-p"], &["--new-all"]] {
        let said = succeeds(nsx(["spawn"]).args(options).args(["sh", "-c", &inside]));
        assert_eq!(said, "1\n", "{options:?}");
        assert!(!directory.path().join("file").exists());
        let outside = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!outside.contains(place), "{options:?}");
    }
}

fn codes() {
    let cases: [(&[&str], i32); 6] = [
        (&["true"], 0),
        (&["sh", "-c", "exit 42"], 42),
        (&["/etc/passwd"], 126),
        (&["no-such-program"], 127),
        (&["/no/such/program"], 127),
        (&[""], 127),
    ];
    for options in [&["-u"][..], &["-p"], &["--new-all"]] {
        for (program, code) in cases {
            let output = output(nsx(["spawn"]).args(options).args(program));
            assert_eq!(
                output.status.code(),
                Some(code),
                "{options:?} {program:?}: {}",
                stderr(&output)
            );
        }
    }
    for wrong in [&["--memory", "64X"][..], &["--no-such-option"], &["--hostname"]] {
        let output = output(nsx(["spawn", "-u"]).args(wrong));
        assert_eq!(output.status.code(), Some(125), "{wrong:?}: {}", stderr(&output));
    }
}

fn user() {
    let said = succeeds(&mut nsx([
        "spawn",
        "-U",
        "-p",
        "sh",
        "-c",
        "id -u; id -g; cat /proc/self/setgroups",
    ]));
    assert_eq!(said, "0\n0\ndeny\n");
    // Where there is a root besides it makes what is made, and the program is who was asked for.
    let ranges = ["--map-users=0:100000:10", "--map-groups=0:100000:10"];
    for (own, expected) in [(&[][..], "0 0\n"), (&["--map-user=50", "--map-group=60"], "50 60\n")] {
        let mut spawn = nsx(["spawn", "-pn"]);
        let program = ["sh", "-c", "echo $(id -u) $(id -g)"];
        assert_eq!(succeeds(spawn.args(own).args(ranges).args(program)), expected);
    }
}
