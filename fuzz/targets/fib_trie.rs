//! `/proc/PID/net/fib_trie`: each address once, none of the loopback's, none that is not written
//! there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::proc::fib::parse_v4;
use std::collections::HashSet;

fuzz_target!(|bytes: &[u8]| {
    let addresses = parse_v4(bytes);
    let distinct: HashSet<_> = addresses.iter().collect();
    assert_eq!(distinct.len(), addresses.len());
    for address in addresses {
        assert!(address.is_ipv4() && !address.is_loopback());
        let leaf = format!("|-- {address}");
        assert!(bytes.windows(leaf.len()).any(|window| window == leaf.as_bytes()));
    }
});
