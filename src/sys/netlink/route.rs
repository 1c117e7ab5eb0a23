//! RTM_GETROUTE and RTM_NEWROUTE: routes of every table. Pure. See rtnetlink(7),
//! linux/rtnetlink.h.

use super::attribute::{self, address, after, attributes, u8_at, u16_at, u32_at};
use super::flags;
use super::tables::{TICKS, family_word, protocol_word, scope_word, table_name};
use crate::model::network::{NextHop, Prefix, Route};
use crate::model::text::Text;
use std::net::IpAddr;

/// `struct rtmsg` and `struct rtnexthop`
const HEADER: usize = 12;
const HOP_HEADER: usize = 8;
/// linux/rtnetlink.h; libc has it for one C library only.
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_EXPIRES: u16 = 23;
const RTA_PAD: u16 = 24;
const RTA_NH_ID: u16 = 30;
const RTAX_MTU: u16 = 2;

/// A route and the index of the interface of each next hop: one, or those of `next_hops`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Names of interfaces are still missing: whoever has their table adds them.
    pub route: Route,
    /// In the order of the next hops; None where one names no interface.
    pub interfaces: Vec<Option<u32>>,
}

/// The body of a request for the routes of every table and family.
pub(super) fn request() -> Vec<u8> {
    vec![0; HEADER]
}

/// One route; without one where it is of another family, or a cached copy.
pub fn parse(message: &[u8]) -> Option<Option<Row>> {
    let family = family_word(u8_at(message, 0)?);
    let bits = u32_at(message, 8)?;
    let mut route = Route {
        family: family.unwrap_or_default(),
        table: u32::from(u8_at(message, 4)?),
        prefix_length: u8_at(message, 1)?,
        type_of_service: u8_at(message, 3).filter(|bits| *bits != 0),
        protocol: protocol_word(u8_at(message, 5)?),
        scope: scope_word(u8_at(message, 6)?),
        kind: kind_word(u8_at(message, 7)?),
        flags: flags::of_route(bits),
        ..Route::default()
    };
    let from_length = u8_at(message, 2)?;
    let (mut next, mut hops) = (Next::default(), None);
    for (kind, value) in after(message, HEADER)? {
        match kind {
            libc::RTA_TABLE => route.table = u32_at(value, 0)?,
            libc::RTA_DST => route.destination = address(value),
            libc::RTA_SRC => {
                route.from = address(value).map(|address| Prefix { address, length: from_length });
            }
            RTA_PREF => route.preference = u8_at(value, 0).map(preference_word),
            RTA_NH_ID => route.next_hop_id = u32_at(value, 0),
            libc::RTA_PRIORITY => route.metric = u32_at(value, 0),
            libc::RTA_PREFSRC => route.preferred_source = address(value),
            libc::RTA_MULTIPATH => hops = Some(value),
            libc::RTA_METRICS => {
                let mtu = attributes(value).find(|(kind, _)| *kind == RTAX_MTU);
                route.mtu_bytes = mtu.and_then(|(_, value)| u32_at(value, 0));
            }
            // struct rta_cacheinfo: the third field.
            libc::RTA_CACHEINFO => {
                let expires = u32_at(value, 8).filter(|ticks| ticks.cast_signed() > 0);
                route.expires_seconds = expires.map(|ticks| ticks / TICKS);
            }
            _ => next.take(kind, value),
        }
    }
    if family.is_none() || bits & libc::RTM_F_CLONED != 0 {
        return Some(None);
    }
    route.table_name = table_name(route.table);
    route.other_attributes = next.other;
    let interfaces = match hops {
        Some(hops) => {
            let mut interfaces = Vec::new();
            for (next, hop) in next_hops(hops) {
                interfaces.push(next.interface);
                route.next_hops.push(hop);
                route.other_attributes.extend(next.other);
            }
            interfaces
        }
        None => {
            (route.gateway, route.encapsulation) = (next.gateway, next.encapsulation);
            vec![next.interface]
        }
    };
    route.other_attributes.sort_unstable();
    route.other_attributes.dedup();
    Some(Some(Row { route, interfaces }))
}

/// The flags at the header's end say how it is at the moment.
pub fn identity(message: &[u8]) -> Option<Vec<u8>> {
    let (fixed, rest) = (message.get(..8)?, message.get(HEADER..)?);
    let volatile = [libc::RTA_CACHEINFO, RTA_EXPIRES];
    Some(attribute::identity(fixed, rest, &volatile))
}

/// Where a packet goes next.
#[derive(Default)]
struct Next {
    interface: Option<u32>,
    gateway: Option<IpAddr>,
    encapsulation: Option<Text>,
    /// Attributes that have no place.
    other: Vec<u16>,
}

impl Next {
    fn take(&mut self, kind: u16, value: &[u8]) {
        match kind {
            libc::RTA_OIF => self.interface = u32_at(value, 0),
            libc::RTA_GATEWAY => self.gateway = address(value),
            // An IPv6 gateway of an IPv4 route: its family stands before it.
            RTA_VIA => self.gateway = value.get(2..).and_then(address),
            RTA_ENCAP_TYPE => self.encapsulation = u16_at(value, 0).map(encapsulation_word),
            RTA_ENCAP | RTA_EXPIRES | RTA_PAD => {}
            _ => self.other.push(kind),
        }
    }
}

/// Each `struct rtnexthop` with its attributes; ends where one does not fit.
fn next_hops(mut bytes: &[u8]) -> impl Iterator<Item = (Next, NextHop)> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let mut next = Next { interface: u32_at(bytes, 4), ..Next::default() };
        let (bits, weight) = (u8_at(bytes, 2)?, u8_at(bytes, 3)?);
        for (kind, value) in attributes(bytes.get(HOP_HEADER..length)?) {
            next.take(kind, value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        let hop = NextHop {
            gateway: next.gateway,
            encapsulation: next.encapsulation.take(),
            interface: None,
            weight: u32::from(weight) + 1,
            flags: flags::of_route(u32::from(bits)),
        };
        Some((next, hop))
    })
}

/// LWTUNNEL_ENCAP_*, linux/lwtunnel.h, in the words of ip-route(8).
fn encapsulation_word(kind: u16) -> Text {
    const WORDS: [&str; 10] =
        ["mpls", "ip", "ila", "ip6", "seg6", "bpf", "seg6local", "rpl", "ioam6", "xfrm"];
    let word = usize::from(kind).checked_sub(1).and_then(|at| WORDS.get(at));
    word.map_or_else(|| kind.to_string().into(), |word| (*word).into())
}

/// ICMPV6_ROUTER_PREF_*, linux/icmpv6.h
fn preference_word(preference: u8) -> &'static str {
    match preference {
        0 => "medium",
        1 => "high",
        3 => "low",
        _ => "other",
    }
}

/// RTN_*
fn kind_word(kind: u8) -> &'static str {
    match kind {
        libc::RTN_UNICAST => "unicast",
        libc::RTN_LOCAL => "local",
        libc::RTN_BROADCAST => "broadcast",
        libc::RTN_ANYCAST => "anycast",
        libc::RTN_MULTICAST => "multicast",
        libc::RTN_BLACKHOLE => "blackhole",
        libc::RTN_UNREACHABLE => "unreachable",
        libc::RTN_PROHIBIT => "prohibit",
        libc::RTN_THROW => "throw",
        libc::RTN_NAT => "nat",
        _ => "other",
    }
}

// Messages of Linux 6.18.
#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::super::attribute::tests::hex;
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    fn row(digits: &str) -> Row {
        parse(&hex(digits)).unwrap().unwrap()
    }

    #[test]
    fn a_next_hop_may_be_of_the_other_family() {
        let Row { route, interfaces } = row("02180000fe03000100000000 08000f00fe000000
             08000100c0000200 0800060007000000
             34000900 1000000104000000 08000500cb007102 2000000005000000
             160012000a00fe80 0000000000000000 0000000000020000");
        let hops: Vec<_> = route.next_hops.iter().map(|hop| (hop.gateway, hop.weight)).collect();
        assert_eq!(hops, [(ip("203.0.113.2"), 2), (ip("fe80::2"), 1)]);
        assert_eq!(interfaces, [Some(4), Some(5)]);
        assert_eq!((route.destination, route.gateway), (ip("192.0.2.0"), None));
        assert_eq!((route.prefix_length, route.metric), (24, Some(7)));
        assert_eq!((route.table_name, route.protocol), (Some("main"), "boot".into()));
    }

    #[test]
    fn a_blackhole_leads_nowhere() {
        let Row { route, interfaces } =
            row("02190000fe03000600000000 08000f00fe000000 08000100c0000280");
        assert_eq!(interfaces, [None]);
        assert_eq!((route.family, route.kind, route.metric), ("inet", "blackhole", None));
    }

    const DEFAULT: &str = "0a000000fe03000100000000 08000f00fe000000 0800060000040000
        14000500fe800000 0000000000000000 00000001 0800040005000000";

    #[test]
    fn a_default_route_has_no_destination() {
        let Row { route, interfaces } = row(DEFAULT);
        assert!(route.is_default() && route.is_main());
        assert_eq!((route.family, route.gateway), ("inet6", ip("fe80::1")));
        assert_eq!((route.metric, interfaces), (Some(1024), vec![Some(5)]));
        assert_eq!(route.expires_seconds, None);
    }

    #[test]
    fn what_the_header_has_is_the_routes() {
        // 198.51.100.0/24 of table 253 with RT_SCOPE_LINK, RTNH_F_ONLINK and RTNH_F_LINKDOWN.
        let Row { route, interfaces } =
            row("02180000fd04fd0114000000 08000100c6336400 0800040003000000");
        let expected = Route {
            family: "inet",
            table: 253,
            table_name: Some("default"),
            destination: ip("198.51.100.0"),
            prefix_length: 24,
            protocol: "static".into(),
            scope: "link",
            kind: "unicast",
            flags: vec!["onlink", "linkdown"],
            ..Route::default()
        };
        assert_eq!((route, interfaces), (expected, vec![Some(3)]));
    }

    #[test]
    fn a_route_of_an_advertisement_expires() {
        let expires =
            "24000c00 00000000 00000000 40e20100 00000000 00000000 00000000 00000000 00000000";
        let Row { route, .. } = row(&format!("{DEFAULT} {expires}"));
        assert_eq!(route.expires_seconds, Some(1234));
        let never = expires.replace("40e20100", "00000000");
        assert_eq!(row(&format!("{DEFAULT} {never}")).route.expires_seconds, None);
    }

    #[test]
    fn the_attribute_tells_a_table_that_the_header_has_no_room_for() {
        let mut bytes = hex(DEFAULT);
        bytes[16..20].copy_from_slice(&1000_u32.to_le_bytes());
        let Row { route, .. } = parse(&bytes).unwrap().unwrap();
        assert_eq!((route.table, route.table_name), (1000, None));
    }

    #[test]
    fn a_route_is_the_same_route_whatever_its_age() {
        let aged = |age: &str| identity(&hex(&format!("{DEFAULT} 08000c00{age}"))).unwrap();
        assert_eq!(aged("00000000"), aged("12345678"));
        let mut other = hex(DEFAULT);
        other[3] = 0x10; // type of service
        assert_ne!(identity(&other), identity(&hex(DEFAULT)));
    }

    #[test]
    fn other_families_and_cached_copies_are_not_rows() {
        let changed = |offset: usize, value: u8| {
            let mut bytes = hex(DEFAULT);
            bytes[offset] = value;
            parse(&bytes).unwrap().is_some()
        };
        assert!(!changed(0, 28)); // AF_MPLS
        assert!(!changed(9, 2)); // RTM_F_CLONED
        assert!(changed(7, 7));
        assert_eq!(parse(b"\x02"), None);
    }

    #[test]
    fn a_route_may_know_how_long_a_packet_may_be() {
        // RTA_METRICS with RTAX_HOPLIMIT and RTAX_MTU.
        let Row { route, .. } =
            row(&format!("{DEFAULT} 14000800 08000a0040000000 0800020000050000"));
        assert_eq!(route.mtu_bytes, Some(1280));
        let Row { route, .. } = row(&format!("{DEFAULT} 0c000800 08000a0040000000"));
        assert_eq!(route.mtu_bytes, None);
    }

    #[test]
    fn kinds_have_the_words_of_ip_route() {
        let words = [
            "other",
            "unicast",
            "local",
            "broadcast",
            "anycast",
            "multicast",
            "blackhole",
            "unreachable",
            "prohibit",
            "throw",
            "nat",
            "other",
        ];
        for (kind, word) in (0..).zip(words) {
            assert_eq!(kind_word(kind), word);
        }
    }

    #[test]
    fn all_are_asked_for() {
        assert_eq!(request(), [0; 12]);
    }

    #[test]
    fn a_route_may_prefer_a_source() {
        let source = "14000700 20010db8000000000000000000000007";
        let Row { route, .. } = row(&format!("{DEFAULT} {source}"));
        assert_eq!(route.preferred_source, ip("2001:db8::7"));
        assert_eq!(row(DEFAULT).route.preferred_source, None);
    }

    #[test]
    fn a_route_may_be_for_some_packets_alone() {
        let source = "14000200 20010db8000600000000000000000000";
        let mut bytes = hex(&format!("{DEFAULT} {source} 0500140003000000 08001e0009000000"));
        (bytes[2], bytes[3]) = (48, 0x10);
        let Row { route, .. } = parse(&bytes).unwrap().unwrap();
        let from = Prefix { address: ip("2001:db8:6::").unwrap(), length: 48 };
        assert_eq!((route.from, route.type_of_service), (Some(from), Some(0x10)));
        assert_eq!((route.preference, route.next_hop_id), (Some("low"), Some(9)));
        assert!(route.other_attributes.is_empty());
        let plain = row(DEFAULT).route;
        assert_eq!((plain.from, plain.type_of_service), (None, None));
        let preferences = [0, 1, 2, 3].map(preference_word);
        assert_eq!(preferences, ["medium", "high", "other", "low"]);
    }

    #[test]
    fn a_route_may_wrap_packets_and_say_what_is_not_known() {
        let wrap = "0600150005000000 0400 1680";
        let Row { route, .. } = row(&format!("{DEFAULT} {wrap} 08000b0006000500"));
        assert_eq!((route.encapsulation, route.other_attributes), (Some("seg6".into()), vec![11]));
        // Two hops, of which the first wraps packets and the second has a realm.
        let Row { route, interfaces } = row("02180000fe03000100000000 08000100c0000200
             24000900 10000000 04000000 0600150001000000 10000000 05000000 08000b0005000000");
        let hops = route.next_hops.iter().map(|hop| hop.encapsulation.clone());
        assert_eq!(hops.collect::<Vec<_>>(), [Some("mpls".into()), None]);
        assert_eq!((route.encapsulation, route.other_attributes), (None, vec![11]));
        assert_eq!(interfaces, [Some(4), Some(5)]);
        let words =
            [2, 3, 4, 6, 7, 8, 9, 10, 0, 11].map(|kind| encapsulation_word(kind).to_string());
        let expected = ["ip", "ila", "ip6", "bpf", "seg6local", "rpl", "ioam6", "xfrm", "0", "11"];
        assert_eq!(words, expected);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_or_loop(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            proptest::prop_assert!(next_hops(&bytes).count() <= bytes.len() / HOP_HEADER);
        }
    }
}
