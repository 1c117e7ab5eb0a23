//! What a network namespace holds.

use super::text::Text;
use std::net::IpAddr;

/// One interface. See netdevice(7), rtnetlink(7).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Interface {
    /// Interface index, unique within its namespace.
    pub index: u32,
    pub name: Text,
    /// Kernel's word for its kind: `veth`, `bridge`, `vlan`; `loopback` or `ether` where it has none.
    pub kind: Text,
    /// Operational state (RFC 2863): `up`, `down`, `unknown`, `dormant`, …
    pub state: &'static str,
    /// Administratively up (IFF_UP).
    pub up: bool,
    pub mtu_bytes: u32,
    /// `02:42:c6:33:64:02`; absent where the link layer has none.
    pub mac: Option<String>,
    /// Index of the bridge or bond it belongs to.
    pub master: Option<u32>,
    /// Index of the peer or parent, in `peer_nsid`'s namespace or this one.
    pub peer_index: Option<u32>,
    /// The peer's namespace as this one numbers it; absent: the peer is in this one.
    pub peer_nsid: Option<i32>,
    pub addresses: Vec<Address>,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Address {
    pub address: IpAddr,
    pub prefix_length: u8,
    /// `global`, `site`, `link`, `host`.
    pub scope: &'static str,
}

/// One route of the main table.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Route {
    /// `inet` or `inet6`; two default routes may differ in nothing else.
    pub family: &'static str,
    /// Absent: the default route.
    pub destination: Option<IpAddr>,
    pub prefix_length: u8,
    pub gateway: Option<IpAddr>,
    /// Name of the interface it leaves by.
    pub interface: Option<Text>,
    pub metric: Option<u32>,
    /// `unicast`, `blackhole`, `unreachable`, …
    pub kind: &'static str,
}

/// Everything read from one network namespace in one visit.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Network {
    /// By index.
    pub interfaces: Vec<Interface>,
    /// Default routes first, then by destination.
    pub routes: Vec<Route>,
    /// A table changed during every attempt, or was not answered in time; a row may be missing.
    pub incomplete: bool,
}
