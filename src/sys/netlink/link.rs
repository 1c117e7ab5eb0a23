//! RTM_GETLINK and RTM_NEWLINK: interfaces. Pure. See rtnetlink(7), linux/if_link.h.

mod details;

use super::attribute::{address, after, attributes, text, u16_at, u32_at, u64_at};
use super::flags;
use crate::model::network::{Counters, Interface};
use crate::model::text::Text;
use std::fmt::Write as _;

/// `struct ifinfomsg`
const HEADER: usize = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_QDISC: u16 = 6;
const IFLA_MASTER: u16 = 10;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const AF_INET: u16 = 2;
const IFLA_INET_CONF: u16 = 1;
/// Where it stands there: the first of linux/ip.h is 1.
const IPV4_DEVCONF_RP_FILTER: usize = 8 - 1;
const AF_INET6: u16 = 10;
const IFLA_INET6_CONF: u16 = 2;
const DEVCONF_DISABLE_IPV6: usize = 26;
const IFF_UP: u32 = 1;
/// Linux 4.4, and since 6.19 it means all counters; ignored before.
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;
/// linux/if_arp.h; libc has the others.
const ARPHRD_IP6GRE: u16 = 823;

/// The body of a request for every interface. Answering it, the kernel numbers the namespaces of
/// peers that have no number here yet.
pub(super) fn request() -> Vec<u8> {
    vec![0; HEADER]
}

/// The same without counters, which nobody needs who looks for an interface.
pub(super) fn request_bare() -> Vec<u8> {
    let mut body = request();
    push(&mut body, IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
    body
}

/// The body of a request for the one that is called so, by any of its names.
pub(super) fn request_named(name: &[u8]) -> Vec<u8> {
    // Since Linux 5.5 there are names that are too long for the first attribute.
    let kind = if name.len() < libc::IFNAMSIZ { IFLA_IFNAME } else { IFLA_ALT_IFNAME };
    let mut body = request();
    push(&mut body, kind, &[name, b"\0"].concat());
    push(&mut body, IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
    body
}

/// As the kernel reads it: length, kind, value, up to the next multiple of four.
fn push(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// The body of a request for one interface.
pub(super) fn request_one(index: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.resize(HEADER, 0);
    body
}

/// One interface; its addresses come in messages of their own.
pub fn parse(message: &[u8]) -> Option<Interface> {
    let link_type = u16_at(message, 2)?;
    let bits = u32_at(message, 8)?;
    let mut interface = Interface {
        index: u32_at(message, 4)?,
        up: bits & IFF_UP != 0,
        flags: flags::of_interface(bits),
        kind: type_word(link_type),
        state: "unknown",
        ..Interface::default()
    };
    for (kind, value) in after(message, HEADER)? {
        match kind {
            IFLA_IFNAME => interface.name = text(value),
            IFLA_ADDRESS => interface.mac = link_address(link_type, value),
            IFLA_MTU => interface.mtu_bytes = u32_at(value, 0)?,
            IFLA_OPERSTATE => interface.state = state_word(value.first().copied()),
            IFLA_MASTER => interface.master = u32_at(value, 0),
            // Zero: a tunnel that is bound to no interface.
            IFLA_LINK => interface.peer_index = u32_at(value, 0).filter(|index| *index != 0),
            IFLA_LINK_NETNSID => interface.peer_nsid = u32_at(value, 0).map(u32::cast_signed),
            IFLA_LINKINFO => details::take(&mut interface, value),
            IFLA_QDISC => interface.qdisc = Some(text(value)),
            IFLA_TXQLEN => interface.transmit_queue_packets = u32_at(value, 0),
            IFLA_IFALIAS => interface.alias = Some(text(value)).filter(|alias| !alias.is_empty()),
            IFLA_STATS64 => interface.counters = counters(value),
            IFLA_AF_SPEC => take_families(&mut interface, value),
            IFLA_PROP_LIST => {
                let names = attributes(value).filter(|(kind, _)| *kind == IFLA_ALT_IFNAME);
                interface.altnames = names.map(|(_, name)| text(name)).collect();
            }
            _ => {}
        }
    }
    Some(interface)
}

/// What is set for the interface alone: an array of numbers for each family.
fn take_families(interface: &mut Interface, value: &[u8]) {
    let number = |family: &[u8], conf: u16, nth: usize| {
        let (_, numbers) = attributes(family).find(|(kind, _)| *kind == conf)?;
        u32_at(numbers, nth * 4)
    };
    for (kind, family) in attributes(value) {
        match kind {
            AF_INET => {
                interface.reverse_path_filter =
                    number(family, IFLA_INET_CONF, IPV4_DEVCONF_RP_FILTER);
            }
            AF_INET6 => {
                let disabled = number(family, IFLA_INET6_CONF, DEVCONF_DISABLE_IPV6);
                interface.ipv6_disabled = disabled.map(|number| number != 0);
            }
            _ => {}
        }
    }
}

/// The message without names that an interface has beside its own.
pub(super) fn without_altnames(message: &[u8]) -> Vec<u8> {
    let mut short = message.get(..HEADER).unwrap_or_default().to_vec();
    for (kind, value) in after(message, HEADER).into_iter().flatten() {
        if kind != IFLA_PROP_LIST {
            push(&mut short, kind, value);
        }
    }
    short
}

/// The index.
pub fn identity(message: &[u8]) -> Option<Vec<u8>> {
    message.get(4..8).map(<[u8]>::to_vec)
}

/// The first fields of `struct rtnl_link_stats64`.
fn counters(value: &[u8]) -> Option<Counters> {
    let field = |nth: usize| u64_at(value, nth * 8);
    Some(Counters {
        received_packets: field(0)?,
        sent_packets: field(1)?,
        received_bytes: field(2)?,
        sent_bytes: field(3)?,
        received_errors: field(4)?,
        sent_errors: field(5)?,
        received_dropped: field(6)?,
        sent_dropped: field(7)?,
    })
}

/// IF_OPER_*, RFC 2863.
fn state_word(state: Option<u8>) -> &'static str {
    match state {
        Some(1) => "notpresent",
        Some(2) => "down",
        Some(3) => "lowerlayerdown",
        Some(4) => "testing",
        Some(5) => "dormant",
        Some(6) => "up",
        _ => "unknown",
    }
}

/// ARPHRD_*, in the words of ip-link(8); a number in brackets where it has none either.
fn type_word(link_type: u16) -> Text {
    let word = match link_type {
        libc::ARPHRD_ETHER => "ether",
        libc::ARPHRD_INFINIBAND => "infiniband",
        libc::ARPHRD_CAN => "can",
        libc::ARPHRD_PPP => "ppp",
        libc::ARPHRD_TUNNEL => "ipip",
        libc::ARPHRD_TUNNEL6 => "tunnel6",
        libc::ARPHRD_LOOPBACK => "loopback",
        libc::ARPHRD_SIT => "sit",
        libc::ARPHRD_IPGRE => "gre",
        libc::ARPHRD_IEEE80211 => "ieee802.11",
        ARPHRD_IP6GRE => "gre6",
        libc::ARPHRD_NONE => "none",
        libc::ARPHRD_VOID => "void",
        other => return format!("[{other}]").into(),
    };
    word.into()
}

/// `02:42:c6:33:64:02`; a tunnel over IP has an IP address here.
pub(super) fn link_address(link_type: u16, value: &[u8]) -> Option<String> {
    let over_ip = matches!(
        link_type,
        libc::ARPHRD_TUNNEL
            | libc::ARPHRD_TUNNEL6
            | libc::ARPHRD_SIT
            | libc::ARPHRD_IPGRE
            | ARPHRD_IP6GRE
    );
    if let Some(ip) = address(value).filter(|_| over_ip) {
        return Some(ip.to_string());
    }
    let mut shown = String::with_capacity(value.len() * 3);
    for byte in value {
        let colon = if shown.is_empty() { "" } else { ":" };
        write!(shown, "{colon}{byte:02x}").ok()?;
    }
    (!shown.is_empty()).then_some(shown)
}

// Messages of Linux 6.18, with the attributes that are not read taken out.
#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::super::attribute::tests::{encode, hex};
    use super::*;

    #[test]
    fn a_veth_in_a_bridge_with_its_peer_elsewhere() {
        let bytes = hex("00000100030000000310000000000000 0700030061310000 0500100003000000
             08000400dc050000 08000a0006000000 0a0001008a887dfc5ed50000
             1c001200 0900010076657468 00000000 0b00040062726964 67650000
             0800250000000000 0800050002000000");
        assert_eq!(
            parse(&bytes).unwrap(),
            Interface {
                index: 3,
                name: "a1".into(),
                kind: "veth".into(),
                state: "lowerlayerdown",
                up: true,
                mtu_bytes: 1500,
                mac: Some("8a:88:7d:fc:5e:d5".into()),
                master: Some(6),
                peer_index: Some(2),
                peer_nsid: Some(0),
                flags: vec!["no_carrier", "broadcast", "multicast", "up"],
                ..Interface::default()
            }
        );
    }

    #[test]
    fn the_loopback_has_no_driver_and_an_address_of_zeros() {
        let bytes = hex("00000403010000004900010000000000 070003006c6f0000 0500100000000000
             0800040000000100 0a00010000000000 00000000");
        let lo = parse(&bytes).unwrap();
        assert_eq!((lo.name, lo.kind), ("lo".into(), "loopback".into()));
        assert_eq!((lo.mtu_bytes, lo.state, lo.up), (65536, "unknown", true));
        assert_eq!(lo.mac.as_deref(), Some("00:00:00:00:00:00"));
        assert_eq!((lo.peer_index, lo.master, lo.peer_nsid), (None, None, None));
    }

    fn link(link_type: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0, 0];
        bytes.extend(link_type.to_ne_bytes());
        bytes.resize(HEADER, 0);
        for (kind, value) in attributes {
            bytes.extend(encode(*kind, value));
        }
        bytes
    }

    #[test]
    fn a_name_is_bytes() {
        let parsed = parse(&link(1, &[(IFLA_IFNAME, b"\xff\x1b[2J\0")])).unwrap();
        assert_eq!(parsed.name.as_bytes(), b"\xff\x1b[2J");
    }

    #[test]
    fn each_family_has_settings_of_the_interface() {
        let numbers = |count: usize, at: usize, number: u32| {
            let mut numbers = vec![0; count];
            numbers[at] = number;
            numbers.into_iter().flat_map(u32::to_ne_bytes).collect::<Vec<u8>>()
        };
        let of = |families: &[Vec<u8>]| {
            let found = parse(&link(1, &[(IFLA_AF_SPEC, &families.concat())])).unwrap();
            (found.reverse_path_filter, found.ipv6_disabled)
        };
        let v4 = encode(2, &encode(1, &numbers(33, 7, 2)));
        let flags = encode(1, &[0; 4]);
        let v6 =
            |number| encode(10, &[flags.clone(), encode(2, &numbers(60, 26, number))].concat());
        assert_eq!(of(&[v4.clone(), v6(1)]), (Some(2), Some(true)));
        assert_eq!(of(&[v6(0)]), (None, Some(false)));
        assert_eq!(of(&[v4[..v4.len() - 104].to_vec(), encode(10, &flags)]), (None, None));
    }

    #[test]
    fn other_names_can_be_left_out() {
        let names = encode(IFLA_ALT_IFNAME, b"other\0");
        let whole =
            link(1, &[(IFLA_IFNAME, b"a\0"), (IFLA_PROP_LIST, &names), (IFLA_MASTER, &[7; 4])]);
        let parsed = parse(&whole).unwrap();
        assert_eq!(parsed.altnames, ["other"]);
        let short = parse(&without_altnames(&whole)).unwrap();
        assert_eq!(short, Interface { altnames: Vec::new(), ..parsed });
        assert!(without_altnames(&[1, 2]).is_empty());
    }

    #[test]
    fn a_tunnel_has_an_ip_address_for_its_link() {
        let unbound = [0; 4];
        let parsed = parse(&link(
            libc::ARPHRD_IPGRE,
            &[(IFLA_ADDRESS, &[198, 51, 100, 9]), (IFLA_LINK, &unbound)],
        ));
        let parsed = parsed.unwrap();
        assert_eq!(parsed.mac.as_deref(), Some("198.51.100.9"));
        assert_eq!(parsed.peer_index, None);
        let none = parse(&link(libc::ARPHRD_NONE, &[(IFLA_ADDRESS, b"")])).unwrap();
        assert_eq!((none.mac, none.kind), (None, "none".into()));
        assert_eq!(parse(&link(4711, &[])).unwrap().kind, "[4711]");
    }

    #[test]
    fn states_and_kinds_have_the_words_of_ip_link() {
        let states = (0..9).map(|state| parse(&link(1, &[(IFLA_OPERSTATE, &[state])])).unwrap());
        let states: Vec<_> = states.map(|interface| interface.state).collect();
        let words = ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];
        assert_eq!(states[..7], words);
        assert_eq!(states[7..], ["unknown"; 2]);
        let kinds = [
            (1, "ether"),
            (32, "infiniband"),
            (280, "can"),
            (512, "ppp"),
            (768, "ipip"),
            (769, "tunnel6"),
            (772, "loopback"),
            (776, "sit"),
            (778, "gre"),
            (801, "ieee802.11"),
            (823, "gre6"),
            (0xfffe, "none"),
            (0xffff, "void"),
        ];
        for (number, word) in kinds {
            assert_eq!(parse(&link(number, &[])).unwrap().kind, word, "{number}");
        }
    }

    #[test]
    fn tunnels_over_ip_alone_have_an_ip_address() {
        let four = [198, 51, 100, 9];
        for over_ip in [768, 769, 776, 778, 823] {
            assert_eq!(link_address(over_ip, &four).as_deref(), Some("198.51.100.9"), "{over_ip}");
        }
        assert_eq!(link_address(1, &four).as_deref(), Some("c6:33:64:09"));
        // IPv6 over InfiniBand has twenty bytes.
        assert_eq!(link_address(778, &[1; 3]).as_deref(), Some("01:01:01"));
    }

    #[test]
    fn what_went_through_is_in_the_kernels_order() {
        let numbers: Vec<u8> = (1..=8_u64).flat_map(u64::to_ne_bytes).collect();
        let attributes = [
            (IFLA_QDISC, &b"noqueue\0"[..]),
            (IFLA_TXQLEN, &[232, 3, 0, 0]),
            (IFLA_IFALIAS, b"uplink\0"),
            (IFLA_STATS64, &numbers),
        ];
        let parsed = parse(&link(1, &attributes)).unwrap();
        assert_eq!(
            parsed.counters.unwrap(),
            Counters {
                received_packets: 1,
                sent_packets: 2,
                received_bytes: 3,
                sent_bytes: 4,
                received_errors: 5,
                sent_errors: 6,
                received_dropped: 7,
                sent_dropped: 8,
            }
        );
        assert_eq!(parsed.qdisc.unwrap(), "noqueue");
        assert_eq!(parsed.transmit_queue_packets, Some(1000));
        assert_eq!(parsed.alias.unwrap(), "uplink");
        let short = [(IFLA_STATS64, &numbers[..63]), (IFLA_IFALIAS, b"\0")];
        let parsed = parse(&link(1, &short)).unwrap();
        assert_eq!((parsed.counters, parsed.alias), (None, None));
    }

    #[test]
    fn an_interface_is_known_by_its_index() {
        let mut bytes = link(1, &[]);
        bytes[4..8].copy_from_slice(&[7, 0, 0, 1]);
        assert_eq!(identity(&bytes), Some(vec![7, 0, 0, 1]));
        assert_eq!(identity(&bytes[..7]), None);
    }

    #[test]
    fn a_long_name_is_asked_for_as_one_beside_the_interfaces_own() {
        for (length, kind) in [(15, IFLA_IFNAME), (16, IFLA_ALT_IFNAME), (17, IFLA_ALT_IFNAME)] {
            let name = vec![b'x'; length];
            let body = request_named(&name);
            let asked: Vec<_> = after(&body, HEADER).unwrap().collect();
            let mask = RTEXT_FILTER_SKIP_STATS.to_ne_bytes();
            let name = [&name[..], b"\0"].concat();
            assert_eq!(asked, [(kind, &name[..]), (IFLA_EXT_MASK, &mask[..])]);
        }
        assert_eq!(after(&request_bare(), HEADER).unwrap().count(), 1);
    }

    #[test]
    fn an_interface_is_up_if_its_flag_says_so() {
        for (flags, up) in [(1, true), (0x43, true), (0, false), (0x42, false)] {
            let mut bytes = link(1, &[]);
            bytes[8] = flags;
            let parsed = parse(&bytes).unwrap();
            assert_eq!((parsed.up, parsed.state), (up, "unknown"), "{flags}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
