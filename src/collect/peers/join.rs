//! The target's connections with their other ends, across all network namespaces: those in its own
//! first, then those of sockets that it has in others.

use super::WHAT;
use super::around::Around;
use super::holders::Held;
use super::matching::{Flow, Matching, Pair, Translations};
use super::subject::Chosen;
use super::unix::{UnixPair, UnixSockets};
use crate::collect::containers::Containers;
use crate::collect::namespaces::descriptors;
use crate::collect::netspaces::NetSpaces;
use crate::collect::who::holders::{self, Extent};
use crate::model::conversation::{Carrier, Seen};
use crate::model::gap::{Gap, Reason};
use crate::model::namespace::Kind;
use crate::sys::netlink::roam::{Found, Row, Wanted};
use crate::sys::pidfd::ProcessHandle;
use crate::sys::proc::conntrack;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns};
use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// Of the connections that the host tracks: some two hundred bytes each.
const TRACKED: usize = 16 << 20;
/// Namespaces beside its own that a target has sockets in: for each all are looked through again.
const MOST_STRAYS: usize = 8;

/// The target's connections, and what is known of their other ends.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub pairs: Vec<Pair>,
    pub unix: Vec<UnixPair>,
    pub gaps: Vec<Gap>,
    pub truncated: bool,
    /// Other namespaces that it has sockets in.
    strays: BTreeSet<u64>,
    /// Its sockets that are in no table that was read.
    lacking: HashSet<u64>,
}

impl Joined {
    /// Namespaces that are hard to find are looked for where what is known leaves an end open.
    pub(super) fn collect(
        root: &SysRoot,
        containers: &Containers,
        spaces: &mut NetSpaces,
        chosen: &Chosen,
        own: &Held,
    ) -> Self {
        let known = spaces.list.len();
        let joined = Self::among(root, containers, spaces, chosen, own);
        if !joined.has_open_end() && !joined.is_elsewhere(root, spaces, chosen) {
            return joined;
        }
        spaces.add_hidden(root, containers);
        if spaces.list.len() == known && spaces.gaps.is_empty() {
            return joined;
        }
        Self::among(root, containers, spaces, chosen, own)
    }

    fn among(
        root: &SysRoot,
        containers: &Containers,
        spaces: &NetSpaces,
        chosen: &Chosen,
        own: &Held,
    ) -> Self {
        let mut joined = Self::of_one(root, containers, spaces, chosen, own, None);
        for stray in joined.strays.iter().copied().take(MOST_STRAYS).collect::<Vec<_>>() {
            let other = Self::of_one(root, containers, spaces, chosen, own, Some(stray));
            joined.pairs.extend(other.pairs);
            joined.truncated |= other.truncated;
            for gap in other.gaps {
                if !joined.gaps.contains(&gap) {
                    joined.gaps.push(gap);
                }
            }
        }
        if joined.strays.len() > MOST_STRAYS {
            let object = format!("{} network namespaces", joined.strays.len()).into();
            joined.gaps.push(Gap { object, what: WHAT, reason: Reason::Truncated });
        }
        joined
    }

    /// Looks through every network namespace for the other ends of what is in one.
    fn of_one(
        root: &SysRoot,
        containers: &Containers,
        spaces: &NetSpaces,
        chosen: &Chosen,
        own: &Held,
        stray: Option<u64>,
    ) -> Self {
        let (subject, flows, mut gaps) = chosen.read(root, spaces, containers, own, stray);
        let host = containers.host.inode(Kind::Net).unwrap_or(0);
        let others = chosen.published_by_others(containers);
        let mut around = Around::new(host, subject.namespace, others);
        let mut lacking = subject.inodes.clone();
        for inode in flows.iter().filter_map(|flow| flow.inode) {
            lacking.remove(&inode);
        }
        let translations = translations(root, spaces, &flows);
        let mut matching = Matching::new(&subject, &translations);
        for flow in flows {
            matching.take_own(flow);
        }
        matching.prepare();
        let mut unix = UnixSockets::new(&subject.inodes);
        let everywhere: Vec<usize> = (0..spaces.list.len()).collect();
        let wanted = Wanted {
            addresses: true,
            listening: true,
            connected: true,
            udp: true,
            unix: stray.is_none(),
            ..Wanted::default()
        };
        let home = spaces.place_of(subject.namespace);
        let is_stray =
            |place, flow: &Flow| stray.is_none() && Some(place) != home && subject.holds(flow);
        let visited = spaces.visit(root, &everywhere, WHAT, &mut |place, here| {
            here.read(wanted, &mut |row| match row {
                Row::Socket(socket, _) => {
                    let flow = Flow::of(socket);
                    matching.matters(&flow) || is_stray(place, &flow)
                }
                Row::Unix(socket) => unix.matters(socket),
                _ => true,
            });
        });
        let has_addresses = |found: &Found| !found.incomplete.contains(&"addresses");
        around.complete = visited.missed.is_empty()
            && spaces.gaps.is_empty()
            && visited.found.iter().all(|(_, found)| has_addresses(found));
        let mut strays = BTreeSet::new();
        for (place, found) in visited.found {
            let namespace = spaces.list.get(place).and_then(|space| space.inode).unwrap_or(0);
            for row in found.rows {
                match row {
                    Row::Address(_, address) => {
                        around.add(namespace, address.address, address.prefix_length);
                    }
                    Row::Socket(socket, _) => {
                        let flow = Flow::of(&socket);
                        if is_stray(place, &flow) {
                            strays.insert(namespace);
                            lacking.remove(&flow.inode.unwrap_or_default());
                        }
                        if matching.matters(&flow) {
                            matching.see(namespace, &flow, around.host);
                        }
                    }
                    Row::Unix(socket) => unix.see(*socket),
                    Row::Link(_) => {}
                }
            }
        }
        lacking.retain(|inode| !unix.has(*inode));
        gaps.extend(visited.gaps);
        Self {
            truncated: matching.truncated || unix.truncated,
            pairs: matching.finish(&around),
            unix: unix.finish(),
            gaps,
            strays,
            lacking,
        }
    }

    /// Whether an end was not found where it could be a socket.
    fn has_open_end(&self) -> bool {
        let is_open = |pair: &&Pair| matches!(pair.seen, Seen::Nothing | Seen::Address);
        let is_called = |pair: &Pair| pair.flow.peer.is_some_and(|to| !to.ip().is_multicast());
        self.pairs.iter().filter(is_open).any(is_called)
    }

    /// Whether one of its sockets is in a namespace that was not found.
    fn is_elsewhere(&self, root: &SysRoot, spaces: &NetSpaces, chosen: &Chosen) -> bool {
        let processes = chosen.processes.iter().copied().collect();
        let found = holders::find(root, &self.lacking, &processes, Extent::UntilFound);
        self.lacking.iter().any(|inode| {
            let holder = found.of(*inode).first();
            let process = holder.and_then(|one| ProcessHandle::open(root, one.pid).ok());
            let namespace = process.zip(holder).and_then(|(process, holder)| {
                let process = process.pidfd().ok()?;
                let file = descriptors::of_this_socket(process, holder.descriptor, *inode).ok()?;
                ns::inode(file.as_fd()).ok()
            });
            namespace.is_some_and(|namespace| spaces.place_of(namespace).is_none())
        })
    }
}

/// What the host changes of the target's connections, and what our own namespace does where that is
/// another; nothing where none are tracked.
fn translations(root: &SysRoot, spaces: &NetSpaces, own: &[Flow]) -> Translations {
    let mut found = Translations::new();
    let own: HashSet<(Carrier, SocketAddr, SocketAddr)> =
        own.iter().filter_map(|flow| Some((flow.protocol, flow.local, flow.peer?))).collect();
    if own.is_empty() {
        return found;
    }
    let is_host = spaces.own().is_some_and(|own| own.of_host);
    let mut table = Vec::new();
    for process in ["1", "self"].into_iter().skip(usize::from(is_host)) {
        let name = format!("{process}/net/nf_conntrack");
        if bounded::read_into(root.proc(), &name, TRACKED, &mut table).is_err() {
            continue;
        }
        for tracked in conntrack::parse(&table).filter(conntrack::Tracked::is_translated) {
            let protocol = Carrier::from(tracked.protocol);
            let (sent, answered) = (tracked.original, tracked.reply);
            for (here, there) in [(sent, answered), (answered, sent)] {
                let key = (protocol, here.0, here.1);
                if own.contains(&key) {
                    found.insert(key, there);
                }
            }
        }
    }
    found
}
