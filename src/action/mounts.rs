//! The mounts that a new mount namespace needs before a program runs in it.

use super::error::ActionError;
use crate::sys::error::Context;
use nix::mount::{MsFlags, mount};

/// Nothing mounted or unmounted inside is seen outside, nor the other way round.
pub fn make_private() -> Result<(), ActionError> {
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .context("make private", "the mounts")?;
    Ok(())
}

/// A /proc that shows the new pid namespace.
pub fn mount_proc() -> Result<(), ActionError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).context("mount", "/proc")?;
    Ok(())
}
