//! Processes of a namespace as rows.

use super::column::{Column, cuttable, left, number, or_dash};
use crate::model::census::{Fact, Member};
use crate::model::process::Pid;
use crate::model::text::Text;

/// A process, and where it hangs.
#[derive(Clone, Debug)]
pub struct Row {
    /// The one that the row tells of.
    pub member: Member,
    /// What the host calls its uid.
    pub user: Option<Text>,
    /// What is drawn before it in a tree.
    pub branch: String,
}

/// All that `--columns` can name.
pub const COLUMNS: [Column<Row>; 5] = [
    number("pid", "PID", |row, _| row.member.occupant.pid.to_string()),
    number("ppid", "PPID", |row, _| or_dash(row.member.occupant.parent.known().copied().flatten())),
    number("uid", "UID", |row, _| row.member.occupant.uid.to_string()),
    left("user", "USER", |row, _| match &row.user {
        Some(name) => name.to_string(),
        None => row.member.occupant.uid.to_string(),
    }),
    cuttable("command", "COMMAND", |row, style| {
        let branch = if style.whole { "" } else { &row.branch };
        format!("{branch}{}", row.member.occupant.command)
    }),
];

/// What is shown unless something else is asked for.
pub const DEFAULT: [&str; 4] = ["pid", "ppid", "user", "command"];

/// One pid a line.
pub fn names(rows: &[Row]) -> String {
    rows.iter().map(|row| row.member.occupant.pid.to_string() + "\n").collect()
}

/// One process in JSON.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonProcess<'a> {
    /// As the reader's /proc numbers it.
    pub pid: Pid,
    /// Null where it is outside our pid namespace.
    #[serde(default, skip_serializing_if = "Fact::is_not_asked")]
    pub ppid: Fact<Option<Pid>>,
    /// Of its directory in /proc: its effective uid.
    pub uid: u32,
    /// What the host calls that uid; null where it has no name for it.
    pub user: Option<&'a Text>,
    /// Its command line, or its name where it has none.
    pub command: &'a Text,
}

impl<'a> From<&'a Row> for JsonProcess<'a> {
    fn from(row: &'a Row) -> Self {
        let occupant = &row.member.occupant;
        Self {
            pid: occupant.pid,
            ppid: occupant.parent,
            uid: occupant.uid,
            user: row.user.as_ref(),
            command: &occupant.command,
        }
    }
}
