//! Starts a program in new namespaces and stays with it to the end.

use super::cgroup::Group;
use super::error::ActionError;
use super::launch::{self, Inherited, Program};
use super::mounts;
use super::supervise::{self, Ending, Signals};
use crate::model::cgroup::Site;
use crate::model::namespace::{Kind, Kinds};
use crate::sys::error::{Context, SysError};
use crate::sys::raw::fork::{self, Child, Side};
use crate::sys::{netlink, ns};
use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};

/// What is wanted, checked.
#[derive(Debug)]
pub struct Isolation {
    pub new: Kinds,
    pub hostname: Option<OsString>,
    /// The ids that become 0 in a new user namespace.
    pub map_root: Option<(u32, u32)>,
    pub memory: Option<(u64, Site)>,
    pub program: Program,
}

/// Runs the program; returns how it ended, with nothing left of it.
pub fn spawn(wanted: &Isolation) -> Result<Ending, ActionError> {
    let core_limit = launch::protect()?;
    let signals = Signals::catch()?;
    let inherited = Inherited { core_limit, signals: Some(signals.before), descriptors: 0 };
    let parent = launch::own_pidfd()?;
    let flags = rustix::pipe::PipeFlags::CLOEXEC;
    let (status, report) = rustix::pipe::pipe_with(flags).context("make", "a pipe")?;
    let (go, ready) = rustix::pipe::pipe_with(flags).context("make", "a pipe")?;
    let group = match &wanted.memory {
        Some((bytes, site)) => Some(Group::with_memory_limit(site, *bytes)?),
        None => None,
    };
    // A cgroup namespace is rooted where its maker stands: it is made once the child is in its group.
    let at_birth = wanted.new.without(Kind::Cgroup);
    let namespaces = ns::clone_flags(at_birth).bits().cast_unsigned();
    let mapped_by_us = wanted.map_root.is_some() && !nix::unistd::geteuid().is_root();
    if mapped_by_us {
        // The map files of a protected process belong to root. Nobody else is in there yet.
        launch::set_protected(false)?;
    }
    let forked = fork::fork(u64::from(namespaces)).map_err(|errno| refused(wanted.new, errno))?;
    let child = match forked {
        Side::Child => {
            drop(ready);
            let error = match inside(wanted, &inherited, &go, &parent) {
                Err(error) => error,
                Ok(never) => match never {},
            };
            launch::report_and_exit(&report, &error)
        }
        Side::Parent(child) => child,
    };
    drop((report, go, parent));
    // On failure the pipe closes without a word and the child ends by itself.
    let prepared =
        prepare(wanted, &child, group.as_ref()).and_then(|()| launch::set_protected(true));
    if prepared.is_ok() {
        let _ = rustix::io::write(&ready, b"1");
    }
    drop(ready);
    let program = supervise::Program::new(child, wanted.new.has(Kind::Pid));
    let ending = supervise::supervise(program, &signals, Some(status), None);
    prepared.and(ending)
}

fn refused(new: Kinds, errno: nix::errno::Errno) -> ActionError {
    let what = format!("a process with new {new} namespaces");
    SysError::new("start", what, errno).into()
}

/// What only a process outside may do: the id maps and the cgroup.
fn prepare(wanted: &Isolation, child: &Child, group: Option<&Group>) -> Result<(), ActionError> {
    if let Some(group) = group {
        group.add(child.pid)?;
    }
    if let Some((uid, gid)) = wanted.map_root {
        write_proc(child, "setgroups", "deny")?;
        write_proc(child, "gid_map", &format!("0 {gid} 1"))?;
        write_proc(child, "uid_map", &format!("0 {uid} 1"))?;
    }
    Ok(())
}

/// The child is ours and not reaped: its number cannot be another's.
fn write_proc(child: &Child, file: &str, value: &str) -> Result<(), ActionError> {
    use std::io::Write;
    let path = format!("/proc/{}/{file}", child.pid);
    let written = std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(value.as_bytes()));
    written.context("write", path.as_str())?;
    Ok(())
}

/// In the new namespaces, before the program.
fn inside(
    wanted: &Isolation,
    inherited: &Inherited,
    go: &OwnedFd,
    parent: &OwnedFd,
) -> Result<Infallible, ActionError> {
    wait_for_go(go)?;
    launch::set_protected(true)?;
    if wanted.map_root.is_some() {
        let (user, group) = (nix::unistd::Uid::from_raw(0), nix::unistd::Gid::from_raw(0));
        nix::unistd::setresgid(group, group, group).context("become", "group 0 inside")?;
        nix::unistd::setresuid(user, user, user).context("become", "user 0 inside")?;
    }
    launch::die_with(parent)?;
    if wanted.new.has(Kind::Cgroup) {
        nix::sched::unshare(ns::clone_flag(Kind::Cgroup)).context("make", "a cgroup namespace")?;
    }
    if wanted.new.has(Kind::Mnt) {
        mounts::make_private()?;
        if wanted.new.has(Kind::Pid) {
            mounts::mount_proc()?;
        }
    }
    if let Some(hostname) = &wanted.hostname {
        nix::unistd::sethostname(hostname).context("set", "the hostname")?;
    }
    if wanted.new.has(Kind::Net) {
        netlink::bring_loopback_up()?;
    }
    Err(launch::become_program(&wanted.program, inherited, None))
}

fn wait_for_go(go: &OwnedFd) -> Result<(), ActionError> {
    let mut word = [0; 1];
    match rustix::io::read(go.as_fd(), &mut word) {
        Ok(1) => Ok(()),
        _ => fork::exit_now(125),
    }
}
