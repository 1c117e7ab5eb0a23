//! One file per pseudo-file: `parse` is pure over bytes, `read` is thin.

pub mod cgroup;
pub mod claims;
mod comm;
pub mod conntrack;
pub mod fd;
pub mod fib;
pub mod limits;
pub mod mountinfo;
pub mod net;
pub mod sockets;
pub mod stat;
pub mod status;
pub mod timens;
mod write;

pub use comm::{comm, comm_of};
pub use write::{of_child, write, write_own};
