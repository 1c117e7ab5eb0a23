//! The section as a person reads it.

use super::*;
use crate::model::network::{
    Address, Conntrack, Counters, Details, Interface, NextHop, Owner, Peer, Place, Ports, Prefix,
    Protocol, Route, Rule, Settings, Socket, Sockets, TcpStates,
};
use crate::model::process::Pid;

fn address(text: &str, prefix_length: u8, scope: &'static str) -> Address {
    Address {
        address: text.parse().unwrap(),
        prefix_length,
        peer: None,
        broadcast: None,
        label: None,
        scope,
        flags: Vec::new(),
        valid_seconds: None,
        preferred_seconds: None,
    }
}

fn network() -> Network {
    let lo = Interface {
        index: 1,
        name: "lo".into(),
        kind: "loopback".into(),
        state: "unknown",
        up: true,
        mtu_bytes: 65536,
        mac: Some(interfaces_mac(0)),
        addresses: vec![address("127.0.0.1", 8, "host"), address("::1", 128, "host")],
        ..Interface::default()
    };
    let eth0 = Interface {
        index: 7,
        name: "eth0".into(),
        kind: "veth".into(),
        state: "up",
        up: true,
        mtu_bytes: 1400,
        mac: Some(interfaces_mac(2)),
        peer_index: Some(8),
        peer_nsid: Some(0),
        peer: Some(Peer {
            place: Place::Host,
            interface: Some("veth12".into()),
            master: Some("docker0".into()),
        }),
        counters: Some(Counters {
            received_bytes: 2 << 20,
            sent_bytes: 512,
            ..Counters::default()
        }),
        addresses: vec![address("198.51.100.2", 24, "global"), address("fe80::2", 64, "link")],
        ..Interface::default()
    };
    let vlan = Interface {
        index: 9,
        name: "v5".into(),
        kind: "vlan".into(),
        state: "down",
        details: Some(Details::Vlan { id: 5, protocol: Some("802.1ad") }),
        peer: Some(Peer { place: Place::Here, interface: Some("eth0".into()), master: None }),
        mtu_bytes: 1500,
        ..Interface::default()
    };
    let main = Route {
        family: "inet",
        table: 254,
        table_name: Some("main"),
        kind: "unicast",
        ..Route::default()
    };
    let default = Route {
        gateway: Some("198.51.100.1".parse().unwrap()),
        interface: Some("eth0".into()),
        ..main.clone()
    };
    let link = Route {
        destination: Some("198.51.100.0".parse().unwrap()),
        prefix_length: 24,
        interface: Some("eth0".into()),
        preferred_source: Some("198.51.100.2".parse().unwrap()),
        ..main.clone()
    };
    let hop = |weight| NextHop { interface: Some("eth0".into()), weight, ..NextHop::default() };
    let other =
        Route { table: 100, table_name: None, next_hops: vec![hop(1), hop(3)], ..link.clone() };
    let local = Route { table: 255, table_name: Some("local"), kind: "local", ..link.clone() };
    let own = Rule {
        family: "inet",
        priority: 100,
        from: Some(Prefix { address: "203.0.113.0".parse().unwrap(), length: 24 }),
        mark: Some(1),
        action: "lookup",
        table: Some(100),
        ..Rule::default()
    };
    let of_every_host = |(priority, table, name)| Rule {
        family: "inet",
        priority,
        action: "lookup",
        table: Some(table),
        table_name: Some(name),
        ..Rule::default()
    };
    let [local_table, main_table, default_table] =
        [(0, 255, "local"), (32766, 254, "main"), (32767, 253, "default")].map(of_every_host);
    Network {
        interfaces: vec![lo, eth0, vlan],
        routes: vec![default, link, other, local],
        rules: vec![local_table, own, main_table, default_table],
        sockets: Some(sockets()),
        resolver: Some(Resolver {
            nameservers: vec!["198.51.100.53".into()],
            search: vec!["a.example".into(), "b.example".into()],
            ..Resolver::default()
        }),
        settings: Settings { ipv4_forwarding: Some(true), ..Settings::default() },
        conntrack: Some(Conntrack { entries: 3, limit: Some(65536) }),
        ..Network::default()
    }
}

fn interfaces_mac(last: u8) -> String {
    if last == 0 { "00:00:00:00:00:00".to_owned() } else { format!("02:00:5e:00:53:{last:02x}") }
}

fn sockets() -> Sockets {
    let owner = |pid| Owner {
        pid: Pid::new(pid).unwrap(),
        comm: Some("nginx".into()),
        descriptor: 6,
        thread: None,
    };
    let listener = Socket {
        protocol: Protocol::Tcp,
        family: "inet6",
        state: "listen",
        address: "::".parse().unwrap(),
        port: 80,
        peer_address: None,
        peer_port: None,
        interface: None,
        receive_queue: 0,
        send_queue: 511,
        only_v6: false,
        dropped: None,
        uid: 0,
        inode: Some(1),
        owners: vec![owner(30176), owner(30176), owner(30177)],
        owner_processes: 21,
    };
    let connection = Socket {
        state: "time_wait",
        peer_address: Some("2001:db8::9".parse().unwrap()),
        peer_port: Some(443),
        owners: Vec::new(),
        owner_processes: 0,
        ..listener.clone()
    };
    Sockets {
        listening: vec![listener],
        connected: vec![connection],
        tcp: TcpStates { established: 3, time_wait: 1, listen: 1, ..TcpStates::default() },
        ephemeral_ports: Some(Ports {
            first: 32768,
            last: 60999,
            reserved: 0,
            used: 2,
            busiest: None,
        }),
        ..Sockets::default()
    }
}

#[test]
fn what_matters_stands_first_and_what_is_normal_nowhere() {
    assert_eq!(
        lines(&network(), Detail::default()),
        [
            "lo    up                     127.0.0.1/8",
            "                             ::1/128",
            "eth0  up  02:00:5e:00:53:02  198.51.100.2/24",
            "  <-> veth12 of the host in docker0 · mtu 1400 · received 2M, sent 512",
            "v5 is down",
            "default via 198.51.100.1 dev eth0",
            "2 more routes",
            "rule 100 from 203.0.113.0/24 fwmark 0x1 lookup 100",
            "tcp  [::]:80  nginx (30176) +20  queue 0 of 511",
            "tcp  3 established · 1 time wait · 2 of 28232 ephemeral ports",
            "name servers 198.51.100.53 · search a.example b.example",
            "forwards IPv4",
            "3 of 65536 tracked connections",
        ]
    );
}

#[test]
fn in_full_everything_is_told_and_the_kernels_own_only_in_width() {
    let full = lines(&network(), Detail { everything: true, ..Detail::default() }).join("\n");
    for part in [
        "fe80::2/64",
        "VLAN 5 (802.1ad) · on eth0",
        "198.51.100.0/24 dev eth0 src 198.51.100.2",
        "198.51.100.0/24 dev eth0 src 198.51.100.2 table 100\n  next hop dev eth0 weight 1\n  next hop dev eth0 weight 3",
        "tcp  [::]:80 [2001:db8::9]:443  time wait",
    ] {
        assert!(full.contains(part), "{part} is missing:\n{full}");
    }
    assert!(!full.contains("table local") && !full.contains("lookup main"), "{full}");
    let wide = Detail { everything: true, wide: true, ..Detail::default() };
    let wide = lines(&network(), wide).join("\n");
    assert!(wide.contains("table local") && wide.contains("rule 32766 from all lookup main"));
}

#[test]
fn ipv6_is_disabled_where_no_interface_has_it() {
    let told = |all: bool, interfaces: [Option<bool>; 3]| {
        let mut network = network();
        network.settings.ipv6_disabled = Some(all);
        for (interface, disabled) in network.interfaces.iter_mut().zip(interfaces) {
            interface.ipv6_disabled = disabled;
        }
        lines(&network, Detail::default()).join("\n").contains("IPv6 is disabled")
    };
    assert!(told(true, [Some(true), Some(true), None]));
    assert!(!told(true, [Some(true), Some(false), None]), "one was enabled afterwards");
    assert!(told(false, [Some(true); 3]), "each was disabled alone");
    assert!(!told(false, [Some(false), Some(true), None]));
    assert!(!told(false, [None; 3]), "not known");
}

#[test]
fn the_filter_of_an_interface_is_the_greater_of_its_own_and_that_of_all() {
    let told = |all| {
        let mut network = network();
        network.settings.reverse_path_filter = Some(all);
        network.interfaces[1].reverse_path_filter = Some(1);
        let full = lines(&network, Detail { everything: true, ..Detail::default() }).join("\n");
        let words = full.split("rp_filter ").skip(1).map(|rest| rest[..1].to_owned());
        words.collect::<Vec<_>>()
    };
    assert_eq!((told(0), told(2)), (vec!["1".to_owned()], vec!["2".to_owned()]));
}

#[test]
fn what_is_missing_is_said() {
    assert_eq!(lines(&Network::default(), Detail::default()), ["no interfaces"]);
    let mut network = network();
    network.mark_incomplete("routes");
    let said = lines(&network, Detail::default()).pop().unwrap();
    assert_eq!(said, "incomplete: routes changed faster than could be read");
}

#[test]
fn listeners_beyond_the_list_are_counted_too() {
    let one = sockets();
    let sockets = Sockets {
        listening: vec![one.listening[0].clone(); 10],
        unlisted: 905,
        unlisted_listening: 900,
        ..one
    };
    let told = |everything| {
        let network = Network { sockets: Some(sockets.clone()), ..Network::default() };
        let detail = Detail { everything, ..Detail::default() };
        let more = lines(&network, detail).into_iter().filter(|line| line.contains(" more "));
        more.collect::<Vec<_>>()
    };
    assert_eq!(told(false), ["902 more listen"]);
    assert_eq!(told(true), ["900 more listen", "5 more connections"]);
}

#[test]
fn a_tab_in_a_file_of_hosts_is_a_blank() {
    let mut resolver = Resolver::default();
    resolver.hosts.lines = vec!["192.0.2.1\tdb".into(), "\u{1b}x".into()];
    assert_eq!(super::hosts(Some(&resolver)), ["host 192.0.2.1 db", r"host \x1bx"]);
}
