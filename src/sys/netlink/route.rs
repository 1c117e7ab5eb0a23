//! RTM_GETROUTE and RTM_NEWROUTE: the main table, one row for each next hop. Pure. See
//! rtnetlink(7), linux/rtnetlink.h.

use super::attribute::{self, address, after, attributes, u8_at, u16_at, u32_at};
use crate::model::network::Route;
use std::net::IpAddr;

/// `struct rtmsg` and `struct rtnexthop`
const HEADER: usize = 12;
const HOP_HEADER: usize = 8;
/// linux/rtnetlink.h; libc has it for one C library only.
const RTA_VIA: u16 = 18;
const RTA_EXPIRES: u16 = 23;

/// A family of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    const fn number(self) -> u8 {
        // AF_INET and AF_INET6 as the one byte they have in a message.
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::V4 => "inet",
            Self::V6 => "inet6",
        }
    }
}

/// A route's row and the index of the interface it leaves by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    pub route: Route,
    pub interface: Option<u32>,
}

/// The body of a request for the main table; a kernel before 4.20 sends the other tables too.
pub(super) fn request(family: Family) -> Vec<u8> {
    let mut body = vec![0; HEADER];
    if let [first, _, _, _, table, ..] = body.as_mut_slice() {
        (*first, *table) = (family.number(), libc::RT_TABLE_MAIN);
    }
    body
}

/// The rows of a route; none where it is not of the main table, or is a cached copy.
pub fn parse(message: &[u8]) -> Option<Vec<Hop>> {
    let family_number = u8_at(message, 0)?;
    let mut table = u32::from(u8_at(message, 4)?);
    let kind = kind_word(u8_at(message, 7)?);
    let cloned = u32_at(message, 8)? & libc::RTM_F_CLONED != 0;
    let family = Family::BOTH.into_iter().find(|family| family.number() == family_number);

    let (mut destination, mut metric, mut next, mut hops) = (None, None, Next::default(), None);
    for (kind, value) in after(message, HEADER)? {
        match kind {
            libc::RTA_TABLE => table = u32_at(value, 0)?,
            libc::RTA_DST => destination = address(value),
            libc::RTA_PRIORITY => metric = u32_at(value, 0),
            libc::RTA_MULTIPATH => hops = Some(value),
            _ => next.take(kind, value),
        }
    }
    let Some(family) = family else {
        return Some(Vec::new());
    };
    if cloned || table != u32::from(libc::RT_TABLE_MAIN) {
        return Some(Vec::new());
    }
    let row = |next: Next| Hop {
        route: Route {
            family: family.word(),
            destination,
            prefix_length: u8_at(message, 1).unwrap_or(0),
            gateway: next.gateway,
            interface: None,
            metric,
            kind,
        },
        interface: next.interface,
    };
    Some(match hops {
        Some(hops) => next_hops(hops).map(row).collect(),
        None => vec![row(next)],
    })
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
}

impl Next {
    fn take(&mut self, kind: u16, value: &[u8]) {
        match kind {
            libc::RTA_OIF => self.interface = u32_at(value, 0),
            libc::RTA_GATEWAY => self.gateway = address(value),
            // An IPv6 gateway of an IPv4 route: its family stands before it.
            RTA_VIA => self.gateway = value.get(2..).and_then(address),
            _ => {}
        }
    }
}

/// Each `struct rtnexthop` with its attributes; ends where one does not fit.
fn next_hops(mut bytes: &[u8]) -> impl Iterator<Item = Next> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let mut next = Next { interface: u32_at(bytes, 4), gateway: None };
        for (kind, value) in attributes(bytes.get(HOP_HEADER..length)?) {
            next.take(kind, value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(next)
    })
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

    #[test]
    fn each_next_hop_is_a_row_and_may_be_of_the_other_family() {
        let hops = parse(&hex(
            "02180000fe03000100000000 08000f00fe000000 08000100c0000200 0800060007000000
             34000900 1000000104000000 08000500cb007102 2000000005000000
             160012000a00fe80 0000000000000000 0000000000020000",
        ));
        let hops = hops.unwrap();
        let gateways: Vec<_> = hops.iter().map(|hop| hop.route.gateway).collect();
        assert_eq!(gateways, [ip("203.0.113.2"), ip("fe80::2")]);
        assert_eq!(hops[0].interface, Some(4));
        assert_eq!(hops[1].interface, Some(5));
        for hop in hops {
            assert_eq!(hop.route.destination, ip("192.0.2.0"));
            assert_eq!((hop.route.prefix_length, hop.route.metric), (24, Some(7)));
        }
    }

    #[test]
    fn a_blackhole_leads_nowhere() {
        let hops = parse(&hex("02190000fe03000600000000 08000f00fe000000 08000100c0000280"));
        let hops = hops.unwrap();
        assert_eq!((hops.len(), hops[0].interface), (1, None));
        assert_eq!(hops[0].route.kind, "blackhole");
        assert_eq!((hops[0].route.family, hops[0].route.metric), ("inet", None));
    }

    const DEFAULT: &str = "0a000000fe03000100000000 08000f00fe000000 0800060000040000
        14000500fe800000 0000000000000000 00000001 0800040005000000";

    #[test]
    fn a_default_route_has_no_destination() {
        let hops = parse(&hex(DEFAULT)).unwrap();
        assert_eq!(hops[0].route.destination, None);
        assert_eq!(hops[0].route.family, "inet6");
        assert_eq!(hops[0].route.gateway, ip("fe80::1"));
        assert_eq!(hops[0].route.metric, Some(1024));
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
    fn other_tables_other_families_and_cached_copies_are_not_rows() {
        let changed = |offset: usize, value: u8| {
            let mut bytes = hex(DEFAULT);
            bytes[offset] = value;
            parse(&bytes).unwrap().len()
        };
        assert_eq!(changed(16, 253), 0); // RTA_TABLE counts, it can hold more than the header
        assert_eq!(changed(0, 28), 0); // AF_MPLS
        assert_eq!(changed(9, 2), 0); // RTM_F_CLONED
        assert_eq!(changed(7, 7), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_or_loop(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            proptest::prop_assert!(next_hops(&bytes).count() <= bytes.len() / HOP_HEADER);
        }
    }
}
