//! Who takes from everybody at an address and port. Pure.

use super::matching::Flow;
use crate::model::conversation::Carrier;
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// A container may listen at any number of ports and addresses.
const MOST: usize = 1 << 16;

/// Listeners of TCP and sockets of UDP without a peer, by network namespace.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    by_place: HashMap<(u64, Carrier, SocketAddr), Listener>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub inode: Option<u64>,
    pub uid: u32,
    only_v6: bool,
}

impl Listeners {
    /// False: there are too many.
    pub(super) fn add(&mut self, namespace: u64, flow: &Flow) -> bool {
        let key = (namespace, flow.protocol, flow.local);
        let has_room = self.by_place.len() < MOST;
        if has_room {
            // Of several that share a port, one.
            let Flow { inode, uid, only_v6, .. } = *flow;
            self.by_place.entry(key).or_insert(Listener { inode, uid, only_v6 });
        }
        has_room
    }

    /// The one that takes what is sent there: that of the address before that of all.
    pub(super) fn find(
        &self,
        namespace: u64,
        protocol: Carrier,
        at: SocketAddr,
    ) -> Option<Listener> {
        let get = |at| self.by_place.get(&(namespace, protocol, at)).copied();
        let all_v4 = || at.is_ipv4().then(|| (Ipv4Addr::UNSPECIFIED, at.port()).into());
        // One of IPv6 takes IPv4 too, unless told otherwise.
        let all_v6 = || {
            let found: Option<Listener> = get((Ipv6Addr::UNSPECIFIED, at.port()).into());
            found.filter(|one| !(at.is_ipv4() && one.only_v6))
        };
        get(at).or_else(|| get(all_v4()?)).or_else(all_v6)
    }

    /// Protocol and port of each.
    pub(super) fn ports(&self) -> impl Iterator<Item = (Carrier, u16)> {
        self.by_place.keys().map(|(_, protocol, at)| (*protocol, at.port()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONLY_V6: u64 = 66;

    fn listeners(list: &[(&str, u64)]) -> Listeners {
        let mut listeners = Listeners::default();
        for (local, inode) in list {
            let flow = Flow {
                protocol: Carrier::Tcp,
                state: "listen",
                local: local.parse().unwrap(),
                peer: None,
                inode: Some(*inode),
                uid: 0,
                only_v6: *inode == ONLY_V6,
            };
            assert!(listeners.add(7, &flow));
        }
        listeners
    }

    fn found(list: &[(&str, u64)], at: &str) -> Option<u64> {
        listeners(list).find(7, Carrier::Tcp, at.parse().unwrap())?.inode
    }

    #[test]
    fn the_address_before_all_addresses_and_ipv4_before_both() {
        let all = [("198.51.100.2:80", 1), ("0.0.0.0:80", 2), ("[::]:80", 3), ("0.0.0.0:81", 4)];
        assert_eq!(found(&all, "198.51.100.2:80"), Some(1));
        assert_eq!(found(&all, "198.51.100.3:80"), Some(2));
        assert_eq!(found(&all, "[2001:db8::1]:80"), Some(3));
        assert_eq!(found(&all[2..], "198.51.100.2:80"), Some(3), "::");
        assert_eq!(found(&all, "[2001:db8::1]:81"), None);
        assert_eq!(found(&all[..1], "198.51.100.3:80"), None);
        let only_v6 = [("[::]:80", ONLY_V6)];
        assert_eq!(found(&only_v6, "198.51.100.2:80"), None);
        assert_eq!(found(&only_v6, "[2001:db8::1]:80"), Some(ONLY_V6));
    }

    #[test]
    fn each_protocol_and_namespace_has_its_own() {
        let one = listeners(&[("0.0.0.0:80", 1)]);
        let at = "198.51.100.2:80".parse().unwrap();
        assert_eq!(one.find(7, Carrier::Udp, at), None);
        assert_eq!(one.find(8, Carrier::Tcp, at), None);
        assert_eq!(one.ports().collect::<Vec<_>>(), [(Carrier::Tcp, 80)]);
    }
}
