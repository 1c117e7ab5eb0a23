//! The nouns: plain data, no input or output, no layout.

pub mod cgroup;
pub mod container;
pub mod gap;
pub mod inspection;
pub mod mount;
pub mod namespace;
pub mod network;
pub mod process;
pub mod text;
pub mod uts;
