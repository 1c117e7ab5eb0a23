//! The files that a spawned program is to see, as asked for: nothing of it is opened yet.

use std::path::{Path, PathBuf};

/// Without a word the root is the host's as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// A directory or an archive; without one the host's own root.
    pub root: Option<PathBuf>,
    /// Absent: what is written goes to the root itself.
    pub overlay: Option<Writes>,
    /// What is mounted in the root by `more` may be written to all the same.
    pub read_only: bool,
    /// In the order in which they are mounted.
    pub more: Vec<More>,
}

/// Where what is written goes in place of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writes {
    /// It is gone when the program has ended.
    Memory,
    /// A directory of the host, which keeps it.
    Directory(PathBuf),
}

/// What is mounted in the root; `at` is a path inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum More {
    /// A file or directory of the host.
    Bind {
        /// As it is called outside.
        source: PathBuf,
        /// As it is called inside.
        at: PathBuf,
        /// It cannot be written to by this name.
        read_only: bool,
    },
    /// An empty file system in memory: tmpfs(5).
    Memory {
        /// As it is called inside.
        at: PathBuf,
        /// What it may hold; absent: as much as the kernel gives, half of all memory.
        size_bytes: Option<u64>,
        /// Permissions of its root; absent: 01777.
        mode: Option<u32>,
    },
}

impl Files {
    /// Nothing is asked for: the program sees the files that its caller sees.
    pub fn are_as_they_are(&self) -> bool {
        *self == Self::default()
    }
}

impl More {
    /// The path inside at which it is mounted.
    pub fn at(&self) -> &Path {
        match self {
            Self::Bind { at, .. } | Self::Memory { at, .. } => at,
        }
    }
}
