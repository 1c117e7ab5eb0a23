//! How a container is, once it is known who it is: state, addresses, age. What only a list or a
//! report needs; finding a target does without.

use super::cgroups;
use super::clock::Clock;
use super::scan;
use crate::model::container::{Container, Init, State};
use crate::model::gap::{Gap, Reason};
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::{Pid, Process};
use crate::model::text::Text;
use crate::sys::cgroupfs::hierarchy::Hierarchies;
use crate::sys::crew::{self, Care, Crew, Leaving};
use crate::sys::error::SysError;
use crate::sys::fds::Spent;
use crate::sys::passwd::Users;
use crate::sys::raw::marks::Marks;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns, proc};
use nix::errno::Errno;
use std::cell::LazyCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::AsFd;

mod travel;

const WHAT: &str = "addresses";
/// Of a table of addresses.
const TABLE: usize = 1 << 20;
/// Below this many a second process costs more than it saves.
const MANY: usize = 50;

/// What is looked at while it is found out who they are.
#[derive(Debug, Default)]
pub struct Ahead {
    begun: Option<Begun>,
    /// Who has looked at anything so far: nothing depends on when they are dropped.
    pub leaving: Leaving,
}

#[derive(Debug)]
struct Begun {
    looks: Looks,
    crew: Crew,
    /// What somebody looks at, or has: the crew begins with the first.
    taken: Marks,
}

impl Ahead {
    /// At these processes, of which most will lead containers, where they are many. The caller has
    /// one thread.
    pub fn begin(root: &SysRoot, host: &NsSet, leaders: &[&Process]) -> Self {
        if leaders.len() < MANY || crew::size() < 2 {
            return Self::default();
        }
        let mut looks = Looks::new(root);
        for leader in leaders {
            looks.add(Subject::of_process(leader, host));
        }
        let many = looks.subjects.len();
        let Ok(taken) = Marks::new(many) else { return Self::default() };
        // One processor is ours.
        let members = crew::size() - 1;
        let crew = Crew::begin(many, members, crew::PATIENCE, &mut looks.job(root, Some(&taken)));
        Self { begun: Some(Begun { looks, crew, taken }), leaving: Leaving::default() }
    }

    /// What was seen by place, as far as anybody has looked.
    fn finish(&mut self, root: &SysRoot) -> (Looks, Vec<Option<Seen>>) {
        let Some(Begun { looks, crew, taken }) = self.begun.take() else {
            return (Looks::new(root), Vec::new());
        };
        let mut spent = Spent::default();
        let mut seen = vec![None; looks.subjects.len()];
        for (place, slot) in seen.iter_mut().enumerate().rev() {
            if taken.set(place) {
                *slot = Some(looks.look(root, place, &mut spent));
            }
        }
        let leaving = crew.finish(&mut looks.job(root, None), &mut |place, answer| {
            let (Some(slot @ None), Some(subject)) =
                (seen.get_mut(place), looks.subjects.get(place))
            else {
                return;
            };
            *slot = Some(match answer {
                Ok(answer) => travel::read(answer),
                Err(problem) => {
                    let lost = SysError { doing: "read", object: subject.label(), problem };
                    Seen { lacks: vec![lost.gap(WHAT)], ..Seen::default() }
                }
            });
        });
        self.leaving.join(leaving);
        (looks, seen)
    }
}

/// What `ahead` has not seen is looked at now. A gap for each that ended meanwhile.
pub fn add_details(
    root: &SysRoot,
    clock: &Clock,
    containers: &mut [Container],
    ahead: &mut Ahead,
) -> Vec<Gap> {
    name_owners(root, containers);
    let (mut looks, mut seen) = ahead.finish(root);
    for container in containers.iter_mut() {
        if let Some(init) = &container.init {
            container.started_unix_seconds = clock.started_unix_seconds(init.start_ticks);
            container.age_seconds = clock.age_seconds(init.start_ticks);
            looks.add(Subject::of_container(container, init));
        }
    }
    seen.resize_with(looks.subjects.len(), || None);
    let mut spent = Spent::default();
    let seen = seen.into_iter().enumerate();
    let mut seen: Vec<Seen> = seen
        .map(|(place, seen)| seen.unwrap_or_else(|| looks.look(root, place, &mut spent)))
        .collect();
    let mut gaps = Vec::new();
    for container in containers.iter_mut() {
        let Some(init) = &container.init else { continue };
        let of_init = looks.of_init.get(&(init.pid, init.start_ticks)).copied();
        let of_net = own_net(container).and_then(|net| looks.of_net.get(&net)).copied();
        // Otherwise it is what its record says: it may have been created and not started.
        if of_init.and_then(|place| seen.get(place)).is_some_and(|seen| seen.is_paused) {
            container.state = State::Paused;
        }
        if let Some(seen) = of_net.and_then(|place| seen.get_mut(place)) {
            // Of those that share it the first tells of its end.
            let addresses = seen.addresses.get_or_insert_with(|| {
                let object = container.label();
                gaps.push(Gap { object, what: WHAT, reason: Reason::Gone });
                Vec::new()
            });
            container.addresses.clone_from(addresses);
        }
        for place in of_init.into_iter().chain(of_net) {
            let lacks = seen.get_mut(place).map(|seen| std::mem::take(&mut seen.lacks));
            for gap in lacks.unwrap_or_default() {
                root.reach().note(gap);
            }
        }
    }
    gaps
}

/// What a look at one process has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    is_paused: bool,
    /// Of its network namespace, if it is the first one there; `None`: it has gone.
    addresses: Option<Vec<IpAddr>>,
    /// What could not be seen, and was not noted here.
    lacks: Vec<Gap>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { is_paused: false, addresses: Some(Vec::new()), lacks: Vec::new() }
    }
}

/// A process to look at.
#[derive(Debug)]
struct Subject {
    init: Init,
    /// Unless it is the host's.
    net: Option<u64>,
    cgroup_lines: Text,
}

impl Subject {
    fn of_process(process: &Process, host: &NsSet) -> Self {
        let is_own = host.differing(&process.namespaces).has(Kind::Net);
        Self {
            init: Init::from(process),
            net: process.namespaces.inode(Kind::Net).filter(|_| is_own),
            cgroup_lines: process.cgroup.clone(),
        }
    }

    fn of_container(container: &Container, init: &Init) -> Self {
        Self {
            init: init.clone(),
            net: own_net(container),
            cgroup_lines: container.cgroup_lines.clone(),
        }
    }

    fn label(&self) -> Text {
        format!("pid {}", self.init.pid).into()
    }
}

fn own_net(container: &Container) -> Option<u64> {
    container.namespaces.inode(Kind::Net).filter(|_| container.own.has(Kind::Net))
}

/// Processes to look at, each once. What belongs to a network namespace is read once, through its
/// first one.
#[derive(Debug)]
struct Looks {
    hierarchies: Option<Hierarchies>,
    subjects: Vec<Subject>,
    of_init: HashMap<(Pid, u64), usize>,
    of_net: HashMap<u64, usize>,
}

impl Looks {
    fn new(root: &SysRoot) -> Self {
        Self {
            hierarchies: Hierarchies::read(root).ok(),
            subjects: Vec::new(),
            of_init: HashMap::new(),
            of_net: HashMap::new(),
        }
    }

    fn add(&mut self, subject: Subject) {
        let next = self.subjects.len();
        let key = (subject.init.pid, subject.init.start_ticks);
        if *self.of_init.entry(key).or_insert(next) == next {
            if let Some(net) = subject.net {
                self.of_net.entry(net).or_insert(next);
            }
            self.subjects.push(subject);
        }
    }

    /// What could not be seen is noted.
    fn look(&self, root: &SysRoot, place: usize, spent: &mut Spent) -> Seen {
        let Some(subject) = self.subjects.get(place) else { return Seen::default() };
        let net = subject.net.filter(|net| self.of_net.get(net) == Some(&place));
        let addresses = net.map(|net| read_addresses(root, subject, net, spent));
        Seen {
            is_paused: is_paused(root, self.hierarchies.as_ref(), subject),
            addresses: addresses.unwrap_or_else(|| Some(Vec::new())),
            lacks: Vec::new(),
        }
    }

    /// What is noted in a member stays there, and so is told with the rest.
    /// What is taken by somebody else has no answer.
    fn job(&self, root: &SysRoot, taken: Option<&Marks>) -> impl FnMut(usize, Care, &mut Vec<u8>) {
        let mut spent = Spent::default();
        move |place, _, out| {
            if taken.is_some_and(|taken| !taken.set(place)) {
                return;
            }
            let before = root.reach().gaps().len();
            let seen = self.look(root, place, &mut spent);
            let lacks = root.reach().gaps().split_off(before);
            travel::write(&Seen { lacks, ..seen }, out);
        }
    }
}

/// Root's need no look.
fn name_owners(root: &SysRoot, containers: &mut [Container]) {
    let users = LazyCell::new(|| Users::read(root).ok());
    for container in containers {
        if let Some(uid) = container.owner_uid.filter(|uid| *uid != 0) {
            container.owner_name = users.as_ref().and_then(|users| users.name(uid)).cloned();
        }
    }
}

fn is_paused(root: &SysRoot, hierarchies: Option<&Hierarchies>, subject: &Subject) -> bool {
    let lines = subject.cgroup_lines.as_bytes();
    hierarchies
        .and_then(|hierarchies| cgroups::is_frozen(root, hierarchies, lines, subject.init.state))
        == Some(true)
}

/// Of the namespace that the scan saw; `None` if the process has gone, its number to another.
fn read_addresses(
    root: &SysRoot,
    subject: &Subject,
    net: u64,
    spent: &mut Spent,
) -> Option<Vec<IpAddr>> {
    let init = &subject.init;
    let object = || subject.label();
    let links = match ns::open_links(root.proc(), init.pid) {
        Err(Errno::ENOENT | Errno::ESRCH) => return None,
        links => root.reach().told(object, WHAT, links),
    };
    let Some(mut links) = links else { return Some(Vec::new()) };
    if init.state.is_headless() {
        // The first thread has left its namespaces; the others are still in theirs.
        let (thread, _) = scan::living(links.as_fd(), init.pid)?;
        let theirs = ns::open_links_of_thread(links.as_fd(), thread).ok()?;
        spent.close(std::mem::replace(&mut links, theirs));
    }
    let mut table = Vec::new();
    let mut read = |name| {
        table.clear();
        let file = bounded::open_file(links.as_fd(), name);
        if let Some(file) = root.reach().told(object, WHAT, file) {
            // What was read before an error counts.
            let read = bounded::read_table(file.as_fd(), TABLE, &mut table);
            if root.reach().told(object, WHAT, read) == Some(true) {
                let gap = Gap { object: object(), what: WHAT, reason: Reason::Truncated };
                root.reach().note(gap);
            }
            spent.close(file);
        }
        std::mem::take(&mut table)
    };
    let mut addresses = proc::fib::parse_v4(&read("../net/fib_trie"));
    addresses.extend(proc::fib::parse_v6(&read("../net/if_inet6")));
    let now = ns::identity_in(links.as_fd(), Kind::Net);
    spent.close(links);
    match now {
        Err(Errno::ENOENT | Errno::ESRCH) => None,
        now => match root.reach().told(object, WHAT, now) {
            Some(now) if now == net => Some(addresses),
            Some(_) => None,
            None => Some(Vec::new()),
        },
    }
}

#[cfg(test)]
mod tests;
