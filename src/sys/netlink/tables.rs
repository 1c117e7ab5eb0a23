//! Routing tables, protocols and scopes by the names that every host has. Pure. See
//! linux/rtnetlink.h.

use crate::model::text::Text;

/// Other tables may have names in /etc/iproute2, which are not the kernel's.
pub(super) fn table_name(table: u32) -> Option<&'static str> {
    match table {
        253 => Some("default"),
        254 => Some("main"),
        255 => Some("local"),
        _ => None,
    }
}

/// The order in which tables are told: what is asked first by most hosts.
pub(super) fn table_order(table: u32) -> (u8, u32) {
    let class = match table {
        254 => 0,
        253 => 1,
        255 => 3,
        _ => 2,
    };
    (class, table)
}

/// RTPROT_*
pub(super) fn protocol_word(protocol: u8) -> Text {
    let word = match protocol {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        18 => "keepalived",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        number => return number.to_string().into(),
    };
    word.into()
}

/// RT_SCOPE_*
pub(super) fn scope_word(scope: u8) -> &'static str {
    match scope {
        libc::RT_SCOPE_UNIVERSE => "global",
        libc::RT_SCOPE_SITE => "site",
        libc::RT_SCOPE_LINK => "link",
        libc::RT_SCOPE_HOST => "host",
        libc::RT_SCOPE_NOWHERE => "nowhere",
        _ => "other",
    }
}

/// AF_INET and AF_INET6 as the one byte they have in a message.
pub(super) fn family_word(family: u8) -> Option<&'static str> {
    match family {
        2 => Some("inet"),
        10 => Some("inet6"),
        _ => None,
    }
}
