//! A socket by its inode: what it is, the network namespace it is in, and every process that holds
//! it.

use super::holders::{self, Extent, Holder, Holders};
use super::{Host, one_for_each, ports};
use crate::collect::namespaces::descriptors;
use crate::model::namespace::{Kind, NsKey};
use crate::model::trail::{By, InNet, Owner, Step, Trail};
use crate::sys::netlink::roam::{Row, Wanted};
use crate::sys::ns;
use crate::sys::pidfd::ProcessHandle;
use std::collections::{BTreeSet, HashSet};
use std::os::fd::AsFd;

/// What is read, in the words of a gap.
const WHAT: &str = "sockets";

const TABLES: Wanted = Wanted {
    links: false,
    addresses: false,
    listening: true,
    connected: true,
    udp: true,
    unix: true,
};

pub(super) fn by_inode(host: &Host<'_>, inode: u64) -> Vec<Trail> {
    let inodes = HashSet::from([inode]);
    let holders = holders::find(host.root, &inodes, &BTreeSet::new(), Extent::Everybody);
    if let Some(gap) = holders.gap() {
        host.note(gap);
    }
    let namespace = holders.of(inode).iter().find_map(|holder| namespace_of(host, *holder, inode));
    let found = in_tables(host, inode, namespace);
    if found.is_none() && holders.of(inode).is_empty() {
        return Vec::new();
    }
    let namespace =
        found.as_ref().map_or(namespace, |(place, _)| host.spaces().list.get(*place)?.inode);
    let step = match &found {
        Some((place, row)) => step(host, *place, row, inode),
        None => Step::OtherSocket { inode, at: at(host, namespace) },
    };
    let mut steps = vec![step];
    steps.extend(namespace.and_then(|inode| name_step(host, inode)));
    let mut trails = held(host, &steps, holders.of(inode));
    if trails.is_empty() {
        let owner = without_holder(host, &holders, found.map(|(place, _)| place), namespace);
        trails.push(Trail { steps, owner });
    }
    trails
}

/// One for each process.
fn held(host: &Host<'_>, steps: &[Step], holders: &[Holder]) -> Vec<Trail> {
    let mut trails: Vec<Trail> = holders
        .iter()
        .filter_map(|holder| {
            let Some(Step::Process { pid, comm, .. }) = host.process(holder.pid) else {
                return None;
            };
            let by = match holder.thread {
                Some(thread) => By::Thread { thread },
                None => By::Descriptor { number: holder.descriptor },
            };
            let mut steps = steps.to_vec();
            steps.push(Step::Use { pid, comm, by });
            Some(Trail { steps, owner: host.owner_of(pid) })
        })
        .collect();
    // A process may hold it by several descriptors.
    one_for_each(&mut trails, |trail| match trail.steps.last() {
        Some(Step::Use { pid, .. }) => Some(*pid),
        _ => None,
    });
    trails
}

/// Whose it is by the namespace that it is in: of a closed one that is still in a table, or on its
/// way from one process to another.
fn without_holder(
    host: &Host<'_>,
    holders: &Holders,
    place: Option<usize>,
    namespace: Option<u64>,
) -> Owner {
    match (place, namespace) {
        (Some(place), _) => ports::owner_of_place(host, place, !holders.is_complete()),
        (None, Some(inode)) => {
            host.owner_of_namespace(NsKey { kind: Kind::Net, inode }, None, None)
        }
        (None, None) => Owner::Unknown,
    }
}

/// By a copy of the socket, which is closed at once.
fn namespace_of(host: &Host<'_>, holder: Holder, inode: u64) -> Option<u64> {
    let process = ProcessHandle::open(host.root, holder.pid).ok()?;
    let namespace =
        descriptors::of_this_socket(process.pidfd().ok()?, holder.descriptor, inode).ok()?;
    ns::inode(namespace.as_fd()).ok()
}

/// The row that tells of it. Where its namespace is known only that is looked into.
fn in_tables(host: &Host<'_>, inode: u64, namespace: Option<u64>) -> Option<(usize, Row)> {
    let spaces = host.spaces();
    let place = namespace.and_then(|inode| spaces.place_of(inode));
    let places = place.map_or_else(|| (0..spaces.list.len()).collect(), |place| vec![place]);
    if namespace.is_some() && place.is_none() {
        return None;
    }
    let mut is_it = |row: &Row| match row {
        Row::Socket(socket, _) => socket.inode.map(u64::from) == Some(inode),
        Row::Unix(socket) => socket.inode == inode,
        _ => false,
    };
    let visited = spaces.read(host.root, &places, TABLES, WHAT, &mut is_it);
    let mut rows = visited
        .found
        .into_iter()
        .flat_map(|(place, found)| found.rows.into_iter().map(move |row| (place, row)));
    let found = rows.next();
    if found.is_none() {
        visited.gaps.into_iter().for_each(|gap| host.note(gap));
    }
    found
}

fn step(host: &Host<'_>, place: usize, row: &Row, inode: u64) -> Step {
    let at = host.spaces().seen_at(place);
    match row {
        Row::Socket(socket, _) => Step::Socket {
            protocol: socket.protocol,
            state: socket.state,
            address: socket.address,
            port: socket.port,
            peer_address: socket.peer_address,
            peer_port: socket.peer_port,
            inode: Some(inode),
            sockets: 1,
            at,
        },
        Row::Unix(socket) => Step::UnixSocket {
            kind: socket.kind,
            state: socket.state,
            inode,
            path: socket.name.clone(),
            peer: socket.peer,
            at,
        },
        _ => Step::OtherSocket { inode, at },
    }
}

/// What its namespace is called, where that is not the reader's.
fn name_step(host: &Host<'_>, inode: u64) -> Option<Step> {
    let space = host.spaces().find(at(host, Some(inode)).namespace?)?;
    space.step().filter(|_| space.name.is_some())
}

fn at(host: &Host<'_>, namespace: Option<u64>) -> InNet {
    let own = host.spaces().own().and_then(|own| own.inode);
    InNet {
        namespace: namespace.filter(|inode| Some(*inode) != own),
        namespace_known: namespace.is_some(),
    }
}
