//! Each finding is made by the one thing that is unusual, and a healthy network has none.

use super::*;
use crate::model::finding::Level;
use crate::model::network::{
    Address, Conntrack, Counters, Destination, File, Neighbour, NextHop, Ports, Prefix, Protocol,
    Resolver, Route, Rule, TcpCounters,
};

fn address(flags: &[&'static str]) -> Address {
    Address {
        address: "198.51.100.7".parse().unwrap(),
        prefix_length: 24,
        peer: None,
        broadcast: None,
        label: None,
        scope: "global",
        flags: flags.to_vec(),
        valid_seconds: None,
        preferred_seconds: None,
    }
}

fn listener() -> Socket {
    Socket {
        protocol: Protocol::Tcp,
        family: "inet6",
        state: "listen",
        address: "::".parse().unwrap(),
        port: 80,
        peer_address: None,
        peer_port: None,
        interface: None,
        receive_queue: 128,
        send_queue: 128,
        only_v6: false,
        dropped: None,
        uid: 0,
        inode: None,
        owners: Vec::new(),
        owner_processes: 0,
    }
}

fn healthy() -> Network {
    let eth0 = Interface {
        index: 2,
        name: "eth0".into(),
        kind: "veth".into(),
        up: true,
        flags: vec!["broadcast", "up", "lower_up"],
        addresses: vec![address(&["dynamic"])],
        counters: Some(Counters {
            received_packets: 100_000,
            received_dropped: 9,
            ..Counters::default()
        }),
        ..Interface::default()
    };
    let gateway = "198.51.100.1".parse().unwrap();
    let default = Route {
        family: "inet",
        kind: "unicast",
        gateway: Some(gateway),
        table: 254,
        table_name: Some("main"),
        ..Route::default()
    };
    let neighbour = Neighbour {
        address: gateway,
        interface_index: 2,
        interface: None,
        mac: None,
        state: "stale",
        used_seconds: Some(3),
        updated_seconds: Some(2),
        flags: Vec::new(),
    };
    let file = |state| File { state, lines: Vec::new() };
    Network {
        interfaces: vec![eth0],
        routes: vec![default],
        neighbours: vec![neighbour],
        sockets: Some(Sockets {
            listening: vec![listener()],
            ephemeral_ports: Some(Ports {
                first: 32768,
                last: 60999,
                reserved: 0,
                used: 100,
                busiest: None,
            }),
            tcp_counters: Some(TcpCounters {
                segments_sent: Some(100_000),
                segments_retransmitted: Some(100),
                listen_overflows: Some(0),
                listen_drops: Some(0),
            }),
            ..Sockets::default()
        }),
        conntrack: Some(Conntrack { entries: 79, limit: Some(100) }),
        resolver: Some(Resolver {
            resolv_conf: file(FileState::Read),
            nameservers: vec!["198.51.100.53".into()],
            ..Resolver::default()
        }),
        ..Network::default()
    }
}

fn found(change: impl FnOnce(&mut Network)) -> Vec<(Level, String)> {
    let mut network = healthy();
    change(&mut network);
    of_network(&network).into_iter().map(|finding| (finding.level, finding.text)).collect()
}

fn one(level: Level, text: &str) -> Vec<(Level, String)> {
    vec![(level, text.to_owned())]
}

fn sockets(network: &mut Network) -> &mut Sockets {
    network.sockets.as_mut().unwrap()
}

#[test]
fn a_healthy_network_has_none() {
    assert_eq!(found(|_| ()), []);
    assert_eq!(of_network(&Network::default()), []);
}

#[test]
fn addresses() {
    let warned = found(|network| {
        network.interfaces[0].addresses = vec![address(&["dadfailed", "tentative"])];
    });
    assert_eq!(warned, one(Level::Warning, "198.51.100.7 of eth0 is in use by another host too"));
    let noticed = found(|network| network.interfaces[0].addresses = vec![address(&["tentative"])]);
    assert_eq!(noticed, one(Level::Notice, "198.51.100.7 of eth0 is not usable yet"));
}

#[test]
fn interfaces() {
    let counted = found(|network| {
        let counters = network.interfaces[0].counters.as_mut().unwrap();
        counters.sent_errors = 3;
        counters.received_dropped = 200;
    });
    assert_eq!(
        counted,
        [
            (Level::Warning, "eth0 had 3 errors".to_owned()),
            (Level::Notice, "eth0 dropped 200 of 100200 packets received".to_owned()),
        ]
    );
    let silent = found(|network| network.interfaces[0].flags = vec!["no_carrier", "up"]);
    assert_eq!(silent, one(Level::Notice, "eth0 is up and has no carrier"));
    let bridge = found(|network| {
        network.interfaces[0].kind = "bridge".into();
        network.interfaces[0].flags = vec!["no_carrier", "up"];
    });
    assert_eq!(bridge, []);
    let port = found(|network| network.interfaces[0].bridge_port = Some("blocking"));
    assert_eq!(port, one(Level::Notice, "eth0 is blocking as a port of its bridge"));
}

#[test]
fn routes() {
    let without = found(|network| network.routes.clear());
    assert_eq!(without, one(Level::Notice, "no default route"));
    let of_ipv6 = found(|network| network.routes[0].family = "inet6");
    assert_eq!(of_ipv6, one(Level::Notice, "no default route for IPv4"));
    let down = found(|network| {
        network.interfaces[0].up = false;
        network.interfaces[0].flags = vec!["broadcast"];
    });
    assert_eq!(down, one(Level::Notice, "eth0 has an address and is down"));
    let unreachable = found(|network| network.routes[0].kind = "unreachable");
    assert_eq!(unreachable, one(Level::Notice, "no default route"));
    let gone = found(|network| network.neighbours[0].state = "failed");
    assert_eq!(gone, one(Level::Warning, "the gateway 198.51.100.1 does not answer"));
    let before = found(|network| {
        (network.neighbours[0].state, network.neighbours[0].updated_seconds) = ("failed", Some(12));
    });
    let text = "the gateway 198.51.100.1 did not answer 12 seconds ago";
    assert_eq!(before, one(Level::Notice, text));
    let other = |network: &mut Network| Neighbour {
        address: "198.51.100.9".parse().unwrap(),
        state: "failed",
        ..network.neighbours[0].clone()
    };
    let second = found(|network| {
        let before = other(network);
        network.neighbours[0].state = "failed";
        network.neighbours.insert(0, before);
    });
    assert_eq!(second, gone, "another that failed before it");
    let hop = found(|network| {
        network.neighbours[0].state = "failed";
        let route = &mut network.routes[0];
        let gateway = route.gateway.take();
        route.next_hops = vec![NextHop { gateway, ..NextHop::default() }];
    });
    assert_eq!(hop, gone, "one of several ways");
    let elsewhere = found(|network| {
        network.neighbours[0].state = "failed";
        network.neighbours[0].interface = Some("eth1".into());
    });
    assert_eq!(elsewhere, [], "the same address on another link");
    let alone = found(|network| {
        network.routes.clear();
        network.interfaces[0].flags = vec!["loopback", "up"];
    });
    assert_eq!(alone, [], "nobody expects a way out of the loopback");
}

#[test]
fn only_a_default_route_that_any_packet_finds_counts() {
    let with = |rule: Rule| {
        found(|network| {
            (network.routes[0].table, network.routes[0].table_name) = (100, None);
            let asks = Rule { family: "inet", action: "lookup", table: Some(100), ..rule };
            network.rules.push(asks);
        })
    };
    let (mark, mark_mask) = (Some(1), Some(u32::MAX));
    let prefix = Prefix { address: "198.51.100.7".parse().unwrap(), length: 32 };
    for conditional in [
        Rule { mark, mark_mask, ..Rule::default() },
        Rule { from: Some(prefix), ..Rule::default() },
        Rule { input_interface: Some("eth0".into()), ..Rule::default() },
        Rule { suppress_prefix_length: Some(0), ..Rule::default() },
        Rule { not: true, ..Rule::default() },
    ] {
        let told = with(conditional.clone());
        assert_eq!(told, one(Level::Notice, "no default route"), "{conditional:?}");
    }
    for unconditional in [
        Rule::default(),
        Rule { not: true, mark, mark_mask, ..Rule::default() },
        Rule { mark_mask: Some(15), ..Rule::default() },
        Rule { input_interface: Some("lo".into()), ..Rule::default() },
    ] {
        assert_eq!(with(unconditional.clone()), [], "{unconditional:?}");
    }
    let of_ipv6 = found(|network| {
        (network.routes[0].table, network.routes[0].table_name) = (100, None);
        let asks = Rule { action: "lookup", table: Some(100), ..Rule::default() };
        network.rules.push(Rule { family: "inet6", ..asks });
    });
    assert_eq!(of_ipv6, one(Level::Notice, "no default route"), "a rule of the other family");
}

#[test]
fn a_default_route_that_the_rules_do_not_lead_to_is_no_way_out() {
    let rule = |priority, action| Rule { family: "inet", priority, action, ..Rule::default() };
    let lookup = |priority, table| Rule { table: Some(table), ..rule(priority, "lookup") };
    let goto = |priority, aim| Rule { goto: Some(aim), ..rule(priority, "goto") };
    let usual = [lookup(0, 255), lookup(32766, 254), lookup(32767, 253)];
    let with = |more: &[Rule], dropped: Option<u32>| {
        found(|network| {
            network.rules = [&usual[..], more].concat();
            network.rules.retain(|rule| Some(rule.priority) != dropped);
            network.rules.sort_by_key(|rule| rule.priority);
        })
    };
    let no_way = one(Level::Notice, "no rule leads every packet to the default route");
    assert_eq!(with(&[], None), []);
    assert_eq!(with(&[], Some(32766)), no_way, "no rule for main");
    assert_eq!(with(&[lookup(9, 254)], Some(32766)), [], "another for main");
    for action in ["unreachable", "blackhole", "prohibit"] {
        assert_eq!(with(&[rule(5, action)], None), no_way, "{action} before it");
        assert_eq!(with(&[rule(40000, action)], None), [], "{action} behind it");
        let marked = Rule { mark: Some(1), mark_mask: Some(1), ..rule(5, action) };
        assert_eq!(with(&[marked], None), [], "{action} of some");
    }
    assert_eq!(with(&[rule(5, "nop")], None), []);
    assert_eq!(with(&[goto(5, 32767)], None), no_way, "past it");
    assert_eq!(with(&[goto(5, 32766), rule(6, "blackhole")], None), [], "to it");
    assert_eq!(with(&[goto(5, 40000)], None), [], "to nothing");
    let unread = found(|network| {
        network.rules = vec![lookup(0, 255)];
        network.mark_incomplete("rules");
    });
    assert_eq!(unread, [], "not all rules are known");
}

#[test]
fn routes_that_take_every_packet_together_are_a_way_out() {
    let with = |addresses: &[&str], prefixes: &[(&str, u8)]| {
        found(|network| {
            network.interfaces[0].addresses = Vec::new();
            for spelled in addresses {
                let one = Address { address: spelled.parse().unwrap(), ..address(&[]) };
                network.interfaces[0].addresses.push(one);
            }
            let default = network.routes.remove(0);
            for (spelled, prefix_length) in prefixes {
                let family = if spelled.contains(':') { "inet6" } else { "inet" };
                let destination = spelled.parse().ok();
                let prefix_length = *prefix_length;
                network.routes.push(Route {
                    family,
                    destination,
                    prefix_length,
                    ..default.clone()
                });
            }
        })
    };
    let v4 = ["198.51.100.7"];
    let lacking = |family| one(Level::Notice, &format!("no default route{family}"));
    assert_eq!(with(&v4, &[("0.0.0.0", 1), ("128.0.0.0", 1)]), []);
    assert_eq!(with(&v4, &[("128.0.0.0", 1), ("64.0.0.0", 2), ("0.0.0.0", 2)]), []);
    assert_eq!(with(&v4, &[("0.0.0.0", 1), ("128.0.0.0", 2)]), lacking(""));
    assert_eq!(with(&v4, &[("0.0.0.0", 2), ("128.0.0.0", 1)]), lacking(""));
    let v6 = ["2001:db8::7"];
    assert_eq!(with(&v6, &[("2000::", 4), ("3000::", 4)]), []);
    assert_eq!(with(&v6, &[("::", 1), ("8000::", 1)]), []);
    assert_eq!(with(&v6, &[("::", 3), ("3000::", 4)]), lacking(""));
    let both = [v4[0], v6[0]];
    assert_eq!(with(&both, &[("0.0.0.0", 1), ("128.0.0.0", 1)]), lacking(" for IPv6"));
    assert_eq!(with(&both, &[("::", 1), ("8000::", 1)]), lacking(" for IPv4"));
}

#[test]
fn a_public_address_of_ipv6_wants_a_way_out_too() {
    let with = |spelled: &str, scope| {
        let address = Address { address: spelled.parse().unwrap(), scope, ..address(&[]) };
        move |network: &mut Network| network.interfaces[0].addresses.push(address)
    };
    let public = found(with("2001:db8::7", "global"));
    assert_eq!(public, one(Level::Notice, "no default route for IPv6"));
    assert_eq!(found(with("fd00::7", "global")), [], "of its site alone");
    assert_eq!(found(with("fe80::7", "link")), []);
    let routed = found(|network| {
        with("2001:db8::7", "global")(network);
        let default = Route { family: "inet6", ..network.routes[0].clone() };
        network.routes.push(default);
    });
    assert_eq!(routed, []);
    let neither = found(|network| {
        with("2001:db8::7", "global")(network);
        network.routes.clear();
    });
    assert_eq!(neither, one(Level::Notice, "no default route"));
}

#[test]
fn queues() {
    let full = found(|network| sockets(network).listening[0].receive_queue = 129);
    let text = "the accept queue of [::]:80 is full: 129 wait, the backlog is 128";
    assert_eq!(full, one(Level::Warning, text));
    let overflowed = found(|network| {
        sockets(network).tcp_counters.as_mut().unwrap().listen_overflows = Some(7);
    });
    assert_eq!(overflowed, one(Level::Warning, "accept queues overflowed 7 times"));
    let again = found(|network| {
        sockets(network).tcp_counters.as_mut().unwrap().segments_retransmitted = Some(5000);
    });
    assert_eq!(again, one(Level::Notice, "5 % of TCP segments were sent again"));
    let dropped = found(|network| {
        let listener = &mut sockets(network).listening[0];
        (listener.state, listener.dropped) = ("unconnected", Some(4));
    });
    assert_eq!(dropped, one(Level::Notice, "udp [::]:80 dropped 4 datagrams"));
    let connected = found(|network| {
        let socket = Socket { state: "established", dropped: Some(4), ..listener() };
        sockets(network).connected.push(socket);
    });
    assert_eq!(connected, dropped);
}

#[test]
fn what_runs_out() {
    let ports = found(|network| {
        let ports = sockets(network).ephemeral_ports.as_mut().unwrap();
        ports.busiest = Some(Destination {
            source_address: "198.51.100.7".parse().unwrap(),
            address: "203.0.113.5".parse().unwrap(),
            port: 443,
            connections: 25_000,
        });
        ports.used = 25_000;
    });
    let text = "88 % of the ephemeral ports of 198.51.100.7 are used for 203.0.113.5:443";
    assert_eq!(ports, one(Level::Warning, text));
    let many = found(|network| sockets(network).ephemeral_ports.as_mut().unwrap().used = 25_000);
    assert_eq!(many, one(Level::Notice, "88 % of the ephemeral ports are used"));
    let tracked = found(|network| network.conntrack.as_mut().unwrap().entries = 80);
    assert_eq!(tracked, one(Level::Warning, "connection tracking is 80 % full: 80 of 100"));
}

#[test]
fn resolvers() {
    let none = found(|network| network.resolver.as_mut().unwrap().nameservers.clear());
    assert_eq!(none, one(Level::Notice, "no name server in /etc/resolv.conf inside"));
    let fifo = found(|network| {
        network.resolver.as_mut().unwrap().hosts.state = FileState::NotRegular;
    });
    assert_eq!(fifo, one(Level::Warning, "/etc/hosts inside is no regular file"));
}
