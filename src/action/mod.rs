//! Changes the system: joins namespaces, makes new ones, runs programs in them.
//!
//! From the first change to the exec of the program there is one thread. `enter` parses nothing there and
//! looks up no more than what it is asked for: what is needed has been read and checked before.

pub mod cgroup;
pub mod confine;
mod devices;
pub mod dns;
pub mod enter;
pub mod error;
mod guard;
pub mod init;
pub mod launch;
pub mod mounts;
pub mod network;
pub mod plan;
pub mod pty;
pub mod restrict;
pub mod rootfs;
pub mod seat;
pub mod spawn;
pub mod supervise;
pub mod tools;
mod whom;
mod withheld;
