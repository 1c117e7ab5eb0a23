//! Sockets: who listens where, how many connections there are; in full each of them.

use super::FEW;
use crate::model::network::{Socket, Sockets};
use crate::render::inspect::Detail;
use crate::render::table::align;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

pub(super) fn lines(sockets: &Sockets, detail: Detail) -> Vec<String> {
    let limit = if detail.everything { usize::MAX } else { FEW };
    let mut lines = rows(sockets.listening.iter().take(limit).map(listener));
    let untold = sockets.listening.len().saturating_sub(limit) as u64;
    let more = untold + sockets.unlisted_listening;
    if more > 0 {
        lines.push(format!("{more} more listen"));
    }
    let mut parts: Vec<String> = sockets
        .tcp
        .connected()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {}", state.replace('_', " ")))
        .collect();
    if let Some(ports) = sockets.ephemeral_ports.as_ref().filter(|ports| ports.used > 0) {
        parts.push(format!("{} of {} ephemeral ports", ports.used, ports.available()));
    }
    if !parts.is_empty() {
        lines.push(format!("tcp  {}", parts.join(" · ")));
    }
    if detail.everything {
        lines.extend(rows(sockets.connected.iter().map(connection)));
        let more = sockets.unlisted.saturating_sub(sockets.unlisted_listening);
        if more > 0 {
            lines.push(format!("{more} more connections"));
        }
    }
    if let Some(counters) = sockets.tcp_counters
        && detail.everything
    {
        let counts = [
            ("segments sent", counters.segments_sent),
            ("sent again", counters.segments_retransmitted),
            ("accept queue overflows", counters.listen_overflows),
            ("dropped by listeners", counters.listen_drops),
        ];
        let told = |(name, count): (&str, Option<u64>)| Some(format!("{name} {}", count?));
        lines.push(counts.into_iter().filter_map(told).collect::<Vec<_>>().join(" · "));
    }
    lines
}

fn rows(cells: impl Iterator<Item = [String; 4]>) -> Vec<String> {
    let cells: Vec<Vec<String>> = cells.map(Vec::from).collect();
    align(cells, &[false; 4]).lines().map(str::to_owned).collect()
}

fn listener(socket: &Socket) -> [String; 4] {
    let queue = if socket.state == "listen" {
        format!("queue {} of {}", socket.receive_queue, socket.send_queue)
    } else {
        String::new()
    };
    [socket.protocol.name().to_owned(), own(socket), owner(socket), queue]
}

fn connection(socket: &Socket) -> [String; 4] {
    let peer = socket.peer_address.zip(socket.peer_port);
    let peer = peer.map(|(address, port)| spelled(address, port)).unwrap_or_default();
    let ends = format!("{} {peer}", own(socket));
    [socket.protocol.name().to_owned(), ends, socket.state.replace('_', " "), owner(socket)]
}

fn own(socket: &Socket) -> String {
    let mut text = spelled(socket.address, socket.port);
    if let Some(interface) = &socket.interface {
        let _ = write!(text, " on {interface}");
    }
    text
}

fn spelled(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

/// `nginx (30176)`, and how many others hold it too.
fn owner(socket: &Socket) -> String {
    let Some(first) = socket.owners.first() else { return String::new() };
    let more = match socket.owner_processes {
        0 | 1 => String::new(),
        processes => format!(" +{}", processes - 1),
    };
    match &first.comm {
        Some(comm) => format!("{comm} ({}){more}", first.pid),
        None => format!("pid {}{more}", first.pid),
    }
}
