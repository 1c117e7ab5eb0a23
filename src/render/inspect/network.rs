//! The net section: interfaces and the way out.

use crate::model::network::{Interface, Network, Route};
use crate::render::table::align;
use std::fmt::Write;

pub(super) fn lines(network: &Network) -> Vec<String> {
    let rows: Vec<_> = network.interfaces.iter().flat_map(|one| rows(one, network)).collect();
    let mut lines: Vec<String> = align(rows, &[false; 5]).lines().map(str::to_owned).collect();
    lines.extend(
        network.routes.iter().filter(|route| route.destination.is_none()).map(default_route),
    );
    if network.incomplete {
        lines.push("incomplete: it changed faster than it could be read".to_owned());
    }
    if lines.is_empty() {
        lines.push("no interfaces".to_owned());
    }
    lines
}

/// A row, and one more for each further address.
fn rows(interface: &Interface, network: &Network) -> Vec<Vec<String>> {
    let mut addresses = interface
        .addresses
        .iter()
        .map(|address| format!("{}/{}", address.address, address.prefix_length));
    let first = addresses.next().unwrap_or_default();
    let mut rows = vec![vec![
        interface.name.to_string(),
        interface.state.to_owned(),
        format!("mtu {}", interface.mtu_bytes),
        interface.mac.clone().unwrap_or_default(),
        format!("{first}  {}", link_to(interface, network)),
    ]];
    let blank = String::new;
    rows.extend(addresses.map(|address| vec![blank(), blank(), blank(), blank(), address]));
    rows
}

/// Where the other end is, as far as this namespace says.
fn link_to(interface: &Interface, network: &Network) -> String {
    match (interface.peer_nsid, interface.peer_index) {
        (Some(_), Some(index)) => format!("<-> interface {index} of another namespace"),
        (None, Some(index)) if index != interface.index => {
            let peer = network.interfaces.iter().find(|peer| peer.index == index);
            peer.map_or_else(String::new, |peer| format!("<-> {}", peer.name))
        }
        _ => String::new(),
    }
}

fn default_route(route: &Route) -> String {
    let mut line = "default".to_owned();
    if let Some(gateway) = route.gateway {
        let _ = write!(line, " via {gateway}");
    }
    if let Some(interface) = &route.interface {
        let _ = write!(line, " dev {interface}");
    }
    if route.kind != "unicast" {
        let _ = write!(line, " {}", route.kind);
    }
    line
}
