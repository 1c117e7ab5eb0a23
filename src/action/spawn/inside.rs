//! What a process in new namespaces does before it becomes the program. In order: who it is, the
//! namespaces that can only be made from inside, mounts, names, interfaces.

use super::meeting::{Gone, Inside};
use crate::action::error::{ActionError, Advise, USER_NAMESPACES};
use crate::action::rootfs::Rootfs;
use crate::action::{launch, mounts};
use crate::model::isolation::{Clocks, Isolation};
use crate::model::namespace::{Kind, Kinds};
use crate::model::user_map::{UserMap, lines};
use crate::sys::error::Context;
use crate::sys::tree::Tree;
use crate::sys::{netlink, ns, proc};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid};
use rustix::fs::{Mode, OFlags};
use std::fmt::Write;
use std::os::fd::AsFd;

/// Who it is, and its namespaces. `in_new_child`: it was made with them, and those that its maker
/// cannot give it are still to be made.
pub(super) fn arrive(
    isolation: &Isolation,
    meeting: Option<&Inside>,
    in_new_child: bool,
) -> Result<(), ActionError> {
    if let Some(meeting) = meeting {
        meeting.wait().map_err(failed_outside)?;
        // Somebody outside may have had to look into this process.
        launch::set_protected(true)?;
    }
    if let Some(map) = isolation.users.as_ref().filter(|map| map.from_inside) {
        write_own_maps(map)?;
    }
    if isolation.identity.first_root {
        become_root_inside()?;
    }
    if in_new_child {
        make_late(isolation)?;
    } else if isolation.new.has(Kind::Time) {
        set_clocks(&isolation.clocks)?;
    }
    Ok(())
}

/// Everything else up to the program's own process. Returns pseudo-terminals that are not the host's.
pub(super) fn settle(
    isolation: &Isolation,
    rootfs: Option<Rootfs>,
    meeting: Option<&Inside>,
) -> Result<Option<Tree>, ActionError> {
    let assembled = rootfs.map(|rootfs| rootfs.assemble(isolation.new)).transpose()?;
    mounts::set_up(&isolation.mounts)?;
    if let Some(name) = &isolation.hostname {
        nix::unistd::sethostname(name)
            .context("set", "the hostname")
            .advise("it has at most 64 bytes")?;
    }
    if let Some(name) = &isolation.domainname {
        crate::sys::raw::names::set_domainname(name)
            .context("set", "the NIS domain name")
            .advise("it has at most 64 bytes")?;
    }
    if isolation.loopback {
        netlink::bring_loopback_up()?;
    }
    if let Some(meeting) = meeting.filter(|_| super::outside::is_needed_last(isolation)) {
        meeting.say_done();
        meeting.wait().map_err(failed_outside)?;
    }
    Ok(assembled.flatten())
}

/// Who failed says why, and is heard first.
fn failed_outside(_: Gone) -> ActionError {
    ActionError::Refused("nobody outside is there to prepare the program".to_owned())
}

/// Those that a clone cannot make as they are to be: a cgroup namespace is rooted where its maker
/// stands, and the clocks of a time namespace are set before anybody is in it.
pub(super) const LATE: Kinds = Kinds::NONE.with(Kind::Cgroup).with(Kind::Time);

fn make_late(isolation: &Isolation) -> Result<(), ActionError> {
    let new = isolation.new;
    if new.has(Kind::Cgroup) {
        nix::sched::unshare(ns::clone_flag(Kind::Cgroup)).context("make", "a cgroup namespace")?;
    }
    if new.has(Kind::Time) {
        nix::sched::unshare(ns::clone_flag(Kind::Time)).context("make", "a time namespace")?;
        set_clocks(&isolation.clocks)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let path = c"/proc/self/ns/time_for_children";
        let new =
            rustix::fs::open(path, flags, Mode::empty()).context("open", "a time namespace")?;
        ns::join(new.as_fd(), Kinds::NONE.with(Kind::Time)).context("join", "a time namespace")?;
    }
    Ok(())
}

fn set_clocks(clocks: &Clocks) -> Result<(), ActionError> {
    let mut text = String::new();
    for (name, offset) in [("monotonic", clocks.monotonic), ("boottime", clocks.boottime)] {
        if let Some(seconds) = offset {
            let _ = writeln!(text, "{name} {seconds} 0");
        }
    }
    if text.is_empty() {
        return Ok(());
    }
    match proc::write_own("timens_offsets", &text) {
        // The files of a protected process belong to the root of the host, who we are not.
        Err(error) if error.errno() == Some(Errno::EACCES) => {
            launch::set_protected(false)?;
            proc::write_own("timens_offsets", &text)?;
            launch::set_protected(true)
        }
        written => written.advise("no clock can be before 0, or beyond what the kernel counts"),
    }
}

fn write_own_maps(map: &UserMap) -> Result<(), ActionError> {
    // The files of a protected process belong to the root of the host. Nobody else is in here yet.
    launch::set_protected(false)?;
    if let Some(setgroups) = map.setgroups {
        proc::write_own("setgroups", setgroups.word())?;
    }
    for (file, ranges) in [("gid_map", &map.groups), ("uid_map", &map.users)] {
        if !ranges.is_empty() {
            proc::write_own(file, &lines(ranges)).advise(USER_NAMESPACES)?;
        }
    }
    launch::set_protected(true)
}

/// What is made from here on belongs to somebody who has a name inside.
fn become_root_inside() -> Result<(), ActionError> {
    match nix::unistd::setgroups(&[]) {
        // Where nobody may leave any: who has the right to has done so at birth.
        Ok(()) | Err(Errno::EPERM) => {}
        Err(errno) => Err(errno).context("drop", "supplementary groups")?,
    }
    let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
    nix::unistd::setresgid(group, group, group).context("become", "group 0 inside")?;
    nix::unistd::setresuid(user, user, user).context("become", "user 0 inside")?;
    launch::set_protected(true)
}
