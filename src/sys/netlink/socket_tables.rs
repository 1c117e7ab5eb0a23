//! The sockets of a namespace as they come: all counted, the first ones kept.

use super::channel::Channel;
use super::socket::{
    CONNECTED, LISTENING, SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK, listens, parse, request_tcp,
    request_udp,
};
use crate::model::network::{Destination, Ports, Protocol, Settings, Socket, Sockets, TcpStates};
use crate::sys::error::Result;
use crate::sys::proc::net::InUse;
use nix::errno::Errno;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// Of each list; a busy server has a hundred thousand.
const MOST: usize = 4096;
/// Different ones that connections are counted by.
const MOST_DESTINATIONS: usize = 1 << 16;

/// How many sockets a namespace has; absent where that is not known. The kernel walks a table of
/// the whole host for each question (half a million places for connections), so that what is not
/// there is not asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// By /proc/net/sockstat and sockstat6.
    pub in_use: InUse,
    /// `InSegs` of /proc/net/snmp: TCP segments that ever came. Connections that are half open are
    /// counted nowhere; without a segment there are none.
    pub segments: Option<u64>,
}

/// Sockets, and the indices of the interfaces that those of both lists are bound to.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub sockets: Sockets,
    pub listening_on: Vec<Option<u32>>,
    pub connected_on: Vec<Option<u32>>,
    pub incomplete: bool,
}

/// `None` where the kernel has no such answers.
pub(super) async fn read(
    channel: &mut Channel,
    asked: Asked,
    settings: &Settings,
) -> Result<Option<Found>> {
    let mut tally = Tally::new(settings);
    let called = asked.segments != Some(0);
    tally.found.sockets.tcp.syn_recv = (!called).then_some(0);
    let of_tcp = (TCPDIAG_GETSOCK, TCPDIAG_GETSOCK);
    let by_family = (SOCK_DIAG_BY_FAMILY, SOCK_DIAG_BY_FAMILY);
    let in_use = asked.in_use;
    let questions = [
        (in_use.tcp, Protocol::Tcp, of_tcp, request_tcp(LISTENING)),
        (in_use.tcp, Protocol::Tcp, of_tcp, request_tcp(CONNECTED)),
        (in_use.udp_v4, Protocol::Udp, by_family, request_udp(2)),
        (in_use.udp_v6, Protocol::Udp, by_family, request_udp(10)),
    ];
    for (nth, (there_are, protocol, kinds, body)) in questions.into_iter().enumerate() {
        let for_connections = nth == 1;
        let known = if for_connections { tally.found.sockets.tcp.listen } else { 0 };
        let half_open = for_connections && called && known > 0;
        if there_are.is_some_and(|there_are| there_are <= known) && !half_open {
            continue;
        }
        if for_connections {
            tally.found.sockets.tcp.syn_recv = Some(0);
        }
        let mut take = |message: &[u8]| tally.take(protocol, message);
        match channel.dump("sockets", kinds, &body, &mut take).await {
            Ok(interrupted) => tally.found.incomplete |= interrupted,
            Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(None),
            // What came before it is kept.
            Err(_) => tally.found.incomplete = true,
        }
    }
    Ok(Some(tally.finish()))
}

/// From which address to which, and its port: a port can be given once for each.
type Way = (IpAddr, IpAddr, u16);

struct Tally {
    found: Found,
    range: Option<(u16, u16)>,
    /// Those in the range that are not given.
    reserved: HashSet<u16>,
    ports: HashSet<u16>,
    destinations: HashMap<Way, u32>,
}

impl Tally {
    fn new(settings: &Settings) -> Self {
        let range = settings.first_ephemeral_port.zip(settings.last_ephemeral_port);
        let reserved = range.map_or_else(HashSet::new, |(first, last)| {
            let all = settings.reserved_ports.iter().flat_map(|span| span.first..=span.last);
            all.filter_map(|port| u16::try_from(port).ok())
                .filter(|port| (first..=last).contains(port))
                .collect()
        });
        Self {
            found: Found::default(),
            range,
            reserved,
            ports: HashSet::new(),
            destinations: HashMap::new(),
        }
    }

    fn take(&mut self, protocol: Protocol, message: &[u8]) {
        let Some((socket, interface)) = parse(protocol, message) else {
            self.found.incomplete = true;
            return;
        };
        match protocol {
            Protocol::Tcp => {
                count(&mut self.found.sockets.tcp, socket.state);
                if !listens(message) {
                    self.count_port(&socket);
                }
            }
            Protocol::Udp => self.found.sockets.udp += 1,
        }
        let waits = listens(message) || socket.state == "unconnected";
        let (list, interfaces) = if waits {
            (&mut self.found.sockets.listening, &mut self.found.listening_on)
        } else {
            (&mut self.found.sockets.connected, &mut self.found.connected_on)
        };
        if list.len() < MOST {
            list.push(socket);
            interfaces.push(interface);
        } else {
            self.found.sockets.unlisted += 1;
            self.found.sockets.unlisted_listening += u64::from(waits);
        }
    }

    fn count_port(&mut self, socket: &Socket) {
        if self.range.is_none_or(|(first, last)| !(first..=last).contains(&socket.port))
            || self.reserved.contains(&socket.port)
        {
            return;
        }
        self.ports.insert(socket.port);
        let Some((address, port)) = socket.peer_address.zip(socket.peer_port) else { return };
        // An address of IPv4 is the same one in a socket of IPv6.
        let way = (socket.address.to_canonical(), address.to_canonical(), port);
        if let Some(connections) = self.destinations.get_mut(&way) {
            *connections += 1;
        } else if self.destinations.len() < MOST_DESTINATIONS {
            self.destinations.insert(way, 1);
        }
    }

    fn finish(mut self) -> Found {
        let most = self.destinations.into_iter();
        // The addresses decide between equals, so that the answer does not depend on chance.
        let busiest = most.max_by_key(|(way, connections)| (*connections, *way));
        self.found.sockets.ephemeral_ports = self.range.map(|(first, last)| Ports {
            first,
            last,
            reserved: u32::try_from(self.reserved.len()).unwrap_or(u32::MAX),
            used: u32::try_from(self.ports.len()).unwrap_or(u32::MAX),
            busiest: busiest.map(|((source, address, port), connections)| Destination {
                source_address: source,
                address,
                port,
                connections,
            }),
        });
        self.found
    }
}

fn count(states: &mut TcpStates, state: &str) {
    let counter = match state {
        "established" => &mut states.established,
        "syn_sent" => &mut states.syn_sent,
        "syn_recv" => states.syn_recv.get_or_insert(0),
        "fin_wait1" => &mut states.fin_wait1,
        "fin_wait2" => &mut states.fin_wait2,
        "time_wait" => &mut states.time_wait,
        "close_wait" => &mut states.close_wait,
        "last_ack" => &mut states.last_ack,
        "listen" => &mut states.listen,
        "closing" => &mut states.closing,
        _ => &mut states.close,
    };
    *counter += 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network::Span;

    /// As `struct inet_diag_msg` has it.
    fn message(state: u8, port: u16, peer: Option<(u8, u16)>) -> Vec<u8> {
        let mut bytes = vec![0; 72];
        bytes[..2].copy_from_slice(&[2, state]);
        bytes[4..6].copy_from_slice(&port.to_be_bytes());
        if let Some((last, port)) = peer {
            bytes[6..8].copy_from_slice(&port.to_be_bytes());
            bytes[24..28].copy_from_slice(&[198, 51, 100, last]);
        }
        bytes
    }

    fn tally() -> Tally {
        Tally::new(&Settings {
            first_ephemeral_port: Some(32768),
            last_ephemeral_port: Some(60999),
            ..Settings::default()
        })
    }

    #[test]
    fn ports_are_counted_once_and_the_busiest_destination_is_told() {
        let mut tally = tally();
        tally.take(Protocol::Tcp, &message(10, 40000, None));
        tally.take(Protocol::Tcp, &message(1, 80, Some((9, 50000))));
        for (port, last) in [(32768, 1), (32769, 1), (32769, 2), (60999, 1)] {
            tally.take(Protocol::Tcp, &message(6, port, Some((last, 443))));
        }
        tally.take(Protocol::Udp, &message(7, 53, None));
        let sockets = tally.finish().sockets;
        assert_eq!((sockets.tcp.listen, sockets.tcp.established, sockets.tcp.time_wait), (1, 1, 4));
        assert_eq!((sockets.listening.len(), sockets.connected.len(), sockets.udp), (2, 5, 1));
        let ports = sockets.ephemeral_ports.unwrap();
        assert_eq!((ports.used, ports.available()), (3, 28232));
        let busiest = ports.busiest.unwrap();
        assert_eq!((busiest.address.to_string(), busiest.connections), ("198.51.100.1".into(), 3));
    }

    #[test]
    fn ports_that_are_reserved_are_neither_there_to_be_given_nor_used() {
        let span = |first, last| Span { first, last };
        let mut tally = Tally::new(&Settings {
            first_ephemeral_port: Some(10000),
            last_ephemeral_port: Some(10999),
            reserved_ports: vec![span(80, 80), span(9000, 9999), span(10100, 10999)],
            ..Settings::default()
        });
        for port in [10000, 10099, 10100, 10999] {
            tally.take(Protocol::Tcp, &message(1, port, Some((9, 443))));
        }
        let ports = tally.finish().sockets.ephemeral_ports.unwrap();
        assert_eq!((ports.reserved, ports.used, ports.available()), (900, 2, 100));
        assert_eq!(ports.busiest.unwrap().connections, 2);
    }

    #[test]
    fn each_address_of_ours_has_the_whole_range_for_a_destination() {
        let mut tally = tally();
        for (port, last) in [(40000, 2), (40001, 2), (40000, 3), (40001, 3), (40000, 4)] {
            let mut bytes = message(1, port, Some((1, 443)));
            bytes[8..12].copy_from_slice(&[203, 0, 113, last]);
            tally.take(Protocol::Tcp, &bytes);
        }
        let mut mapped = message(1, 40002, Some((1, 443)));
        mapped[0] = 10;
        mapped[8..24].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 203, 0, 113, 2]);
        mapped[24..40].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 198, 51, 100, 1]);
        tally.take(Protocol::Tcp, &mapped);
        let ports = tally.finish().sockets.ephemeral_ports.unwrap();
        let expected = Destination {
            source_address: "203.0.113.2".parse().unwrap(),
            address: "198.51.100.1".parse().unwrap(),
            port: 443,
            connections: 3,
        };
        assert_eq!((ports.used, ports.busiest), (3, Some(expected)));
    }

    #[test]
    fn beyond_the_bound_sockets_are_counted_only() {
        let mut tally = tally();
        for _ in 0..MOST + 3 {
            tally.take(Protocol::Tcp, &message(1, 80, Some((9, 50000))));
        }
        let found = tally.finish();
        assert_eq!(found.sockets.connected.len(), MOST);
        assert_eq!((found.sockets.unlisted, found.sockets.tcp.established), (3, 4099));
        assert!(!found.incomplete);
        let mut tally = self::tally();
        for _ in 0..MOST + 2 {
            tally.take(Protocol::Tcp, &message(10, 80, None));
            tally.take(Protocol::Tcp, &message(1, 80, Some((9, 50000))));
        }
        let sockets = tally.finish().sockets;
        assert_eq!((sockets.unlisted, sockets.unlisted_listening), (4, 2));
    }

    #[test]
    fn beyond_the_bound_destinations_are_not_counted() {
        let mut tally = tally();
        // As many as there is room for, and twice one more.
        let ports = 1000..1000 + u16::try_from(MOST_DESTINATIONS / 256).unwrap();
        for port in ports {
            for last in 0..=255 {
                tally.take(Protocol::Tcp, &message(1, 40000, Some((last, port))));
            }
        }
        for _ in 0..2 {
            tally.take(Protocol::Tcp, &message(1, 40000, Some((1, 443))));
        }
        assert_eq!(tally.destinations.len(), MOST_DESTINATIONS);
        let busiest = tally.finish().sockets.ephemeral_ports.unwrap().busiest.unwrap();
        assert_eq!((busiest.port, busiest.connections), (1255, 1));
    }

    #[test]
    fn each_state_has_a_count_of_its_own() {
        let mut tally = tally();
        for state in 1..=12 {
            for _ in 0..state {
                tally.take(Protocol::Tcp, &message(state, 80, None));
            }
        }
        let tcp = tally.finish().sockets.tcp;
        let expected = TcpStates {
            established: 1,
            syn_sent: 2,
            syn_recv: Some(3 + 12),
            fin_wait1: 4,
            fin_wait2: 5,
            time_wait: 6,
            close: 7,
            close_wait: 8,
            last_ack: 9,
            listen: 10,
            closing: 11,
        };
        assert_eq!(tcp, expected);
    }

    #[test]
    fn what_is_no_socket_makes_the_tables_incomplete() {
        let mut tally = tally();
        tally.take(Protocol::Tcp, &[2, 1]);
        assert!(tally.finish().incomplete);
    }

    #[test]
    fn a_port_outside_the_range_is_nobodys_choice() {
        let mut tally = tally();
        for port in [32767, 61000] {
            tally.take(Protocol::Tcp, &message(1, port, Some((1, 443))));
        }
        let ports = tally.finish().sockets.ephemeral_ports.unwrap();
        assert_eq!((ports.used, ports.busiest), (0, None));
        let mut unknown = Tally::new(&Settings::default());
        unknown.take(Protocol::Tcp, &message(1, 40000, Some((1, 443))));
        assert_eq!(unknown.finish().sockets.ephemeral_ports, None);
    }
}
