//! The process of the host that looks after a container.
//!
//! Anybody can call himself what he likes: what a monitor says counts as much as whose it is.

use super::owners;
use super::record::WHAT;
use crate::model::process::{Pid, Process};
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::proc::{stat, status};
use crate::sys::reach::Reach;
use crate::sys::root::SysRoot;
use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// Arguments beyond this are not looked at.
const CAP: usize = 256 << 10;

/// A process held by its directory in /proc, so that all is said of the same one.
#[derive(Debug)]
pub struct Monitor {
    /// In the numbering of the reader's /proc.
    pub pid: Pid,
    /// As the kernel keeps it: fifteen bytes of `containerd-shim-runc-v2`.
    pub comm: Vec<u8>,
    /// Real, effective, saved and file system uid are this one.
    pub uid: u32,
    dir: OwnedFd,
    reach: Rc<Reach>,
}

/// Monitors of many processes, one after the other: of what has one parent it is looked at once.
#[derive(Debug, Default)]
pub struct Monitors {
    last: RefCell<Option<(Pid, Option<Rc<Monitor>>)>>,
}

impl Monitors {
    /// The same as [`Monitor::of`].
    pub fn of(&self, root: &SysRoot, pid: Pid) -> Option<Rc<Monitor>> {
        let mut last = self.last.borrow_mut();
        match &*last {
            Some((known, monitor)) if *known == pid => monitor.clone(),
            _ => {
                let monitor = Monitor::of(root, pid).map(Rc::new);
                *last = Some((pid, monitor.clone()));
                monitor
            }
        }
    }
}

impl Monitor {
    /// `None`: it is gone, or on its way from one user to another.
    pub fn of(root: &SysRoot, pid: Pid) -> Option<Self> {
        let object = || format!("pid {pid}").into();
        let dir = root.process(pid);
        let dir = root.reach().told(object, WHAT, dir)?;
        let mut buffer = Vec::new();
        let read = bounded::read_record(dir.as_fd(), "comm", 64, &mut buffer);
        root.reach().told(object, WHAT, read)?;
        let comm = buffer.trim_ascii_end().to_vec();
        let read = bounded::read_record(dir.as_fd(), "status", bounded::SMALL, &mut buffer);
        root.reach().told(object, WHAT, read)?;
        let [uid, rest @ ..] = status::parse(&buffer)?.uids;
        rest.iter().all(|other| *other == uid).then(|| Self {
            pid,
            comm,
            uid,
            dir,
            reach: Rc::clone(root.reach()),
        })
    }

    /// What it says may be said of any process.
    pub fn is_roots(&self) -> bool {
        self.uid == 0
    }

    /// Whether what it says of a process counts. A user's monitor speaks of what runs as that user
    /// or in a user namespace of his: orphans of root's can be given to it as children.
    pub fn may_speak_of(&self, root: &SysRoot, process: &Process) -> bool {
        owners::may_name(root, self.uid, process.pid)
            || runs_as(root, process, self.uid) == Some(true)
    }

    /// `/proc/PID`.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Its command line; none where that does not come.
    pub fn arguments(&self) -> Vec<Text> {
        let read = self.reach.command_line((self.pid, self.uid), self.dir(), CAP);
        let bytes = read.unwrap_or_default().bytes;
        let whole = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
        whole.split(|byte| *byte == 0).map(Text::new).collect()
    }

    /// What follows `option` among its arguments.
    pub fn option(arguments: &[Text], option: &str) -> Option<Text> {
        let at = arguments.iter().position(|argument| argument == &option)?;
        arguments.get(at + 1).cloned()
    }
}

/// `None` where it has ended.
fn runs_as(root: &SysRoot, process: &Process, uid: u32) -> Option<bool> {
    let dir = root.process(process.pid).ok()?;
    let stat = stat::parse(&bounded::read(dir.as_fd(), "stat", bounded::SMALL).ok()?)?;
    let status = bounded::read(dir.as_fd(), "status", bounded::SMALL).ok()?;
    let is_it = stat.start_ticks == process.start_ticks;
    Some(is_it && status::parse(&status)?.uids == [uid; 4])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::namespace::NsSet;
    use crate::model::process::State;

    fn process(pid: u32, start_ticks: u64) -> Process {
        Process {
            pid: Pid::new(pid).unwrap(),
            parent: None,
            state: State(b'S'),
            kernel_thread: false,
            comm: "sleep".into(),
            start_ticks,
            namespaces: NsSet::default(),
            cgroup: Text::default(),
        }
    }

    #[test]
    fn a_users_monitor_speaks_of_what_runs_as_he_does() {
        let host = Host::with(&[]);
        host.process(7, 1, "sleep", 1000, "sleep");
        assert_eq!(runs_as(&host.root, &process(7, 70), 1000), Some(true));
        assert_eq!(runs_as(&host.root, &process(7, 70), 1001), Some(false));
        assert_eq!(runs_as(&host.root, &process(7, 71), 1000), Some(false), "another since");
        assert_eq!(runs_as(&host.root, &process(8, 80), 1000), None);
        let root = SysRoot::real().unwrap();
        let own = process(std::process::id(), 0);
        let speaks = |uid| Monitor { uid, ..Monitor::of(&root, own.pid).unwrap() };
        assert!(speaks(0).may_speak_of(&root, &own), "of root's anything is believed");
        assert!(!speaks(54321).may_speak_of(&root, &own));
    }
    use crate::collect::runtime::fixture::Host;

    #[test]
    fn of_one_parent_there_is_one_monitor() {
        let host = Host::with(&[]);
        for pid in [7, 8] {
            host.process(pid, 1, "shim", 0, "shim");
        }
        let monitors = Monitors::default();
        let of = |pid| monitors.of(&host.root, Pid::new(pid).unwrap());
        let first = of(7).unwrap();
        assert!(Rc::ptr_eq(&first, &of(7).unwrap()));
        assert_eq!(of(8).unwrap().pid, Pid::new(8).unwrap());
        assert!(of(9).is_none() && of(9).is_none());
        assert_eq!(of(7).unwrap().pid, first.pid);
    }

    #[test]
    fn an_option_has_the_argument_that_follows_it() {
        let arguments: Vec<Text> = ["conmon", "-c", "ID", "-n"].map(Text::from).into();
        assert_eq!(Monitor::option(&arguments, "-c"), Some("ID".into()));
        assert_eq!(Monitor::option(&arguments, "-n"), None);
        assert_eq!(Monitor::option(&arguments, "-x"), None);
    }
}
