//! Programs started in the containers of real engines: as root, as the container itself is confined,
//! and as the user whose containers they are; in services, and with the host's tools.

mod attacked;
mod groups;
mod services;
mod tools;

use crate::containers::{Container, Engine, as_alice};
use crate::host::INSIDE;
use crate::support::{
    Held, KINDS, PATIENCE, STANDING, asleep, binary, child_of, ends_within, namespace, nsx, output,
    pidfd, status, stderr, stdout, succeeds, test, until,
};
use libtest_mimic::Trial;
use std::process::{Command, Stdio};

pub fn tests() -> Vec<Trial> {
    let mut tests = engines();
    tests.extend(attacked::tests());
    tests.extend(groups::tests());
    tests.extend(services::tests());
    tests.extend(tools::tests());
    tests
}

fn engines() -> Vec<Trial> {
    vec![
        test("enter, docker: as the container, label and filter and groups", INSIDE, || {
            as_container(Engine::Docker, "entered", &["--memory=64m", "--pids-limit=50"]);
        }),
        test(
            "enter, docker: as a container of an ordinary user without privileges",
            INSIDE,
            || {
                let options =
                    ["--user=1000:1000", "--security-opt=no-new-privileges", "--cap-drop=ALL"];
                as_container(Engine::Docker, "lowly", &options);
            },
        ),
        test("enter, podman: as the container, in crun's group below the scope", INSIDE, || {
            as_container(Engine::Podman, "entered-podman", &[]);
        }),
        test("enter, podman without root: as the container, by root", INSIDE, || {
            as_container(Engine::Rootless, "entered-rootless", &[]);
        }),
        test("enter, podman without root: its user, by the pid alone", INSIDE, by_its_user),
        test("enter, bubblewrap: its user, by the pid alone", INSIDE, sandbox),
        test("enter, paused: not by its group unless that is said", INSIDE, paused),
        test("enter, docker: its label alone", INSIDE, label_alone),
        test("enter, docker: what its filter denies, and nothing is missing", INSIDE, denied),
    ]
}

const SLEEP: &str = "exec sleep 1000";

fn read(pid: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

/// A program started by `command`; nsx and it.
fn started(mut command: Command) -> (Held, u32) {
    command.args(["/bin/sh", "-c", "echo ready; exec sleep 1000"]).stdin(Stdio::null());
    let (held, line) = Held::ready(&mut command);
    assert_eq!(line, "ready", "{command:?}");
    let program = child_of(held.pid()).unwrap_or(held.pid());
    (held, program)
}

fn assert_same(program: u32, target: u32, fields: &[&str]) {
    for kind in KINDS {
        assert_eq!(namespace(program, kind), namespace(target, kind), "{kind}");
    }
    for field in fields {
        assert_eq!(status(program, field), status(target, field), "{field}");
    }
}

fn as_container(engine: Engine, name: &'static str, options: &[&str]) {
    let container = Container::run(engine, name, options, SLEEP);
    asleep(container.pid);
    as_it_is(container.pid);
}

/// A program beside a process that sleeps has everything of it, and nsx finds nothing amiss.
fn as_it_is(target: u32) {
    let options = ["enter", "-t", &target.to_string(), "--as-target", "--strict"];
    let (_nsx, program) = started(nsx(options));
    asleep(program);
    assert_same(program, target, &STANDING);
    for file in ["cgroup", "limits", "oom_score_adj", "attr/current", "uid_map"] {
        assert_eq!(read(program, file), read(target, file), "{file}");
    }
}

fn label_alone() {
    let container = Container::run(Engine::Docker, "labelled", &["--ulimit=core=0"], SLEEP);
    asleep(container.pid);
    let target = container.pid.to_string();
    let label = read(container.pid, "attr/current");
    assert_eq!(label, "docker-default (enforce)\n", "the reference");
    let (_nsx, program) = started(nsx(["enter", "-t", &target, "-a", "-Z"]));
    asleep(program);
    assert_eq!(read(program, "attr/current"), label);
    assert_eq!(status(program, "Seccomp").as_deref(), Some("0"), "it is the label alone");
    // A program of the host's, which becomes it without a child.
    let show = ["cat", "/proc/self/attr/current"];
    let options = ["enter", "-t", &target, "-n", "--follow-context", "--strict"];
    assert_eq!(succeeds(nsx(options).args(show)), label);
    assert_eq!(succeeds(nsx(["enter", "-t", &target, "-n"]).args(show)), "unconfined\n");
    // The profile allows no mounts; root that is not under it makes them.
    let mount = ["mount", "-t", "tmpfs", "none", "/tmp"];
    let denied = output(nsx(["enter", "-t", &target, "-a", "-Z"]).args(mount));
    assert!(stderr(&denied).contains("Permission denied"), "{}", stderr(&denied));
    assert!(!denied.status.success(), "{}", denied.status);
    succeeds(nsx(["enter", "-t", &target, "-a"]).args(mount));
}

/// Asks for the number of its keyring, for which no capability is needed: the error's number, or 0.
const KEYRING: &str = "my $r = syscall($ARGV[0], 0, -3, 0); print $r == -1 ? $! + 0 : 0";

fn denied() {
    let container = Container::run(Engine::Docker, "filtered", &[], SLEEP);
    asleep(container.pid);
    let keyctl = libc::SYS_keyctl.to_string();
    let entered = |options: &[&str], program: &[&str]| {
        output(nsx(["enter", "-t", "filtered"]).args(options).args(program))
    };
    // Docker's filter is for those without CAP_SYS_ADMIN, who may make a user namespace else.
    let unshare = ["unshare", "-U", "true"];
    let docker = output(Engine::Docker.command().args(["exec", "filtered"]).args(unshare));
    assert_eq!(docker.status.code(), Some(1), "the reference");
    let refused = entered(&["--as-target", "--strict"], &unshare);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert_eq!(stderr(&refused), "unshare: unshare(0x10000000): Operation not permitted\n");
    assert_eq!(entered(&["-a"], &unshare).status.code(), Some(0));
    let perl = ["perl", "-e", KEYRING, &keyctl];
    let asked = entered(&["--as-target", "--strict", "--tools"], &perl);
    assert_eq!(stdout(&asked), libc::EPERM.to_string(), "{}", stderr(&asked));
    assert_eq!(stdout(&entered(&["--tools"], &perl)), "0");
    let whole = entered(&["--as-target", "--strict"], &["id", "-u"]);
    let said = (whole.status.code(), stdout(&whole), stderr(&whole));
    assert_eq!(said, (Some(0), "0\n".to_owned(), String::new()));
}

/// The binary where alice can run it.
fn for_alice() -> Command {
    let mut command = as_alice();
    command.arg(binary("nsx"));
    command
}

fn by_its_user() {
    let container = Container::run(Engine::Rootless, "her-own", &[], SLEEP);
    asleep(container.pid);
    let target = container.pid.to_string();
    let id = succeeds(for_alice().args(["enter", "-t", &target, "id", "-u"]));
    assert_eq!(id, "0\n");
    let mut command = for_alice();
    command.args(["enter", "-t", &target]);
    let (_nsx, program) = started(command);
    let program = below(program, "sleep");
    assert_same(program, container.pid, &["Uid", "Gid"]);
    // By name it is hers too, and nobody else's.
    assert_eq!(succeeds(for_alice().args(["enter", "-t", "her-own", "id", "-u"])), "0\n");
    let mut other = Command::new("setpriv");
    other.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(binary("nsx"));
    let refused = output(other.args(["enter", "-t", &target, "id"]));
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(125), ""));
    // Its group too, from a place that her manager has given her: nowhere else is it hers to leave.
    let joins = ["enter", "-t", &target, "-a", "-c", "cat", "/proc/self/cgroup"];
    let elsewhere = output(for_alice().args(joins));
    assert_eq!((elsewhere.status.code(), stdout(&elsewhere).as_str()), (Some(125), ""));
    let group = container.group();
    assert!(stderr(&elsewhere).contains(&group), "{}", stderr(&elsewhere));
    let mut hers = as_alice();
    hers.args(["systemd-run", "--user", "--quiet", "--wait", "--pipe", "--collect"]);
    // Seen from its cgroup namespace, whose first group that is.
    assert_eq!(succeeds(hers.arg(binary("nsx")).args(joins)), "0::/\n");
}

/// The process of that name that a process has started, at any depth.
fn below(pid: u32, name: &str) -> u32 {
    let mut found = None;
    until("it runs", || {
        let mut at = Some(pid);
        while let Some(pid) = at {
            if status(pid, "Name").as_deref() == Some(name) {
                found = Some(pid);
                return true;
            }
            at = child_of(pid);
        }
        false
    });
    found.expect("it was found")
}

fn sandbox() {
    let mut bwrap = as_alice();
    bwrap.args(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "--uid", "1234", "--gid", "1234"]);
    bwrap.args(["--proc", "/proc", "--dev", "/dev", "sleep", "1000"]).stdin(Stdio::null());
    let held = Held(bwrap.spawn().expect("it starts"));
    let target = below(held.pid(), "sleep");
    let line = ["enter", "-t", &target.to_string(), "readlink"];
    let mut command = for_alice();
    let links = KINDS.map(|kind| format!("/proc/self/ns/{kind}"));
    let shown = output(command.args(line).args(&links));
    let expected = KINDS.map(|kind| namespace(target, kind)).join("\n");
    assert_eq!(stdout(&shown).trim_end(), expected, "{}", stderr(&shown));
}

fn paused() {
    let container = Container::run(Engine::Docker, "held-still", &[], SLEEP);
    asleep(container.pid);
    succeeds(Engine::Docker.command().args(["pause", "held-still"]));
    let target = container.pid.to_string();
    let refused = output(nsx(["enter", "-t", &target, "-c", "-a"]).args(["echo", "RAN"]));
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(125), ""));
    assert!(stderr(&refused).contains("--allow-frozen"), "{}", stderr(&refused));
    // Without its group one may look around.
    let looked = output(nsx(["enter", "-t", &target, "-a"]).args(["echo", "RAN"]));
    assert_eq!(stdout(&looked), "RAN\n", "{}", stderr(&looked));
    let mut allowed = nsx(["enter", "-t", &target, "-a", "-c", "--allow-frozen"]);
    let waits = Held(allowed.args(["sleep", "0"]).stdin(Stdio::null()).spawn().expect("it starts"));
    let ended = pidfd(waits.pid()).expect("it is there");
    assert!(!ends_within(&ended, std::time::Duration::from_millis(500)), "it stands still");
    succeeds(Engine::Docker.command().args(["unpause", "held-still"]));
    assert!(ends_within(&ended, PATIENCE));
}
