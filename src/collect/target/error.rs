//! Why a target cannot be used.

use super::grammar::Misspelled;
use crate::model::namespace::NsKey;
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::error::SysError;

/// Where the way from a spelling to a process or namespace ends.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("{0}")]
    Misspelled(Misspelled),
    #[error("no process has pid {0}")]
    NoProcess(Pid),
    #[error("pid {0} is hidden: /proc does not show it to this user")]
    Hidden(Pid),
    #[error("{0} is not a process id (1 to {max}), and no container has that name or id", max = Pid::MAX)]
    NotAPid(Text),
    #[error("pid {pid} is another process than the one of inode {inode}, which is gone")]
    AnotherProcess { pid: Pid, inode: u64 },
    #[error("this kernel gives processes no inode, so that PID:INODE cannot be checked")]
    NoInodes,
    #[error("this kernel gives namespaces no number (Linux 6.18)")]
    NoIds,
    #[error("no container on this host has the name or id {0}")]
    NoContainer(Text),
    #[error("no container in {0} is known")]
    NoPod(Text),
    #[error("{spelled} is ambiguous: {candidates}")]
    Ambiguous { spelled: Text, candidates: String },
    #[error("{label} has no process: it is {state}")]
    NotRunning { label: Text, state: &'static str },
    #[error("pid {0} has ended and waits for its parent to collect it (a zombie)")]
    Zombie(Pid),
    #[error("pid {0} is a thread of another process")]
    Thread(Pid),
    #[error("{0} ended while it was being looked up")]
    Ended(Text),
    #[error("{0} is in no container")]
    InNoContainer(Text),
    #[error("whether pid {0} is in a container is not known: its namespaces may not be read")]
    Unseen(Pid),
    #[error("no process is in {0}")]
    NoMember(Text),
    #[error("no namespace {0} can be seen")]
    NoNamespace(Text),
    #[error("there is no network namespace called {0}")]
    NoNetns(Text),
    #[error("{path} is no {wanted}")]
    NotANamespace { path: Text, wanted: &'static str },
    #[error("no process lives in {label}")]
    NobodyIn { label: Text, key: NsKey },
    #[error(transparent)]
    System(#[from] SysError),
}

impl TargetError {
    /// The candidates, best first, each as a target and with what tells it from the others.
    pub(super) fn ambiguous(spelled: &[u8], candidates: &[String]) -> Self {
        Self::Ambiguous { spelled: Text::new(spelled), candidates: candidates.join(", ") }
    }
}
