//! The nouns: plain data, no input or output, no layout.

pub mod capability;
pub mod census;
pub mod cgroup;
pub mod confinement;
pub mod container;
pub mod evidence;
pub mod finding;
pub mod formulas;
pub mod gap;
pub mod host;
pub mod identity;
pub mod inspection;
pub mod limits;
pub mod mount;
pub mod namespace;
pub mod network;
pub mod orphan;
pub mod plan;
pub mod pod;
pub mod process;
pub mod runtime;
pub mod seccomp;
pub mod security;
pub mod text;
pub mod usage;
pub mod uts;
