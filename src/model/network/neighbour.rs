//! Neighbours: which link address an address has. See ip-neighbour(8).

use crate::model::text::Text;
use std::net::IpAddr;

/// What the kernel knows of an address that is reached directly.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Neighbour {
    /// Its address of IPv4 or IPv6.
    pub address: IpAddr,
    /// Of the interface on whose link it is, in this namespace.
    pub interface_index: u32,
    /// Absent where the interface came after the list of them.
    pub interface: Option<Text>,
    /// Absent where it is not known (yet).
    pub mac: Option<String>,
    /// `reachable`, `stale`, `delay`, `probe`, `incomplete`, `failed`, `permanent`, `none`.
    pub state: &'static str,
    /// How long ago it was last sent to; absent where the kernel does not say.
    pub used_seconds: Option<u32>,
    /// How long ago its state changed last, as when it failed; absent where the kernel does not say.
    pub updated_seconds: Option<u32>,
    /// `router`, `proxy`, `extern_learn`, …
    pub flags: Vec<&'static str>,
}
