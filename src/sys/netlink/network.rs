//! The whole of one network namespace: the tables of the calling thread's, put together.

use super::channel::Channel;
use super::dump::{Dump, Question, dump};
use super::socket_tables::{self, Asked};
use super::tables::table_order;
use super::{addr, link, neighbour, route, rule, settings};
use crate::model::network::{Address, Interface, Neighbour, Network, Rule, Socket, Sockets};
use crate::model::text::Text;
use crate::sys::error::{Context, Result};
use nix::errno::Errno;
use rtnetlink::sys::protocols::{NETLINK_ROUTE, NETLINK_SOCK_DIAG};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// What is read beside interfaces, addresses, routes, rules and neighbours.
#[derive(Debug, Default)]
pub struct Ask {
    /// The host's /proc, for settings; without it there are none.
    pub proc: Option<OwnedFd>,
    /// Without it no socket is asked for.
    pub sockets: Option<Asked>,
}

/// Reads what the kernel tells before `deadline` has passed. Once there are interfaces they are
/// kept, and what fails after them makes the network incomplete.
pub(super) fn read(ask: &Ask, deadline: Duration) -> Result<Network> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start", "an event loop")?;
    let end = Instant::now() + deadline;
    runtime.block_on(async {
        let mut channel = Channel::open(NETLINK_ROUTE, end)?;
        let mut tables = Tables::default();
        tables.fill(&mut channel).await?;
        let mut network = tables.assemble();
        if let Some(proc) = &ask.proc {
            (network.settings, network.conntrack) = settings::read(proc.as_fd());
        }
        if let Some(asked) = ask.sockets {
            add_sockets(&mut network, asked, end).await;
        }
        Ok(network)
    })
}

/// What was answered, not yet put together.
#[derive(Debug, Default)]
struct Tables {
    links: Vec<Interface>,
    addresses: Vec<(u32, Address)>,
    routes: Vec<route::Row>,
    rules: Vec<Rule>,
    neighbours: Vec<Neighbour>,
    incomplete: Vec<&'static str>,
}

impl Tables {
    /// Fails only where there are no interfaces.
    async fn fill(&mut self, channel: &mut Channel) -> Result<()> {
        let links = Question {
            what: "interfaces",
            kinds: (libc::RTM_GETLINK, libc::RTM_NEWLINK),
            body: &link::request(),
            parse: link::parse,
            identity: Some(link::identity),
        };
        let links = dump(channel, &links).await?;
        self.links = self.rows("interfaces", Ok(links));
        let addresses = Question {
            what: "addresses",
            kinds: (libc::RTM_GETADDR, libc::RTM_NEWADDR),
            body: &addr::request(),
            parse: addr::parse,
            identity: Some(addr::identity),
        };
        let addresses = dump(channel, &addresses).await;
        self.addresses = self.rows("addresses", addresses);
        let routes = Question {
            what: "routes",
            kinds: (libc::RTM_GETROUTE, libc::RTM_NEWROUTE),
            body: &route::request(),
            parse: route::parse,
            identity: Some(route::identity),
        };
        let routes = dump(channel, &routes).await;
        self.routes = self.rows("routes", routes).into_iter().flatten().collect();
        let rules = Question {
            what: "rules",
            kinds: (libc::RTM_GETRULE, libc::RTM_NEWRULE),
            body: &rule::request(),
            parse: rule::parse,
            identity: None,
        };
        let rules = dump(channel, &rules).await;
        self.rules = self.rows("rules", rules).into_iter().flatten().collect();
        let neighbours = Question {
            what: "neighbours",
            kinds: (libc::RTM_GETNEIGH, libc::RTM_NEWNEIGH),
            body: &neighbour::request(),
            parse: neighbour::parse,
            identity: Some(neighbour::identity),
        };
        let neighbours = dump(channel, &neighbours).await;
        self.neighbours = self.rows("neighbours", neighbours).into_iter().flatten().collect();
        Ok(())
    }

    fn rows<R>(&mut self, what: &'static str, dump: Result<Dump<R>>) -> Vec<R> {
        match dump {
            Ok(dump) => {
                if dump.incomplete {
                    self.incomplete.push(what);
                }
                dump.rows
            }
            Err(error) => {
                if !error.errno().is_some_and(means_none) {
                    self.incomplete.push(what);
                }
                Vec::new()
            }
        }
    }

    /// Each address with its interface, each route with the name of one. Tables are read one after
    /// the other: an index without an interface means that it came or went in between.
    fn assemble(self) -> Network {
        let mut network = Network { rules: self.rules, ..Network::default() };
        for what in self.incomplete {
            network.mark_incomplete(what);
        }
        let by_index = |interface: Interface| (interface.index, interface);
        let mut interfaces: BTreeMap<u32, Interface> =
            self.links.into_iter().map(by_index).collect();
        let names: BTreeMap<u32, Text> =
            interfaces.iter().map(|(index, found)| (*index, found.name.clone())).collect();
        for interface in interfaces.values_mut() {
            interface.master_name = interface.master.and_then(|index| names.get(&index).cloned());
        }
        for (index, address) in self.addresses {
            match interfaces.get_mut(&index) {
                Some(interface) => interface.addresses.push(address),
                None => network.mark_incomplete("addresses"),
            }
        }
        for route::Row { mut route, interfaces } in self.routes {
            let missing =
                |index: &Option<u32>| index.is_some_and(|index| !names.contains_key(&index));
            if interfaces.iter().any(missing) {
                network.mark_incomplete("routes");
            }
            let mut named = interfaces.into_iter().map(|index| names.get(&index?).cloned());
            if route.next_hops.is_empty() {
                route.interface = named.next().flatten();
            } else {
                for (hop, name) in route.next_hops.iter_mut().zip(named) {
                    hop.interface = name;
                }
            }
            network.routes.push(route);
        }
        for mut neighbour in self.neighbours {
            neighbour.interface = names.get(&neighbour.interface_index).cloned();
            if neighbour.interface.is_none() {
                network.mark_incomplete("neighbours");
            }
            network.neighbours.push(neighbour);
        }
        // Stable: equal rows stay in the kernel's order.
        network.routes.sort_by_key(|route| {
            let destination = (route.destination, route.prefix_length);
            (table_order(route.table), destination, route.family, route.metric)
        });
        network.rules.sort_by_key(|rule| (rule.family, rule.priority));
        network.neighbours.sort_by_key(|found| (found.interface_index, found.address));
        network.interfaces = interfaces.into_values().collect();
        network
    }
}

/// A family may be absent from the kernel.
fn means_none(errno: Errno) -> bool {
    matches!(errno, Errno::ENOENT | Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT)
}

async fn add_sockets(network: &mut Network, asked: Asked, end: Instant) {
    let Ok(mut channel) = Channel::open(NETLINK_SOCK_DIAG, end) else { return };
    let Ok(Some(mut found)) = socket_tables::read(&mut channel, asked, &network.settings).await
    else {
        return;
    };
    let name = |(socket, index): (&mut Socket, &Option<u32>)| {
        socket.interface = index.and_then(|index| Some(network.interface(index)?.name.clone()));
    };
    let Sockets { listening, connected, .. } = &mut found.sockets;
    listening.iter_mut().zip(&found.listening_on).for_each(name);
    connected.iter_mut().zip(&found.connected_on).for_each(name);
    for list in [listening, connected] {
        list.sort_by_key(|socket| {
            (socket.protocol, socket.port, socket.address, socket.peer_address, socket.peer_port)
        });
    }
    if found.incomplete {
        network.mark_incomplete("sockets");
    }
    network.sockets = Some(found.sockets);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network::{NextHop, Route};

    fn row(table: u32, destination: Option<&str>, family: &'static str, metric: u32) -> route::Row {
        let route = Route {
            family,
            table,
            destination: destination.map(|text| text.parse().unwrap()),
            prefix_length: 24,
            metric: Some(metric),
            ..Route::default()
        };
        route::Row { route, interfaces: vec![Some(9)] }
    }

    fn interface(index: u32, name: &[u8]) -> Interface {
        Interface { index, name: name.into(), ..Interface::default() }
    }

    fn local(address: &str) -> Address {
        Address {
            address: address.parse().unwrap(),
            prefix_length: 24,
            peer: None,
            broadcast: None,
            label: None,
            scope: "global",
            flags: Vec::new(),
            valid_seconds: None,
            preferred_seconds: None,
        }
    }

    #[test]
    fn everything_finds_its_interface_in_a_fixed_order() {
        let tables = Tables {
            links: vec![
                Interface { master: Some(2), ..interface(9, b"\xff\x1b") },
                interface(2, b"a"),
            ],
            addresses: vec![
                (9, local("203.0.113.1")),
                (2, local("198.51.100.1")),
                (9, local("2001:db8::1")),
            ],
            routes: vec![
                row(255, None, "inet", 1),
                row(100, None, "inet", 2),
                row(254, Some("203.0.113.0"), "inet", 3),
                row(254, Some("198.51.100.0"), "inet", 5),
                row(254, Some("198.51.100.0"), "inet", 4),
                row(254, None, "inet6", 7),
                row(254, None, "inet", 6),
                row(253, None, "inet", 8),
            ],
            ..Tables::default()
        };
        let network = tables.assemble();
        let indices: Vec<_> = network.interfaces.iter().map(|link| link.index).collect();
        assert_eq!(indices, [2, 9]);
        assert_eq!(network.interfaces[1].addresses.len(), 2);
        assert_eq!(network.interfaces[1].master_name, Some("a".into()));
        let metrics: Vec<_> = network.routes.iter().map(|route| route.metric.unwrap()).collect();
        assert_eq!(metrics, [6, 7, 4, 5, 3, 8, 2, 1]);
        assert!(network.routes.iter().all(|route| route.interface == Some(b"\xff\x1b".into())));
        assert!(!network.incomplete);
    }

    #[test]
    fn each_next_hop_has_its_interface() {
        let mut multipath = row(254, None, "inet", 0);
        multipath.route.next_hops = vec![NextHop::default(), NextHop::default()];
        multipath.interfaces = vec![Some(2), None];
        let links = vec![interface(2, b"a")];
        let network = Tables { links, routes: vec![multipath], ..Tables::default() }.assemble();
        let hops: Vec<_> =
            network.routes[0].next_hops.iter().map(|hop| hop.interface.clone()).collect();
        assert_eq!((hops, &network.routes[0].interface), (vec![Some("a".into()), None], &None));
        assert!(!network.incomplete);
    }

    #[test]
    fn an_index_that_names_no_interface_is_owned_up_to() {
        let tables = Tables { addresses: vec![(3, local("203.0.113.1"))], ..Tables::default() };
        assert_eq!(tables.assemble().incomplete_tables, ["addresses"]);
        let tables = Tables { routes: vec![row(254, None, "inet", 0)], ..Tables::default() };
        let network = tables.assemble();
        assert!(network.incomplete);
        assert_eq!((network.routes.len(), network.incomplete_tables), (1, vec!["routes"]));
    }
}
