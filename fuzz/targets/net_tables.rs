//! `/proc/PID/net/tcp` and its like, and `nf_conntrack`: a line is a socket or a connection, and what
//! the kernel would write for one is read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::model::network::{Protocol, Socket};
use nsx::sys::proc::{conntrack, sockets};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

fn parsed(protocol: Protocol, table: &[u8]) -> Vec<Socket> {
    let mut found = Vec::new();
    sockets::parse(protocol, table, &mut |socket| found.push(socket));
    found
}

fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.split(|byte| *byte == b'\n').count();
    assert!(parsed(Protocol::Tcp, bytes).len() <= lines);
    assert!(parsed(Protocol::Udp, bytes).len() <= lines);
    for tracked in conntrack::parse(bytes) {
        let written = format!(
            "ipv4 2 {} 6 1 {}{}",
            tracked.protocol.name(),
            pair(tracked.original),
            pair(tracked.reply)
        );
        assert_eq!(conntrack::parse(written.as_bytes()).collect::<Vec<_>>(), [tracked]);
        let (from, to) = tracked.original;
        assert_eq!(tracked.is_translated(), tracked.reply != (to, from));
    }

    let Some((ends, rest)) = bytes.split_first_chunk::<45>() else { return };
    let address = |at: usize| -> [u8; 16] { ends[at..at + 16].try_into().expect("16 bytes") };
    let port = |at: usize| u16::from_le_bytes([ends[at], ends[at + 1]]);
    let number = |at: usize| u32::from_le_bytes(ends[at..at + 4].try_into().expect("4 bytes"));
    for is_v6 in [false, true] {
        let ip = |at: usize| match is_v6 {
            true => IpAddr::from(Ipv6Addr::from(address(at))),
            false => {
                IpAddr::from(Ipv4Addr::from(*address(at).first_chunk::<4>().expect("4 of 16")))
            }
        };
        let (here, there) = ((ip(0), port(16)), (ip(18), port(34)));
        let line = format!(
            "  sl\n{:4}: {} {} 01 {:08X}:00000000 00:00000000 00000000 {:5} 0 {} 1 0 20 4 30 10 -1",
            0,
            words(here),
            words(there),
            number(36),
            number(36),
            number(40),
        );
        // What a socket's line ends with is nothing to it.
        let rest: Vec<u8> = rest.iter().copied().filter(|byte| *byte != b'\n').collect();
        let rest = String::from_utf8_lossy(&rest);
        let found = parsed(Protocol::Tcp, format!("{line} {rest}\n").as_bytes());
        let [socket] = found.as_slice() else { panic!("one line, {} sockets", found.len()) };
        assert_eq!((socket.address, socket.port), here);
        let has_peer = there.1 != 0 || !there.0.is_unspecified();
        assert_eq!(socket.peer_address.zip(socket.peer_port), Some(there).filter(|_| has_peer));
        assert_eq!((socket.uid, socket.send_queue), (number(36), number(36)));
        assert_eq!(socket.inode, Some(number(40)).filter(|inode| *inode != 0));
    }
});

fn pair((from, to): (SocketAddr, SocketAddr)) -> String {
    format!("src={} dst={} sport={} dport={} ", from.ip(), to.ip(), from.port(), to.port())
}

/// Words of 32 bits in the machine's order.
fn words((address, port): (IpAddr, u16)) -> String {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let words: String = octets
        .as_chunks::<4>()
        .0
        .iter()
        .map(|word| format!("{:08X}", u32::from_ne_bytes(*word)))
        .collect();
    format!("{words}:{port:04X}")
}
