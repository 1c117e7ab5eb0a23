//! What a UTS namespace holds. See uts_namespaces(7).

use super::text::Text;

/// The two names, as uname(2) gives them; the kernel says `(none)` where one was never set.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Uts {
    pub hostname: Text,
    /// The NIS domain; not the DNS one.
    pub domainname: Text,
}
