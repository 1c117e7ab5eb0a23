//! Signals and stops pass through nsx as if the program were the caller's own child.

use crate::support::{
    self, Need, child_of, ends_within, finish, isolated, nsx, pidfd, status, stdout, test, until,
};
use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};

const ROOT: &[Need] = &[Need::Root];
const PERL: &[Need] = &[Need::Root, Need::Program("perl")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a signal to nsx reaches the handler of an entered program", PERL, || {
            let (_held, target) = isolated(&["-p"]);
            forwarded(&["enter", "-t", &target.to_string(), "-p"]);
        }),
        test("a signal to nsx reaches the handler of a spawned PID 1", PERL, || {
            forwarded(&["spawn", "-p"]);
        }),
        test("a real-time signal to nsx reaches the program", PERL, real_time),
        test(
            "SIGTERM and SIGINT end a PID 1 without handlers, and nsx the same way",
            ROOT,
            default_actions,
        ),
        test("a PID 1 that ignores a signal is spared", ROOT, ignored),
        test("killing nsx kills the program", ROOT, killed),
        test("a stopped program stops nsx, and nsx continued continues it", ROOT, stopped),
        test("an ignored SIGCHLD of the caller loses no exit code", ROOT, ignored_sigchld),
    ]
}

/// Says `ready`, then the name of each signal that arrives; ends with 7 on SIGTERM.
const LISTENER: &str = r#"
    $| = 1;
    for my $s (qw(HUP INT QUIT USR1 USR2 ALRM WINCH CONT TSTP)) { $SIG{$s} = sub { print "$s\n" } }
    $SIG{TERM} = sub { print "TERM\n"; exit 7 };
    print "ready\n";
    sleep 1 while 1;
"#;

fn start(command: &mut Command) -> (Child, BufReader<ChildStdout>) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(line(&mut lines), "ready");
    (child, lines)
}

fn line(lines: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

fn forwarded(way: &[&str]) {
    let (child, mut lines) = start(nsx(way).args(["perl", "-e", LISTENER]));
    let nsx = child.id();
    let signals = [
        (Signal::SIGHUP, "HUP"),
        (Signal::SIGINT, "INT"),
        (Signal::SIGQUIT, "QUIT"),
        (Signal::SIGUSR1, "USR1"),
        (Signal::SIGUSR2, "USR2"),
        (Signal::SIGALRM, "ALRM"),
        (Signal::SIGWINCH, "WINCH"),
        (Signal::SIGTSTP, "TSTP"),
        (Signal::SIGCONT, "CONT"),
        (Signal::SIGTERM, "TERM"),
    ];
    for (signal, name) in signals {
        send(nsx, signal);
        assert_eq!(line(&mut lines), name, "{way:?}");
    }
    assert_eq!(finish(child).status.code(), Some(7), "{way:?}");
}

fn real_time() {
    let (_held, target) = isolated(&["-p"]);
    let target = target.to_string();
    let listener = r#"
        use POSIX; $| = 1;
        $SIG{"NUM37"} = sub { print "37\n"; exit 3 };
        print "ready\n"; sleep 1 while 1;
    "#;
    for way in [&["enter", "-t", &target, "-p"][..], &["spawn", "-p"]] {
        let (child, _lines) = start(nsx(way).args(["perl", "-e", listener]));
        let sent = Command::new("kill").args(["-37", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        // An unheard signal would leave it running: then it is ended, and the code is another.
        let heard = ends_within(&pidfd(child.id()).unwrap(), std::time::Duration::from_secs(5));
        send(child.id(), Signal::SIGTERM);
        let status = finish(child).status;
        assert!(heard && status.code() == Some(3), "{way:?}: {status}");
    }
}

fn default_actions() {
    for (signal, number) in
        [(Signal::SIGTERM, 15), (Signal::SIGINT, 2), (Signal::SIGHUP, 1), (Signal::SIGUSR1, 10)]
    {
        let (mut held, pid) = isolated(&["-p"]);
        let program = pidfd(pid).unwrap();
        send(held.pid(), signal);
        assert!(ends_within(&program, support::PATIENCE), "{signal}");
        assert_eq!(held.0.wait().unwrap().signal(), Some(number));
    }
}

fn ignored() {
    let mut command = nsx(["spawn", "-p", "sh", "-c"]);
    command
        .arg("trap '' TERM; trap 'exit 5' USR1; echo ready; while :; do sleep 1 & wait $!; done");
    let (child, _lines) = start(&mut command);
    send(child.id(), Signal::SIGTERM);
    send(child.id(), Signal::SIGUSR1);
    assert_eq!(finish(child).status.code(), Some(5));
}

fn killed() {
    let (_held, target) = isolated(&["-p", "-U"]);
    let target = target.to_string();
    let ways: [&[&str]; 5] = [
        &["spawn", "-p"],
        &["spawn", "-U", "-p"],
        &["spawn", "-u"],
        &["enter", "-t", &target, "-p"],
        &["enter", "-t", &target, "-a"],
    ];
    for way in ways {
        let mut command = nsx(way);
        command.args(["sh", "-c", "trap '' HUP TERM; echo ready; exec sleep 1000"]);
        let (mut child, _lines) = start(&mut command);
        let program = pidfd(child_of(child.id()).unwrap()).unwrap();
        child.kill().unwrap();
        assert!(ends_within(&program, support::PATIENCE), "{way:?}");
        child.wait().unwrap();
    }
}

fn stopped() {
    let (_held, target) = isolated(&["-p"]);
    let target = target.to_string();
    let mut command =
        nsx(["enter", "-t", &target, "-p", "sh", "-c", "echo ready; kill -STOP $$; exit 3"]);
    let (child, _lines) = start(&mut command);
    let nsx = child.id();
    until("nsx is stopped too", || {
        status(nsx, "State").is_some_and(|state| state.starts_with('T'))
    });
    send(nsx, Signal::SIGCONT);
    assert_eq!(finish(child).status.code(), Some(3));
}

fn ignored_sigchld() {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap '' CHLD; exec "$@""#, "sh"]).arg(nsx([""; 0]).get_program());
    let output = support::output(shell.args(["spawn", "-p", "sh", "-c", "echo out; exit 9"]));
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(9), "out\n"));
}
