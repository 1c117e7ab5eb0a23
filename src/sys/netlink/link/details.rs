//! IFLA_LINKINFO: what only one kind of interface has. Pure. See linux/if_link.h, linux/if_tun.h.

use super::super::attribute::{address, attributes, text, u8_at, u16_at, u32_at};
use crate::model::network::{Details, Interface};
use std::net::IpAddr;

const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_VLAN_PROTOCOL: u16 = 5;
/// Of macvlan and ipvlan alike.
const MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VXLAN_GROUP: u16 = 2;
const IFLA_VXLAN_LOCAL: u16 = 4;
const IFLA_VXLAN_PORT: u16 = 15;
const IFLA_VXLAN_GROUP6: u16 = 16;
const IFLA_VXLAN_LOCAL6: u16 = 17;
const IFLA_TUN_TYPE: u16 = 3;
const IFLA_BOND_MODE: u16 = 1;

/// Takes the attributes of IFLA_LINKINFO.
pub(super) fn take(interface: &mut Interface, value: &[u8]) {
    let (mut data, mut port) = (None, None);
    let mut is_bridge_port = false;
    for (kind, value) in attributes(value) {
        match kind {
            IFLA_INFO_KIND => interface.kind = text(value),
            IFLA_INFO_DATA => data = Some(value),
            IFLA_INFO_SLAVE_KIND => is_bridge_port = text(value) == "bridge",
            IFLA_INFO_SLAVE_DATA => port = Some(value),
            _ => {}
        }
    }
    interface.details = data.and_then(|data| details(interface.kind.as_bytes(), data));
    if is_bridge_port {
        interface.bridge_port = port
            .and_then(|port| attributes(port).find(|(kind, _)| *kind == IFLA_BRPORT_STATE))
            .and_then(|(_, value)| port_state(u8_at(value, 0)?));
    }
}

fn details(kind: &[u8], data: &[u8]) -> Option<Details> {
    let find = |wanted: u16| attributes(data).find(|(kind, _)| *kind == wanted).map(|(_, it)| it);
    let byte = |wanted| find(wanted).and_then(|value| u8_at(value, 0));
    let half = |wanted| find(wanted).and_then(|value| u16_at(value, 0));
    let word = |wanted| find(wanted).and_then(|value| u32_at(value, 0));
    Some(match kind {
        b"bridge" => Details::Bridge {
            stp: word(IFLA_BR_STP_STATE).map(|state| state != 0),
            vlan_filtering: byte(IFLA_BR_VLAN_FILTERING).map(|state| state != 0),
        },
        b"vlan" => Details::Vlan {
            id: half(IFLA_VLAN_ID)?,
            protocol: half(IFLA_VLAN_PROTOCOL).and_then(|protocol| match u16::from_be(protocol) {
                0x8100 => Some("802.1Q"),
                0x88a8 => Some("802.1ad"),
                _ => None,
            }),
        },
        b"macvlan" | b"macvtap" => Details::Macvlan { mode: macvlan_mode(word(MODE)?) },
        b"ipvlan" | b"ipvtap" => Details::Ipvlan {
            mode: match half(MODE)? {
                0 => "l2",
                1 => "l3",
                2 => "l3s",
                _ => "other",
            },
            isolation: match half(IFLA_IPVLAN_FLAGS).unwrap_or(0) {
                0 => "bridge",
                1 => "private",
                2 => "vepa",
                _ => "other",
            },
        },
        b"vxlan" => {
            let either = |v4, v6| -> Option<IpAddr> { address(find(v4).or_else(|| find(v6))?) };
            Details::Vxlan {
                id: word(IFLA_VXLAN_ID)?,
                local: either(IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6),
                remote: either(IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6),
                port: half(IFLA_VXLAN_PORT).map(u16::from_be),
            }
        }
        b"tun" => Details::Tun { mode: if byte(IFLA_TUN_TYPE)? == 1 { "tun" } else { "tap" } },
        b"bond" => Details::Bond { mode: bond_mode(byte(IFLA_BOND_MODE)?) },
        _ => return None,
    })
}

/// BR_STATE_*
fn port_state(state: u8) -> Option<&'static str> {
    Some(match state {
        0 => "disabled",
        1 => "listening",
        2 => "learning",
        3 => "forwarding",
        4 => "blocking",
        _ => return None,
    })
}

/// MACVLAN_MODE_*
fn macvlan_mode(mode: u32) -> &'static str {
    match mode {
        1 => "private",
        2 => "vepa",
        4 => "bridge",
        8 => "passthru",
        16 => "source",
        _ => "other",
    }
}

/// BOND_MODE_*
fn bond_mode(mode: u8) -> &'static str {
    match mode {
        0 => "balance-rr",
        1 => "active-backup",
        2 => "balance-xor",
        3 => "broadcast",
        4 => "802.3ad",
        5 => "balance-tlb",
        6 => "balance-alb",
        _ => "other",
    }
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::super::super::attribute::tests::encode;
    use super::*;

    fn taken(kind: &[u8], data: &[(u16, &[u8])]) -> Interface {
        let data: Vec<u8> = data.iter().flat_map(|(kind, value)| encode(*kind, value)).collect();
        let info = [encode(IFLA_INFO_KIND, kind), encode(0x8000 | IFLA_INFO_DATA, &data)].concat();
        let mut interface = Interface::default();
        take(&mut interface, &info);
        assert_eq!(interface.kind.as_bytes(), kind.strip_suffix(b"\0").unwrap_or(kind));
        interface
    }

    fn details_of(kind: &[u8], data: &[(u16, &[u8])]) -> Details {
        taken(kind, data).details.unwrap()
    }

    #[test]
    fn each_kind_has_its_own() {
        assert_eq!(
            details_of(b"vlan", &[(IFLA_VLAN_ID, &[5, 0]), (IFLA_VLAN_PROTOCOL, &[0x88, 0xa8])]),
            Details::Vlan { id: 5, protocol: Some("802.1ad") }
        );
        let vxlan = details_of(
            b"vxlan\0",
            &[
                (IFLA_VXLAN_ID, &[42, 0, 0, 0]),
                (IFLA_VXLAN_GROUP, &[203, 0, 113, 9]),
                (IFLA_VXLAN_PORT, &[0x12, 0xb5]),
            ],
        );
        let remote = "203.0.113.9".parse().ok();
        assert_eq!(vxlan, Details::Vxlan { id: 42, local: None, remote, port: Some(4789) });
        let bridge = [(IFLA_BR_STP_STATE, &[1, 0, 0, 0][..]), (IFLA_BR_VLAN_FILTERING, &[0])];
        assert_eq!(
            details_of(b"bridge", &bridge),
            Details::Bridge { stp: Some(true), vlan_filtering: Some(false) }
        );
        assert_eq!(
            details_of(b"macvtap", &[(MODE, &[4, 0, 0, 0])]),
            Details::Macvlan { mode: "bridge" }
        );
        assert_eq!(
            details_of(b"ipvlan", &[(MODE, &[2, 0]), (IFLA_IPVLAN_FLAGS, &[1, 0])]),
            Details::Ipvlan { mode: "l3s", isolation: "private" }
        );
        assert_eq!(details_of(b"tun", &[(IFLA_TUN_TYPE, &[2])]), Details::Tun { mode: "tap" });
        let bond = details_of(b"bond", &[(IFLA_BOND_MODE, &[1])]);
        assert_eq!(bond, Details::Bond { mode: "active-backup" });
    }

    #[test]
    fn what_is_not_understood_costs_nothing_else() {
        assert_eq!(taken(b"dummy", &[]).details, None);
        assert_eq!(taken(b"vlan", &[(IFLA_VLAN_ID, &[5])]).details, None);
    }

    #[test]
    fn a_port_says_what_its_bridge_lets_it_do() {
        let port = encode(IFLA_BRPORT_STATE, &[4]);
        let of = |master: &[u8]| {
            let mut interface = Interface::default();
            let info = [
                encode(IFLA_INFO_SLAVE_KIND, master),
                encode(0x8000 | IFLA_INFO_SLAVE_DATA, &port),
            ];
            take(&mut interface, &info.concat());
            interface.bridge_port
        };
        assert_eq!((of(b"bridge\0"), of(b"bond\0")), (Some("blocking"), None));
    }
    #[test]
    fn modes_have_the_words_of_ip_link() {
        let macvlan = |mode: u32| details_of(b"macvlan", &[(MODE, &mode.to_ne_bytes())]);
        let modes = [
            (1, "private"),
            (2, "vepa"),
            (4, "bridge"),
            (8, "passthru"),
            (16, "source"),
            (3, "other"),
        ];
        for (number, mode) in modes {
            assert_eq!(macvlan(number), Details::Macvlan { mode });
        }
        let bonds = [
            "balance-rr",
            "active-backup",
            "balance-xor",
            "broadcast",
            "802.3ad",
            "balance-tlb",
            "balance-alb",
            "other",
        ];
        for (number, mode) in (0..).zip(bonds) {
            assert_eq!(details_of(b"bond", &[(IFLA_BOND_MODE, &[number])]), Details::Bond { mode });
        }
        let ipvlan = |mode, flags| {
            details_of(b"ipvtap", &[(MODE, &[mode, 0]), (IFLA_IPVLAN_FLAGS, &[flags, 0])])
        };
        for (number, mode) in (0..).zip(["l2", "l3", "l3s", "other"]) {
            assert_eq!(ipvlan(number, 0), Details::Ipvlan { mode, isolation: "bridge" });
        }
        for (number, isolation) in (0..).zip(["bridge", "private", "vepa", "other"]) {
            assert_eq!(ipvlan(0, number), Details::Ipvlan { mode: "l2", isolation });
        }
        assert_eq!(
            details_of(b"ipvlan", &[(MODE, &[1, 0])]),
            Details::Ipvlan { mode: "l3", isolation: "bridge" }
        );
        assert_eq!(details_of(b"tun", &[(IFLA_TUN_TYPE, &[1])]), Details::Tun { mode: "tun" });
    }

    #[test]
    fn a_vlan_has_one_of_two_protocols() {
        let of = |protocol: [u8; 2]| {
            details_of(b"vlan", &[(IFLA_VLAN_ID, &[5, 0]), (IFLA_VLAN_PROTOCOL, &protocol)])
        };
        assert_eq!(of([0x81, 0]), Details::Vlan { id: 5, protocol: Some("802.1Q") });
        assert_eq!(of([0x91, 0]), Details::Vlan { id: 5, protocol: None });
    }

    #[test]
    fn a_vxlan_has_addresses_of_either_family() {
        let (near, far) = ([0x20; 16], [0x21; 16]);
        let of = [
            (IFLA_VXLAN_ID, &[42, 0, 0, 0][..]),
            (IFLA_VXLAN_LOCAL6, &near),
            (IFLA_VXLAN_GROUP6, &far),
        ];
        assert_eq!(
            details_of(b"vxlan", &of),
            Details::Vxlan {
                id: 42,
                local: Some(near.into()),
                remote: Some(far.into()),
                port: None
            }
        );
        let v4 = [(IFLA_VXLAN_ID, &[1, 0, 0, 0][..]), (IFLA_VXLAN_LOCAL, &[198, 51, 100, 1])];
        let Details::Vxlan { local, .. } = details_of(b"vxlan", &v4) else { unreachable!() };
        assert_eq!(local, "198.51.100.1".parse().ok());
    }

    #[test]
    fn states_of_a_port_are_those_of_its_bridge() {
        let states = ["disabled", "listening", "learning", "forwarding", "blocking"];
        for (number, state) in (0..).zip(states) {
            assert_eq!(port_state(number), Some(state));
        }
        assert_eq!(port_state(5), None);
    }
}
