//! Interfaces: name, state, addresses; below each what is not as everywhere.

use super::FEW;
use crate::model::network::{Address, Details, Interface, Network, Peer, Place};
use crate::render::human;
use crate::render::inspect::Detail;
use crate::render::table::align;

/// What an interface has that nobody changed, and the loopback.
const ORDINARY_MTU: [u32; 2] = [1500, 65536];
const NO_MAC: &str = "00:00:00:00:00:00";

pub(super) fn lines(network: &Network, detail: Detail) -> Vec<String> {
    let is_told = |one: &&Interface| detail.everything || one.up || !one.addresses.is_empty();
    let (told, idle): (Vec<_>, Vec<_>) = network.interfaces.iter().partition(is_told);
    let limit = if detail.everything { usize::MAX } else { FEW };
    // The notes are put between the rows once those are aligned.
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for interface in told.iter().take(limit) {
        let mut addresses = interface.addresses.iter().filter(|one| is_address_told(one, detail));
        let first = addresses.next().map(spelled).unwrap_or_default();
        let mac = interface.mac.as_deref().filter(|mac| *mac != NO_MAC).unwrap_or_default();
        let name = interface.name.to_string();
        rows.push(vec![name, state(interface), mac.to_owned(), first]);
        notes.push(None);
        for address in addresses {
            rows.push(vec![String::new(), String::new(), String::new(), spelled(address)]);
            notes.push(None);
        }
        let note = note(interface, network.settings.reverse_path_filter, detail);
        if let Some(last) = notes.last_mut() {
            *last = Some(note).filter(|note| !note.is_empty());
        }
    }
    let aligned = align(rows, &[false; 4]);
    let mut lines = Vec::new();
    for (line, note) in aligned.lines().zip(notes) {
        lines.push(line.to_owned());
        lines.extend(note.map(|note| format!("  {note}")));
    }
    let more = told.len().saturating_sub(limit);
    if more > 0 {
        lines.push(format!("{more} more interfaces"));
    }
    match idle.as_slice() {
        [] => {}
        [one] => lines.push(format!("{} is down", one.name)),
        several => lines.push(format!("{} interfaces are down", several.len())),
    }
    lines
}

/// `unknown` is what the kernel says of an interface that has no notion of a carrier.
fn state(interface: &Interface) -> String {
    match (interface.state, interface.up) {
        ("unknown", true) => "up",
        ("unknown", false) => "down",
        (state, _) => state,
    }
    .to_owned()
}

fn is_address_told(address: &Address, detail: Detail) -> bool {
    detail.everything || address.address.is_ipv4() || address.scope != "link"
}

fn spelled(address: &Address) -> String {
    let mut text = format!("{}/{}", address.address, address.prefix_length);
    if let Some(peer) = address.peer {
        text = format!("{} peer {peer}/{}", address.address, address.prefix_length);
    }
    let telling = ["tentative", "dadfailed", "deprecated", "temporary"];
    for flag in address.flags.iter().filter(|flag| telling.contains(flag)) {
        text.push(' ');
        text.push_str(flag);
    }
    text
}

/// `filter`: what is set for all.
fn note(interface: &Interface, filter: Option<u32>, detail: Detail) -> String {
    let mut parts = Vec::new();
    parts.extend(interface.details.as_ref().map(|details| specifics(details, interface)));
    let is_told = interface.details.is_some() || interface.kind == "veth";
    if !is_told && !["loopback", "ether"].iter().any(|kind| interface.kind == *kind) {
        parts.push(interface.kind.to_string());
    }
    if let Some(peer) = &interface.peer {
        parts.extend(other_end(peer, interface));
    }
    if let Some(master) = &interface.master_name {
        let state = interface.bridge_port.filter(|state| *state != "forwarding");
        let state = state.map(|state| format!(" ({state})")).unwrap_or_default();
        parts.push(format!("port of {master}{state}"));
    }
    if detail.everything || !ORDINARY_MTU.contains(&interface.mtu_bytes) {
        parts.push(format!("mtu {}", interface.mtu_bytes));
    }
    if let Some(own) = interface.reverse_path_filter.filter(|_| detail.everything) {
        parts.push(format!("rp_filter {}", own.max(filter.unwrap_or(0))));
    }
    parts.extend(interface.altnames.iter().map(|name| format!("also {name}")));
    parts.extend(interface.alias.iter().map(|alias| format!("\"{alias}\"")));
    if let Some(counters) = interface.counters.filter(|_| interface.up) {
        let (received, sent) = (counters.received_bytes, counters.sent_bytes);
        if received + sent > 0 && (detail.everything || interface.kind != "loopback") {
            let bytes = human::bytes;
            parts.push(format!("received {}, sent {}", bytes(received), bytes(sent)));
        }
        let losses = [
            ("errors", counters.received_errors + counters.sent_errors),
            ("dropped", counters.received_dropped + counters.sent_dropped),
        ];
        let some = losses.into_iter().filter(|(_, count)| *count > 0);
        parts.extend(some.map(|(name, count)| format!("{name} {count}")));
    }
    parts.join(" · ")
}

fn specifics(details: &Details, interface: &Interface) -> String {
    match details {
        Details::Bridge { vlan_filtering: Some(true), .. } => "bridge with VLANs".to_owned(),
        Details::Bridge { .. } => "bridge".to_owned(),
        Details::Vlan { id, protocol } => {
            let unusual = protocol.filter(|protocol| *protocol != "802.1Q");
            let unusual = unusual.map(|protocol| format!(" ({protocol})")).unwrap_or_default();
            format!("VLAN {id}{unusual}")
        }
        Details::Macvlan { mode } | Details::Ipvlan { mode, .. } => {
            format!("{} {mode}", interface.kind)
        }
        Details::Vxlan { id, remote, .. } => {
            let remote = remote.map(|remote| format!(" to {remote}")).unwrap_or_default();
            format!("VXLAN {id}{remote}")
        }
        Details::Tun { mode } => (*mode).to_owned(),
        Details::Bond { mode } => format!("bond {mode}"),
    }
}

fn other_end(peer: &Peer, interface: &Interface) -> Option<String> {
    let link = if interface.kind == "veth" { "<->" } else { "on" };
    let name = peer.interface.as_ref().map(ToString::to_string);
    let place = match &peer.place {
        Place::Here => return Some(format!("{link} {}", name?)),
        Place::Host => "the host".to_owned(),
        Place::Container { name, .. } => name.to_string(),
        Place::Process { pid } => format!("pid {pid}"),
        Place::Named { name } => format!("netns {name}"),
        Place::Unknown => "another namespace".to_owned(),
    };
    let name = name.or_else(|| interface.peer_index.map(|index| format!("interface {index}")));
    let master = peer.master.as_ref().map(|master| format!(" in {master}")).unwrap_or_default();
    Some(format!("{link} {} of {place}{master}", name?))
}
