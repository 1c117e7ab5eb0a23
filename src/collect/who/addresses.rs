//! An IP address: every network namespace in which it is configured.

use super::Host;
use super::interfaces::{few, owner, step};
use crate::collect::netspaces;
use crate::model::network::{Address, Interface};
use crate::model::trail::{Owner, Step, Trail};
use crate::sys::netlink::roam::{Found, Row, Wanted};
use std::net::IpAddr;

/// What was looked for, where it could not be.
const WHAT: &str = "addresses";
/// Processes whose files are tried: the first may have ended.
const TRIED: usize = 4;

/// In the reader's own namespace first. Where one may not be entered, the files of a process in it
/// tell all but addresses of one host or link.
pub(super) fn by_ip(host: &Host<'_>, ip: IpAddr) -> Vec<Trail> {
    let spaces = host.spaces();
    let ip = ip.to_canonical();
    let places: Vec<usize> = (0..spaces.list.len()).collect();
    let wanted = Wanted { addresses: true, ..Wanted::default() };
    let mut visited = spaces.visit(host.root, &places, WHAT, &mut |_, here| {
        let mut on = Vec::new();
        here.read(wanted, &mut |row| match row {
            Row::Address(index, address) if address.address.to_canonical() == ip => {
                on.push(*index);
                true
            }
            _ => false,
        });
        for index in on {
            if let Ok(Some((_, row))) = here.link_at(index) {
                here.send_link(&row);
            }
        }
    });
    let mut trails = Vec::new();
    for (place, found) in &visited.found {
        let at = spaces.seen_at(*place);
        for (address, link) in configured(found) {
            let mut steps = vec![address_step(ip, address.prefix_length)];
            steps.extend(link.map(|link| step(link, at)));
            trails.push(Trail { steps, owner: owner(host, *place) });
        }
    }
    let is_of_one_link = match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    };
    let mut searched = Vec::new();
    for (place, _) in visited.missed.iter().filter(|_| !is_of_one_link) {
        let Some(space) = spaces.list.get(*place) else { continue };
        let mut tables = space
            .processes
            .iter()
            .take(TRIED)
            .filter_map(|pid| Some((*pid, netspaces::addresses_outside(host.root, *pid)?)));
        let Some((pid, addresses)) = tables.next() else { continue };
        searched.push(*place);
        if addresses.contains(&ip) {
            let mut steps = vec![address_step(ip, if ip.is_ipv4() { 32 } else { 128 })];
            steps.extend(space.step());
            steps.extend(host.process(pid));
            // That it is not in our own namespace is known, and no more.
            let owner = match host.owner_of(pid) {
                Owner::Host { unit: None } => Owner::Unknown,
                owner => owner,
            };
            trails.push(Trail { steps, owner });
        }
    }
    visited.forgive(spaces, WHAT, |place| searched.contains(&place));
    visited.gaps.drain(..).for_each(|gap| host.note(gap));
    few(host, WHAT, trails)
}

fn address_step(address: IpAddr, prefix_length: u8) -> Step {
    Step::Address { address, prefix_length }
}

fn configured(found: &Found) -> impl Iterator<Item = (&Address, Option<&Interface>)> {
    let link = |wanted: u32| {
        found.rows.iter().find_map(|row| match row {
            Row::Link(link) if link.index == wanted => Some(&**link),
            _ => None,
        })
    };
    found.rows.iter().filter_map(move |row| match row {
        Row::Address(index, address) => Some((&**address, link(*index))),
        _ => None,
    })
}
