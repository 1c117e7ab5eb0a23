//! How a container is, once it is known who it is: state, addresses, age. What only a list or a
//! report needs; finding a target does without.

use super::cgroups;
use super::clock::Clock;
use crate::model::container::{Container, State};
use crate::model::namespace::Kind;
use crate::sys::cgroupfs::hierarchy::Hierarchies;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns, proc};
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::AsFd;

pub fn add_details(root: &SysRoot, containers: &mut [Container]) {
    let clock = Clock::read(root);
    let hierarchies = Hierarchies::read(root).ok();
    // Read once for each network namespace.
    let mut addresses: HashMap<u64, Vec<IpAddr>> = HashMap::new();
    for container in containers {
        let Some(start_ticks) = container.init.as_ref().map(|init| init.start_ticks) else {
            continue;
        };
        container.started_unix_seconds = clock.started_unix_seconds(start_ticks);
        container.age_seconds = clock.age_seconds(start_ticks);
        container.state = state(root, hierarchies.as_ref(), container);
        if let Some(net) =
            container.namespaces.inode(Kind::Net).filter(|_| container.own.has(Kind::Net))
        {
            let read = || read_addresses(root, container, net);
            container.addresses = addresses.entry(net).or_insert_with(read).clone();
        }
    }
}

/// The root of a hierarchy cannot be frozen: a process there costs no look.
fn state(root: &SysRoot, hierarchies: Option<&Hierarchies>, container: &Container) -> State {
    let lines = container.cgroup_lines.as_bytes();
    let in_a_group = proc::cgroup::parse(lines).any(|line| line.path.len() > 1);
    let frozen = hierarchies
        .filter(|_| in_a_group)
        .and_then(|hierarchies| cgroups::is_frozen(root, hierarchies, lines));
    if frozen == Some(true) { State::Paused } else { State::Running }
}

/// Of the namespace that the scan saw, or none: the process may have gone, its number to another.
fn read_addresses(root: &SysRoot, container: &Container, net: u64) -> Vec<IpAddr> {
    let init = container.init.as_ref().map(|init| init.pid.to_string());
    let Some(dir) = init.and_then(|pid| bounded::open_dir(root.proc(), &pid).ok()) else {
        return Vec::new();
    };
    let file = |name| bounded::read_capped(dir.as_fd(), name, 1 << 20).unwrap_or_default().bytes;
    let mut addresses = proc::fib::parse_v4(&file("net/fib_trie"));
    addresses.extend(proc::fib::parse_v6(&file("net/if_inet6")));
    if ns::identity(dir.as_fd(), Kind::Net) == Ok(net) { addresses } else { Vec::new() }
}
