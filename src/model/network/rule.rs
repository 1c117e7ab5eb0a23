//! Rules: which packets ask which table. See ip-rule(8).

use crate::model::text::Text;
use std::net::IpAddr;

/// What a packet must be like for a table to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rule {
    /// `inet` or `inet6`: each has rules of its own.
    pub family: &'static str,
    /// The lowest is asked first.
    pub priority: u32,
    /// It holds for what does not match.
    pub not: bool,
    /// Absent: from all.
    pub from: Option<Prefix>,
    /// Absent: to all.
    pub to: Option<Prefix>,
    /// A packet must have come by it; absent: by any.
    pub input_interface: Option<Text>,
    /// A socket must be bound to it; absent: to any.
    pub output_interface: Option<Text>,
    /// The packet's mark must be this, in the bits of the mask.
    pub mark: Option<u32>,
    /// All bits: 4294967295. Absent where marks do not matter.
    pub mark_mask: Option<u32>,
    /// The packet's must be this; absent: any.
    pub type_of_service: Option<u8>,
    /// The upper six bits of the type of service must be this, in the bits of the mask.
    pub dscp: Option<u8>,
    /// All bits: 63. Absent too where the kernel knows no mask (before Linux 6.15).
    pub dscp_mask: Option<u8>,
    /// IPv6's must be this, in the bits of the mask.
    pub flow_label: Option<u32>,
    /// All bits: 1048575.
    pub flow_label_mask: Option<u32>,
    /// The key of the tunnel that the packet came by.
    pub tunnel_id: Option<u64>,
    /// Of IP: 6 is TCP, 17 UDP.
    pub protocol: Option<u8>,
    /// Absent: from any.
    pub source_ports: Option<Span>,
    /// Bits in which a single port must be this one. All bits, 65535, where none are said; absent of
    /// a range, and before Linux 6.15.
    pub source_port_mask: Option<u16>,
    /// Absent: to any.
    pub destination_ports: Option<Span>,
    /// As of the source.
    pub destination_port_mask: Option<u16>,
    /// Of who sends.
    pub uids: Option<Span>,
    /// For interfaces of virtual routers.
    pub l3mdev: bool,
    /// `lookup`, `goto`, `nop`, `blackhole`, `unreachable`, `prohibit`.
    pub action: &'static str,
    /// What `lookup` asks.
    pub table: Option<u32>,
    /// `main`, `default`, `local`; other tables have numbers only.
    pub table_name: Option<&'static str>,
    /// The priority that `goto` leads to.
    pub goto: Option<u32>,
    /// Answers with a prefix as short as this do not count.
    pub suppress_prefix_length: Option<u32>,
    /// Answers by an interface of this group do not count.
    pub suppress_group: Option<u32>,
    /// Numbers (`FRA_*`) of what else the kernel says of it and nsx does not know: the rule may hold
    /// for fewer packets, or do other things, than is told here.
    pub other_attributes: Vec<u16>,
}

impl Rule {
    /// What it would be if it asked its table for any packet.
    #[must_use]
    pub fn for_any_packet(&self) -> Self {
        Self {
            family: self.family,
            priority: self.priority,
            action: "lookup",
            table: self.table,
            table_name: self.table_name,
            ..Self::default()
        }
    }
}

/// A range of addresses: those whose first `length` bits are these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Prefix {
    /// Bits behind the first `length` do not count.
    pub address: IpAddr,
    /// At most 32, of IPv6 128.
    pub length: u8,
}

/// Both ends are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Span {
    /// The lowest that matches.
    pub first: u32,
    /// The highest that matches.
    pub last: u32,
}
