//! What a runtime's files say about one container, and who is asked for it.

use super::monitor::{Monitor, Monitors};
use super::owners;
use super::recognise::Recognised;
use crate::collect::scan::Scan;
use crate::model::container::{Label, State};
use crate::model::gap::{Gap, Reason};
use crate::model::pod::Pod;
use crate::model::process::{Pid, Process};
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::model::trail::Published;
use crate::sys::error::{Result, SysError};
use crate::sys::owned::Place;
use crate::sys::reach::Reach;
use crate::sys::root::{self, SysRoot};
use std::cell::{OnceCell, RefCell};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

/// A record may hold many labels; no engine sets a bound.
pub const CAP: usize = 4 << 20;

/// One container, as a file of its runtime tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Whose record it is.
    pub runtime: Runtime,
    /// By which its engine knows it; empty where it goes by name alone.
    pub id: Text,
    /// None where the record has none.
    pub name: Option<Text>,
    /// As it was asked for when the container was made; None where the record has none.
    pub image: Option<Text>,
    /// containerd's namespace.
    pub engine_namespace: Option<Text>,
    /// None outside of a pod, and where the record does not tell.
    pub pod: Option<Pod>,
    /// What it was told to run, where nothing names it better.
    pub program: Option<Text>,
    /// By key; empty where the record has none.
    pub labels: Vec<Label>,
    /// Ports of the host that lead to it.
    pub published: Vec<Published>,
    /// Seconds since 1970; None where the record does not tell.
    pub created_unix_seconds: Option<u64>,
    /// When docker noted that it had started; None from anybody else.
    pub started_unix_seconds: Option<u64>,
    /// Who wrote it.
    pub owner_uid: Option<u32>,
    /// What it says of a container without processes.
    pub state: State,
    /// Its first process, if the record tells of one.
    pub first: First,
    /// The first process has not become the container's program yet.
    pub waits: bool,
    /// The file, or the process, that says all this.
    pub file: Text,
}

impl Record {
    /// As much of it as stays in memory of what its user says.
    #[must_use]
    pub fn kept(mut self, place: &Place) -> Self {
        let length = |text: &Text| text.as_bytes().len();
        let keeps = |text: &Option<Text>| place.keeps(text.as_ref().map_or(0, length));
        let keeps_pod = |pod: &Pod| {
            [&pod.namespace, &pod.name, &pod.uid, &pod.container].into_iter().all(keeps)
        };
        self.name = self.name.filter(|name| place.keeps(length(name)));
        self.image = self.image.filter(|image| place.keeps(length(image)));
        self.pod = self.pod.filter(keeps_pod);
        if !place.keeps(size_of_val(&*self.published)) {
            self.published = Vec::new();
        }
        let label = |(key, value): &Label| size_of::<Label>() + length(key) + length(value);
        self.labels.retain(|one| place.keeps(label(one)));
        self.labels.shrink_to_fit();
        self
    }
}

/// What a record says of the first process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum First {
    /// Nothing: whose it is, is told by the group's name alone.
    #[default]
    Untold,
    /// There is none.
    NotRunning,
    /// This one: it runs, or did when the record was written.
    At {
        /// In the numbering of the host's /proc.
        pid: Pid,
        /// In clock ticks since boot: a pid alone may have been reused since.
        start_ticks: Option<u64>,
    },
}

impl First {
    /// Engines write 0 for a container that does not run.
    pub fn of(pid: u64, start_ticks: Option<u64>) -> Self {
        match u32::try_from(pid).ok().and_then(Pid::new) {
            Some(pid) => Self::At { pid, start_ticks },
            None => Self::NotRunning,
        }
    }
}

/// A group of processes that wants a name.
#[derive(Debug)]
pub struct Case<'a> {
    /// The host, or a fixture, whose files are looked into.
    pub root: &'a SysRoot,
    /// The oldest process of the group.
    pub init: &'a Process,
    /// What the group's own name claims.
    pub named: Option<&'a Recognised>,
    parent: Option<Pid>,
    monitors: &'a Monitors,
    monitor: OnceCell<Option<Rc<Monitor>>>,
    isolated: OnceCell<Option<Monitor>>,
}

impl<'a> Case<'a> {
    /// `parent`: the process of the host that `init` is a child of.
    pub fn new(
        root: &'a SysRoot,
        init: &'a Process,
        named: Option<&'a Recognised>,
        parent: Option<Pid>,
        monitors: &'a Monitors,
    ) -> Self {
        let (monitor, isolated) = (OnceCell::new(), OnceCell::new());
        Self { root, init, named, parent, monitors, monitor, isolated }
    }

    /// The process of the host that the first one is a child of; looked at when first asked for.
    pub fn monitor(&self) -> Option<&Monitor> {
        let look = || {
            let monitor = self.parent.and_then(|pid| self.monitors.of(self.root, pid));
            monitor.filter(|monitor| monitor.may_speak_of(self.root, self.init))
        };
        self.monitor.get_or_init(look).as_deref()
    }

    /// The parent, where it is a user's: his engines isolate themselves. What is isolated and
    /// root's may be in a container, and say anything.
    pub fn users_monitor(&self) -> Option<&Monitor> {
        if self.parent.is_some() {
            return self.monitor().filter(|monitor| !monitor.is_roots());
        }
        let look = || {
            let monitor = Monitor::of(self.root, self.init.parent?)?;
            let may_speak = || owners::may_name(self.root, monitor.uid, self.init.pid);
            (!monitor.is_roots() && may_speak()).then_some(monitor)
        };
        self.isolated.get_or_init(look).as_ref()
    }

    /// The engine's id in the group's name, where that claims to be of one of these runtimes.
    pub fn id_of(&self, runtimes: &[Runtime]) -> Option<&[u8]> {
        let named = self.named.filter(|named| runtimes.contains(&named.runtime))?;
        Some(&named.id)
    }
}

/// A container with a kernel of its own, as the host sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Whose record makes them one.
    pub runtime: Runtime,
    /// The process that runs that kernel, if it is this container's alone, then those that serve
    /// it. Their namespaces differ: nothing but the runtime's record makes them one.
    pub processes: Vec<Pid>,
}

/// What a source went on without: its containers are listed all the same. Each is told once.
#[derive(Debug, Default)]
pub struct Gaps(RefCell<Vec<Gap>>);

impl Gaps {
    /// What could be read. What is not there at all is not missing.
    pub fn note<T>(&self, read: Result<T>) -> Option<T> {
        let error = match read {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let gap = error.gap(WHAT);
        let mut noted = self.0.borrow_mut();
        if gap.reason != Reason::Gone && !noted.contains(&gap) {
            noted.push(gap);
        }
        None
    }

    /// What could be read in a place; noted where it is ours.
    pub fn note_of<T>(&self, place: &Place, read: Result<T>) -> Option<T> {
        if place.is_ours() { self.note(read) } else { read.ok() }
    }

    /// Each once, in the order in which they were met.
    pub fn list(&self) -> Vec<Gap> {
        self.0.borrow().clone()
    }
}

/// What records are read for.
pub const WHAT: &str = "names and images";

/// What is in a file of a directory, which is called `place`.
pub fn read(directory: BorrowedFd<'_>, place: &Path, name: &str, cap: usize) -> Result<Vec<u8>> {
    let read = root::read_beneath(directory, name, cap);
    read.map_err(|error| SysError { object: root::path_text(&place.join(name)), ..error })
}

/// What was found in a directory of a runtime's, which need not be there: a report lacks what there
/// was no means to look at.
pub fn found<T>(root: &SysRoot, place: &Path, found: Result<T>) -> Option<T> {
    found
        .inspect_err(|error| {
            if error.reason() == Reason::Failed {
                let object = root::path_text(place);
                root.reach().note(Gap { object, what: WHAT, reason: Reason::Failed });
            }
        })
        .ok()
}

/// A directory of the host's, and the names in it.
pub fn listed(root: &SysRoot, place: &Path) -> Option<(OwnedFd, Vec<Text>)> {
    let directory = found(root, place, root.open_data(place))?;
    let names = found(root, place, root::list(directory.as_fd()))?;
    Some((directory, names))
}

/// What can be made of those names that are UTF-8.
pub fn each<T>(
    root: &SysRoot,
    place: &Path,
    mut one: impl FnMut(BorrowedFd<'_>, &str) -> Option<T>,
) -> Vec<T> {
    let Some((directory, names)) = listed(root, place) else { return Vec::new() };
    let names = names.iter().filter_map(|name| std::str::from_utf8(name.as_bytes()).ok());
    names.filter_map(|name| one(directory.as_fd(), name)).collect()
}

/// What was read, if it was. One that is not as it should be is noted: a container lacks it. One
/// that has gone or is not for us to read lacks nothing.
pub fn noted<T>(reach: &Reach, read: Result<T>) -> Option<T> {
    read.inspect_err(|error| {
        if !matches!(error.reason(), Reason::Gone | Reason::Denied) {
            reach.note(error.gap(WHAT));
        }
    })
    .ok()
}

/// The same of what was made of it.
pub fn parsed<T>(reach: &Reach, object: impl Into<Text>, parsed: Option<T>) -> Option<T> {
    noted(reach, parsed.ok_or_else(|| SysError::malformed("read", object, "JSON")))
}

/// What was read in a place, if it was; noted as [`noted`] does where it is ours.
pub fn noted_of<T>(place: &Place, read: Result<T>) -> Option<T> {
    if place.is_ours() { noted(place.reach(), read) } else { read.ok() }
}

/// The same of what was made of it.
pub fn parsed_of<T>(place: &Place, object: impl Into<Text>, parsed: Option<T>) -> Option<T> {
    noted_of(place, parsed.ok_or_else(|| SysError::malformed("read", object, "JSON")))
}

/// A runtime that can be asked. It reads what it needs when it is first asked, and nothing else.
pub trait Source {
    /// What it knows of a group. The caller checks that it speaks of these very processes.
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>>;

    /// Everything it has a record of, running or not; what cannot be read is left out.
    fn all(&mut self, root: &SysRoot) -> Vec<Record>;

    /// The isolated processes, before it is asked anything: engines may be among them, and be told
    /// to keep their records in places of their own. Nothing is read yet.
    fn see(&mut self, _: &Scan) {}

    /// What it could not read of what it looked at so far, and does not answer with.
    fn gaps(&self) -> Vec<Gap> {
        Vec::new()
    }

    /// Those of its containers that have a kernel of their own.
    fn sandboxes(&mut self, _: &SysRoot) -> Vec<Sandbox> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Host;
    use super::*;
    use crate::model::network::Protocol;
    use nix::errno::Errno;

    #[test]
    fn what_there_was_no_means_to_look_at_is_missing() {
        let host = Host::with(&[]);
        let find = |errno| {
            let error: Result<()> = Err(SysError::new("open", "x", errno));
            assert_eq!(found(&host.root, Path::new("/run/runc"), error), None);
            host.root.reach().gaps()
        };
        assert_eq!(find(Errno::ENOENT), []);
        let gap = Gap { object: "/run/runc".into(), what: WHAT, reason: Reason::Failed };
        assert_eq!(find(Errno::EMFILE), [gap]);
        assert_eq!(found(&host.root, Path::new("/run/runc"), Ok(1)), Some(1));
    }

    #[test]
    fn of_what_root_says_all_stays_and_of_what_a_user_says_as_much_as_he_may() {
        let host = Host::with(&[("data/x", "")]);
        let long = Text::new(vec![b'x'; 1 << 20]);
        let record = Record {
            name: Some("web".into()),
            image: Some("nginx".into()),
            pod: Some(Pod { name: Some("p".into()), ..Pod::default() }),
            published: vec![Published {
                protocol: Protocol::Tcp,
                host_address: None,
                host_port: 8080,
                container_port: 80,
            }],
            labels: vec![(long.clone(), long); 20],
            ..Record::default()
        };
        let kept = |uid| {
            let place = Place::claimed(&host.root, Path::new("/data"), uid).unwrap();
            let kept = record.clone().kept(&place);
            (kept, host.root.reach().gaps().len())
        };
        assert_eq!(kept(0), (record.clone(), 0));
        // Of 16 MiB, each takes two and what it is written down with.
        let (of_user, gaps) = kept(1000);
        assert_eq!((of_user.labels.len(), gaps), (7, 1));
        assert_eq!(
            Record { labels: Vec::new(), ..of_user.clone() },
            Record { labels: Vec::new(), ..record.clone() }
        );
    }
}
