//! What was asked of `enter`, however it was spelled.

use crate::action::plan::Wish;
use crate::cli::error::Failure;
use crate::model::namespace::Kind;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Request {
    pub target: Option<OsString>,
    pub wish: Wish,
    /// Namespaces by a file, or by `:NUMBER`.
    pub namespaces: Vec<(Kind, OsString)>,
    /// A descriptor of the target's that is a socket: its network namespace.
    pub socket: Option<u32>,
    /// How many levels above the user namespace that would be joined.
    pub user_parents: u32,
    pub root: Option<Place>,
    pub directory: Option<Place>,
    pub environment: Environment,
    /// `USER[:GROUP]`, by the target's own files.
    pub user: Option<OsString>,
    /// How many descriptors of the caller's are handed on beside the standard ones.
    pub descriptors: u32,
    pub limit: Option<Duration>,
    pub init: bool,
    pub dry_run: bool,
    pub program: Vec<OsString>,
}

/// A directory.
#[derive(Debug)]
pub enum Place {
    OfTarget,
    Inside(CString),
    /// In our view, before anything is joined.
    Ours(OsString),
}

#[derive(Debug, Default)]
pub struct Environment {
    /// What the target was started with.
    pub of_target: bool,
    /// Nothing of the caller's.
    pub clean: bool,
    pub more: Vec<(OsString, OsString)>,
}

impl Request {
    /// Whether any namespace was asked for.
    pub fn names_namespaces(&self) -> bool {
        self.wish.all
            || !self.wish.named.is_empty()
            || !self.namespaces.is_empty()
            || self.socket.is_some()
            || self.user_parents > 0
    }
}

/// A path for the kernel.
pub fn path(option: &str, value: &OsString) -> Result<CString, Failure> {
    CString::new(value.as_bytes()).map_err(|_| Failure::usage(format!("{option} holds a NUL byte")))
}
