//! The sockets of every network namespace that a port means: from the kernel where a namespace may
//! be entered, else from the files of a process in it.

use super::{Query, is_loopback, same};
use crate::collect::netspaces::{NetSpace, addresses_outside};
use crate::collect::who::Host;
use crate::model::gap::{Gap, Reason};
use crate::model::network::{Protocol, Socket};
use crate::model::process::Pid;
use crate::sys::bounded;
use crate::sys::netlink::roam::{Row, Wanted};
use crate::sys::proc::sockets;
use std::net::IpAddr;
use std::os::fd::AsFd;

/// A process that has ended is not the last one of its namespace.
const TRIED: usize = 8;

/// Those of one namespace.
#[derive(Debug)]
pub(super) struct InPlace {
    pub place: usize,
    pub sockets: Vec<Socket>,
    /// Whether it has the address that is asked for.
    pub has_address: bool,
}

/// What is read, in the words of a gap.
const WHAT: &str = "sockets";

pub(super) fn read(host: &Host<'_>, query: &Query) -> Vec<InPlace> {
    let spaces = host.spaces();
    let all: Vec<usize> = (0..spaces.list.len()).collect();
    let tcp = query.has_protocol(Protocol::Tcp);
    let wanted = Wanted {
        addresses: query.address.is_some(),
        listening: tcp,
        connected: tcp,
        udp: query.has_protocol(Protocol::Udp),
        ..Wanted::default()
    };
    let mut keep = |row: &Row| match row {
        Row::Socket(socket, _) => query.may_mean(socket),
        Row::Address(_, one) => query.address.is_some_and(|asked| gives(one.address, asked)),
        _ => false,
    };
    let mut visited = spaces.read(host.root, &all, wanted, WHAT, &mut keep);
    let missed: Vec<usize> = visited.missed.iter().map(|(place, _)| *place).collect();
    let outside = missed.iter().filter_map(|place| {
        let space = spaces.list.get(*place)?;
        from_outside(host, query, *place, space)
    });
    let outside: Vec<InPlace> = outside.collect();
    visited.forgive(spaces, WHAT, |place| outside.iter().any(|one| one.place == place));
    visited.gaps.into_iter().for_each(|gap| host.note(gap));
    let mut places: Vec<InPlace> = visited
        .found
        .into_iter()
        .map(|(place, found)| {
            let mut one = InPlace { place, sockets: Vec::new(), has_address: false };
            for row in found.rows {
                match row {
                    Row::Socket(socket, _) => one.sockets.push(*socket),
                    Row::Address(..) => one.has_address = true,
                    _ => {}
                }
            }
            one
        })
        .collect();
    places.extend(outside);
    places.sort_by_key(|one| one.place);
    places
}

/// An address of loopback stands for all of them.
fn gives(address: IpAddr, asked: IpAddr) -> bool {
    let both = |is: fn(IpAddr) -> bool| is(address) && is(asked);
    same(address, asked)
        || both(is_loopback) && address.to_canonical().is_ipv4() == asked.to_canonical().is_ipv4()
}

/// `None`: no process of it is left that shows it.
fn from_outside(host: &Host<'_>, query: &Query, place: usize, space: &NetSpace) -> Option<InPlace> {
    let first = space.of_host.then(|| Pid::new(1)).flatten();
    let pids = first.iter().chain(&space.processes).take(TRIED);
    let (pid, mut sockets, cut) = pids.copied().find_map(|pid| {
        let (sockets, cut) = of_process(host, query, pid)?;
        Some((pid, sockets, cut))
    })?;
    if cut {
        let object = format!("pid {pid}").into();
        host.note(Gap { object, what: WHAT, reason: Reason::Truncated });
    }
    sockets.sort_by_key(|socket| (socket.protocol, socket.address, socket.port, socket.inode));
    let has_address = query.address.is_some_and(|asked| {
        let addresses = addresses_outside(host.root, pid).unwrap_or_default();
        is_loopback(asked) || addresses.iter().any(|one| same(*one, asked))
    });
    Some(InPlace { place, sockets, has_address })
}

/// True: there are more than is read. `None`: the process has ended.
fn of_process(host: &Host<'_>, query: &Query, pid: Pid) -> Option<(Vec<Socket>, bool)> {
    let dir = host.root.process(pid).ok()?;
    let (mut found, mut cut, mut table) = (Vec::new(), false, Vec::new());
    let mut any = false;
    for (protocol, name) in [
        (Protocol::Tcp, "net/tcp"),
        (Protocol::Tcp, "net/tcp6"),
        (Protocol::Udp, "net/udp"),
        (Protocol::Udp, "net/udp6"),
    ] {
        if !query.has_protocol(protocol) {
            continue;
        }
        // A kernel without IPv6 lacks two of them.
        let read = bounded::open_file(dir.as_fd(), name)
            .and_then(|file| bounded::read_table(file.as_fd(), bounded::LARGE, &mut table));
        let object = || format!("pid {pid}").into();
        let Some(more) = host.root.reach().told(object, WHAT, read) else { continue };
        any = true;
        cut |= more;
        sockets::parse(protocol, &table, &mut |socket| {
            if query.may_mean(&socket) {
                found.push(socket);
            }
        });
    }
    any.then_some((found, cut))
}
