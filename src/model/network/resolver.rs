//! The files that a resolver inside reads.

use crate::model::text::Text;

/// How names become addresses inside.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Resolver {
    /// /etc/resolv.conf
    pub resolv_conf: File,
    /// Addresses of its `nameserver` lines, of which a resolver asks the first three.
    pub nameservers: Vec<Text>,
    /// Domains of the last `search` line, or the one of a `domain` line.
    pub search: Vec<Text>,
    /// Words of its `options` lines: `ndots:5`.
    pub options: Vec<Text>,
    /// /etc/hosts
    pub hosts: File,
    /// /etc/nsswitch.conf
    pub nsswitch: File,
    /// The words of its `hosts:` line, without a comment.
    pub hosts_sources: Vec<Text>,
}

/// A file of the target, as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct File {
    /// Whether it was read, and if not why.
    pub state: FileState,
    /// Its lines without comments and blank ones; cut where it is long.
    pub lines: Vec<Text>,
}

/// What became of reading one of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// All of it was.
    Read,
    /// The first part was.
    Cut,
    /// There is none that could be opened.
    #[default]
    Missing,
    /// A FIFO, a device, a directory: not opened.
    NotRegular,
    /// We may not read it.
    Denied,
    /// Its file system did not answer.
    NoAnswer,
}
