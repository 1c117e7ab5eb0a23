//! How a container is, once it is known who it is: state, addresses, age. What only a list or a
//! report needs; finding a target does without.

use super::cgroups;
use super::clock::Clock;
use super::scan;
use crate::model::container::{Container, State};
use crate::model::gap::{Gap, Reason};
use crate::model::namespace::Kind;
use crate::model::text::Text;
use crate::sys::cgroupfs::hierarchy::Hierarchies;
use crate::sys::crew::{self, Care};
use crate::sys::error::SysError;
use crate::sys::fds::Spent;
use crate::sys::passwd::Users;
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

/// A gap for each that ended meanwhile. The caller has one thread.
pub fn add_details(root: &SysRoot, clock: &Clock, containers: &mut [Container]) -> Vec<Gap> {
    let hierarchies = Hierarchies::read(root).ok();
    name_owners(root, containers);
    for container in containers.iter_mut() {
        if let Some(init) = &container.init {
            container.started_unix_seconds = clock.started_unix_seconds(init.start_ticks);
            container.age_seconds = clock.age_seconds(init.start_ticks);
        }
    }
    // What belongs to a network namespace is read once, through its first container.
    let mut first: HashMap<u64, usize> = HashMap::new();
    let own_net: Vec<Option<u64>> = containers.iter().map(own_net).collect();
    for (place, net) in own_net.iter().enumerate() {
        first.extend(net.filter(|net| !first.contains_key(net)).map(|net| (net, place)));
    }
    let mut spent = Spent::default();
    let mut look = |place: usize, container: &Container| {
        let is_first =
            own_net.get(place).copied().flatten().filter(|net| first.get(net) == Some(&place));
        let addresses = is_first.map(|net| read_addresses(root, container, net, &mut spent));
        let addresses = addresses.unwrap_or_else(|| Some(Vec::new()));
        Details { state: state(root, hierarchies.as_ref(), container), addresses }
    };
    let mut found: Vec<Details> = vec![Details::default(); containers.len()];
    if containers.len() < MANY {
        for ((place, container), found) in containers.iter().enumerate().zip(&mut found) {
            *found = look(place, container);
        }
    } else {
        let mut job = |place: usize, _: Care, out: &mut Vec<u8>| {
            if let Some(container) = containers.get(place) {
                let before = root.reach().gaps().len();
                let details = look(place, container);
                // What is noted in a member stays there.
                let noted = root.reach().gaps().split_off(before);
                travel::write(&details, &noted, out);
            }
        };
        crew::work(found.len(), crew::size(), crew::PATIENCE, &mut job, &mut |place, answer| {
            let (Some(slot), Some(container)) = (found.get_mut(place), containers.get(place))
            else {
                return;
            };
            match answer {
                Ok(answer) => {
                    let (details, noted) = travel::read(answer);
                    *slot = details;
                    for gap in noted {
                        root.reach().note(gap);
                    }
                }
                Err(problem) => {
                    let lost = SysError { doing: "read", object: container.label(), problem };
                    root.reach().note(lost.gap(WHAT));
                }
            }
        });
    }
    let mut gaps = Vec::new();
    for ((container, net), details) in containers.iter_mut().zip(&own_net).zip(&found) {
        // Otherwise it is what its record says: it may have been created and not started.
        if container.init.is_some() && details.state == State::Paused {
            container.state = State::Paused;
        }
        let first = net.and_then(|net| first.get(&net)).and_then(|place| found.get(*place));
        container.addresses =
            first.and_then(|details| details.addresses.clone()).unwrap_or_default();
        if details.addresses.is_none() {
            let object = container.label();
            gaps.push(Gap { object, what: "addresses", reason: Reason::Gone });
        }
    }
    gaps
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

fn own_net(container: &Container) -> Option<u64> {
    container.init.as_ref()?;
    container.namespaces.inode(Kind::Net).filter(|_| container.own.has(Kind::Net))
}

/// What a look at one container found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    state: State,
    /// `None`: the process has gone.
    addresses: Option<Vec<IpAddr>>,
}

impl Default for Details {
    fn default() -> Self {
        Self { state: State::Running, addresses: Some(Vec::new()) }
    }
}

/// The root of a hierarchy cannot be frozen: a process there costs no look.
fn state(root: &SysRoot, hierarchies: Option<&Hierarchies>, container: &Container) -> State {
    let lines = container.cgroup_lines.as_bytes();
    let in_a_group = proc::cgroup::parse(lines).any(|line| line.path.len() > 1);
    let frozen = hierarchies
        .filter(|_| in_a_group)
        .zip(container.init.as_ref())
        .and_then(|(hierarchies, init)| cgroups::is_frozen(root, hierarchies, lines, init.state));
    if frozen == Some(true) { State::Paused } else { State::Running }
}

/// Of the namespace that the scan saw; `None` if the process has gone, its number to another.
fn read_addresses(
    root: &SysRoot,
    container: &Container,
    net: u64,
    spent: &mut Spent,
) -> Option<Vec<IpAddr>> {
    let Some(init) = &container.init else { return Some(Vec::new()) };
    let object = || Text::from(format!("pid {}", init.pid));
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
