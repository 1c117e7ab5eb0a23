//! `/proc/PID/net/if_inet6`: global IPv6 addresses only, and every one of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::proc::fib::parse_v6;
use std::net::{IpAddr, Ipv6Addr};

fuzz_target!(|bytes: &[u8]| {
    let found = parse_v6(bytes);
    assert!(found.len() <= bytes.split(|byte| *byte == b'\n').count());
    assert!(found.iter().all(IpAddr::is_ipv6));

    let (chunks, rest) = bytes.as_chunks::<16>();
    let addresses: Vec<_> = chunks.iter().map(|octets| Ipv6Addr::from(*octets)).collect();
    let scope = if rest.is_empty() { "00" } else { "20" };
    let line =
        |address: &Ipv6Addr| format!("{:032x} 02 40 {scope} 80     eth0\n", address.to_bits());
    let written: String = addresses.iter().map(line).collect();
    let global = addresses.into_iter().map(IpAddr::V6).filter(|_| scope == "00");
    assert_eq!(parse_v6(written.as_bytes()), global.collect::<Vec<_>>());
});
