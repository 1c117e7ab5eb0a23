//! Connections → conversations: one for each party, service and direction. Pure.

use crate::model::conversation::{
    Carrier, Conversation, Count, Direction, Holder, Party, Seen, Service,
};
use crate::model::trail::Published;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

/// Holders that are told of one end.
const MOST_HOLDERS: usize = 8;
/// Addresses that are nobody's here and are told one by one, of one service.
const MOST_STRANGERS: usize = 32;
/// A container may give its sockets as many names as it likes.
const MOST_ROWS: usize = 4096;

/// Who is at the other end, and which of its processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    pub party: Party,
    pub holders: Vec<Holder>,
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub protocol: Carrier,
    pub direction: Direction,
    pub service: Option<Service>,
    pub local: Vec<Holder>,
    pub whose: Whose,
    pub peer_address: Option<IpAddr>,
    pub via: Option<Published>,
    pub seen: Seen,
    pub alternatives: u64,
    pub state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    party: Party,
    protocol: Carrier,
    direction: Direction,
    service: Option<Service>,
    via: Option<Published>,
    /// Of strangers, whom nothing else tells apart.
    stranger: Option<IpAddr>,
}

#[derive(Clone, Debug)]
struct Row {
    local: BTreeSet<Holder>,
    remote: BTreeSet<Holder>,
    addresses: HashSet<IpAddr>,
    seen: Seen,
    alternatives: u64,
    states: BTreeMap<&'static str, u64>,
    connections: u64,
}

#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: HashMap<Key, Row>,
}

impl Rows {
    pub(super) fn add(&mut self, talk: Talk) {
        let is_stranger = matches!(talk.whose.party, Party::Outside | Party::Unknown);
        let key = Key {
            party: talk.whose.party,
            protocol: talk.protocol,
            direction: talk.direction,
            service: talk.service,
            via: talk.via,
            stranger: talk.peer_address.filter(|_| is_stranger),
        };
        let row = self.rows.entry(key).or_insert_with(|| Row::new(talk.seen));
        take_few(&mut row.local, talk.local);
        take_few(&mut row.remote, talk.whose.holders);
        row.addresses.extend(talk.peer_address);
        row.seen = row.seen.min(talk.seen);
        row.alternatives = row.alternatives.max(talk.alternatives);
        *row.states.entry(talk.state).or_default() += 1;
        row.connections += 1;
    }

    /// By party, protocol and service; and whether some had to be left out.
    pub(super) fn finish(self) -> (Vec<Conversation>, bool) {
        let mut rows: Vec<_> = gather_strangers(self.rows).into_iter().collect();
        rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let truncated = rows.len() > MOST_ROWS;
        rows.truncate(MOST_ROWS);
        (rows.into_iter().map(|(key, row)| row.finish(key)).collect(), truncated)
    }
}

fn take_few(holders: &mut BTreeSet<Holder>, more: Vec<Holder>) {
    for holder in more {
        if holders.len() < MOST_HOLDERS {
            holders.insert(holder);
        }
    }
}

/// A server on the internet talks to thousands, and so does whoever visits servers: those with the
/// most connections stay rows of their own, the others become one.
fn gather_strangers(rows: HashMap<Key, Row>) -> HashMap<Key, Row> {
    let mut by_service: HashMap<Key, Vec<(Key, Row)>> = HashMap::new();
    let mut gathered = HashMap::with_capacity(rows.len().min(MOST_ROWS));
    for (key, row) in rows {
        if key.stranger.is_none() {
            gathered.insert(key, row);
            continue;
        }
        let together = Key { stranger: None, service: key.service_of_many(), ..key.clone() };
        by_service.entry(together).or_default().push((key, row));
    }
    for (together, mut strangers) in by_service {
        strangers.sort_unstable_by(|(one_key, one), (other_key, other)| {
            let by_connections = other.connections.cmp(&one.connections);
            by_connections.then_with(|| one_key.cmp(other_key))
        });
        let rest = strangers.split_off(MOST_STRANGERS.min(strangers.len()));
        gathered.extend(strangers);
        for (_, row) in rest {
            match gathered.get_mut(&together) {
                Some(known) => known.join(row),
                None => {
                    gathered.insert(together.clone(), row);
                }
            }
        }
    }
    gathered
}

impl Key {
    /// Many are visited at one port, never at one address.
    fn service_of_many(&self) -> Option<Service> {
        match &self.service {
            Some(Service::Port { port, .. }) if self.direction == Direction::Out => {
                Some(Service::Port { address: None, port: *port })
            }
            service => service.clone(),
        }
    }
}

impl Row {
    fn new(seen: Seen) -> Self {
        Self {
            local: BTreeSet::new(),
            remote: BTreeSet::new(),
            addresses: HashSet::new(),
            seen,
            alternatives: 0,
            states: BTreeMap::new(),
            connections: 0,
        }
    }

    fn join(&mut self, other: Self) {
        take_few(&mut self.local, other.local.into_iter().collect());
        take_few(&mut self.remote, other.remote.into_iter().collect());
        self.addresses.extend(other.addresses);
        self.seen = self.seen.min(other.seen);
        self.alternatives = self.alternatives.max(other.alternatives);
        for (state, connections) in other.states {
            *self.states.entry(state).or_default() += connections;
        }
        self.connections += other.connections;
    }

    fn finish(self, key: Key) -> Conversation {
        let states = self.states.into_iter();
        let mut states: Vec<Count> =
            states.map(|(state, connections)| Count { state, connections }).collect();
        // Equal ones stay in the order of their names.
        states.sort_by_key(|count| std::cmp::Reverse(count.connections));
        let mut addresses = self.addresses.iter();
        Conversation {
            protocol: key.protocol,
            direction: key.direction,
            service: key.service,
            local: self.local.into_iter().collect(),
            peer: key.party,
            remote: self.remote.into_iter().collect(),
            peer_address: addresses.next().copied().filter(|_| addresses.next().is_none()),
            peer_addresses: self.addresses.len() as u64,
            via: key.via,
            seen: self.seen,
            alternatives: self.alternatives,
            states,
            connections: self.connections,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::process::Pid;
    use crate::model::runtime::Runtime;

    fn holder(pid: u32) -> Holder {
        Holder { pid: Pid::new(pid).unwrap(), comm: Some("x".into()) }
    }

    fn talk(party: Party, address: [u8; 4], state: &'static str) -> Talk {
        Talk {
            protocol: Carrier::Tcp,
            direction: Direction::In,
            service: Some(Service::Port { address: Some([198, 51, 100, 2].into()), port: 80 }),
            local: vec![holder(7)],
            whose: Whose { party, holders: vec![holder(9)] },
            peer_address: Some(address.into()),
            via: None,
            seen: Seen::Socket,
            alternatives: 0,
            state,
        }
    }

    fn web() -> Party {
        Party::Container {
            name: "web".into(),
            target: "docker:web".into(),
            runtime: Runtime::Docker,
            pid: None,
        }
    }

    fn rows(talks: impl IntoIterator<Item = Talk>) -> Vec<Conversation> {
        let mut rows = Rows::default();
        talks.into_iter().for_each(|talk| rows.add(talk));
        rows.finish().0
    }

    #[test]
    fn connections_of_one_party_about_one_service_are_one_row() {
        let again = Talk { seen: Seen::Address, ..talk(web(), [198, 51, 100, 3], "time_wait") };
        let other = Talk { service: None, ..talk(web(), [198, 51, 100, 3], "established") };
        let found = rows([
            again,
            talk(web(), [198, 51, 100, 3], "established"),
            talk(web(), [198, 51, 100, 3], "established"),
            other,
        ]);
        assert_eq!(found.len(), 2);
        let row = &found[1];
        assert_eq!((row.connections, row.seen), (3, Seen::Socket));
        let states: Vec<_> = row.states.iter().map(|one| (one.state, one.connections)).collect();
        assert_eq!(states, [("established", 2), ("time_wait", 1)]);
        assert_eq!(row.peer_address, Some([198, 51, 100, 3].into()));
        assert_eq!((row.local.len(), row.remote.len()), (1, 1));
    }

    #[test]
    fn a_party_with_several_addresses_has_no_single_one() {
        let found = rows((1..4).map(|last| talk(web(), [198, 51, 100, last], "established")));
        assert_eq!((found.len(), found[0].peer_addresses, found[0].peer_address), (1, 3, None));
    }

    #[test]
    fn strangers_are_told_apart_until_there_are_many() {
        let some = (0..5).map(|last| talk(Party::Outside, [203, 0, 113, last], "established"));
        assert_eq!(rows(some).len(), 5);
        let busy = |_| talk(Party::Outside, [203, 0, 113, 200], "established");
        let many = (0..20_000_u32).map(|nth| {
            let [_, _, third, last] = nth.to_be_bytes();
            talk(Party::Outside, [203, 1, third, last], "established")
        });
        let found = rows(many.chain((0..3).map(busy)));
        assert_eq!(found.len(), MOST_STRANGERS + 1);
        let rest = found.iter().find(|row| row.peer_address.is_none()).unwrap();
        assert_eq!(rest.peer_addresses, 20_001 - MOST_STRANGERS as u64);
        assert_eq!(found.iter().map(|row| row.connections).sum::<u64>(), 20_003);
        let own = |row: &&Conversation| row.peer_address == Some([203, 0, 113, 200].into());
        assert_eq!(found.iter().find(own).unwrap().connections, 3);
    }

    #[test]
    fn many_servers_that_are_visited_have_their_port_in_common() {
        let visits = (0..100).map(|last| Talk {
            direction: Direction::Out,
            service: Some(Service::Port { address: Some([203, 0, 113, last].into()), port: 443 }),
            ..talk(Party::Outside, [203, 0, 113, last], "established")
        });
        let found = rows(visits);
        assert_eq!(found.len(), MOST_STRANGERS + 1);
        let rest = found.iter().find(|row| row.peer_address.is_none()).unwrap();
        assert_eq!(rest.service, Some(Service::Port { address: None, port: 443 }));
        assert_eq!(rest.connections, 100 - MOST_STRANGERS as u64);
    }

    #[test]
    fn rows_that_names_make_have_a_bound() {
        let mut rows = Rows::default();
        for nth in 0..MOST_ROWS + 5 {
            let service = Some(Service::Abstract { name: nth.to_string().into() });
            rows.add(Talk { service, ..talk(web(), [0; 4], "established") });
        }
        let (found, truncated) = rows.finish();
        assert_eq!((found.len(), truncated), (MOST_ROWS, true));
    }
}
