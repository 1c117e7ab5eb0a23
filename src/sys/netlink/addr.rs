//! RTM_GETADDR and RTM_NEWADDR: addresses. Pure. See rtnetlink(7), linux/if_addr.h.

use super::attribute::{self, address, after, u8_at, u32_at};
use crate::model::network::Address;

/// `struct ifaddrmsg`
const HEADER: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;

/// The body of a request for the addresses of every interface and family.
pub(super) fn request() -> Vec<u8> {
    vec![0; HEADER]
}

/// An address and the index of its interface.
pub fn parse(message: &[u8]) -> Option<(u32, Address)> {
    let (mut own, mut shared) = (None, None);
    for (kind, value) in after(message, HEADER)? {
        match kind {
            IFA_LOCAL => own = address(value),
            IFA_ADDRESS => shared = address(value),
            _ => {}
        }
    }
    let parsed = Address {
        // Where a link has a peer, IFA_ADDRESS is the peer's and IFA_LOCAL our own.
        address: own.or(shared)?,
        prefix_length: u8_at(message, 1)?,
        scope: scope_word(u8_at(message, 3)?),
    };
    Some((u32_at(message, 4)?, parsed))
}

pub fn identity(message: &[u8]) -> Option<Vec<u8>> {
    let (fixed, rest) = message.split_at_checked(HEADER)?;
    Some(attribute::identity(fixed, rest, &[IFA_CACHEINFO]))
}

/// RT_SCOPE_*
fn scope_word(scope: u8) -> &'static str {
    match scope {
        libc::RT_SCOPE_UNIVERSE => "global",
        libc::RT_SCOPE_SITE => "site",
        libc::RT_SCOPE_LINK => "link",
        libc::RT_SCOPE_HOST => "host",
        libc::RT_SCOPE_NOWHERE => "nowhere",
        _ => "other",
    }
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
                (3, b"\xff\x1b\0"),
            ],
        );
        let (index, parsed) = parse(&bytes).unwrap();
        assert_eq!(index, 7);
        assert_eq!(parsed.address.to_string(), "198.51.100.1");
        assert_eq!((parsed.prefix_length, parsed.scope), (32, "global"));
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
    fn no_address_is_no_row() {
        assert_eq!(parse(&message(0, 0, &[])), None);
        assert_eq!(parse(b"\x02\x20"), None);
    }
}
