//! `/proc/PID/net/tcp`, `tcp6`, `udp`, `udp6`: the sockets of a process's network namespace, read
//! without entering it. See proc_pid_net(5). Pure.
//!
//! The kernel writes addresses as words of 32 bits in its own order, ports as numbers.

use crate::model::network::{Protocol, Socket};
use crate::sys::netlink::socket::state_word;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Hands over each socket of a table. A line that is none, as the first, is passed over.
pub fn parse(protocol: Protocol, table: &[u8], take: &mut dyn FnMut(Socket)) {
    table.split(|byte| *byte == b'\n').filter_map(|line| one(protocol, line)).for_each(take);
}

/// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 0 12345 …`
fn one(protocol: Protocol, line: &[u8]) -> Option<Socket> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.split_ascii_whitespace();
    fields.next()?.strip_suffix(':')?;
    let (address, port) = endpoint(fields.next()?)?;
    let (peer, peer_port) = endpoint(fields.next()?)?;
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    let (send_queue, receive_queue) = fields.next()?.split_once(':')?;
    let queue = |digits| u32::from_str_radix(digits, 16).ok();
    let (send_queue, receive_queue) = (queue(send_queue)?, queue(receive_queue)?);
    // Behind a timer and retransmissions.
    let uid = fields.nth(2)?.parse().ok()?;
    let inode: u32 = fields.nth(1)?.parse().ok()?;
    let has_peer = peer_port != 0 || !peer.is_unspecified();
    Some(Socket {
        protocol,
        family: if address.is_ipv4() { "inet" } else { "inet6" },
        state: state_word(protocol, state),
        address,
        port,
        peer_address: Some(peer).filter(|_| has_peer),
        peer_port: Some(peer_port).filter(|_| has_peer),
        interface: None,
        receive_queue,
        send_queue,
        only_v6: false,
        dropped: None,
        uid,
        inode: Some(inode).filter(|inode| *inode != 0),
        owners: Vec::new(),
        owner_processes: 0,
    })
}

fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| {
        let digits = address.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let address = match address.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                *four = word(at)?;
            }
            IpAddr::from(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}

// Tables of Linux 6.18.
#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    const TCP: &[u8] = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000005 00:00000000 00000000  1000        0 12345 1 0000000000000000 100 0 0 10 0\n\
   1: 026433C6:0050 096433C6:C350 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0000000000000000\n";
    const UDP6: &[u8] = b"  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
  123: B80D0120000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 777 2 0000000000000000 0\n";

    fn parsed(protocol: Protocol, table: &[u8]) -> Vec<Socket> {
        let mut sockets = Vec::new();
        parse(protocol, table, &mut |socket| sockets.push(socket));
        sockets
    }

    #[test]
    fn a_line_is_a_socket() {
        let sockets = parsed(Protocol::Tcp, TCP);
        assert_eq!(sockets.len(), 2);
        let listener = &sockets[0];
        assert_eq!((listener.address.to_string(), listener.port), ("127.0.0.1".into(), 8080));
        assert_eq!((listener.state, listener.peer_address, listener.uid), ("listen", None, 1000));
        assert_eq!((listener.inode, listener.receive_queue), (Some(12345), 5));
        let waiting = &sockets[1];
        assert_eq!((waiting.state, waiting.inode), ("time_wait", None));
        let peer = waiting.peer_address.unwrap().to_string();
        assert_eq!((peer.as_str(), waiting.peer_port), ("198.51.100.9", Some(50000)));
    }

    #[test]
    fn addresses_of_ipv6_are_four_words() {
        let sockets = parsed(Protocol::Udp, UDP6);
        let socket = &sockets[0];
        assert_eq!((socket.address.to_string(), socket.port), ("2001:db8::1".into(), 53));
        assert_eq!(
            (socket.state, socket.family, socket.inode),
            ("unconnected", "inet6", Some(777))
        );
    }

    #[test]
    fn our_own_listener_is_there() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let root = crate::sys::root::SysRoot::real().unwrap();
        let read = crate::sys::bounded::read(root.proc(), "self/net/tcp", 1 << 25);
        let table = read.unwrap();
        let inode = u32::try_from(rustix::fs::fstat(&listener).unwrap().st_ino).unwrap();
        let found = parsed(Protocol::Tcp, &table);
        let found = found.iter().find(|one| one.inode == Some(inode)).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!((found.address, found.port), (address.ip(), address.port()));
    }

    #[test]
    fn either_half_of_a_peer_makes_one() {
        let of = |peer: &str| {
            let line = format!(
                "head\n 0: 0100007F:1F90 {peer} 01 00000000:00000000 00:00000000 00000000 0 0 1 1\n"
            );
            let socket = parsed(Protocol::Tcp, line.as_bytes()).remove(0);
            (socket.peer_address.map(|peer| peer.to_string()), socket.peer_port)
        };
        assert_eq!(of("00000000:0000"), (None, None));
        assert_eq!(of("00000000:0001"), (Some("0.0.0.0".into()), Some(1)));
        assert_eq!(of("0100007F:0000"), (Some("127.0.0.1".into()), Some(0)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            parsed(Protocol::Tcp, &bytes);
        }

        #[test]
        fn no_line_panics(text in "[ 0-9A-F:\u{e9}]{0,200}") {
            parsed(Protocol::Udp, format!("0: {text}").as_bytes());
        }
    }
}
