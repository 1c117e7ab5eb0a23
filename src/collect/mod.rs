//! Reads the system. Never changes it, never joins a mount, pid or user namespace.

pub mod cgroups;
pub mod clock;
pub mod containers;
pub mod credentials;
pub mod details;
pub mod findings;
pub mod formulas;
pub mod groups;
pub mod host;
pub mod inspect;
pub mod limits;
pub mod memory_site;
pub mod mounts;
pub mod namespaces;
mod nearby;
pub mod network;
pub mod order;
pub mod orphans;
pub mod processes;
pub mod records;
pub mod runtime;
pub mod scan;
pub mod seccomp;
pub mod security;
pub mod target;
pub mod usage;
pub mod verdict;
