//! A program of the target on a terminal of its own: the operator's keys, screen and settings are
//! his again afterwards, and nothing inside can reach them.

use crate::support::pty::Pty;
use crate::support::{
    self, Need, PATIENCE, binary, child_of, ends_within, isolated, pidfd, stderr, stdout, test,
};
use libtest_mimic::Trial;
use std::process::Command;

const TERMINAL: &[Need] = &[Need::Root, Need::Program("bash"), Need::Program("setsid")];

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
        test("the program's terminal has our size and follows it", TERMINAL, resized),
        test("the operator's terminal going away ends the program", TERMINAL, hangup),
        test("much output arrives whole", TERMINAL, whole),
        test("a terminal that nobody has open is opened again by its name", TERMINAL, reopened),
        test("without a terminal of ours the program cannot open it either", TERMINAL, apart),
        test("keys do not get into a file that takes the output", TERMINAL, to_a_file),
        test("a pager has the keys and the settings to itself", TERMINAL, to_a_pager),
        test("the program's terminal is its own whoever it is", TERMINAL, owned),
        test("a terminal from nothing ends with who reads it", TERMINAL, unread),
    ]
}

pub fn enter(target: u32, flags: &str) -> String {
    format!("{} enter -t {target} {flags}", binary("nsx").display())
}

pub fn scene() -> (support::Held, u32, Pty) {
    let (held, target) = isolated(&["-p", "-m"]);
    (held, target, Pty::shell())
}

fn another() {
    let (_held, target, mut pty) = scene();
    let ours = pty.name.display().to_string();
    for flags in ["-m -p", "-a", "-m"] {
        let (shown, code) = pty.run(&(enter(target, flags) + " tty"));
        assert_eq!(code, "0", "{shown}");
        assert!(shown.starts_with("/dev/pts/") && shown != ours, "{flags}: {shown}");
    }
    // Each of the three, and only where it is a terminal.
    let (shown, _) = pty.run(&(enter(target, "-m")
            + " sh -c 'test -t 0; echo $?; test -t 1; echo $?; test -t 2; echo $?' </dev/null 2>&1 | tr '\\n' ' '"),
    );
    assert_eq!(shown, "1 1 1");
    let (shown, _) = pty.run(
        &(enter(target, "-m") + " sh -c 'test -t 0; echo $?; test -t 1; echo $?' | tr '\\n' ' '"),
    );
    assert_eq!(shown, "0 1");
}

fn ours() {
    let (_held, target, mut pty) = scene();
    let ours = pty.name.display().to_string();
    assert_eq!(pty.run(&(enter(target, "-p") + " tty")), (ours, "0".to_owned()));
}

fn handed_over() {
    let (_held, target, mut pty) = scene();
    let ours = pty.name.display().to_string();
    assert_eq!(pty.run(&(enter(target, "-m -p --no-pty") + " tty")), (ours, "0".to_owned()));
}

fn apart() {
    let (_held, target, mut pty) = scene();
    let asks =
        " sh -c '(exec 3</dev/tty) 2>/dev/null && echo has || echo none' </dev/null 2>&1 | cat";
    for flags in ["-m", "-m -p", "-a", "-m --no-fork"] {
        let (shown, _) = pty.run(&(enter(target, flags) + asks));
        assert!(shown.contains("none") || flags.contains("--no-fork"), "{flags}: {shown}");
        assert!(!shown.contains("has"), "{flags}: {shown}");
    }
    // A root that was named is not the host's: it is held away the same.
    let (shown, _) = pty.run(&(enter(target, "-p -r") + " tty </dev/null; true"));
    assert_ne!(shown, pty.name.display().to_string());
}

fn to_a_file() {
    let (_held, target, mut pty) = scene();
    let file = tempfile::NamedTempFile::new().unwrap();
    pty.type_keys("stty echo\n");
    pty.expect("OUT> ");
    let program = "sh -c 'echo BEGUN; read keys; echo DATA'";
    let taken = format!(" {program} 2>/dev/null >{}\n", file.path().display());
    pty.type_keys(&(enter(target, "-m -p") + &taken));
    let said = || std::fs::read_to_string(file.path()).unwrap();
    support::until("it waits for keys", || said() == "BEGUN\n");
    pty.type_keys("keys\n");
    pty.expect("OUT> ");
    assert_eq!(said(), "BEGUN\nDATA\n");
}

fn to_a_pager() {
    let (_held, target, mut pty) = scene();
    let before = pty.run("stty -g").0;
    let lines = pty.run(&(enter(target, "-m -p") + " seq 1 3 | cat"));
    assert_eq!(lines, ("1\r\n2\r\n3".to_owned(), "0".to_owned()));
    // What is typed by lines is the program's.
    pty.type_keys(&(enter(target, "-m -p") + " sh -c 'read x; echo got $x' | cat\n"));
    std::thread::sleep(std::time::Duration::from_millis(300));
    pty.type_keys("a word\n");
    pty.expect("got a word\r\n");
    pty.expect("OUT> ");
    // What asks for single keys has them, and leaves the terminal as it was.
    let pager = "sh -c 'cat >/dev/null; was=$(stty -g </dev/tty); stty -icanon -echo </dev/tty; \
                 echo ready; key=$(dd bs=1 count=1 2>/dev/null </dev/tty); stty $was </dev/tty; echo key $key'";
    pty.type_keys(
        &(enter(target, "-m -p") + &format!(" sh -c 'echo x; exec >&-; sleep 2' | {pager}\n")),
    );
    pty.expect("ready\r\n");
    pty.type_keys("q");
    pty.expect("key q\r\n");
    pty.expect("OUT> ");
    assert_eq!(pty.run("stty -g").0, before);
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
        let before = pty.run("stty -g").0;
        pty.run(&format!("{} {program}", enter(target, "-m -p")));
        assert_eq!(pty.run("stty -g").0, before, "after {program}");
    }
    let before = pty.run("stty -g").0;
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
    assert_eq!(pty.run("stty -g").0, before, "after SIGTERM");
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

fn hangup() {
    let (_held, target, mut pty) = scene();
    pty.type_keys(&(enter(target, "-m -p") + " sh -c 'echo only; exec sleep 1000'\n"));
    pty.expect("only\r\n");
    let nsx = child_of(pty.child.id()).unwrap();
    let (program, nsx) = (pidfd(child_of(nsx).unwrap()).unwrap(), pidfd(nsx).unwrap());
    drop(pty);
    assert!(ends_within(&nsx, PATIENCE) && ends_within(&program, PATIENCE));
    // As `ssh -t` or a terminal emulator starts it: only the leader of the session hears of it.
    for options in ["-u", "-p", "-p --init"] {
        let mut pty = Pty::shell();
        let nsx = binary("nsx").display().to_string();
        pty.type_keys(&format!("exec {nsx} spawn {options} sh -c 'echo only; exec sleep 1000'\n"));
        pty.expect("only\r\n");
        let nsx = pidfd(pty.child.id()).unwrap();
        pty.hang_up();
        assert!(ends_within(&nsx, PATIENCE), "{options}");
    }
}

fn whole() {
    let (_held, target, mut pty) = scene();
    pty.type_keys(&(enter(target, "-m -p") + " sh -c 'seq 1 50000; exit 9'\n"));
    pty.expect("1\r\n2\r\n3\r\n");
    let shown = pty.expect("50000\r\n");
    assert_eq!(shown.lines().count(), 49_996);
    pty.expect("OUT> ");
    assert_eq!(pty.code(), "9");
}

const WRITES: &str = "sh -c 'echo written >/dev/stderr; stat -Lc %u:%a /dev/stderr'";

fn reopened() {
    let (_held, target, mut pty) = scene();
    let line = enter(target, "-m")
        + " sh -c 'exec </dev/null >/dev/null 2>&1; sleep 0.5; echo hello >/dev/tty; sleep 0.3; \
           head -c 100000 /dev/zero | tr \"\\0\" a >/dev/tty; echo done >/dev/tty'";
    let (shown, code) = pty.run(&line);
    assert_eq!(code, "0");
    let whole = format!("hello\r\n{}done", "a".repeat(100_000));
    assert!(shown == whole, "{} bytes of {}", shown.len(), whole.len());
}

fn owned() {
    let (_held, target, mut pty) = scene();
    for (user, uid) in [("daemon", 1), ("root", 0), ("1234:99", 1234)] {
        let (shown, code) =
            pty.run(&format!("{} --user={user} {WRITES}", enter(target, "-m -p --pty")));
        assert_eq!(code, "0", "{shown}");
        assert!(shown.contains("written") && shown.contains(&format!("{uid}:600")), "{shown}");
    }
    // In a user namespace of the target's it is who that is outside.
    let (_held, target) = crate::users::target_of_other_ids();
    let (shown, code) = pty.run(&(enter(target, "-U --pty") + " " + WRITES));
    assert_eq!(code, "0", "{shown}");
    assert!(shown.contains("written") && shown.contains("0:600"), "{shown}");
}

fn unread() {
    let (_held, target) = isolated(&["-p", "-m"]);
    let nsx = binary("nsx");
    let enter = format!("enter -t {target} -m --pty");
    for start in [&enter, "spawn -p --pty", "spawn -p --pty --init"] {
        let run = |line: &str| {
            let line = format!("timeout -s KILL 20 {} {start} {line}", nsx.display());
            support::output(Command::new("bash").args(["-c", &line]))
        };
        let read = run("yes | head -n 1");
        assert_eq!((stdout(&read).as_str(), stderr(&read).as_str()), ("y\r\n", ""), "{start}");
        for line in ["yes > /dev/full", "seq 1 5 > /dev/full"] {
            let full = run(line);
            let said = stderr(&full);
            assert_eq!(full.status.code(), Some(125), "{start} {line}: {said}");
            assert!(said.contains("cannot write to standard output: No space left"), "{said}");
        }
    }
}
