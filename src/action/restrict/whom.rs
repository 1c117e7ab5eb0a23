//! Whom a spawned program's process becomes: setgroups(2), setresgid(2), setresuid(2).

use crate::action::error::ActionError;
use crate::model::isolation::Identity;
use crate::sys::error::Context;
use crate::sys::privilege;
use nix::unistd::{Gid, Uid};

/// The program's ids, when nothing else is left to be set up.
pub(super) fn become_whom(identity: &Identity) -> Result<(), ActionError> {
    if identity.keep_capabilities {
        rustix::thread::set_keep_capabilities(true).context("keep", "capabilities")?;
    }
    if let Some(groups) = &identity.groups {
        let groups: Vec<_> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        nix::unistd::setgroups(&groups).context("set", "supplementary groups")?;
    }
    if let Some(gid) = identity.gid {
        let gid = Gid::from_raw(gid);
        nix::unistd::setresgid(gid, gid, gid)
            .with_context("become", || format!("group {gid} inside"))?;
    }
    if let Some(uid) = identity.uid {
        let uid = Uid::from_raw(uid);
        nix::unistd::setresuid(uid, uid, uid)
            .with_context("become", || format!("user {uid} inside"))?;
    }
    if identity.keep_capabilities {
        privilege::hand_on().context("keep", "capabilities")?;
    }
    Ok(())
}
