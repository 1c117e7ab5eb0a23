//! How long the program lives, and what it leaves behind.

use crate::support::{
    Held, Need, PATIENCE, child_of, copy_program, ends_within, isolated, nsx, output, pidfd, send,
    status, stderr, stdout, test, until,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use std::fs::Permissions;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const ROOT: &[Need] = &[Need::Root];
const SETPRIV: &[Need] = &[Need::Root, Need::Program("setpriv")];

const PERL: &[Need] = &[Need::Root, Need::Program("perl")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a program whose time is over is ended, and nsx exits with 124", ROOT, timed_out),
        test("a program that is done in time ends as ever", ROOT, in_time),
        test("a program that ignores its end is killed", ROOT, ignores),
        test("a program of the target's does not end its caller's group", ROOT, own_group),
        test("an init reaps what the program leaves behind, and ends it with it", ROOT, reaps),
        test("an init ends a long line of children, each of the one before", PERL, long_line),
        test("through an init a program ends as it would without", ROOT, through_init),
        test("a program behind an init is asked once to end in time", PERL, asked_once),
        test("an init ends with nsx, and the program with it", SETPRIV, nsx_is_killed),
        test("a program that changes its user ends with nsx too", SETPRIV, untied_is_killed),
        test("an init keeps no right and no descriptor of the host", ROOT, withdrawn),
        test("--pty gives a terminal where there is none", ROOT, terminal_from_nothing),
        test("a reader that does not read keeps nothing from ending", ROOT, blocked_reader),
        test("what is typed may end within a line", ROOT, ends_within_a_line),
    ]
}

/// In a session of the test's own, which would be gone too.
fn own_group() {
    let (_held, target) = isolated(&["-p", "-n"]);
    let nsx = crate::support::binary("nsx");
    for options in ["-a", "-a --init", "-p -m"] {
        let line = format!(
            "{} enter -t {target} {options} sh -c 'kill -KILL 0' </dev/null >/dev/null; echo goes on",
            nsx.display()
        );
        let mut command = Command::new("setsid");
        let output = output(command.args(["-w", "sh", "-c", &line]).stderr(Stdio::piped()));
        assert_eq!(stdout(&output), "goes on\n", "{options}: {}", stderr(&output));
    }
}

fn timed_out() {
    let (_held, target) = isolated(&["-p", "-n"]);
    for options in [&["-n"][..], &["-p"], &["-a"], &["-a", "--init"], &["-n", "--pty"]] {
        let begun = Instant::now();
        let mut command = nsx(["enter", "-t", &target.to_string(), "--timeout", "300ms"]);
        let output = output(command.args(options).args(["sleep", "1000"]));
        assert_eq!(output.status.code(), Some(124), "{options:?}: {}", stderr(&output));
        assert!(begun.elapsed() >= Duration::from_millis(300), "not before");
        assert!(stderr(&output).contains("after 300ms"), "{}", stderr(&output));
    }
    // One that stands still too: nsx does not stop with it, and minds the limit.
    let mut command = nsx(["enter", "-t", &target.to_string(), "-p", "--timeout=300ms"]);
    let output = output(command.args(["sh", "-c", "kill -STOP $$; echo went on"]));
    assert_eq!(output.status.code(), Some(124), "{}", stderr(&output));
}

fn in_time() {
    let (_held, target) = isolated(&["-p", "-n"]);
    for options in [&["-n"][..], &["-a"], &["-a", "--init"]] {
        let mut command = nsx(["enter", "-t", &target.to_string(), "--timeout=60"]);
        let output = output(command.args(options).args(["sh", "-c", "exit 7"]));
        assert_eq!(output.status.code(), Some(7), "{options:?}: {}", stderr(&output));
    }
}

fn ignores() {
    let (_held, target) = isolated(&["-p"]);
    let mut command = nsx(["enter", "-t", &target.to_string(), "-p", "--timeout=200ms"]);
    let output = output(command.args(["sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"]));
    assert_eq!(output.status.code(), Some(124), "{}", stderr(&output));
}

/// A child of a child that has ended is its init's.
const LEAVES: &str = "sh -c 'sleep 1000 & echo $!'; sh -c 'sleep 0.1 &'; echo ready; read line";

fn reaps() {
    let (_held, target) = isolated(&["-p", "-n"]);
    let mut command = nsx(["enter", "-t", &target.to_string(), "-n", "--init"]);
    command.args(["sh", "-c", LEAVES]).stdin(Stdio::piped());
    let (mut held, left) = Held::ready(&mut command);
    let left: u32 = left.parse().unwrap();
    let init = child_of(held.pid()).unwrap();
    until("the init is its parent", || status(left, "PPid") == Some(init.to_string()));
    until("the other has been reaped", || {
        let children = std::fs::read_to_string(format!("/proc/{init}/task/{init}/children"));
        children.unwrap().split_whitespace().count() == 2
    });
    let left = pidfd(left).unwrap();
    drop(held.0.stdin.take());
    assert!(held.0.wait().unwrap().code().is_some());
    assert!(ends_within(&left, PATIENCE), "it was ended");
}

fn long_line() {
    // The first ends once the last is there.
    let program = r#"
        pipe R, W;
        for my $depth (0..100) {
            syswrite STDOUT, "$$\n";
            next unless fork;
            exit !sysread R, my $byte, 1 if $depth == 0;
            sleep 1000;
        }
        syswrite STDOUT, "$$\n";
        syswrite W, ".";
        sleep 1000;
    "#;
    let mut file = tempfile::tempfile().unwrap();
    let mut command = nsx(["spawn", "-u", "--init", "perl", "-e", program]);
    command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(Stdio::null());
    let status = command.status().unwrap();
    assert!(status.success());
    let mut pids = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut pids).unwrap();
    let pids: Vec<u32> = pids.lines().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 102);
    let is_left =
        |pid: &u32| crate::support::status(*pid, "Name").is_some_and(|name| name == "perl");
    let left: Vec<u32> = pids.into_iter().filter(is_left).collect();
    for pid in &left {
        send(*pid, Signal::SIGKILL);
    }
    assert!(left.is_empty(), "{} are left", left.len());
}

fn through_init() {
    let (_held, target) = isolated(&["-p", "-n"]);
    let target = target.to_string();
    let run =
        |program: &[&str]| output(nsx(["enter", "-t", &target, "-a", "--init"]).args(program));
    assert_eq!(run(&["sh", "-c", "exit 42"]).status.code(), Some(42));
    assert_eq!(run(&["no-such-program"]).status.code(), Some(127));
    assert_eq!(run(&["/etc/passwd"]).status.code(), Some(126));
    for signal in [9, 15, 11] {
        let killed = run(&["sh", "-c", &format!("ulimit -c 0; kill -{signal} $$")]);
        assert_eq!(killed.status.signal(), Some(signal));
        // PID 1 cannot end itself so.
        let mut command = nsx(["spawn", "-p", "--init", "sh", "-c"]);
        let killed = output(command.arg(format!("ulimit -c 0; kill -{signal} $$")));
        assert_eq!(killed.status.signal(), Some(signal));
    }
    let mut command = nsx(["spawn", "-p", "--init", "--timeout=300ms", "sleep", "1000"]);
    assert_eq!(output(&mut command).status.code(), Some(124));
    let mut command = nsx(["enter", "-t", &target, "-a", "--init", "sh", "-c"]);
    command.arg("trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.05; done");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = crate::support::Lines::of(child.stdout.take().unwrap());
    assert_eq!(lines.next(), "ready");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(lines.next(), "got it");
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

/// Both processes beside it know of the limit. Two signals may arrive as one.
fn asked_once() {
    let (_held, target) = isolated(&["-p", "-n"]);
    let target = target.to_string();
    let script = r#"$| = 1; $SIG{TERM} = sub { print "TERM\n" }; sleep 1 while 1"#;
    for words in [&["spawn", "-p", "--kill-after=500ms"][..], &["enter", "-t", &target, "-a"]] {
        let mut command = nsx(words);
        let done = output(command.args(["--init", "--timeout=500ms", "perl", "-e", script]));
        assert_eq!(
            (done.status.code(), stdout(&done).as_str()),
            (Some(124), "TERM\n"),
            "{words:?}"
        );
    }
}

/// It stays among the target's processes for as long as the program.
fn withdrawn() {
    let (_held, target) = isolated(&["-p", "-n", "-m"]);
    let mut command = nsx(["enter", "-t", &target.to_string(), "-a", "-c", "--init", "--pty"]);
    command.args(["sh", "-c", "echo ready; exec sleep 1000"]).stdin(Stdio::null());
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    let init = child_of(held.pid()).unwrap();
    assert_eq!(status(init, "Name").as_deref(), Some("nsx"));
    // CAP_KILL, for what it ends.
    for set in ["CapPrm", "CapEff"] {
        assert_eq!(status(init, set).as_deref(), Some("0000000000000020"), "{set}");
    }
    let mut open: Vec<String> = std::fs::read_dir(format!("/proc/{init}/fd"))
        .unwrap()
        .map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
        .collect();
    open.sort_unstable();
    open.dedup();
    // The pipe ends with nsx, and leads nowhere else.
    if let Some(pipe) = open.last_mut().filter(|file| file.starts_with("pipe:")) {
        "pipe".clone_into(pipe);
    }
    assert_eq!(open, ["/dev/null", "anon_inode:[pidfd]", "anon_inode:[signalfd]", "pipe"]);
}

fn nsx_is_killed() {
    let (_held, target) = isolated(&["-p", "-n"]);
    // Who becomes another user forgets whom to end with.
    for program in [&["sh"][..], &["setpriv", "--reuid=1", "sh"]] {
        let mut command = nsx(["enter", "-t", &target.to_string(), "-a", "--init"]);
        command.args(program).args(["-c", "echo ready; exec sleep 1000"]);
        let (held, _) = Held::ready(&mut command);
        let init = child_of(held.pid()).unwrap();
        let program = pidfd(child_of(init).unwrap()).unwrap();
        let init = pidfd(init).unwrap();
        drop(held);
        assert!(ends_within(&program, PATIENCE) && ends_within(&init, PATIENCE));
    }
}

/// The kernel forgets with whom to end who changes its user, by itself or by a set-uid file.
fn untied_is_killed() {
    let (_held, target) = isolated(&["-p", "-n"]);
    let place = crate::support::rootfs::set_id_directory();
    std::fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let set_uid = place.path().join("sleep");
    copy_program("/bin/sleep", &set_uid);
    std::os::unix::fs::chown(&set_uid, Some(65534), None).unwrap();
    std::fs::set_permissions(&set_uid, Permissions::from_mode(0o4755)).unwrap();
    let set_uid = format!("echo ready; exec {} 1000", set_uid.display());
    let changing = "echo ready; exec setpriv --reuid=1 --clear-groups sleep 1000";
    let target = target.to_string();
    let enter = ["enter", "-t", &target, "-p", "-n"];
    for line in [&enter[..], &["spawn", "-p"], &["spawn", "-u"], &["spawn", "-u", "--init"]] {
        for program in [changing, &set_uid] {
            let (held, _) = Held::ready(nsx(line).args(["sh", "-c", program]));
            let mut last = child_of(held.pid()).unwrap();
            until("it has changed", || {
                last = child_of(last).unwrap_or(last);
                status(last, "Uid").is_some_and(|ids| !ids.contains("\t0\t0"))
            });
            let program = pidfd(last).unwrap();
            drop(held);
            assert!(ends_within(&program, PATIENCE), "{line:?} {program:?}");
        }
    }
}

fn terminal_from_nothing() {
    let (_held, target) = isolated(&["-n"]);
    let mut command = nsx(["enter", "-t", &target.to_string(), "-n", "--pty"]);
    let output =
        output(command.args(["sh", "-c", "tty; test -t 1 && echo terminal; read x || echo end"]));
    let shown = stdout(&output);
    assert!(shown.starts_with("/dev/pts/"), "{shown}");
    assert!(shown.contains("terminal") && shown.contains("end"), "{shown}");
    // What comes in by a pipe is typed.
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"echo typed | "$@""#, "sh"]).arg(command.get_program());
    shell.args([
        "enter",
        "-t",
        &target.to_string(),
        "-n",
        "--pty",
        "sh",
        "-c",
        "read x; echo got $x",
    ]);
    let output = crate::support::output(&mut shell);
    assert!(stdout(&output).contains("got typed"), "{}", stdout(&output));
}

/// A program that fills the pipe that it is shown in.
fn nobody_reads(target: u32, options: &[&str]) -> (Held, ChildStdout) {
    let mut command = nsx(["enter", "-t", &target.to_string(), "-n", "--pty"]);
    command.args(options).arg("yes").stdin(Stdio::null()).stderr(Stdio::null());
    let mut held = Held(command.stdout(Stdio::piped()).spawn().unwrap());
    let unread = held.0.stdout.take().unwrap();
    until("much is unread", || rustix::io::ioctl_fionread(&unread).unwrap() > 32_768);
    (held, unread)
}

fn blocked_reader() {
    let (_held, target) = isolated(&["-n"]);
    let (mut held, _unread) = nobody_reads(target, &["--timeout=10s"]);
    let nsx = pidfd(held.pid()).unwrap();
    assert!(ends_within(&nsx, PATIENCE), "its time is over");
    assert_eq!(held.0.wait().unwrap().code(), Some(124));
    let (mut held, _unread) = nobody_reads(target, &[]);
    std::thread::sleep(Duration::from_millis(300));
    let nsx = pidfd(held.pid()).unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(held.pid()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(ends_within(&nsx, PATIENCE), "it was told to");
    assert_eq!(held.0.wait().unwrap().signal(), Some(15));
}

fn ends_within_a_line() {
    let (_held, target) = isolated(&["-n"]);
    for (typed, times) in [("abc", 1), ("one\nabc", 1), ("abc\n", 1), ("", 0)] {
        let mut command = nsx(["enter", "-t", &target.to_string(), "-n", "--pty"]);
        command.args(["sh", "-c", "stty -echo; echo ready; cat; echo over"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map(Held).unwrap();
        let lines = crate::support::Lines::of(child.0.stdout.take().unwrap());
        assert_eq!(lines.next().trim_end(), "ready");
        child.0.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let nsx = pidfd(child.pid()).unwrap();
        assert!(ends_within(&nsx, PATIENCE), "{typed:?}");
        let shown: Vec<_> =
            std::iter::repeat_with(|| lines.next()).take_while(|line| !line.is_empty()).collect();
        let shown = shown.join("\n");
        assert!(shown.trim_end().ends_with("over"), "{shown}");
        assert_eq!(shown.matches("abc").count(), times, "{shown}");
    }
}
