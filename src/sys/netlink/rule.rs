//! RTM_GETRULE and RTM_NEWRULE: which packets ask which table. Pure. See linux/fib_rules.h.

use super::attribute::{address, after, text, u8_at, u16_at, u32_at, u64_at};
use super::tables::{family_word, table_name};
use crate::model::network::{Prefix, Rule, Span};

/// `struct fib_rule_hdr`
const HEADER: usize = 12;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_PAD: u16 = 18;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
/// Who made it.
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;
const FRA_DSCP: u16 = 25;
const FRA_FLOWLABEL: u16 = 26;
const FRA_FLOWLABEL_MASK: u16 = 27;
const FRA_SPORT_MASK: u16 = 28;
const FRA_DPORT_MASK: u16 = 29;
const FRA_DSCP_MASK: u16 = 30;
const FIB_RULE_INVERT: u32 = 2;
const FR_ACT_TO_TBL: u8 = 1;
const FR_ACT_GOTO: u8 = 2;

/// The body of a request for the rules of every family.
pub(super) fn request() -> Vec<u8> {
    vec![0; HEADER]
}

/// One rule; without one where it is of another family (of multicast routing).
pub fn parse(message: &[u8]) -> Option<Option<Rule>> {
    let family = family_word(u8_at(message, 0)?);
    let (to_length, from_length) = (u8_at(message, 1)?, u8_at(message, 2)?);
    let type_of_service = u8_at(message, 3).filter(|bits| *bits != 0);
    let mut table = u32::from(u8_at(message, 4)?);
    let action = u8_at(message, 7)?;
    let mut rule = Rule {
        family: family.unwrap_or_default(),
        not: u32_at(message, 8)? & FIB_RULE_INVERT != 0,
        type_of_service,
        action: action_word(action),
        ..Rule::default()
    };
    for (kind, value) in after(message, HEADER)? {
        let prefix = |length| Some(Prefix { address: address(value)?, length });
        match kind {
            FRA_DST => rule.to = prefix(to_length),
            FRA_SRC => rule.from = prefix(from_length),
            FRA_IIFNAME => rule.input_interface = Some(text(value)),
            FRA_OIFNAME => rule.output_interface = Some(text(value)),
            FRA_PRIORITY => rule.priority = u32_at(value, 0)?,
            FRA_FWMARK => rule.mark = u32_at(value, 0),
            FRA_FWMASK => rule.mark_mask = u32_at(value, 0),
            FRA_TABLE => table = u32_at(value, 0)?,
            FRA_GOTO => rule.goto = u32_at(value, 0).filter(|_| action == FR_ACT_GOTO),
            FRA_L3MDEV => rule.l3mdev = u8_at(value, 0) == Some(1),
            FRA_IP_PROTO => rule.protocol = u8_at(value, 0),
            FRA_UID_RANGE => {
                rule.uids = u32_at(value, 0)
                    .zip(u32_at(value, 4))
                    .map(|(first, last)| Span { first, last });
            }
            FRA_SPORT_RANGE => rule.source_ports = ports(value),
            FRA_SPORT_MASK => rule.source_port_mask = u16_at(value, 0),
            FRA_DPORT_RANGE => rule.destination_ports = ports(value),
            FRA_DPORT_MASK => rule.destination_port_mask = u16_at(value, 0),
            FRA_DSCP => rule.dscp = u8_at(value, 0),
            FRA_DSCP_MASK => rule.dscp_mask = u8_at(value, 0),
            FRA_FLOWLABEL => rule.flow_label = u32_at(value, 0).map(u32::from_be),
            FRA_FLOWLABEL_MASK => rule.flow_label_mask = u32_at(value, 0).map(u32::from_be),
            FRA_TUN_ID => rule.tunnel_id = u64_at(value, 0).map(u64::from_be),
            FRA_SUPPRESS_PREFIXLEN => rule.suppress_prefix_length = suppressed(value),
            FRA_SUPPRESS_IFGROUP => rule.suppress_group = suppressed(value),
            FRA_PROTOCOL | FRA_PAD => {}
            _ => rule.other_attributes.push(kind),
        }
    }
    if family.is_none() {
        return Some(None);
    }
    if rule.mark.is_none_or(|mark| mark == 0) && rule.mark_mask.is_none_or(|mask| mask == 0) {
        (rule.mark, rule.mark_mask) = (None, None);
    }
    // A rule for virtual routers asks the table of each.
    if action == FR_ACT_TO_TBL && !rule.l3mdev {
        (rule.table, rule.table_name) = (Some(table), table_name(table));
    }
    Some(Some(rule))
}

/// All bits: none is suppressed.
fn suppressed(value: &[u8]) -> Option<u32> {
    u32_at(value, 0).filter(|number| *number != u32::MAX)
}

/// `struct fib_rule_port_range`
fn ports(value: &[u8]) -> Option<Span> {
    let (first, last) = (u16_at(value, 0)?, u16_at(value, 2)?);
    Some(Span { first: first.into(), last: last.into() })
}

/// FR_ACT_*
fn action_word(action: u8) -> &'static str {
    match action {
        FR_ACT_TO_TBL => "lookup",
        FR_ACT_GOTO => "goto",
        3 => "nop",
        6 => "blackhole",
        7 => "unreachable",
        8 => "prohibit",
        _ => "other",
    }
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::super::attribute::tests::{encode, hex};
    use super::*;

    #[test]
    fn the_three_rules_of_every_host() {
        let local =
            hex("02000000ff000001 00000000 08000f00ff000000 08000e00ffffffff 0500150002000000");
        let rule = parse(&local).unwrap().unwrap();
        let expected = Rule {
            family: "inet",
            action: "lookup",
            table: Some(255),
            table_name: Some("local"),
            ..Rule::default()
        };
        assert_eq!(rule, expected);
    }

    #[test]
    fn selectors_are_read() {
        let mut bytes = vec![2, 24, 16, 8, 0, 0, 0, 1];
        bytes.extend(FIB_RULE_INVERT.to_ne_bytes());
        let attributes: [(u16, &[u8]); 12] = [
            (FRA_DST, &[203, 0, 113, 0]),
            (FRA_SRC, &[198, 51, 0, 0]),
            (FRA_IIFNAME, b"\xff0\0"),
            (FRA_OIFNAME, b"eth1\0"),
            (FRA_PRIORITY, &[100, 0, 0, 0]),
            (FRA_FWMARK, &[5, 0, 0, 0]),
            (FRA_FWMASK, &[255, 0, 0, 0]),
            (FRA_TABLE, &[232, 3, 0, 0]),
            (FRA_IP_PROTO, &[6]),
            (FRA_UID_RANGE, &[1, 0, 0, 0, 9, 0, 0, 0]),
            (FRA_DPORT_RANGE, &[80, 0, 90, 0]),
            (FRA_SUPPRESS_PREFIXLEN, &[0, 0, 0, 0]),
        ];
        for (kind, value) in attributes {
            bytes.extend(encode(kind, value));
        }
        let rule = parse(&bytes).unwrap().unwrap();
        let prefix = |text: &str, length| Some(Prefix { address: text.parse().unwrap(), length });
        assert_eq!((rule.to, rule.from), (prefix("203.0.113.0", 24), prefix("198.51.0.0", 16)));
        assert_eq!(rule.input_interface, Some(b"\xff0".into()));
        assert_eq!(rule.output_interface, Some("eth1".into()));
        assert_eq!((rule.priority, rule.mark, rule.mark_mask), (100, Some(5), Some(255)));
        assert_eq!((rule.table, rule.table_name, rule.protocol), (Some(1000), None, Some(6)));
        assert_eq!(rule.uids, Some(Span { first: 1, last: 9 }));
        assert_eq!(rule.destination_ports, Some(Span { first: 80, last: 90 }));
        assert_eq!((rule.suppress_prefix_length, rule.not), (Some(0), true));
        assert_eq!(rule.type_of_service, Some(8));
    }

    /// Messages of Linux 6.18, without the table, the priority and whoever made the rule.
    #[test]
    fn newer_selectors_are_read_and_unknown_ones_are_told() {
        let of = |attributes: &str| {
            let bytes = hex(&format!("02000000fe000001 00000000 08000e00ffffffff {attributes}"));
            parse(&bytes).unwrap().unwrap()
        };
        let plain = of("05001500aa000000");
        assert!(plain.other_attributes.is_empty());
        let dscp = of("050019000a000000 05001e003e000000");
        assert_eq!((dscp.dscp, dscp.dscp_mask), (Some(10), Some(62)));
        let label = of("08001a0000012000 08001b00000ff000");
        assert_eq!((label.flow_label, label.flow_label_mask), (Some(0x12000), Some(0xff000)));
        let ports = of("0800170050005000 06001c00f0ff0000 0800180051005100 06001d00f1ff0000");
        let masks = (ports.source_port_mask, ports.destination_port_mask);
        assert_eq!(masks, (Some(0xfff0), Some(0xfff1)));
        assert_eq!(ports.destination_ports, Some(Span { first: 81, last: 81 }));
        let tunnel = of("0c000c00000000000000002a 08000d0007000000");
        assert_eq!((tunnel.tunnel_id, tunnel.suppress_group), (Some(42), Some(7)));
        assert_eq!(of("08000d00ffffffff"), plain);
        for known in [dscp, label, ports, tunnel] {
            assert!(known.other_attributes.is_empty());
        }
        assert_eq!(of("08000b0002000100 04001f00").other_attributes, vec![11, 31]);
    }

    #[test]
    fn goto_leads_to_a_rule_and_asks_no_table() {
        let mut bytes = vec![10, 0, 0, 0, 0, 0, 0, FR_ACT_GOTO, 0, 0, 0, 0];
        bytes.extend(encode(FRA_GOTO, &[200, 0, 0, 0]));
        let rule = parse(&bytes).unwrap().unwrap();
        assert_eq!((rule.family, rule.action), ("inet6", "goto"));
        assert_eq!((rule.goto, rule.table), (Some(200), None));
        bytes[0] = 128; // RTNL_FAMILY_IPMR
        assert_eq!(parse(&bytes), Some(None));
    }

    #[test]
    fn a_rule_for_virtual_routers_asks_no_table_of_its_own() {
        let mut bytes = vec![2, 0, 0, 0, 253, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0];
        let of = |extra: &[u8]| parse(&[&bytes[..], extra].concat()).unwrap().unwrap();
        let rule = of(&encode(FRA_L3MDEV, &[1]));
        assert_eq!((rule.l3mdev, rule.table, rule.table_name), (true, None, None));
        let rule = of(&encode(FRA_L3MDEV, &[0]));
        assert_eq!((rule.l3mdev, rule.table_name), (false, Some("default")));
        let rule = of(&encode(FRA_SPORT_RANGE, &[1, 0, 2, 0]));
        assert_eq!(
            (rule.source_ports, rule.destination_ports),
            (Some(Span { first: 1, last: 2 }), None)
        );
        assert_eq!((rule.type_of_service, rule.not), (None, false));
        assert_eq!(of(&encode(FRA_GOTO, &[9, 0, 0, 0])).goto, None);
        let actions = ["other", "lookup", "goto", "nop", "other", "other", "blackhole"];
        for (action, word) in (0..).zip(actions.into_iter().chain(["unreachable", "prohibit"])) {
            bytes[7] = action;
            assert_eq!(parse(&bytes).unwrap().unwrap().action, word);
        }
    }

    #[test]
    fn either_half_of_a_mark_makes_one() {
        let of = |mark: u8, mask: u8| {
            let mut bytes = vec![2, 0, 0, 0, 253, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0];
            bytes.extend(encode(FRA_FWMARK, &[mark, 0, 0, 0]));
            bytes.extend(encode(FRA_FWMASK, &[mask, 0, 0, 0]));
            let rule = parse(&bytes).unwrap().unwrap();
            (rule.mark, rule.mark_mask)
        };
        assert_eq!(of(0, 0), (None, None));
        assert_eq!(of(1, 0), (Some(1), Some(0)));
        assert_eq!(of(0, 1), (Some(0), Some(1)));
    }

    #[test]
    fn all_are_asked_for() {
        assert_eq!(request(), [0; 12]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
