//! Ports of the host that lead to a container, in the words of each engine. Pure.

use super::picked::{Keys, Path as Key, Picked};
use crate::model::network::Protocol;
use crate::model::trail::Published;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

/// More of one container are left out: a range may be asked for that has every port.
const MOST: usize = 1 << 14;
/// Every one may be told a few times, for two protocols and the addresses of two families; who writes
/// a user's record may tell one a million times.
const MOST_TOLD: usize = 4 * MOST;

const DOCKERS_ADDRESS: Key = &["NetworkSettings", "Ports", "*", "*", "HostIp"];
const DOCKERS_PORT: Key = &["NetworkSettings", "Ports", "*", "*", "HostPort"];
/// What [`dockers`] needs.
pub const DOCKERS: [Key; 2] = [DOCKERS_ADDRESS, DOCKERS_PORT];

/// `"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]`
pub fn dockers(json: &Picked) -> Vec<Published> {
    let addresses: HashMap<&Keys, &str> = json.texts(DOCKERS_ADDRESS).collect();
    let mut ports = Ports::default();
    for (keys, host_port) in json.texts(DOCKERS_PORT) {
        let inside = keys.first().and_then(|key| key.split_once('/'));
        let Some((container_port, protocol)) = inside else { continue };
        let (Ok(host), Ok(container)) = (host_port.parse(), container_port.parse()) else {
            continue;
        };
        ports.add(&Entry {
            protocols: protocol,
            address: addresses.get(keys).copied().unwrap_or_default(),
            host,
            container,
            range: 1,
        });
    }
    ports.list()
}

/// How a list of mappings calls what is in it.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    address: Key,
    host: Key,
    container: Key,
    protocol: Key,
    range: Option<Key>,
}

/// podman since version 4.
pub const PODMAN: Dialect = Dialect {
    address: &["newPortMappings", "*", "host_ip"],
    host: &["newPortMappings", "*", "host_port"],
    container: &["newPortMappings", "*", "container_port"],
    protocol: &["newPortMappings", "*", "protocol"],
    range: Some(&["newPortMappings", "*", "range"]),
};

/// podman before that; it keeps what it finds.
pub const OLD_PODMAN: Dialect = Dialect {
    address: &["portMappings", "*", "hostIP"],
    host: &["portMappings", "*", "hostPort"],
    container: &["portMappings", "*", "containerPort"],
    protocol: &["portMappings", "*", "protocol"],
    range: None,
};

/// A label of nerdctl's.
pub const NERDCTL: Dialect = Dialect {
    address: &["*", "HostIP"],
    host: &["*", "HostPort"],
    container: &["*", "ContainerPort"],
    protocol: &["*", "Protocol"],
    range: None,
};

/// What the plugin `portmap` of CNI was told.
pub const CNI: Dialect = Dialect {
    address: &["capabilityArgs", "portMappings", "*", "hostIP"],
    host: &["capabilityArgs", "portMappings", "*", "hostPort"],
    container: &["capabilityArgs", "portMappings", "*", "containerPort"],
    protocol: &["capabilityArgs", "portMappings", "*", "protocol"],
    range: None,
};

impl Dialect {
    /// What [`Self::read`] needs.
    pub fn paths(&self) -> impl Iterator<Item = Key> {
        [self.address, self.host, self.container, self.protocol].into_iter().chain(self.range)
    }

    /// Neither protocol nor address is needed; an entry without both ports counts for nothing.
    pub fn read(&self, json: &Picked) -> Vec<Published> {
        let addresses: HashMap<&Keys, &str> = json.texts(self.address).collect();
        let protocols: HashMap<&Keys, &str> = json.texts(self.protocol).collect();
        let containers: HashMap<&Keys, u64> = json.numbers(self.container).collect();
        let ranges = self.range.into_iter().flat_map(|range| json.numbers(range));
        let ranges: HashMap<&Keys, u64> = ranges.collect();
        let mut ports = Ports::default();
        for (keys, host) in json.numbers(self.host) {
            let Some(container) = containers.get(keys) else { continue };
            ports.add(&Entry {
                protocols: protocols.get(keys).copied().unwrap_or_default(),
                address: addresses.get(keys).copied().unwrap_or_default(),
                host,
                container: *container,
                range: ranges.get(keys).copied().unwrap_or(1),
            });
        }
        ports.list()
    }

    /// A document that is nothing but the list.
    pub fn parse(&self, json: &[u8]) -> Vec<Published> {
        let paths: Vec<Key> = self.paths().collect();
        Picked::from_json(json, &paths).map(|json| self.read(&json)).unwrap_or_default()
    }
}

/// As it is written.
struct Entry<'a> {
    /// `tcp`, or several with a comma between them; none means TCP.
    protocols: &'a str,
    /// Empty, `0.0.0.0`, `::`: every one.
    address: &'a str,
    host: u64,
    container: u64,
    /// This many ports from there on.
    range: u64,
}

/// Each once, in order.
#[derive(Default)]
struct Ports {
    each: BTreeSet<Published>,
    told: usize,
}

impl Ports {
    fn add(&mut self, entry: &Entry<'_>) {
        let address = match (entry.address, entry.address.parse::<IpAddr>()) {
            ("", _) => None,
            (_, Ok(address)) => Some(address.to_canonical()).filter(|one| !one.is_unspecified()),
            (_, Err(_)) => return,
        };
        for protocol in entry.protocols.split(',') {
            let protocol = match protocol.trim() {
                protocol if protocol.eq_ignore_ascii_case("tcp") => Protocol::Tcp,
                protocol if protocol.eq_ignore_ascii_case("udp") => Protocol::Udp,
                "" => Protocol::Tcp,
                // SCTP is nothing that a socket is looked up by.
                _ => continue,
            };
            for nth in 0..entry.range.max(1) {
                let port = |first: u64| {
                    let port = u16::try_from(first.checked_add(nth)?).ok()?;
                    Some(port).filter(|port| *port != 0)
                };
                let Some((host_port, container_port)) = port(entry.host).zip(port(entry.container))
                else {
                    break;
                };
                if self.each.len() >= MOST || self.told >= MOST_TOLD {
                    return;
                }
                self.told += 1;
                let host_address = address;
                self.each.insert(Published { protocol, host_address, host_port, container_port });
            }
        }
    }

    fn list(self) -> Vec<Published> {
        self.each.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(published: &[Published]) -> Vec<String> {
        let one = |one: &Published| {
            let address = one.host_address.map_or("*".to_owned(), |address| address.to_string());
            let protocol = one.protocol.name();
            format!("{address} {} {} {protocol}", one.host_port, one.container_port)
        };
        published.iter().map(one).collect()
    }

    #[test]
    fn docker_tells_an_address_of_each_family() {
        // As docker 20.10 wrote it.
        let json = br#"{"NetworkSettings":{"Ports":{
            "80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],
            "53/udp":[{"HostIp":"198.51.100.1","HostPort":"5353"}],
            "443/tcp":null,"9/sctp":[{"HostIp":"","HostPort":"9"}],"7/tcp":[{"HostIp":"","HostPort":""}],
            "x/tcp":[{"HostIp":"","HostPort":"1"}],"8/tcp":[{"HostIp":"nowhere","HostPort":"1"}]}}}"#;
        let published = dockers(&Picked::from_json(json, &DOCKERS).unwrap());
        assert_eq!(spelled(&published), ["* 8080 80 tcp", "198.51.100.1 5353 53 udp"]);
    }

    #[test]
    fn what_is_told_over_and_over_is_not_counted_over_and_over() {
        let protocols = "tcp,".repeat(40_000);
        let json = format!(
            r#"{{"newPortMappings":[{{"host_ip":"","container_port":1,"host_port":1,"range":16000,"protocol":"{protocols}"}}]}}"#
        );
        // To look at all of it would take minutes.
        assert_eq!(PODMAN.parse(json.as_bytes()).len(), 16_000);
    }

    #[test]
    fn podman_tells_ranges() {
        // As podman 4.3.1 wrote it.
        let json = br#"{"newPortMappings":[
            {"host_ip":"198.51.100.1","container_port":80,"host_port":18080,"range":1,"protocol":"tcp"},
            {"host_ip":"","container_port":443,"host_port":42521,"range":1,"protocol":"tcp"},
            {"host_ip":"","container_port":9000,"host_port":8000,"range":3,"protocol":"udp"},
            {"host_ip":"","container_port":6000,"host_port":6000,"range":1,"protocol":"sctp"},
            {"host_ip":"2001:db8::1","container_port":53,"host_port":53,"range":1,"protocol":"udp"}]}"#;
        assert_eq!(
            spelled(&PODMAN.parse(json)),
            [
                "* 42521 443 tcp",
                "198.51.100.1 18080 80 tcp",
                "* 8000 9000 udp",
                "* 8001 9001 udp",
                "* 8002 9002 udp",
                "2001:db8::1 53 53 udp",
            ]
        );
        let old =
            br#"{"portMappings":[{"hostPort":1,"containerPort":2,"protocol":"tcp","hostIP":""}]}"#;
        assert_eq!(spelled(&OLD_PODMAN.parse(old)), ["* 1 2 tcp"]);
        let without = br#"{"portMappings":[{"hostPort":1,"containerPort":2}]}"#;
        assert_eq!(spelled(&OLD_PODMAN.parse(without)), ["* 1 2 tcp"]);
    }

    #[test]
    fn nerdctl_and_cni_tell_lists_of_their_own() {
        let label = br#"[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":"0.0.0.0"},
            {"HostPort":69,"ContainerPort":69,"Protocol":"udp","HostIP":"198.51.100.7"},{"HostPort":1}]"#;
        assert_eq!(spelled(&NERDCTL.parse(label)), ["* 8080 80 tcp", "198.51.100.7 69 69 udp"]);
        let cache = br#"{"kind":"cniCacheV1","capabilityArgs":{"portMappings":[
            {"hostPort":8080,"containerPort":80,"protocol":"TCP","hostIP":""},
            {"hostPort":0,"containerPort":81,"protocol":"TCP"}]}}"#;
        assert_eq!(spelled(&CNI.parse(cache)), ["* 8080 80 tcp"]);
    }

    #[test]
    fn a_range_ends_with_the_last_port_and_the_number_is_bounded() {
        let range = |first: u64, range: u64| {
            let json = format!(
                r#"{{"newPortMappings":[{{"host_port":{first},"container_port":1,"range":{range},"protocol":"tcp,udp"}}]}}"#
            );
            PODMAN.parse(json.as_bytes())
        };
        assert_eq!(
            spelled(&range(65534, u64::from(u32::MAX))),
            ["* 65534 1 tcp", "* 65535 2 tcp", "* 65534 1 udp", "* 65535 2 udp"]
        );
        assert_eq!(range(1, 65535).len(), MOST);
        assert!(range(65536, 1).is_empty());
        assert!(range(i64::MAX as u64, i64::MAX as u64).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, host: i64, container: i64, range: i64) {
            for dialect in [PODMAN, OLD_PODMAN, NERDCTL, CNI] {
                let _ = dialect.parse(&bytes);
            }
            let _ = Picked::from_json(&bytes, &DOCKERS).map(|json| dockers(&json));
            let json = format!(
                r#"{{"newPortMappings":[{{"host_port":{host},"container_port":{container},"range":{range}}}]}}"#
            );
            proptest::prop_assert!(PODMAN.parse(json.as_bytes()).len() <= MOST);
        }
    }
}
