//! What it takes to join a namespace.

use super::namespace::{Kind, Kinds};

/// A right that has to be had over a user namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Of these namespaces.
    pub kinds: Kinds,
    /// `CAP_SYS_ADMIN`
    pub capability: &'static str,
    /// The user namespace that owns them, by inode; `None` for one above what we may see.
    pub owner: Option<u64>,
    /// We have it, as far as can be told without trying.
    pub have: bool,
}

impl Need {
    /// One namespace and `CAP_SYS_ADMIN`, over the user namespace of that inode.
    pub fn of(kind: Kind, owner: Option<u64>, have: bool) -> Self {
        Self { kinds: Kinds::NONE.with(kind), capability: "CAP_SYS_ADMIN", owner, have }
    }
}
