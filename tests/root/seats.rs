//! `enter --join-cgroup`: the program is in the target's control groups, nsx is not.

use crate::enter::entered;
use crate::support::{
    Held, Need, PATIENCE, ends_within, isolated, nsx, output, pidfd, sleeper_of, stderr, stdout,
    test, until,
};
use libtest_mimic::Trial;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const GROUPS: &[Need] = &[
    Need::Root,
    Need::Machine("a v2 hierarchy in which groups can be made", || hierarchy("cgroup2").is_some()),
];
const FREEZER: &[Need] = &[
    Need::Root,
    Need::Machine("a v1 freezer in which groups can be made", || hierarchy("freezer").is_some()),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a program is put into every group of the target, and nsx stays", GROUPS, entering),
        test("a frozen group is not entered unless that is wanted", GROUPS, frozen),
        test("a group that v1 has frozen is not entered either", FREEZER, frozen_by_v1),
        test("a spawned program that v1 has frozen is over in time", FREEZER, left_frozen),
        test("without --join-cgroup the program stays in our groups", GROUPS, staying),
    ]
}

/// Our own group in a hierarchy, by its controller or `cgroup2`.
fn hierarchy(name: &str) -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let point = mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let is_it = match name {
            "cgroup2" => kind.starts_with("cgroup2 "),
            _ => kind.starts_with("cgroup ") && kind.split([' ', ',']).any(|word| word == name),
        };
        let mut fields = mount.split(' ').skip(3);
        (is_it && fields.next() == Some("/")).then(|| fields.next()).flatten()
    })?;
    let lines = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = lines.lines().find_map(|line| match name {
        "cgroup2" => line.strip_prefix("0::"),
        _ => line.split_once(&format!(":{name}:")).map(|(_, path)| path),
    })?;
    let own = Path::new(point).join(path.trim_start_matches('/'));
    own.join("cgroup.procs").exists().then_some(own)
}

/// A group of the test's, removed once whoever was in it has ended.
struct Group(PathBuf);

impl Group {
    fn make(hierarchy_of: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("nsx-test-{}-{number}", std::process::id());
        let group = hierarchy(hierarchy_of).unwrap().join(name);
        std::fs::create_dir(&group).unwrap();
        Self(group)
    }

    fn add(&self, pid: u32) {
        self.set("cgroup.procs", &pid.to_string());
    }

    fn set(&self, file: &str, value: &str) {
        std::fs::write(self.0.join(file), value).unwrap();
    }

    fn says(&self, file: &str, word: &str) -> bool {
        std::fs::read_to_string(self.0.join(file)).unwrap().contains(word)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for (file, thawed) in [("cgroup.freeze", "0"), ("freezer.state", "THAWED")] {
            if self.0.join(file).exists() {
                let _ = std::fs::write(self.0.join(file), thawed);
            }
        }
        let end = Instant::now() + PATIENCE;
        while std::fs::remove_dir(&self.0).is_err() {
            if Instant::now() > end {
                assert!(std::thread::panicking(), "{} stays", self.0.display());
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn groups_of(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap()
}

fn entering() {
    let groups: Vec<Group> = ["cgroup2", "freezer", "pids", "name=systemd"]
        .into_iter()
        .filter(|name| hierarchy(name).is_some())
        .map(Group::make)
        .collect();
    for isolation in [&["-n"][..], &["-p", "-m"], &["-U", "-p"], &["-C", "-m", "-p"]] {
        let (_held, target) = isolated(isolation);
        for group in &groups {
            group.add(target);
        }
        for options in [&["-c"][..], &["--as-target"], &["-c", "--timeout", "1000s"]] {
            let (held, program) = entered(target, options);
            let what = format!("{isolation:?} {options:?}");
            assert_eq!(groups_of(program), groups_of(target), "{what}");
            if held.pid() != program {
                assert_eq!(groups_of(held.pid()), groups_of(std::process::id()), "{what}");
            }
        }
    }
}

fn staying() {
    let group = Group::make("cgroup2");
    let (_held, target) = isolated(&["-n", "-p"]);
    group.add(target);
    let (_nsx, program) = entered(target, &["-a"]);
    assert_eq!(groups_of(program), groups_of(std::process::id()));
}

fn refused(target: u32) {
    let mut command = nsx(["enter", "-t", &target.to_string(), "-n", "-c", "echo", "RAN"]);
    let output = output(&mut command);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    let said = stderr(&output);
    assert!(said.contains("is frozen") && said.contains("--allow-frozen"), "{said}");
}

/// Enters all the same; the program runs once the group is thawed.
fn enters_and_waits(target: u32, thaw: impl FnOnce(), is_in_there: impl Fn() -> bool) {
    let mut command = nsx(["enter", "-t", &target.to_string(), "-n", "-c", "--allow-frozen"]);
    command.args(["--init", "echo", "RAN"]);
    command.stdout(std::process::Stdio::piped()).stdin(std::process::Stdio::null());
    let child = command.spawn().unwrap();
    until("it is in there", is_in_there);
    thaw();
    assert_eq!(stdout(&crate::support::finish(child)), "RAN\n");
}

fn frozen() {
    let above = Group::make("cgroup2");
    let below = Group(above.0.join("below"));
    std::fs::create_dir(&below.0).unwrap();
    let (_held, target) = isolated(&["-n"]);
    below.add(target);
    for group in [&below, &above] {
        group.set("cgroup.freeze", "1");
        until("it is frozen", || below.says("cgroup.events", "frozen 1"));
        refused(target);
        let two = || std::fs::read_to_string(below.0.join("cgroup.procs")).unwrap().lines().count();
        enters_and_waits(target, || group.set("cgroup.freeze", "0"), || two() == 2);
    }
}

fn frozen_by_v1() {
    let group = Group::make("freezer");
    let (_held, target) = isolated(&["-n"]);
    group.add(target);
    group.set("freezer.state", "FROZEN");
    until("it is frozen", || group.says("freezer.state", "FROZEN"));
    refused(target);
    let two = || std::fs::read_to_string(group.0.join("cgroup.procs")).unwrap().lines().count();
    enters_and_waits(target, || group.set("freezer.state", "THAWED"), || two() == 2);
    // What is frozen so hears no SIGKILL either: it is not waited for.
    group.set("freezer.state", "FROZEN");
    until("it is frozen", || group.says("freezer.state", "FROZEN"));
    let mut command = nsx(["enter", "-t", &target.to_string(), "-n", "-c", "--allow-frozen"]);
    // It has our standard output and error all the same.
    command.args(["--timeout", "100ms", "echo", "RAN"]).stdin(std::process::Stdio::null());
    let mut held = Held(command.stdout(std::process::Stdio::null()).spawn().unwrap());
    let over = ends_within(&pidfd(held.pid()).unwrap(), PATIENCE);
    group.set("freezer.state", "THAWED");
    assert!(over);
    assert_eq!(held.0.wait().unwrap().code(), Some(124));
}

/// Nobody can end it then: its end is told all the same, and what is left goes when it does.
fn left_frozen() {
    let group = Group::make("freezer");
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut command = nsx(["spawn", "-p", "--memory", "64M", "--status-fd", "0"]);
    command.args(["--timeout", "10s", "--kill-after", "100ms", "sleep", "1000"]);
    let mut held = Held(command.stdin(writer).stderr(Stdio::piped()).spawn().unwrap());
    drop(command);
    group.add(sleeper_of(held.pid()));
    group.set("freezer.state", "FROZEN");
    until("it is frozen", || group.says("freezer.state", "FROZEN"));
    let over = ends_within(&pidfd(held.pid()).unwrap(), PATIENCE);
    let left = crate::groups::groups_of(held.pid());
    group.set("freezer.state", "THAWED");
    assert!(over && !left.is_empty());
    assert_eq!(held.0.wait().unwrap().code(), Some(124));
    until("nothing is left", || crate::groups::groups_of(held.pid()).is_empty());
    let (mut said, mut told) = (String::new(), String::new());
    held.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("note: cannot end all processes of"), "{said}");
    std::fs::File::from(reader).read_to_string(&mut told).unwrap();
    assert!(told.contains(r#""event":"exited""#) && told.contains(r#""timed_out":true"#), "{told}");
}
