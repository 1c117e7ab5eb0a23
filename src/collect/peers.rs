//! Whom a target talks to: its sockets, and those of every other network namespace that are joined
//! to them.
//!
//! The target's own namespace is read first; of all others only what may be the end of one of its
//! connections leaves the process that reads it. Then the processes that hold those are looked for.

mod around;
mod holders;
mod listeners;
mod matching;
mod rows;
mod subject;
mod unix;
mod whose;

use super::containers::collect_recorded_containers;
use super::netspaces::NetSpaces;
use super::runtime::cni;
use super::target::TargetError;
use crate::model::conversation::{Carrier, Conversation, Seen, Service};
use crate::model::gap::{Gap, Reason};
use crate::model::namespace::Kind;
use crate::sys::bounded;
use crate::sys::netlink::roam::{Found, Row, Wanted};
use crate::sys::proc::conntrack;
use crate::sys::root::SysRoot;
use around::Around;
use matching::{End, Flow, Matching, Pair, Subject, Translations};
use rows::{Rows, Talk};
use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use subject::Chosen;
use unix::{UnixPair, UnixSockets};
use whose::Judge;

const WHAT: &str = "sockets";
/// Of the connections that the host tracks: some two hundred bytes each.
const TRACKED: usize = 16 << 20;

/// Every conversation of the target with somebody else, and what could not be seen.
///
/// The caller has one thread.
pub fn collect_peers(
    root: &SysRoot,
    spelled: &[u8],
) -> Result<(Vec<Conversation>, Vec<Gap>), TargetError> {
    let mut containers = collect_recorded_containers(root)?;
    cni::add(root, &mut containers.list);
    let mut gaps = std::mem::take(&mut containers.gaps);
    let spaces = NetSpaces::list(root, &containers);
    gaps.extend(spaces.gaps.iter().cloned());
    let chosen = Chosen::find(root, spelled, &containers, &spaces)?;
    let (own, gap) = holders::of(root, &chosen.processes);
    gaps.extend(gap);
    let (subject, flows, unseen) = chosen.read(root, &spaces, &containers, &own);
    gaps.extend(unseen);
    let host = containers.host.inode(Kind::Net).unwrap_or(0);
    let around = Around::new(host, subject.namespace, chosen.published_by_others(&containers));
    let joined = join(root, &spaces, &subject, flows, around);
    gaps.extend(joined.gaps);

    let (mut wanted, mut namespaces) = (HashSet::new(), BTreeSet::new());
    for pair in &joined.pairs {
        if let End::At { namespace, inode: Some(inode) } = pair.end {
            wanted.insert(inode);
            namespaces.insert(namespace);
        }
    }
    wanted.extend(joined.unix.iter().map(|pair| pair.other));
    wanted.retain(|inode| !own.contains_key(inode));
    // Those who live in the namespaces of the sockets.
    let namespaces = namespaces.into_iter().filter_map(|namespace| spaces.find(namespace));
    let likely = namespaces.flat_map(|space| space.processes.iter().copied()).collect();
    let (held, gap) = holders::find(root, &wanted, &likely);
    gaps.extend(gap);
    let mut judge = Judge::new(&containers, &spaces, &chosen, own, held);
    let mut rows = Rows::default();
    for talk in joined.pairs.iter().filter_map(|pair| of_pair(&mut judge, pair)) {
        rows.add(talk);
    }
    for talk in joined.unix.into_iter().filter_map(|pair| of_unix(&mut judge, pair)) {
        rows.add(talk);
    }
    let (conversations, cut) = rows.finish();
    if joined.truncated || cut {
        let object = chosen.label.clone();
        gaps.push(Gap { object, what: WHAT, reason: Reason::Truncated });
    }
    Ok((conversations, gaps))
}

/// The target's connections, and what is known of their other ends.
struct Joined {
    pairs: Vec<Pair>,
    unix: Vec<UnixPair>,
    gaps: Vec<Gap>,
    truncated: bool,
}

/// Looks through every network namespace for the other ends.
fn join(
    root: &SysRoot,
    spaces: &NetSpaces,
    subject: &Subject,
    flows: Vec<Flow>,
    mut around: Around,
) -> Joined {
    let translations = translations(root, spaces, &flows);
    let mut matching = Matching::new(subject, &translations);
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
        unix: true,
        ..Wanted::default()
    };
    let visited = spaces.read(root, &everywhere, wanted, WHAT, &mut |row| match row {
        Row::Socket(socket, _) => matching.matters(&Flow::of(socket)),
        Row::Unix(socket) => unix.matters(socket),
        _ => true,
    });
    let has_addresses = |found: &Found| !found.incomplete.contains(&"addresses");
    around.complete =
        visited.missed.is_empty() && visited.found.iter().all(|(_, found)| has_addresses(found));
    for (place, found) in visited.found {
        let namespace = spaces.list.get(place).and_then(|space| space.inode).unwrap_or(0);
        for row in found.rows {
            match row {
                Row::Address(_, address) => {
                    around.add(namespace, address.address, address.prefix_length);
                }
                Row::Socket(socket, _) => matching.see(namespace, &Flow::of(&socket), around.host),
                Row::Unix(socket) => unix.see(*socket),
                Row::Link(_) => {}
            }
        }
    }
    Joined {
        truncated: matching.truncated || unix.truncated,
        pairs: matching.finish(&around),
        unix: unix.finish(),
        gaps: visited.gaps,
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

/// `None`: the target with itself.
fn of_pair(judge: &mut Judge<'_>, pair: &Pair) -> Option<Talk> {
    let whose = judge.end(pair.end)?;
    let port = |at: SocketAddr| Service::Port { address: Some(at.ip()), port: at.port() };
    Some(Talk {
        protocol: pair.flow.protocol,
        direction: pair.direction,
        service: pair.service.map(port),
        local: judge.local(pair.flow.inode),
        whose,
        peer_address: pair.flow.peer.map(|peer| peer.ip()),
        via: pair.via,
        seen: pair.seen,
        alternatives: pair.alternatives,
        state: pair.flow.state,
    })
}

fn of_unix(judge: &mut Judge<'_>, pair: UnixPair) -> Option<Talk> {
    let whose = judge.unix_end(pair.other)?;
    Some(Talk {
        protocol: Carrier::Unix,
        direction: pair.direction,
        service: pair.service,
        local: judge.local(Some(pair.own)),
        seen: if whose.holders.is_empty() { Seen::Nothing } else { Seen::Socket },
        whose,
        peer_address: None,
        via: None,
        alternatives: 0,
        state: pair.state,
    })
}
