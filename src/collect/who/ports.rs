//! A port, with an address or without: whose sockets it is, in every network namespace, and the
//! container that an engine leads it to.

mod groups;
mod published;
mod tables;

use super::Host;
use super::holders::{self, Extent};
use crate::model::network::{Protocol, Socket};
use crate::model::process::Pid;
use crate::model::trail::{Owner, Published, Step, Trail};
use groups::{Group, Side, group};
use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use tables::InPlace;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query {
    /// None: any.
    pub address: Option<IpAddr>,
    pub port: u16,
    /// None: any.
    pub protocol: Option<Protocol>,
}

impl Query {
    /// Whether it may be one, as far as the socket itself tells.
    fn may_mean(&self, socket: &Socket) -> bool {
        self.is_peer(socket) || self.may_be_local(socket)
    }

    fn may_be_local(&self, socket: &Socket) -> bool {
        self.has_protocol(socket.protocol)
            && socket.port == self.port
            && self.address.is_none_or(|address| {
                is_everywhere(socket, address) || same(socket.address, address)
            })
    }

    /// Its own end. `has_address`: its namespace has the address.
    fn is_local(&self, socket: &Socket, has_address: bool) -> bool {
        let is_it = |address| has_address || same(socket.address, address);
        self.may_be_local(socket) && self.address.is_none_or(is_it)
    }

    /// Its other end. Without an address that would be any socket of anybody's clients.
    fn is_peer(&self, socket: &Socket) -> bool {
        let peer = socket.peer_address.zip(self.address);
        self.has_protocol(socket.protocol)
            && socket.peer_port == Some(self.port)
            && peer.is_some_and(|(peer, address)| same(peer, address))
    }

    fn has_protocol(&self, protocol: Protocol) -> bool {
        self.protocol.is_none_or(|one| one == protocol)
    }

    /// Whether an engine leads it anywhere. `has_address`: the host has the address.
    fn is_published(&self, published: &Published, has_address: bool) -> bool {
        let is_there = |address: IpAddr| match published.host_address {
            Some(one) => same(one, address),
            None => has_address || address.is_unspecified(),
        };
        self.has_protocol(published.protocol)
            && published.host_port == self.port
            && self.address.is_none_or(is_there)
    }
}

/// An address of IPv4 is the same one in a socket of IPv6.
fn same(one: IpAddr, other: IpAddr) -> bool {
    one.to_canonical() == other.to_canonical()
}

/// Whether a socket takes what is sent to `address`, if its namespace has that. One of IPv6 takes
/// IPv4 too, unless it was told otherwise.
fn is_everywhere(socket: &Socket, address: IpAddr) -> bool {
    let is_v4 = address.to_canonical().is_ipv4();
    let takes = if socket.address.is_ipv6() { !(is_v4 && socket.only_v6) } else { is_v4 };
    socket.address.is_unspecified() && takes
}

pub(super) fn find(host: &Host<'_>, query: &Query) -> Vec<Trail> {
    let places = tables::read(host, query);
    let spaces = host.spaces();
    let of_host = |place: usize| spaces.list.get(place).is_some_and(|space| space.of_host);
    let host_has = places.iter().any(|one| of_host(one.place) && one.has_address);
    let leads = published::leads(host, query, host_has || query.address.is_some_and(is_loopback));

    let inodes: HashSet<u64> = places
        .iter()
        .flat_map(|one| &one.sockets)
        .filter_map(|one| one.inode)
        .map(u64::from)
        .collect();
    let holders = holders::find(host.root, &inodes, &first(host, &places), Extent::UntilFound);
    if let Some(gap) = holders.gap() {
        host.note(gap);
    }
    let mut trails = Vec::new();
    let mut joined = Vec::new();
    let mut left = Vec::new();
    for group in group(host, query, &places, &holders) {
        let is_at_home = of_host(group.place);
        let stands_for = published::stands_for(host, &group, &leads).filter(|_| is_at_home);
        let Some(lead) = stands_for else {
            trails.push(trail(host, &group));
            left.extend(is_at_home.then_some(group));
            continue;
        };
        // An engine has one of them for each family of addresses.
        let key = (lead, group.kind);
        if !joined.contains(&key) {
            joined.push(key);
            trails.extend(leads.get(lead).and_then(|lead| lead.through(host, &group)));
        }
    }
    let is_told = |place: &usize| joined.iter().any(|(lead, _)| lead == place);
    let alone = leads.iter().enumerate().filter(|(place, _)| !is_told(place));
    let alone = alone.map(|(_, lead)| lead).filter(|lead| lead.counts(host, &left));
    let mut all: Vec<Trail> = alone.filter_map(|lead| lead.alone(host)).collect();
    all.extend(trails);
    all
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Who is in these namespaces; of the host's everybody who is in no other.
fn first(host: &Host<'_>, places: &[InPlace]) -> BTreeSet<Pid> {
    let spaces = host.spaces();
    let found = places.iter().filter(|one| !one.sockets.is_empty());
    let found = found.filter_map(|one| spaces.list.get(one.place));
    found.flat_map(|space| space.processes.iter().copied()).collect()
}

fn trail(host: &Host<'_>, group: &Group<'_>) -> Trail {
    let mut steps = vec![step(host, group)];
    steps.extend(group.process.and_then(|pid| host.process(pid)));
    Trail { steps, owner: group.owner.clone() }
}

/// What is alike in all of a group.
fn step(host: &Host<'_>, group: &Group<'_>) -> Step {
    let socket = group.socket;
    let is_one = group.sockets == 1;
    // Of connections to one place the peer is what they share.
    let has_peer = is_one || group.side == Side::Peer;
    Step::Socket {
        protocol: socket.protocol,
        state: group.state(),
        address: socket.address,
        port: socket.port,
        peer_address: socket.peer_address.filter(|_| has_peer),
        peer_port: socket.peer_port.filter(|_| has_peer),
        inode: socket.inode.map(u64::from).filter(|_| is_one),
        sockets: group.sockets,
        at: host.spaces().seen_at(group.place),
    }
}

/// Of a socket that nobody is seen to hold: whose its namespace is.
pub(super) fn owner_of_place(host: &Host<'_>, place: usize, is_held: bool) -> Owner {
    match host.owner_of_space(place) {
        // Of the many who are there nobody knows which.
        Owner::Host { .. } if is_held => Owner::Unknown,
        owner => owner,
    }
}

#[cfg(test)]
mod tests;
