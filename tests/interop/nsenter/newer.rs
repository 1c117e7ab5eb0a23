//! Options that nsenter has had since 2.39 to 2.42, as 2.42 does them.

use super::messages::says;
use super::probe::{self, Seen, Setting};
use super::scene::Scene;
use crate::support::{kernel, namespace, until};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

/// What the probe finds that nsx starts; with a newer nsenter it finds the same.
fn ours(scene: &Scene, line: &str) -> Seen {
    let seen = ours_alone(scene, line);
    if let Some(mut newer) = Scene::newer() {
        let theirs = probe::run(newer.args(scene.words(line)), &Setting::default());
        let differing = probe::differing(&theirs, &seen);
        assert!(differing.is_empty(), "nsenter {line}\n  {}", differing.join("\n  "));
    }
    seen
}

pub fn ours_alone(scene: &Scene, line: &str) -> Seen {
    let seen = probe::run(scene.ours().args(scene.words(line)), &Setting::default());
    assert_eq!((seen.code, seen.stderr.as_str()), (Some(7), ""), "nsenter {line}");
    seen
}

pub fn options() {
    let scene = Scene::start();
    let of = |name: &str, kind: &str| namespace(scene.pid(name), kind);
    // A sign of equality before a file is none of it.
    for line in ["-n=/proc/%all/ns/net", "-t %self -n=/proc/%all/ns/net -u"] {
        assert_eq!(ours(&scene, line).field("ns net"), of("all", "net"), "{line}");
    }
    for line in ["-t %all -n -w=/usr/bin", "-t %all -n -W=/usr/bin"] {
        assert_eq!(ours(&scene, line).field("cwd"), "/usr/bin", "{line}");
    }
    let follow = |line: &str| {
        let seen = ours(&scene, line);
        let id = |name| seen.field(name).split_whitespace().next().unwrap_or_default().to_owned();
        (id("Uid"), id("Gid"), seen.field("Groups").trim().to_owned())
    };
    let expected = ("33".to_owned(), "34".to_owned(), String::new());
    assert_eq!(follow("-t %dressed -n -S follow -G follow"), expected);
    assert_eq!(follow("-t %dressed -n -Sfollow --setgid=follow"), expected);
    assert_eq!(follow("-t %user -U -S follow").0, "0");
    // The environment that the target was started with, but for what would say which program of the
    // host runs.
    let but_path = |environment: &str| -> Vec<String> {
        let lines = environment.lines().filter(|line| !line.trim_start().starts_with("PATH="));
        lines.map(str::to_owned).collect()
    };
    let started_with = probe::environment(scene.pid("dressed"));
    assert!(started_with.contains("\nODD=a=b\n"), "{started_with}");
    for line in ["-t %dressed -n -e", "-t %dressed --env -n"] {
        let seen = ours(&scene, line);
        assert_eq!(but_path(seen.field("environ")), but_path(&started_with), "{line}");
    }
    // Rights in the user namespace outlive the change to an ordinary user.
    let kept = ours_alone(&scene, "-t %user -U -S 33 -G 33 --keep-caps");
    assert_eq!(kept.field("CapEff"), kept.field("CapBnd"));
    assert_eq!(kept.field("CapAmb"), kept.field("CapBnd"));
    assert_eq!(ours(&scene, "-t %all -n -S 33 --keep-caps").field("CapEff").trim_matches('0'), "");
    // A process by its inode.
    if kernel::since(6, 9) {
        let inode = inode(scene.pid("all"));
        let line = format!("-t %all:{inode} -n");
        assert_eq!(ours(&scene, &line).field("ns net"), of("all", "net"));
    }
    parent(&scene);
    number(&scene);
    socket(&scene);
}

/// A namespace by the number that is never given twice (Linux 6.18).
fn number(scene: &Scene) {
    let of = format!("/proc/{}/ns/net", scene.pid("all"));
    let file = std::fs::File::open(of).expect("it runs");
    let Some(id) = nsx::sys::nsfs::id_of(file.as_fd()) else { return };
    for line in [format!("-n:{id}"), format!("-n=:{id}"), format!("--net=:{id}")] {
        let joined = ours_alone(scene, &line);
        assert_eq!(joined.field("ns net"), namespace(scene.pid("all"), "net"), "{line}");
    }
}

/// The network namespace of a socket of this process, which is in another.
fn socket(scene: &Scene) {
    let made = std::thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root may");
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
        (socket, std::fs::read_link("/proc/thread-self/ns/net").expect("its namespace"))
    });
    let (socket, namespace) = made.join().expect("it was made");
    let number = socket.as_raw_fd();
    for line in [format!("-t %self -N {number}"), format!("--net-so={number} -t %self")] {
        assert_eq!(ours(scene, &line).field("ns net"), namespace.to_str().unwrap(), "{line}");
    }
}

fn inode(pid: u32) -> u64 {
    rustix::fs::fstat(crate::support::pidfd(pid).expect("it runs")).expect("a pidfd").st_ino
}

/// The user namespace above the target's, which is ours: nothing is left to join but the rest.
fn parent(scene: &Scene) {
    let seen = ours_alone(scene, "-t %user --user-parent -n");
    assert_eq!(seen.field("ns user"), namespace("self", "user"));
    assert_eq!(seen.field("ns net"), namespace(scene.pid("user"), "net"));
}

/// A group of the test's in the v2 hierarchy, removed once whoever was in it has ended.
struct Group(PathBuf);

impl Group {
    fn make() -> Self {
        let name = format!("nsx-nsenter-{}", std::process::id());
        let group = Self(hierarchy().expect("it is needed").join(name));
        std::fs::create_dir(&group.0).expect("a group");
        group
    }
}

/// Our own group; `None` on a machine where none can be made in it.
pub fn hierarchy() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let is_it = |line: &&str| line.contains(" / ") && line.contains(" - cgroup2 ");
    let top = Path::new(mounts.lines().find(is_it)?.split(' ').nth(4)?);
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = top.join(own.lines().find_map(|line| line.strip_prefix("0::/"))?);
    own.join("cgroup.procs").exists().then_some(own)
}

impl Drop for Group {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            until("the group is empty", || std::fs::remove_dir(&self.0).is_ok());
        }
    }
}

pub fn groups() {
    let group = Group::make();
    let scene = Scene::start();
    let target = scene.pid("all");
    std::fs::write(group.0.join("cgroup.procs"), target.to_string()).expect("it is moved");
    let of_target = std::fs::read_to_string(format!("/proc/{target}/cgroup")).expect("it runs");
    for line in ["-t %all -c -n", "-t %all --join-cgroup -C -m -p", "-ct %all -a", "-t %all -cn"] {
        let seen = ours_alone(&scene, line);
        assert_eq!(seen.field("cgroup"), of_target, "{line}");
        // Standard input is the caller's, and no descriptor is left.
        assert_eq!(seen.field("inside input"), "input=a word", "{line}");
        assert_eq!(seen.field("descriptors"), "0 1 2", "{line}");
    }
    assert_ne!(ours(&scene, "-t %all -n").field("cgroup"), of_target);
}

pub fn mistakes() {
    let scene = Scene::start();
    let inode = inode(scene.pid("all"));
    let another = format!("-t %all:{} -n true", inode + 1);
    let pid = scene.pid("all");
    let message = if kernel::since(6, 9) {
        format!("failed to obtain a valid file descriptor for PID {pid}: No such process")
    } else {
        "this kernel gives processes no inode, so that PID:INODE cannot be checked".to_owned()
    };
    says(&scene, &another, &message);
    says(&scene, "-N x true", "failed to parse file descriptor: 'x'");
    says(&scene, "-t %all -n:x true", "failed to parse nsid: x");
    says(&scene, "-N 0 true", "no target PID specified");
    says(&scene, "--user-parent true", "no target PID specified");
}
