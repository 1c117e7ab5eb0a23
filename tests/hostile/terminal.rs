//! A child that a container leaves behind on the terminal: it types, it reads, it floods.

use crate::support::pty::Pty;
use crate::support::{self, Need, binary, isolated, test, until};
use libtest_mimic::Trial;
use std::time::{Duration, Instant};

const PERL: &[Need] =
    &[Need::Root, Need::Program("bash"), Need::Program("setsid"), Need::Program("perl")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a left-over child cannot type into our terminal", PERL, injection),
        test("without a terminal of its own it would: the attack is real", PERL, injection_works),
        test("a left-over child cannot read our keys", PERL, stolen_keys),
        test("a left-over child that takes the terminal for itself has nothing", PERL, taken),
        test("handed the terminal it takes it: the attack is real", PERL, taken_works),
        test("a left-over child that never stops writing does not keep nsx", PERL, flood),
    ]
}

fn enter(target: u32, flags: &str) -> String {
    format!("{} enter -t {target} {flags}", binary("nsx").display())
}

fn scene() -> (support::Held, u32, Pty) {
    let (held, target) = isolated(&["-p", "-m"]);
    (held, target, Pty::shell())
}

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
    let (_, code) = pty.run(&format!("{} {INJECTOR}", enter(target, "-m -p")));
    assert_eq!(code, "0");
    // The child goes on for two seconds; every answer of the shell shows what was typed by then.
    let end = Instant::now() + Duration::from_millis(2500);
    while Instant::now() < end {
        let (shown, _) = pty.run("read -t 0.2 line; echo \"$line\"");
        assert_eq!(shown, "", "typed by the container");
    }
    let shown = String::from_utf8_lossy(&pty.shown).into_owned();
    assert!(!shown.contains("INJ1ECTED"), "{shown}");
}

/// Handed over on demand, the terminal can be typed into: root may whatever the sysctl says.
fn injection_works() {
    let (_held, target, mut pty) = scene();
    pty.type_keys(&format!("{} {INJECTOR}\n", enter(target, "-m -p --no-pty")));
    pty.expect("INJ1ECTED");
}

const READER: &str = r#"perl -e '
    $SIG{HUP} = "IGNORE"; $SIG{TTIN} = "IGNORE"; $| = 1;
    unless (fork) {
        open my $log, ">", $ENV{TERM} or die; select $log; $| = 1;
        while (1) { while (sysread STDIN, my $c, 1) { print $log $c } select undef, undef, undef, 0.01 }
    }'"#;

fn stolen_keys() {
    let (_held, target, mut pty) = scene();
    let log = tempfile::NamedTempFile::new().unwrap();
    // The only variable that is passed on names the file.
    let line = format!("TERM={} {} {READER}", log.path().display(), enter(target, "-m -p"));
    assert_eq!(pty.run(&line).1, "0");
    for number in 0..20 {
        let word = format!("secret{number}");
        let (shown, _) = pty.run(&format!(
            "read line; echo \"<$line>\"
{word}"
        ));
        assert_eq!(shown, format!("<{word}>"));
    }
    let stolen = std::fs::read(log.path()).unwrap();
    assert_eq!(String::from_utf8_lossy(&stolen), "");
}

/// In a session of its own, with the right to take any terminal for that (TIOCSCTTY, forced), it
/// then reads, types and turns the echo off, and makes itself the terminal's foreground, until the
/// target's pid namespace ends.
const TAKER: &str = r#"perl -e '
    use POSIX ();
    $SIG{HUP} = "IGNORE"; $SIG{TTIN} = "IGNORE"; $SIG{TTOU} = "IGNORE"; $| = 1;
    my @ends = (\*STDIN, \*STDOUT, \*STDERR);
    # While it has that number: the next terminal that has it is not ours.
    for my $name ((map { readlink "/proc/self/fd/$_" } 0 .. 2), "/dev/tty") {
        next unless defined $name;
        my $end;
        sysopen($end, $name, 04402) or next;
        push @ends, $end;
    }
    unless (fork) {
        POSIX::setsid();
        open my $log, ">", $ENV{TERM} or die; select $log; $| = 1;
        while (1) {
            for my $end (@ends) {
                ioctl $end, 0x540e, 1;
                my $group = pack "i", $$;
                ioctl $end, 0x5410, $group;
                ioctl $end, 0x5412, $_ for split //, "echo INJ\$((1))ECTED\n";
                my $bits = "";
                vec($bits, fileno $end, 1) = 1;
                if (select $bits, undef, undef, 0) { sysread $end, my $c, 1 and print $c }
            }
            print ".";
            select undef, undef, undef, 0.01;
        }
    }'"#;

fn taken() {
    for flags in ["-m -p", "-a", "-m -p --pty"] {
        let (_held, target, mut pty) = scene();
        let settings = pty.settings();
        let log = tempfile::NamedTempFile::new().unwrap();
        let line = format!("TERM={} {} {TAKER}", log.path().display(), enter(target, flags));
        assert_eq!(pty.run(&line).1, "0", "{flags}");
        let said = || std::fs::read_to_string(log.path()).unwrap();
        let tries = || said().matches('.').count();
        until("it tries", || tries() > 2);
        for number in 0..20 {
            let word = format!("secret{number}");
            let (shown, _) = pty.run(&format!(
                "read line; echo \"<$line>\"
{word}"
            ));
            assert_eq!(shown, format!("<{word}>"), "{flags}");
        }
        let before = tries();
        until("it has tried since", || tries() > before + 2);
        let read = said().replace('.', "");
        assert!(!read.contains("secret"), "{flags}: {read}");
        let shown = String::from_utf8_lossy(&pty.shown).into_owned();
        assert!(!shown.contains("INJ1ECTED"), "{flags}: {shown}");
        assert_eq!(settings.local_modes, pty.settings().local_modes, "{flags}");
    }
}

fn taken_works() {
    let (_held, target, mut pty) = scene();
    let log = tempfile::NamedTempFile::new().unwrap();
    let enter = enter(target, "-m -p --no-pty");
    pty.type_keys(&format!("TERM={} {enter} {TAKER}\n", log.path().display()));
    pty.expect("INJ1ECTED");
}

fn flood() {
    let (_held, target, mut pty) = scene();
    let program = r#"sh -c 'perl -e '"'"'
        $SIG{HUP} = "IGNORE"; $| = 1;
        for (1..4) { fork or do { print "y\n" x 1000 while 1 } }
        select undef, undef, undef, 0.2; exit 7'"'"''"#;
    pty.type_keys(&format!("{} {program}\n", enter(target, "-m -p")));
    pty.slow = true;
    pty.expect("y\r\n");
    pty.expect("OUT> ");
    pty.slow = false;
    assert_eq!(pty.code(), "7");
}
