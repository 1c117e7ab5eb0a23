//! `/proc/PID/net/sockstat`, `snmp` and `netstat`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::proc::net;

fuzz_target!(|bytes: &[u8]| {
    let _ = (net::sockets_in_use(bytes, b"TCP"), net::sockets_in_use(bytes, b"UDP6"));
    let _ = net::counter(bytes, b"TcpExt", b"ListenOverflows");
    // Whatever stands around it, the first pair of lines of a group is what counts.
    let name = b"Tcp: OutSegs RetransSegs\nTcp: 17 4\n";
    let with = [&name[..], bytes].concat();
    assert_eq!(net::counter(&with, b"Tcp", b"RetransSegs"), Some(4));
});
