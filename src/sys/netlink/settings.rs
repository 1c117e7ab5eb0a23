//! The switches and limits of a network namespace, from /proc/sys/net, which shows those of the
//! thread that opens it. See ip(7), tcp(7).

use crate::model::network::{Conntrack, Settings, Span};
use crate::sys::bounded;
use std::os::fd::{AsFd, BorrowedFd};

/// Room for every second port.
const RESERVED_CAP: usize = 256 << 10;

/// Of the calling thread's network namespace. `proc` is the host's /proc.
pub(super) fn read(proc: BorrowedFd<'_>) -> (Settings, Option<Conntrack>) {
    let Ok(net) = bounded::open_link(proc, "sys/net") else {
        return (Settings::default(), None);
    };
    let mut buffer = Vec::new();
    let mut numbers = |name: &str| {
        let cut = bounded::read_record(net.as_fd(), name, bounded::SMALL, &mut buffer);
        cut.ok().map(|_| parse(&buffer)).unwrap_or_default()
    };
    let mut number = |name: &str| numbers(name).first().copied();
    let is_on = |value: Option<u32>| value.map(|value| value != 0);
    let mut settings = Settings {
        ipv4_forwarding: is_on(number("ipv4/ip_forward")),
        ipv6_forwarding: is_on(number("ipv6/conf/all/forwarding")),
        ipv6_disabled: is_on(number("ipv6/conf/all/disable_ipv6")),
        reverse_path_filter: number("ipv4/conf/all/rp_filter"),
        first_unprivileged_port: number("ipv4/ip_unprivileged_port_start"),
        accept_queue_limit: number("core/somaxconn"),
        syn_backlog: number("ipv4/tcp_max_syn_backlog"),
        syn_cookies: number("ipv4/tcp_syncookies"),
        time_wait_reuse: number("ipv4/tcp_tw_reuse"),
        ..Settings::default()
    };
    let conntrack = number("netfilter/nf_conntrack_count")
        .map(|entries| Conntrack { entries, limit: number("netfilter/nf_conntrack_max") });
    if let [first, last] = *numbers("ipv4/ip_local_port_range") {
        settings.first_ephemeral_port = u16::try_from(first).ok();
        settings.last_ephemeral_port = u16::try_from(last).ok();
    }
    // The kernel tells of them in one answer, however short the buffer.
    let mut reserved = Vec::with_capacity(RESERVED_CAP);
    let file = "ipv4/ip_local_reserved_ports";
    if bounded::read_record(net.as_fd(), file, RESERVED_CAP, &mut reserved) == Ok(false) {
        settings.reserved_ports = parse_ranges(&reserved);
    }
    (settings, conntrack)
}

/// Numbers between blanks; none where one is not.
fn parse(bytes: &[u8]) -> Vec<u32> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    text.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>().unwrap_or_default()
}

/// `10100-10999,20000`; none where one is no port.
fn parse_ranges(bytes: &[u8]) -> Vec<Span> {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim();
    let port = |word: &str| word.parse::<u16>().ok().map(u32::from);
    let range = |word: &str| {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        Some(Span { first: port(first)?, last: port(last)? })
    };
    text.split(',').map(range).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stand_between_commas() {
        let span = |first, last| Span { first, last };
        assert_eq!(parse_ranges(b"8080,10100-10999\n"), [span(8080, 8080), span(10100, 10999)]);
        assert!(parse_ranges(b"\n").is_empty());
        assert!(parse_ranges(b"1,70000\n").is_empty());
    }

    #[test]
    fn numbers_stand_between_blanks() {
        assert_eq!(parse(b"32768\t60999\n"), [32768, 60999]);
        assert_eq!(parse(b"1\n"), [1]);
        assert!(parse(b"-1\n").is_empty());
        assert!(parse(b"").is_empty());
    }

    #[test]
    fn our_own_range_of_ports_is_one() {
        let proc = std::fs::File::open("/proc").unwrap();
        let (settings, _) = read(proc.as_fd());
        assert!(settings.first_ephemeral_port.unwrap() < settings.last_ephemeral_port.unwrap());
        assert!(settings.ipv4_forwarding.is_some());
    }

    #[test]
    fn each_setting_has_a_file() {
        let temp = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("ipv4/ip_forward", "1"),
            ("ipv6/conf/all/forwarding", "0"),
            ("ipv6/conf/all/disable_ipv6", "1"),
            ("ipv4/conf/all/rp_filter", "2"),
            ("ipv4/ip_unprivileged_port_start", "1024"),
            ("core/somaxconn", "4096"),
            ("ipv4/tcp_max_syn_backlog", "512"),
            ("ipv4/tcp_syncookies", "3"),
            ("ipv4/tcp_tw_reuse", "4"),
            ("ipv4/ip_local_port_range", "32768\t60999"),
            ("ipv4/ip_local_reserved_ports", "40000-40009"),
            ("netfilter/nf_conntrack_count", "5"),
            ("netfilter/nf_conntrack_max", "6"),
        ] {
            let path = temp.path().join("sys/net").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{text}\n")).unwrap();
        }
        let proc = std::fs::File::open(temp.path()).unwrap();
        let (settings, conntrack) = read(proc.as_fd());
        let expected = Settings {
            ipv4_forwarding: Some(true),
            ipv6_forwarding: Some(false),
            ipv6_disabled: Some(true),
            reverse_path_filter: Some(2),
            first_unprivileged_port: Some(1024),
            accept_queue_limit: Some(4096),
            syn_backlog: Some(512),
            syn_cookies: Some(3),
            time_wait_reuse: Some(4),
            first_ephemeral_port: Some(32768),
            last_ephemeral_port: Some(60999),
            reserved_ports: vec![Span { first: 40000, last: 40009 }],
        };
        assert_eq!(settings, expected);
        assert_eq!(conntrack, Some(Conntrack { entries: 5, limit: Some(6) }));
        std::fs::remove_dir_all(temp.path().join("sys/net")).unwrap();
        assert_eq!(read(proc.as_fd()), (Settings::default(), None));
    }
}
