//! Where the other ends of interfaces are. The kernel tells a number that only the namespace it was
//! asked in understands; the namespaces that can be seen are asked for theirs, the nearest first.

use crate::collect::nearby::Nearby;
use crate::model::namespace::Kind;
use crate::model::network::{Interface, Peer, Place};
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::netlink::Links;
use crate::sys::netlink::nsid::NsIds;
use crate::sys::root::{self, SysRoot};
use crate::sys::{ns, nsfs};
use std::collections::{BTreeMap, HashSet};
use std::os::fd::AsFd;
use std::path::Path;

/// Where iproute2, and CNI with it, gives names to network namespaces.
const NAMED: &str = "/run/netns";

pub(super) fn add(
    root: &SysRoot,
    interfaces: &mut [Interface],
    ids: Option<&NsIds>,
    nearby: &Nearby<'_>,
) {
    let here: BTreeMap<u32, (Text, Option<Text>)> = interfaces
        .iter()
        .map(|one| (one.index, (one.name.clone(), one.master_name.clone())))
        .collect();
    let unknown = || Peer { place: Place::Unknown, interface: None, master: None };
    for interface in interfaces.iter_mut() {
        let Some(index) = interface.peer_index.filter(|index| *index != interface.index) else {
            interface.peer = interface.peer_nsid.map(|_| unknown());
            continue;
        };
        interface.peer = Some(match (interface.peer_nsid, here.get(&index)) {
            (None, Some((name, master))) => {
                Peer { place: Place::Here, interface: Some(name.clone()), master: master.clone() }
            }
            _ => unknown(),
        });
    }
    let mut numbers: HashSet<u32> =
        interfaces.iter().filter_map(|one| u32::try_from(one.peer_nsid?).ok()).collect();
    let Some(ids) = ids.filter(|_| !numbers.is_empty()) else { return };
    let mut places = BTreeMap::new();
    // Without it what is the host's would be told as a container's that shares its network.
    let own = own_number(root, ids);
    let own = root.reach().told(|| "our own network".into(), "ends of interfaces", own);
    let Some(own) = own else { return };
    if let Some(own) = own
        && numbers.remove(&own)
    {
        places.insert(own, Place::Host);
    }
    if !numbers.is_empty() {
        look_around(root, ids, numbers, nearby, &mut places);
    }
    let links = Links::open().ok();
    for interface in interfaces {
        let number = interface.peer_nsid.and_then(|id| u32::try_from(id).ok());
        let Some(place) = number.and_then(|number| places.get(&number)) else { continue };
        let mut peer = Peer { place: place.clone(), interface: None, master: None };
        let of_host = |index: u32| links.as_ref()?.get(index).ok();
        if *place == Place::Host
            && let Some(found) = interface.peer_index.and_then(of_host)
        {
            peer.interface = Some(found.name);
            peer.master = found.master.and_then(of_host).map(|master| master.name);
        }
        interface.peer = Some(peer);
    }
}

fn own_number(root: &SysRoot, ids: &NsIds) -> Result<Option<u32>> {
    let own = root.own_process()?;
    ids.of(ns::open(own.as_fd(), Kind::Net)?.as_fd())
}

/// Asks every other namespace that a container, another process or a name leads to.
fn look_around(
    root: &SysRoot,
    ids: &NsIds,
    mut numbers: HashSet<u32>,
    nearby: &Nearby<'_>,
    places: &mut BTreeMap<u32, Place>,
) {
    let mut seen = HashSet::new();
    let mut ask = |pid: Pid, numbers: &mut HashSet<u32>| {
        let inode = ns::identity_of(root.proc(), pid, Kind::Net).ok()?;
        if !seen.insert(inode) {
            return None;
        }
        let dir = root.process(pid).ok()?;
        let number = ns::open(dir.as_fd(), Kind::Net).and_then(|file| ids.of(file.as_fd()));
        number.ok()?.filter(|number| numbers.remove(number))
    };
    let inits = nearby.containers().filter_map(|one| one.init.as_ref()).map(|init| init.pid);
    let others = std::iter::once_with(|| root.pids().unwrap_or_default()).flatten();
    for pid in inits.chain(others) {
        if numbers.is_empty() {
            return;
        }
        let Some(number) = ask(pid, &mut numbers) else { continue };
        let place = match nearby.owner_of(pid) {
            Some(owner) => Place::Container { name: owner.label(), pid },
            None => Place::Process { pid },
        };
        places.insert(number, place);
    }
    if numbers.is_empty() {
        return;
    }
    let Ok(dir) = root.open_dir(Path::new(NAMED)) else { return };
    for name in root::list(dir.as_fd()).unwrap_or_default() {
        let Ok(text) = std::str::from_utf8(name.as_bytes()) else { continue };
        let Ok(Some(file)) = nsfs::open_at(root, dir.as_fd(), text) else { continue };
        if let Ok(Some(number)) = ids.of(file.fd.as_fd())
            && numbers.remove(&number)
        {
            places.insert(number, Place::Named { name });
        }
    }
}
