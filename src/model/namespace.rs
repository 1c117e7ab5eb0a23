//! The eight kinds of namespace and their identities.

use std::fmt;

/// A kind of namespace; the order is the one reports use. See namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Mounts: mount_namespaces(7).
    Mnt,
    /// Host name and NIS domain: uts_namespaces(7).
    Uts,
    /// IPC of System V, and POSIX message queues: ipc_namespaces(7).
    Ipc,
    /// Interfaces, addresses, routes, sockets: network_namespaces(7).
    Net,
    /// Numbers of processes: pid_namespaces(7).
    Pid,
    /// The group that is seen as the root of each hierarchy: cgroup_namespaces(7).
    Cgroup,
    /// Users, groups and capabilities: user_namespaces(7).
    User,
    /// How far two clocks are off: time_namespaces(7). Linux 5.6.
    Time,
}

impl Kind {
    /// In the order of reports.
    pub const ALL: [Self; 8] = [
        Self::Mnt,
        Self::Uts,
        Self::Ipc,
        Self::Net,
        Self::Pid,
        Self::Cgroup,
        Self::User,
        Self::Time,
    ];

    /// The kernel's word, as in `/proc/PID/ns/WORD`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mnt => "mnt",
            Self::Uts => "uts",
            Self::Ipc => "ipc",
            Self::Net => "net",
            Self::Pid => "pid",
            Self::Cgroup => "cgroup",
            Self::User => "user",
            Self::Time => "time",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a namespace is known by: inodes are given again, but never to two kinds at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NsKey {
    /// As `/proc/PID/ns` shows it: `4026531840`.
    pub inode: u64,
    /// Which of the eight.
    pub kind: Kind,
}

/// `net:[4026531840]`, the kernel's own spelling.
impl fmt::Display for NsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:[{}]", self.kind, self.inode)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All eight.
    pub const EVERY: Self = Self(0xff);

    const fn bit(kind: Kind) -> u8 {
        1 << kind as u8
    }

    /// The same and this kind.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | Self::bit(kind))
    }

    /// The same without this kind.
    #[must_use]
    pub const fn without(self, kind: Kind) -> Self {
        Self(self.0 & !Self::bit(kind))
    }

    /// This kind is one of them.
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    /// There is no kind in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the order of reports.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

/// `mnt uts net`, in report order.
impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, kind) in self.iter().enumerate() {
            write!(f, "{}{kind}", if n == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kinds({self})")
    }
}

/// The inode of each namespace of one process, `None` where it could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NsSet([Option<u64>; 8]);

impl NsSet {
    /// `None` where it could not be read, or the kernel has no such kind.
    pub fn inode(&self, kind: Kind) -> Option<u64> {
        self.0.get(kind as usize).copied().flatten()
    }

    /// Puts the inode in place of what was known of this kind.
    pub fn set(&mut self, kind: Kind, inode: u64) {
        if let Some(slot) = self.0.get_mut(kind as usize) {
            *slot = Some(inode);
        }
    }

    /// The kinds known on both sides whose inodes differ.
    pub fn differing(&self, other: &Self) -> Kinds {
        Kind::ALL
            .into_iter()
            .filter(|kind| match (self.inode(*kind), other.inode(*kind)) {
                (Some(mine), Some(theirs)) => mine != theirs,
                _ => false,
            })
            .collect()
    }

    /// Takes over what is not known here.
    pub fn complete_from(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.or(theirs);
        }
    }

    /// The kinds that could not be read.
    pub fn unknown(&self) -> Kinds {
        Kind::ALL.into_iter().filter(|kind| self.inode(*kind).is_none()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_namespace_is_neither_equal_nor_different() {
        let mut host = NsSet::default();
        let mut other = NsSet::default();
        host.set(Kind::Net, 1);
        host.set(Kind::Pid, 2);
        other.set(Kind::Net, 3);
        assert_eq!(host.differing(&other), Kinds::NONE.with(Kind::Net));
        assert!(other.unknown().has(Kind::Pid));
        assert!(!other.unknown().has(Kind::Net));
    }

    #[test]
    fn kinds_print_in_report_order() {
        let kinds: Kinds = [Kind::Time, Kind::Mnt, Kind::Pid].into_iter().collect();
        assert_eq!(kinds.to_string(), "mnt pid time");
        assert_eq!(kinds.without(Kind::Mnt).to_string(), "pid time");
        assert_eq!(Kinds::EVERY.iter().count(), 8);
    }
}
