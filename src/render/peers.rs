//! Conversations as rows.

use super::column::{Column, Style, cuttable, left, number, or_dash};
use crate::model::conversation::{Conversation, Count, Holder, Party, Seen, Service};
use crate::model::trail::Published;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

type Row = Column<Conversation>;

/// All that `--columns` can name.
pub const COLUMNS: [Row; 13] = [
    left("proto", "PROTO", |one, _| one.protocol.name().to_owned()),
    left("dir", "DIR", |one, _| one.direction.name().to_owned()),
    cuttable("service", "SERVICE", |one, _| or_dash(one.service.as_ref().map(service))),
    cuttable("peer", "PEER", |one, _| peer(one)),
    left("runtime", "RUNTIME", |one, _| match &one.peer {
        Party::Container { runtime, .. } => runtime.to_string(),
        Party::Host { .. } => "host".to_owned(),
        _ => "-".to_owned(),
    }),
    cuttable("process", "PROCESS", |one, style| holders(&one.remote, style)),
    cuttable("address", "PEER ADDRESS", |one, _| address(one)),
    cuttable("via", "VIA", |one, _| or_dash(one.via.as_ref().map(published))),
    cuttable("local", "LOCAL PROCESS", |one, style| holders(&one.local, style)),
    left("seen", "SEEN", |one, _| seen(one.seen).to_owned()),
    cuttable("target", "TARGET", |one, _| match &one.peer {
        Party::Container { target, .. } => target.to_string(),
        _ => "-".to_owned(),
    }),
    cuttable("state", "STATE", states),
    number("count", "COUNT", |one, _| one.connections.to_string()),
];

const DEFAULT: [&str; 9] =
    ["proto", "dir", "service", "peer", "runtime", "process", "address", "state", "count"];
const WIDE: [&str; 12] = [
    "proto", "dir", "service", "peer", "runtime", "process", "address", "via", "local", "seen",
    "state", "count",
];

/// What is shown unless something else is asked for; `wide` is `-o wide`.
pub fn default_columns(wide: bool) -> &'static [&'static str] {
    if wide { &WIDE } else { &DEFAULT }
}

/// What `-o name` prints: each other party once, a line each; a container as it is spelled as a
/// target.
pub fn names(rows: &[Conversation]) -> String {
    let name = |one: &Conversation| match &one.peer {
        Party::Container { target, .. } => target.to_string(),
        Party::Outside | Party::Unknown => address(one),
        _ => peer(one),
    };
    rows.iter().map(name).collect::<BTreeSet<_>>().into_iter().map(|name| name + "\n").collect()
}

/// `198.51.100.2:80`, `*:443`, `/run/docker.sock`, `@name`
fn service(service: &Service) -> String {
    match service {
        Service::Port { address: Some(address), port } => {
            SocketAddr::new(*address, *port).to_string()
        }
        Service::Port { address: None, port } => format!("*:{port}"),
        Service::Path { path } => path.to_string(),
        Service::Abstract { name } => format!("@{name}"),
    }
}

fn peer(one: &Conversation) -> String {
    let name = match &one.peer {
        Party::Container { name, .. } => name.to_string(),
        Party::Host { comm: Some(comm) } => comm.to_string(),
        Party::Host { comm: None } => "host".to_owned(),
        Party::Namespace { name: Some(name), .. } => format!("netns {name}"),
        Party::Namespace { name: None, inode } => format!("net:[{inode}]"),
        Party::Outside => "outside".to_owned(),
        Party::Unknown => "unknown".to_owned(),
    };
    match one.alternatives {
        0 => name,
        1 => format!("{name} or 1 other"),
        many => format!("{name} or {many} others"),
    }
}

fn address(one: &Conversation) -> String {
    match (one.peer_address, one.peer_addresses) {
        (Some(address), _) => address.to_string(),
        (None, 0) => "-".to_owned(),
        (None, many) => format!("{many} addresses"),
    }
}

/// `nginx (812)`; of several the first and how many more, as far as they are told.
fn holders(holders: &[Holder], style: Style) -> String {
    let text = |holder: &Holder| match &holder.comm {
        Some(comm) => format!("{comm} ({})", holder.pid),
        None => format!("pid {}", holder.pid),
    };
    match holders {
        [] => "-".to_owned(),
        [first, rest @ ..] if !style.whole && !rest.is_empty() => {
            format!("{} +{}", text(first), rest.len())
        }
        all => all.iter().map(text).collect::<Vec<_>>().join(", "),
    }
}

/// As `docker ps` has it: `198.51.100.1:8080->80/tcp`
fn published(published: &Published) -> String {
    let host = match published.host_address {
        Some(IpAddr::V6(address)) => format!("[{address}]"),
        Some(IpAddr::V4(address)) => address.to_string(),
        None => "*".to_owned(),
    };
    let Published { host_port, container_port, protocol, .. } = published;
    format!("{host}:{host_port}->{container_port}/{}", protocol.name())
}

const fn seen(seen: Seen) -> &'static str {
    match seen {
        Seen::Socket => "socket",
        Seen::Listener => "listener",
        Seen::Published => "published",
        Seen::Address => "address",
        Seen::Nothing => "-",
    }
}

/// `established 3, time_wait 1`; one alone without its number, which is the count.
fn states(one: &Conversation, _: Style) -> String {
    match one.states.as_slice() {
        [only] => only.state.to_owned(),
        all => {
            let text = |one: &Count| format!("{} {}", one.state, one.connections);
            all.iter().map(text).collect::<Vec<_>>().join(", ")
        }
    }
}
