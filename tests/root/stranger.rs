//! A program of a root that is not the host's: what it finds of nsx and of who called it.

use crate::support::rootfs::Small;
use crate::support::{Need, binary, nsx, output, stderr, stdout, succeeds, test};
use libtest_mimic::Trial;
use std::process::{Command, Stdio};

const ROOT: &[Need] = &[Need::Root, Need::Program("busybox")];
const SCRIPT: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Program("script")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a stranger gets nothing of the caller's environment", ROOT, environment),
        test("a stranger does not end its caller's group", ROOT, own_group),
        test("a stranger on a terminal has one of its own", SCRIPT, own_terminal),
        test("a stranger cannot reach the file of the init before it", ROOT, sealed),
        test("a stranger is not told how nsx was called", ROOT, arguments),
        test("a program of the host's has the caller's environment and group", ROOT, at_home),
    ]
}

fn in_root(root: &Small, options: &[&str], script: &str) -> Command {
    let mut command = nsx(["spawn", "-p", "--rootfs", &root.name()]);
    command.args(options).args(["sh", "-c", script]);
    command
}

fn environment() {
    let root = Small::new();
    let mut command = in_root(&root, &["--env", "ASKED=for"], "env");
    command.env("SECRET", "of the caller").env("TERM", "dumb").env("PATH", "/nowhere");
    let said = succeeds(&mut command);
    assert!(!said.contains("SECRET") && !said.contains("/nowhere"), "{said}");
    assert!(said.contains("ASKED=for\n") && said.contains("TERM=dumb\n"), "{said}");
}

fn own_group() {
    let root = Small::new();
    for options in ["", "--init", "--timeout 60"] {
        let line = format!(
            "{} spawn -p {options} --rootfs {} sh -c 'kill -KILL 0' </dev/null >/dev/null; echo goes on",
            binary("nsx").display(),
            root.name()
        );
        let mut command = Command::new("setsid");
        let output = output(command.args(["-w", "sh", "-c", &line]).stderr(Stdio::piped()));
        assert_eq!(stdout(&output), "goes on\n", "{options}: {}", stderr(&output));
    }
}

fn own_terminal() {
    let root = Small::new();
    for (options, is_own) in [("", true), ("--init", true), ("--no-pty", false)] {
        let seen = "stat -c %d:%t:%T /proc/self/fd/0";
        let line = format!(
            "stat -L -c 'ours %d:%t:%T' /proc/self/fd/0; {} spawn -p {options} --rootfs {} sh -c 'stat -L -c \"its %d:%t:%T\" /proc/self/fd/0 || {seen}'",
            binary("nsx").display(),
            root.name()
        );
        let said = succeeds(Command::new("script").args(["-qec", &line, "/dev/null"]));
        let device = |whose: &str| {
            // What `script` types itself may be echoed before it.
            let rest = said.split(whose).nth(1).unwrap_or_else(|| panic!("{options}: {said}"));
            rest.split_whitespace().next().unwrap().to_owned()
        };
        assert_eq!(device("ours ") != device("its "), is_own, "{options}: {said}");
    }
}

/// With every capability: only the seal is in its way.
fn sealed() {
    let root = Small::new();
    let script = "grep -c nsx /proc/1/comm
        if dd if=/dev/null of=/proc/1/exe conv=notrunc 2>/dev/null; then echo WROTE; fi
        (exec 3</proc/1/exe && (echo x >/proc/self/fd/3) 2>/dev/null && echo WROTE) 2>/dev/null
        echo end";
    let said = succeeds(&mut in_root(&root, &["--init"], script));
    assert_eq!(said, "1\nend\n");
}

fn arguments() {
    let root = Small::new();
    let said = succeeds(&mut in_root(&root, &["--init"], "cat /proc/1/cmdline /proc/1/environ"));
    assert_eq!(said.trim_end_matches('\0'), "nsx-init", "{said:?}");
}

fn at_home() {
    let group = |options: &[&str]| {
        let mut command = nsx(["spawn", "-u"]);
        command.args(options).args(["sh", "-c", "echo $KEPT; ps -o sid= -p $$"]).env("KEPT", "yes");
        succeeds(&mut command)
    };
    let session = nix::unistd::getsid(None).unwrap();
    let said = group(&[]);
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("yes"));
    assert_eq!(lines.next().map(|line| line.trim().to_owned()), Some(session.to_string()));
}
