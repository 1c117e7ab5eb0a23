//! Which process holds which socket, by the links of its descriptors.

use crate::model::gap::{Gap, Reason};
use crate::model::network::{Owner, Socket, Sockets};
use crate::model::process::Pid;
use crate::sys::error::Result;
use crate::sys::proc::{self, fd};
use crate::sys::root::SysRoot;
use crate::sys::threads::{self, Shared};
use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd};

/// Processes whose descriptors are looked at, and descriptors of all of them together.
const MOST_PROCESSES: usize = 512;
const MOST_DESCRIPTORS: usize = 50_000;
/// Holders that are told of one socket; the others are counted.
const MOST_OWNERS: usize = 8;

/// Adds the holders of every socket that is listed; a gap where not all could be asked.
pub(super) fn add(root: &SysRoot, sockets: &mut Sockets, pids: &[Pid]) -> Option<Gap> {
    let all = sockets.listening.iter_mut().chain(&mut sockets.connected);
    // Sockets of one inode are one: the kernel may tell it twice while it changes.
    let mut wanted: HashMap<u32, Vec<&mut Socket>> = HashMap::new();
    for socket in all {
        if let Some(inode) = socket.inode {
            wanted.entry(inode).or_default().push(socket);
        }
    }
    if wanted.is_empty() {
        sockets.owners_complete = true;
        return None;
    }
    let mut left = MOST_DESCRIPTORS;
    let mut gap = None;
    let mut miss = |pid: Pid, reason| {
        let object = || format!("pid {pid}").into();
        gap.get_or_insert_with(|| Gap { object: object(), what: "owners of sockets", reason });
    };
    for (nth, pid) in pids.iter().enumerate() {
        if nth >= MOST_PROCESSES || left == 0 {
            miss(*pid, Reason::Truncated);
            break;
        }
        match look(root, *pid, &mut left, &mut wanted) {
            Ok(()) => {}
            // One that has ended holds nothing.
            Err(error) if error.reason() == Reason::Gone => {}
            Err(error) => miss(*pid, error.reason()),
        }
    }
    sockets.owners_complete = gap.is_none();
    gap
}

fn look(
    root: &SysRoot,
    pid: Pid,
    left: &mut usize,
    wanted: &mut HashMap<u32, Vec<&mut Socket>>,
) -> Result<()> {
    // One directory for both: the number may become another's.
    let dir = root.process(pid)?;
    let mut comm = None;
    let mut held = HashSet::new();
    let mut take = |thread, descriptor, inode| {
        let found = u32::try_from(inode).ok().and_then(|inode| wanted.get_mut(&inode));
        let is_first = found.is_some() && held.insert(inode);
        for socket in found.into_iter().flatten() {
            socket.owner_processes += u32::from(is_first);
            if socket.owners.len() < MOST_OWNERS {
                let comm = comm.get_or_insert_with(|| proc::comm_of(dir.as_fd())).clone();
                socket.owners.push(Owner { pid, comm, descriptor, thread });
            }
        }
    };
    let mut of_process = |descriptor, inode| take(None, descriptor, inode);
    let seen = fd::sockets_of(dir.as_fd(), *left, &mut of_process)?;
    *left = left.saturating_sub(seen);
    for thread in with_their_own(root, dir.as_fd(), pid)? {
        let path = format!("task/{thread}/fd");
        let mut of_thread = |descriptor, inode| take(Some(thread), descriptor, inode);
        match fd::sockets(dir.as_fd(), &path, *left, &mut of_thread) {
            Ok(seen) => *left = left.saturating_sub(seen),
            Err(error) if error.reason() == Reason::Gone => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Threads that do not share the descriptors of their process.
fn with_their_own(root: &SysRoot, process: BorrowedFd<'_>, pid: Pid) -> Result<Vec<Pid>> {
    let apart = |from| threads::apart(root, process, from, Shared::Descriptors);
    let others = apart(pid)?;
    // A first thread that has ended shares nothing with anyone.
    match threads::living(process).filter(|_| !others.is_empty()) {
        Some(living) => apart(living),
        None => Ok(others),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_socket_is_ours() {
        use std::os::fd::AsRawFd;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = u32::try_from(rustix::fs::fstat(&listener).unwrap().st_ino).unwrap();
        let mut sockets = Sockets { listening: vec![listening(inode)], ..Sockets::default() };
        let root = SysRoot::real().unwrap();
        let own = Pid::new(std::process::id()).unwrap();
        assert_eq!(add(&root, &mut sockets, &[own]), None);
        let owner = &sockets.listening[0].owners[0];
        let descriptor = u32::try_from(listener.as_raw_fd()).unwrap();
        assert_eq!((owner.pid, owner.descriptor), (own, descriptor));
        assert!(sockets.owners_complete && owner.comm.is_some());
    }

    #[test]
    fn a_socket_of_a_thread_alone_is_its_own() {
        let root = SysRoot::real().unwrap();
        let own = Pid::new(std::process::id()).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        #[allow(clippy::disallowed_methods, reason = "a thread is what is looked for")]
        let thread = std::thread::spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES).unwrap();
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let inode = u32::try_from(rustix::fs::fstat(&listener).unwrap().st_ino).unwrap();
            let thread = u32::try_from(nix::unistd::gettid().as_raw()).unwrap();
            tell.send((thread, inode)).unwrap();
            ended.recv().unwrap_err();
        });
        let (number, inode) = told.recv().unwrap();
        let mut sockets = Sockets { listening: vec![listening(inode)], ..Sockets::default() };
        assert_eq!(add(&root, &mut sockets, &[own]), None);
        drop(end);
        thread.join().unwrap();
        let socket = &sockets.listening[0];
        let threads: Vec<_> = socket.owners.iter().map(|owner| owner.thread).collect();
        assert_eq!((socket.owner_processes, threads), (1, vec![Pid::new(number)]));
        assert!(sockets.owners_complete);
    }

    /// As /proc shows one whose first thread has ended.
    #[test]
    fn a_process_without_its_first_thread_has_what_another_has() {
        let temp = tempfile::tempdir().unwrap();
        let process = temp.path().join("proc/7");
        let zeros = "0 ".repeat(30);
        for (base, state) in [("", 'Z'), ("task/7/", 'Z'), ("task/8/", 'Z'), ("task/9/", 'S')] {
            let base = process.join(base);
            std::fs::create_dir_all(base.join("fd")).unwrap();
            // Four threads, as field 20 says.
            let stat = format!("7 (x) {state} 1 {}4 {zeros}", "0 ".repeat(15));
            std::fs::write(base.join("stat"), stat).unwrap();
        }
        std::fs::write(process.join("comm"), "x\n").unwrap();
        std::os::unix::fs::symlink("socket:[5]", process.join("task/9/fd/3")).unwrap();
        let mut sockets = Sockets { listening: vec![listening(5)], ..Sockets::default() };
        let root = SysRoot::fixture(temp.path()).unwrap();
        let pid = Pid::new(7).unwrap();
        assert_eq!(add(&root, &mut sockets, &[pid]), None);
        let owners: Vec<_> = sockets.listening[0].owners.iter().collect();
        assert_eq!(owners.len(), 1);
        assert_eq!((owners[0].pid, owners[0].descriptor), (pid, 3));
    }

    #[test]
    fn each_process_is_counted_once_and_those_beyond_the_bound_too() {
        let temp = tempfile::tempdir().unwrap();
        let pids: Vec<Pid> = (1..=21).map(|pid| Pid::new(pid).unwrap()).collect();
        for pid in &pids {
            let fd = temp.path().join(format!("proc/{pid}/fd"));
            std::fs::create_dir_all(&fd).unwrap();
            for descriptor in ["3", "4"] {
                std::os::unix::fs::symlink("socket:[5]", fd.join(descriptor)).unwrap();
            }
        }
        let root = SysRoot::fixture(temp.path()).unwrap();
        let count = |pids: &[Pid]| {
            let mut sockets = Sockets { listening: vec![listening(5)], ..Sockets::default() };
            add(&root, &mut sockets, pids);
            (sockets.listening[0].owners.len(), sockets.listening[0].owner_processes)
        };
        assert_eq!(count(&pids[..1]), (2, 1));
        assert_eq!(count(&pids), (MOST_OWNERS, 21));
    }

    fn listening(inode: u32) -> Socket {
        Socket {
            protocol: crate::model::network::Protocol::Tcp,
            family: "inet",
            state: "listen",
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            port: 1,
            peer_address: None,
            peer_port: None,
            interface: None,
            receive_queue: 0,
            send_queue: 0,
            only_v6: false,
            dropped: None,
            uid: 0,
            inode: Some(inode),
            owners: Vec::new(),
            owner_processes: 0,
        }
    }
}
