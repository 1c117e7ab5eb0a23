//! RTM_GETNEIGH and RTM_NEWNEIGH: link addresses of neighbours. Pure. See rtnetlink(7),
//! linux/neighbour.h.

use super::attribute::{address, after, u8_at, u16_at, u32_at};
use super::flags;
use super::link::link_address;
use super::tables::{TICKS, family_word};
use crate::model::network::Neighbour;

/// `struct ndmsg`
const HEADER: usize = 12;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_CACHEINFO: u16 = 3;
const NUD_NOARP: u16 = 0x40;

/// The body of a request for the neighbours of every family.
pub(super) fn request() -> Vec<u8> {
    vec![0; HEADER]
}

/// One neighbour; without one where it is of a bridge, or needs no resolution (multicast, the
/// loopback), as ip-neighbour(8) leaves them out.
pub fn parse(message: &[u8]) -> Option<Option<Neighbour>> {
    let family = family_word(u8_at(message, 0)?);
    let index = u32_at(message, 4)?;
    let (state, bits) = (u16_at(message, 8)?, u8_at(message, 10)?);
    let (mut of, mut link) = (None, None);
    // `struct nda_cacheinfo`: when it was confirmed, used, updated.
    let (mut used, mut updated) = (None, None);
    for (kind, value) in after(message, HEADER)? {
        match kind {
            NDA_DST => of = address(value),
            NDA_LLADDR => link = link_address(0, value),
            NDA_CACHEINFO => (used, updated) = (u32_at(value, 4), u32_at(value, 8)),
            _ => {}
        }
    }
    if family.is_none() || state & NUD_NOARP != 0 {
        return Some(None);
    }
    Some(of.map(|address| Neighbour {
        address,
        interface_index: index,
        interface: None,
        mac: link,
        state: state_word(state),
        used_seconds: used.map(|ticks| ticks / TICKS),
        updated_seconds: updated.map(|ticks| ticks / TICKS),
        flags: flags::of_neighbour(bits.into()),
    }))
}

/// Family, interface and address.
pub fn identity(message: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = message.get(..8)?.to_vec();
    let (_, address) = after(message, HEADER)?.find(|(kind, _)| *kind == NDA_DST)?;
    bytes.extend(address);
    // A proxy stands beside the entry of the same address.
    bytes.extend(message.get(10..11)?);
    Some(bytes)
}

/// NUD_*
fn state_word(state: u16) -> &'static str {
    match state {
        0 => "none",
        0x01 => "incomplete",
        0x02 => "reachable",
        0x04 => "stale",
        0x08 => "delay",
        0x10 => "probe",
        0x20 => "failed",
        0x80 => "permanent",
        _ => "other",
    }
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::super::attribute::tests::{encode, hex};
    use super::*;

    #[test]
    fn a_neighbour_that_answers() {
        let bytes = hex("02000000 03000000 0200 80 01 08000100cb007102
             0a00020002005e0053010000 14000300b01d00004406000005050000 02000000");
        let found = parse(&bytes).unwrap().unwrap();
        let expected = Neighbour {
            address: "203.0.113.2".parse().unwrap(),
            interface_index: 3,
            interface: None,
            mac: Some("02:00:5e:00:53:01".into()),
            state: "reachable",
            used_seconds: Some(16),
            updated_seconds: Some(12),
            flags: vec!["router"],
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn one_that_never_answered_has_no_link_address() {
        let mut bytes = vec![10, 0, 0, 0, 4, 0, 0, 0, 0x20, 0, 0, 1];
        bytes.extend(encode(NDA_DST, &[0x20; 16]));
        let found = parse(&bytes).unwrap().unwrap();
        assert_eq!((found.mac, found.state), (None, "failed"));
        bytes[8] = 0x40;
        assert_eq!(parse(&bytes), Some(None), "multicast needs no resolution");
        bytes[8] = 2;
        bytes[0] = 7;
        assert_eq!(parse(&bytes), Some(None), "AF_BRIDGE");
    }

    #[test]
    fn states_have_the_words_of_ip_neighbour() {
        let states = [
            (0, "none"),
            (1, "incomplete"),
            (2, "reachable"),
            (4, "stale"),
            (8, "delay"),
            (0x10, "probe"),
            (0x20, "failed"),
            (0x80, "permanent"),
            (3, "other"),
        ];
        for (number, word) in states {
            let mut bytes = vec![2, 0, 0, 0, 4, 0, 0, 0, number, 0, 0, 1];
            bytes.extend(encode(NDA_DST, &[198, 51, 100, 7]));
            assert_eq!(parse(&bytes).unwrap().unwrap().state, word);
        }
    }

    #[test]
    fn a_proxy_is_not_the_entry_of_the_same_address() {
        let of = |flags: u8, last: u8, extra: &[u8]| {
            let mut bytes = vec![2, 0, 0, 0, 4, 0, 0, 0, 2, 0, flags, 1];
            bytes.extend(encode(NDA_LLADDR, extra));
            bytes.extend(encode(NDA_DST, &[198, 51, 100, last]));
            identity(&bytes).unwrap()
        };
        assert_eq!(of(0, 7, &[1; 6]), of(0, 7, &[2; 6]), "the same one, which moved");
        assert_ne!(of(0, 7, &[]), of(8, 7, &[]));
        assert_ne!(of(0, 7, &[]), of(0, 8, &[]));
        assert_eq!(identity(&[2; 12]), None, "no address");
    }

    #[test]
    fn all_are_asked_for() {
        assert_eq!(request(), [0; 12]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse(&bytes), identity(&bytes));
        }
    }
}
