//! nsx: see into, enter and create any container on a Linux host.
//!
//! The layers, each using only what stands below it (`tests/architecture.rs` enforces which):
//!
//! | layer | may | must not |
//! |---|---|---|
//! | [`cli`] | talk: arguments, what they name, errors, exit codes | change the system itself |
//! | [`render`] | show: model to bytes, pure | read the system |
//! | [`collect`] | read the system | change it |
//! | [`action`] | change the system | read more than it was given |
//! | [`sys`] | ask the kernel: system calls, pseudo-files | decide what they mean, or print |
//! | [`model`] | be data | do anything |

#![warn(missing_docs)]

pub mod action;
pub mod cli;
pub mod collect;
pub mod model;
pub mod render;
pub mod sys;
