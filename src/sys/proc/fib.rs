//! `/proc/PID/net/fib_trie` and `if_inet6`: the addresses of a process's network namespace, read
//! without joining it. For a list of many containers this is one read each; `sys::netlink` has the
//! whole truth about one.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The local IPv4 addresses outside 127.0.0.0/8, each once, in table order.
pub fn parse_v4(bytes: &[u8]) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    let mut seen = HashSet::new();
    let mut candidate = None;
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if let Some(leaf) = line.strip_prefix(b"|-- ") {
            candidate =
                std::str::from_utf8(leaf).ok().and_then(|text| text.parse::<Ipv4Addr>().ok());
        } else if line == b"/32 host LOCAL"
            && let Some(address) = candidate.take()
            && !address.is_loopback()
            && seen.insert(address)
        {
            addresses.push(IpAddr::V4(address));
        }
    }
    addresses
}

/// The global IPv6 addresses (scope 00), in file order.
pub fn parse_v6(bytes: &[u8]) -> Vec<IpAddr> {
    let line = |line: &[u8]| {
        // The last field is the interface's name, which may hold any byte.
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let digits = std::str::from_utf8(fields.next()?).ok()?;
        let address = u128::from_str_radix(digits, 16).ok()?;
        let scope = fields.nth(2)?;
        (scope == b"00").then(|| IpAddr::V6(Ipv6Addr::from(address)))
    };
    bytes.split(|byte| *byte == b'\n').filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &[u8] = b"Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     \
        +-- 127.0.0.0/8 2 0 2\n        +-- 127.0.0.0/31 1 0 0\n           |-- 127.0.0.0\n              \
        /8 host LOCAL\n           |-- 127.0.0.1\n              /32 host LOCAL\n     +-- 198.51.100.0/24 2 0 1\n        \
        |-- 198.51.100.0\n           /24 link UNICAST\n        |-- 198.51.100.2\n           /32 host LOCAL\n        \
        |-- 198.51.100.255\n           /32 link BROADCAST\nLocal:\n        |-- 198.51.100.2\n           /32 host LOCAL\n";

    #[test]
    fn an_ordinary_trie() {
        assert_eq!(parse_v4(TRIE), ["198.51.100.2".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn ordinary_ipv6_lines() {
        let bytes = b"00000000000000000000000000000001 01 80 10 80       lo\n\
            fe80000000000000c43364fffe020000 02 40 20 80     eth0\n\
            20010db8000000000000000000000002 02 40 00 80     eth0\n";
        assert_eq!(parse_v6(bytes), ["2001:db8::2".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn an_interface_name_cannot_hide_its_address() {
        let bytes = b"20010db8000000000000000000000002 02 40 00 80     \xff]0;\n";
        assert_eq!(parse_v6(bytes), ["2001:db8::2".parse::<IpAddr>().unwrap()]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse_v4(&bytes), parse_v6(&bytes));
        }
    }
}
