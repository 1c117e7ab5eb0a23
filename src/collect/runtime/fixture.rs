//! A host made of files, and a group of processes on it, for the tests of sources.

use super::monitor::Monitors;
use super::recognise;
use super::record::{Case, Record, Source};
use crate::model::capability::CapSet;
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::{self, Pid, Process};
use crate::model::text::Text;
use crate::sys::privilege;
use crate::sys::root::SysRoot;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(super) struct Host {
    temp: tempfile::TempDir,
    pub(super) root: SysRoot,
}

impl Host {
    /// Booted at 1795530000.
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let host = Self { temp, root };
        host.write("proc/stat", "cpu 1 2\nbtime 1795530000\n");
        for (path, text) in files {
            host.write(path, text);
        }
        host
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.temp.path().join(path)
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Nobody may look at it; [`as_anybody`] root may not, either.
    pub(super) fn close(&self, path: &str) {
        self.permit(path, 0);
    }

    /// Before the host is removed.
    pub(super) fn unclose(&self, path: &str) {
        self.permit(path, 0o700);
    }

    fn permit(&self, path: &str, mode: u32) {
        std::fs::set_permissions(self.path(path), Permissions::from_mode(mode)).unwrap();
    }

    /// `arguments` with spaces between them.
    pub(super) fn process(&self, pid: u32, parent: u32, comm: &str, uid: u32, arguments: &str) {
        let dir = format!("proc/{pid}");
        let stat = format!(
            "{pid} ({comm}) S {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {} 0 0\n",
            u64::from(pid) * 10
        );
        self.write(&format!("{dir}/stat"), &stat);
        self.write(&format!("{dir}/comm"), &format!("{comm}\n"));
        let status = format!("Name:\t{comm}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n");
        self.write(&format!("{dir}/status"), &status);
        let arguments: Vec<&str> = arguments.split_ascii_whitespace().collect();
        self.write(&format!("{dir}/cmdline"), &format!("{}\0", arguments.join("\0")));
    }

    /// Asks about a group by its first process; one made by [`Self::process`] started ten ticks
    /// for each number of its pid.
    pub(super) fn find(&self, source: &mut dyn Source, group: &Group<'_>) -> Option<Record> {
        let pid = |number| Pid::new(number).unwrap();
        let mut namespaces = NsSet::default();
        if let Some(inode) = group.mount_namespace {
            namespaces.set(Kind::Mnt, inode);
        }
        let init = Process {
            pid: pid(group.pid),
            parent: group.parent.map(pid),
            state: process::State(b'S'),
            kernel_thread: false,
            comm: group.comm.into(),
            start_ticks: group.start_ticks.unwrap_or(u64::from(group.pid) * 10),
            namespaces,
            cgroup: Text::default(),
        };
        let named = recognise::path(group.cgroup.as_bytes()).pop();
        let of_the_host = init.parent.filter(|_| !group.is_parent_isolated);
        let monitors = Monitors::default();
        let case = Case::new(&self.root, &init, named.as_ref(), of_the_host, &monitors);
        source.find(&case).unwrap()
    }
}

/// In a thread that permissions count for, whoever runs the tests.
pub(super) fn as_anybody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let limited = || {
        let own = privilege::own().unwrap();
        let [passes, searches] =
            ["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"].map(|name| CapSet::named(name).unwrap());
        let effective = own.effective.without(passes.or(searches));
        privilege::take(own.inheritable, own.permitted, effective).unwrap();
        work()
    };
    std::thread::scope(|scope| scope.spawn(limited).join().unwrap())
}

#[derive(Default)]
pub(super) struct Group<'a> {
    pub(super) pid: u32,
    pub(super) parent: Option<u32>,
    pub(super) comm: &'a str,
    pub(super) start_ticks: Option<u64>,
    pub(super) cgroup: &'a str,
    pub(super) is_parent_isolated: bool,
    /// Its inode.
    pub(super) mount_namespace: Option<u64>,
}
