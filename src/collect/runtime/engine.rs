//! Engines and what they start for themselves, where that is isolated: not containers, but never
//! left out. A rootless engine has namespaces of its own, and so have the programs that give its
//! containers a network; an engine of root's may have been put into some.
//!
//! Each is a row of its own that says which engine it is of, and no part of another row: programs
//! are told by what they call themselves, and what calls itself like one of them must not vanish in
//! the row of something else.

use super::monitor::Monitor;
use super::owners;
use super::record::{Case, Record, Source};
use crate::collect::scan::Scan;
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::root::SysRoot;
use std::collections::HashMap;

/// Engines by the user namespace that they work in.
#[derive(Debug, Default)]
pub struct Engines {
    host: NsSet,
    /// The engine that works in a user namespace.
    by_user_namespace: HashMap<u64, Engine>,
}

#[derive(Clone, Debug)]
struct Engine {
    rank: usize,
    pid: Pid,
}

/// Engines, the one that runs the other first; as the kernel keeps their names.
const ENGINES: [(&[u8], Runtime); 7] = [
    (b"dockerd", Runtime::Docker),
    (b"catatonit", Runtime::Podman),
    (b"podman pause", Runtime::Podman),
    (b"podman", Runtime::Podman),
    (b"conmon", Runtime::Podman),
    (b"buildkitd", Runtime::Buildkit),
    (b"containerd", Runtime::Containerd),
];

/// What they start for themselves. rootlesskit calls itself by a link: `exe`.
const HELPERS: [&[u8]; 13] = [
    b"exe",
    b"rootlesskit",
    b"rootlesskit-doc",
    b"docker-proxy",
    b"slirp4netns",
    b"pasta",
    b"pasta.avx2",
    b"vpnkit",
    b"rootlessport",
    b"rootlessport-ch",
    b"aardvark-dns",
    b"netavark",
    b"fuse-overlayfs",
];

impl Source for Engines {
    fn see(&mut self, scan: &Scan) {
        self.host = scan.host;
        for process in &scan.isolated {
            let own = scan.host.differing(&process.namespaces);
            // In a container, which an engine may well share its user namespace with, the pids are
            // others.
            let in_container = own.has(Kind::Pid) || process.namespaces.unknown().has(Kind::Pid);
            let user = process.namespaces.inode(Kind::User).filter(|_| own.has(Kind::User));
            let (Some(user), false, Some(rank)) = (user, in_container, rank(&process.comm)) else {
                continue;
            };
            let engine = Engine { rank, pid: process.pid };
            let known = self.by_user_namespace.entry(user).or_insert_with(|| engine.clone());
            if rank < known.rank {
                *known = engine;
            }
        }
    }

    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let comm = case.init.comm.as_bytes();
        let rank = rank(&case.init.comm);
        if case.named.is_some() || (rank.is_none() && !HELPERS.contains(&comm)) {
            return Ok(None);
        }
        let own = self.host.differing(&case.init.namespaces);
        let found = if own.has(Kind::User) { self.users(case) } else { self.roots(case, rank) };
        Ok(found)
    }

    fn all(&mut self, _: &SysRoot) -> Vec<Record> {
        Vec::new()
    }
}

impl Engines {
    /// His word: it is in a user namespace that he made.
    fn users(&self, case: &Case<'_>) -> Option<Record> {
        let user = case.init.namespaces.inode(Kind::User)?;
        let engine = self.by_user_namespace.get(&user)?;
        let (name, runtime) = ENGINES.get(engine.rank)?;
        let uid = Monitor::of(case.root, case.init.pid)?.uid;
        // What is isolated and root's may be in a container, and say anything.
        if uid == 0 || !owners::may_name(case.root, uid, case.init.pid) {
            return None;
        }
        // That of the launcher tells nothing.
        let is_launcher = matches!(case.init.comm.as_bytes(), b"exe" | b"rootlesskit");
        Some(Record {
            runtime: *runtime,
            program: is_launcher.then(|| Text::new(name)),
            owner_uid: Some(uid),
            file: format!("pid {}", engine.pid).into(),
            ..Record::default()
        })
    }

    /// One of root's own, outside of every container: with the host's pids and users.
    fn roots(&self, case: &Case<'_>, rank: Option<usize>) -> Option<Record> {
        let (_, runtime) = ENGINES.get(rank?)?;
        let own = self.host.differing(&case.init.namespaces);
        let hidden = case.init.namespaces.unknown();
        let is_hosts = |kind| !own.has(kind) && !hidden.has(kind);
        let is_roots = || Some(Monitor::of(case.root, case.init.pid)?.is_roots());
        if !is_hosts(Kind::Pid) || !is_hosts(Kind::User) || is_roots() != Some(true) {
            return None;
        }
        Some(Record {
            runtime: *runtime,
            owner_uid: Some(0),
            file: format!("pid {}", case.init.pid).into(),
            ..Record::default()
        })
    }
}

fn rank(comm: &Text) -> Option<usize> {
    ENGINES.iter().position(|(name, _)| *name == comm.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::runtime::fixture::Host;
    use crate::collect::runtime::monitor::Monitors;
    use crate::model::process::{Process, State};

    const KINDS: [Kind; 3] = [Kind::Pid, Kind::User, Kind::Net];

    fn namespaces(inodes: [u64; 3]) -> NsSet {
        let mut set = NsSet::default();
        for (kind, inode) in KINDS.into_iter().zip(inodes) {
            set.set(kind, inode);
        }
        set
    }

    fn process(pid: u32, comm: &str, inodes: [u64; 3]) -> Process {
        Process {
            pid: Pid::new(pid).unwrap(),
            parent: None,
            state: State(b'S'),
            kernel_thread: false,
            comm: comm.into(),
            start_ticks: u64::from(pid) * 10,
            namespaces: namespaces(inodes),
            cgroup: Text::default(),
        }
    }

    /// What is said of the last one, which runs as `uid`.
    fn told(isolated: Vec<Process>, uid: u32) -> Option<Record> {
        let init = isolated.last().unwrap().clone();
        let host = Host::with(&[]);
        host.process(init.pid.number(), 1, "x", uid, "x");
        let scan = Scan { host: namespaces([1, 1, 1]), isolated, gaps: Vec::new() };
        let mut engines = Engines::default();
        engines.see(&scan);
        let monitors = Monitors::default();
        engines.find(&Case::new(&host.root, &init, None, None, &monitors)).unwrap()
    }

    #[test]
    fn what_a_rootless_engine_starts_is_of_that_engine() {
        let of = |engine: &str, comm: &str, uid| {
            let engine = process(7, engine, [1, 50, 60]);
            let nested = process(8, "containerd", [1, 50, 60]);
            told(vec![engine, nested, process(9, comm, [1, 50, 1])], uid)
        };
        let docker = of("dockerd", "exe", 1000).unwrap();
        assert_eq!((docker.runtime, docker.owner_uid), (Runtime::Docker, Some(1000)));
        assert_eq!(docker.program, Some("dockerd".into()));
        let podman = of("catatonit", "slirp4netns", 1000).unwrap();
        assert_eq!((podman.runtime, podman.program), (Runtime::Podman, None));
        assert_eq!(of("dockerd", "exe", 0), None, "it may be in a container");
        assert_eq!(of("dockerd", "sleep", 1000), None);
        let foreign = vec![process(7, "dockerd", [1, 51, 60]), process(9, "exe", [1, 50, 1])];
        assert_eq!(told(foreign, 1000), None);
        let in_container = vec![process(7, "dockerd", [2, 50, 60]), process(9, "exe", [1, 50, 1])];
        assert_eq!(told(in_container, 1000), None);
        // Whichever was seen first, the one that runs the others counts, and of two the first.
        let mut together = vec![process(6, "containerd", [1, 50, 60])];
        together.extend([7, 8].map(|pid| process(pid, "dockerd", [1, 50, 60])));
        together.push(process(9, "exe", [1, 50, 1]));
        let docker = told(together, 1000).unwrap();
        assert_eq!((docker.runtime, docker.file), (Runtime::Docker, "pid 7".into()));
    }

    #[test]
    fn an_engine_is_no_container_on_record() {
        assert_eq!(Engines::default().all(&Host::with(&[]).root), []);
    }

    #[test]
    fn an_engine_of_roots_is_told_where_it_has_the_hosts_pids() {
        let of = |inodes, uid| told(vec![process(7, "dockerd", inodes)], uid);
        let docker = of([1, 1, 60], 0).unwrap();
        assert_eq!((docker.runtime, docker.owner_uid), (Runtime::Docker, Some(0)));
        assert_eq!(of([2, 1, 60], 0), None, "one within a container");
        assert_eq!(of([1, 1, 60], 1000), None);
        assert_eq!(told(vec![process(7, "exe", [1, 1, 60])], 0), None);
    }
}
