//! A container that watches for whoever joins it, and reaches for it between the join and the
//! program: by ptrace and through /proc.

use crate::support::{Held, Need, child_of, nsx, output, status, stderr, test, until};
use libtest_mimic::Trial;
use std::process::Stdio;

const PERL: &[Need] = &[Need::Root, Need::Program("perl")];
const SECRET: &str = "nsx-secret-of-the-operator";
/// At least; as many as it takes for the attacker to see half of that.
const JOINS: usize = 100;

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "a container with our uid in its own user namespace gets nothing of nsx",
            PERL,
            || {
                attacked(&["-U", "-p", "-n"]);
            },
        ),
        test("a privileged container does not get our environment from nsx", PERL, privileged),
        test("the attack succeeds on a process that does not protect itself", PERL, unprotected),
    ]
}

/// Knows the last pid of its namespace, waits for the next one, and looks at that process as often as it
/// can. A hit is what belongs to nsx: its program file, its environment, a descriptor above 2, or
/// control over it.
const ATTACKER: &str = r#"
    use POSIX ":sys_wait_h";
    my ($ptrace, $joiner, $secret) = @ARGV;
    $| = 1;
    my $pid = fork // die;
    if ($pid) { sleep 1 while 1 }
    my (%seen, %hits);
    sub hit { my $what = shift; print "$what\n" unless $hits{$what}++ }
    print "ready\n";
    while (1) {
        open my $load, "<", "/proc/loadavg" or die;
        my $last = (split " ", <$load>)[4];
        for my $p ($last, $last + 1) {
            next if $p <= $$ || !-e "/proc/$p";
            $seen{$p}++ or print "saw\n";
            my $exe = readlink "/proc/$p/exe";
            hit("exe $exe") if defined $exe && $exe =~ /$joiner/;
            if (open my $f, "<", "/proc/$p/environ") {
                local $/; my $text = <$f>;
                hit("environ") if defined $text && $text =~ /$secret/;
            }
            if (opendir my $d, "/proc/$p/fd") {
                my @above = grep { /^\d+$/ && $_ > 2 } readdir $d;
                my $of = readlink "/proc/$p/exe";
                @above = map { $_ . " " . (readlink("/proc/$p/fd/$_") // "") } @above;
                hit("fd @above") if @above && defined $of && $of =~ /$joiner/;
            }
            for my $link ("cwd", "root") {
                my $to = readlink "/proc/$p/$link"; my $of = readlink "/proc/$p/exe";
                hit("$link $to") if defined $to && defined $of && $of =~ /$joiner/;
            }
            if (open my $m, "+<", "/proc/$p/mem") {
                my $of = readlink "/proc/$p/exe";
                hit("mem") if defined $of && $of =~ /$joiner/;
            }
            # Seized, it runs on; stopped, it can be let go.
            if (syscall($ptrace, 0x4206, $p + 0, 0, 0) == 0) {
                my $of = readlink "/proc/$p/exe";
                hit("ptrace $of") if defined $of && $of =~ /$joiner/;
                syscall($ptrace, 0x4207, $p + 0, 0, 0);
                waitpid $p, 0x40000000;
                syscall($ptrace, 17, $p + 0, 0, 0);
            }
        }
    }
"#;

/// Starts the attacker; `saw` is in the log once for each process that it saw.
fn attacker(options: &[&str], joiner: &str) -> (Held, u32, tempfile::NamedTempFile) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = nsx(["spawn"]);
    command.args(options).args(["perl", "-e", ATTACKER]);
    command.args([&libc::SYS_ptrace.to_string(), joiner, SECRET]);
    let file = log.reopen().unwrap();
    let held = Held(command.stdin(Stdio::null()).stdout(file).spawn().unwrap());
    until("the attacker is ready", || said(&log).starts_with("ready\n"));
    let pid = child_of(held.pid()).unwrap();
    (held, pid, log)
}

fn said(log: &tempfile::NamedTempFile) -> String {
    std::fs::read_to_string(log.path()).unwrap()
}

fn attacked(options: &[&str]) {
    let (_held, target, log) = attacker(options, "/nsx");
    let seen = || said(&log).matches("saw\n").count();
    let mut joins = 0;
    while joins < JOINS || (seen() < JOINS / 2 && joins < 50 * JOINS) {
        joins += 1;
        let mut command = nsx(["enter", "-t", &target.to_string(), "-a", "true"]);
        // -e would be the attacker's own environment; without it an allow-list.
        let joined = output(command.env("NSX_TEST_SECRET", SECRET));
        // It may kill or stop the program, not nsx before it.
        assert!(joined.status.code() != Some(70), "{}", stderr(&joined));
    }
    let said = said(&log);
    assert!(seen() >= JOINS / 2, "the attacker saw too few of {joins}: {said}");
    let hits: Vec<&str> = said.lines().filter(|line| !["ready", "saw"].contains(line)).collect();
    assert_eq!(hits, [] as [&str; 0]);
    assert!(status(target, "State").is_some(), "the attacker has lived through it");
}

/// It may trace whom it sees and read his memory; what he was started with is not there any more.
fn privileged() {
    let (_held, target, log) = attacker(&["-p", "-m"], "(/nsx|^/|^/memfd:.*)$");
    let named = || said(&log).contains("exe ");
    let mut joins = 0;
    while joins < JOINS || (!named() && joins < 50 * JOINS) {
        joins += 1;
        let mut command = nsx(["enter", "-t", &target.to_string(), "-a", "true"]);
        output(command.env("NSX_TEST_SECRET", SECRET));
        assert!(!said(&log).contains("environ"), "after {joins}: {}", said(&log));
    }
    assert!(named(), "nsx was not seen in {joins} joins: {}", said(&log));
}

/// The same attacker against `true` itself, which shows that it can see and does not miss.
fn unprotected() {
    let (_held, target, log) = attacker(&["-U", "-p", "-n"], "/(true|sleep)$");
    let mut command = nsx(["enter", "-t", &target.to_string(), "-a", "--no-pty", "sleep", "1000"]);
    let _held = Held(command.env("TERM", SECRET).stdin(Stdio::null()).spawn().unwrap());
    for what in ["exe ", "environ", "cwd ", "root ", "mem", "ptrace "] {
        until(what, || said(&log).lines().any(|line| line.starts_with(what)));
    }
}
