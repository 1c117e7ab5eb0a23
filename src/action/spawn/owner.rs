//! As whom a user namespace is made: as somebody else (`--owner`), or outside the caller's groups.

use crate::action::error::ActionError;
use crate::sys::error::{Context, Result as SysResult};
use crate::sys::raw::fork::{self, Side};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, getgroups, setgroups, setresgid, setresuid};

/// This process is him from here on, without the caller's groups.
pub(super) fn become_for_good((uid, gid): (u32, u32)) -> Result<(), ActionError> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setgroups(&[]).context("drop", "supplementary groups")?;
    setresgid(gid, gid, gid).with_context("become", || format!("group {gid}"))?;
    setresuid(uid, uid, uid).with_context("become", || format!("user {uid}"))?;
    Ok(())
}

/// Forks as him; this process is itself again afterwards. The child's saved ids stay ours until it
/// becomes a program, which makes them its effective ones.
pub(super) fn fork_as(
    (uid, gid): (u32, u32),
    namespaces: u64,
) -> Result<nix::Result<Side>, ActionError> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let (user, group) = (nix::unistd::getresuid(), nix::unistd::getresgid());
    let user = user.context("read", "our user ids")?;
    let group = group.context("read", "our group ids")?;
    let groups = getgroups().context("read", "supplementary groups")?;
    setgroups(&[]).context("drop", "supplementary groups")?;
    setresgid(gid, gid, group.effective).with_context("become", || format!("group {gid}"))?;
    setresuid(uid, uid, user.effective).with_context("become", || format!("user {uid}"))?;
    let born = fork::fork(namespaces);
    if matches!(born, Ok(Side::Child)) {
        return Ok(born);
    }
    let restore = || -> SysResult<()> {
        setresuid(user.real, user.effective, user.saved).context("become", "ourselves again")?;
        setresgid(group.real, group.effective, group.saved).context("become", "ourselves again")?;
        setgroups(&groups).context("become", "ourselves again")
    };
    restore()?;
    Ok(born)
}

/// Forks in no supplementary group, where the caller may leave his: inside nobody may once "deny" is
/// written, or where no group is mapped. This process is in them again afterwards.
pub(super) fn out_of_groups(
    fork: impl FnOnce() -> nix::Result<(Side, bool)>,
) -> Result<nix::Result<(Side, bool)>, ActionError> {
    let groups = getgroups().context("read", "supplementary groups")?;
    if groups.is_empty() {
        return Ok(fork());
    }
    match setgroups(&[]) {
        // A group may be what forbids him something.
        Err(Errno::EPERM) => return Ok(fork()),
        dropped => dropped.context("drop", "supplementary groups")?,
    }
    let born = fork();
    if !matches!(born, Ok((Side::Child, _))) {
        setgroups(&groups).context("become", "ourselves again")?;
    }
    Ok(born)
}
