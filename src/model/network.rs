//! What a network namespace holds.

mod interface;
mod neighbour;
mod resolver;
mod route;
mod rule;
mod settings;
mod socket;

pub use interface::{Address, Counters, Details, Interface, Peer, Place};
pub use neighbour::Neighbour;
pub use resolver::{File, FileState, Resolver};
pub use route::{NextHop, Route};
pub use rule::{Prefix, Rule, Span};
pub use settings::{Conntrack, Settings};
pub use socket::{Destination, Owner, Ports, Protocol, Socket, Sockets, TcpCounters, TcpStates};

/// Everything read from one network namespace in one visit.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Network {
    /// By index.
    pub interfaces: Vec<Interface>,
    /// Of all tables: main, default, the others by number, local; in each, default routes first.
    pub routes: Vec<Route>,
    /// By family and priority, as they are asked.
    pub rules: Vec<Rule>,
    /// By interface and address; without those that need no resolution.
    pub neighbours: Vec<Neighbour>,
    /// Absent where this kernel tells nothing about sockets.
    pub sockets: Option<Sockets>,
    /// Of /proc/sys/net in this namespace.
    pub settings: Settings,
    /// Absent without connection tracking.
    pub conntrack: Option<Conntrack>,
    /// The files that the target's resolver reads; absent where its root may not be looked into.
    pub resolver: Option<Resolver>,
    /// A table changed during every attempt, or was not answered in time; a row may be missing.
    pub incomplete: bool,
    /// Which: `interfaces`, `addresses`, `routes`, `rules`, `neighbours`, `sockets`.
    pub incomplete_tables: Vec<&'static str>,
}

impl Network {
    /// Notes once that rows of this table may be missing.
    pub fn mark_incomplete(&mut self, table: &'static str) {
        self.incomplete = true;
        if !self.incomplete_tables.contains(&table) {
            self.incomplete_tables.push(table);
        }
    }

    /// By its index in this namespace; `None` where it came after the list.
    pub fn interface(&self, index: u32) -> Option<&Interface> {
        let at = self.interfaces.binary_search_by_key(&index, |interface| interface.index).ok()?;
        self.interfaces.get(at)
    }
}
