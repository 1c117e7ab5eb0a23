//! The way out: default routes and whatever is not on every host; in full the rest.

use super::FEW;
use crate::model::network::{Network, NextHop, Prefix, Route, Rule, Span};
use crate::model::text::Text;
use crate::render::inspect::Detail;
use std::fmt::Write as _;
use std::net::IpAddr;

pub(super) fn lines(network: &Network, detail: Detail) -> Vec<String> {
    let is_told = |route: &&Route| {
        if route.is_local() {
            return detail.wide;
        }
        // Every interface has its own of IPv6's last resort.
        let is_last_resort = route.kind == "unreachable" && route.metric == Some(u32::MAX);
        detail.everything || (route.is_default() && !is_last_resort)
    };
    let told: Vec<&Route> = network.routes.iter().filter(is_told).collect();
    let limit = if detail.everything { usize::MAX } else { FEW };
    let mut lines: Vec<String> =
        told.iter().take(limit).flat_map(|route| route_lines(route)).collect();
    let others = network.routes.iter().filter(|route| !route.is_local()).count();
    if !detail.everything && others > told.len() {
        let more = others - told.len();
        lines.push(format!("{more} more route{}", if more == 1 { "" } else { "s" }));
    }
    let rules = network.rules.iter().filter(|rule| detail.wide || !is_of_every_host(rule));
    lines.extend(rules.take(limit).map(rule_line));
    lines.extend(missing_rules(network));
    lines
}

pub(super) fn neighbours(network: &Network) -> Vec<String> {
    let line = |one: &crate::model::network::Neighbour| {
        let interface = one.interface.as_ref().map(ToString::to_string).unwrap_or_default();
        let mac = one.mac.as_deref().unwrap_or("-");
        let flags = one.flags.join(" ");
        format!("neighbour {} dev {interface} {mac} {} {flags}", one.address, one.state)
            .trim_end()
            .to_owned()
    };
    network.neighbours.iter().map(line).collect()
}

fn route_lines(route: &Route) -> Vec<String> {
    let mut line = match route.destination {
        None => "default".to_owned(),
        Some(address) => format!("{address}/{}", route.prefix_length),
    };
    if route.kind != "unicast" {
        line = format!("{} {line}", route.kind);
    }
    if let Some(from) = route.from {
        let _ = write!(line, " from {}", prefix(from));
    }
    if let Some(bits) = route.type_of_service {
        let _ = write!(line, " tos {bits:#x}");
    }
    way(&mut line, route.encapsulation.as_ref(), route.gateway, route.interface.as_ref());
    if let Some(source) = route.preferred_source {
        let _ = write!(line, " src {source}");
    }
    if let Some(metric) = route.metric.filter(|metric| *metric != 0) {
        let _ = write!(line, " metric {metric}");
    }
    if !route.is_main() {
        let number = route.table.to_string();
        let _ = write!(line, " table {}", route.table_name.unwrap_or(&number));
    }
    for flag in &route.flags {
        line.push(' ');
        line.push_str(flag);
    }
    if let Some(mtu) = route.mtu_bytes {
        let _ = write!(line, " mtu {mtu}");
    }
    if let Some(preference) = route.preference.filter(|word| *word != "medium") {
        let _ = write!(line, " pref {preference}");
    }
    if let Some(id) = route.next_hop_id {
        let _ = write!(line, " nhid {id}");
    }
    if let Some(others) = others(&route.other_attributes) {
        let _ = write!(line, " other attributes {others}");
    }
    let hop = |hop: &NextHop| {
        let mut line = "  next hop".to_owned();
        way(&mut line, hop.encapsulation.as_ref(), hop.gateway, hop.interface.as_ref());
        let _ = write!(line, " weight {}", hop.weight);
        for flag in &hop.flags {
            line.push(' ');
            line.push_str(flag);
        }
        line
    };
    std::iter::once(line).chain(route.next_hops.iter().map(hop)).collect()
}

fn prefix(prefix: Prefix) -> String {
    format!("{}/{}", prefix.address, prefix.length)
}

/// What is not known is told by its numbers.
fn others(attributes: &[u16]) -> Option<String> {
    let numbers: Vec<String> = attributes.iter().map(ToString::to_string).collect();
    (!numbers.is_empty()).then(|| numbers.join(","))
}

fn way(
    line: &mut String,
    encapsulation: Option<&Text>,
    gateway: Option<IpAddr>,
    interface: Option<&Text>,
) {
    if let Some(encapsulation) = encapsulation {
        let _ = write!(line, " encap {encapsulation}");
    }
    if let Some(gateway) = gateway {
        let _ = write!(line, " via {gateway}");
    }
    if let Some(interface) = interface {
        let _ = write!(line, " dev {interface}");
    }
}

/// Those that the kernel makes with a namespace.
fn is_of_every_host(rule: &Rule) -> bool {
    let is_made = rule.table_name.is_some_and(|name| MADE.contains(&(rule.priority, name)));
    is_made && *rule == rule.for_any_packet()
}

const MADE: [(u32, &str); 3] = [(0, "local"), (32766, "main"), (32767, "default")];

/// Whoever takes one of those away may ask its table elsewhere.
fn missing_rules(network: &Network) -> Vec<String> {
    let mut lines = Vec::new();
    // IPv6 has no such table as `default`.
    for (family, made, name) in [("inet", 3, ""), ("inet6", 2, " (IPv6)")] {
        let rules = network.rules.iter().filter(|rule| rule.family == family);
        if rules.clone().next().is_none() || network.incomplete_tables.contains(&"rules") {
            continue;
        }
        for (_, table) in MADE.into_iter().take(made) {
            let asks =
                |rule: &Rule| rule.table_name == Some(table) && *rule == rule.for_any_packet();
            if !rules.clone().any(asks) {
                lines.push(format!("no rule asks {table} for every packet{name}"));
            }
        }
    }
    lines
}

fn rule_line(rule: &Rule) -> String {
    let mut line = format!("rule {}", rule.priority);
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(line, " {name} {value}");
        }
    };
    let span = |span: Span| match span {
        Span { first, last } if first == last => first.to_string(),
        Span { first, last } => format!("{first}-{last}"),
    };
    add("not", rule.not.then(String::new));
    let from = rule.from.map_or_else(|| "all".to_owned(), prefix);
    add("from", Some(from));
    add("to", rule.to.map(prefix));
    add("iif", rule.input_interface.as_ref().map(ToString::to_string));
    add("oif", rule.output_interface.as_ref().map(ToString::to_string));
    let mask = |mask: Option<u32>, all: u32| {
        let mask = mask.filter(|mask| *mask != all);
        mask.map(|mask| format!("/{mask:#x}")).unwrap_or_default()
    };
    let masked = |bits: Option<u32>, of: Option<u32>, all: u32| {
        Some(format!("{:#x}{}", bits?, mask(of, all)))
    };
    // Of a mark of 0 the kernel tells the mask alone.
    let mark = rule.mark.or(rule.mark_mask.map(|_| 0));
    add("fwmark", masked(mark, rule.mark_mask, u32::MAX));
    add("tos", rule.type_of_service.map(|bits| format!("{bits:#x}")));
    add("dscp", masked(rule.dscp.map(u32::from), rule.dscp_mask.map(u32::from), 0x3f));
    add("flowlabel", masked(rule.flow_label, rule.flow_label_mask, 0xf_ffff));
    add("tun_id", rule.tunnel_id.map(|id| id.to_string()));
    add("protocol", rule.protocol.map(|protocol| protocol.to_string()));
    let ports = |ports: Option<Span>, of: Option<u16>| {
        Some(format!("{}{}", span(ports?), mask(of.map(u32::from), 0xffff)))
    };
    add("sport", ports(rule.source_ports, rule.source_port_mask));
    add("dport", ports(rule.destination_ports, rule.destination_port_mask));
    add("uid", rule.uids.map(span));
    add("l3mdev", rule.l3mdev.then(String::new));
    add("other attributes", others(&rule.other_attributes));
    let table = rule.table_name.map(str::to_owned).or_else(|| Some(rule.table?.to_string()));
    let aim = rule.goto.map(|priority| priority.to_string()).or(table).unwrap_or_default();
    add(rule.action, Some(aim));
    add("suppress", rule.suppress_prefix_length.map(|length| format!("prefixes up to {length}")));
    add("suppress", rule.suppress_group.map(|group| format!("interfaces of group {group}")));
    if rule.family == "inet6" && rule.from.is_none() && rule.to.is_none() {
        line.push_str(" (IPv6)");
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_for_packets_without_a_mark_is_not_one_for_all() {
        let rule = Rule {
            priority: 102,
            mark_mask: Some(15),
            action: "lookup",
            table: Some(100),
            ..Rule::default()
        };
        assert_eq!(rule_line(&rule), "rule 102 from all fwmark 0x0/0xf lookup 100");
        let marked = Rule { mark: Some(1), mark_mask: Some(u32::MAX), ..rule };
        assert_eq!(rule_line(&marked), "rule 102 from all fwmark 0x1 lookup 100");
    }

    #[test]
    fn a_rule_of_every_host_that_is_missing_is_told() {
        let rule = |family, priority, table| Rule {
            family,
            priority,
            action: "lookup",
            table_name: Some(table),
            ..Rule::default()
        };
        let of = |rules: &[Rule]| {
            missing_rules(&Network { rules: rules.to_vec(), ..Network::default() })
        };
        let v6 = [rule("inet6", 0, "local"), rule("inet6", 32766, "main")];
        assert!(of(&[]).is_empty() && of(&v6).is_empty());
        assert_eq!(of(&v6[..1]), ["no rule asks main for every packet (IPv6)"]);
        let suppressed = Rule { suppress_prefix_length: Some(0), ..rule("inet", 7, "main") };
        let v4 = [rule("inet", 100, "local"), suppressed, rule("inet", 32767, "default")];
        assert_eq!(of(&v4), ["no rule asks main for every packet"]);
        let mut unread = Network { rules: v4.to_vec(), ..Network::default() };
        unread.mark_incomplete("rules");
        assert!(missing_rules(&unread).is_empty());
    }

    #[test]
    fn every_selector_is_told_and_that_there_are_others() {
        let one = |port| Some(Span { first: port, last: port });
        let rule = Rule {
            priority: 7,
            dscp: Some(10),
            dscp_mask: Some(62),
            flow_label: Some(0x12000),
            flow_label_mask: Some(0xf_ffff),
            tunnel_id: Some(42),
            source_ports: one(80),
            source_port_mask: Some(0xfff0),
            destination_ports: one(81),
            destination_port_mask: Some(0xffff),
            action: "lookup",
            table: Some(100),
            suppress_group: Some(3),
            other_attributes: vec![11, 31],
            ..Rule::default()
        };
        assert_eq!(
            rule_line(&rule),
            "rule 7 from all dscp 0xa/0x3e flowlabel 0x12000 tun_id 42 sport 80/0xfff0 dport 81 \
             other attributes 11,31 lookup 100 suppress interfaces of group 3"
        );
    }

    #[test]
    fn a_route_that_is_not_for_all_packets_says_so() {
        let hop = NextHop {
            encapsulation: Some("mpls".into()),
            gateway: "198.51.100.1".parse().ok(),
            weight: 1,
            ..NextHop::default()
        };
        let route = Route {
            kind: "unicast",
            table_name: Some("main"),
            from: Some(Prefix { address: "2001:db8::".parse().unwrap(), length: 48 }),
            type_of_service: Some(0x10),
            encapsulation: Some("seg6".into()),
            interface: Some("eth0".into()),
            preferred_source: "2001:db8::7".parse().ok(),
            preference: Some("high"),
            next_hop_id: Some(9),
            next_hops: vec![hop],
            other_attributes: vec![11],
            ..Route::default()
        };
        assert_eq!(
            route_lines(&route),
            [
                "default from 2001:db8::/48 tos 0x10 encap seg6 dev eth0 src 2001:db8::7 pref high \
                 nhid 9 other attributes 11",
                "  next hop encap mpls via 198.51.100.1 weight 1"
            ]
        );
        let usual = Route { kind: "unicast", preference: Some("medium"), ..Route::default() };
        assert_eq!(route_lines(&usual), ["default table 0"]);
    }
}
