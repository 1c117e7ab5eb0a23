//! The way out: default routes and whatever is not on every host; in full the rest.

use super::FEW;
use crate::model::network::{Network, NextHop, Prefix, Route, Rule, Span};
use crate::render::inspect::Detail;
use std::fmt::Write as _;

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
    way(&mut line, route.gateway, route.interface.as_ref());
    if let Some(source) = route.preferred_source.filter(|_| !route.is_default()) {
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
    let hop = |hop: &NextHop| {
        let mut line = "  next hop".to_owned();
        way(&mut line, hop.gateway, hop.interface.as_ref());
        let _ = write!(line, " weight {}", hop.weight);
        for flag in &hop.flags {
            line.push(' ');
            line.push_str(flag);
        }
        line
    };
    std::iter::once(line).chain(route.next_hops.iter().map(hop)).collect()
}

fn way(
    line: &mut String,
    gateway: Option<std::net::IpAddr>,
    interface: Option<&crate::model::text::Text>,
) {
    if let Some(gateway) = gateway {
        let _ = write!(line, " via {gateway}");
    }
    if let Some(interface) = interface {
        let _ = write!(line, " dev {interface}");
    }
}

/// Those that the kernel makes with a namespace.
fn is_of_every_host(rule: &Rule) -> bool {
    let made = [(0, "local"), (32766, "main"), (32767, "default")];
    let plain = Rule {
        family: rule.family,
        priority: rule.priority,
        action: "lookup",
        table: rule.table,
        table_name: rule.table_name,
        ..Rule::default()
    };
    rule.table_name.is_some_and(|name| made.contains(&(rule.priority, name))) && *rule == plain
}

fn rule_line(rule: &Rule) -> String {
    let mut line = format!("rule {}", rule.priority);
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(line, " {name} {value}");
        }
    };
    let prefix = |prefix: Prefix| format!("{}/{}", prefix.address, prefix.length);
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
    let mask = rule.mark_mask.filter(|mask| *mask != u32::MAX);
    let mask = mask.map(|mask| format!("/{mask:#x}")).unwrap_or_default();
    // Of a mark of 0 the kernel tells the mask alone.
    let mark = rule.mark.or(rule.mark_mask.map(|_| 0));
    add("fwmark", mark.map(|mark| format!("{mark:#x}{mask}")));
    add("tos", rule.type_of_service.map(|bits| format!("{bits:#x}")));
    add("protocol", rule.protocol.map(|protocol| protocol.to_string()));
    add("sport", rule.source_ports.map(span));
    add("dport", rule.destination_ports.map(span));
    add("uid", rule.uids.map(span));
    add("l3mdev", rule.l3mdev.then(String::new));
    let table = rule.table_name.map(str::to_owned).or_else(|| Some(rule.table?.to_string()));
    let aim = rule.goto.map(|priority| priority.to_string()).or(table).unwrap_or_default();
    add(rule.action, Some(aim));
    add("suppress", rule.suppress_prefix_length.map(|length| format!("prefixes up to {length}")));
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
}
