//! What is unusual in a network namespace. Pure.

use crate::model::finding::Finding;
use crate::model::inspection::Section;
use crate::model::network::{
    FileState, Interface, Neighbour, Network, Route, Rule, Socket, Sockets,
};
use std::net::{IpAddr, Ipv6Addr};

/// Of segments, or of packets, in thousandths: a line that loses fewer is as others are.
const LOSSES: u64 = 50;
const DROPS: u64 = 1;
/// Fewer say nothing about their kind.
const ENOUGH: u64 = 1000;
/// In seconds. Whoever is sent to fails anew within them as long as he does not answer.
const RECENT: u32 = 10;
/// In percent of a limit.
const NEARLY: u64 = 80;
/// `main` and `default`, where nobody has changed the rules.
const ALWAYS_ASKED: [u32; 2] = [254, 253];

/// Those of Section::Net, the worst first.
pub(super) fn of_network(network: &Network) -> Vec<Finding> {
    let mut findings = Findings::default();
    for interface in &network.interfaces {
        of_interface(interface, &mut findings);
    }
    of_routes(network, &mut findings);
    if let Some(sockets) = &network.sockets {
        of_sockets(sockets, &mut findings);
    }
    if let Some(conntrack) = network.conntrack
        && let Some(percent) = percent(conntrack.entries.into(), conntrack.limit)
    {
        findings.warning(format!(
            "connection tracking is {percent} % full: {} of {}",
            conntrack.entries,
            conntrack.limit.unwrap_or_default()
        ));
    }
    of_resolver(network, &mut findings);
    let mut found = findings.0;
    found.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    found
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn notice(&mut self, text: String) {
        self.0.push(Finding::notice(Section::Net, text));
    }

    fn warning(&mut self, text: String) {
        self.0.push(Finding::warning(Section::Net, text));
    }
}

/// Where it is near the limit.
fn percent(used: u64, limit: Option<u32>) -> Option<u64> {
    let percent = (used * 100).checked_div(limit?.into())?;
    (percent >= NEARLY).then_some(percent)
}

/// It could carry packets out of the namespace.
fn leads_out(interface: &Interface) -> bool {
    interface.up && is_for_outside(interface)
}

fn is_for_outside(interface: &Interface) -> bool {
    let usable = interface.addresses.iter().any(|address| address.scope == "global");
    usable && !interface.flags.contains(&"loopback")
}

fn of_interface(interface: &Interface, findings: &mut Findings) {
    let name = &interface.name;
    for address in &interface.addresses {
        let has = |flag| address.flags.contains(&flag);
        if has("dadfailed") {
            let address = address.address;
            findings.warning(format!("{address} of {name} is in use by another host too"));
        } else if has("tentative") {
            findings.notice(format!("{} of {name} is not usable yet", address.address));
        }
    }
    if !interface.up && is_for_outside(interface) {
        findings.notice(format!("{name} has an address and is down"));
    }
    // A bridge without ports has none either, and that is as it should be.
    if interface.flags.contains(&"no_carrier") && leads_out(interface) && interface.kind != "bridge"
    {
        findings.notice(format!("{name} is up and has no carrier"));
    }
    if matches!(interface.bridge_port, Some("blocking" | "disabled")) && interface.up {
        let state = interface.bridge_port.unwrap_or_default();
        findings.notice(format!("{name} is {state} as a port of its bridge"));
    }
    let Some(counters) = interface.counters else { return };
    let errors = counters.received_errors.saturating_add(counters.sent_errors);
    if errors > 0 {
        findings.warning(format!("{name} had {errors} errors"));
    }
    let ways = [
        ("received", counters.received_dropped, counters.received_packets),
        ("to be sent", counters.sent_dropped, counters.sent_packets),
    ];
    for (way, dropped, passed) in ways {
        let all = dropped.saturating_add(passed);
        if dropped > 0 && all >= ENOUGH && dropped.saturating_mul(1000) >= all * DROPS {
            findings.notice(format!("{name} dropped {dropped} of {all} packets {way}"));
        }
    }
}

fn of_routes(network: &Network, findings: &mut Findings) {
    let ways = network.routes.iter().filter(|route| route.kind == "unicast");
    let defaults = ways.clone().filter(|route| route.is_default());
    let has_way = |family: &str| {
        let tables = tables_asked_by_all(network, family);
        let of_family = |route: &&Route| route.family == family && tables.contains(&route.table);
        takes_all(ways.clone().filter(of_family), family)
    };
    let (has_v4, has_v6) = (has_way("inet"), has_way("inet6"));
    let wants = |is_wanted: fn(&IpAddr) -> bool| {
        let addresses = network.interfaces.iter().filter(|one| leads_out(one));
        let mut addresses = addresses.flat_map(|one| &one.addresses);
        addresses.any(|one| one.scope == "global" && is_wanted(&one.address))
    };
    let lacks_v4 = wants(IpAddr::is_ipv4) && !has_v4;
    let lacks_v6 = wants(is_public_v6) && !has_v6;
    if lacks_v4 || lacks_v6 {
        let is_left_out = |route: &Route| {
            let is_lacking = if route.family == "inet" { lacks_v4 } else { lacks_v6 };
            is_lacking && ALWAYS_ASKED.contains(&route.table)
        };
        let lack = if defaults.clone().any(is_left_out) {
            "no rule leads every packet to the default route"
        } else {
            "no default route"
        };
        let family = match (has_v4, has_v6) {
            (false, false) => "",
            (false, true) => " for IPv4",
            (true, _) => " for IPv6",
        };
        findings.notice(format!("{lack}{family}"));
    }
    for neighbour in network.neighbours.iter().filter(|one| one.state == "failed") {
        if !defaults.clone().any(|route| goes_by(route, neighbour)) {
            continue;
        }
        let gateway = neighbour.address;
        match neighbour.updated_seconds.filter(|seconds| *seconds > RECENT) {
            None => findings.warning(format!("the gateway {gateway} does not answer")),
            // Nobody has asked since.
            Some(seconds) => findings
                .notice(format!("the gateway {gateway} did not answer {seconds} seconds ago")),
        }
    }
}

/// Those that are unique in one site only are not expected to lead out of it.
fn is_public_v6(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if !Ipv6Addr::is_unique_local(address))
}

/// Whether some route takes each packet to the outside, as a default route does, or halves of it that
/// stand before one, as VPNs have them. All that is outside of IPv6 is in 2000::/3.
fn takes_all<'a>(routes: impl Iterator<Item = &'a Route>, family: &str) -> bool {
    let (bits, (first, last)) = match family {
        "inet" => (32, (0, u128::from(u32::MAX))),
        _ => (128, (0x2 << 124, (0x4 << 124) - 1)),
    };
    let span = |route: &Route| {
        let first = match route.destination {
            None => 0,
            Some(IpAddr::V4(address)) => u128::from(address.to_bits()),
            Some(IpAddr::V6(address)) => address.to_bits(),
        };
        let others = u128::MAX.checked_shr(128 - bits + u32::from(route.prefix_length));
        (first, first | others.unwrap_or(0))
    };
    let mut spans: Vec<(u128, u128)> = routes.map(span).collect();
    spans.sort_unstable();
    let mut next = first;
    for (from, to) in spans {
        if from > next {
            break;
        }
        next = next.max(to.saturating_add(1));
    }
    next > last
}

/// Tables that are asked for the packets of any program, which chooses no source and no mark.
fn tables_asked_by_all(network: &Network, family: &str) -> Vec<u32> {
    let rules = network.rules.iter().filter(|rule| rule.family == family);
    if rules.clone().next().is_none() || network.incomplete_tables.contains(&"rules") {
        // A kernel without rules, or one that did not tell all.
        return ALWAYS_ASKED.to_vec();
    }
    let mut tables = Vec::new();
    let mut skipped_below = 0;
    for rule in rules.clone() {
        if rule.priority < skipped_below || !holds_for_all(rule) {
            continue;
        }
        match rule.action {
            "lookup" if !suppresses(rule) => tables.extend(rule.table),
            // One that leads to no rule is passed by.
            "goto" if rules.clone().any(|other| Some(other.priority) == rule.goto) => {
                skipped_below = rule.goto.unwrap_or_default();
            }
            "blackhole" | "unreachable" | "prohibit" => break,
            _ => {}
        }
    }
    tables
}

fn holds_for_all(rule: &Rule) -> bool {
    let is_unmarked = rule.mark.unwrap_or(0) == 0;
    let is_sent_here = rule.input_interface.as_ref().is_none_or(|name| *name == "lo");
    let selectors = Rule {
        not: false,
        mark: None,
        mark_mask: None,
        input_interface: None,
        suppress_prefix_length: None,
        suppress_group: None,
        ..rule.clone()
    };
    let any = Rule { action: rule.action, goto: rule.goto, ..rule.for_any_packet() };
    let matches = is_unmarked && is_sent_here && selectors == any;
    matches != rule.not
}

const fn suppresses(rule: &Rule) -> bool {
    rule.suppress_prefix_length.is_some() || rule.suppress_group.is_some()
}

/// A neighbour is one on its own link: another's may have the same address.
fn goes_by(route: &Route, neighbour: &Neighbour) -> bool {
    let one = std::iter::once((route.gateway, &route.interface));
    let several = route.next_hops.iter().map(|hop| (hop.gateway, &hop.interface));
    one.chain(several).any(|(gateway, interface)| {
        gateway == Some(neighbour.address) && *interface == neighbour.interface
    })
}

fn of_sockets(sockets: &Sockets, findings: &mut Findings) {
    for socket in &sockets.listening {
        if socket.state == "listen" && socket.receive_queue > socket.send_queue {
            findings.warning(format!(
                "the accept queue of {} is full: {} wait, the backlog is {}",
                endpoint(socket),
                socket.receive_queue,
                socket.send_queue
            ));
        }
    }
    // One that has a peer loses what it is too slow for as another does.
    for socket in sockets.listening.iter().chain(&sockets.connected) {
        if let Some(dropped) = socket.dropped.filter(|dropped| *dropped > 0) {
            findings.notice(format!("udp {} dropped {dropped} datagrams", endpoint(socket)));
        }
    }
    if let Some(counters) = sockets.tcp_counters {
        if let Some(overflows) = counters.listen_overflows.filter(|overflows| *overflows > 0) {
            findings.warning(format!("accept queues overflowed {overflows} times"));
        }
        let sent = counters.segments_sent.unwrap_or(0);
        let again = counters.segments_retransmitted.unwrap_or(0);
        if sent >= ENOUGH && again.saturating_mul(1000) >= sent.saturating_mul(LOSSES) {
            let percent = again.saturating_mul(100) / sent;
            findings.notice(format!("{percent} % of TCP segments were sent again"));
        }
    }
    let Some(ports) = &sockets.ephemeral_ports else { return };
    let available = ports.available();
    if let Some(busiest) = &ports.busiest
        && let Some(percent) = percent(busiest.connections.into(), Some(available))
    {
        findings.warning(format!(
            "{percent} % of the ephemeral ports of {} are used for {}",
            busiest.source_address,
            spelled(busiest.address, busiest.port)
        ));
    } else if let Some(percent) = percent(ports.used.into(), Some(available)) {
        findings.notice(format!("{percent} % of the ephemeral ports are used"));
    }
}

fn of_resolver(network: &Network, findings: &mut Findings) {
    let Some(resolver) = &network.resolver else { return };
    let named = [
        ("/etc/resolv.conf", &resolver.resolv_conf),
        ("/etc/hosts", &resolver.hosts),
        ("/etc/nsswitch.conf", &resolver.nsswitch),
    ];
    for (path, file) in named {
        match file.state {
            FileState::NotRegular => {
                findings.warning(format!("{path} inside is no regular file"));
            }
            FileState::NoAnswer => {
                findings.warning(format!("{path} inside cannot be read in time"));
            }
            _ => {}
        }
    }
    // Without the file a resolver asks the loopback.
    let readable = matches!(resolver.resolv_conf.state, FileState::Read | FileState::Missing);
    if readable && resolver.nameservers.is_empty() && network.interfaces.iter().any(leads_out) {
        findings.notice("no name server in /etc/resolv.conf inside".to_owned());
    }
}

fn endpoint(socket: &Socket) -> String {
    spelled(socket.address, socket.port)
}

fn spelled(address: std::net::IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

#[cfg(test)]
mod tests;
