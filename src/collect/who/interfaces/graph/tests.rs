//! Ways through made-up networks: tables in, trails out.

use super::*;
use std::collections::{BTreeMap, HashMap};

/// The first namespace is the reader's.
struct Made {
    spaces: Vec<(Standing, BTreeMap<u32, Interface>)>,
    numbers: HashMap<(usize, u32), usize>,
    held: Vec<At>,
    prepared: HashSet<usize>,
}

const OWN: usize = 0;

fn made(standings: &[Standing]) -> Made {
    let mut spaces = vec![(Standing::Home, BTreeMap::new())];
    spaces.extend(standings.iter().map(|standing| (*standing, BTreeMap::new())));
    Made { spaces, numbers: HashMap::new(), held: Vec::new(), prepared: HashSet::from([OWN]) }
}

impl Made {
    fn link(&mut self, space: usize, name: &str, kind: &str) -> At {
        let table = &mut self.spaces[space].1;
        let index = u32::try_from(table.len() + 1).unwrap();
        let link = Interface { index, name: name.into(), kind: kind.into(), ..<_>::default() };
        table.insert(index, link);
        (space, index)
    }

    fn at(&mut self, at: At) -> &mut Interface {
        self.spaces[at.0].1.get_mut(&at.1).unwrap()
    }

    /// As the kernel tells it: an index, and a number where it is elsewhere.
    fn lead(&mut self, from: At, to: At) {
        let number = u32::try_from(10 * from.0 + to.0).unwrap();
        self.numbers.insert((from.0, number), to.0);
        let nsid = (from.0 != to.0).then(|| number.cast_signed());
        let link = self.at(from);
        (link.peer_index, link.peer_nsid) = (Some(to.1), nsid);
    }

    fn veth(
        &mut self,
        (left, left_name): (usize, &str),
        (right, right_name): (usize, &str),
    ) -> (At, At) {
        let (left, right) =
            (self.link(left, left_name, "veth"), self.link(right, right_name, "veth"));
        self.lead(left, right);
        self.lead(right, left);
        (left, right)
    }

    fn upper(&mut self, space: usize, name: &str, kind: &str, lower: At) -> At {
        let upper = self.link(space, name, kind);
        self.lead(upper, lower);
        upper
    }

    fn enslave(&mut self, port: At, master: At) {
        assert_eq!(port.0, master.0);
        self.at(port).master = Some(master.1);
    }

    /// `a > b@1`, and a question mark where it is lost.
    fn ways(&mut self, clue: At) -> Vec<String> {
        let hop = |((space, _), link): &(At, Interface)| match space {
            0 => link.name.to_string(),
            space => format!("{}@{space}", link.name),
        };
        let way = |way: Way| {
            let hops: Vec<_> = way.hops.iter().map(hop).collect();
            format!("{}{}", hops.join(" > "), if way.lost { "?" } else { "" })
        };
        follow(self, clue, 4096).into_iter().map(way).collect()
    }
}

impl World for Made {
    fn standing(&self, space: usize) -> Standing {
        self.spaces[space].0
    }

    fn prepare(&mut self, next: &[At]) {
        self.prepared.extend(next.iter().map(|(space, _)| *space));
    }

    fn link(&mut self, at: At) -> Option<Interface> {
        assert!(self.prepared.contains(&at.0), "{at:?} is asked for at once");
        self.spaces[at.0].1.get(&at.1).cloned()
    }

    fn ports(&mut self, master: At) -> Vec<At> {
        let table = self.spaces[master.0].1.values();
        let ports = table.filter(|link| link.master == Some(master.1));
        ports.map(|link| (master.0, link.index)).collect()
    }

    fn upon(&mut self, lower: At) -> Vec<At> {
        let mut found = Vec::new();
        for (space, (_, table)) in self.spaces.iter().enumerate() {
            for link in table.values().filter(|link| link.kind != "veth") {
                let there = match link.peer_nsid {
                    None => Some(space),
                    Some(number) => self.numbers.get(&(space, number.cast_unsigned())).copied(),
                };
                if link.peer_index.and_then(|index| Some((there?, index))) == Some(lower) {
                    found.push((space, link.index));
                }
            }
        }
        found
    }

    fn numbered(&mut self, space: usize, number: u32) -> Option<usize> {
        self.numbers.get(&(space, number)).copied()
    }

    fn is_held(&mut self, at: At, _: &Interface) -> bool {
        self.held.contains(&at)
    }
}

use Standing::{Nobodys, Owned};

#[test]
fn a_veth_leads_to_its_other_end_and_not_to_its_own_bridge() {
    let mut made = made(&[Owned, Owned]);
    let bridge = made.link(OWN, "docker0", "bridge");
    let (first, inside) = made.veth((OWN, "v1"), (1, "eth0"));
    let (second, _) = made.veth((OWN, "v2"), (2, "eth0"));
    made.enslave(first, bridge);
    made.enslave(second, bridge);
    assert_eq!(made.ways(first), ["v1 > eth0@1"]);
    assert_eq!(made.ways(bridge), ["docker0 > v1 > eth0@1", "docker0 > v2 > eth0@2"]);
    made.prepared.insert(1);
    assert_eq!(made.ways(inside), ["eth0@1"], "it is where it is asked for");
}

#[test]
fn a_namespace_of_nobody_is_passed_through_by_its_bridge() {
    let mut made = made(&[Nobodys, Owned, Owned]);
    let bridge = made.link(1, "br", "bridge");
    let (clue, uplink) = made.veth((OWN, "up"), (1, "down"));
    let (first, _) = made.veth((1, "p2"), (2, "eth0"));
    let (second, _) = made.veth((1, "p3"), (3, "eth0"));
    for port in [uplink, first, second] {
        made.enslave(port, bridge);
    }
    assert_eq!(
        made.ways(clue),
        ["up > down@1 > br@1 > p2@1 > eth0@2", "up > down@1 > br@1 > p3@1 > eth0@3"]
    );
    made.prepared.insert(1);
    assert_eq!(made.ways(bridge), ["br@1 > p2@1 > eth0@2", "br@1 > p3@1 > eth0@3"]);
}

#[test]
fn a_way_that_ends_at_nobodys_ends_there_and_one_that_comes_home_nowhere() {
    let mut made = made(&[Nobodys]);
    let host_bridge = made.link(OWN, "br0", "bridge");
    let (clue, inside) = made.veth((OWN, "v"), (1, "eth0"));
    let (_, back) = made.veth((OWN, "w"), (1, "eth1"));
    let bridge = made.link(1, "br", "bridge");
    made.enslave(clue, host_bridge);
    made.enslave(inside, bridge);
    made.enslave(back, bridge);
    assert_eq!(made.ways(clue), ["v > eth0@1"]);
    made.prepared.insert(1);
    assert_eq!(made.ways(inside), ["eth0@1"]);
}

#[test]
fn a_cable_of_nobodys_namespace_is_its_own_unless_a_container_is_at_the_other_end() {
    let mut made = made(&[Nobodys, Nobodys, Owned]);
    let bridge = made.link(1, "br", "bridge");
    let (first, cable) = made.veth((1, "p2"), (2, "eth0"));
    let (second, _) = made.veth((1, "p3"), (3, "eth0"));
    made.enslave(first, bridge);
    made.enslave(second, bridge);
    let (routed, _) = made.veth((1, "r3"), (3, "eth1"));
    made.prepared.extend([1, 2]);
    assert_eq!(made.ways(cable), ["eth0@2"]);
    assert_eq!(made.ways(first), ["p2@1 > eth0@2"]);
    assert_eq!(made.ways(routed), ["r3@1 > eth1@3"]);
}

#[test]
fn an_owner_beside_a_dead_end_is_the_only_answer() {
    let mut made = made(&[Nobodys, Owned]);
    let bridge = made.link(1, "br", "bridge");
    let (clue, uplink) = made.veth((OWN, "up"), (1, "down"));
    let (port, _) = made.veth((1, "p"), (2, "eth0"));
    let idle = made.link(1, "idle", "dummy");
    for port in [uplink, port, idle] {
        made.enslave(port, bridge);
    }
    assert_eq!(made.ways(clue), ["up > down@1 > br@1 > p@1 > eth0@2"]);
}

#[test]
fn what_stands_on_an_interface_is_found_in_any_namespace() {
    let mut made = made(&[Owned, Owned, Nobodys]);
    let card = made.link(OWN, "eth0", "ether");
    made.upper(1, "mv0", "macvlan", card);
    let vlan = made.upper(OWN, "eth0.7", "vlan", card);
    made.upper(2, "ipvl0", "ipvlan", vlan);
    made.upper(3, "mv1", "macvlan", card);
    let mut ways = made.ways(card);
    ways.sort();
    assert_eq!(ways, ["eth0 > eth0.7 > ipvl0@2", "eth0 > mv0@1", "eth0 > mv1@3"]);
    assert_eq!(made.ways(vlan), ["eth0.7 > ipvl0@2"]);
}

#[test]
fn a_card_leads_to_its_bond_and_its_bridge_but_not_to_the_other_cards_of_the_bond() {
    let mut made = made(&[Owned, Owned]);
    let (card, other) = (made.link(OWN, "eth0", "ether"), made.link(OWN, "eth1", "ether"));
    let bond = made.link(OWN, "bond0", "bond");
    made.enslave(card, bond);
    made.enslave(other, bond);
    made.upper(2, "wrong", "macvlan", other);
    let vlan = made.upper(OWN, "bond0.7", "vlan", bond);
    let bridge = made.link(OWN, "br7", "bridge");
    made.enslave(vlan, bridge);
    let (port, _) = made.veth((OWN, "v"), (1, "eth0"));
    made.enslave(port, bridge);
    assert_eq!(made.ways(card), ["eth0 > bond0 > bond0.7 > br7 > v > eth0@1"]);
}

#[test]
fn a_bridge_does_not_lead_to_what_stands_beside_it_on_its_card() {
    let mut made = made(&[Owned]);
    let (card, bridge) = (made.link(OWN, "eth0", "ether"), made.link(OWN, "br0", "bridge"));
    made.enslave(card, bridge);
    made.upper(1, "mv0", "macvlan", card);
    assert_eq!(made.ways(bridge), ["br0"]);
    assert_eq!(made.ways(card), ["eth0 > mv0@1"]);
}

#[test]
fn both_halves_of_a_veth_here_lead_through_the_bridge_of_the_far_one() {
    let mut made = made(&[Owned]);
    let (near, far) = made.veth((OWN, "a"), (OWN, "b"));
    let bridge = made.link(OWN, "br", "bridge");
    let (port, _) = made.veth((OWN, "v"), (1, "eth0"));
    made.enslave(far, bridge);
    made.enslave(port, bridge);
    assert_eq!(made.ways(near), ["a > b > br > v > eth0@1"]);
    // The bridge leads back over its own port to the end that nothing is at.
    assert_eq!(made.ways(far), ["b"]);
}

#[test]
fn a_vrf_connects_nobody() {
    let mut made = made(&[Owned]);
    let vrf = made.link(OWN, "vrf", "vrf");
    let (card, bridge) = (made.link(OWN, "eth0", "ether"), made.link(OWN, "br", "bridge"));
    made.enslave(card, vrf);
    made.enslave(bridge, vrf);
    let (port, _) = made.veth((OWN, "v"), (1, "eth0"));
    made.enslave(port, bridge);
    assert_eq!(made.ways(card), ["eth0"]);
}

#[test]
fn what_nobody_can_look_at_is_lost_and_a_ring_ends() {
    let mut made = made(&[Nobodys, Nobodys]);
    let (clue, gone) = made.veth((OWN, "v"), (1, "eth0"));
    made.spaces[1].1.remove(&gone.1);
    assert_eq!(made.ways(clue), ["v?"]);
    made.at(clue).peer_nsid = Some(77);
    assert_eq!(made.ways(clue), ["v?"]);
    made.at(clue).peer_nsid = Some(-1);
    assert_eq!(made.ways(clue), ["v?"]);

    let mut made = self::made(&[Nobodys, Nobodys]);
    let bridges = [1, 2].map(|space| made.link(space, "br", "bridge"));
    let (clue, first) = made.veth((OWN, "v"), (1, "eth0"));
    made.enslave(first, bridges[0]);
    for name in ["x", "y"] {
        let (left, right) = made.veth((1, name), (2, name));
        made.enslave(left, bridges[0]);
        made.enslave(right, bridges[1]);
    }
    assert_eq!(made.ways(clue), ["v > eth0@1 > br@1 > x@1 > x@2", "v > eth0@1 > br@1 > y@1 > y@2"]);
}

#[test]
fn the_bridge_of_a_container_leads_to_those_that_it_runs() {
    let mut made = made(&[Standing::Owned, Standing::Owned]);
    let bridge = made.link(1, "docker0", "bridge");
    let (port, inner) = made.veth((1, "vethA"), (2, "eth0"));
    made.enslave(port, bridge);
    let (own, _) = made.veth((1, "eth0"), (OWN, "vethB"));
    made.prepared.extend([1, 2]);
    assert_eq!(made.ways(port), ["vethA@1 > eth0@2"]);
    assert_eq!(made.ways(bridge), ["docker0@1 > vethA@1 > eth0@2"]);
    assert_eq!(made.ways(own), ["eth0@1"], "the host's end is nobody else's");
    assert_eq!(made.ways(inner), ["eth0@2"], "its cable is its own");
}

#[test]
fn a_tap_that_a_process_holds_is_an_end() {
    let mut made = made(&[]);
    let (bridge, tap) = (made.link(OWN, "virbr0", "bridge"), made.link(OWN, "vnet0", "tun"));
    made.enslave(tap, bridge);
    assert_eq!(made.ways(tap), ["vnet0"]);
    assert_eq!(made.ways(bridge), ["virbr0"]);
    made.held.push(tap);
    assert_eq!(made.ways(bridge), ["virbr0 > vnet0"]);
}

#[test]
fn a_way_that_was_made_to_be_long_ends_in_doubt() {
    let mut world = made(&[]);
    let first = world.link(OWN, "m", "macvlan");
    let mut last = first;
    for _ in 0..1000 {
        last = world.upper(OWN, "m", "macvlan", last);
    }
    let ways = follow(&mut world, first, 9);
    assert_eq!((ways.len(), ways[0].hops.len(), ways[0].lost), (1, MOST_HOPS + 1, true));
    let base = world.link(OWN, "b", "macvlan");
    for _ in 0..20 {
        world.upper(OWN, "v", "veth", base);
    }
    assert!(follow(&mut world, base, 9).len() <= 9);
}
