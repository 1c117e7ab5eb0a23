//! `/proc/PID/net/if_inet6`: global IPv6 addresses only, and every one of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::proc::fib::parse_v6;
use std::net::{IpAddr, Ipv6Addr};

fuzz_target!(|bytes: &[u8]| {
    let found = parse_v6(bytes);
    assert!(found.len() <= bytes.split(|byte| *byte == b'\n').count());
    assert!(found.iter().all(IpAddr::is_ipv6));

    // What follows the addresses is the name of an interface, in which the kernel refuses only
    // spaces, `/` and `:`.
    let (chunks, rest) = bytes.as_chunks::<16>();
    let addresses: Vec<_> = chunks.iter().map(|octets| Ipv6Addr::from(*octets)).collect();
    let refused = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b':');
    let name: Vec<u8> = rest.iter().copied().filter(|byte| !refused(byte)).collect();
    let mut written = Vec::new();
    for (at, address) in addresses.iter().enumerate() {
        let scope = if at % 2 == 0 { "00" } else { "20" };
        written.extend(format!("{:032x} 02 40 {scope} 80     ", address.to_bits()).bytes());
        written.extend_from_slice(&name);
        written.push(b'\n');
    }
    let global: Vec<_> = addresses.into_iter().step_by(2).map(IpAddr::V6).collect();
    assert_eq!(parse_v6(&written), global);
});
