//! SOCK_DIAG_BY_FAMILY and TCPDIAG_GETSOCK: sockets of TCP and UDP. Pure. See sock_diag(7),
//! linux/inet_diag.h.

use super::attribute::{after, u8_at, u16_at, u32_at};
use super::tables::family_word;
use crate::model::network::{Protocol, Socket};
use std::net::IpAddr;

/// `struct inet_diag_msg`, `struct inet_diag_req_v2`, `struct inet_diag_req`
const HEADER: usize = 72;
const REQUEST: usize = 56;
const OLD_REQUEST: usize = 60;
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// The older request, which answers for both families in one walk over the kernel's table.
pub(super) const TCPDIAG_GETSOCK: u16 = 18;
const INET_DIAG_SKMEMINFO: u16 = 7;
const INET_DIAG_SKV6ONLY: u16 = 11;
/// SK_MEMINFO_DROPS, of words of four bytes.
const DROPS: usize = 8 * 4;
const TCP_LISTEN: u8 = 10;

/// The state of a listener, and all others, as bits of a request.
pub(super) const LISTENING: u32 = 1 << TCP_LISTEN;
pub(super) const CONNECTED: u32 = !LISTENING;

/// The body of a request for TCP sockets in `states`; with [`TCPDIAG_GETSOCK`].
pub(super) fn request_tcp(states: u32) -> Vec<u8> {
    let mut body = vec![0; OLD_REQUEST];
    // Behind three bytes, one of extensions, and the id.
    if let Some(field) = body.get_mut(52..56) {
        field.copy_from_slice(&states.to_ne_bytes());
    }
    body
}

/// The body of a request for every UDP socket of a family.
pub(super) fn request_udp(family: u8) -> Vec<u8> {
    const IPPROTO_UDP: u8 = 17;
    let mut body = vec![family, IPPROTO_UDP, 1 << (INET_DIAG_SKMEMINFO - 1), 0];
    body.extend(u32::MAX.to_ne_bytes());
    body.resize(REQUEST, 0);
    body
}

/// A socket, and the index of the interface it is bound to.
pub fn parse(protocol: Protocol, message: &[u8]) -> Option<(Socket, Option<u32>)> {
    let state = u8_at(message, 1)?;
    let number = u8_at(message, 0)?;
    let family = family_word(number)?;
    let address = |offset: usize| -> Option<IpAddr> {
        let bytes = message.get(offset..)?;
        Some(match number {
            2 => IpAddr::from(*bytes.first_chunk::<4>()?),
            _ => IpAddr::from(*bytes.first_chunk::<16>()?),
        })
    };
    let peer_port = u16::from_be(u16_at(message, 6)?);
    let peer = address(24)?;
    let has_peer = peer_port != 0 || !peer.is_unspecified();
    let index = u32_at(message, 40)?;
    let inode = u32_at(message, 68)?;
    let (mut dropped, mut only_v6) = (None, false);
    for (kind, value) in after(message, HEADER)? {
        match kind {
            INET_DIAG_SKMEMINFO => dropped = u32_at(value, DROPS),
            INET_DIAG_SKV6ONLY => only_v6 = u8_at(value, 0) == Some(1),
            _ => {}
        }
    }
    let socket = Socket {
        protocol,
        family,
        state: state_word(protocol, state),
        address: address(8)?,
        port: u16::from_be(u16_at(message, 4)?),
        peer_address: Some(peer).filter(|_| has_peer),
        peer_port: Some(peer_port).filter(|_| has_peer),
        only_v6,
        interface: None,
        receive_queue: u32_at(message, 56)?,
        send_queue: u32_at(message, 60)?,
        dropped,
        uid: u32_at(message, 64)?,
        inode: Some(inode).filter(|inode| *inode != 0),
        owners: Vec::new(),
        owner_processes: 0,
    };
    Some((socket, Some(index).filter(|index| *index != 0)))
}

/// A listener of TCP, by its message.
pub(super) fn listens(message: &[u8]) -> bool {
    u8_at(message, 1) == Some(TCP_LISTEN)
}

/// TCP_*, linux/tcp_states.h.
pub(in crate::sys) fn state_word(protocol: Protocol, state: u8) -> &'static str {
    match (state, protocol) {
        (1, _) => "established",
        (2, _) => "syn_sent",
        // The second is of a request that has no socket yet.
        (3 | 12, _) => "syn_recv",
        (4, _) => "fin_wait1",
        (5, _) => "fin_wait2",
        (6, _) => "time_wait",
        (7, Protocol::Udp) => "unconnected",
        (7, Protocol::Tcp) => "close",
        (8, _) => "close_wait",
        (9, _) => "last_ack",
        (TCP_LISTEN, _) => "listen",
        (11, _) => "closing",
        _ => "other",
    }
}

// Messages of Linux 6.18.
#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::super::attribute::tests::{encode, hex};
    use super::*;

    const LISTENER: &str = "020a0000 0050 0000 00000000000000000000000000000000
        00000000000000000000000000000000 00000000 0100000000000000
        00000000 03000000 05000000 21000000 39300000";

    #[test]
    fn a_listener_has_a_queue_and_a_backlog() {
        let bytes = hex(LISTENER);
        assert_eq!(bytes.len(), HEADER);
        let (socket, interface) = parse(Protocol::Tcp, &bytes).unwrap();
        assert_eq!(
            (socket.state, socket.port, socket.address.to_string()),
            ("listen", 80, "0.0.0.0".into())
        );
        assert_eq!((socket.peer_address, socket.peer_port, interface), (None, None, None));
        assert_eq!((socket.receive_queue, socket.send_queue), (3, 5));
        assert_eq!((socket.uid, socket.inode), (33, Some(12345)));
        assert!(listens(&bytes));
    }

    #[test]
    fn a_connection_over_ipv6_bound_to_an_interface() {
        let mut bytes = hex(LISTENER);
        bytes[0..2].copy_from_slice(&[10, 6]);
        bytes[6..8].copy_from_slice(&443_u16.to_be_bytes());
        bytes[24..28].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        bytes[40] = 7;
        bytes[68..72].fill(0);
        let (socket, interface) = parse(Protocol::Tcp, &bytes).unwrap();
        assert_eq!((socket.family, socket.state), ("inet6", "time_wait"));
        assert_eq!(socket.peer_address.unwrap().to_string(), "2001:db8::");
        assert_eq!((socket.peer_port, interface, socket.inode), (Some(443), Some(7), None));
    }

    #[test]
    fn a_udp_socket_says_what_it_threw_away() {
        let mut bytes = hex(LISTENER);
        bytes[1] = 7;
        let mut memory = [0; 36];
        memory[DROPS] = 9;
        bytes.extend(encode(INET_DIAG_SKMEMINFO, &memory));
        let (socket, _) = parse(Protocol::Udp, &bytes).unwrap();
        assert_eq!((socket.state, socket.dropped), ("unconnected", Some(9)));
    }

    #[test]
    fn a_socket_of_ipv6_says_whether_it_takes_ipv4() {
        let mut bytes = hex(LISTENER);
        bytes[0] = 10;
        for (word, only_v6) in [(0, false), (1, true)] {
            let said = [&bytes[..], &encode(INET_DIAG_SKV6ONLY, &[word])].concat();
            assert_eq!(parse(Protocol::Tcp, &said).unwrap().0.only_v6, only_v6);
        }
        assert!(!parse(Protocol::Tcp, &bytes).unwrap().0.only_v6);
    }

    #[test]
    fn states_have_the_words_of_ss() {
        let words = [
            "established",
            "syn_sent",
            "syn_recv",
            "fin_wait1",
            "fin_wait2",
            "time_wait",
            "close",
            "close_wait",
            "last_ack",
            "listen",
            "closing",
            "syn_recv",
            "other",
        ];
        for (number, word) in (1..).zip(words) {
            assert_eq!(state_word(Protocol::Tcp, number), word, "{number}");
        }
        assert_eq!(state_word(Protocol::Udp, 7), "unconnected");
        assert_eq!(state_word(Protocol::Udp, 1), "established");
    }

    #[test]
    fn either_half_of_a_peer_makes_one() {
        let mut bytes = hex(LISTENER);
        bytes[7] = 1;
        let (socket, _) = parse(Protocol::Tcp, &bytes).unwrap();
        assert_eq!(socket.peer_port, Some(1));
        assert!(socket.peer_address.unwrap().is_unspecified());
        bytes[7] = 0;
        bytes[27] = 1;
        let (socket, _) = parse(Protocol::Tcp, &bytes).unwrap();
        assert_eq!(socket.peer_port, Some(0));
        assert_eq!(socket.peer_address.unwrap().to_string(), "0.0.0.1");
        bytes[0] = 1;
        assert!(parse(Protocol::Tcp, &bytes).is_none(), "AF_UNIX");
        assert!(!listens(&[2, 1]));
    }

    #[test]
    fn requests_are_as_linux_inet_diag_h_lays_them_out() {
        let tcp = request_tcp(LISTENING);
        assert_eq!(tcp.len(), 60);
        assert_eq!(tcp[52..56], (1_u32 << 10).to_ne_bytes());
        assert!(tcp[..52].iter().chain(&tcp[56..]).all(|byte| *byte == 0));
        assert_eq!(request_tcp(CONNECTED)[52..56], (!(1_u32 << 10)).to_ne_bytes());
        let udp = request_udp(10);
        assert_eq!((udp.len(), &udp[..8]), (56, &[10, 17, 1 << 6, 0, 255, 255, 255, 255][..]));
        assert!(udp[8..].iter().all(|byte| *byte == 0));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse(Protocol::Tcp, &bytes), parse(Protocol::Udp, &bytes));
        }
    }
}
