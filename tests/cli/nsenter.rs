//! nsx called `nsenter`: what it says of itself and of mistakes, its exit codes. What it does is
//! compared with nsenter(1) in `tests/interop`.

use super::{seen, support};
use std::os::unix::process::CommandExt;
use std::process::Command;

fn said(arguments: &[&str]) -> String {
    let mut command = Command::new(support::binary("nsx"));
    command.arg0("/usr/local/bin/nsenter").args(arguments);
    seen(&support::output(&mut command))
}

#[test]
fn mistakes() {
    for (arguments, message) in [
        (&["true"][..], "no namespace specified"),
        (&["-t", "x", "-n", "true"], "invalid PID argument: 'x'"),
        (&["-n", "true"], "no target PID specified"),
        (&["--nope"], "unrecognized option '--nope'\nTry 'nsenter --help' for more information."),
        (&["-n/no/such/file", "true"], "cannot open /no/such/file: No such file or directory"),
        (&["-n/dev/null", "true"], "reassociate to namespace 'ns/net' failed: Invalid argument"),
        (
            &["-t", "4194304", "-u", "-n", "true"],
            "cannot open /proc/4194304/ns/uts: No such file or directory",
        ),
        (&["-n/\u{1b}[31m"], "cannot open /\\x1b[31m: No such file or directory"),
    ] {
        let expected = format!("--- stderr\nnsenter: {message}\n--- exit 1\n");
        assert_eq!(said(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn help_and_version() {
    let help = said(&["--help"]);
    assert!(help.lines().count() <= 44 && help.lines().all(|line| line.len() <= 80), "{help}");
    for option in [
        "--target",
        "--all",
        "--mount",
        "--uts",
        "--ipc",
        "--net",
        "--net-socket",
        "--pid",
        "--cgroup",
        "--user",
        "--user-parent",
        "--time",
        "--setuid",
        "--setgid",
        "--preserve-credentials",
        "--keep-caps",
        "--root",
        "--wd",
        "--wdns",
        "--env",
        "--no-fork",
        "--join-cgroup",
        "--follow-context",
        "--help",
        "--version",
    ] {
        let has = |end: &str| help.contains(&format!("{option}{end}"));
        assert!(has(" ") || has("["), "{option}");
    }
    let version =
        format!("nsenter from nsx {}, as in util-linux 2.42\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(said(&["-V"]), format!("{version}--- stderr\n--- exit 0\n"));
}
