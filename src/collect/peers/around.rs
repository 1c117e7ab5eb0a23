//! What is known of the whole host when the ends of connections are put together. Pure.

use super::matching::leads;
use crate::model::conversation::Carrier;
use crate::model::trail::Published;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Debug, Default)]
pub(super) struct Around {
    /// The network namespaces that have an address; that of the host before others.
    pub addresses: HashMap<IpAddr, Vec<u64>>,
    /// The network namespace in which engines publish ports.
    pub host: u64,
    /// That of the target.
    pub subject: u64,
    /// Networks that these two are in, and the lengths of their prefixes.
    pub networks: HashSet<(IpAddr, u8)>,
    pub lengths: BTreeSet<u8>,
    /// Ports of the host, the container that they lead to, and whose word that is.
    pub published: Vec<(usize, u32, Published)>,
    /// Every namespace was looked into: an address that is nowhere is outside.
    pub complete: bool,
}

impl Around {
    pub(super) fn new(host: u64, subject: u64, published: Vec<(usize, u32, Published)>) -> Self {
        Self { host, subject, published, complete: true, ..Self::default() }
    }

    /// Every namespace has loopback addresses: they say nothing.
    pub(super) fn add(&mut self, namespace: u64, address: IpAddr, prefix_length: u8) {
        let address = address.to_canonical();
        if address.is_loopback() {
            return;
        }
        if namespace == self.host || namespace == self.subject {
            self.networks.extend(network(address, prefix_length));
            self.lengths.insert(prefix_length);
        }
        let holders = self.addresses.entry(address).or_default();
        if holders.contains(&namespace) {
            return;
        }
        if namespace == self.host {
            holders.insert(0, namespace);
        } else {
            holders.push(namespace);
        }
    }

    pub(super) fn holders(&self, address: IpAddr) -> &[u64] {
        self.addresses.get(&address).map(Vec::as_slice).unwrap_or_default()
    }

    /// Those that may be who is called by it. Whoever is root in a namespace gives it any address,
    /// one of the internet too: it has to be in a network of the target's or the host's.
    pub(super) fn reachable(&self, address: IpAddr) -> &[u64] {
        let holders = self.holders(address);
        let is_home = |one: &u64| *one == self.host || *one == self.subject;
        let is_near = || {
            let mut lengths = self.lengths.iter();
            let is_in = |one| self.networks.contains(&one);
            lengths.any(|length| network(address, *length).is_some_and(is_in))
        };
        if holders.iter().all(is_home) || is_near() { holders } else { &[] }
    }

    /// Whether a namespace has an address itself, so that what calls that from there stays there.
    pub(super) fn stays(&self, namespace: u64, address: IpAddr) -> bool {
        namespace != self.host && self.holders(address).contains(&namespace)
    }

    /// Whether `address`, seen from `namespace`, is one of the host's.
    pub(super) fn is_of_host(&self, address: IpAddr, namespace: u64) -> bool {
        if address.is_loopback() {
            return namespace == self.host;
        }
        self.holders(address).contains(&self.host)
    }

    /// Where an engine leads what goes to an address of the host, by a record that `counts`.
    pub(super) fn published(
        &self,
        protocol: Carrier,
        at: SocketAddr,
        counts: impl Fn(u32) -> bool,
    ) -> Option<(usize, Published)> {
        let is_it = |(_, uid, one): &&(_, u32, _)| leads(one, protocol, at) && counts(*uid);
        self.published.iter().find(is_it).map(|(container, _, one)| (*container, *one))
    }
}

/// The network of an address; a prefix of no bits has everything.
fn network(address: IpAddr, prefix_length: u8) -> Option<(IpAddr, u8)> {
    let length = u32::from(prefix_length);
    let network = match address {
        IpAddr::V4(v4) => {
            let free = 32_u32.checked_sub(length)?;
            IpAddr::from((v4.to_bits() & u32::MAX.checked_shl(free)?).to_be_bytes())
        }
        IpAddr::V6(v6) => {
            let free = 128_u32.checked_sub(length)?;
            IpAddr::from((v6.to_bits() & u128::MAX.checked_shl(free)?).to_be_bytes())
        }
    };
    Some((network, prefix_length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_outside_of_every_network_at_home_is_nobodys_here() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut around = Around::new(1, 2, Vec::new());
        around.add(1, ip("198.51.100.1"), 24);
        around.add(2, ip("2001:db8::2"), 64);
        around.add(1, ip("192.0.2.9"), 0);
        for (address, found) in [
            ("198.51.100.7", true),
            ("2001:db8::7", true),
            ("203.0.113.7", false),
            ("2001:db8:1::7", false),
        ] {
            around.add(3, ip(address), 1);
            assert_eq!(around.reachable(ip(address)) == [3], found, "{address}");
        }
        assert_eq!(around.reachable(ip("192.0.2.9")), [1]);
        assert!(around.stays(3, ip("203.0.113.7")) && !around.stays(1, ip("192.0.2.9")));
    }

    proptest::proptest! {
        #[test]
        fn no_prefix_panics(address: std::net::IpAddr, prefix_length: u8) {
            let found = network(address, prefix_length);
            let most = if address.is_ipv4() { 32 } else { 128 };
            proptest::prop_assert_eq!(found.is_some(), (1..=most).contains(&prefix_length));
        }
    }
}
