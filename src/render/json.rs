//! The JSON envelope that every command's result comes in.

use crate::model::gap::Gap;
use crate::model::host::Host;
use serde::Serialize;

/// `{"schema":"nsx.ps/1","host":{…},"data":…,"gaps":[…]}`
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Envelope<'a, T> {
    /// Name and version. Within a version fields are added, never renamed or removed.
    pub schema: &'static str,
    /// The machine, and what ran on it.
    pub host: &'a Host,
    /// What was asked for, in the form that `schema` names.
    pub data: T,
    /// What could not be seen, and why.
    pub gaps: &'a [Gap],
}
