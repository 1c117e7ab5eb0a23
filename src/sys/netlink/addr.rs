//! RTM_GETADDR and RTM_NEWADDR: addresses. Pure. See rtnetlink(7), linux/if_addr.h.

use super::attribute::{self, address, after, text, u8_at, u32_at};
use super::flags;
use super::tables::scope_word;
use crate::model::network::Address;

const AF_INET6: u8 = 10;
/// `struct ifaddrmsg`
const HEADER: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const FOR_EVER: u32 = u32::MAX;

/// The body of a request for the addresses of every interface and family.
pub(super) fn request() -> Vec<u8> {
    vec![0; HEADER]
}

/// An address and the index of its interface.
pub fn parse(message: &[u8]) -> Option<(u32, Address)> {
    let (mut own, mut shared, mut broadcast, mut label) = (None, None, None, None);
    let (mut preferred, mut valid) = (None, None);
    let is_v6 = u8_at(message, 0)? == AF_INET6;
    // The header has room for the first eight.
    let mut bits = u32::from(u8_at(message, 2)?);
    for (kind, value) in after(message, HEADER)? {
        match kind {
            IFA_LOCAL => own = address(value),
            IFA_ADDRESS => shared = address(value),
            IFA_BROADCAST => broadcast = address(value),
            IFA_LABEL => label = Some(text(value)),
            IFA_FLAGS => bits = u32_at(value, 0)?,
            // struct ifa_cacheinfo
            IFA_CACHEINFO => (preferred, valid) = (u32_at(value, 0), u32_at(value, 4)),
            _ => {}
        }
    }
    // Where a link has a peer, IFA_ADDRESS is the peer's and IFA_LOCAL our own.
    let parsed = Address {
        address: own.or(shared)?,
        prefix_length: u8_at(message, 1)?,
        peer: shared.filter(|shared| own.is_some_and(|own| own != *shared)),
        broadcast,
        label,
        scope: scope_word(u8_at(message, 3)?),
        flags: flags::of_address(bits, is_v6),
        valid_seconds: valid.filter(|seconds| *seconds != FOR_EVER),
        preferred_seconds: preferred.filter(|seconds| *seconds != FOR_EVER),
    };
    Some((u32_at(message, 4)?, parsed))
}

/// All but the lifetimes, which run: by it a row is known again in a dump that was begun anew.
pub fn identity(message: &[u8]) -> Option<Vec<u8>> {
    let (fixed, rest) = message.split_at_checked(HEADER)?;
    Some(attribute::identity(fixed, rest, &[IFA_CACHEINFO]))
}

#[cfg(test)]
mod tests {
    use super::super::attribute::tests::encode;
    use super::*;

    fn message(prefix: u8, scope: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![2, prefix, 0x80, scope];
        bytes.extend(7_u32.to_ne_bytes());
        for (kind, value) in attributes {
            bytes.extend(encode(*kind, value));
        }
        bytes
    }

    #[test]
    fn our_end_of_a_point_to_point_link_is_the_address() {
        let bytes = message(
            32,
            0,
            &[
                (IFA_ADDRESS, &[198, 51, 100, 2]),
                (IFA_LOCAL, &[198, 51, 100, 1]),
                (IFA_LABEL, b"\xff\x1b\0"),
                (IFA_CACHEINFO, &[10, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]),
                (IFA_FLAGS, &[0x20, 2, 0, 0]),
            ],
        );
        let (index, parsed) = parse(&bytes).unwrap();
        assert_eq!(index, 7);
        assert_eq!(parsed.address.to_string(), "198.51.100.1");
        assert_eq!((parsed.prefix_length, parsed.scope), (32, "global"));
        assert_eq!(parsed.peer.unwrap().to_string(), "198.51.100.2");
        assert_eq!(parsed.label, Some(b"\xff\x1b".into()));
        assert_eq!(parsed.flags, ["dynamic", "deprecated", "noprefixroute"]);
        if cfg!(target_endian = "little") {
            assert_eq!((parsed.preferred_seconds, parsed.valid_seconds), (Some(10), None));
        }
    }

    #[test]
    fn without_a_local_address_the_only_one_counts() {
        let v6 = "2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap();
        let bytes = message(64, 253, &[(IFA_ADDRESS, &v6.octets())]);
        let (_, parsed) = parse(&bytes).unwrap();
        assert_eq!(parsed.address, v6);
        assert_eq!(parsed.scope, "link");
    }

    #[test]
    fn all_are_asked_for() {
        assert_eq!(request(), [0; 8]);
    }

    #[test]
    fn one_bit_has_another_word_for_each_family() {
        let flags = |family: u8| {
            let address = [198, 51, 100, 7];
            let mut bytes = message(24, 0, &[(IFA_LOCAL, &address)]);
            // IFA_F_PERMANENT and IFA_F_SECONDARY, which is IFA_F_TEMPORARY, too.
            (bytes[0], bytes[2]) = (family, 0x81);
            parse(&bytes).unwrap().1.flags
        };
        assert_eq!((flags(2), flags(AF_INET6)), (vec!["secondary"], vec!["temporary"]));
    }

    #[test]
    fn no_address_is_no_row() {
        assert_eq!(parse(&message(0, 0, &[])), None);
        assert_eq!(parse(b"\x02\x20"), None);
    }

    #[test]
    fn an_address_is_the_same_address_whatever_its_age() {
        let of = |age: u8, last: u8| {
            let cache = [age; 16];
            let bytes =
                message(32, 0, &[(IFA_LOCAL, &[198, 51, 100, last]), (IFA_CACHEINFO, &cache)]);
            identity(&bytes).unwrap()
        };
        assert_eq!(of(1, 7), of(2, 7));
        assert_ne!(of(1, 7), of(1, 8));
        assert_eq!(identity(&[2; 7]), None);
    }

    #[test]
    fn a_broadcast_address_is_one_beside_it() {
        let of = [(IFA_LOCAL, &[198, 51, 100, 7][..]), (IFA_BROADCAST, &[198, 51, 100, 255])];
        let (_, parsed) = parse(&message(24, 0, &of)).unwrap();
        assert_eq!(parsed.broadcast.unwrap().to_string(), "198.51.100.255");
        assert_eq!(parse(&message(24, 0, &of[..1])).unwrap().1.broadcast, None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse(&bytes), identity(&bytes));
        }
    }
}
