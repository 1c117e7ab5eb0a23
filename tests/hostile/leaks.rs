//! Ways back to the host's directories: descriptors that the caller had open, and links of the
//! container's that lead to them (CVE-2024-21626).

use crate::rooted::Rooted;
use crate::support::{Held, Need, child_of, nsx, output, status, stderr, stdout, test, until};
use libtest_mimic::Trial;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

const NEEDS: &[Need] = &[Need::Root, Need::Program("pivot_root"), Need::Program("bash")];
const CONTAINERS: [&[&str]; 2] = [&["-p", "-m", "-n", "-u"], &["-U", "-p", "-m", "-n", "-u"]];
/// What each of them has that is of the host.
const SECRET: &str = "nsx-secret-of-the-host";

/// All of them join the mount namespace.
const WAYS: [&[&str]; 14] = [
    &["-m"],
    &["-m", "-p"],
    &["-m", "-n", "-u"],
    &["-a"],
    &["-a", "-e"],
    &["-a", "-w"],
    &["-a", "-r"],
    &["-a", "-r", "-w"],
    &["-a", "--wd=/usr"],
    &["-a", "-W", "/srv"],
    &["-a", "-S", "0", "-G", "0"],
    &["-a", "--init"],
    &["-a", "--timeout", "500s", "--clean-env"],
    &["-a", "-F"],
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("no open directory of the caller's reaches the container", NEEDS, descriptors),
        test("no link of the container's leads to a directory of the caller's", NEEDS, links),
        test("without nsx it would: the way is real", NEEDS, real),
    ]
}

/// A directory of the host's that can be told by what is in it.
fn of_the_host() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(SECRET), "").unwrap();
    directory
}

/// `program`, started with the descriptors 3 to 20 on a directory.
fn with_open(directory: &Path, program: &Command) -> Command {
    let mut shell = Command::new("bash");
    let open = r#"for n in {3..20}; do eval "exec $n<'$0'"; done; exec "$@""#;
    shell.arg("-c").arg(open).arg(directory);
    shell.arg(program.get_program()).args(program.get_args());
    shell
}

fn enter(target: u32, way: &[&str]) -> Command {
    let mut command = nsx(["enter", "-t", &target.to_string()]);
    command.args(way);
    command
}

fn below(pid: u32) -> u32 {
    child_of(pid).map_or(pid, below)
}

/// Looked at from the host: in the container it would have to be told by its own `/proc`.
fn descriptors() {
    let directory = of_the_host();
    for options in CONTAINERS {
        let container = Rooted::start(options);
        let root = std::fs::metadata(container.path("")).unwrap();
        for way in WAYS {
            let mut command = enter(container.target, way);
            command.args(["sleep", "1000"]);
            let mut command = with_open(directory.path(), &command);
            let held = Held(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
            until("the program runs", || {
                status(below(held.pid()), "Name").is_some_and(|name| name == "sleep")
            });
            let program = below(held.pid());
            // The loader of a program that is just starting has a library open; a leak stays.
            until("it has the standard descriptors alone", || {
                let entries = std::fs::read_dir(format!("/proc/{program}/fd")).unwrap();
                entries.count() == 3
            });
            let its = |name: &str| std::fs::metadata(format!("/proc/{program}/{name}")).unwrap();
            let same = |one: &std::fs::Metadata| (one.dev(), one.ino()) == (root.dev(), root.ino());
            assert!(same(&its("root")), "{options:?} {way:?}: its root is another");
            assert!(same(&its("cwd/../../../..")), "{options:?} {way:?}: it works elsewhere");
            // What is between: nsx, and its init, which the container sees.
            let mut process = held.pid();
            while process != program {
                for name in ["cwd", "root"] {
                    let link = format!("/proc/{process}/{name}");
                    let inside = same(&std::fs::metadata(&link).unwrap());
                    assert!(inside || !way.contains(&"--init"), "{options:?} {way:?}: {link}");
                }
                process = child_of(process).unwrap();
            }
        }
    }
}

/// Each name, planted in the container, as the working directory of a program that looks around.
fn links() {
    let directory = of_the_host();
    let numbers = (3..=20).map(|number| format!("/proc/self/fd/{number}"));
    let others = [
        "/proc/self/cwd",
        "/proc/self/root",
        "/proc/1/cwd",
        "/proc/1/root",
        "/proc/thread-self/cwd",
        "/proc/self/task/1/cwd",
        "/proc/self/fd/3/../..",
        "/proc/1/root/proc/self/cwd/..",
    ];
    let targets: Vec<String> = numbers.chain(others.map(str::to_owned)).collect();
    for options in CONTAINERS {
        let container = Rooted::start(options);
        for (number, target) in targets.iter().enumerate() {
            let link = format!("leak{number}");
            symlink(target, container.path(&link)).unwrap();
            let inside = format!("/{link}");
            for option in ["--wd=", "--wdns="] {
                let option = format!("{option}{inside}");
                let mut command = enter(container.target, &["-a", &option]);
                command.args(["sh", "-c", LOOK]);
                let run = output(&mut with_open(directory.path(), &command));
                let said = stdout(&run);
                let place = format!("{options:?} {option} {target}: {}", stderr(&run));
                assert!(!said.contains(SECRET), "{place}{said}");
                if run.status.success() {
                    assert!(said.contains("inside"), "{place}{said}");
                } else {
                    assert_eq!((run.status.code(), said.as_str()), (Some(125), ""), "{place}");
                }
            }
        }
    }
}

/// Where am I, and where does it lead?
const LOOK: &str = "ls . .. ../.. ../../../../../..; exit 0";

/// A program that is given the descriptors, in the same container, finds the host through a link.
fn real() {
    let directory = of_the_host();
    let container = Rooted::start(CONTAINERS[0]);
    symlink("/proc/self/fd/7", container.path("leak")).unwrap();
    let mut command = enter(container.target, &["-a", "--preserve-fds", "18"]);
    command.args(["sh", "-c", &format!("cd /leak; {LOOK}")]);
    let run = output(&mut with_open(directory.path(), &command));
    assert!(stdout(&run).contains(SECRET), "{}", stderr(&run));
}
