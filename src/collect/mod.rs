//! Reads the system. Never changes it, never joins a mount, pid or user namespace.

pub mod clock;
pub mod containers;
pub mod runtime;
pub mod scan;
pub mod target;
