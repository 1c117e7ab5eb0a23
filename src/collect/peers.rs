//! Whom a target talks to: its sockets, and those of every other network namespace that are joined
//! to them.
//!
//! The target's own namespace is read first; of all others only what may be the end of one of its
//! connections leaves the process that reads it. Then the processes that hold those are looked for.

mod around;
mod holders;
mod join;
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
use crate::sys::root::SysRoot;
use join::Joined;
use matching::{End, Pair};
use rows::{Rows, Talk};
use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use subject::Chosen;
use unix::UnixPair;
use whose::Judge;

const WHAT: &str = "sockets";

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
    let mut spaces = NetSpaces::list(root, &containers);
    let chosen = Chosen::find(root, spelled, &containers, &mut spaces)?;
    let (own, gap) = holders::of(root, &chosen.processes);
    gaps.extend(gap);
    let joined = Joined::collect(root, &containers, &mut spaces, &chosen, &own);
    gaps.extend(spaces.gaps.iter().cloned());
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
