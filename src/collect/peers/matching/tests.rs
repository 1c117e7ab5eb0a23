//! Ends of connections, put together from sockets that are written down.

use super::*;
use crate::model::network::Protocol;

const HOST: u64 = 1;
const WEB: u64 = 2;
const CLIENT: u64 = 3;
const GATEWAY: &str = "198.51.100.1";
const WEB_IP: &str = "198.51.100.2";
const CLIENT_IP: &str = "198.51.100.3";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn tcp(local: &str, peer: &str, inode: u64) -> Flow {
    Flow {
        protocol: Carrier::Tcp,
        state: "established",
        local: at(local),
        peer: Some(at(peer)),
        inode: Some(inode).filter(|inode| *inode != 0),
        uid: 0,
        only_v6: false,
    }
}

fn listener(local: &str, inode: u64) -> Flow {
    Flow { state: "listen", peer: None, ..tcp(local, local, inode) }
}

fn udp(flow: Flow) -> Flow {
    let state = if flow.peer.is_some() { "established" } else { "unconnected" };
    Flow { protocol: Carrier::Udp, state, ..flow }
}

fn publishes(address: Option<&str>) -> Published {
    Published {
        protocol: Protocol::Tcp,
        host_address: address.map(ip),
        host_port: 18080,
        container_port: 80,
    }
}

fn around() -> Around {
    let mut around = Around::new(HOST, 0, Vec::new());
    around.add(WEB, ip(WEB_IP), 24);
    around.add(CLIENT, ip(CLIENT_IP), 24);
    around.add(HOST, ip(GATEWAY), 24);
    around
}

/// A namespace of its own.
fn subject(namespace: u64) -> Subject {
    let address = match namespace {
        WEB => WEB_IP,
        CLIENT => CLIENT_IP,
        _ => GATEWAY,
    };
    let addresses = [ip(address), ip("127.0.0.1")].into();
    Subject { namespace, exclusive: true, addresses, ..Subject::default() }
}

fn matched_with(
    subject: &Subject,
    around: &Around,
    translations: &Translations,
    flows: &[(u64, Flow)],
) -> Vec<Pair> {
    let mut matching = Matching::new(subject, translations);
    let own = flows.iter().filter(|(namespace, _)| *namespace == subject.namespace);
    own.for_each(|(_, flow)| matching.take_own(*flow));
    matching.prepare();
    for (namespace, flow) in flows {
        // Nothing may depend on what is not kept.
        if matching.matters(flow) {
            matching.see(*namespace, flow, around.host);
        }
    }
    matching.finish(around)
}

fn matched(subject: &Subject, around: &Around, flows: &[(u64, Flow)]) -> Vec<Pair> {
    matched_with(subject, around, &Translations::new(), flows)
}

fn end(namespace: u64, inode: u64) -> End {
    End::At { namespace, inode: Some(inode).filter(|inode| *inode != 0) }
}

/// A client's connection to a server in another namespace.
fn joined() -> Vec<(u64, Flow)> {
    vec![
        (WEB, listener("0.0.0.0:80", 20)),
        (WEB, tcp("198.51.100.2:80", "198.51.100.3:40000", 21)),
        (CLIENT, tcp("198.51.100.3:40000", "198.51.100.2:80", 31)),
    ]
}

#[test]
fn both_ends_of_a_connection_find_each_other() {
    let of_server = matched(&subject(WEB), &around(), &joined());
    assert_eq!(of_server.len(), 1);
    assert_eq!((of_server[0].end, of_server[0].direction), (end(CLIENT, 31), Direction::In));
    assert_eq!(of_server[0].service, Some(at("198.51.100.2:80")));
    assert_eq!((of_server[0].seen, of_server[0].alternatives), (Seen::Socket, 0));
    let of_client = matched(&subject(CLIENT), &around(), &joined());
    assert_eq!(of_client.len(), 1);
    assert_eq!((of_client[0].end, of_client[0].direction), (end(WEB, 21), Direction::Out));
    assert_eq!(of_client[0].service, Some(at("198.51.100.2:80")));
}

#[test]
fn loopback_means_the_own_namespace_only() {
    let mine = tcp("127.0.0.1:40000", "127.0.0.1:80", 31);
    let theirs = tcp("127.0.0.1:80", "127.0.0.1:40000", 21);
    let elsewhere = matched(
        &subject(CLIENT),
        &around(),
        &[(CLIENT, mine), (WEB, theirs), (WEB, listener("0.0.0.0:80", 20))],
    );
    assert_eq!((elsewhere[0].end, elsewhere[0].seen), (end(CLIENT, 0), Seen::Address));
    let here = matched(&subject(CLIENT), &around(), &[(CLIENT, mine), (CLIENT, theirs)]);
    assert_eq!((here[0].end, here[0].seen), (end(CLIENT, 21), Seen::Socket));
}

#[test]
fn ipv4_within_ipv6_is_ipv4() {
    use crate::model::network::Protocol;
    let socket = Socket {
        protocol: Protocol::Tcp,
        family: "inet6",
        state: "established",
        address: ip("::ffff:198.51.100.2"),
        port: 80,
        peer_address: Some(ip("::ffff:198.51.100.3")),
        peer_port: Some(40000),
        interface: None,
        receive_queue: 0,
        send_queue: 0,
        only_v6: false,
        dropped: None,
        uid: 0,
        inode: Some(21),
        owners: Vec::new(),
        owner_processes: 0,
    };
    assert_eq!(Flow::of(&socket), tcp("198.51.100.2:80", "198.51.100.3:40000", 21));
}

#[test]
fn a_server_of_udp_takes_from_everybody_and_is_found_at_its_port() {
    let flows = [
        (WEB, udp(listener("0.0.0.0:53", 20))),
        (CLIENT, udp(tcp("198.51.100.3:40000", "198.51.100.2:53", 31))),
        // To the same port elsewhere.
        (9, udp(tcp("198.51.100.9:40000", "198.51.100.8:53", 91))),
    ];
    let of_client = matched(&subject(CLIENT), &around(), &flows);
    assert_eq!(of_client.len(), 1);
    assert_eq!((of_client[0].end, of_client[0].seen), (end(WEB, 20), Seen::Listener));
    assert_eq!(of_client[0].direction, Direction::Out);
    let of_server = matched(&subject(WEB), &around(), &flows);
    assert_eq!(of_server.len(), 1);
    assert_eq!((of_server[0].end, of_server[0].direction), (end(CLIENT, 31), Direction::In));
    assert_eq!(of_server[0].service, Some(at("198.51.100.2:53")));
    assert_eq!(of_server[0].flow.inode, Some(20), "what of the target's it is");
}

#[test]
fn who_closed_first_is_told_once_and_by_its_address() {
    // The client waits for late segments; the server has nothing any more.
    let waits = Flow { state: "time_wait", ..tcp("198.51.100.3:40000", "198.51.100.2:80", 0) };
    let flows = [(WEB, listener("0.0.0.0:80", 20)), (CLIENT, waits)];
    let of_server = matched(&subject(WEB), &around(), &flows);
    assert_eq!(of_server.len(), 1);
    assert_eq!((of_server[0].flow.state, of_server[0].end), ("time_wait", end(CLIENT, 0)));
    let of_client = matched(&subject(CLIENT), &around(), &flows);
    assert_eq!((of_client[0].end, of_client[0].seen), (end(WEB, 20), Seen::Listener));
}

#[test]
fn an_address_without_a_socket_still_tells_whose_it_is() {
    let flows = [(CLIENT, tcp("198.51.100.3:40000", "198.51.100.2:80", 31))];
    let pair = &matched(&subject(CLIENT), &around(), &flows)[0];
    assert_eq!((pair.end, pair.seen), (end(WEB, 0), Seen::Address));
    assert_eq!(pair.direction, Direction::Out, "by its port");
}

#[test]
fn what_is_nowhere_is_outside_if_everything_was_seen() {
    let flows = [(CLIENT, tcp("198.51.100.3:40000", "203.0.113.7:443", 31))];
    let pair = matched(&subject(CLIENT), &around(), &flows)[0];
    assert_eq!((pair.end, pair.seen), (End::Outside, Seen::Nothing));
    let partly = Around { complete: false, ..around() };
    assert_eq!(matched(&subject(CLIENT), &partly, &flows)[0].end, End::Unknown);
}

#[test]
fn a_socket_in_a_namespace_without_its_address_is_a_worse_match() {
    // Whoever is root in a namespace can make a socket with any addresses.
    let liar = tcp("198.51.100.2:80", "198.51.100.3:40000", 66);
    let mut flows = vec![(9, liar)];
    flows.extend(joined());
    let pair = matched(&subject(CLIENT), &around(), &flows)[0];
    assert_eq!((pair.end, pair.alternatives), (end(WEB, 21), 0));
    let mut both = around();
    both.add(9, ip(WEB_IP), 24);
    assert_eq!(matched(&subject(CLIENT), &both, &flows)[0].alternatives, 1);
}

#[test]
fn an_address_that_anybody_gave_himself_is_no_end() {
    let mut around = around();
    around.add(9, ip("203.0.113.7"), 24);
    let flows = [
        (CLIENT, tcp("198.51.100.3:40000", "203.0.113.7:443", 31)),
        (9, listener("0.0.0.0:443", 66)),
    ];
    let pair = matched(&subject(CLIENT), &around, &flows)[0];
    assert_eq!((pair.end, pair.seen), (End::Unknown, Seen::Nothing));
}

#[test]
fn who_calls_an_address_of_his_own_calls_himself() {
    let mut around = around();
    around.add(9, ip(WEB_IP), 32);
    around.add(9, ip(GATEWAY), 32);
    let flows = [
        (WEB, listener("0.0.0.0:80", 20)),
        (9, tcp("198.51.100.2:40000", "198.51.100.2:80", 66)),
        (9, tcp("198.51.100.2:40001", "198.51.100.1:18080", 67)),
    ];
    let published = vec![publishes(None)];
    assert_eq!(matched(&Subject { published, ..subject(WEB) }, &around, &flows), []);
}

#[test]
fn a_connection_to_another_who_has_the_targets_address_is_no_call() {
    let call = |state| (9, Flow { state, ..tcp("198.51.100.7:40000", "198.51.100.2:80", 66) });
    for (state, calls) in [("established", 0), ("syn_sent", 1), ("time_wait", 1)] {
        let flows = [(WEB, listener("0.0.0.0:80", 20)), call(state)];
        assert_eq!(matched(&subject(WEB), &around(), &flows).len(), calls, "{state}");
    }
    let flows = [(WEB, udp(listener("0.0.0.0:80", 20))), (9, udp(call("established").1))];
    assert_eq!(matched(&subject(WEB), &around(), &flows).len(), 1);
    // Where somebody is known to have it, what is on its way may be on its way there.
    let mut around = around();
    around.add(8, "198.51.100.2".parse().unwrap(), 24);
    for flow in [call("syn_sent"), call("time_wait"), (9, udp(call("established").1))] {
        let listens = if flow.1.protocol == Carrier::Udp {
            udp(listener("0.0.0.0:80", 20))
        } else {
            listener("0.0.0.0:80", 20)
        };
        assert_eq!(matched(&subject(WEB), &around, &[(WEB, listens), flow]), [], "{flow:?}");
    }
}

#[test]
fn in_a_namespace_of_many_only_what_the_target_holds_is_its_own() {
    let subject = Subject { exclusive: false, inodes: [20, 21].into(), ..subject(WEB) };
    let mut flows = joined();
    // A connection that nobody has accepted yet is the listener's; another's is not.
    flows.push((WEB, tcp("198.51.100.2:80", "198.51.100.3:40001", 0)));
    flows.push((CLIENT, tcp("198.51.100.3:40001", "198.51.100.2:80", 32)));
    flows.push((WEB, tcp("198.51.100.2:81", "198.51.100.3:40002", 0)));
    flows.push((WEB, tcp("198.51.100.2:82", "198.51.100.3:40003", 29)));
    // Another in the same namespace calls by loopback.
    flows.push((WEB, udp(listener("127.0.0.1:53", 20))));
    flows.push((WEB, udp(tcp("127.0.0.1:40004", "127.0.0.1:53", 28))));
    flows.push((CLIENT, udp(tcp("127.0.0.1:40004", "127.0.0.1:53", 38))));
    let ends: Vec<End> = matched(&subject, &around(), &flows).iter().map(|one| one.end).collect();
    assert_eq!(ends, [end(CLIENT, 31), end(CLIENT, 32), end(WEB, 28)]);
}

#[test]
fn a_port_of_the_host_leads_to_the_container_that_published_it() {
    let published = vec![(4, 0, publishes(None))];
    let around = Around { published, ..around() };
    let flows = [
        (CLIENT, tcp("198.51.100.3:40000", "198.51.100.1:18080", 31)),
        // docker-proxy
        (HOST, listener("0.0.0.0:18080", 10)),
        (HOST, tcp("198.51.100.1:18080", "198.51.100.3:40000", 11)),
    ];
    let pair = matched(&subject(CLIENT), &around, &flows)[0];
    assert_eq!((pair.end, pair.seen), (End::Container(4), Seen::Published));
    assert_eq!((pair.via, pair.service), (Some(publishes(None)), Some(at("198.51.100.1:18080"))));
    let of_another = [(CLIENT, tcp("198.51.100.3:40000", "198.51.100.2:18080", 31))];
    assert_eq!(matched(&subject(CLIENT), &around, &of_another)[0].seen, Seen::Address);
}

#[test]
fn a_users_record_is_no_more_than_his_word() {
    let around = Around { published: vec![(4, 1000, publishes(None))], ..around() };
    let call = (CLIENT, tcp("198.51.100.3:40000", "198.51.100.1:18080", 31));
    let by = |uid| (HOST, Flow { uid, ..listener("0.0.0.0:18080", 10) });
    let end_of = |flows: &[(u64, Flow)]| matched(&subject(CLIENT), &around, flows)[0].end;
    assert_eq!(end_of(&[call, by(1000)]), End::Container(4));
    assert_eq!(end_of(&[call, by(0)]), end(HOST, 10));
    assert_eq!(end_of(&[call]), end(HOST, 0));
    let his = Subject { published: vec![publishes(None)], uid: 1000, ..subject(WEB) };
    for (uid, callers) in [(1000, 1), (0, 0)] {
        let pairs =
            matched(&his, &Around { published: Vec::new(), ..around.clone() }, &[call, by(uid)]);
        assert_eq!(pairs.len(), callers, "{uid} {pairs:?}");
    }
}

#[test]
fn a_client_through_a_published_port_is_known_by_its_own_end() {
    let subject = Subject { published: vec![publishes(Some(GATEWAY))], ..subject(WEB) };
    let flows = [
        (WEB, listener("0.0.0.0:80", 20)),
        (WEB, tcp("198.51.100.2:80", "198.51.100.3:40000", 21)),
        (CLIENT, tcp("198.51.100.3:40000", "198.51.100.1:18080", 31)),
    ];
    let pairs = matched(&subject, &around(), &flows);
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    assert_eq!((pairs[0].end, pairs[0].direction), (end(CLIENT, 31), Direction::In));
    assert_eq!(pairs[0].via, Some(publishes(Some(GATEWAY))));
    // One that was masqueraded is told beside the host's own end.
    let masqueraded = [flows[0], (WEB, tcp("198.51.100.2:80", "198.51.100.1:50000", 21)), flows[2]];
    let ends: Vec<_> =
        matched(&subject, &around(), &masqueraded).iter().map(|one| one.end).collect();
    assert_eq!(ends, [end(HOST, 0), end(CLIENT, 31)]);
}

#[test]
fn what_the_host_tracks_joins_ends_that_do_not_look_alike() {
    let subject = Subject { published: vec![publishes(None)], ..subject(WEB) };
    let flows = [
        (WEB, listener("0.0.0.0:80", 20)),
        (WEB, tcp("198.51.100.2:80", "198.51.100.1:50000", 21)),
        (CLIENT, tcp("198.51.100.3:40000", "198.51.100.1:18080", 31)),
    ];
    let mut translations = Translations::new();
    let (seen_there, sent) = (
        (at("198.51.100.2:80"), at("198.51.100.1:50000")),
        (at("198.51.100.3:40000"), at("198.51.100.1:18080")),
    );
    translations.insert((Carrier::Tcp, seen_there.0, seen_there.1), sent);
    let pairs = matched_with(&subject, &around(), &translations, &flows);
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    assert_eq!((pairs[0].end, pairs[0].seen), (end(CLIENT, 31), Seen::Socket));
    assert_eq!(pairs[0].direction, Direction::In);
}

#[test]
fn the_target_through_its_own_published_port_is_nobody_else() {
    let subject = Subject { published: vec![publishes(None)], ..subject(WEB) };
    let flows = [(WEB, tcp("198.51.100.2:40000", "198.51.100.1:18080", 21))];
    assert_eq!(matched(&subject, &around(), &flows), []);
}

#[test]
fn what_others_do_among_themselves_is_not_kept() {
    let subject = subject(CLIENT);
    let translations = Translations::new();
    let mut matching = Matching::new(&subject, &translations);
    matching.take_own(tcp("198.51.100.3:40000", "198.51.100.2:80", 31));
    matching.prepare();
    assert!(matching.matters(&tcp("198.51.100.2:80", "198.51.100.3:40000", 21)));
    assert!(matching.matters(&listener("0.0.0.0:80", 20)));
    assert!(!matching.matters(&listener("0.0.0.0:81", 22)));
    assert!(!matching.matters(&tcp("198.51.100.2:80", "198.51.100.9:40000", 23)));
    assert!(!matching.matters(&tcp("198.51.100.9:40000", "198.51.100.2:80", 91)));
}

proptest::proptest! {
    /// Whatever the sockets are, each of the target's is told once, and what others have alone at
    /// most once.
    #[test]
    fn every_connection_is_told_at_most_once(
        rows in proptest::collection::vec((0_u64..4, 0_u8..3, 0_u8..5, 0_u8..5, 0_u64..6), 0..60)
    ) {
        let address = |nth: u8| match nth {
            0 => "127.0.0.1",
            1 => WEB_IP,
            2 => CLIENT_IP,
            3 => GATEWAY,
            _ => "::1",
        };
        let flows: Vec<_> = rows.iter().map(|(namespace, kind, one, other, inode)| {
            let end = |nth| SocketAddr::new(ip(address(nth)), 80 + u16::from(nth % 2));
            let flow = Flow {
                protocol: Carrier::Tcp,
                state: "established",
                local: end(*one),
                peer: Some(end(*other)),
                inode: Some(*inode).filter(|inode| *inode != 0),
                uid: 0,
                only_v6: false,
            };
            let flow = match kind {
                0 => flow,
                1 => udp(flow),
                _ => Flow { state: "listen", peer: None, ..flow },
            };
            (*namespace, flow)
        }).collect();
        let around = Around { published: vec![(0, 0, publishes(None))], ..around() };
        let pairs = matched(&subject(WEB), &around, &flows);
        let connected = || flows.iter().filter(|(_, flow)| flow.peer.is_some());
        let own = connected().filter(|(namespace, _)| *namespace == WEB).count();
        proptest::prop_assert!(pairs.len() >= own);
        proptest::prop_assert!(pairs.len() <= connected().count());
    }
}
