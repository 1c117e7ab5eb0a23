//! What a spawned program came to, and what it used.

use super::group::Used;
use serde::Serialize;

/// What `--report` tells of a program that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// By itself, or by a signal.
    #[serde(flatten)]
    pub end: End,
    /// From start to end by the clock.
    pub wall_usec: u64,
    /// Of all its processes together, by its control groups. Without one for it what the kernel
    /// says of those that were waited for is all there is: `cpu_usec` and the like.
    pub used: Used,
    /// Resident memory of the largest of its processes that were waited for.
    pub largest_process_bytes: u64,
    /// What was asked for; null where nothing was.
    pub memory_limit_bytes: Option<u64>,
    /// Processes and threads; null where nothing was asked for.
    pub pids_limit: Option<u64>,
    /// Thousandths of a CPU.
    pub cpu_limit_millicores: Option<u64>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct End {
    /// Null where a signal ended it.
    pub code: Option<u8>,
    /// The number of the one that ended it.
    pub signal: Option<i32>,
    /// It was ended because its time was over.
    pub timed_out: bool,
}
