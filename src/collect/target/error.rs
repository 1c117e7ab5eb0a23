//! Why a target cannot be used.

use super::grammar::Misspelled;
use crate::model::namespace::NsKey;
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::error::SysError;

/// Where the way from a spelling to a process or namespace ends.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The text is no target.
    #[error("{0}")]
    Misspelled(Misspelled),
    /// Neither a process nor a thread has that number here, or it ended meanwhile.
    #[error("no process has pid {0}")]
    NoProcess(Pid),
    /// EACCES, or a /proc that is mounted with hidepid.
    #[error("pid {0} is hidden: /proc does not show it to this user")]
    Hidden(Pid),
    /// Digits that are beyond any pid, and no container's name or id.
    #[error("{0} is not a process id (1 to {max}), and no container has that name or id", max = Pid::MAX)]
    NotAPid(Text),
    /// `PID:INODE` was asked for, and the pidfd of that number has another inode.
    #[error("pid {pid} is another process than the one of inode {inode}, which is gone")]
    AnotherProcess {
        /// Of the host's numbering.
        pid: Pid,
        /// The one that was asked for.
        inode: u64,
    },
    /// A pidfd has an inode of its own since Linux 6.9: `PID:INODE` was asked for before that.
    #[error("this kernel gives processes no inode, so that PID:INODE cannot be checked")]
    NoInodes,
    /// NS_GET_ID failed: a namespace was asked for by its number.
    #[error("this kernel gives namespaces no number (Linux 6.18)")]
    NoIds,
    /// No record and no group of processes has it.
    #[error("no container on this host has the name or id {0}")]
    NoContainer(Text),
    /// Neither has a container of the host's that could be read, and one could not.
    #[error("what {spelled} means cannot be told: {gap} could not be read")]
    Unread {
        /// The target as it was spelled.
        spelled: Text,
        /// What was looked for, and where.
        gap: String,
    },
    /// No container of such a pod was found; the target as it was spelled.
    #[error("no container in {0} is known")]
    NoPod(Text),
    /// Several containers, units or files are meant equally well.
    #[error("{spelled} is ambiguous: {candidates}")]
    Ambiguous {
        /// The target as it was spelled.
        spelled: Text,
        /// What would be clear, and what tells them apart; commas in between.
        candidates: String,
    },
    /// A container that has a record alone.
    #[error("{label} has no process: it is {state}")]
    NotRunning {
        /// What a person calls the container.
        label: Text,
        /// `created`, `stopped`
        state: &'static str,
    },
    /// State `Z` or `X` in `/proc/PID/stat`.
    #[error("pid {0} has ended and waits for its parent to collect it (a zombie)")]
    Zombie(Pid),
    /// A directory in /proc, which no listing shows: its `Tgid` is another number.
    #[error("pid {0} is a thread of another process")]
    Thread(Pid),
    /// The process that was found has ended, or moved elsewhere; what it was found by.
    #[error("{0} ended while it was being looked up")]
    Ended(Text),
    /// What was named is there, and no container has to do with it.
    #[error("{0} is in no container")]
    InNoContainer(Text),
    /// The same of a namespace where some processes do not show theirs.
    #[error("{0} is in no container that can be seen")]
    InNoSeenContainer(Text),
    /// Neither are its namespaces readable, nor does its cgroup tell a container.
    #[error("whether pid {0} is in a container is not known: its namespaces may not be read")]
    Unseen(Pid),
    /// The unit or control group is empty, or is not there.
    #[error("no process is in {0}")]
    NoMember(Text),
    /// No process, bind mount or descriptor that we may see leads to it.
    #[error("no namespace {0} can be seen")]
    NoNamespace(Text),
    /// No file of that name in the directories that `ip netns` and engines use.
    #[error("there is no network namespace called {0}")]
    NoNetns(Text),
    /// Something is there, and it is no namespace, or one of another kind.
    #[error("{path} is no {wanted}")]
    NotANamespace {
        /// Absolute, on the host.
        path: Text,
        /// What it would have to be: `namespace file`.
        wanted: &'static str,
    },
    /// A process was wanted, and the namespace that was named has none.
    #[error("no process lives in {label}")]
    NobodyIn {
        /// The namespace as the user named it.
        label: Text,
        /// The namespace itself.
        key: NsKey,
    },
    /// The same where some processes do not show their namespaces.
    #[error("no process that can be seen is in {0}")]
    NobodySeenIn(Text),
    /// The kernel refused something on the way.
    #[error(transparent)]
    System(#[from] SysError),
}

impl TargetError {
    /// The candidates, best first, each as a target and with what tells it from the others.
    pub(super) fn ambiguous(spelled: &[u8], candidates: &[String]) -> Self {
        Self::Ambiguous { spelled: Text::new(spelled), candidates: candidates.join(", ") }
    }
}
