//! Sockets that are alike become one line: a busy server has thousands of connections.

use super::{InPlace, Query, owner_of_place};
use crate::collect::who::Host;
use crate::collect::who::holders::Holders;
use crate::collect::who::processes::key_of;
use crate::model::network::{Protocol, Socket};
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::model::trail::Owner;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Which end of it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Local,
    Peer,
}

/// In the order of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// TCP that listens, UDP without a peer.
    Waiting,
    Connected,
    /// No process has it any more.
    Ending,
}

impl Kind {
    fn of(socket: &Socket) -> Self {
        match socket.state {
            "listen" | "unconnected" => Self::Waiting,
            _ if socket.inode.is_some() => Self::Connected,
            _ => Self::Ending,
        }
    }
}

/// Sockets of one owner that are alike.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    pub place: usize,
    pub side: Side,
    pub kind: Kind,
    /// The first of them.
    pub socket: &'a Socket,
    pub sockets: u64,
    /// They are in several states.
    mixed: bool,
    pub owner: Owner,
    /// Of the owner's processes that hold it the first.
    pub process: Option<Pid>,
}

impl Group<'_> {
    pub(super) fn state(&self) -> &'static str {
        match self.kind {
            _ if !self.mixed => self.socket.state,
            Kind::Ending => "closing",
            _ => "connected",
        }
    }
}

/// One holder of a socket for each owner; without one, whose it is for want of them.
struct Owners<'a> {
    host: &'a Host<'a>,
    holders: &'a Holders,
    /// By pid: a server's workers hold every socket of it.
    known: HashMap<Pid, (OwnerKey, Owner)>,
}

type OwnerKey = (Option<Pid>, Text);

impl Owners<'_> {
    fn of(&mut self, place: usize, socket: &Socket) -> Vec<(OwnerKey, Owner, Option<Pid>)> {
        let mut owners: Vec<(OwnerKey, Owner, Option<Pid>)> = Vec::new();
        let inode = socket.inode.map(u64::from);
        for holder in inode.map(|inode| self.holders.of(inode)).unwrap_or_default() {
            let pid = holder.pid;
            let (key, owner) = self.known.entry(pid).or_insert_with(|| {
                let owner = self.host.owner_of(pid);
                (key_of(&owner), owner)
            });
            if !owners.iter().any(|(known, ..)| known == key) {
                owners.push((key.clone(), owner.clone(), Some(pid)));
            }
        }
        if owners.is_empty() {
            let is_held = inode.is_some() && !self.holders.is_complete();
            let owner = owner_of_place(self.host, place, is_held);
            owners.push((key_of(&owner), owner, None));
        }
        owners
    }
}

/// What those of one group have in common.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    side: Side,
    kind: Kind,
    place: usize,
    protocol: Protocol,
    address: IpAddr,
    /// Of those at whose other end the clue is, the port says nothing.
    port: Option<u16>,
    owner: OwnerKey,
    /// Who waits: several may share a port.
    waits: Option<Pid>,
}

/// Those that wait before those that are connected, the clue's own before its peers.
pub(super) fn group<'a>(
    host: &Host<'_>,
    query: &Query,
    places: &'a [InPlace],
    holders: &Holders,
) -> Vec<Group<'a>> {
    let mut owners = Owners { host, holders, known: HashMap::new() };
    let mut groups: BTreeMap<Key, Group<'a>> = BTreeMap::new();
    for InPlace { place, sockets, has_address } in places {
        for socket in sockets {
            let side = match socket {
                _ if query.is_local(socket, *has_address) => Side::Local,
                _ if query.is_peer(socket) => Side::Peer,
                _ => continue,
            };
            let kind = Kind::of(socket);
            for (owner_key, owner, process) in owners.of(*place, socket) {
                let key = Key {
                    side,
                    kind,
                    place: *place,
                    protocol: socket.protocol,
                    address: socket.address,
                    port: Some(socket.port).filter(|_| side == Side::Local),
                    owner: owner_key,
                    waits: process.filter(|_| kind == Kind::Waiting),
                };
                groups
                    .entry(key)
                    .and_modify(|group| {
                        group.sockets += 1;
                        group.mixed |= group.socket.state != socket.state;
                        group.process = group.process.min(process).or(group.process).or(process);
                    })
                    .or_insert_with(|| Group {
                        place: *place,
                        side,
                        kind,
                        socket,
                        sockets: 1,
                        mixed: false,
                        owner,
                        process,
                    });
            }
        }
    }
    groups.into_values().collect()
}
