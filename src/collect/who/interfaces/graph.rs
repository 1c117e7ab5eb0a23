//! From an interface to the namespaces at the other end, through any number of hops. Pure: what is
//! beside an interface is asked of a [`World`].

use crate::model::network::Interface;
use std::collections::HashSet;

/// An interface: the place of its namespace in the list of all, and its index there.
pub(super) type At = (usize, u32);

/// Whose a namespace is, as far as a way through it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The reader's, or the host's. A way that comes back to it has led nowhere.
    Home,
    /// A container's: a way from elsewhere ends here.
    Owned,
    /// A way may pass through.
    Nobodys,
}

/// What is known of interfaces.
pub(super) trait World {
    fn standing(&self, space: usize) -> Standing;
    /// These are about to be asked for.
    fn prepare(&mut self, next: &[At]);
    fn link(&mut self, at: At) -> Option<Interface>;
    /// Those whose master it is, in the same namespace.
    fn ports(&mut self, master: At) -> Vec<At>;
    /// What stands on it, in any namespace: VLANs, macvlans, …, but no peers of veths.
    fn upon(&mut self, lower: At) -> Vec<At>;
    /// The namespace that another calls by a number.
    fn numbered(&mut self, space: usize, number: u32) -> Option<usize>;
    /// Whether a process is at the other end of a tun or tap interface.
    fn is_held(&mut self, at: At, link: &Interface) -> bool;
}

/// One way, from the clue to its end.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// Each with the namespace it is in.
    pub hops: Vec<(At, Interface)>,
    /// It goes on where nobody can look.
    pub lost: bool,
}

/// How an interface was come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Clue,
    /// From the other end of a veth.
    Peer,
    /// From what it stands on.
    Lower,
    /// From the bridge that it is a port of.
    Master,
    /// From one of its ports.
    Port,
}

/// Interfaces that one clue leads to at most.
const MOST: usize = 1 << 16;
/// A way that is longer was made to be.
const MOST_HOPS: usize = 64;

/// Every way that begins at `clue`, up to `most`; the interface alone where nothing leads on.
pub(super) fn follow(world: &mut dyn World, clue: At, most: usize) -> Vec<Way> {
    let Some(link) = world.link(clue) else { return Vec::new() };
    let mut walk = Walk { nodes: Vec::new(), seen: HashSet::new() };
    walk.add(clue, link, None, By::Clue);
    let mut done = 0;
    while done < walk.nodes.len() {
        done = walk.go_on(world, done);
    }
    walk.ways(most)
}

/// A bridge of a container's own and what is plugged into it are of those that it runs.
pub(super) fn is_inner(link: &Interface) -> bool {
    is_switch(link) || (link.kind == "veth" && link.master.is_some())
}

fn is_switch(link: &Interface) -> bool {
    link.kind == "bridge" || link.kind == "openvswitch"
}

struct Node {
    at: At,
    link: Interface,
    from: Option<usize>,
    /// How many are before it.
    hops: usize,
    by: By,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It may go on.
    Open,
    /// Here is an owner.
    Owner,
    /// It has come back.
    Home,
    /// It goes on where nobody can look.
    Lost,
}

struct Walk {
    nodes: Vec<Node>,
    seen: HashSet<At>,
}

impl Walk {
    fn add(&mut self, at: At, link: Interface, from: Option<usize>, by: By) {
        if self.nodes.len() < MOST && self.seen.insert(at) {
            let before = from.and_then(|from| self.nodes.get(from));
            let hops = before.map_or(0, |before| before.hops + 1);
            let end = if hops < MOST_HOPS { End::Open } else { End::Lost };
            self.nodes.push(Node { at, link, from, hops, by, end });
        }
    }

    /// One hop further from every node since `done`.
    fn go_on(&mut self, world: &mut dyn World, done: usize) -> usize {
        let end = self.nodes.len();
        let mut next: Vec<(At, usize, By)> = Vec::new();
        for place in done..end {
            let found = self.expand(world, place);
            next.extend(found.into_iter().map(|(at, by)| (at, place, by)));
        }
        next.retain(|(at, ..)| !self.seen.contains(at));
        world.prepare(&next.iter().map(|(at, ..)| *at).collect::<Vec<_>>());
        for (at, from, by) in next {
            match world.link(at) {
                Some(link) => self.add(at, link, Some(from), by),
                // The namespace of a veth's other end may not be entered.
                None if by == By::Peer => self.end(from, End::Lost),
                None => {}
            }
        }
        end
    }

    fn end(&mut self, place: usize, end: End) {
        if let Some(node) = self.nodes.get_mut(place) {
            node.end = end;
        }
    }

    fn expand(&mut self, world: &mut dyn World, place: usize) -> Vec<(At, By)> {
        let Some(node) = self.nodes.get(place) else { return Vec::new() };
        let (at, by, link) = (node.at, node.by, &node.link);
        let before = node.from.and_then(|from| self.nodes.get(from)).map(|node| node.at);
        let came_from_elsewhere = before.is_some_and(|(space, _)| space != at.0);
        let is = |kind: &str| link.kind == kind;
        let is_inner = by == By::Master || (by == By::Clue && is_inner(link));
        match world.standing(at.0) {
            Standing::Owned if !is_inner => {
                self.end(place, End::Owner);
                return Vec::new();
            }
            Standing::Home if came_from_elsewhere => {
                self.end(place, End::Home);
                return Vec::new();
            }
            // The cable of a namespace of nobody's is that namespace's, and not its neighbour's.
            Standing::Nobodys if by == By::Peer && came_from_elsewhere => {
                let from = node.from.and_then(|from| self.nodes.get(from));
                let is_cable = |from: &Node| from.by == By::Clue && from.link.master.is_none();
                let is_nobodys = |from: &Node| world.standing(from.at.0) == Standing::Nobodys;
                if from.is_some_and(|from| is_cable(from) && is_nobodys(from)) {
                    self.end(place, End::Home);
                    return Vec::new();
                }
            }
            _ => {}
        }
        if node.end == End::Lost {
            return Vec::new();
        }
        if is("tun") && world.is_held(at, link) {
            self.end(place, End::Owner);
            return Vec::new();
        }
        let mut next = Vec::new();
        let mut lost = false;
        if is("veth") && by != By::Peer {
            match peer(world, at, link) {
                Peer::At(peer) => next.push((peer, By::Peer)),
                Peer::Unseen => lost = true,
                Peer::None => {}
            }
        }
        let is_single = is("veth") || is("tun");
        // A bond that one of its own ports leads to does not lead to the others.
        if !is_single && (is_switch(link) || !matches!(by, By::Master | By::Port)) {
            next.extend(world.ports(at).into_iter().map(|port| (port, By::Master)));
        }
        // Behind the port of a bridge is its cable; what else stands on it is no part of the bridge.
        if by != By::Master && !(is_single && by == By::Clue) {
            next.extend(world.upon(at).into_iter().map(|upper| (upper, By::Lower)));
        }
        if let Some(master) = link.master
            && by != By::Master
            // Its own bridge would lead to everybody.
            && !(is_single && by == By::Clue)
        {
            next.push(((at.0, master), By::Port));
        }
        if lost {
            self.end(place, End::Lost);
        }
        next
    }

    /// A namespace that belongs to nobody is where a way ends if nothing behind it is.
    fn ways(self, most: usize) -> Vec<Way> {
        let mut leads = vec![false; self.nodes.len()];
        let mut ends = Vec::new();
        for (place, node) in self.nodes.iter().enumerate().rev() {
            let before = node.from.and_then(|from| self.nodes.get(from));
            let enters = before.is_none_or(|before| before.at.0 != node.at.0);
            let leads_on = leads.get(place).copied().unwrap_or(false);
            let is_end = match node.end {
                End::Owner | End::Lost => true,
                End::Home => false,
                End::Open => enters && !leads_on,
            };
            if is_end {
                ends.push(place);
            }
            if (is_end || leads_on)
                && let Some(before) = node.from.and_then(|from| leads.get_mut(from))
            {
                *before = true;
            }
        }
        ends.into_iter().rev().take(most).map(|place| self.way(place)).collect()
    }

    fn way(&self, end: usize) -> Way {
        let mut hops = Vec::new();
        let mut next = self.nodes.get(end);
        let lost = next.is_some_and(|node| node.end == End::Lost);
        while let Some(node) = next {
            hops.push((node.at, node.link.clone()));
            next = node.from.and_then(|from| self.nodes.get(from));
        }
        hops.reverse();
        Way { hops, lost }
    }
}

enum Peer {
    At(At),
    /// In a namespace that nothing shows.
    Unseen,
    None,
}

fn peer(world: &mut dyn World, (space, own): At, link: &Interface) -> Peer {
    let Some(index) = link.peer_index else {
        return if link.peer_nsid.is_some() { Peer::Unseen } else { Peer::None };
    };
    match link.peer_nsid {
        None if index == own => Peer::None,
        None => Peer::At((space, index)),
        Some(number) => {
            let there = u32::try_from(number).ok();
            match there.and_then(|number| world.numbered(space, number)) {
                Some(there) => Peer::At((there, index)),
                None => Peer::Unseen,
            }
        }
    }
}

#[cfg(test)]
mod tests;
