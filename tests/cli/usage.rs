//! What is wrong with a command line is said, with what to do, and has its exit code.

use super::{on, seen, support};
use insta::assert_snapshot;

#[test]
fn targets_that_are_none() {
    for (number, target) in
        ["999999", "4294967297", "1x", "abcdef", "docker:db", "", "-"].iter().enumerate()
    {
        assert_snapshot!(format!("no-target-{number}"), seen(&on("mixed", &["inspect", target])));
    }
    assert_snapshot!("ambiguous", seen(&on("mixed", &["inspect", "web"])));
}

#[test]
fn options_that_are_none() {
    for (number, arguments) in [
        &["ps", "--nonsense"][..],
        &["ps", "--columns", "pid,nonsense"],
        &["ps", "-o", "xml"],
        &["inspect"],
        &["inspect", "1", "--only", "everything"],
        &["ns", "12x"],
        &["ns", "-t", "mount"],
        &["ns", "--tree", "4026531840"],
        &["ns", "4026531840", "-p", "1"],
        &["ns", "-Q", "nprocs >"],
        &["inspect", "1", "--seccomp", "--skip", "security"],
        &["inspect", "1", "--bytes"],
        &["inspect", "1", "--usage", "--skip", "mounts"],
    ]
    .iter()
    .enumerate()
    {
        assert_snapshot!(
            format!("no-option-{number}"),
            seen(&support::output(&mut support::nsx(*arguments)))
        );
    }
}

#[test]
fn a_command_that_is_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let word = std::ffi::OsStr::from_bytes(b"\xff\x1b[2J");
    for arguments in [vec![word], vec![std::ffi::OsStr::new("help"), word]] {
        let output = support::output(&mut support::nsx(arguments));
        assert_eq!(output.status.code(), Some(2));
        assert!(support::stderr(&output).contains("there is no command \\xff\\x1b[2J\n"));
    }
}

/// Nothing is ever run on the host by mistake: no target and no namespace are errors.
#[test]
fn launchers_without_a_purpose() {
    for (number, arguments) in [
        &["enter", "true"][..],
        &["enter", "-t", "1x", "true"],
        &["enter", "-t", "4294967297", "true"],
        &["enter", "-t", "1", "-t", "2", "true"],
        &["enter", "-x"],
        &["spawn", "true"],
        &["spawn", "--newpid=1", "true"],
        &["spawn", "--memory", "1 M", "true"],
    ]
    .iter()
    .enumerate()
    {
        assert_snapshot!(
            format!("launcher-{number}"),
            seen(&support::output(&mut support::nsx(*arguments)))
        );
    }
}

#[test]
fn the_front_without_a_command() {
    for (number, arguments) in [&[][..], &["nonsense"], &["help", "nonsense"]].iter().enumerate() {
        assert_snapshot!(
            format!("front-{number}"),
            seen(&support::output(&mut support::nsx(*arguments)))
        );
    }
}

#[test]
fn gaps_are_an_exit_code_only_when_asked_for() {
    assert_eq!(on("docker-v2", &["inspect", "web"]).status.code(), Some(0));
    assert_eq!(on("docker-v2", &["inspect", "web", "--strict"]).status.code(), Some(6));
    assert_eq!(
        on("docker-v2", &["inspect", "web", "--strict", "--skip", "net,uts"]).status.code(),
        Some(0)
    );
}
