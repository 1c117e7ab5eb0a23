//! The machine a report was made on.

use super::text::Text;

/// Which machine it was, and what ran on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Host {
    /// `uname -n`, in the UTS namespace of nsx.
    pub hostname: Text,
    /// `uname -r`
    pub kernel: Text,
}
