//! The net section: interfaces, the way out, who listens, whom it asks for names.

mod interfaces;
mod routes;
mod sockets;

use super::Detail;
use crate::model::network::{Network, Resolver};
use crate::model::text::Text;

/// Rows of one kind beyond this are counted, unless everything is asked for.
const FEW: usize = 8;

pub(super) fn lines(network: &Network, detail: Detail) -> Vec<String> {
    let mut lines = interfaces::lines(network, detail);
    lines.extend(routes::lines(network, detail));
    if detail.everything {
        lines.extend(routes::neighbours(network));
    }
    if let Some(sockets) = &network.sockets {
        lines.extend(sockets::lines(sockets, detail));
    }
    lines.extend(network.resolver.as_ref().and_then(resolver));
    if detail.everything {
        lines.extend(hosts(network.resolver.as_ref()));
    }
    lines.extend(settings(network, detail));
    if let Some(conntrack) = network.conntrack.filter(|one| one.entries > 0 || detail.everything) {
        let limit = conntrack.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
        lines.push(format!("{}{limit} tracked connections", conntrack.entries));
    }
    if network.incomplete {
        let tables = network.incomplete_tables.join(", ");
        lines.push(format!("incomplete: {tables} changed faster than could be read"));
    }
    if lines.is_empty() {
        lines.push("no interfaces".to_owned());
    }
    lines
}

fn resolver(resolver: &Resolver) -> Option<String> {
    let lists = [
        ("name servers", &resolver.nameservers),
        ("search", &resolver.search),
        ("options", &resolver.options),
    ];
    let told = lists.into_iter().filter(|(_, words)| !words.is_empty());
    let parts: Vec<String> =
        told.map(|(name, words)| format!("{name} {}", joined(words))).collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// A tab of a file is a blank to its reader, and one before a line nothing.
fn without_tabs(line: &Text) -> Text {
    let blank = |byte: &u8| if *byte == b'\t' { b' ' } else { *byte };
    line.as_bytes().trim_ascii_start().iter().map(blank).collect::<Vec<_>>().into()
}

/// What is known without asking.
fn hosts(resolver: Option<&Resolver>) -> Vec<String> {
    let Some(resolver) = resolver else { return Vec::new() };
    let sources = Some(&resolver.hosts_sources).filter(|sources| !sources.is_empty());
    let sources = sources.map(|sources| format!("hosts come from {}", joined(sources)));
    let hosts = resolver.hosts.lines.iter().map(|line| format!("host {}", without_tabs(line)));
    sources.into_iter().chain(hosts).collect()
}

/// Those that are on, and in full those with a number.
fn settings(network: &Network, detail: Detail) -> Vec<String> {
    let settings = &network.settings;
    let mut parts = Vec::new();
    if settings.ipv4_forwarding == Some(true) {
        parts.push("forwards IPv4".to_owned());
    }
    if settings.ipv6_forwarding == Some(true) {
        parts.push("forwards IPv6".to_owned());
    }
    let mut disabled = network.interfaces.iter().filter_map(|one| one.ipv6_disabled).peekable();
    if disabled.peek().is_some() && disabled.all(|disabled| disabled) {
        parts.push("IPv6 is disabled".to_owned());
    }
    let mut lines = Vec::new();
    if detail.everything {
        let numbers = [
            ("somaxconn", settings.accept_queue_limit),
            ("tcp_max_syn_backlog", settings.syn_backlog),
            ("tcp_syncookies", settings.syn_cookies),
            ("tcp_tw_reuse", settings.time_wait_reuse),
            ("ip_unprivileged_port_start", settings.first_unprivileged_port),
        ];
        let told = |(name, value): (&str, Option<u32>)| Some(format!("{name} {}", value?));
        lines.push(numbers.into_iter().filter_map(told).collect::<Vec<_>>().join(" · "));
    }
    lines.insert(0, parts.join(" · "));
    lines.retain(|line| !line.is_empty());
    lines
}

fn joined(words: &[crate::model::text::Text]) -> String {
    words.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
