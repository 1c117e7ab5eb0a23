//! nsx called `lsns`: what it prints on fixture hosts, what it says of mistakes, its exit codes.

use super::{fixture, seen, support};
use insta::assert_snapshot;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// Whose processes they are is whose files the fixture is made of: left out.
const NOBODYS: &str = "NS,TYPE,NPROCS,PID,PPID,NSFS,PATH,COMMAND";

fn lsns(arguments: &[&str]) -> Command {
    let mut command = Command::new(support::binary("nsx"));
    command.arg0("/usr/bin/lsns").args(arguments);
    command.env("LC_ALL", "C.UTF-8").env_remove("LIBSMARTCOLS_JSON").env_remove("POSIXLY_CORRECT");
    command
}

/// On a fixture, with columns that are the same on every machine.
fn on(name: &str, arguments: &[&str]) -> Output {
    let fixture = fixture(name);
    let first = ["--sysroot", &fixture, "-o", NOBODYS];
    support::output(&mut lsns(&[&first, arguments].concat()))
}

fn said(arguments: &[&str]) -> String {
    seen(&support::output(&mut lsns(arguments)))
}

#[test]
fn every_form() {
    for (name, arguments) in [
        ("default", &[][..]),
        ("list", &["-l", "-n"]),
        ("networks", &["-t", "net", "-W"]),
        ("raw", &["-r", "-t", "mnt", "-t", "uts"]),
        ("json", &["-J", "-t", "pid"]),
        ("filter", &["-Q", "NPROCS > 1 and TYPE =~ '^[mn]'"]),
        ("columns", &["-o", "+NS,TYPE,NPROCS,PID,COMMAND", "-o", "COMMAND,NS", "-t", "ipc"]),
    ] {
        assert_snapshot!(format!("lsns-{name}"), seen(&on("mixed", arguments)));
    }
    assert_snapshot!("lsns-columns-there-are", said(&["-H"]));
    assert_snapshot!("lsns-columns-in-json", said(&["-JH"]));
}

#[test]
fn one_namespace_or_one_process() {
    let inodes = support::stdout(&on("mixed", &["-rn", "-t", "pid", "-o", "NS,PID"]));
    let (inode, pid) = inodes.lines().last().unwrap().split_once(' ').unwrap();
    let shown = support::stdout(&on("mixed", &["-o", "PID,PPID,COMMAND", inode]));
    assert!(shown.starts_with("  PID  PPID COMMAND\n") && shown.contains(pid), "{shown}");
    let of_process = support::stdout(&on("mixed", &["-rn", "-o", "NS,TYPE", "-p", pid]));
    assert!(of_process.contains(&format!("{inode} pid\n")), "{of_process}");
    assert_snapshot!("lsns-no-namespace", seen(&on("mixed", &["1"])));
    assert_snapshot!("lsns-no-process", seen(&on("mixed", &["-p", "2147483647"])));
}

#[test]
fn mistakes() {
    for (number, arguments) in [
        &["--nope"][..],
        &["--out=NS"],
        &["-Jz"],
        &["-p"],
        &["-J", "--raw"],
        &["-l", "-Tparent"],
        &["-o", "NS,nope"],
        &["-t", "nope"],
        &["-Tnope"],
        &["-p", "0"],
        &["nope"],
        &["-Q", "NS ="],
        &["-Q", "NS =="],
        &["-Q", "NS NS"],
        &["-Q", "NOPE == 1"],
        &["-Q", "TYPE =~ '('"],
    ]
    .iter()
    .enumerate()
    {
        assert_snapshot!(format!("lsns-mistake-{number:02}"), said(arguments));
    }
}

#[test]
fn help_and_version() {
    let help = said(&["--help"]);
    assert!(help.lines().count() <= 40 && help.lines().all(|line| line.len() <= 100), "{help}");
    for option in [
        "--json",
        "--list",
        "--noheadings",
        "--output",
        "--output-all",
        "--persistent",
        "--task",
        "--filter",
        "--raw",
        "--notruncate",
        "--nowrap",
        "--type",
        "--tree",
        "--list-columns",
        "--help",
        "--version",
    ] {
        assert!(
            help.contains(&format!("{option} ")) || help.contains(&format!("{option}[")),
            "{option}"
        );
    }
    assert_eq!(
        said(&["-V"]),
        format!(
            "lsns from nsx {}, as in util-linux 2.42\n--- stderr\n--- exit 0\n",
            env!("CARGO_PKG_VERSION")
        )
    );
}

/// Without a UTF-8 locale there is only ASCII.
#[test]
fn the_locale_decides_what_trees_are_made_of() {
    let fixture = fixture("mixed");
    let mut command = lsns(&["--sysroot", &fixture, "-t", "pid"]);
    let shown = support::succeeds(command.env("LC_ALL", "C"));
    assert!(shown.is_ascii() && shown.lines().count() > 1, "{shown}");
}

#[test]
fn nothing_that_acts_on_a_terminal_is_printed() {
    for arguments in [&[][..], &["-r"], &["-J"], &["-l", "-W"], &["-t", "net"], &["-Towner"]] {
        for locale in ["C", "C.UTF-8"] {
            let fixture = fixture("hostile");
            let mut command = lsns(&["--sysroot", &fixture, "--output-all"]);
            let output = support::output(command.args(arguments).env("LC_ALL", locale));
            assert_eq!(output.status.code(), Some(0), "{arguments:?}");
            for text in [support::stdout(&output), support::stderr(&output)] {
                let acts = |c: &char| {
                    (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c)
                };
                assert_eq!(text.chars().find(acts), None, "{arguments:?}: {text}");
            }
        }
    }
}
