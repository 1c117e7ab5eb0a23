//! Many of something, for what is measured and what is tried under load: isolated processes, idle ones,
//! mounts, interfaces. All of it ends when its owner is dropped.

pub(crate) mod idle;
pub(crate) mod interfaces;
pub(crate) mod isolated;
pub(crate) mod mounts;
