//! What `/proc/PID/net` shows of a network namespace to whoever may not enter it: the kernel asks
//! for no right there.

use crate::model::process::Pid;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, proc};
use rustix::fs::AtFlags;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::os::fd::AsFd;

/// Of a table of addresses.
const TABLE: usize = 1 << 20;
/// Processes of a namespace that are kept.
const KEPT: usize = 64;

/// The processes of each namespace that is neither ours nor that of one of `known`. Every namespace has files of its own in /proc,
/// and their inodes tell them apart where those of the namespaces may not be asked.
pub(super) fn tell_apart(root: &SysRoot, pids: Vec<Pid>, known: &[Pid]) -> Vec<Vec<Pid>> {
    let file = |process: &str| {
        let path = format!("{process}/net/dev");
        rustix::fs::statat(root.proc(), path, AtFlags::empty()).ok().map(|stat| stat.st_ino)
    };
    let of_known = known.iter().filter_map(|pid| file(&pid.to_string()));
    let known: HashSet<u64> = of_known.chain(file("self")).collect();
    let mut spaces: BTreeMap<u64, Vec<Pid>> = BTreeMap::new();
    for pid in pids {
        if let Some(inode) = file(&pid.to_string()).filter(|inode| !known.contains(inode)) {
            let space = spaces.entry(inode).or_default();
            if space.len() < KEPT {
                space.push(pid);
            }
        }
    }
    spaces.into_values().collect()
}

/// The addresses of a process's network namespace, without entering it; loopback and link-local
/// ones are left out. `None`: it has ended.
pub fn addresses(root: &SysRoot, pid: Pid) -> Option<Vec<IpAddr>> {
    let dir = root.process(pid).ok()?;
    let mut table = Vec::new();
    let mut read = |name| {
        table.clear();
        let file = bounded::open_file(dir.as_fd(), name).ok()?;
        // What was read before an error counts.
        let _ = bounded::read_table(file.as_fd(), TABLE, &mut table);
        Some(std::mem::take(&mut table))
    };
    let mut addresses = proc::fib::parse_v4(&read("net/fib_trie")?);
    // A kernel without IPv6 has no such file.
    addresses.extend(proc::fib::parse_v6(&read("net/if_inet6").unwrap_or_default()));
    Some(addresses)
}
