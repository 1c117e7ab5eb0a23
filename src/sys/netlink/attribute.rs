//! The bytes of route netlink messages: attributes and the fixed fields before them. Pure.
//!
//! The typed parsers of netlink-packet-route are not used: they refuse a whole message for one
//! value they do not expect, and a container chooses some of these values (an interface name that
//! is not UTF-8, the label of an address, the encapsulation of a route). Here an attribute that
//! cannot be read costs that attribute. Numbers are in host order. See rtnetlink(7).

use crate::model::text::Text;
use rtnetlink::packet_core::{NLA_HEADER_SIZE, NlasIterator};
use std::net::IpAddr;

/// Type (without its flag bits) and value of each attribute; ends where one does not fit.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(Result::ok).filter_map(|attribute| {
        let kind = attribute.kind();
        let end = usize::from(attribute.length());
        Some((kind, attribute.into_inner().get(NLA_HEADER_SIZE..end)?))
    })
}

/// The attributes behind a fixed header of `header` bytes; `None` where it is shorter than that.
pub(super) fn after(message: &[u8], header: usize) -> Option<impl Iterator<Item = (u16, &[u8])>> {
    message.get(header..).map(attributes)
}

/// What tells a row from every other: its fixed fields and its attributes, without the `volatile`
/// ones, which change from one answer to the next.
pub(super) fn identity(fixed: &[u8], attributes_of: &[u8], volatile: &[u16]) -> Vec<u8> {
    let mut bytes = fixed.to_vec();
    for (kind, value) in attributes(attributes_of) {
        if !volatile.contains(&kind) {
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
        }
    }
    bytes
}

pub(super) fn u8_at(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*field))
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*field))
}

pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u64::from_ne_bytes(*field))
}

/// A name, without the zero that ends it.
pub(super) fn text(value: &[u8]) -> Text {
    let end = value.iter().position(|byte| *byte == 0);
    Text::new(value.get(..end.unwrap_or(value.len())).unwrap_or(value))
}

/// An address of four or sixteen bytes.
pub(super) fn address(value: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(value).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(value).map(IpAddr::from);
    v4().or_else(|_| v6()).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One attribute as the kernel lays it out.
    pub(crate) fn encode(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// A captured message, written down in hexadecimal digits.
    pub(crate) fn hex(digits: &str) -> Vec<u8> {
        let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
    }

    #[test]
    fn attributes_are_walked_with_their_padding_and_without_their_flags() {
        let mut bytes = encode(3, b"abc\0x");
        bytes.extend(encode(0x8012, b""));
        let found: Vec<_> = attributes(&bytes).collect();
        assert_eq!(found, [(3, &b"abc\0x"[..]), (0x12, &b""[..])]);
        assert_eq!(text(b"abc\0x"), "abc");
    }

    #[test]
    fn a_length_that_lies_ends_the_walk() {
        let mut bytes = encode(1, b"good");
        bytes.extend([200, 0, 2, 0, 1]);
        assert_eq!(attributes(&bytes).count(), 1);
        assert_eq!(attributes(&[0, 0, 1, 0]).count(), 0);
    }

    #[test]
    fn addresses_have_four_or_sixteen_bytes() {
        let v4 = address(&[198, 51, 100, 7]).unwrap();
        assert_eq!(v4.to_string(), "198.51.100.7");
        assert_eq!(address(&[0; 16]).unwrap().to_string(), "::");
        assert_eq!(address(&[0; 5]), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics_and_nothing_loops(bytes: Vec<u8>) {
            proptest::prop_assert!(attributes(&bytes).count() <= bytes.len() / 4);
        }
    }
}
