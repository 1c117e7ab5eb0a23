//! Which unix sockets are the two ends of one connection. Pure.
//!
//! The tables of all namespaces are one here: a connection through a path may have its ends in the
//! tables of two, or of a third.

use crate::model::conversation::{Direction, Service};
use crate::model::text::Text;
use crate::sys::netlink::unix::UnixSocket;
use std::collections::{HashMap, HashSet};

/// Sockets that are kept, and those that wait at them.
const MOST: usize = 1 << 18;

/// A connection of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnixPair {
    /// The target's end, and the other.
    pub own: u64,
    pub other: u64,
    pub direction: Direction,
    pub service: Option<Service>,
    pub state: &'static str,
}

/// What is kept of all sockets, by inode.
#[derive(Debug)]
pub(super) struct UnixSockets<'a> {
    /// That the target's processes hold.
    own: &'a HashSet<u64>,
    list: HashMap<u64, UnixSocket>,
    kept: usize,
    pub(super) truncated: bool,
}

impl<'a> UnixSockets<'a> {
    pub(super) fn new(own: &'a HashSet<u64>) -> Self {
        Self { own, list: HashMap::new(), kept: 0, truncated: false }
    }

    /// Whether it may be an end of one of the target's, or take what the target sends.
    pub(super) fn matters(&self, socket: &UnixSocket) -> bool {
        let takes = socket.name.is_some() && socket.peer.is_none() && socket.state != "established";
        self.own.contains(&socket.inode)
            || socket.peer.is_some_and(|peer| self.own.contains(&peer))
            || socket.waiting.iter().any(|client| self.own.contains(client))
            || takes && socket.kind == "dgram"
    }

    pub(super) fn see(&mut self, socket: UnixSocket) {
        if !self.matters(&socket) {
            return;
        }
        if self.kept < MOST {
            self.kept += 1 + socket.waiting.len();
            self.list.insert(socket.inode, socket);
        } else {
            self.truncated = true;
        }
    }

    /// Whether it has been seen, of one that matters.
    pub(super) fn has(&self, inode: u64) -> bool {
        self.list.contains_key(&inode)
    }

    pub(super) fn finish(self) -> Vec<UnixPair> {
        let mut pairs = Vec::new();
        for socket in self.list.values() {
            let is_own = self.own.contains(&socket.inode);
            for client in &socket.waiting {
                let of_client = self.own.contains(client);
                if is_own || of_client {
                    pairs.push(UnixPair::waiting(socket, *client, is_own));
                }
            }
            let Some(peer) = socket.peer else { continue };
            let other = self.list.get(&peer);
            if is_own {
                pairs.push(UnixPair::of(socket, peer, other));
            } else if self.own.contains(&peer) && other.is_none_or(|own| own.peer.is_none()) {
                // The target's takes from everybody, and has no peer of its own.
                pairs.push(UnixPair::to(socket, peer, other));
            }
        }
        // As they were seen they have no order.
        pairs.sort_unstable_by_key(|pair| (pair.own, pair.other));
        pairs
    }
}

impl UnixPair {
    /// Between one that listens and a client that it has not accepted.
    fn waiting(listener: &UnixSocket, client: u64, is_own: bool) -> Self {
        let (own, other, direction) = if is_own {
            (listener.inode, client, Direction::In)
        } else {
            (client, listener.inode, Direction::Out)
        };
        Self { own, other, direction, service: service(listener), state: "waiting" }
    }

    /// The end that has a name serves; where both have, it is not known which does.
    fn of(own: &UnixSocket, peer: u64, other: Option<&UnixSocket>) -> Self {
        let there = other.and_then(service);
        let (direction, service) = match (service(own), there) {
            (Some(here), None) => (Direction::In, Some(here)),
            (None, Some(there)) => (Direction::Out, Some(there)),
            // Whom it sends to is known, and has no peer in turn.
            (Some(_), Some(there)) if other.is_some_and(|other| other.peer.is_none()) => {
                (Direction::Out, Some(there))
            }
            _ => (Direction::Unknown, None),
        };
        Self { own: own.inode, other: peer, direction, service, state: own.state }
    }

    /// From one that sends to the target's.
    fn to(sender: &UnixSocket, own: u64, target: Option<&UnixSocket>) -> Self {
        let service = target.and_then(service);
        let direction = if service.is_some() { Direction::In } else { Direction::Unknown };
        Self { own, other: sender.inode, direction, service, state: sender.state }
    }
}

fn service(socket: &UnixSocket) -> Option<Service> {
    let name = socket.name.as_ref()?;
    Some(match name.as_bytes().strip_prefix(b"\0") {
        Some(rest) => Service::Abstract { name: Text::new(rest) },
        None => Service::Path { path: name.clone() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(inode: u64, peer: Option<u64>, name: Option<&str>) -> UnixSocket {
        let state = if peer.is_some() { "established" } else { "unconnected" };
        let name = name.map(Text::from);
        UnixSocket { inode, kind: "stream", state, name, peer, waiting: Vec::new() }
    }

    fn pairs(own: &[u64], sockets: Vec<UnixSocket>) -> Vec<UnixPair> {
        let own = own.iter().copied().collect();
        let mut all = UnixSockets::new(&own);
        for socket in sockets {
            all.see(socket);
        }
        all.finish()
    }

    fn path(path: &str) -> Service {
        Service::Path { path: path.into() }
    }

    #[test]
    fn the_end_that_was_bound_serves() {
        let both = || vec![socket(1, Some(2), None), socket(2, Some(1), Some("/run/s"))];
        let client = &pairs(&[1], both())[0];
        assert_eq!((client.own, client.other, client.direction), (1, 2, Direction::Out));
        assert_eq!(client.service, Some(path("/run/s")));
        let server = &pairs(&[2], both())[0];
        assert_eq!((server.own, server.other, server.direction), (2, 1, Direction::In));
        assert_eq!(server.service, Some(path("/run/s")));
        assert_eq!(pairs(&[3], both()), []);
    }

    #[test]
    fn a_pair_that_nobody_bound_has_no_direction() {
        let pair = pairs(&[1], vec![socket(1, Some(2), None), socket(2, Some(1), None)]);
        assert_eq!((pair[0].direction, pair[0].service.clone()), (Direction::Unknown, None));
        let unseen = pairs(&[1], vec![socket(1, Some(2), None)]);
        assert_eq!((unseen[0].other, unseen[0].direction), (2, Direction::Unknown));
    }

    #[test]
    fn a_client_that_was_not_accepted_waits_at_its_listener() {
        let all = || {
            let waiting = vec![1, 9];
            let listener = UnixSocket { state: "listen", waiting, ..socket(5, None, Some("/s")) };
            vec![UnixSocket { state: "established", ..socket(1, None, None) }, listener]
        };
        let client = pairs(&[1], all());
        assert_eq!((client.len(), client[0].other, client[0].state), (1, 5, "waiting"));
        assert_eq!(
            (client[0].direction, client[0].service.clone()),
            (Direction::Out, Some(path("/s")))
        );
        let server = pairs(&[5], all());
        assert_eq!(server.iter().map(|pair| pair.other).collect::<Vec<_>>(), [1, 9]);
        assert_eq!(server[0].direction, Direction::In);
    }

    #[test]
    fn many_send_to_one_that_has_no_peer() {
        let dgram = |socket| UnixSocket { kind: "dgram", ..socket };
        let all = || {
            vec![
                dgram(socket(7, None, Some("/dev/log"))),
                dgram(socket(1, Some(7), None)),
                dgram(socket(2, Some(7), Some("\0me"))),
            ]
        };
        let server = pairs(&[7], all());
        let found: Vec<_> = server.iter().map(|pair| (pair.other, pair.direction)).collect();
        assert_eq!(found, [(1, Direction::In), (2, Direction::In)]);
        let named = pairs(&[2], all());
        assert_eq!(
            (named[0].direction, named[0].service.clone()),
            (Direction::Out, Some(path("/dev/log"))),
            "it may have a name itself"
        );
    }

    #[test]
    fn a_name_in_no_directory_is_told_without_its_zero() {
        let server = socket(2, Some(1), Some("\0x"));
        let pair = pairs(&[1], vec![socket(1, Some(2), None), server]);
        assert_eq!(pair[0].service, Some(Service::Abstract { name: "x".into() }));
    }
}
