//! Credentials in a joined user namespace, and what an ordinary user can do with his own.

use crate::enter::entered;
use crate::support::rootfs::Small;
use crate::support::{
    Held, Need, as_nobody, binary, child_of, isolated, namespace, nsx, output, public_nsx, status,
    stderr, stdout, test, until,
};
use libtest_mimic::Trial;
use std::process::{Command, Stdio};

const ROOT: &[Need] = &[Need::Root];
const SETPRIV: &[Need] = &[Need::Root, Need::Program("setpriv")];
const BUSYBOX: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("busybox")];
const UNSHARE: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("unshare")];

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "in a joined user namespace the program is its root and in no group of ours",
            UNSHARE,
            mapped,
        ),
        test("where setgroups is denied no group of ours is kept either", SETPRIV, denied),
        test("-S and -G follow the target's ids as they are inside", UNSHARE, followed),
        test("-G is of that group alone, whatever --user's are", ROOT, alone),
        test("without the user namespace the program keeps its ids", ROOT, kept),
        test("a user enters what he isolated himself, and is root only there", SETPRIV, own_target),
        test("nobody takes groups into a user namespace who may leave them", SETPRIV, left),
        test(
            "a user that --setuid names in another root is in no group of ours",
            BUSYBOX,
            stranger,
        ),
        test("a user is told why he cannot enter what is not his", SETPRIV, not_his),
        test("of a list of users that is too long nobody is said to be missing", ROOT, long_list),
        test("by a /proc of another pid namespace nobody is mapped or kept", UNSHARE, foreign_proc),
    ]
}

/// A user namespace in which 0 is 100000 of the host and setgroups(2) is allowed.
pub fn target_of_other_ids() -> (Held, u32) {
    let mut command = Command::new("unshare");
    command.args(["--user", "sleep", "1000"]);
    let held = Held(command.stdin(Stdio::null()).spawn().unwrap());
    let pid = held.pid();
    until("it has a user namespace", || namespace(pid, "user") != namespace("self", "user"));
    for file in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{pid}/{file}"), "0 100000 65536").unwrap();
    }
    (held, pid)
}

/// nsx with supplementary groups, as an operator has them.
fn entered_with_groups(target: u32, options: &[&str]) -> (Held, u32) {
    let mut command = Command::new("setpriv");
    command.args(["--groups", "4,6,20"]).arg(nsx([""; 0]).get_program());
    command.args(["enter", "-t", &target.to_string()]).args(options);
    command.args(["sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let program = child_of(held.pid()).unwrap_or(held.pid());
    crate::support::asleep(program);
    (held, program)
}

fn mapped() {
    let (_target, pid) = target_of_other_ids();
    for options in [&["-U"][..], &["-a"]] {
        let (_held, program) = entered_with_groups(pid, options);
        let four = "100000\t100000\t100000\t100000";
        assert_eq!(status(program, "Uid").as_deref(), Some(four), "{options:?}");
        assert_eq!(status(program, "Gid").as_deref(), Some(four), "{options:?}");
        assert_eq!(status(program, "Groups").as_deref(), Some(""), "{options:?}");
    }
    let output = output(&mut nsx(["enter", "-t", &pid.to_string(), "-U", "id"]));
    assert_eq!(stdout(&output).trim(), "uid=0(root) gid=0(root) groups=0(root)");
}

fn followed() {
    let (_held, pid) = isolated(&[
        "--map-users=0:1000:65536",
        "--map-groups=0:1000:65536",
        "--setuid=5",
        "--setgid=6",
        "-u",
    ]);
    let (target, file) = (pid.to_string(), format!("-U=/proc/{pid}/ns/user"));
    let follow = ["enter", "-t", &target, "-S", "follow", "-G", "follow"];
    let show = ["sh", "-c", "echo $(id -u) $(id -g)"];
    for options in [&["-U"][..], &["-U", "-u"], &[&file], &[&file, "-u"]] {
        let ran = output(nsx(follow).args(options).args(show));
        assert_eq!((stdout(&ran).as_str(), stderr(&ran).as_str()), ("5 6\n", ""), "{options:?}");
    }
    // Outside they are others, and in a third namespace none that is known.
    let ran = output(nsx(follow).args(["-u"]).args(show));
    assert_eq!(stdout(&ran), "1005 1006\n", "{}", stderr(&ran));
    let (_other, other) = target_of_other_ids();
    let ran = output(nsx(follow).arg(format!("-U=/proc/{other}/ns/user")).args(show));
    assert_eq!((stdout(&ran).as_str(), ran.status.code()), ("", Some(125)));
    assert!(stderr(&ran).contains("has no number"), "{}", stderr(&ran));
}

fn alone() {
    let (_held, target) = isolated(&["-m"]);
    let target = target.to_string();
    let ids = |options: &[&str]| {
        let mut command = nsx(["enter", "-t", &target, "-m"]);
        stdout(&output(command.args(options).args(["sh", "-c", "echo $(id -u) $(id -G)"])))
    };
    assert_eq!(ids(&["--user=1:1"]), "1 1\n");
    assert_eq!(ids(&["-G", "5", "--user=daemon"]), "1 5\n");
}

fn denied() {
    let (_held, target) = isolated(&["-U", "-p", "-n"]);
    assert_eq!(
        std::fs::read_to_string(format!("/proc/{target}/setgroups")).unwrap().trim(),
        "deny"
    );
    for options in [&["-U"][..], &["-U", "-n"], &["-a"]] {
        let (_held, program) = entered_with_groups(target, options);
        assert_eq!(status(program, "Groups").as_deref(), Some(""), "{options:?}");
    }
}

fn kept() {
    let (_held, target) = isolated(&["-n", "-p"]);
    let (_program, program) = entered_with_groups(target, &["-a"]);
    assert_eq!(status(program, "Groups").as_deref(), Some("4 6 20"));
    assert_eq!(status(program, "Uid").as_deref(), Some("0\t0\t0\t0"));
    let (_held, other) = entered(target, &["-n"]);
    assert_eq!(namespace(other, "user"), namespace("self", "user"));
}

fn own_target() {
    let (_directory, copy) = public_nsx();
    let mut spawn = as_nobody(&copy);
    spawn.args([
        "spawn",
        "-U",
        "-p",
        "-n",
        "-u",
        "--hostname",
        "mine",
        "sh",
        "-c",
        "echo ready; exec sleep 1000",
    ]);
    let (held, line) = Held::ready(spawn.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let target = child_of(held.pid()).unwrap().to_string();
    for flags in [&[][..], &["-a"], &["-U", "-n", "-p", "-u"]] {
        let mut enter = as_nobody(&copy);
        enter.args(["enter", "-t", &target]).args(flags).args([
            "sh",
            "-c",
            "id -u; hostname; echo $$",
        ]);
        let output = output(&mut enter);
        assert!(output.status.success(), "{flags:?}: {}", stderr(&output));
        let said = stdout(&output);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..2], ["0", "mine"], "{flags:?}");
        assert!(lines[2].parse::<u32>().unwrap() < 1000, "a pid of the small namespace: {said}");
    }
    // By files too: the user namespace comes first, since it gives the right to the others.
    let file = |kind: &str| format!("/proc/{target}/ns/{kind}");
    let options = [format!("-n={}", file("net")), format!("-U={}", file("user")), "-u".to_owned()];
    let mut enter = as_nobody(&copy);
    enter.args(["enter", "-t", &target]).args(&options).args(["sh", "-c", "id -u; hostname"]);
    let output_by_file = output(&mut enter);
    assert_eq!(stdout(&output_by_file), "0\nmine\n", "{}", stderr(&output_by_file));
    let inspected = output(as_nobody(&copy).args(["inspect", "--json", &target]));
    assert!(inspected.status.success(), "{}", stderr(&inspected));
}

fn not_his() {
    let (_directory, copy) = public_nsx();
    let (_held, target) = isolated(&["-n"]);
    let output =
        output(as_nobody(&copy).args(["enter", "-t", &target.to_string(), "-n", "echo", "RAN"]));
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(stdout(&output), "");
    let said = stderr(&output);
    assert!(said.contains(&target.to_string()) && said.contains("hint: run it as root"), "{said}");
}

/// Those of a program of nsx with supplementary groups, which has its own all the time but when it
/// makes the program.
fn groups_spawned(privileges: &[&str], options: &[&str]) -> String {
    let mut command = Command::new("setpriv");
    command.args(["--groups", "4,6,20"]).args(privileges).arg(nsx([""; 0]).get_program());
    let script = "grep -h ^Groups: /proc/self/status; read -r wait";
    command.arg("spawn").args(options).args(["sh", "-c", script]);
    let (held, line) = Held::ready(command.stdin(Stdio::piped()));
    let groups = line.strip_prefix("Groups:").unwrap_or_else(|| panic!("{options:?}: {line}"));
    let own = || status(held.pid(), "Groups").as_deref() == Some("4 6 20");
    until("nsx is in its own groups", own);
    groups.trim().to_owned()
}

fn left() {
    for options in [
        &["-U"][..],
        &["--new-all", "--map-users=0:100000:1000", "--map-group=0"],
        &["-U", "--map-user=5", "--map-group=5", "--init"],
        &["--map-users=0:100000:1000"],
        &["--map-users=0:100000:1000", "--map-groups=0:100000:1000", "--memory=64M"],
    ] {
        assert_eq!(groups_spawned(&[], options), "", "{options:?}");
    }
    let groups = groups_spawned(&["--bounding-set=-setgid"], &["-U"]);
    assert_eq!(groups, "65534 65534 65534", "without the right to leave them they stay");
    let groups = groups_spawned(&[], &["-p", "-S", "1000"]);
    assert_eq!(groups, "4 6 20", "without a user namespace they are the caller's");
}

fn stranger() {
    let root = Small::new();
    let groups = groups_spawned(&[], &["-p", "-S", "1000", "--rootfs", &root.name()]);
    assert_eq!(groups, "");
}

fn long_list() {
    let script = "mount -t tmpfs none /etc && { yes filler | head -c 9000000
        echo late:x:7:7::/:/bin/sh; } > /etc/passwd && echo ready; exec sleep 1000";
    let (held, line) = Held::ready(&mut nsx(["spawn", "-p", "-m", "sh", "-c", script]));
    assert_eq!(line, "ready");
    let target = child_of(held.pid()).unwrap().to_string();
    let ended = output(&mut nsx(["enter", "-t", &target, "-m", "--user=late", "echo", "RAN"]));
    assert_eq!((ended.status.code(), stdout(&ended).as_str()), (Some(125), ""));
    assert!(stderr(&ended).contains("longer than the bound"), "{}", stderr(&ended));
}

/// What is the child's number to us is another's there.
fn foreign_proc() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ns");
    std::fs::write(&file, "").unwrap();
    let keep = format!("--newnet={}", file.display());
    for options in [&["-U", "--map-users=0:100000:10", "--map-groups=0:100000:10"][..], &[&keep]] {
        let mut outer = Command::new("unshare");
        outer.args(["-m", "--propagation", "private", "-p", "-f"]).arg(binary("nsx"));
        let refused = output(outer.arg("spawn").args(options).args(["echo", "RAN"]));
        assert_eq!(
            (refused.status.code(), stdout(&refused).as_str()),
            (Some(125), ""),
            "{options:?}"
        );
        assert!(stderr(&refused).contains("another pid namespace"), "{}", stderr(&refused));
    }
}
