//! Whom a process becomes before its program: setgroups(2), setresgid(2), setresuid(2).

use super::error::ActionError;
use crate::model::isolation::Identity;
use crate::sys::error::Context;
use crate::sys::privilege;
use nix::errno::Errno;
use nix::unistd::{Gid, Uid};

/// The program's ids, when nothing else is left to be set up. `if_there`: an id that its user
/// namespace lacks is not taken.
pub(super) fn become_whom(identity: &Identity, if_there: bool) -> Result<(), ActionError> {
    if identity.keep_capabilities {
        rustix::thread::set_keep_capabilities(true).context("keep", "capabilities")?;
    }
    if let Some(groups) = &identity.groups {
        set_groups(groups.iter().copied())?;
    }
    let taken = |done| match done {
        Err(Errno::EINVAL) if if_there => Ok(()),
        done => done,
    };
    if let Some(gid) = identity.gid {
        let gid = Gid::from_raw(gid);
        taken(nix::unistd::setresgid(gid, gid, gid))
            .with_context("become", || format!("group {gid} inside"))?;
    }
    if let Some(uid) = identity.uid {
        let uid = Uid::from_raw(uid);
        taken(nix::unistd::setresuid(uid, uid, uid))
            .with_context("become", || format!("user {uid} inside"))?;
    }
    if identity.keep_capabilities {
        privilege::hand_on().context("keep", "capabilities")?;
    }
    Ok(())
}

pub(super) fn set_groups(groups: impl Iterator<Item = u32>) -> Result<(), ActionError> {
    let groups: Vec<Gid> = groups.map(Gid::from_raw).collect();
    Ok(nix::unistd::setgroups(&groups).context("set", "supplementary groups")?)
}
