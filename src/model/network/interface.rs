//! Interfaces and their addresses. See netdevice(7), rtnetlink(7).

use crate::model::process::Pid;
use crate::model::text::Text;
use std::net::IpAddr;

/// One interface of a network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Interface {
    /// Interface index, unique within its namespace.
    pub index: u32,
    /// In this namespace; the same interface may be called otherwise elsewhere.
    pub name: Text,
    /// Other names it can be called by.
    pub altnames: Vec<Text>,
    /// A description that somebody gave it.
    pub alias: Option<Text>,
    /// Kernel's word for its kind: `veth`, `bridge`, `vlan`; `loopback` or `ether` where it has none.
    pub kind: Text,
    /// Operational state (RFC 2863): `up`, `down`, `unknown`, `dormant`, …
    pub state: &'static str,
    /// Administratively up (IFF_UP).
    pub up: bool,
    /// IFF_*: `up`, `lower_up`, `broadcast`, `promisc`, …; `no_carrier`: up, and not running.
    pub flags: Vec<&'static str>,
    pub mtu_bytes: u32,
    /// `02:42:c6:33:64:02`; absent where the link layer has none.
    pub mac: Option<String>,
    /// Queueing discipline: `noqueue`, `fq_codel`, …
    pub qdisc: Option<Text>,
    /// How many packets may wait to be sent.
    pub transmit_queue_packets: Option<u32>,
    /// Index of the bridge or bond it belongs to.
    pub master: Option<u32>,
    pub master_name: Option<Text>,
    /// As a port of a bridge: `forwarding`, `blocking`, `disabled`, …
    pub bridge_port: Option<&'static str>,
    /// Index of the peer or parent, in `peer_nsid`'s namespace or this one.
    pub peer_index: Option<u32>,
    /// The peer's namespace as this one numbers it; absent: the peer is in this one.
    pub peer_nsid: Option<i32>,
    /// The other end of a veth, or what a VLAN, macvlan, … stands on.
    pub peer: Option<Peer>,
    /// What only its kind has.
    pub details: Option<Details>,
    /// Absent where the kernel sent none.
    pub counters: Option<Counters>,
    pub addresses: Vec<Address>,
}

/// The interface at the other end, or below.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Peer {
    pub place: Place,
    /// Its name there; absent where that could not be asked.
    pub interface: Option<Text>,
    /// The bridge or bond it belongs to there.
    pub master: Option<Text>,
}

/// Whose network namespace.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Place {
    /// The same one.
    Here,
    /// The one that nsx runs in.
    Host,
    /// A container's.
    Container { name: Text, pid: Pid },
    /// Of a process in no container.
    Process { pid: Pid },
    /// One that has a name below /run/netns.
    Named { name: Text },
    /// None of those that can be seen.
    Unknown,
}

/// What only one kind of interface has.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Details {
    Bridge {
        /// Spanning tree protocol.
        stp: Option<bool>,
        vlan_filtering: Option<bool>,
    },
    Vlan {
        id: u16,
        /// `802.1Q` or `802.1ad`.
        protocol: Option<&'static str>,
    },
    /// Macvtap too.
    Macvlan {
        /// `private`, `vepa`, `bridge`, `passthru`, `source`.
        mode: &'static str,
    },
    /// Ipvtap too.
    Ipvlan {
        /// `l2`, `l3`, `l3s`.
        mode: &'static str,
        /// `bridge`, `private`, `vepa`.
        isolation: &'static str,
    },
    Vxlan {
        id: u32,
        local: Option<IpAddr>,
        /// A multicast group or the one other end.
        remote: Option<IpAddr>,
        port: Option<u16>,
    },
    Tun {
        /// `tun` or `tap`.
        mode: &'static str,
    },
    Bond {
        mode: &'static str,
    },
}

/// Since the interface was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counters {
    pub received_bytes: u64,
    pub received_packets: u64,
    pub received_errors: u64,
    pub received_dropped: u64,
    pub sent_bytes: u64,
    pub sent_packets: u64,
    pub sent_errors: u64,
    pub sent_dropped: u64,
}

/// One address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Address {
    pub address: IpAddr,
    pub prefix_length: u8,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    pub broadcast: Option<IpAddr>,
    /// IPv4: mostly the interface's name.
    pub label: Option<Text>,
    /// `global`, `site`, `link`, `host`.
    pub scope: &'static str,
    /// `dynamic`, `tentative`, `dadfailed`, `deprecated`, `temporary`, `secondary`, `nodad`, …
    pub flags: Vec<&'static str>,
    /// Absent: for ever.
    pub valid_seconds: Option<u32>,
    /// Until it is deprecated; absent: for ever.
    pub preferred_seconds: Option<u32>,
}
