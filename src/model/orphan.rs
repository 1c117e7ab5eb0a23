//! What containers left behind, and what nobody looks after any more.

use super::census::Holder;
use super::text::Text;

/// Something that was left behind.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Orphan {
    /// `namespace`, `state`, `shim` or `container`.
    pub kind: OrphanKind,
    /// `net:[4026532281]`, `docker:web`, `pid 4711 (conmon)`.
    pub object: Text,
    /// What is missing.
    pub because: Text,
    /// What keeps a namespace without a process.
    pub held_by: Vec<Holder>,
    /// Somebody who was not seen may be in it: that is for a person to read, not for a script to
    /// remove.
    #[serde(skip)]
    pub is_unsure: bool,
}

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OrphanKind {
    /// A namespace that no process is in.
    Namespace,
    /// A record of a running container whose process has ended.
    State,
    /// A process that looks after a container, and has none.
    Shim,
    /// A container of an engine whose shim or monitor has ended.
    Container,
}

impl OrphanKind {
    /// As reports and filters spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::State => "state",
            Self::Shim => "shim",
            Self::Container => "container",
        }
    }
}
