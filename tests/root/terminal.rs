//! A program of the target on a terminal of its own: the operator's keys, screen and settings are
//! his again afterwards, and nothing inside can reach them.

use crate::support::pty::{Pty, spelled};
use crate::support::{
    Need, PATIENCE, binary, child_of, ends_within, isolated, pidfd, status, test, until,
};
use libtest_mimic::Trial;
use std::time::Duration;

const TERMINAL: &[Need] = &[Need::Root, Need::Program("bash"), Need::Program("setsid")];
const PERL: &[Need] =
    &[Need::Root, Need::Program("bash"), Need::Program("setsid"), Need::Program("perl")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a program of the target gets another terminal than ours", TERMINAL, another),
        test("a program of the host keeps our terminal", TERMINAL, ours),
        test("--no-pty hands our terminal over", TERMINAL, handed_over),
        test(
            "the settings are restored after the program ends, fails or is killed",
            TERMINAL,
            restored,
        ),
        test("^C and ^\\ reach the program through its own terminal", TERMINAL, interrupted),
        test("the program's terminal has our size and follows it", TERMINAL, resized),
        test("^Z in a shell inside stops the job of that shell", TERMINAL, job_inside),
        test(
            "^Z stops a program that shares our terminal, and fg resumes it",
            TERMINAL,
            suspended_without_pty,
        ),
        test("^Z stops a program on its own terminal, and fg resumes it", TERMINAL, suspended),
        test(
            "a program that stops itself gives the terminal back, and fg resumes it",
            TERMINAL,
            stops_itself,
        ),
        test(
            "started in the background, nsx leaves the terminal alone until fg",
            TERMINAL,
            background,
        ),
        test("a left-over child cannot type into our terminal", PERL, injection),
        test("a left-over child cannot read our keys", PERL, stolen_keys),
        test("a left-over child that never stops writing does not keep nsx", PERL, flood),
        test("the operator's terminal going away ends the program", TERMINAL, hangup),
        test("much output arrives whole", TERMINAL, whole),
    ]
}

/// The words of `nsx enter` into `target`, for a shell.
fn enter(target: u32, flags: &str) -> String {
    format!("{} enter -t {target} {flags}", binary("nsx").display())
}

/// A target with mounts of its own, and a shell on a terminal.
fn scene() -> (crate::support::Held, u32, Pty) {
    let (held, target) = isolated(&["-p", "-m"]);
    (held, target, Pty::shell())
}

/// Runs lines in the shell; what they showed, and the exit code of the last.
fn run(pty: &mut Pty, lines: &str) -> (String, String) {
    pty.type_keys(&format!("{lines}
"));
    let shown = pty.expect("OUT> ");
    (shown.trim().to_owned(), code(pty))
}

/// The exit code of the last line.
fn code(pty: &mut Pty) -> String {
    pty.type_keys("echo code=$?=\n");
    pty.expect("code=");
    let code = pty.expect("=");
    pty.expect("OUT> ");
    code
}

fn another() {
    let (_held, target, mut pty) = scene();
    let ours = pty.name.display().to_string();
    for flags in ["-m -p", "-a", "-m"] {
        let (shown, code) = run(&mut pty, &(enter(target, flags) + " tty"));
        assert_eq!(code, "0", "{shown}");
        assert!(shown.starts_with("/dev/pts/") && shown != ours, "{flags}: {shown}");
    }
    // Each of the three, and only where it is a terminal.
    let (shown, _) = run(
        &mut pty,
        &(enter(target, "-m")
            + " sh -c 'test -t 0; echo $?; test -t 1; echo $?; test -t 2; echo $?' </dev/null 2>&1 | tr '\\n' ' '"),
    );
    assert_eq!(shown, "1 1 1");
    let (shown, _) = run(
        &mut pty,
        &(enter(target, "-m") + " sh -c 'test -t 0; echo $?; test -t 1; echo $?' | tr '\\n' ' '"),
    );
    assert_eq!(shown, "0 1");
}

fn ours() {
    let (_held, target, mut pty) = scene();
    let ours = pty.name.display().to_string();
    assert_eq!(run(&mut pty, &(enter(target, "-p") + " tty")), (ours, "0".to_owned()));
}

fn handed_over() {
    let (_held, target, mut pty) = scene();
    let ours = pty.name.display().to_string();
    assert_eq!(run(&mut pty, &(enter(target, "-m -p --no-pty") + " tty")), (ours, "0".to_owned()));
}

fn restored() {
    let (_held, target, mut pty) = scene();
    for program in [
        "true",
        "no-such-program",
        "sh -c 'kill -9 $$'",
        "sh -c 'stty raw -echo; exit 3'",
        "sh -c 'kill -SEGV $$'",
    ] {
        // The shell has its own settings while it edits a line: compare what its programs get.
        let before = run(&mut pty, "stty -g").0;
        run(&mut pty, &format!("{} {program}", enter(target, "-m -p")));
        assert_eq!(run(&mut pty, "stty -g").0, before, "after {program}");
    }
    let before = run(&mut pty, "stty -g").0;
    pty.type_keys(&(enter(target, "-m -p") + " sh -c 'echo only; exec sleep 1000'\n"));
    pty.expect("only\r\n");
    assert!(
        !pty.settings().local_modes.contains(rustix::termios::LocalModes::ICANON),
        "keys go through raw"
    );
    let nsx = child_of(pty.child.id()).unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(nsx).unwrap()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    pty.expect("OUT> ");
    assert_eq!(run(&mut pty, "stty -g").0, before, "after SIGTERM");
    assert!(!spelled(&pty.settings()).is_empty());
}

fn interrupted() {
    let (_held, target, mut pty) = scene();
    for (key, code) in [("\x03", "130"), ("\x1c", "131")] {
        pty.type_keys(
            &(enter(target, "-m -p") + " sh -c 'ulimit -c 0; echo only; exec sleep 1000'\n"),
        );
        pty.expect("only\r\n");
        pty.type_keys(key);
        pty.expect("OUT> ");
        assert_eq!(self::code(&mut pty), code);
    }
    pty.type_keys(&(enter(target, "-m -p") + " sh -c 'trap \"echo caught; exit 4\" INT; echo only; while :; do sleep 1; done'\n"));
    pty.expect("only\r\n");
    pty.type_keys("\x03");
    pty.expect("caught\r\n");
    pty.expect("OUT> ");
    assert_eq!(code(&mut pty), "4");
}

fn resized() {
    let (_held, target, mut pty) = scene();
    pty.type_keys(&(enter(target, "-m -p") + " bash --norc\n"));
    pty.type_keys("stty size; trap 'stty size' WINCH; echo only\n");
    pty.expect("24 80\r\n");
    pty.expect("only\r\n");
    pty.resize(51, 133);
    pty.type_keys("\n");
    pty.expect("51 133\r\n");
    pty.type_keys("exit\n");
    pty.expect("OUT> ");
}

fn job_inside() {
    let (_held, target, mut pty) = scene();
    pty.type_keys(&(enter(target, "-m -p") + " bash --norc\n"));
    pty.type_keys("PS1='IN> '; sleep 1000\n");
    until("it sleeps", || {
        child_of(pty.child.id()).and_then(child_of)
            .and_then(child_of)
            .and_then(|job| status(job, "Name"))
            .is_some_and(|name| name == "sleep")
    });
    pty.type_keys("\x1a");
    pty.expect("Stopped");
    pty.expect("IN> ");
    pty.type_keys("kill -KILL %1; wait; exit 6\n");
    pty.expect("OUT> ");
    assert_eq!(code(&mut pty), "6");
}

fn suspend(flags: &str) {
    let (_held, target, mut pty) = scene();
    let before = run(&mut pty, "stty -g").0;
    pty.type_keys(
        &(enter(target, flags) + " sh -c 'echo only; read line; echo got $line; exit 8'\n"),
    );
    pty.expect("only\r\n");
    pty.type_keys("\x1a");
    pty.expect("Stopped");
    pty.expect("OUT> ");
    assert_eq!(run(&mut pty, "stty -g").0, before, "while it is stopped");
    pty.type_keys("fg\n");
    pty.expect("exit 8'\r\n");
    pty.type_keys("word\n");
    pty.expect("got word\r\n");
    pty.expect("OUT> ");
    assert_eq!(code(&mut pty), "8");
}

fn suspended_without_pty() {
    suspend("-m -p --no-pty");
}

fn suspended() {
    suspend("-m -p");
}

fn stops_itself() {
    let (_held, target, mut pty) = scene();
    let before = run(&mut pty, "stty -g").0;
    pty.type_keys(
        &(enter(target, "-m -p") + " sh -c 'echo only; kill -STOP $$; echo again; exit 8'\n"),
    );
    pty.expect("only\r\n");
    pty.expect("Stopped");
    pty.expect("OUT> ");
    assert_eq!(run(&mut pty, "stty -g").0, before);
    pty.type_keys("fg\n");
    pty.expect("again\r\n");
    pty.expect("OUT> ");
    assert_eq!(code(&mut pty), "8");
}

fn background() {
    let (_held, target, mut pty) = scene();
    let before = run(&mut pty, "stty -g").0;
    pty.type_keys(&(enter(target, "-m -p") + " sh -c 'echo only; exit 8' &\n"));
    pty.expect("OUT> ");
    pty.type_keys("wait; jobs\n");
    pty.expect("Stopped");
    pty.expect("OUT> ");
    assert_eq!(run(&mut pty, "stty -g").0, before);
    pty.type_keys("fg\n");
    pty.expect("only\r\n");
    pty.expect("OUT> ");
    assert_eq!(code(&mut pty), "8");
}

/// TIOCSTI types into the terminal it is given; a left-over child tries for a while.
const INJECTOR: &str = r#"sh -c 'perl -e '"'"'
    $SIG{HUP} = "IGNORE"; print "only\n"; $| = 1;
    unless (fork) {
        for (1..200) {
            for my $fd (*STDIN, *STDOUT, *STDERR) { ioctl($fd, 0x5412, $_) for split //, "echo INJ\$((1))ECTED\n" }
            if (open my $tty, "+<", "/dev/tty") { ioctl($tty, 0x5412, "x") }
            select undef, undef, undef, 0.01;
        }
        exit;
    }'"'"''"#;

fn injection() {
    let (_held, target, mut pty) = scene();
    let (_, code) = run(&mut pty, &format!("{} {INJECTOR}", enter(target, "-m -p")));
    assert_eq!(code, "0");
    // The child goes on for two seconds; every answer of the shell shows what was typed by then.
    let end = std::time::Instant::now() + Duration::from_millis(2500);
    while std::time::Instant::now() < end {
        let (shown, _) = run(&mut pty, "read -t 0.2 line; echo \"$line\"");
        assert_eq!(shown, "", "typed by the container");
    }
    let shown = String::from_utf8_lossy(&pty.shown).into_owned();
    assert!(!shown.contains("INJ1ECTED"), "{shown}");
}

const READER: &str = r#"perl -e '
    $SIG{HUP} = "IGNORE"; $SIG{TTIN} = "IGNORE"; $| = 1;
    unless (fork) {
        open my $log, ">", $ENV{TERM} or die; select $log; $| = 1;
        for (1..300) { while (sysread STDIN, my $c, 1) { print $log $c } select undef, undef, undef, 0.01 }
        exit;
    }'"#;

fn stolen_keys() {
    let (_held, target, mut pty) = scene();
    let log = tempfile::NamedTempFile::new().unwrap();
    // The only variable that is passed on names the file.
    let line = format!("TERM={} {} {READER}", log.path().display(), enter(target, "-m -p"));
    assert_eq!(run(&mut pty, &line).1, "0");
    for number in 0..20 {
        let word = format!("secret{number}");
        assert_eq!(
            run(&mut pty, &format!("read line; echo \"<$line>\" #\n{word}")).0.contains(&word),
            true
        );
    }
    let stolen = std::fs::read(log.path()).unwrap();
    assert_eq!(String::from_utf8_lossy(&stolen), "");
}

fn flood() {
    let (_held, target, mut pty) = scene();
    let program = r#"sh -c 'perl -e '"'"'
        $SIG{HUP} = "IGNORE"; $| = 1;
        unless (fork) { print "y\n" x 1000 while 1 }
        select undef, undef, undef, 0.2; exit 7'"'"''"#;
    pty.type_keys(&format!("{} {program}\n", enter(target, "-m -p")));
    pty.expect("\r\n");
    pty.expect("OUT> ");
    assert_eq!(code(&mut pty), "7");
}

fn hangup() {
    let (_held, target, mut pty) = scene();
    pty.type_keys(&(enter(target, "-m -p") + " sh -c 'echo only; exec sleep 1000'\n"));
    pty.expect("only\r\n");
    let nsx = child_of(pty.child.id()).unwrap();
    let (program, nsx) = (pidfd(child_of(nsx).unwrap()).unwrap(), pidfd(nsx).unwrap());
    drop(pty);
    assert!(ends_within(&nsx, PATIENCE) && ends_within(&program, PATIENCE));
}

fn whole() {
    let (_held, target, mut pty) = scene();
    pty.type_keys(&(enter(target, "-m -p") + " sh -c 'seq 1 50000; exit 9'\n"));
    pty.expect("1\r\n2\r\n3\r\n");
    let shown = pty.expect("50000\r\n");
    assert_eq!(shown.lines().count(), 49_996);
    pty.expect("OUT> ");
    assert_eq!(code(&mut pty), "9");
}
