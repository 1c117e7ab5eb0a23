//! What a UTS namespace holds. See uts_namespaces(7).

use super::text::Text;

/// How far the clocks of a time namespace are from the host's. See time_namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClockOffsets {
    /// CLOCK_MONOTONIC: what is added there; below 0 where it is behind.
    pub monotonic_nsec: i64,
    /// CLOCK_BOOTTIME: what is added there; below 0 where it is behind.
    pub boottime_nsec: i64,
}

/// The two names, as uname(2) gives them; the kernel says `(none)` where one was never set.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Uts {
    /// `web-1`; uname(2) has it as `nodename`.
    pub hostname: Text,
    /// The NIS domain; not the DNS one.
    pub domainname: Text,
}
