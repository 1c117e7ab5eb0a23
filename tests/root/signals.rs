//! Signals and stops pass through nsx as if the program were the caller's own child.

use crate::support::{
    self, Held, Lines, Need, child_of, ends_within, isolated, nsx, pidfd, send, status, stdout,
    test, until,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

const ROOT: &[Need] = &[Need::Root];
const PERL: &[Need] = &[Need::Root, Need::Program("perl")];

const PYTHON: &[Need] = &[Need::Root, Need::Program("python3")];

const FOREIGN: &[Need] = &[Need::Root, Need::Program("unshare"), Need::Program("mount")];

const STRACE: &[Need] = &[Need::Root, Need::Program("strace")];

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
        test("a PID 1 hears its end where /proc is of another pid namespace", FOREIGN, foreign),
        test("a PID 1 that ignores a signal is spared", ROOT, ignored),
        test(
            "what nsx ignores does not end a program that is being started",
            STRACE,
            while_started,
        ),
        test("a PID 1 that waits for a blocked signal gets it", PERL, awaited),
        test("a PID 1 in sigwait gets its signal, or ends of it", PYTHON, in_sigwait),
        test("a PID 1 that blocks a signal for a moment ends of it", PYTHON, blocked_for_a_moment),
        test("what nsx writes in vain is nothing to the program", ROOT, written_in_vain),
        test("a timer that the caller set ends the program", PERL, timer),
        test("killing nsx kills the program", ROOT, killed),
        test("a stopped program stops nsx, and nsx continued continues it", ROOT, stopped),
        test("an ignored SIGCHLD of the caller loses no exit code", PERL, ignored_sigchld),
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

/// A child that has said `ready`; it is killed if the test ends before it.
fn start(command: &mut Command) -> (Held, Lines) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = Lines::of(child.stdout.take().unwrap());
    let held = Held(child);
    assert_eq!(lines.next(), "ready");
    (held, lines)
}

/// How it ended, once it has.
fn ended(held: &mut Held) -> ExitStatus {
    assert!(ends_within(&pidfd(held.pid()).unwrap(), support::PATIENCE), "it did not end");
    held.0.wait().unwrap()
}

/// As tini and dumb-init wait; and as an init that only reaps: what it does not wait for, ignore or
/// block, nobody hears.
fn in_sigwait() {
    let ways = [
        ("[15]", "", Some(15), None),
        ("[17]", "", None, Some(15)),
        ("[17]", "signal.signal(15, signal.SIG_IGN)", None, Some(10)),
        ("[17]", "signal.pthread_sigmask(signal.SIG_BLOCK, [15])", None, Some(10)),
    ];
    for (awaited, before, code, signal) in ways {
        let script = format!(
            "import signal, sys
{before}
signal.pthread_sigmask(signal.SIG_BLOCK, {awaited})
print('ready', flush=True)
sys.exit(signal.sigwait({awaited}))"
        );
        let (mut child, _lines) = start(nsx(["spawn", "-p"]).args(["python3", "-c", &script]));
        let program = child_of(child.pid()).unwrap();
        until("it waits", || {
            let call = std::fs::read_to_string(format!("/proc/{program}/syscall"));
            call.is_ok_and(|call| call.split(' ').count() > 1)
        });
        send(child.pid(), Signal::SIGTERM);
        if !before.is_empty() {
            until("it is taken", || {
                let pending = support::status(child.pid(), "ShdPnd").unwrap();
                pending.bytes().all(|digit| digit == b'0')
            });
            send(child.pid(), Signal::SIGUSR1);
        }
        let status = ended(&mut child);
        assert_eq!((status.code(), status.signal()), (code, signal), "{awaited} {before}");
    }
}

/// As a shell does whenever it waits for a command, and here long enough to be met in it. What has
/// its default action for a PID 1 is lost when it is unblocked.
fn blocked_for_a_moment() {
    let script = "import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [15])
print('ready', flush=True)
end = time.monotonic() + 0.03
while time.monotonic() < end: pass
signal.pthread_sigmask(signal.SIG_UNBLOCK, [15])
time.sleep(1000)";
    let (mut child, _lines) = start(nsx(["spawn", "-p"]).args(["python3", "-c", script]));
    send(child.pid(), Signal::SIGTERM);
    assert_eq!(ended(&mut child).signal(), Some(15));
}

fn forwarded(way: &[&str]) {
    let (mut child, lines) = start(nsx(way).args(["perl", "-e", LISTENER]));
    let nsx = child.pid();
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
        assert_eq!(lines.next(), name, "{way:?}");
    }
    assert_eq!(ended(&mut child).code(), Some(7), "{way:?}");
}

fn real_time() {
    let (_held, target) = isolated(&["-p"]);
    let target = target.to_string();
    // 34 is one that C libraries keep to themselves.
    for (name, number) in [("NUM37", 37), ("RTMIN", 34)] {
        let listener = format!(
            r#"$| = 1; $SIG{{"{name}"}} = sub {{ exit 3 }}; print "ready\n"; sleep 1 while 1;"#
        );
        for way in [&["enter", "-t", &target, "-p"][..], &["spawn", "-p"]] {
            let (mut child, _lines) = start(nsx(way).args(["perl", "-e", &listener]));
            let kill = format!("kill -{number} {}", child.pid());
            let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
            assert!(sent.success());
            // An unheard signal would leave it running: then it is ended, and the code is another.
            let heard = ends_within(&pidfd(child.pid()).unwrap(), support::PATIENCE);
            send(child.pid(), Signal::SIGTERM);
            let status = ended(&mut child);
            assert!(heard && status.code() == Some(3), "{way:?} {name}: {status}");
        }
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

/// The one further out has nsx and the program, by other numbers; that of a namespace beside has
/// neither.
fn foreign() {
    let further_out = "exec \"$@\"";
    let beside = "unshare -pf --kill-child sh -c 'mount -t proc none /proc; exec sleep 1000' & \
        until test \"$(cat /proc/1/comm)\" = sleep; do sleep 0.05; done; exec \"$@\"";
    for line in [further_out, beside] {
        let trapped = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done";
        for (program, ending) in [("echo ready; exec sleep 1000", 143), (trapped, 7)] {
            if line == beside && program == trapped {
                continue;
            }
            let mut command = Command::new("unshare");
            command.args(["-pfm", "--kill-child", "sh", "-c", line, "sh"]);
            command.arg(nsx([""; 0]).get_program()).args(["spawn", "-p", "sh", "-c", program]);
            let (mut child, _lines) = start(&mut command);
            send(child_of(child.pid()).unwrap(), Signal::SIGTERM);
            let status = ended(&mut child);
            let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
            assert_eq!(code, Some(ending), "{line} {program}");
        }
    }
}

fn ignored() {
    let mut command = nsx(["spawn", "-p", "sh", "-c"]);
    command
        .arg("trap '' TERM; trap 'exit 5' USR1; echo ready; while :; do sleep 1 & wait $!; done");
    let (mut child, _lines) = start(&mut command);
    send(child.pid(), Signal::SIGTERM);
    send(child.pid(), Signal::SIGUSR1);
    assert_eq!(ended(&mut child).code(), Some(5));
}

fn while_started() {
    for (trap, ran) in [("trap '' INT; ", true), ("", false)] {
        let line =
            format!("{trap}exec strace -f -o /dev/null -e inject=execve:delay_enter=500000 \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &line, "sh"]).arg(nsx([""; 0]).get_program());
        command.args(["spawn", "-u", "/bin/sh", "-c", "exit 6"]);
        let mut strace = Held(command.stdin(Stdio::null()).spawn().unwrap());
        let mut nsx = 0;
        until("the program is being started", || {
            nsx = child_of(strace.pid()).unwrap_or_default();
            nsx != 0 && child_of(nsx).is_some()
        });
        send(nsx, Signal::SIGINT);
        assert_eq!(ended(&mut strace).code() == Some(6), ran);
    }
}

fn awaited() {
    let waits = r#"
        use POSIX; $| = 1;
        sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGTERM));
        print "ready\n";
        while (1) {
            my $set = POSIX::SigSet->new;
            sigpending($set);
            exit 4 if $set->ismember(SIGTERM);
            select undef, undef, undef, 0.02;
        }
    "#;
    for options in [&["-p"][..], &["-p", "--init"]] {
        let mut command = nsx(["spawn"]);
        let (mut child, _lines) = start(command.args(options).args(["perl", "-e", waits]));
        send(child.pid(), Signal::SIGTERM);
        assert_eq!(ended(&mut child).code(), Some(4), "{options:?}");
    }
}

fn written_in_vain() {
    let mut shell = Command::new("bash");
    // Nobody reads what goes to 9.
    shell.args(["-c", r#"exec 9> >(:); sleep 0.2; exec "$@""#, "bash"]);
    shell.arg(nsx([""; 0]).get_program()).args(["spawn", "-u", "--status-fd", "9"]);
    let output = support::output(shell.args(["sh", "-c", "sleep 0.5; exit 7"]));
    assert_eq!(output.status.code(), Some(7));
}

fn timer() {
    for options in [&["-n"][..], &["-p"]] {
        let mut perl = Command::new("perl");
        perl.args(["-MTime::HiRes=ualarm", "-e", "ualarm 300_000; exec @ARGV"]);
        perl.arg(nsx([""; 0]).get_program()).arg("spawn").args(options);
        let output = support::output(perl.args(["sleep", "5"]));
        assert_eq!(output.status.signal(), Some(14), "{options:?}: {}", output.status);
    }
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
        let program = pidfd(child_of(child.pid()).unwrap()).unwrap();
        child.0.kill().unwrap();
        assert!(ends_within(&program, support::PATIENCE), "{way:?}");
    }
}

fn stopped() {
    let (_held, target) = isolated(&["-p"]);
    let target = target.to_string();
    let mut command =
        nsx(["enter", "-t", &target, "-p", "sh", "-c", "echo ready; kill -STOP $$; exit 3"]);
    let (mut child, _lines) = start(&mut command);
    let nsx = child.pid();
    until("nsx is stopped too", || {
        status(nsx, "State").is_some_and(|state| state.starts_with('T'))
    });
    send(nsx, Signal::SIGCONT);
    assert_eq!(ended(&mut child).code(), Some(3));
}

fn ignored_sigchld() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid").display().to_string();
    // Of those the last two have children before the program is one.
    for options in [&["-p"][..], &["-p", "--memory", "64M"], &["-p", "--pid-file", &file]] {
        let mut perl = Command::new("perl");
        // A shell would not hand that on.
        perl.args(["-e", "$SIG{CHLD} = 'IGNORE'; exec @ARGV"]).arg(nsx([""; 0]).get_program());
        perl.arg("spawn").args(options).args(["sh", "-c", "echo out; exit 9"]);
        let output = support::output(&mut perl);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(9), "out\n"));
    }
}
