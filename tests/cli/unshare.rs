//! nsx called `unshare`: what it says of itself and of mistakes, its exit codes. What it does is
//! compared with unshare(1) in `tests/interop`.

use super::{seen, support};
use std::os::unix::process::CommandExt;
use std::process::Command;

fn said(arguments: &[&str]) -> String {
    let mut command = Command::new(support::binary("nsx"));
    command.arg0("/usr/local/bin/unshare").args(arguments);
    seen(&support::output(&mut command))
}

#[test]
fn mistakes() {
    for (arguments, message) in [
        (
            &["--nope"][..],
            "unrecognized option '--nope'\nTry 'unshare --help' for more information.",
        ),
        (&["-n=/x"], "invalid option -- '='\nTry 'unshare --help' for more information."),
        (&["-S", "x", "true"], "failed to parse uid: 'x'"),
        (&["--map-users", "1:2", "true"], "invalid mapping '1:2'"),
        (&["--kill-child=9", "true"], "unknown signal: 9"),
        (&["--propagation", "\u{1b}[31m"], "unsupported propagation mode: \\x1b[31m"),
        (
            &["-w", "/no/such", "true"],
            "cannot change directory to /no/such: No such file or directory",
        ),
    ] {
        let expected = format!("--- stderr\nunshare: {message}\n--- exit 1\n");
        assert_eq!(said(arguments), expected, "{arguments:?}");
    }
    for (program, code, why) in
        [("/no/such", 127, "No such file or directory"), ("/", 126, "Permission denied")]
    {
        let expected =
            format!("--- stderr\nunshare: failed to execute {program}: {why}\n--- exit {code}\n");
        assert_eq!(said(&[program]), expected);
    }
}

#[test]
fn help_and_version() {
    let help = said(&["--help"]);
    assert!(help.lines().count() <= 70 && help.lines().all(|line| line.len() <= 80), "{help}");
    for option in [
        "--mount",
        "--uts",
        "--ipc",
        "--net",
        "--pid",
        "--user",
        "--cgroup",
        "--time",
        "--mount-proc",
        "--mount-binfmt",
        "--load-interp",
        "--propagation",
        "--root",
        "--wd",
        "--setuid",
        "--setgid",
        "--map-user",
        "--map-group",
        "--map-root-user",
        "--map-current-user",
        "--map-auto",
        "--map-subids",
        "--map-users",
        "--map-groups",
        "--owner",
        "--fork",
        "--kill-child",
        "--forward-signals",
        "--setgroups",
        "--keep-caps",
        "--monotonic",
        "--boottime",
        "--clear-env",
        "--whitelist-env",
        "--help",
        "--version",
    ] {
        let has = |end: &str| help.contains(&format!("{option}{end}"));
        assert!(has(" ") || has("["), "{option}");
    }
    let version =
        format!("unshare from nsx {}, as in util-linux 2.42\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(said(&["-V"]), format!("{version}--- stderr\n--- exit 0\n"));
}
