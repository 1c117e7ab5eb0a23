//! `spawn --memory`: the limit holds, and its control group is gone afterwards.

use crate::support::{Need, isolated, nsx, output, stderr, stdout, test, until};
use libtest_mimic::Trial;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

const MEMORY: &[Need] = &[
    Need::Root,
    Need::Program("perl"),
    Need::Machine("a memory controller that can be used", || controller().is_some()),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "a program that takes more than --memory is killed, and its group removed",
            MEMORY,
            limited,
        ),
        test("a program that stays below --memory runs to its end", MEMORY, enough),
        test("processes left in the group do not keep it", MEMORY, left_over),
        test(
            "two containers with the same pids inside can both limit memory",
            MEMORY,
            same_numbers,
        ),
        test("a size that is none is refused", &[Need::Root], || {
            for size in ["0", "x", "64X", "-1", "99999999999999999999"] {
                let output = output(&mut nsx(["spawn", "-u", "--memory", size, "echo", "RAN"]));
                assert_eq!(
                    (output.status.code(), stdout(&output).as_str()),
                    (Some(125), ""),
                    "{size}"
                );
            }
        }),
    ]
}

/// The group of this process below which groups with a memory limit can be made.
fn controller() -> Option<PathBuf> {
    let lines = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = lines.lines().find_map(|line| line.split_once(":memory:"))?.1;
    let group = Path::new("/sys/fs/cgroup/memory").join(path.trim_start_matches('/'));
    group.join("memory.limit_in_bytes").exists().then_some(group)
}

/// Groups of a supervisor.
fn groups(nsx: u32) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(controller().unwrap()).unwrap();
    let ours = entries.map(|entry| entry.unwrap().path());
    ours.filter(|path| {
        path.file_name().unwrap().to_str().unwrap().starts_with(&format!("nsx-{nsx}-"))
    })
    .collect()
}

const TAKE: &str = r#"my $x = "x" x ($ARGV[0] << 20); print "alive\n""#;

fn limited() {
    let mut command = nsx(["spawn", "-p", "--memory", "64M", "perl", "-e", TAKE, "200"]);
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let nsx = child.id();
    let output = crate::support::finish(child);
    assert_eq!(output.status.signal(), Some(9), "{}: {}", output.status, stderr(&output));
    assert_eq!(stdout(&output), "");
    assert_eq!(groups(nsx), [] as [PathBuf; 0]);
}

fn enough() {
    let output = output(&mut nsx(["spawn", "--memory", "256M", "perl", "-e", TAKE, "20"]));
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "alive\n"),
        "{}",
        stderr(&output)
    );
}

/// Without a pid namespace a child of the program outlives it.
fn left_over() {
    let mut command = nsx(["spawn", "-u", "--memory", "64M", "sh", "-c"]);
    command.arg("setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $!");
    let (mut held, left) = crate::support::Held::ready(&mut command);
    let nsx = held.pid();
    assert!(held.0.wait().unwrap().success());
    assert_eq!(groups(nsx), [] as [PathBuf; 0]);
    let left = left.parse().unwrap();
    until("what was left has been killed", || crate::support::has_ended(left));
}

/// The second supervisor has the same pid, seen from its own pid namespace.
fn same_numbers() {
    let (_one, first) = isolated(&["-p"]);
    let (_two, second) = isolated(&["-p"]);
    let inside = |target: u32| {
        let mut command = nsx(["enter", "-t", &target.to_string(), "-a"]);
        command.arg(crate::support::binary("nsx")).args(["spawn", "-u", "--memory", "64M"]);
        command.args(["sh", "-c", "echo ready; exec sleep 1000"]);
        command
    };
    // Ended by a signal that nsx hears, they remove their groups.
    let mut both = [first, second].map(|target| crate::support::Held::ready(&mut inside(target)));
    let lines = both.each_ref().map(|(_, line)| line.clone());
    for (held, _) in &mut both {
        let nsx = nix::unistd::Pid::from_raw(i32::try_from(held.pid()).unwrap());
        let _ = nix::sys::signal::kill(nsx, nix::sys::signal::Signal::SIGTERM);
        held.0.wait().unwrap();
    }
    assert_eq!(lines, ["ready", "ready"]);
}
