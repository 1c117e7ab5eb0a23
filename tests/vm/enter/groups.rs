//! Groups of v2 in which a program may or may not be, in a service to which they are delegated.

use super::{SLEEP, read};
use crate::containers::Service;
use crate::host::INSIDE;
use crate::support::{
    Held, asleep, binary, finish, nsx, status, stderr, stdout, succeeds, test, until,
};
use crate::truth::group_of;
use libtest_mimic::Trial;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub fn tests() -> Vec<Trial> {
    vec![
        test("enter, a service: its group of threads, and one with controllers", INSIDE, threaded),
        test("enter, a service: one that moved and leaves its group to others", INSIDE, moved),
        test("enter, a process in the first group of all", INSIDE, first),
    ]
}

struct Delegated {
    service: Service,
    group: PathBuf,
}

impl Delegated {
    fn run(name: &str) -> Self {
        let service = Service::run(name, &["--property=Delegate=yes"], SLEEP);
        asleep(service.pid);
        let group = PathBuf::from(format!("/sys/fs/cgroup{}", group_of(service.pid)));
        Self { service, group }
    }

    fn pid(&self) -> String {
        self.service.pid.to_string()
    }

    fn set(&self, file: &str, value: &str) {
        std::fs::write(self.group.join(file), value).unwrap_or_else(|error| {
            panic!("{value} to {file}: {error}");
        });
    }

    /// The groups in it that nsx has made.
    fn ours(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.group).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("nsx-")).collect()
    }

    fn joins(&self) {
        let target = self.pid();
        let show = ["enter", "-t", &target, "-c", "--strict", "cat", "/proc/self/cgroup"];
        assert_eq!(succeeds(&mut nsx(show)), read(self.service.pid, "cgroup"));
        assert_eq!(self.ours(), [""; 0]);
    }
}

/// Where there are threads in groups of their own, processes may be beside controllers.
fn threaded() {
    let delegated = Delegated::run("nsx-vm-threads");
    std::fs::create_dir(delegated.group.join("threads")).unwrap();
    delegated.set("threads/cgroup.type", "threaded");
    delegated.set("threads/cgroup.procs", &delegated.pid());
    delegated.joins();
    delegated.set("cgroup.subtree_control", "+pids");
    delegated.joins();
    delegated.set("cgroup.procs", &delegated.pid());
    delegated.joins();
}

/// As systemd does when it starts in a container: after nsx has seen where it is, it goes to a group
/// below and hands controllers down in the one that it left, which then takes no processes.
fn moved() {
    let delegated = Delegated::run("nsx-vm-moved");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-P", "self/cgroup"]);
    strace.args(["-e", "inject=openat,openat2:delay_enter=5000000"]).arg(binary("nsx"));
    strace.args(["enter", "-t", &delegated.pid(), "-c", "cat", "/proc/self/cgroup"]);
    strace.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let strace = strace.spawn().unwrap();
    until("nsx has seen where the target is", || {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", strace.id()));
        let children = children.unwrap_or_default();
        let mut children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        children.any(opens_its_own)
    });
    std::fs::create_dir(delegated.group.join("init.scope")).unwrap();
    delegated.set("init.scope/cgroup.procs", &delegated.pid());
    delegated.set("cgroup.subtree_control", "+memory");
    let shown = finish(strace);
    let group = delegated.group.strip_prefix("/sys/fs/cgroup").unwrap().display();
    let beside = format!("0::/{group}/nsx-");
    assert!(stdout(&shown).starts_with(&beside), "{}{}", stdout(&shown), stderr(&shown));
    assert_eq!(delegated.ours(), [""; 0]);
    delegated.joins();
}

/// Whether it stands in a call that opens `self/cgroup`.
fn opens_its_own(pid: u32) -> bool {
    let call = read(pid, "syscall");
    let mut words = call.split(' ');
    let number = words.next().and_then(|word| word.parse().ok());
    if !number.is_some_and(|number| [libc::SYS_openat, libc::SYS_openat2].contains(&number)) {
        return false;
    }
    let pointer = words.nth(1).and_then(|word| word.strip_prefix("0x"));
    let pointer = pointer.and_then(|word| u64::from_str_radix(word, 16).ok());
    let Ok(mut memory) = std::fs::File::open(format!("/proc/{pid}/mem")) else { return false };
    let mut path = [0; 12];
    pointer.is_some_and(|pointer| memory.seek(SeekFrom::Start(pointer)).is_ok())
        && memory.read_exact(&mut path).is_ok()
        && path == *b"self/cgroup\0"
}

/// It has no limits, no events, and controllers that it hands down to systemd's groups.
fn first() {
    let process = Held(Command::new("sleep").arg("1000").spawn().unwrap());
    asleep(process.pid());
    std::fs::write("/sys/fs/cgroup/cgroup.procs", process.pid().to_string()).unwrap();
    let target = process.pid().to_string();
    let mut command = nsx(["enter", "-t", &target, "--as-target", "--strict"]);
    assert_eq!(succeeds(command.args(["cat", "/proc/self/cgroup"])), "0::/\n");
    assert_eq!(status(process.pid(), "State").map(|state| state.starts_with('S')), Some(true));
}
