//! A host with one container.

use super::*;
use crate::collect::containers::{Extent, collect_and_look, collect_containers};
use std::fmt::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        host.process(1, 100, "/init.scope");
        host.process(20, 200, &format!("/docker/{ID}"));
        host
    }

    fn proc(&self) -> std::path::PathBuf {
        self.0.path().join("proc")
    }

    /// Its namespaces have inodes from `namespaces` on.
    fn process(&self, pid: u32, namespaces: u64, group: &str) {
        let dir = self.proc().join(pid.to_string());
        namespaces_at(&dir, namespaces);
        self.stat(pid, 'S');
        std::fs::write(dir.join("cgroup"), format!("0::{group}\n")).unwrap();
    }

    fn stat(&self, pid: u32, state: char) {
        let stat = format!("{pid} (x) {state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 200 0 0\n");
        std::fs::write(self.proc().join(format!("{pid}/stat")), stat).unwrap();
    }

    fn addresses(&self) -> (Vec<String>, Vec<Gap>) {
        let root = SysRoot::fixture(self.0.path()).unwrap();
        let mut all = collect_containers(&root).unwrap();
        let gaps = add_details(&root, &Clock::read(&root), &mut all.list, &mut Ahead::default());
        let [container] = &all.list[..] else { panic!("{:?}", all.list) };
        let addresses = container.addresses.iter().map(ToString::to_string).collect();
        let noted = root.reach().gaps().into_iter().filter(|gap| gap.what == WHAT);
        (addresses, noted.chain(gaps).collect())
    }
}

fn namespaces_at(dir: &Path, first: u64) {
    std::fs::create_dir_all(dir.join("ns")).unwrap();
    for (kind, inode) in Kind::ALL.into_iter().zip(first..) {
        symlink(format!("{kind}:[{inode}]"), dir.join("ns").join(kind.name())).unwrap();
    }
}

/// Of a process or a thread; so many addresses.
fn table(dir: &Path, count: u16) {
    let mut trie = String::new();
    for [high, low] in (0..count).map(u16::to_be_bytes) {
        let _ = writeln!(trie, "     |-- 10.0.{high}.{low}\n        /32 host LOCAL");
    }
    std::fs::create_dir_all(dir.join("net")).unwrap();
    std::fs::write(dir.join("net/fib_trie"), trie).unwrap();
    std::fs::write(dir.join("net/if_inet6"), "").unwrap();
}

#[test]
fn addresses_beyond_the_bound_are_said_to_be_missing() {
    let host = Host::new();
    table(&host.proc().join("20"), 2);
    let two = ["10.0.0.0", "10.0.0.1"].map(str::to_owned);
    assert_eq!(host.addresses(), (two.to_vec(), Vec::new()));
    table(&host.proc().join("20"), 40_000);
    let (addresses, gaps) = host.addresses();
    assert!((10_000..40_000).contains(&addresses.len()), "{}", addresses.len());
    let gap = Gap { object: "pid 20".into(), what: WHAT, reason: Reason::Truncated };
    assert_eq!(gaps, [gap]);
}

#[test]
fn an_init_whose_first_thread_has_ended_has_the_addresses_of_another() {
    let host = Host::new();
    let process = host.proc().join("20");
    for kind in ["mnt", "net"] {
        std::fs::remove_file(process.join("ns").join(kind)).unwrap();
    }
    host.stat(20, 'Z');
    let thread = process.join("task/21");
    namespaces_at(&thread, 200);
    std::fs::copy(process.join("cgroup"), thread.join("cgroup")).unwrap();
    table(&thread, 1);
    assert_eq!(host.addresses(), (vec!["10.0.0.0".to_owned()], Vec::new()));
}

#[test]
fn what_is_looked_at_ahead_is_what_is_looked_at_afterwards() {
    let host = Host::new();
    for number in 0..u32::try_from(MANY).unwrap() {
        let (pid, id) = (100 + number, format!("{number:064x}"));
        // Two of each network.
        let namespaces = 1000 + u64::from(number / 2) * 100;
        host.process(pid, namespaces, &format!("/docker/{id}"));
        table(&host.proc().join(pid.to_string()), u16::try_from(number / 2 % 3).unwrap());
    }
    // It has ended since it was listed, as far as its network tells.
    std::fs::remove_file(host.proc().join("148/net/fib_trie")).unwrap();
    let root = SysRoot::fixture(host.0.path()).unwrap();
    let (mut all, mut ahead) = collect_and_look(&root, Extent::Isolated).unwrap();
    let looked_at = ahead.begun.as_ref().map_or(0, |begun| begun.looks.subjects.len());
    assert_eq!(looked_at, if crew::size() > 1 { MANY + 1 } else { 0 });
    let gaps = add_details(&root, &Clock::read(&root), &mut all.list, &mut ahead);
    let shown = |list: &[Container]| -> Vec<_> {
        list.iter().map(|one| (one.identity(), one.addresses.clone(), one.state)).collect()
    };
    let seen = (shown(&all.list), gaps, root.reach().gaps());
    let root = SysRoot::fixture(host.0.path()).unwrap();
    let mut all = collect_containers(&root).unwrap();
    let gaps = add_details(&root, &Clock::read(&root), &mut all.list, &mut Ahead::default());
    assert_eq!(seen, (shown(&all.list), gaps, root.reach().gaps()));
    assert!(all.list.iter().filter(|one| !one.addresses.is_empty()).count() > MANY / 2);
}
