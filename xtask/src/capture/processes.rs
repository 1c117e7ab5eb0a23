//! Which processes are worth keeping, and what is kept of each.

use super::store::{self, Store};
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const NAMESPACES: [&str; 9] =
    ["cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "user", "uts"];

/// Of every process. Never `environ`.
const FILES: [&str; 4] = ["stat", "status", "cgroup", "comm"];

/// Of one that does not share all of the first process's namespaces.
const FILES_OF_ISOLATED: [&str; 7] =
    ["mountinfo", "uid_map", "gid_map", "setgroups", "net/dev", "net/fib_trie", "net/if_inet6"];

/// A longer command line is cut.
const COMMAND: usize = 4096;

/// How the programs begin that make containers and look after them. The kernel keeps 15 bytes.
const RUNTIMES: [&str; 24] = [
    "aardvark-dns",
    "bwrap",
    "catatonit",
    "conmon",
    "containerd",
    "crio",
    "crun",
    "docker",
    "fuse-overlayfs",
    "incus",
    "kubelet",
    "lxc",
    "lxd",
    "netavark",
    "nsx",
    "pasta",
    "podman",
    "rootless",
    "runc",
    "runsc",
    "slirp4netns",
    "snap",
    "systemd-machine",
    "systemd-nspawn",
];

#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) cgroup: Vec<u8>,
    parent: u32,
    kernel_thread: bool,
    /// One of [`RUNTIMES`], or the capture itself.
    of_runtime: bool,
    /// Namespaces other than the first process's.
    isolated: bool,
    /// Chosen for what it is, not because everything is.
    telling: bool,
}

/// By number.
pub(super) fn all() -> Vec<Process> {
    let first = namespaces(1);
    let numbers = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let numbers: BTreeSet<u32> = numbers.collect();
    numbers.into_iter().filter_map(|pid| look(pid, &first)).collect()
}

fn look(pid: u32, first: &[Option<PathBuf>]) -> Option<Process> {
    let stat = store::read(&file(pid, "stat"))?;
    let stat = String::from_utf8_lossy(&stat);
    // The name may hold anything, the last bracket ends it.
    let (before, after) = stat.rsplit_once(')')?;
    let comm = before.split_once('(')?.1;
    let parent = after.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let of_runtime = RUNTIMES.iter().any(|name| comm.starts_with(name))
        || pid == std::process::id()
        || comm.starts_with("[lxc");
    let kernel_thread = pid == 2 || parent == 2;
    Some(Process {
        pid,
        cgroup: store::read(&file(pid, "cgroup"))?,
        parent,
        kernel_thread,
        of_runtime,
        isolated: !kernel_thread && namespaces(pid) != first,
        telling: false,
    })
}

/// The texts of the links, without `pid_for_children`.
fn namespaces(pid: u32) -> Vec<Option<PathBuf>> {
    let kinds = NAMESPACES.iter().filter(|kind| **kind != "pid_for_children");
    kinds.map(|kind| std::fs::read_link(file(pid, &format!("ns/{kind}"))).ok()).collect()
}

/// The first two, whatever is isolated or a runtime's, and the ancestors of these; or everything.
pub(super) fn choose(processes: Vec<Process>, all: bool) -> Vec<Process> {
    let mut telling = BTreeSet::from([1, 2]);
    for process in processes.iter().filter(|process| process.isolated || process.of_runtime) {
        let mut pid = process.pid;
        while pid != 0 && telling.insert(pid) {
            let parent = processes.iter().find(|other| other.pid == pid);
            pid = parent.map_or(0, |process| process.parent);
        }
    }
    let chosen = processes.into_iter().filter(|process| all || telling.contains(&process.pid));
    let mark = |process: Process| Process { telling: telling.contains(&process.pid), ..process };
    chosen.map(mark).collect()
}

pub(super) fn save(process: &Process, store: &mut Store) -> Result<()> {
    let at = |name: &str| file(process.pid, name);
    // All of it or nothing: the process may be gone by now.
    let files = FILES.map(|name| Some((at(name), store::read(&at(name))?)));
    let Some(files) = files.into_iter().collect::<Option<Vec<_>>>() else {
        return Ok(());
    };
    for (path, bytes) in files {
        store.write(&path, &bytes)?;
    }
    for kind in NAMESPACES {
        let path = at(&format!("ns/{kind}"));
        if let Ok(text) = std::fs::read_link(&path) {
            store.link(&path, &text)?;
        }
    }
    for name in ["cwd", "exe", "root"] {
        // A link to the root of the machine would lead readers of the fixture out of it.
        match std::fs::read_link(at(name)) {
            Ok(text) if text != Path::new("/") => store.link(&at(name), &text)?,
            _ => {}
        }
    }
    if let Some(bytes) = store::read(&at("cmdline")) {
        store.write(&at("cmdline"), command(&bytes, process.telling))?;
    }
    let own = process.pid == std::process::id();
    if process.isolated || own || process.pid == 1 {
        for name in FILES_OF_ISOLATED {
            store.copy(&at(name))?;
        }
    }
    Ok(())
}

/// Arguments may hold secrets: of a process that nothing is learnt from only the program is kept.
fn command(bytes: &[u8], telling: bool) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0).map_or(bytes.len(), |nul| nul + 1);
    let most = if telling { COMMAND } else { end };
    bytes.get(..most).unwrap_or(bytes)
}

fn file(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

impl Process {
    pub(super) fn is_kernel_thread(&self) -> bool {
        self.kernel_thread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, isolated: bool, of_runtime: bool) -> Process {
        let (kernel_thread, telling) = (false, false);
        Process { pid, cgroup: Vec::new(), parent, kernel_thread, of_runtime, isolated, telling }
    }

    #[test]
    fn containers_and_runtimes_come_with_their_ancestors() {
        let host = || {
            vec![
                process(1, 0, false, false),
                process(2, 0, false, false),
                process(10, 1, false, false),
                process(20, 1, false, true),
                process(30, 10, true, false),
                process(40, 1, false, false),
            ]
        };
        let pids = |all| choose(host(), all).iter().map(|one| one.pid).collect::<Vec<_>>();
        assert_eq!(pids(false), [1, 2, 10, 20, 30]);
        assert_eq!(pids(true), [1, 2, 10, 20, 30, 40]);
        let chosen = choose(host(), true);
        let telling = |pid| chosen.iter().any(|one| one.pid == pid && one.telling);
        assert!(telling(10) && !telling(40));
    }

    #[test]
    fn arguments_of_the_others_are_not_kept() {
        assert_eq!(command(b"sh\0-c\0secret\0", false), b"sh\0");
        assert_eq!(command(b"sh\0-c\0x\0", true), b"sh\0-c\0x\0");
        assert_eq!(command(&[b'a'; 5000], true).len(), COMMAND);
        assert_eq!(command(b"", false), b"");
    }
}
