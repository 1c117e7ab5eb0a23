//! Which sockets the target's processes hold, and who holds the ends of others.

use crate::collect::who::holders::{self, Extent};
use crate::model::conversation::Holder;
use crate::model::gap::{Gap, Reason};
use crate::model::process::Pid;
use crate::sys::error::Result;
use crate::sys::proc::{self, fd};
use crate::sys::root::SysRoot;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::fd::AsFd;

/// Descriptors that are looked at.
const MOST_DESCRIPTORS: usize = 1 << 19;
/// Holders that are told of one socket.
const MOST_HOLDERS: usize = 8;

/// By the inode of the socket.
pub(super) type Held = HashMap<u64, Vec<Holder>>;

/// Every socket of these processes; a gap where not all could be asked.
pub(super) fn of(root: &SysRoot, pids: &[Pid]) -> (Held, Option<Gap>) {
    let mut held = Held::new();
    let mut left = MOST_DESCRIPTORS;
    let mut unseen: Vec<(Pid, Reason)> = Vec::new();
    for pid in pids {
        match look(root, *pid, &mut left, &mut held) {
            Ok(()) if left == 0 => {
                unseen.push((*pid, Reason::Truncated));
                break;
            }
            Ok(()) => {}
            // One that has ended holds nothing.
            Err(error) if error.reason() == Reason::Gone => {}
            Err(error) => unseen.push((*pid, error.reason())),
        }
    }
    (held, gap(&unseen))
}

/// Who of all processes holds these; those that are likely to are asked first. A gap where it may
/// be somebody who could not be asked.
pub(super) fn find(
    root: &SysRoot,
    inodes: &HashSet<u64>,
    likely: &BTreeSet<Pid>,
) -> (Held, Option<Gap>) {
    let found = holders::find(root, inodes, likely, Extent::UntilFound);
    let mut comms = HashMap::new();
    let mut held = Held::with_capacity(inodes.len());
    for inode in inodes {
        let mut few: Vec<Holder> = Vec::new();
        for holder in found.of(*inode) {
            let pid = holder.pid;
            // A descriptor may have been copied.
            if few.len() < MOST_HOLDERS && few.last().is_none_or(|last| last.pid != pid) {
                let comm = comms.entry(pid).or_insert_with(|| proc::comm(root, pid)).clone();
                few.push(Holder { pid, comm });
            }
        }
        if !few.is_empty() {
            held.insert(*inode, few);
        }
    }
    let gap = found.gap().filter(|_| held.len() < inodes.len());
    (held, gap)
}

fn gap(unseen: &[(Pid, Reason)]) -> Option<Gap> {
    let (pid, reason) = unseen.first()?;
    let object = match unseen.len() {
        1 => format!("pid {pid}"),
        many => format!("{many} processes"),
    };
    Some(Gap { object: object.into(), what: "owners of sockets", reason: *reason })
}

fn look(root: &SysRoot, pid: Pid, left: &mut usize, held: &mut Held) -> Result<()> {
    // One directory for both: the number may become another's.
    let dir = root.process(pid)?;
    let mut comm = None;
    let mut take = |_, inode| {
        let holders = held.entry(inode).or_default();
        // A descriptor may have been copied.
        if holders.len() < MOST_HOLDERS && holders.last().is_none_or(|last| last.pid != pid) {
            let comm = comm.get_or_insert_with(|| proc::comm_of(dir.as_fd()));
            holders.push(Holder { pid, comm: comm.clone() });
        }
    };
    let seen = fd::sockets_of(dir.as_fd(), *left, &mut take)?;
    *left = left.saturating_sub(seen);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_held_once_by_a_process_that_has_it_twice() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _copy = listener.try_clone().unwrap();
        let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
        let root = SysRoot::real().unwrap();
        let own = Pid::new(std::process::id()).unwrap();
        let (held, gap) = of(&root, &[own]);
        assert_eq!((held[&inode].len(), gap), (1, None));
        assert_eq!(held[&inode][0].pid, own);
        assert!(held[&inode][0].comm.is_some());
        let (found, gap) = find(&root, &[inode].into(), &BTreeSet::new());
        assert_eq!((&found[&inode], gap), (&held[&inode], None));
    }

    #[test]
    fn what_could_not_be_asked_is_one_gap() {
        let pid = |number| Pid::new(number).unwrap();
        assert_eq!(gap(&[]), None);
        let one = gap(&[(pid(7), Reason::Denied)]).unwrap();
        assert_eq!((one.object.to_string(), one.reason), ("pid 7".into(), Reason::Denied));
        let two = gap(&[(pid(7), Reason::Denied), (pid(8), Reason::Denied)]).unwrap();
        assert_eq!(two.object, "2 processes");
    }
}
