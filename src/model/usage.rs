//! What a container uses, for a list: the numbers of its own group.

use super::cgroup::{Cpu, Memory, Pids};

/// Each part is absent where its controller is not there or could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Usage {
    /// Of the group that is the container's own.
    pub memory: Option<Memory>,
    /// Of the group that is the container's own.
    pub cpu: Option<Cpu>,
    /// Of the group that is the container's own.
    pub pids: Option<Pids>,
    /// Thousandths of a core that were used over the interval; null without one.
    pub cpu_millicores: Option<u64>,
    /// How long that was watched.
    pub interval_usec: Option<u64>,
}
