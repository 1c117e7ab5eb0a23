//! Names of a UTS namespace. See uts_namespaces(7).

use super::text::Text;

#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Uts {
    pub hostname: Text,
    /// The NIS domain; `(none)` where nobody set one.
    pub domainname: Text,
}
