//! An interface: its namespace, and what is at its other end.

mod graph;
mod tun;
mod world;

use super::Host;
use crate::model::gap::{Gap, Reason};
use crate::model::network::Interface;
use crate::model::trail::{Answer, By, InNet, Owner, Step, Trail};
use graph::{At, Way, World as _};
use std::collections::BTreeSet;
use world::{Net, WHAT};

/// Answers to one clue at most: every namespace may have an interface of that name.
const MOST: usize = 4096;

/// By any of its names: in the reader's network namespace, and where it is not there in every
/// other.
pub(super) fn by_name(host: &Host<'_>, name: &[u8]) -> Vec<Trail> {
    let mut net = Net::new(host.root, host.spaces());
    let trails = match net.named_here(name) {
        Some(at) => lead(host, &mut net, at),
        None => {
            let found = few(host, WHAT, net.named_elsewhere(name));
            let lead = |(at, link)| lead_or_stay(host, &mut net, at, link);
            few(host, WHAT, found.into_iter().flat_map(lead).take(MOST + 1).collect())
        }
    };
    net.gaps.drain(..).for_each(|gap| host.note(gap));
    trails
}

/// By its link-layer address, in every namespace. A veth leads to its other end: a bridge has the
/// address of one of its ports, and does not lead to the others.
pub(super) fn by_mac(host: &Host<'_>, mac: [u8; 6]) -> Vec<Trail> {
    let mut net = Net::new(host.root, host.spaces());
    let bytes: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    let mac = bytes.join(":");
    let places: Vec<usize> = (0..net.spaces.list.len()).collect();
    let found = net.chosen(&places, &|link| link.mac.as_deref() == Some(mac.as_str()));
    let lead = |(at, link): (At, Interface)| {
        if link.kind == "veth" {
            return lead_or_stay(host, &mut net, at, link);
        }
        vec![trail(host, &mut net, &Way { hops: vec![(at, link)], lost: false })]
    };
    let found = few(host, WHAT, found);
    let trails = few(host, WHAT, found.into_iter().flat_map(lead).take(MOST + 1).collect());
    net.gaps.drain(..).for_each(|gap| host.note(gap));
    trails
}

/// Whether a clue may have its end in a namespace that is not listed: the other end of a veth that
/// it led to, or, where nothing was found, of any veth here.
pub(super) fn lead_elsewhere(host: &Host<'_>, answer: &Answer) -> bool {
    let is_lost = |trail: &Trail| {
        matches!((&trail.owner, trail.steps.last()), (Owner::Unknown, Some(Step::Interface { .. })))
    };
    if !answer.trails.is_empty() {
        return answer.trails.iter().any(is_lost);
    }
    let mut net = Net::new(host.root, host.spaces());
    let veths = net.chosen(&[0], &|link| link.kind == "veth");
    let numbers: BTreeSet<u32> =
        veths.iter().filter_map(|(_, link)| u32::try_from(link.peer_nsid?).ok()).collect();
    numbers.into_iter().any(|number| net.numbered(0, number).is_none())
}

fn lead(host: &Host<'_>, net: &mut Net<'_>, at: At) -> Vec<Trail> {
    let ways = few(host, WHAT, graph::follow(net, at, MOST + 1));
    ways.iter().map(|way| trail(host, net, way)).collect()
}

/// The first of many, and a gap for the others.
pub(super) fn few<T>(host: &Host<'_>, what: &'static str, mut found: Vec<T>) -> Vec<T> {
    if found.len() > MOST {
        let object = format!("more than {MOST}").into();
        host.note(Gap { object, what, reason: Reason::Truncated });
        found.truncate(MOST);
    }
    found
}

/// Where its namespace is a container's it is all there is to know, unless that runs others.
fn lead_or_stay(host: &Host<'_>, net: &mut Net<'_>, at: At, link: Interface) -> Vec<Trail> {
    if net.standing(at.0) == graph::Standing::Owned && !graph::is_inner(&link) {
        return vec![trail(host, net, &Way { hops: vec![(at, link)], lost: false })];
    }
    lead(host, net, at)
}

fn trail(host: &Host<'_>, net: &mut Net<'_>, way: &Way) -> Trail {
    let spaces = net.spaces;
    let step = |((space, _), link): &(At, Interface)| step(link, spaces.seen_at(*space));
    let mut steps: Vec<Step> = way.hops.iter().map(step).collect();
    let Some(((space, index), link)) = way.hops.last() else {
        return Trail { steps, owner: Owner::Unknown };
    };
    if way.lost {
        return Trail { steps, owner: Owner::Unknown };
    }
    if link.kind == "tun" && net.standing(*space) != graph::Standing::Owned {
        net.is_held((*space, *index), link);
        let inode = spaces.list.get(*space).and_then(|space| space.inode);
        let mut holders = net.holders.iter().flatten();
        if let Some(holder) = holders.find(|holder| holder.serves(&link.name, inode))
            && let Some(Step::Process { comm, .. }) = host.process(holder.pid)
        {
            let (pid, by) = (holder.pid, By::Descriptor { number: holder.number });
            steps.push(Step::Use { pid, comm, by });
            return Trail { steps, owner: host.owner_of(pid) };
        }
    }
    Trail { steps, owner: owner(host, *space) }
}

/// Whose a network namespace is, by its place in the list of all.
pub(super) fn owner(host: &Host<'_>, place: usize) -> Owner {
    let process = host.spaces().list.get(place).and_then(|space| space.processes.first());
    match (host.owner_of_space(place), process) {
        (Owner::Host { unit: None }, Some(pid)) => host.owner_of(*pid),
        (owner, _) => owner,
    }
}

pub(super) fn step(link: &Interface, at: InNet) -> Step {
    Step::Interface { name: link.name.clone(), index: link.index, kind: link.kind.clone(), at }
}
