//! `/proc/PID/net/nf_conntrack`: connections whose addresses the kernel may change on the way. Pure.
//! See net/netfilter/nf_conntrack_standalone.c.

use crate::model::network::Protocol;
use std::net::{IpAddr, SocketAddr};

/// A connection as packets to it look, and packets back; source before destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Of packets from whoever began it, before any address is changed.
    pub original: (SocketAddr, SocketAddr),
    /// Of packets back, as they are expected to come in.
    pub reply: (SocketAddr, SocketAddr),
}

impl Tracked {
    /// The two ends see each other by other addresses than each has itself.
    pub fn is_translated(&self) -> bool {
        let (source, destination) = self.original;
        self.reply != (destination, source)
    }
}

/// Those of TCP and UDP; a line of any other form is none.
pub fn parse(table: &[u8]) -> impl Iterator<Item = Tracked> {
    table.split(|byte| *byte == b'\n').filter_map(line)
}

/// `ipv4 2 tcp 6 117 TIME_WAIT src=A dst=B sport=1 dport=2 src=B dst=A sport=2 dport=1 …`
fn line(line: &[u8]) -> Option<Tracked> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let protocol = match words.nth(2)? {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let original = tuple(&mut words)?;
    let reply = tuple(&mut words)?;
    Some(Tracked { protocol, original, reply })
}

/// The next four values of these names, whatever stands between them.
fn tuple<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<(SocketAddr, SocketAddr)> {
    let mut next = |name: &str| words.find_map(|word| word.strip_prefix(name));
    let source: IpAddr = next("src=")?.parse().ok()?;
    let destination: IpAddr = next("dst=")?.parse().ok()?;
    let source_port = next("sport=")?.parse().ok()?;
    let destination_port = next("dport=")?.parse().ok()?;
    Some((SocketAddr::new(source, source_port), SocketAddr::new(destination, destination_port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of Linux 6.18.
    const TABLE: &[u8] = b"\
ipv4     2 tcp      6 431999 ESTABLISHED src=198.51.100.3 dst=198.51.100.1 sport=40000 dport=18080 src=198.51.100.2 dst=198.51.100.1 sport=80 dport=50000 [ASSURED] mark=0 zone=0 use=2
ipv4     2 icmp     1 29 src=198.51.100.3 dst=198.51.100.1 type=8 code=0 id=7 src=198.51.100.1 dst=198.51.100.3 type=0 code=0 id=7 mark=0 use=1
ipv6     10 udp      17 29 src=2001:db8::1 dst=2001:db8::2 sport=1 dport=53 [UNREPLIED] src=2001:db8::2 dst=2001:db8::1 sport=53 dport=1 mark=0 zone=0 use=2
ipv4     2 tcp      6 431999 ESTABLISHED src=198.51.100.3 dst=";

    #[test]
    fn both_ways_of_a_connection_are_read() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let found: Vec<_> = parse(TABLE).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].protocol, Protocol::Tcp);
        assert_eq!(found[0].original, (at("198.51.100.3:40000"), at("198.51.100.1:18080")));
        assert_eq!(found[0].reply, (at("198.51.100.2:80"), at("198.51.100.1:50000")));
        assert!(found[0].is_translated());
        assert_eq!(found[1].original, (at("[2001:db8::1]:1"), at("[2001:db8::2]:53")));
        assert!(!found[1].is_translated());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            parse(&bytes).for_each(drop);
        }
    }
}
