//! The mounts of every mount namespace, read and searched by a crew: what crosses the pipe is what was
//! found.

use super::layers;
use super::search::{self, Found, Known, Own, Wanted};
use crate::collect::containers::Containers;
use crate::collect::scan::KernelThreads;
use crate::model::gap::{Gap, Reason};
use crate::model::mount::Mount;
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::sys::crew::travel::{self, Rest};
use crate::sys::crew::{self, PATIENCE};
use crate::sys::error::{IntoErrno, Problem, reason_of};
use crate::sys::nsfs::each_mount_namespace;
use crate::sys::proc::mountinfo;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, mounts, ns};
use nix::errno::Errno;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::os::fd::AsFd;

/// Enough for 20,000 mounts with long names.
const LONGEST: usize = 8 << 20;
/// A namespace is read through another process of it where the first has ended.
const SUBSTITUTES: usize = 4;
/// What the uses of a file system are told by; a host has some thousands at most.
const MOST_KNOWN: usize = 100_000;
/// More namespaces that no process is in are not walked through.
const MOST_WALKED: usize = 10_000;

/// A mount namespace that is not ours.
#[derive(Debug)]
pub(super) struct Namespace {
    pub inode: u64,
    /// Processes in it, some of them.
    pub pids: Vec<Pid>,
}

/// What one namespace has to do with a clue.
#[derive(Debug, Default)]
pub(super) struct Hit {
    /// `None`: our own.
    pub namespace: Option<u64>,
    pub pid: Option<Pid>,
    pub found: Vec<Found>,
    /// Every mount of the file systems that are looked for.
    pub known: Vec<Known>,
}

/// All that processes are in; also that of the host where it is not ours.
pub(super) fn namespaces(root: &SysRoot, containers: &Containers) -> (Option<u64>, Vec<Namespace>) {
    let own = root.own_process().ok();
    let own = own.and_then(|own| ns::identity(own.as_fd(), Kind::Mnt).ok());
    let mut all: Vec<Namespace> = Vec::new();
    let mut add = |inode: u64, pid: Pid| {
        if Some(inode) == own {
            return;
        }
        match all.iter_mut().find(|one| one.inode == inode) {
            Some(known) if known.pids.len() < SUBSTITUTES => known.pids.push(pid),
            Some(_) => {}
            None => all.push(Namespace { inode, pids: vec![pid] }),
        }
    };
    if let (Some(host), Some(init)) = (containers.host.inode(Kind::Mnt), Pid::new(1)) {
        add(host, init);
    }
    for process in &containers.isolated {
        if let Some(inode) = process.namespaces.inode(Kind::Mnt) {
            add(inode, process.pid);
        }
    }
    (own, all)
}

/// Our own mounts, with their layers.
pub(super) fn own(root: &SysRoot) -> Vec<Mount> {
    root.mountinfo().map(|bytes| mountinfo::parse_in_full(bytes).0).unwrap_or_default()
}

/// The stores that overlays of any namespace take their layers from.
pub(super) fn stores(root: &SysRoot, own: &[Mount], all: &[Namespace]) -> Vec<Vec<u8>> {
    let mut stores = layers::stores(own);
    let mut buffer = Vec::new();
    crew::work(
        all.len(),
        crew::size(),
        PATIENCE,
        &mut |piece, _, out| {
            if let Some(Ok(mounts)) = all.get(piece).map(|one| read(root, one, &mut buffer)) {
                for store in layers::stores(&mounts) {
                    travel::write(&store, out);
                }
            }
        },
        &mut |_, answer| {
            let mut rest = Rest(answer.unwrap_or_default());
            while let Some(store) = rest.bytes() {
                if stores.len() < layers::MOST_STORES && !stores.iter().any(|known| known == store)
                {
                    stores.push(store.to_vec());
                }
            }
        },
    );
    stores
}

/// Searches our own namespace, those of processes, and those that the kernel has beside them.
pub(super) fn search(
    root: &SysRoot,
    ours: &[Mount],
    (own, all): (Option<u64>, &[Namespace]),
    wanted: &Wanted,
    gaps: &mut Vec<Gap>,
) -> Vec<Hit> {
    let mut hits = vec![Hit {
        found: search::search(ours, wanted, None),
        known: search::known(ours, wanted),
        ..Hit::default()
    }];
    let compared = Own::new(ours);
    let mut buffer = Vec::new();
    let mut room = MOST_KNOWN;
    crew::work(
        all.len(),
        crew::size(),
        PATIENCE,
        &mut |piece, _, out| {
            if let Some(one) = all.get(piece) {
                match read(root, one, &mut buffer) {
                    Ok(mounts) => answer(&mounts, wanted, &compared, out),
                    Err(reason) => refuse(reason, out),
                }
            }
        },
        &mut |piece, given: Result<&[u8], Problem>| {
            let Some(one) = all.get(piece) else { return };
            let object = || format!("mnt:[{}]", one.inode).into();
            match take(&mut Rest(given.unwrap_or_default()), &mut room) {
                Ok((found, known)) => {
                    let pid = one.pids.first().copied();
                    hits.push(Hit { namespace: Some(one.inode), pid, found, known });
                }
                // It ended with its processes.
                Err(Reason::Gone) => {}
                Err(reason) => gaps.push(Gap { object: object(), what: "mounts", reason }),
            }
        },
    );
    // As they were asked for, whoever answered first.
    let order = |hit: &Hit| all.iter().position(|one| Some(one.inode) == hit.namespace);
    hits.sort_by_key(order);
    if root.is_real() {
        let mut known: HashSet<u64> = all.iter().map(|one| one.inode).collect();
        known.extend(own);
        hits.extend(walk(root, known, (wanted, &compared), &mut room, gaps));
    }
    if room == 0 {
        let object = format!("more than {MOST_KNOWN} of these file systems").into();
        gaps.push(Gap { object, what: "mounts", reason: Reason::Truncated });
    }
    hits
}

/// Of the first of its processes that is still in it.
fn read(root: &SysRoot, namespace: &Namespace, buffer: &mut Vec<u8>) -> Result<Vec<Mount>, Reason> {
    let mut reason = Reason::Gone;
    for pid in &namespace.pids {
        match is_read(root, *pid, namespace.inode, buffer) {
            Ok(true) => return Ok(mountinfo::parse_in_full(buffer).0),
            Ok(false) | Err(Reason::Gone) => {}
            Err(other) => reason = other,
        }
    }
    Err(reason)
}

/// Whether it was in that namespace when its mounts were read.
fn is_read(root: &SysRoot, pid: Pid, inode: u64, buffer: &mut Vec<u8>) -> Result<bool, Reason> {
    let dir = root.process(pid).map_err(|error| error.reason())?;
    let read = bounded::read_into(dir.as_fd(), "mountinfo", LONGEST, buffer);
    read.map_err(|errno| reason_of(errno.into_errno()))?;
    let there = ns::identity(dir.as_fd(), Kind::Mnt).map_err(reason_of)?;
    Ok(!buffer.is_empty() && there == inode)
}

/// What hindered a search is told by the number of the reason, and one.
const SEARCHED: u8 = 0;

fn refuse(reason: Reason, out: &mut Vec<u8>) {
    out.push(reason as u8 + 1);
}

/// `Ok`: it was searched. A member that said nothing had no time.
fn outcome(byte: Option<u8>) -> Result<(), Reason> {
    match byte {
        Some(SEARCHED) => Ok(()),
        byte => {
            let told = Reason::ALL.into_iter().find(|reason| byte == Some(*reason as u8 + 1));
            Err(told.unwrap_or(Reason::Timeout))
        }
    }
}

fn answer(mounts: &[Mount], wanted: &Wanted, own: &Own, out: &mut Vec<u8>) {
    out.push(SEARCHED);
    let found = search::search(mounts, wanted, Some(own));
    out.extend(u32::try_from(found.len()).unwrap_or(0).to_ne_bytes());
    for found in &found {
        found.write(out);
    }
    let known = search::known(mounts, wanted);
    out.extend(u32::try_from(known.len()).unwrap_or(0).to_ne_bytes());
    for known in &known {
        known.write(out);
    }
}

fn take(rest: &mut Rest<'_>, room: &mut usize) -> Result<(Vec<Found>, Vec<Known>), Reason> {
    outcome(rest.byte())?;
    let mut lists = || {
        let count = rest.u32()?;
        let found: Option<Vec<Found>> = (0..count).map(|_| Found::read(rest)).collect();
        let count = rest.u32()?;
        let known: Option<Vec<Known>> = (0..count).map(|_| Known::read(rest)).collect();
        Some((found?, known?))
    };
    let (found, mut known) = lists().ok_or(Reason::Malformed)?;
    known.truncate(*room);
    *room -= known.len();
    Ok((found, known))
}

/// Mount namespaces that are not known, since no process is in them.
fn walk(
    root: &SysRoot,
    mut known: HashSet<u64>,
    (wanted, compared): (&Wanted, &Own),
    room: &mut usize,
    gaps: &mut Vec<Gap>,
) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut walked = Err(Reason::Timeout);
    crew::work(
        1,
        1,
        PATIENCE,
        &mut |_, care, out| {
            // What did not answer once is not asked again.
            let walked = match care.lack() {
                None => each_other(&mut known, |inode, mounts| {
                    let mut searched = Vec::new();
                    answer(mounts, wanted, compared, &mut searched);
                    out.extend(inode.to_ne_bytes());
                    travel::write(&searched, out);
                }),
                Some(Errno::ETIMEDOUT) => Err(Reason::Timeout),
                Some(errno) => Err(reason_of(errno)),
            };
            out.extend(0_u64.to_ne_bytes());
            match walked {
                Ok(()) => out.push(SEARCHED),
                Err(reason) => refuse(reason, out),
            }
        },
        &mut |_, given: Result<&[u8], Problem>| {
            let mut rest = Rest(given.unwrap_or_default());
            while let Some(inode) = rest.u64().filter(|inode| *inode != 0) {
                let Some(searched) = rest.bytes() else { break };
                if let Ok((found, known)) = take(&mut Rest(searched), room) {
                    hits.push(Hit { namespace: Some(inode), pid: None, found, known });
                }
            }
            walked = outcome(rest.byte());
        },
    );
    if let Err(reason) = walked {
        let object = "mount namespaces without a process".into();
        gaps.push(Gap { object, what: "mounts", reason });
    }
    settle(root, &mut hits);
    hits
}

/// In a member of the crew. An error is why not all of it was searched.
fn each_other(
    known: &mut HashSet<u64>,
    mut search: impl FnMut(u64, &[Mount]),
) -> Result<(), Reason> {
    let mut left = MOST_WALKED;
    let mut searched = Ok(());
    let walked = each_mount_namespace(&mut |inode, namespace| {
        if left == 0 {
            return ControlFlow::Break(Errno::E2BIG);
        }
        left -= 1;
        if known.insert(inode) {
            match mounts::of_namespace(namespace, LONGEST) {
                Ok((mounts, is_cut)) => {
                    search(inode, &mounts);
                    if is_cut {
                        searched = Err(Reason::Truncated);
                    }
                }
                // It went meanwhile.
                Err(error) if error.reason() == Reason::Gone => {}
                Err(error) => searched = Err(error.reason()),
            }
        }
        ControlFlow::Continue(())
    });
    match walked {
        Err(Errno::E2BIG) => Err(Reason::Truncated),
        walked => walked.map_err(reason_of).and(searched),
    }
}

/// Some have a process that is no isolated one, or is since then; the kernel's own say nothing.
fn settle(root: &SysRoot, hits: &mut Vec<Hit>) {
    hits.retain(|hit| !hit.found.is_empty() || !hit.known.is_empty());
    if hits.is_empty() {
        return;
    }
    let kernel = KernelThreads::list(root);
    for pid in root.pids().unwrap_or_default() {
        let Ok(inode) = ns::identity_of(root.proc(), pid, Kind::Mnt) else { continue };
        if let Some(at) = hits.iter().position(|hit| hit.namespace == Some(inode)) {
            if kernel.has(pid) {
                hits.swap_remove(at);
            } else if let Some(hit) = hits.get_mut(at) {
                hit.pid = hit.pid.or(Some(pid));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_tells_why_a_namespace_was_not_searched() {
        for reason in Reason::ALL {
            let mut said = Vec::new();
            refuse(reason, &mut said);
            let told = take(&mut Rest(&said), &mut MOST_KNOWN.clone());
            assert_eq!(told.map(|_| ()), Err(reason));
        }
        let silent = take(&mut Rest(&[]), &mut MOST_KNOWN.clone());
        assert_eq!(silent.map(|_| ()), Err(Reason::Timeout));
    }

    #[test]
    fn what_the_uses_are_told_by_is_bounded_over_all_namespaces() {
        let mounts = mountinfo::parse(
            b"31 1 0:52 / /a rw - tmpfs x rw\n\
              32 1 0:52 /d /b rw - tmpfs x rw\n\
              33 1 0:53 / /c rw - tmpfs y rw\n",
        );
        let wanted = Wanted { devices: vec![mounts.0[0].device], ..Wanted::default() };
        let mut said = Vec::new();
        answer(&mounts.0, &wanted, &Own::new(&[]), &mut said);
        let mut room = 3;
        let known = |room: &mut usize| take(&mut Rest(&said), room).unwrap().1.len();
        assert_eq!((known(&mut room), room), (2, 1));
        assert_eq!((known(&mut room), room), (1, 0));
        assert_eq!((known(&mut room), room), (0, 0));
    }
}
