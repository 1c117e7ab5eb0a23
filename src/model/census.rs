//! The namespaces of a host: who is in each, who owns it, and what keeps it alive.

use super::gap::Gap;
use super::namespace::{Kind, NsSet};

pub use super::namespace::NsKey;
use super::process::Pid;
use super::text::Text;

/// Something that need not have been looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fact<T> {
    /// Nobody asked for it: JSON leaves it out.
    #[default]
    NotAsked,
    /// Looked for and not seen: the gaps say why.
    Unknown,
    /// Looked for and seen. In JSON the value alone.
    Known(T),
}

impl<T> Fact<T> {
    /// It was not looked for; `Unknown` is an answer.
    pub const fn is_not_asked(&self) -> bool {
        matches!(self, Self::NotAsked)
    }

    /// The same of a reference to what is known.
    pub const fn as_ref(&self) -> Fact<&T> {
        match self {
            Self::NotAsked => Fact::NotAsked,
            Self::Unknown => Fact::Unknown,
            Self::Known(value) => Fact::Known(value),
        }
    }

    /// Changes what is known, and leaves the rest as it is.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::NotAsked => Fact::NotAsked,
            Self::Unknown => Fact::Unknown,
            Self::Known(value) => Fact::Known(change(value)),
        }
    }

    /// `None` both for what was not asked and for what could not be seen.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::NotAsked | Self::Unknown => None,
        }
    }
}

/// The value, or null; who serializes it leaves out what was not asked.
impl<T: serde::Serialize> serde::Serialize for Fact<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.known().serialize(serializer)
    }
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Fact<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Option::<T>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Every namespace that was found, and what could not be seen.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// What the host's own namespaces are, as far as that can be seen.
    pub host: NsSet,
    /// By inode.
    pub namespaces: Vec<Namespace>,
    /// By pid; those whose description was asked for.
    pub members: Vec<Member>,
    /// What could not be seen, and why: a process that hides its namespaces from us.
    pub gaps: Vec<Gap>,
}

impl Census {
    /// By inode; `None` for one that was not found.
    pub fn find(&self, inode: u64) -> Option<&Namespace> {
        let at = self.namespaces.binary_search_by_key(&inode, |namespace| namespace.inode).ok()?;
        self.namespaces.get(at)
    }

    /// `None` too for a process whose description was not asked for.
    pub fn member(&self, pid: Pid) -> Option<&Member> {
        let at = self.members.binary_search_by_key(&pid, |member| member.occupant.pid).ok()?;
        self.members.get(at)
    }
}

/// One namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Which of the eight: the word in `/proc/PID/ns`.
    pub kind: Kind,
    /// As `/proc/PID/ns` shows it: `4026531840`. It may be given again once the namespace is gone.
    pub inode: u64,
    /// One of the host's own.
    pub of_host: bool,
    /// How many processes are in it.
    pub processes: usize,
    /// How many threads are in it whose process is elsewhere.
    pub threads: Fact<usize>,
    /// The process of the lowest pid in it; failing one, a process with a thread in it.
    pub first: Option<Occupant>,
    /// Of `first`; of a user namespace without processes, who made it.
    pub uid: Option<u32>,
    /// What the host calls that uid.
    pub user: Option<Text>,
    /// The kernel's number for it, never given twice. NS_GET_ID, Linux 6.18.
    pub id: Fact<u64>,
    /// The user namespace that owns it; none above the initial one.
    pub owner: Fact<Option<u64>>,
    /// Of a pid or user namespace the one above it.
    pub parent: Fact<Option<u64>>,
    /// The namespace of its kind that the processes above `first` are in.
    pub under: Fact<Option<u64>>,
    /// What our own network namespace calls it; none where it has given it no number.
    pub net_id: Fact<Option<u32>>,
    /// Where it is bind-mounted in our own mount namespace.
    pub mounts: Vec<Text>,
    /// What keeps it alive beside its processes.
    pub holders: Fact<Vec<Holder>>,
    /// The container it belongs to.
    pub container: Fact<Option<Text>>,
}

impl Namespace {
    /// One of which nothing but its kind and inode is known yet.
    pub fn new(key: NsKey) -> Self {
        Self {
            kind: key.kind,
            inode: key.inode,
            of_host: false,
            processes: 0,
            threads: Fact::NotAsked,
            first: None,
            uid: None,
            user: None,
            id: Fact::NotAsked,
            owner: Fact::NotAsked,
            parent: Fact::NotAsked,
            under: Fact::NotAsked,
            net_id: Fact::NotAsked,
            mounts: Vec::new(),
            holders: Fact::NotAsked,
            container: Fact::NotAsked,
        }
    }

    /// Kind and inode: by what it is told from all others.
    pub fn key(&self) -> NsKey {
        NsKey { inode: self.inode, kind: self.kind }
    }
}

/// A process that is in a namespace, or has a thread there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// Of the process, not of a thread.
    pub pid: Pid,
    /// The thread to ask: the first one has ended, or is elsewhere.
    pub thread: Option<Pid>,
    /// The process is in another namespace, and only this thread of it is here.
    pub elsewhere: bool,
    /// None where it is outside the reader's pid namespace.
    pub parent: Fact<Option<Pid>>,
    /// Of its directory in /proc: its effective uid.
    pub uid: u32,
    /// Its command line, or its name where it has none or it could not be read.
    pub command: Text,
}

/// A described process and all of its namespaces.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who it is, as the reader's /proc shows it.
    pub occupant: Occupant,
    /// By inode; without those that could not be read.
    pub namespaces: NsSet,
}

/// By what namespaces hang below each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Below the user namespace that owns it.
    Owner,
    /// A pid or user namespace below its parent, any other below its owner.
    Parent,
    /// Below the namespace of its kind that the parent of its first process is in.
    Process,
}

impl Relation {
    /// In the order in which `--tree` names them.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Parent, Self::Process];

    /// As `--tree` spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Parent => "parent",
            Self::Process => "process",
        }
    }

    /// The one that a namespace hangs below.
    pub fn above(self, namespace: &Namespace) -> Option<NsKey> {
        let (kind, above) = match (self, namespace.kind) {
            (Self::Process, kind) => (kind, &namespace.under),
            (Self::Parent, kind @ (Kind::Pid | Kind::User)) => (kind, &namespace.parent),
            _ => (Kind::User, &namespace.owner),
        };
        // Of the initial pid namespace there is no parent, but an owner.
        let above = match (self, namespace.kind, above.known()) {
            (Self::Parent, Kind::Pid, Some(None)) => {
                return namespace
                    .owner
                    .known()
                    .copied()
                    .flatten()
                    .map(|inode| NsKey { inode, kind: Kind::User });
            }
            (_, _, above) => above.copied().flatten(),
        };
        above.map(|inode| NsKey { inode, kind })
    }
}

/// What keeps a namespace alive without a process in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Holder {
    /// The next child of a process will be in it (`ns/pid_for_children`, `ns/time_for_children`).
    ForChildren {
        /// Whose next child it will be.
        pid: Pid,
    },
    /// A thread of a process that is elsewhere.
    Thread {
        /// The process, which is in another namespace.
        pid: Pid,
        /// The one that is in this namespace: below `/proc/PID/task`.
        thread: Pid,
    },
    /// A descriptor that is the namespace.
    Descriptor {
        /// Who has it open.
        pid: Pid,
        /// As in `/proc/PID/fd`.
        number: u32,
    },
    /// A descriptor that is a socket in it.
    Socket {
        /// Who has it open.
        pid: Pid,
        /// As in `/proc/PID/fd`.
        number: u32,
    },
    /// It is bind-mounted in a mount namespace, and seen through a process there.
    Mount {
        /// Inode of that mount namespace.
        namespace: u64,
        /// The path in there: `/run/netns/blue`.
        target: Text,
        /// In whose `/proc/PID/root` the path is; null where no process is known there.
        through: Option<Pid>,
    },
    /// A namespace that it owns or is the parent of.
    Child {
        /// Which kind that one is.
        of: Kind,
        /// As `/proc/PID/ns` would show it.
        inode: u64,
    },
    /// The kernel lists it; nothing that nsx looks at holds it.
    Unseen,
}
