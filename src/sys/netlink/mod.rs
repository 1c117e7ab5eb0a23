//! Facts of network and UTS namespaces: of one process by a visit, of many by `roam`. The only place with
//! tokio and rtnetlink.
//!
//! A visit is a thread that joins just these namespaces, reads them and ends; it never joins a
//! second time, and no other thread is moved. It reads nothing else, so that nothing else of the
//! process can be confused with ours. What is changed for a new process is in `change` and `loopback`.
//! See setns(2), rtnetlink(7).

pub mod addr;
mod asker;
mod attribute;
pub mod change;
mod channel;
mod dump;
mod flags;
pub mod link;
mod lookup;
mod loopback;
pub mod message;
pub mod neighbour;
mod network;
pub mod nsid;
pub mod roam;
pub mod route;
pub mod rule;
mod settings;
pub mod socket;
mod socket_tables;
mod tables;
pub mod unix;

pub use lookup::Links;
pub use loopback::bring_loopback_up;
pub use network::Ask;
pub use socket_tables::Asked;

use super::error::{Context, Problem, Result, SysError};
use super::ns;
use crate::model::namespace::{Kind, Kinds};
use crate::model::network::Network;
use crate::model::text::Text;
use crate::model::uts::Uts;
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// For every answer of the kernel together.
const DEADLINE: Duration = Duration::from_millis(1200);
/// For the thread. A system call that waits for a lock inside the kernel ends at no deadline of
/// ours: the thread is then left behind, and ends when the kernel lets it.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What could be read; `None` where it was not asked for.
#[derive(Debug)]
pub struct Visit {
    /// The net namespace; an error where its interfaces could not be read.
    pub network: Option<Result<Network>>,
    /// Asks in that network namespace for its numbers of others; only where it has peers in them.
    pub ids: Option<nsid::NsIds>,
    /// The names of the UTS namespace.
    pub uts: Option<Uts>,
}

const READABLE: Kinds = Kinds::NONE.with(Kind::Net).with(Kind::Uts);

/// A visit on its way.
#[derive(Debug)]
pub struct Visiting {
    kinds: Kinds,
    thread: std::thread::JoinHandle<()>,
    answers: Receiver<Result<Visit>>,
    end: Instant,
}

/// Begins to read the namespaces `kinds`, any of `net` and `uts`, of the process behind `pidfd`, after
/// joining them in one step (Linux 5.8); without a pidfd nothing is joined and they are the caller's
/// own. Until it is finished the caller may do what needs no other thread to be away: no fork, no
/// setns(2) to a mnt or user namespace.
///
/// EPERM: the caller lacks CAP_SYS_ADMIN over a namespace; ESRCH: the process has ended; EINVAL:
/// another kind.
pub fn start(pidfd: Option<BorrowedFd<'_>>, kinds: Kinds, ask: Ask) -> Result<Visiting> {
    if kinds.iter().any(|kind| !READABLE.has(kind)) {
        return Err(SysError::new("join", namespaces(kinds), Errno::EINVAL));
    }
    let target = pidfd.map(|pidfd| pidfd.try_clone_to_owned());
    let target = target.transpose().context("keep", "a pidfd")?;
    let (answer, answers) = sync_channel(1);
    let thread = std::thread::Builder::new()
        .name("visit".to_owned())
        .spawn(move || {
            // Nobody listens any more once PATIENCE is over.
            let _ = answer.send(read(target, kinds, &ask));
        })
        .context("start", "a thread")?;
    Ok(Visiting { kinds, thread, answers, end: Instant::now() + PATIENCE })
}

impl Visiting {
    /// The thread may still be ending in the kernel when this returns: who must have one thread does
    /// not visit before it.
    pub fn finish(self) -> Result<Visit> {
        let left = self.end.saturating_duration_since(Instant::now());
        let visit = match self.answers.recv_timeout(left) {
            Ok(visit) => visit,
            Err(timeout) => {
                return Err(SysError {
                    doing: "read",
                    object: namespaces(self.kinds),
                    problem: match timeout {
                        RecvTimeoutError::Timeout => Problem::TimedOut,
                        RecvTimeoutError::Disconnected => Problem::Errno(Errno::EIO),
                    },
                });
            }
        };
        // It has sent its last word and is about to end.
        let _ = self.thread.join();
        visit
    }
}

/// The thread's whole life.
fn read(target: Option<OwnedFd>, kinds: Kinds, ask: &Ask) -> Result<Visit> {
    if let Some(pidfd) = target {
        ns::join(pidfd.as_fd(), kinds).with_context("join", || namespaces(kinds))?;
    }
    let network = kinds.has(Kind::Net).then(|| network::read(ask, DEADLINE));
    let leads_elsewhere = network.as_ref().is_some_and(|network| {
        let mut interfaces = network.iter().flat_map(|network| &network.interfaces);
        interfaces.any(|interface| interface.peer_nsid.is_some())
    });
    let ids = if leads_elsewhere { nsid::NsIds::open().ok() } else { None };
    Ok(Visit { uts: kinds.has(Kind::Uts).then(uts), network, ids })
}

fn uts() -> Uts {
    let names = rustix::system::uname();
    Uts {
        hostname: Text::new(names.nodename().to_bytes()),
        domainname: Text::new(names.domainname().to_bytes()),
    }
}

/// `the net and uts namespaces`
fn namespaces(kinds: Kinds) -> Text {
    let names: Vec<_> = kinds.iter().map(Kind::name).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("the {} namespace{plural}", names.join(" and ")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::bounded;

    fn visit(pidfd: Option<BorrowedFd<'_>>, kinds: Kinds, ask: Ask) -> Result<Visit> {
        start(pidfd, kinds, ask)?.finish()
    }

    #[test]
    fn our_own_namespaces_are_read_without_joining() {
        let visit = visit(None, READABLE, Ask::default()).unwrap();
        let network = visit.network.unwrap().unwrap();
        let lo = network.interfaces.iter().find(|link| link.name == "lo").unwrap();
        assert_eq!(lo.kind, "loopback");
        let net = std::fs::File::open("/proc/sys/net").unwrap();
        let set = |file: &str| {
            let mut buffer = Vec::new();
            bounded::read_record(net.as_fd(), file, bounded::SMALL, &mut buffer).ok()?;
            std::str::from_utf8(&buffer).unwrap().trim().parse::<u32>().ok()
        };
        assert_eq!(lo.reverse_path_filter, set("ipv4/conf/lo/rp_filter"));
        let disabled = set("ipv6/conf/lo/disable_ipv6").map(|number| number != 0);
        assert_eq!(lo.ipv6_disabled, disabled);
        assert!(!visit.uts.unwrap().hostname.is_empty());
    }

    #[test]
    fn only_what_is_asked_for_is_read() {
        let visit = visit(None, Kinds::NONE.with(Kind::Uts), Ask::default()).unwrap();
        assert!(visit.network.is_none());
        assert!(visit.uts.is_some());
    }

    #[test]
    fn other_kinds_are_never_joined() {
        let kinds = READABLE.with(Kind::Mnt);
        let error = visit(None, kinds, Ask::default()).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL));
    }

    #[test]
    fn a_process_that_ended_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let flags = rustix::process::PidfdFlags::empty();
        let pidfd = rustix::process::pidfd_open(pid, flags).unwrap();
        child.wait().unwrap();
        let error = visit(Some(pidfd.as_fd()), READABLE, Ask::default()).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::ESRCH));
    }

    #[test]
    fn a_descriptor_that_is_no_pidfd_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        let error = visit(Some(file.as_fd()), READABLE, Ask::default()).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL));
        let text = error.to_string();
        assert!(text.starts_with("cannot join the uts and net namespaces:"));
    }
}
