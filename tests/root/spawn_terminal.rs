//! The terminal of a spawned program: its own in a root of its own, the caller's in the host's.

use crate::support::pty::Pty;
use crate::support::rootfs::Small;
use crate::support::{
    Held, Need, binary, child_of, ends_within, nsx, pidfd, status, succeeds, test, until,
};
use libtest_mimic::Trial;
use std::process::{Command, Stdio};
use std::time::Duration;

const TERMINAL: &[Need] =
    &[Need::Root, Need::Program("bash"), Need::Program("setsid"), Need::Program("busybox")];
const TAR: &[Need] = &[
    Need::Root,
    Need::Program("bash"),
    Need::Program("setsid"),
    Need::Program("busybox"),
    Need::Program("tar"),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a terminal of a root of its own has its name there", TAR, named),
        test("it belongs to whoever the program is, and has our size", TERMINAL, owned),
        test("a root without /dev has a terminal without a name", TERMINAL, nameless),
        test("keys and job control reach a program in a root of its own", TERMINAL, keys),
        test("^C and ^\\ end a program that is PID 1, or behind an init", TERMINAL, interrupts),
        test("what a program said last waits for the screen", TERMINAL, slow_screen),
        test("a screen that nobody looks at keeps no limit from its end", TERMINAL, stuck_screen),
        test("^C reaches a program that has made itself a group", TERMINAL, another_group),
        test("who is to have less than the caller does not get his terminal", TERMINAL, distrusted),
    ]
}

fn spawn(options: &str) -> String {
    format!("{} spawn --newpid {options}", binary("nsx").display())
}

fn named() {
    let (root, mut pty) = (Small::new(), Pty::shell());
    let archive = root.beside("root.tar");
    succeeds(Command::new("tar").arg("-C").arg(root.root()).arg("-cf").arg(&archive).arg("."));
    let before = pty.run("stty -g").0;
    let rootfs = format!("--rootfs {}", root.name());
    for options in [
        rootfs.clone(),
        format!("{rootfs} --init"),
        format!("{rootfs} --new-all --newuser"),
        format!("{rootfs} --overlay --read-only"),
        format!("--rootfs {}", archive.display()),
    ] {
        let line = format!("{} busybox tty", spawn(&options));
        assert_eq!(pty.run(&line), ("/dev/pts/0".to_owned(), "0".to_owned()), "{options}");
        assert_eq!(pty.run("stty -g").0, before, "{options}");
    }
    // By that name it is the same one.
    let line =
        format!("{} sh -c 'echo by name > /dev/pts/0; echo by any > /dev/tty'", spawn(&rootfs));
    assert_eq!(pty.run(&line).0, "by name\r\nby any");
    // Only where it is a terminal.
    let line = format!("{} busybox tty < /dev/null", spawn(&rootfs));
    assert_eq!(pty.run(&line), ("not a tty".to_owned(), "1".to_owned()));
}

fn owned() {
    let (root, mut pty) = (Small::new(), Pty::shell());
    pty.resize(51, 133);
    let script = "sh -c 'busybox stty size; stat -Lc %u:%a /dev/pts/0'";
    for (options, owner) in [
        ("", "0:620"),
        ("--setuid 7 --setgid 8", "7:600"),
        ("--newuser", "0:600"),
        (
            "--newuser --map-users 0:100000:10 --map-groups 0:100000:10 --setuid 3 --setgid 3",
            "3:600",
        ),
    ] {
        let line = format!("{} {script}", spawn(&format!("--rootfs {} {options}", root.name())));
        assert_eq!(pty.run(&line).0, format!("51 133\r\n{owner}"), "{options}");
    }
}

fn nameless() {
    let (root, mut pty) = (Small::bare(), Pty::shell());
    for options in ["", "--init"] {
        let line = format!(
            "{} sh -c 'test -t 0 && test -t 1 && echo terminal; busybox tty'",
            spawn(&format!("--rootfs {} {options}", root.name()))
        );
        let (shown, _) = pty.run(&line);
        assert!(shown.contains("terminal\r\nnot a tty"), "{options}: {shown}");
    }
}

fn keys() {
    let (root, mut pty) = (Small::new(), Pty::shell());
    let line = spawn(&format!("--rootfs {} --init", root.name()));
    pty.type_keys(&format!("{line} sh -i\n"));
    pty.expect("# ");
    pty.type_keys("sleep 1000\n");
    let shell = || child_of(child_of(child_of(pty.child.id())?)?);
    let is_asleep = || status(child_of(shell()?)?, "Name").map(|name| name == "sleep");
    until("it sleeps", || is_asleep() == Some(true));
    pty.type_keys("\x1a");
    pty.expect("Stopped");
    // It does not leave by itself while there is a stopped job.
    pty.type_keys("kill -9 %1; exec sh -c 'exit 6'\n");
    pty.expect("OUT> ");
    assert_eq!(pty.code(), "6");
    pty.type_keys(&format!("{line} sh -c 'echo only; exec sleep 1000'\n"));
    pty.expect("only\r\n");
    pty.type_keys("\x03");
    pty.expect("OUT> ");
    assert_eq!(pty.code(), "130");
}

fn interrupts() {
    let (root, mut pty) = (Small::new(), Pty::shell());
    pty.run("ulimit -c 0");
    let rootfs = format!("--rootfs {}", root.name());
    let at_once = format!("{rootfs} --init");
    for options in ["--init", "--pty", "--setuid 7", &rootfs, &at_once] {
        for (key, code) in [("\x03", "130"), ("\x1c", "131")] {
            // No shell: that would hear them.
            let script = "busybox awk 'BEGIN { print \"only\"; fflush(); getline }'";
            pty.type_keys(&format!("{} {script}\n", spawn(options)));
            pty.expect("only\r\n");
            pty.type_keys(key);
            pty.expect("OUT> ");
            assert_eq!(pty.code(), code, "{options}");
        }
    }
    // Who hears it, or takes keys as they are, is not ended.
    for script in [
        "trap \"echo heard\" INT; echo only; read x; exit 7",
        "stty -isig; echo only; read x; exit 7",
    ] {
        pty.type_keys(&format!("{} bash -c '{script}'\n", spawn("--pty")));
        pty.expect("only\r\n");
        pty.type_keys("\x03\n\n");
        pty.expect("OUT> ");
        assert_eq!(pty.code(), "7", "{script}");
    }
}

fn another_group() {
    let mut pty = Pty::shell();
    for options in ["-u", "-u --init", "-p", "-p --init"] {
        let program = "timeout 1000 sh -c 'echo only; exec sleep 1000'";
        pty.type_keys(&format!("{} {program}\n", spawn(options)));
        pty.expect("only\r\n");
        pty.type_keys("\x03");
        pty.expect("OUT> ");
        assert_eq!(pty.code(), "130", "{options}");
    }
}

/// Its lines end by two bytes, so that there is room for a part of what is written at a time.
fn stuck_screen() {
    let screen = nix::pty::openpty(None, None).unwrap();
    let mut command = nsx(["spawn", "-u", "--pty", "--timeout", "1s", "yes"]);
    command.stdin(Stdio::null()).stdout(screen.slave).stderr(Stdio::null());
    let mut held = Held(command.spawn().unwrap());
    assert!(ends_within(&pidfd(held.pid()).unwrap(), Duration::from_secs(30)));
    assert_eq!(held.0.wait().unwrap().code(), Some(124));
}

fn slow_screen() {
    let mut pty = Pty::shell();
    // More than one terminal holds, and less than two, so that the program ends before anything was shown.
    let script = r#"sh -c 'head -c 30000 /dev/zero | tr "\0" x; echo END'"#;
    pty.type_keys(&format!("{} {script}\n", spawn("--pty")));
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(pty.expect("END").matches('x').count(), 30_000);
    pty.expect("OUT> ");
    assert_eq!(pty.code(), "0");
}

/// It could type there, and the shell would run it.
fn distrusted() {
    let mut pty = Pty::shell();
    let ours = pty.name.display().to_string();
    let mut tty = |options: &str| pty.run(&format!("{} {options} tty", spawn("--newuts"))).0;
    assert_eq!(tty(""), ours);
    for less in
        ["--user=65534:65534", "-S 65534", "--cap-drop=all", "--no-new-privs", "--seccomp=default"]
    {
        let theirs = tty(less);
        assert!(theirs.starts_with("/dev/pts/") && theirs != ours, "{less}: {theirs}");
        assert_eq!(tty(&format!("{less} --no-pty")), ours, "{less}");
    }
    // Where it reads no terminal it has none.
    let said = pty
        .run(&format!("{} --no-new-privs sh -c 'cat </dev/tty' </dev/null 2>&1 | cat", spawn("")));
    assert!(said.0.contains("/dev/tty"), "{said:?}");
}
