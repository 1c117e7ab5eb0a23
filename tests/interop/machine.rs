//! A machine within the machine: new pid, mount, network, UTS and IPC namespaces, so that what a
//! suite does to "the host" ends with it.
//!
//! PID 1 of the machine is a shell that waits for the end of its standard input. When the guard is
//! dropped, or the test process dies in any way, it ends, and the kernel kills whatever else runs
//! there, stopped or not, and takes its mounts and interfaces with it. Control groups are the one
//! thing that lies outside; the guard removes those. It must not be given work outside the machine.

use crate::support::{self, Held};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// /run is private, for engines' state. It also holds everything that the suite itself writes.
const INIT: &str = "set -e
mount -t tmpfs -o mode=755 nsx-interop /run
mkdir /run/lock
ip link set lo up
hostname machine
echo ready
cat >/dev/null
exit 0";

/// Groups that were there before the first machine.
static GROUPS_BEFORE: OnceLock<BTreeSet<PathBuf>> = OnceLock::new();

#[derive(Debug)]
pub struct Machine {
    unshare: Held,
    /// The pid of its PID 1, as the suite sees it.
    init: u32,
}

impl Machine {
    pub fn start() -> Self {
        GROUPS_BEFORE.get_or_init(|| {
            let tops = hierarchies();
            tops.iter().flat_map(|top| below(top, 1)).chain(tops.clone()).collect()
        });
        let mut command = Command::new("unshare");
        command
            .args(["--pid", "--mount", "--net", "--uts", "--ipc"])
            .args(["--fork", "--kill-child", "--mount-proc", "sh", "-c", INIT])
            .stdin(Stdio::piped());
        let (unshare, line) = Held::ready(&mut command);
        assert_eq!(line, "ready", "the machine has started");
        let init = *children(unshare.pid()).first().expect("unshare has forked");
        Self { unshare, init }
    }

    /// A command that runs in the machine, in its root directory.
    pub fn command<S: AsRef<OsStr>>(&self, program: S) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.init.to_string()])
            .args(["--pid", "--mount", "--net", "--uts", "--ipc", "--"])
            .arg(program);
        command
    }

    /// nsx on the machine; to it, the machine is the host.
    pub fn nsx(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(support::binary("nsx"));
        command.args(arguments);
        command
    }

    /// A file of the machine, readable from the outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.init))
    }

    /// Ends everything in it. Returns what could not be removed.
    pub fn end(&mut self) -> Vec<String> {
        let network = namespace(self.init, "net");
        // Its number is nobody else's while it is held.
        let _network = std::fs::File::open(format!("/proc/{}/ns/net", self.init));
        let groups = self.groups();
        // A frozen process of cgroup v1 does not even die.
        for group in &groups {
            let _ = std::fs::write(group.join("freezer.state"), "THAWED");
        }
        drop(self.unshare.0.stdin.take());
        // unshare returns when the last process of the pid namespace has been reaped.
        let ended = eventually(|| matches!(self.unshare.0.try_wait(), Ok(Some(_))));
        for group in &groups {
            remove(group);
        }
        let groups = groups.iter().filter(|group| group.exists());
        let mut left: Vec<String> = groups.map(|group| group.display().to_string()).collect();
        if !ended {
            left.push("the machine itself".to_owned());
        }
        let links =
            processes().filter(|pid| network.is_some() && namespace(*pid, "net") == network);
        left.extend(links.map(|pid| format!("pid {pid} in the machine's network")));
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("own mounts");
        left.extend(mounts.lines().filter(|line| line.contains("nsx-interop")).map(str::to_owned));
        left
    }

    /// The control groups of the machine's processes that are not the suite's own.
    fn groups(&self) -> BTreeSet<PathBuf> {
        let Ok(list) = std::fs::read_dir(self.path("/proc")) else { return BTreeSet::new() };
        let paths = |file: PathBuf| -> Vec<String> {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let path = |line: &str| line.splitn(3, ':').nth(2).map(str::to_owned);
            text.lines().filter_map(path).collect()
        };
        let own = paths("/proc/self/cgroup".into());
        let found: BTreeSet<String> = list
            .flatten()
            .flat_map(|entry| paths(entry.path().join("cgroup")))
            .filter(|path| path != "/" && !own.contains(path))
            .collect();
        let all = hierarchies();
        let groups = found
            .iter()
            .flat_map(|path| all.iter().map(move |top| top.join(path.trim_start_matches('/'))));
        groups.filter(|group| group.is_dir()).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.unshare.0.stdin.is_none() {
            return;
        }
        let left = self.end();
        assert!(left.is_empty() || std::thread::panicking(), "left behind: {left:?}");
    }
}

/// Removes a group and the ancestors that only came with it. The kernel refuses what is in
/// use, so another engine's groups are safe.
fn remove(group: &Path) {
    for directory in below(group, 8).into_iter().rev().chain([group.to_owned()]) {
        let gone = || std::fs::remove_dir(&directory).is_ok() || !directory.exists();
        eventually(gone);
    }
    let before = GROUPS_BEFORE.get().expect("set at the start");
    let ancestors = group.ancestors().skip(1);
    for ancestor in ancestors.take_while(|one| !before.contains(*one)) {
        if std::fs::remove_dir(ancestor).is_err() {
            break;
        }
    }
}

/// Tries until it is so, for a minute at most; for what the kernel gives no event.
pub fn eventually(mut so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !so() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Mount points of control group hierarchies, v1 and v2.
pub fn hierarchies() -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("own mounts");
    let is_group = |line: &&str| line.contains(" - cgroup ") || line.contains(" - cgroup2 ");
    let mounts = mounts.lines().filter(is_group);
    mounts.filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from).collect()
}

/// Directories below, parents first, down to a depth.
pub fn below(directory: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(list) = std::fs::read_dir(directory) else { return found };
    for entry in list.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        found.push(entry.path());
        if depth > 1 {
            found.extend(below(&entry.path(), depth - 1));
        }
    }
    found
}

fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    list.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn namespace(pid: u32, kind: &str) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()
}

fn processes() -> impl Iterator<Item = u32> {
    let list = std::fs::read_dir("/proc").expect("/proc is there").flatten();
    list.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
