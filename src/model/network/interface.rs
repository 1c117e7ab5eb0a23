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
    /// The most that a packet may hold, without what the link layer adds: `1500`.
    pub mtu_bytes: u32,
    /// `02:42:c6:33:64:02`; absent where the link layer has none.
    pub mac: Option<String>,
    /// Queueing discipline: `noqueue`, `fq_codel`, …
    pub qdisc: Option<Text>,
    /// How many packets may wait to be sent.
    pub transmit_queue_packets: Option<u32>,
    /// net.ipv6.conf.NAME.disable_ipv6; absent where it can have no IPv6.
    pub ipv6_disabled: Option<bool>,
    /// net.ipv4.conf.NAME.rp_filter; what is set for all holds where that is greater. Absent where it
    /// can have no IPv4.
    pub reverse_path_filter: Option<u32>,
    /// Index of the bridge or bond it belongs to.
    pub master: Option<u32>,
    /// Its name; absent where it came after the list of interfaces.
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
    /// Of IPv4 and IPv6.
    pub addresses: Vec<Address>,
}

/// The interface at the other end, or below.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Peer {
    /// Whose network namespace it is in.
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
    Container {
        /// What a person calls it: its pod and name, else its id, else its first process.
        name: Text,
        /// A process in that network namespace, as the reader's /proc numbers it.
        pid: Pid,
    },
    /// Of a process in no container.
    Process {
        /// The first that was found there, as the reader's /proc numbers it.
        pid: Pid,
    },
    /// One that has a name below /run/netns.
    Named {
        /// `blue`, of `/run/netns/blue`.
        name: Text,
    },
    /// None of those that can be seen.
    Unknown,
}

/// What only one kind of interface has.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Details {
    /// Of kind `bridge`.
    Bridge {
        /// Spanning tree protocol.
        stp: Option<bool>,
        /// It tells VLANs apart; null where the kernel does not say.
        vlan_filtering: Option<bool>,
    },
    /// Of kind `vlan`.
    Vlan {
        /// The tag of its packets: 0 to 4094.
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
    /// Of kind `vxlan`.
    Vxlan {
        /// The network identifier (VNI), of 24 bits.
        id: u32,
        /// From which tunnel packets are sent; null where none is set.
        local: Option<IpAddr>,
        /// A multicast group or the one other end.
        remote: Option<IpAddr>,
        /// Of UDP, to which tunnel packets are sent; null where the kernel does not say.
        port: Option<u16>,
    },
    /// Of kind `tun`: a program is at its other end.
    Tun {
        /// `tun` or `tap`.
        mode: &'static str,
    },
    /// Of kind `bond`: several interfaces in one.
    Bond {
        /// `balance-rr`, `active-backup`, `802.3ad`, …; `other` for one of a newer kernel.
        mode: &'static str,
    },
}

/// Since the interface was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counters {
    /// `rx_bytes` of `struct rtnl_link_stats64`, linux/if_link.h.
    pub received_bytes: u64,
    /// `rx_packets`: good ones.
    pub received_packets: u64,
    /// `rx_errors`: packets that came damaged, and the like.
    pub received_errors: u64,
    /// `rx_dropped`: good ones that were thrown away, as where nobody took them.
    pub received_dropped: u64,
    /// `tx_bytes`.
    pub sent_bytes: u64,
    /// `tx_packets`.
    pub sent_packets: u64,
    /// `tx_errors`: packets that could not be sent.
    pub sent_errors: u64,
    /// `tx_dropped`: packets that were thrown away before they were sent.
    pub sent_dropped: u64,
}

/// One address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Address {
    /// This end's: `172.17.0.2`.
    pub address: IpAddr,
    /// How many of its bits are the network's: `16`.
    pub prefix_length: u8,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// IPv4 only; absent where none is set.
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
