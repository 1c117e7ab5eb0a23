//! Which sockets of this host are the two ends of one connection of TCP or UDP. Pure.
//!
//! Sockets come one by one, those of the target's namespace first; of all others only what may be
//! the end of one of these is kept, so that a host with a million of them costs no more than the
//! target's own.

use super::around::Around;
use super::listeners::{Listener, Listeners};
use crate::model::conversation::{Carrier, Direction, Seen};
use crate::model::network::Socket;
use crate::model::trail::Published;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

/// Connections of the target, and of others to it.
const MOST: usize = 1 << 18;
/// Namespaces that may hold the other end of one.
const MOST_ENDS: usize = 4;
/// What the kernel gives to those that connect, unless told otherwise (ip_local_port_range).
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32768..=60999;

/// One socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub protocol: Carrier,
    pub state: &'static str,
    pub local: SocketAddr,
    pub peer: Option<SocketAddr>,
    pub inode: Option<u64>,
    pub uid: u32,
    pub only_v6: bool,
}

impl Flow {
    /// An IPv4 address is the same one in a socket of IPv6.
    pub(super) fn of(socket: &Socket) -> Self {
        let at = |address: IpAddr, port| SocketAddr::new(address.to_canonical(), port);
        Self {
            protocol: socket.protocol.into(),
            state: socket.state,
            local: at(socket.address, socket.port),
            peer: socket
                .peer_address
                .zip(socket.peer_port)
                .map(|(address, port)| at(address, port)),
            inode: socket.inode.map(u64::from),
            uid: socket.uid,
            only_v6: socket.only_v6,
        }
    }

    /// Takes from everybody.
    fn waits(&self) -> bool {
        self.state == "listen" || self.protocol == Carrier::Udp && self.peer.is_none()
    }
}

/// Whose connections these shall be.
#[derive(Clone, Debug, Default)]
pub(super) struct Subject {
    /// The network namespace.
    pub namespace: u64,
    /// Nobody else is in it.
    pub exclusive: bool,
    /// Sockets that its processes hold.
    pub inodes: HashSet<u64>,
    /// Of the namespace.
    pub addresses: HashSet<IpAddr>,
    /// Ports of the host that lead to it.
    pub published: Vec<Published>,
    /// Whose word that is.
    pub uid: u32,
}

impl Subject {
    /// Whether one of its processes does.
    pub(super) fn holds(&self, flow: &Flow) -> bool {
        flow.inode.is_some_and(|inode| self.inodes.contains(&inode))
    }
}

/// Protocol, and the two ends as one of them sees them.
type Key = (Carrier, SocketAddr, SocketAddr);

/// What a connection looks like at its other end, where the host changes addresses on the way.
pub(super) type Translations = HashMap<Key, (SocketAddr, SocketAddr)>;

/// A connection of the target, and what may be its other end.
#[derive(Debug)]
struct Own {
    flow: Flow,
    ends: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    namespace: u64,
    inode: Option<u64>,
    address: IpAddr,
}

/// A connection with what is known of its other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The target's side of it; of what only the other side has, with that one's state.
    pub flow: Flow,
    pub direction: Direction,
    /// The end that serves.
    pub service: Option<SocketAddr>,
    pub end: End,
    pub via: Option<Published>,
    pub seen: Seen,
    pub alternatives: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    At {
        namespace: u64,
        inode: Option<u64>,
    },
    /// By its place in the list of containers.
    Container(usize),
    Outside,
    Unknown,
}

#[derive(Debug)]
pub(super) struct Matching<'a> {
    subject: &'a Subject,
    translations: &'a Translations,
    own: Vec<Own>,
    own_listeners: Listeners,
    /// To the place in `own`, and whether that is where the host translates.
    wanted: HashMap<Key, (usize, bool)>,
    /// Ports at which others' listeners matter.
    asked: HashSet<(Carrier, u16)>,
    /// Ports at which others may call the target.
    called: HashSet<(Carrier, u16)>,
    listeners: Listeners,
    callers: Vec<(u64, Flow)>,
    /// There were more than the bounds.
    pub(super) truncated: bool,
}

impl<'a> Matching<'a> {
    pub(super) fn new(subject: &'a Subject, translations: &'a Translations) -> Self {
        Self {
            subject,
            translations,
            own: Vec::new(),
            own_listeners: Listeners::default(),
            wanted: HashMap::new(),
            asked: HashSet::new(),
            called: HashSet::new(),
            listeners: Listeners::default(),
            callers: Vec::new(),
            truncated: false,
        }
    }

    /// Each socket of the target's namespace.
    pub(super) fn take_own(&mut self, flow: Flow) {
        if !self.subject.exclusive && !self.subject.holds(&flow) && flow.inode.is_some() {
            return;
        }
        if flow.waits() {
            self.truncated |= !self.own_listeners.add(self.subject.namespace, &flow);
        } else if flow.peer.is_some() {
            if self.own.len() < MOST {
                self.own.push(Own { flow, ends: Vec::new() });
            } else {
                self.truncated = true;
            }
        }
    }

    /// Once all of them have been taken.
    pub(super) fn prepare(&mut self) {
        if !self.subject.exclusive {
            // What nobody holds, or nobody yet, is of whoever listens there.
            let (namespace, listeners) = (self.subject.namespace, &self.own_listeners);
            let is_served =
                |flow: &Flow| listeners.find(namespace, flow.protocol, flow.local).is_some();
            self.own.retain(|own| own.flow.inode.is_some() || is_served(&own.flow));
        }
        for (place, Own { flow, .. }) in self.own.iter().enumerate() {
            let Some(peer) = flow.peer else { continue };
            self.wanted.insert((flow.protocol, peer, flow.local), (place, false));
            self.asked.insert((flow.protocol, peer.port()));
            let translated = self.translations.get(&(flow.protocol, flow.local, peer));
            if let Some((local, peer)) = translated {
                self.wanted.insert((flow.protocol, *local, *peer), (place, true));
                self.asked.insert((flow.protocol, local.port()));
            }
        }
        let published = self.subject.published.iter();
        let published = published.map(|one| (Carrier::from(one.protocol), one.host_port));
        // Who listens there says whether a user's record counts.
        self.asked.extend(published.clone());
        self.called = self.own_listeners.ports().chain(published).collect();
    }

    /// Whether [`see`](Self::see) may have use for it, whatever namespace it is in.
    pub(super) fn matters(&self, flow: &Flow) -> bool {
        if flow.waits() {
            return self.asked.contains(&(flow.protocol, flow.local.port()));
        }
        flow.peer.is_some_and(|peer| {
            self.wanted.contains_key(&(flow.protocol, flow.local, peer))
                || self.called.contains(&(flow.protocol, peer.port()))
        })
    }

    /// Each socket of each namespace, the target's too; `host` is where ports are published.
    pub(super) fn see(&mut self, namespace: u64, flow: &Flow, host: u64) {
        if flow.waits() {
            if self.asked.contains(&(flow.protocol, flow.local.port())) {
                self.truncated |= !self.listeners.add(namespace, flow);
            }
            return;
        }
        let Some(peer) = flow.peer else { return };
        let is_here = namespace == self.subject.namespace;
        let found = self.wanted.get(&(flow.protocol, flow.local, peer));
        let found = found.filter(|(_, translated)| {
            !flow.local.ip().is_loopback() || is_here || (*translated && namespace == host)
        });
        if let Some(own) = found.and_then(|(place, _)| self.own.get_mut(*place)) {
            own.meets(Place { namespace, inode: flow.inode, address: flow.local.ip() });
            return;
        }
        let is_own = is_here
            && (self.subject.exclusive
                || flow.inode.is_none_or(|inode| self.subject.inodes.contains(&inode)));
        if !is_own && self.called.contains(&(flow.protocol, peer.port())) {
            if self.callers.len() < MOST {
                self.callers.push((namespace, *flow));
            } else {
                self.truncated = true;
            }
        }
    }

    pub(super) fn finish(self, around: &Around) -> Vec<Pair> {
        let own_listeners = &self.own_listeners;
        let ends = Ends { subject: self.subject, around, listeners: self.listeners };
        let mut callers = Callers::sort(&ends, own_listeners, self.callers);
        let mut pairs = Vec::with_capacity(self.own.len());
        for own in &self.own {
            let Some(peer) = own.flow.peer else { continue };
            let (protocol, local) = (own.flow.protocol, own.flow.local);
            let serves = own_listeners.find(self.subject.namespace, protocol, local).is_some();
            pairs.extend(ends.pair(own, peer, serves, &mut callers));
        }
        pairs.extend(callers.rest());
        pairs
    }
}

impl Own {
    /// One socket a namespace: two of one address are one to us.
    fn meets(&mut self, place: Place) {
        if let Some(known) = self.ends.iter_mut().find(|end| end.namespace == place.namespace) {
            known.inode = known.inode.or(place.inode);
        } else if self.ends.len() < MOST_ENDS {
            self.ends.push(place);
        }
    }
}

/// Those who have a connection to the target that the target has not.
#[derive(Debug, Default)]
struct Callers {
    list: Vec<Option<Pair>>,
    /// By the caller's own end, of those that go through a port of the host.
    through_host: HashMap<(Carrier, SocketAddr), usize>,
}

impl Callers {
    fn sort(ends: &Ends<'_>, listeners: &Listeners, callers: Vec<(u64, Flow)>) -> Self {
        let subject = ends.subject;
        let mut sorted = Self::default();
        for (namespace, flow) in callers {
            let Some(called) = flow.peer else { continue };
            let is_here = namespace == subject.namespace;
            if !is_here && ends.around.stays(namespace, called.ip()) {
                continue;
            }
            let leads_here = if called.ip().is_loopback() {
                is_here
            } else {
                subject.addresses.contains(&called.ip())
            };
            let listener = listeners.find(subject.namespace, flow.protocol, called);
            let listener = listener.filter(|_| leads_here);
            let via = if listener.is_some() {
                // The same addresses may be in another world, where this leads to whoever has them.
                let holders = ends.around.holders(called.ip());
                if holders.iter().any(|one| *one != subject.namespace) {
                    continue;
                }
                // The other end of this would be among the target's: somebody else has the address.
                if flow.protocol == Carrier::Tcp
                    && matches!(flow.state, "established" | "close_wait")
                {
                    continue;
                }
                None
            } else {
                let of_host = ends.around.is_of_host(called.ip(), namespace);
                let via = of_host.then(|| ends.published_by_subject(flow.protocol, called));
                let Some(via) = via.flatten() else { continue };
                Some(via)
            };
            if via.is_some() {
                sorted.through_host.insert((flow.protocol, flow.local), sorted.list.len());
            }
            sorted.list.push(Some(Pair {
                flow: Flow {
                    local: called,
                    peer: Some(flow.local),
                    inode: listener.and_then(|one| one.inode),
                    ..flow
                },
                direction: Direction::In,
                service: Some(called),
                end: End::At { namespace, inode: flow.inode },
                via,
                seen: Seen::Socket,
                alternatives: 0,
            }));
        }
        sorted
    }

    /// The one whose own end is that.
    fn take(&mut self, protocol: Carrier, at: SocketAddr) -> Option<Pair> {
        let place = self.through_host.get(&(protocol, at))?;
        self.list.get_mut(*place)?.take()
    }

    fn rest(self) -> impl Iterator<Item = Pair> {
        self.list.into_iter().flatten()
    }
}

/// Whether an engine leads what goes there to a container.
pub(super) fn leads(published: &Published, protocol: Carrier, at: SocketAddr) -> bool {
    let address = published.host_address.map(|address| address.to_canonical());
    Carrier::from(published.protocol) == protocol
        && published.host_port == at.port()
        && address.is_none_or(|address| address.is_unspecified() || address == at.ip())
}

/// Where other ends are.
struct Ends<'a> {
    subject: &'a Subject,
    around: &'a Around,
    listeners: Listeners,
}

/// One, as far as it was found.
struct Found {
    /// Absent: no namespace is known to have it.
    namespace: Option<u64>,
    inode: Option<u64>,
    /// Who listens there.
    listener: Option<Listener>,
    seen: Seen,
    alternatives: u64,
}

impl Ends<'_> {
    /// `None`: it is the target itself, through a port of the host.
    fn pair(
        &self,
        own: &Own,
        peer: SocketAddr,
        serves: bool,
        callers: &mut Callers,
    ) -> Option<Pair> {
        let flow = own.flow;
        if !serves && self.around.is_of_host(peer.ip(), self.subject.namespace) {
            if self.published_by_subject(flow.protocol, peer).is_some() {
                return None;
            }
            let counts = |uid| self.counts(uid, flow.protocol, peer);
            if let Some((container, via)) = self.around.published(flow.protocol, peer, counts) {
                return Some(Pair {
                    flow,
                    direction: Direction::Out,
                    service: Some(peer),
                    end: End::Container(container),
                    via: Some(via),
                    seen: Seen::Published,
                    alternatives: 0,
                });
            }
        }
        if own.ends.is_empty()
            && serves
            && let Some(caller) = callers.take(flow.protocol, peer)
        {
            return Some(Pair { flow, service: Some(flow.local), ..caller });
        }
        let found = self.by_socket(own, peer).unwrap_or_else(|| self.by_address(&flow, peer));
        let direction = direction(serves, found.listener.is_some(), flow.local, peer);
        let (service, server) = match direction {
            Direction::In => (Some(flow.local), None),
            Direction::Out => (Some(peer), found.listener),
            Direction::Unknown => (None, None),
        };
        let end = match found.namespace {
            Some(namespace) => {
                // Of one that nobody holds any more, whoever served it.
                let inode = found.inode.or_else(|| server?.inode);
                End::At { namespace, inode }
            }
            // An address that somebody here has and cannot be called by is not told to be anybody's.
            None if peer.ip().is_multicast() => End::Outside,
            None if self.around.complete && self.around.holders(peer.ip()).is_empty() => {
                End::Outside
            }
            None => End::Unknown,
        };
        let Found { seen, alternatives, .. } = found;
        Some(Pair { flow, direction, service, end, via: None, seen, alternatives })
    }

    fn published_by_subject(&self, protocol: Carrier, at: SocketAddr) -> Option<Published> {
        let mut published = self.subject.published.iter();
        let found = published.find(|one| leads(one, protocol, at))?;
        self.counts(self.subject.uid, protocol, at).then_some(*found)
    }

    /// Whether a record of `uid`'s is more than his word: what a user publishes goes through a
    /// process of his.
    fn counts(&self, uid: u32, protocol: Carrier, at: SocketAddr) -> bool {
        let listener = || self.listeners.find(self.around.host, protocol, at);
        uid == 0 || listener().is_some_and(|one| one.uid == uid)
    }

    fn by_socket(&self, own: &Own, peer: SocketAddr) -> Option<Found> {
        let (place, alternatives) = self.best(&own.ends)?;
        let there = SocketAddr::new(place.address, peer.port());
        Some(Found {
            namespace: Some(place.namespace),
            inode: place.inode,
            listener: self.listeners.find(place.namespace, own.flow.protocol, there),
            seen: Seen::Socket,
            alternatives,
        })
    }

    fn by_address(&self, flow: &Flow, peer: SocketAddr) -> Found {
        let holders = if peer.ip().is_loopback() {
            std::slice::from_ref(&self.subject.namespace)
        } else {
            self.around.reachable(peer.ip())
        };
        let listening = holders.iter().find_map(|namespace| {
            Some((*namespace, self.listeners.find(*namespace, flow.protocol, peer)?))
        });
        let first = holders.first().copied();
        Found {
            namespace: listening.map(|(namespace, _)| namespace).or(first),
            inode: None,
            listener: listening.map(|(_, listener)| listener),
            seen: match (listening, first) {
                (Some(_), _) => Seen::Listener,
                (None, Some(_)) => Seen::Address,
                (None, None) => Seen::Nothing,
            },
            alternatives: holders.len().saturating_sub(1) as u64,
        }
    }

    /// That of the target's own namespace, where the address is one of its own; else one whose
    /// namespace has the address, for whoever is root in one can make a socket of any. With the
    /// number of others.
    fn best(&self, ends: &[Place]) -> Option<(Place, u64)> {
        let here = self.subject.namespace;
        let is_own = |end: &&Place| {
            let address = end.address;
            end.namespace == here
                && (address.is_loopback() || self.subject.addresses.contains(&address))
        };
        if let Some(own) = ends.iter().find(is_own) {
            return Some((*own, 0));
        }
        let has_address = |end: &&Place| {
            end.address.is_loopback() || self.around.holders(end.address).contains(&end.namespace)
        };
        let likely: Vec<&Place> = ends.iter().filter(has_address).collect();
        let (first, number) = match likely.first() {
            Some(first) => (**first, likely.len()),
            None => (*ends.first()?, ends.len()),
        };
        Some((first, number.saturating_sub(1) as u64))
    }
}

/// Who listens serves. Where neither does any more, it is the one whose port the kernel would give
/// to nobody.
fn direction(here: bool, there: bool, local: SocketAddr, peer: SocketAddr) -> Direction {
    match (here, there) {
        (true, false) => Direction::In,
        (false, true) => Direction::Out,
        (true, true) => Direction::Unknown,
        (false, false) => {
            match (EPHEMERAL.contains(&local.port()), EPHEMERAL.contains(&peer.port())) {
                (true, false) => Direction::Out,
                (false, true) => Direction::In,
                _ => Direction::Unknown,
            }
        }
    }
}

#[cfg(test)]
mod tests;
