//! `/proc/PID/net/sockstat`, `sockstat6`, `snmp`, `netstat`: counts and counters of a process's
//! network namespace, read without joining it. See proc_pid_net(5).

use crate::sys::bounded;
use std::os::fd::BorrowedFd;

/// How many sockets there are; absent where that is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// With those that wait for a late segment.
    pub tcp: Option<u64>,
    /// Of IPv4 alone.
    pub udp_v4: Option<u64>,
    /// Of IPv6 alone.
    pub udp_v6: Option<u64>,
}

impl InUse {
    /// By a directory like `/proc/PID/net`.
    pub fn read(dir: BorrowedFd<'_>, net: &str) -> Self {
        let file = |name| bounded::read_single(dir, &format!("{net}/{name}")).ok();
        let (v4, v6) = (file("sockstat"), file("sockstat6"));
        let count = |bytes: &Option<Vec<u8>>, protocol: &[u8]| {
            bytes.as_ref().and_then(|bytes| sockets_in_use(bytes, protocol))
        };
        // A kernel without IPv6 has no such file.
        let tcp_v6 = if v6.is_some() { count(&v6, b"TCP6") } else { v4.is_some().then_some(0) };
        Self {
            tcp: count(&v4, b"TCP").zip(tcp_v6).map(|(v4, v6)| v4.saturating_add(v6)),
            udp_v4: count(&v4, b"UDP"),
            udp_v6: count(&v6, b"UDP6"),
        }
    }
}

/// What is counted of one protocol: `TCP: inuse 5 orphan 0 tw 2 alloc 9 mem 1`. Of TCP, sockets
/// that wait for a late segment (`tw`) are counted apart from those in use.
pub fn sockets_in_use(sockstat: &[u8], protocol: &[u8]) -> Option<u64> {
    let fields = fields_of(sockstat, protocol)?;
    let value = |name: &[u8]| {
        let mut words = fields.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.find(|word| *word == name)?;
        number(words.next()?)
    };
    Some(value(b"inuse")?.saturating_add(value(b"tw").unwrap_or(0)))
}

/// A counter of `snmp` or `netstat`: a line of names, and a line of values that begins alike.
pub fn counter(bytes: &[u8], group: &[u8], name: &[u8]) -> Option<u64> {
    let mut lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| fields_of(line, group));
    let (names, values) = (lines.next()?, lines.next()?);
    let words = |line: &'_ [u8]| -> Vec<Vec<u8>> {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.map(<[u8]>::to_vec).collect()
    };
    let at = words(names).iter().position(|word| word == name)?;
    number(words(values).get(at)?)
}

/// What stands behind `GROUP:` in the first line that begins so.
fn fields_of<'a>(bytes: &'a [u8], group: &[u8]) -> Option<&'a [u8]> {
    bytes.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(group)?.strip_prefix(b":"))
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKSTAT: &[u8] = b"sockets: used 19\nTCP: inuse 5 orphan 0 tw 2 alloc 1 mem 259\n\
        UDP: inuse 3 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n";

    #[test]
    fn sockets_that_wait_are_in_use_too() {
        assert_eq!(sockets_in_use(SOCKSTAT, b"TCP"), Some(7));
        assert_eq!(sockets_in_use(SOCKSTAT, b"UDP"), Some(3));
        assert_eq!(sockets_in_use(b"TCP6: inuse 4\n", b"TCP6"), Some(4));
        assert_eq!(sockets_in_use(SOCKSTAT, b"TCP6"), None);
        assert_eq!(sockets_in_use(b"TCP: inuse x\n", b"TCP"), None);
    }

    #[test]
    fn both_protocols_count_where_the_kernel_has_them() {
        let temp = tempfile::tempdir().unwrap();
        let dir = std::fs::File::open(temp.path()).unwrap();
        let read = || InUse::read(std::os::fd::AsFd::as_fd(&dir), ".");
        assert_eq!(read(), InUse::default());
        std::fs::write(temp.path().join("sockstat"), SOCKSTAT).unwrap();
        assert_eq!(read(), InUse { tcp: Some(7), udp_v4: Some(3), udp_v6: None });
        let v6 = "TCP6: inuse 4\nUDP6: inuse 2\n";
        std::fs::write(temp.path().join("sockstat6"), v6).unwrap();
        assert_eq!(read(), InUse { tcp: Some(11), udp_v4: Some(3), udp_v6: Some(2) });
    }

    const NETSTAT: &[u8] = b"TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 12 13\n\
        IpExt: InNoRoutes\nIpExt: 7\n";

    #[test]
    fn a_counter_stands_below_its_name() {
        assert_eq!(counter(NETSTAT, b"TcpExt", b"ListenOverflows"), Some(12));
        assert_eq!(counter(NETSTAT, b"TcpExt", b"ListenDrops"), Some(13));
        assert_eq!(counter(NETSTAT, b"IpExt", b"InNoRoutes"), Some(7));
        assert_eq!(counter(NETSTAT, b"IpExt", b"ListenDrops"), None);
        assert_eq!(counter(b"Tcp: MaxConn RetransSegs\nTcp: -1\n", b"Tcp", b"RetransSegs"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, group: Vec<u8>, name: Vec<u8>) {
            let _ = sockets_in_use(&bytes, &group);
            let _ = counter(&bytes, &group, &name);
        }
    }
}
