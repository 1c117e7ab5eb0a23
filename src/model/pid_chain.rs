//! What one process is called in each pid namespace that it is in.

use serde::Serialize;

/// From the reader's pid namespace down to its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PidChain {
    /// On this side.
    pub pid: u32,
    /// The reader's first; the last is the one that the process itself is in.
    pub levels: Vec<Level>,
}

/// A process's number in one pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Level {
    /// Inode of the pid namespace; null where it may not be seen.
    pub namespace: Option<u64>,
    /// What it is called there: 1 for the first process of that namespace.
    pub pid: u32,
}

impl PidChain {
    /// What it is called where that namespace's processes are.
    pub fn in_namespace(&self, inode: u64) -> Option<u32> {
        self.levels.iter().find(|level| level.namespace == Some(inode)).map(|level| level.pid)
    }
}
