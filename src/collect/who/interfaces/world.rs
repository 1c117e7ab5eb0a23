//! The interfaces of this host as a way goes along them: each namespace is entered once, many in one
//! go, and none before it is needed.

use super::graph::{At, Standing, World};
use super::tun::{self, Holder};
use crate::collect::netspaces::{NetSpaces, Visited};
use crate::model::gap::Gap;
use crate::model::network::Interface;
use crate::sys::netlink::Links;
use crate::sys::netlink::nsid::NsIds;
use crate::sys::netlink::roam::{Found, Here, Row};
use crate::sys::root::SysRoot;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};

/// What was looked for, where it could not be.
pub(super) const WHAT: &str = "interfaces";

type Tables = BTreeMap<u32, Interface>;

pub(super) struct Net<'a> {
    root: &'a SysRoot,
    pub(super) spaces: &'a NetSpaces,
    /// Our own namespace, of which a question costs little.
    links: Option<Links>,
    ids: Option<NsIds>,
    /// The next namespace to ask for its number here.
    next: usize,
    own: Option<OwnedFd>,
    tables: HashMap<usize, Tables>,
    /// What stands on an interface.
    uppers: Option<BTreeMap<At, Vec<At>>>,
    numbers: HashMap<(usize, u32), usize>,
    /// Those in which every number was asked for.
    numbered: HashSet<usize>,
    pub(super) holders: Option<Vec<Holder>>,
    pub(super) gaps: Vec<Gap>,
}

impl<'a> Net<'a> {
    pub(super) fn new(root: &'a SysRoot, spaces: &'a NetSpaces) -> Self {
        let real = root.is_real();
        Self {
            root,
            // Opened before any namespace is entered: afterwards /proc/self shows another.
            own: spaces.open(root, 0).ok(),
            spaces,
            links: real.then(Links::open).and_then(Result::ok),
            ids: real.then(NsIds::open).and_then(Result::ok),
            next: 1,
            tables: HashMap::new(),
            uppers: None,
            numbers: HashMap::new(),
            numbered: HashSet::new(),
            holders: None,
            gaps: Vec::new(),
        }
    }

    /// In our own namespace, by any of its names.
    pub(super) fn named_here(&self, name: &[u8]) -> Option<At> {
        let found = self.links.as_ref()?.named(name).ok()?;
        Some((0, found.index))
    }

    /// In every other namespace.
    pub(super) fn named_elsewhere(&mut self, name: &[u8]) -> Vec<(At, Interface)> {
        let own = self.own.as_ref();
        let visited =
            self.spaces.visit(self.root, &self.spaces.others(), WHAT, &mut |_, here| match here
                .link_named(name)
            {
                Ok(Some((link, row))) => {
                    here.send_link(&row);
                    send_number_of_home(here, &link, own);
                }
                Ok(None) => {}
                Err(_) => here.send_no_links(),
            });
        self.take(visited)
    }

    /// In `places`, those that `keep` chooses.
    pub(super) fn chosen(
        &mut self,
        places: &[usize],
        keep: &dyn Fn(&Interface) -> bool,
    ) -> Vec<(At, Interface)> {
        let own = self.own.as_ref();
        let visited = self.spaces.visit(self.root, places, WHAT, &mut |_, here| {
            let Ok(links) = here.links() else { return here.send_no_links() };
            for (link, row) in links.iter().filter(|(link, _)| keep(link)) {
                here.send_link(row);
                send_number_of_home(here, link, own);
            }
        });
        self.take(visited)
    }

    fn take(&mut self, visited: Visited) -> Vec<(At, Interface)> {
        self.gaps.extend(visited.gaps);
        let mut all = Vec::new();
        for (place, found) in visited.found {
            self.learn(place, &found.numbers);
            all.extend(links(found).map(|link| ((place, link.index), link)));
        }
        all
    }

    fn learn(&mut self, place: usize, numbers: &[(u32, u64)]) {
        for (number, inode) in numbers {
            if let Some(there) = self.spaces.place_of(*inode) {
                self.numbers.insert((place, *number), there);
            }
        }
    }

    /// The whole tables of `places`.
    fn load(&mut self, places: &[usize]) {
        let visited = self.spaces.visit(self.root, places, WHAT, &mut |_, here| {
            let Ok(links) = here.links() else { return here.send_no_links() };
            for (_, row) in links {
                here.send_link(&row);
            }
        });
        // What cannot be entered is not tried again.
        self.tables.extend(places.iter().map(|place| (*place, Tables::new())));
        for (at, link) in self.take(visited) {
            self.tables.entry(at.0).or_default().insert(at.1, link);
        }
    }

    /// Single interfaces, of namespaces in which a way ends: whoever is root there may have made any
    /// number of others.
    fn ask(&mut self, wanted: &BTreeMap<usize, BTreeSet<u32>>) {
        let places: Vec<usize> = wanted.keys().copied().collect();
        let visited = self.spaces.visit(self.root, &places, WHAT, &mut |place, here| {
            for index in wanted.get(&place).into_iter().flatten() {
                match here.link_at(*index) {
                    Ok(Some((_, row))) => here.send_link(&row),
                    Ok(None) => {}
                    Err(_) => here.send_no_links(),
                }
            }
        });
        for place in places {
            self.tables.entry(place).or_default();
        }
        for (at, link) in self.take(visited) {
            self.tables.entry(at.0).or_default().insert(at.1, link);
        }
    }

    /// What stands on what, in every namespace: one list of links in each, of which few are sent.
    fn find_uppers(&mut self) -> BTreeMap<At, Vec<At>> {
        let (root, spaces, own) = (self.root, self.spaces, self.own.as_ref());
        let places: Vec<usize> = (0..spaces.list.len()).collect();
        let visited = spaces.visit(root, &places, WHAT, &mut |place, here| {
            let Ok(links) = here.links() else { return here.send_no_links() };
            let mut numbers = HashSet::new();
            for (link, row) in &links {
                // A veth has a peer there.
                if link.kind != "veth" && link.peer_index.is_some() {
                    here.send_link(row);
                    numbers.extend(link.peer_nsid.and_then(|number| u32::try_from(number).ok()));
                }
            }
            send_numbers(here, root, spaces, place, own, Some(numbers));
        });
        let mut uppers: BTreeMap<At, Vec<At>> = BTreeMap::new();
        for (at, link) in self.take(visited) {
            let below = match link.peer_nsid.map(u32::try_from) {
                None => Some(at.0),
                Some(Ok(number)) => self.numbers.get(&(at.0, number)).copied(),
                Some(Err(_)) => None,
            };
            if let Some(lower) = below.zip(link.peer_index).filter(|lower| *lower != at) {
                uppers.entry(lower).or_default().push(at);
            }
        }
        uppers
    }

    fn table(&mut self, space: usize) -> Option<&Tables> {
        if !self.tables.contains_key(&space) {
            self.load(&[space]);
        }
        self.tables.get(&space)
    }

    /// Asks the namespaces one after the other for their numbers in ours.
    fn numbered_here(&mut self, number: u32) -> Option<usize> {
        let ids = self.ids.as_ref()?;
        while self.next < self.spaces.list.len() {
            let place = self.next;
            self.next += 1;
            let Ok(file) = self.spaces.open(self.root, place) else { continue };
            if let Ok(Some(found)) = ids.of(file.as_fd()) {
                self.numbers.insert((0, found), place);
                if found == number {
                    return Some(place);
                }
            }
        }
        None
    }
}

impl World for Net<'_> {
    fn standing(&self, space: usize) -> Standing {
        match self.spaces.list.get(space) {
            Some(space) if space.own || space.of_host => Standing::Home,
            Some(space) if space.container.is_some() => Standing::Owned,
            _ => Standing::Nobodys,
        }
    }

    fn prepare(&mut self, next: &[At]) {
        let (mut whole, mut single) = (BTreeSet::new(), BTreeMap::<_, BTreeSet<u32>>::new());
        for (space, index) in next.iter().filter(|(space, _)| *space != 0) {
            if self.standing(*space) == Standing::Owned {
                single.entry(*space).or_default().insert(*index);
            } else if !self.tables.contains_key(space) {
                whole.insert(*space);
            }
        }
        if !whole.is_empty() {
            self.load(&whole.into_iter().collect::<Vec<_>>());
        }
        if !single.is_empty() {
            self.ask(&single);
        }
    }

    fn link(&mut self, (space, index): At) -> Option<Interface> {
        if space == 0 && !self.tables.contains_key(&0) {
            return self.links.as_ref()?.get(index).ok();
        }
        self.table(space)?.get(&index).cloned()
    }

    fn ports(&mut self, (space, index): At) -> Vec<At> {
        let Some(table) = self.table(space) else { return Vec::new() };
        let ports = table.values().filter(|link| link.master == Some(index));
        ports.map(|link| (space, link.index)).collect()
    }

    fn upon(&mut self, lower: At) -> Vec<At> {
        let uppers = match self.uppers.take() {
            Some(uppers) => uppers,
            None => self.find_uppers(),
        };
        self.uppers.insert(uppers).get(&lower).cloned().unwrap_or_default()
    }

    fn numbered(&mut self, space: usize, number: u32) -> Option<usize> {
        if let Some(known) = self.numbers.get(&(space, number)) {
            return Some(*known);
        }
        if space == 0 {
            return self.numbered_here(number);
        }
        if self.numbered.insert(space) {
            let (root, spaces, own) = (self.root, self.spaces, self.own.as_ref());
            let visited = spaces.visit(root, &[space], WHAT, &mut |place, here| {
                send_numbers(here, root, spaces, place, own, None);
            });
            for (place, found) in visited.found {
                self.learn(place, &found.numbers);
            }
        }
        self.numbers.get(&(space, number)).copied()
    }

    fn is_held(&mut self, (space, _): At, link: &Interface) -> bool {
        let root = self.root;
        let holders = self.holders.get_or_insert_with(|| tun::holders(root));
        let inode = self.spaces.list.get(space).and_then(|space| space.inode);
        holders.iter().any(|holder| holder.serves(&link.name, inode))
    }
}

fn links(found: Found) -> impl Iterator<Item = Interface> {
    found.rows.into_iter().filter_map(|row| match row {
        Row::Link(link) => Some(*link),
        _ => None,
    })
}

/// Most veths lead home: with that known, their namespace need not be entered again.
fn send_number_of_home(here: &mut Here<'_>, link: &Interface, own: Option<&OwnedFd>) {
    if let Some(own) = own
        && let Some(number) = link.peer_nsid.and_then(|number| u32::try_from(number).ok())
        && let Ok(Some(found)) = here.number_of(own.as_fd())
        && found == number
        && let Ok(inode) = crate::sys::ns::inode(own.as_fd())
    {
        here.send_number(number, inode);
    }
}

/// What the namespace that was entered calls others: until all of `wanted` are found, or everything.
fn send_numbers(
    here: &mut Here<'_>,
    root: &SysRoot,
    spaces: &NetSpaces,
    place: usize,
    own: Option<&OwnedFd>,
    mut wanted: Option<HashSet<u32>>,
) {
    for (other, space) in spaces.list.iter().enumerate() {
        if wanted.as_ref().is_some_and(HashSet::is_empty) {
            return;
        }
        let Some(inode) = space.inode.filter(|_| other != place) else { continue };
        let number = match (other, own) {
            (0, Some(own)) => here.number_of(own.as_fd()),
            (0, None) => continue,
            _ => match spaces.open(root, other) {
                Ok(file) => here.number_of(file.as_fd()),
                Err(_) => continue,
            },
        };
        let Ok(Some(number)) = number else { continue };
        if wanted.as_mut().is_none_or(|wanted| wanted.remove(&number)) {
            here.send_number(number, inode);
        }
    }
}
