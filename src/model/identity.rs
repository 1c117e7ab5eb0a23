//! What a process is and as whom it runs.

use super::text::Text;

/// Of the process that was named, or the first one of the container that was.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Identity {
    /// Arguments joined by blanks; null where its memory did not answer or it has none.
    pub command: Option<Text>,
    /// The program's file as its own root shows it; ` (deleted)` where it was removed.
    pub executable: Option<Text>,
    /// The effective user, as the host numbers it.
    pub uid: u32,
    /// As its own user namespace numbers it; null where that has no number for it.
    pub uid_inside: Option<u32>,
    /// What its own /etc/passwd calls that user: the word of whoever made that file.
    pub user_inside: Option<Text>,
}
