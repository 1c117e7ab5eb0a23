//! A nsx that ends before there is a program.

use crate::groups::groups_of;
use crate::support::{
    Need, PATIENCE, binary, child_of, ends_within, finish, pidfd, send, status, succeeds, test,
    until,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

const ARCHIVE: &[Need] = &[Need::Root, Need::Program("tar"), Need::Program("gzip")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a nsx that is killed before there is a program leaves nothing", ARCHIVE, killed),
        test("a nsx that is asked to end before there is a program ends", ARCHIVE, asked),
        test("what is to stay ends with who is called, before there is a program", ARCHIVE, split),
    ]
}

/// One that takes long to unpack: a file of nothing but zeros.
fn long_archive(directory: &Path) -> String {
    let script =
        "cd \"$0\"; truncate -s 256M zeros; tar -cf - zeros 2>&- | head -c 512 | gzip > long
                  head -c 64K /dev/zero | gzip > one; for i in $(seq 64); do cat one; done > many
                  for i in $(seq 64); do cat many; done >> long; rm zeros one many";
    succeeds(Command::new("sh").args(["-c", script]).arg(directory));
    directory.join("long").to_str().unwrap().to_owned()
}

/// Whether it has begun to read of the archive, which is long after it was tied to the end of nsx: one
/// that is stopped before could not tie itself.
fn unpacks(pid: u32) -> bool {
    let counts = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let read = counts.lines().find_map(|line| line.strip_prefix("rchar: "));
    read.is_some_and(|bytes| bytes.parse::<u64>().unwrap() >= 4096)
}

/// How nsx ended, by that signal, while its child, which is stopped, prepares for a program.
fn ended_by(of: &str, signal: Signal, more: &[&str]) -> Option<i32> {
    let (archive, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let name = format!("nsx-test-{}-unready-{of}", std::process::id());
    let record = format!("/run/nsx/{name}.json");
    // The suite may have been told to ignore it.
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP").arg(binary("nsx"));
    command.args(["spawn", "-p", "--pids=99", "--name", &name]);
    command.arg("--pid-file").arg(files.path().join("pid")).args(more);
    command.args(["--rootfs", &long_archive(archive.path()), "true"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let nsx = command.spawn().unwrap();
    let child = || child_of(nsx.id());
    let mut prepares = None;
    until("it unpacks", || {
        prepares = if more.is_empty() { child() } else { child().and_then(child_of) };
        prepares = prepares.filter(|pid| {
            status(*pid, "NSpid").is_some_and(|pids| pids.ends_with("\t1")) && unpacks(*pid)
        });
        prepares.is_some() && Path::new(&record).exists()
    });
    let prepares = prepares.unwrap();
    send(prepares, Signal::SIGSTOP);
    let stays: u32 = status(prepares, "PPid").unwrap().parse().unwrap();
    let prepares = pidfd(prepares).unwrap();
    send(nsx.id(), signal);
    if signal != Signal::SIGKILL {
        // It may have heard first that its child has stopped, and have stopped too.
        send(nsx.id(), Signal::SIGCONT);
    }
    assert!(ends_within(&prepares, PATIENCE), "{signal}");
    let ended = finish(nsx).status;
    until("its groups are gone", || groups_of(stays).is_empty());
    until("its record is gone", || !Path::new(&record).exists());
    until("no file is left", || std::fs::read_dir(files.path()).unwrap().next().is_none());
    ended.signal()
}

fn killed() {
    assert_eq!(ended_by("killed", Signal::SIGKILL, &[]), Some(9));
}

fn asked() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        assert_eq!(ended_by("asked", signal, &[]), Some(signal as i32));
    }
}

fn split() {
    ended_by("split", Signal::SIGINT, &["--detach"]);
}
