//! Mounts as one process sees them.

use super::text::Text;

/// One line of mountinfo. See proc_pid_mountinfo(5).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Mount {
    pub id: u32,
    pub parent_id: u32,
    /// `major:minor` of the file system.
    pub device: String,
    /// The part of the file system that is mounted.
    pub root: Text,
    /// Where, seen from the process's root.
    pub target: Text,
    /// Options of this mount: `rw,nosuid`.
    pub options: Text,
    /// `shared`, `slave`, `private`, `unbindable`, or `shared slave`.
    pub propagation: &'static str,
    pub fs_type: Text,
    pub source: Text,
    /// Options of the file system.
    pub fs_options: Text,
}

impl Mount {
    pub fn read_only(&self) -> bool {
        self.options.as_bytes().split(|b| *b == b',').any(|option| option == b"ro")
    }
}
