//! What made a container, and what its engine left on disk about it.
//!
//! `recognise` is pure over a cgroup path. The others read one engine's state, never its socket:
//! an engine that hangs must not make nsx hang.

pub mod docker;
pub mod monitor;
pub mod recognise;
pub mod runc;
