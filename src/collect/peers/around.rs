//! What is known of the whole host when the ends of connections are put together. Pure.

use super::matching::leads;
use crate::model::conversation::Carrier;
use crate::model::trail::Published;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Debug, Default)]
pub(super) struct Around {
    /// The network namespaces that have an address; that of the host before others.
    pub addresses: HashMap<IpAddr, Vec<u64>>,
    /// The network namespace in which engines publish ports.
    pub host: u64,
    /// Ports of the host, the container that they lead to, and whose word that is.
    pub published: Vec<(usize, u32, Published)>,
    /// Every namespace was looked into: an address that is nowhere is outside.
    pub complete: bool,
}

impl Around {
    pub(super) fn new(host: u64, published: Vec<(usize, u32, Published)>) -> Self {
        Self { addresses: HashMap::new(), host, published, complete: true }
    }

    /// Every namespace has loopback addresses: they say nothing.
    pub(super) fn add(&mut self, namespace: u64, address: IpAddr) {
        let address = address.to_canonical();
        if address.is_loopback() {
            return;
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
