//! What a port means: which sockets, and which of what engines publish.

use super::*;

fn query(address: Option<&str>, port: u16, protocol: Option<Protocol>) -> Query {
    Query { address: address.map(|address| address.parse().unwrap()), port, protocol }
}

fn socket(protocol: Protocol, local: &str, peer: Option<&str>) -> Socket {
    let local: std::net::SocketAddr = local.parse().unwrap();
    let peer: Option<std::net::SocketAddr> = peer.map(|peer| peer.parse().unwrap());
    Socket {
        protocol,
        family: "inet",
        state: if peer.is_some() { "established" } else { "listen" },
        address: local.ip(),
        port: local.port(),
        peer_address: peer.map(|peer| peer.ip()),
        peer_port: peer.map(|peer| peer.port()),
        interface: None,
        receive_queue: 0,
        send_queue: 0,
        only_v6: false,
        dropped: None,
        uid: 0,
        inode: Some(7),
        owners: Vec::new(),
        owner_processes: 0,
    }
}

#[test]
fn a_port_is_the_local_one() {
    let port = query(None, 80, None);
    let server = socket(Protocol::Tcp, "198.51.100.1:80", Some("198.51.100.2:40000"));
    let client = socket(Protocol::Tcp, "198.51.100.2:40000", Some("198.51.100.1:80"));
    assert!(port.may_mean(&server) && port.is_local(&server, false));
    assert!(!port.may_mean(&client));
    let udp = query(None, 80, Some(Protocol::Udp));
    assert!(!udp.may_mean(&server));
    assert!(udp.may_mean(&socket(Protocol::Udp, "[::]:80", None)));
}

#[test]
fn an_endpoint_is_either_end_and_whoever_listens_everywhere() {
    let endpoint = query(Some("198.51.100.1"), 80, None);
    let exact = socket(Protocol::Tcp, "198.51.100.1:80", None);
    let mapped = socket(Protocol::Tcp, "[::ffff:198.51.100.1]:80", None);
    for one in [&exact, &mapped] {
        assert!(endpoint.is_local(one, false));
    }
    let other = socket(Protocol::Tcp, "198.51.100.9:80", None);
    assert!(!endpoint.may_mean(&other) && !endpoint.is_local(&other, true));
    for everywhere in ["0.0.0.0:80", "[::]:80"] {
        let everywhere = socket(Protocol::Tcp, everywhere, None);
        assert!(endpoint.may_mean(&everywhere));
        assert!(endpoint.is_local(&everywhere, true) && !endpoint.is_local(&everywhere, false));
    }
    let only_v6 = Socket { only_v6: true, ..socket(Protocol::Tcp, "[::]:80", None) };
    assert!(!endpoint.is_local(&only_v6, true));
    assert!(query(Some("2001:db8::1"), 80, None).is_local(&only_v6, true));
    let client = socket(Protocol::Tcp, "198.51.100.2:40000", Some("198.51.100.1:80"));
    assert!(endpoint.may_mean(&client) && endpoint.is_peer(&client));
    assert!(!endpoint.is_local(&client, true));
    let v6 = query(Some("2001:db8::1"), 80, None);
    assert!(!v6.may_mean(&socket(Protocol::Tcp, "0.0.0.0:80", None)));
    assert!(v6.is_local(&socket(Protocol::Tcp, "[::]:80", None), true));
}

#[test]
fn what_is_published_at_no_address_is_at_every_one_of_the_host() {
    let everywhere = Published {
        protocol: Protocol::Tcp,
        host_address: None,
        host_port: 80,
        container_port: 8080,
    };
    let at = Published { host_address: Some("198.51.100.1".parse().unwrap()), ..everywhere };
    let port = query(None, 80, None);
    assert!(port.is_published(&everywhere, false) && port.is_published(&at, false));
    let endpoint = query(Some("198.51.100.1"), 80, None);
    assert!(endpoint.is_published(&at, false));
    assert!(endpoint.is_published(&everywhere, true) && !endpoint.is_published(&everywhere, false));
    let elsewhere = query(Some("198.51.100.2"), 80, None);
    assert!(!elsewhere.is_published(&at, true));
    assert!(!query(None, 80, Some(Protocol::Udp)).is_published(&everywhere, true));
    assert!(!query(None, 8080, None).is_published(&everywhere, true));
    assert!(query(Some("0.0.0.0"), 80, None).is_published(&everywhere, false));
}

#[test]
fn what_docker_published_on_a_captured_host_leads_to_its_container() {
    let prefix = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let prefix = prefix.join("tests/fixtures/roots/docker-systemd");
    let root = crate::sys::root::SysRoot::fixture(&prefix).unwrap();
    let follow = |spelled: &str| {
        let clue = crate::collect::who::clue::parse(spelled.as_bytes()).unwrap();
        let host = Host::collect(&root, &[clue]).unwrap();
        host.follow(spelled.as_bytes(), clue).unwrap().trails
    };
    let trails = follow("port:8080");
    assert_eq!(trails.len(), 1, "both families are one: {trails:?}");
    let Owner::Container(container) = &trails[0].owner else { panic!("{trails:?}") };
    assert_eq!(container.name, Some("web".into()));
    let published = Published {
        protocol: Protocol::Tcp,
        host_address: None,
        host_port: 8080,
        container_port: 80,
    };
    assert_eq!(trails[0].steps, [Step::Published(published)]);
    assert!(follow("8080/udp").is_empty() && follow("port:80").is_empty());
}
