//! Routes. See ip-route(8).

use super::Prefix;
use crate::model::text::Text;
use std::net::IpAddr;

/// Where packets to a range of addresses go.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Route {
    /// `inet` or `inet6`; two default routes may differ in nothing else.
    pub family: &'static str,
    /// 254 is `main`.
    pub table: u32,
    /// `main`, `default`, `local`; other tables have numbers only.
    pub table_name: Option<&'static str>,
    /// Absent: the default route.
    pub destination: Option<IpAddr>,
    /// How many bits of the destination count; 0 of a default route.
    pub prefix_length: u8,
    /// Of IPv6: only packets that come from there; absent: all.
    pub from: Option<Prefix>,
    /// Only packets with this one; absent: all.
    pub type_of_service: Option<u8>,
    /// Absent too where there are several next hops.
    pub gateway: Option<IpAddr>,
    /// What packets are wrapped in, or else is done with them: `mpls`, `ip`, `seg6`, `bpf`, …, or a
    /// number.
    pub encapsulation: Option<Text>,
    /// Name of the interface it leaves by.
    pub interface: Option<Text>,
    /// The lowest wins among routes to the same destination; absent: 0.
    pub metric: Option<u32>,
    /// `unicast`, `blackhole`, `unreachable`, …
    pub kind: &'static str,
    /// Of IPv6: `low`, `medium`, `high`, among default routes of the same metric.
    pub preference: Option<&'static str>,
    /// Who made it: `kernel`, `boot`, `static`, `ra`, `dhcp`, …, or a number.
    pub protocol: Text,
    /// `global`, `link`, `host`; for IPv6 always `global`.
    pub scope: &'static str,
    /// The source address that it suggests.
    pub preferred_source: Option<IpAddr>,
    /// `onlink`, `dead`, `linkdown`, `pervasive`, …
    pub flags: Vec<&'static str>,
    /// Where it has one of its own.
    pub mtu_bytes: Option<u32>,
    /// Absent: it stays.
    pub expires_seconds: Option<u32>,
    /// Of a multipath route; empty where there is but one next hop.
    pub next_hops: Vec<NextHop>,
    /// The number of the object that says where it leads, one next hop or several.
    pub next_hop_id: Option<u32>,
    /// Numbers (`RTA_*`) of what else the kernel says of it and nsx does not know.
    pub other_attributes: Vec<u16>,
}

/// One of several ways that a route spreads packets over.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NextHop {
    /// Absent: its destination is reached directly.
    pub gateway: Option<IpAddr>,
    /// As of a route.
    pub encapsulation: Option<Text>,
    /// Name of the interface that the packets leave by.
    pub interface: Option<Text>,
    /// Its share of the packets, at least 1.
    pub weight: u32,
    /// The same words as of a route: `onlink`, `dead`, `linkdown`, …
    pub flags: Vec<&'static str>,
}

impl Route {
    /// Of the table that is looked at without any rule.
    pub fn is_main(&self) -> bool {
        self.table_name == Some("main")
    }

    /// Of the table of the kernel's own addresses.
    pub fn is_local(&self) -> bool {
        self.table_name == Some("local")
    }

    /// Where packets go that no other route of its table takes.
    pub fn is_default(&self) -> bool {
        self.destination.is_none()
    }
}
