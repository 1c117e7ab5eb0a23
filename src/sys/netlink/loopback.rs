//! `lo` set up in a network namespace that was just created.
//!
//! A plain ioctl, because the caller must keep one thread until exec and has no runtime.

use crate::sys::error::{Context, Result};
use crate::sys::raw::netdev;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;

/// Sets `lo` up in the calling thread's network namespace; 127.0.0.1 and ::1 come with it.
pub fn bring_loopback_up() -> Result<()> {
    // netdevice(7): any socket will do, and this family exists in every kernel.
    let socket = UnixDatagram::unbound().context("open", "a socket")?;
    netdev::bring_up(socket.as_fd(), b"lo").context("set up", "interface lo")
}
