//! The whole of one network namespace: the tables of the calling thread's, put together.

use super::dump::{Dump, Handle, connect, dump};
use super::message::Row;
use super::route::{Family, Hop};
use super::{addr, link, route};
use crate::model::network::{Address, Interface, Network};
use crate::sys::error::{Context, Problem, Result, SysError};
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::time::Duration;

/// Reads what the kernel tells before `deadline` has passed. Once there are interfaces they are
/// kept, and what fails after them makes the network incomplete.
pub(super) fn read(deadline: Duration) -> Result<Network> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start", "an event loop")?;
    runtime.block_on(async {
        let mut tables = Tables::default();
        let filled = tokio::time::timeout(deadline, tables.fill()).await;
        let filled = filled.unwrap_or_else(|_| {
            Err(SysError { doing: "list", object: "interfaces".into(), problem: Problem::TimedOut })
        });
        match filled {
            Ok(()) => {}
            Err(error) if tables.links.is_empty() => return Err(error),
            Err(_) => tables.incomplete = true,
        }
        Ok(tables.assemble())
    })
}

/// What was answered, not yet put together.
#[derive(Debug, Default)]
struct Tables {
    links: Vec<Interface>,
    addresses: Vec<(u32, Address)>,
    hops: Vec<Hop>,
    incomplete: bool,
}

async fn routes(handle: &Handle, family: Family) -> Result<Dump> {
    let body = route::request(family);
    match dump(handle, libc::RTM_GETROUTE, &body, "routes").await {
        Err(error) if error.errno().is_some_and(means_none) => Ok(Dump::default()),
        answer => answer,
    }
}

/// The main table is made with its first route, and a family may be absent from the kernel.
fn means_none(errno: Errno) -> bool {
    matches!(errno, Errno::ENOENT | Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT)
}

impl Tables {
    async fn fill(&mut self) -> Result<()> {
        let (connection, handle) = connect().context("open", "a netlink socket")?;
        // It ends with the runtime.
        drop(tokio::spawn(connection));
        let (links, addresses) = (link::request(), addr::request());
        self.take(dump(&handle, libc::RTM_GETLINK, &links, "interfaces").await?);
        self.take(dump(&handle, libc::RTM_GETADDR, &addresses, "addresses").await?);
        for family in Family::BOTH {
            let mut answer = routes(&handle, family).await?;
            // A kernel that lacks a family answers with what every other one has.
            answer.rows.retain(|row| match row {
                Row::Route(hops) => hops.iter().all(|hop| hop.route.family == family.word()),
                _ => false,
            });
            self.take(answer);
        }
        Ok(())
    }

    fn take(&mut self, dump: Dump) {
        self.incomplete |= dump.incomplete;
        for row in dump.rows {
            match row {
                Row::Link(interface) => self.links.push(interface),
                Row::Address(index, address) => self.addresses.push((index, address)),
                Row::Route(hops) => self.hops.extend(hops),
            }
        }
    }

    /// Each address with its interface, each route with the name of one. Tables are read one after
    /// the other: an index without an interface means that it came or went in between.
    fn assemble(self) -> Network {
        let mut incomplete = self.incomplete;
        let by_index = |interface: Interface| (interface.index, interface);
        let mut interfaces: BTreeMap<u32, Interface> =
            self.links.into_iter().map(by_index).collect();
        for (index, address) in self.addresses {
            match interfaces.get_mut(&index) {
                Some(interface) => interface.addresses.push(address),
                None => incomplete = true,
            }
        }
        let mut routes = Vec::with_capacity(self.hops.len());
        for Hop { mut route, interface } in self.hops {
            if let Some(index) = interface {
                route.interface = interfaces.get(&index).map(|found| found.name.clone());
                incomplete |= route.interface.is_none();
            }
            routes.push(route);
        }
        // Stable: equal rows, and the next hops of one route, stay in the kernel's order.
        routes.sort_by_key(|route| {
            let destination = (route.destination, route.prefix_length);
            (destination, route.family, route.metric)
        });
        Network { interfaces: interfaces.into_values().collect(), routes, incomplete }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network::Route;
    use crate::model::text::Text;

    fn hop(destination: Option<&str>, family: Family, metric: u32, interface: u32) -> Hop {
        Hop {
            route: Route {
                family: family.word(),
                destination: destination.map(|text| text.parse().unwrap()),
                prefix_length: 24,
                gateway: None,
                interface: None,
                metric: Some(metric),
                kind: "unicast",
            },
            interface: Some(interface),
        }
    }

    fn interface(index: u32, name: &[u8]) -> Interface {
        Interface { index, name: name.into(), ..Interface::default() }
    }

    fn local(address: &str) -> Address {
        Address { address: address.parse().unwrap(), prefix_length: 24, scope: "global" }
    }

    #[test]
    fn everything_finds_its_interface_in_a_fixed_order() {
        let tables = Tables {
            links: vec![interface(9, b"\xff\x1b"), interface(2, b"a")],
            addresses: vec![
                (9, local("203.0.113.1")),
                (2, local("198.51.100.1")),
                (9, local("2001:db8::1")),
            ],
            hops: vec![
                hop(Some("203.0.113.0"), Family::V4, 0, 9),
                hop(Some("198.51.100.0"), Family::V4, 9, 2),
                hop(Some("198.51.100.0"), Family::V4, 1, 9),
                hop(Some("2001:db8::"), Family::V6, 0, 2),
                hop(None, Family::V6, 0, 9),
                hop(None, Family::V4, 5, 2),
            ],
            incomplete: false,
        };
        let network = tables.assemble();
        let indices: Vec<_> = network.interfaces.iter().map(|link| link.index).collect();
        assert_eq!(indices, [2, 9]);
        assert_eq!(network.interfaces[1].addresses.len(), 2);
        let rows: Vec<_> = network
            .routes
            .iter()
            .map(|route| (route.family, route.metric, route.interface.clone().unwrap()))
            .collect();
        let (a, odd) = (|| Text::from("a"), || Text::from(b"\xff\x1b"));
        assert_eq!(
            rows,
            [
                ("inet", Some(5), a()),
                ("inet6", Some(0), odd()),
                ("inet", Some(1), odd()),
                ("inet", Some(9), a()),
                ("inet", Some(0), odd()),
                ("inet6", Some(0), a()),
            ]
        );
        assert!(!network.incomplete);
    }

    #[test]
    fn an_index_that_names_no_interface_is_owned_up_to() {
        let tables = Tables { addresses: vec![(3, local("203.0.113.1"))], ..Tables::default() };
        assert!(tables.assemble().incomplete);
        let tables = Tables { hops: vec![hop(None, Family::V4, 0, 3)], ..Tables::default() };
        let network = tables.assemble();
        assert!(network.incomplete);
        assert_eq!(network.routes.len(), 1);
    }
}
