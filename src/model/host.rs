//! The machine a report was made on.

use super::text::Text;

#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Host {
    pub hostname: Text,
    /// `uname -r`
    pub kernel: Text,
}
