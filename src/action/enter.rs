//! Joins namespaces, a process's or a single one, and becomes, or starts, a program there.

use super::error::ActionError;
use super::launch::{self, Inherited, Program};
use super::pty::{self, Pair};
use super::supervise::{self, Ending, Signals};
use crate::model::namespace::Kind;
use crate::model::plan::{Aim, DropGroups, Plan};
use crate::sys::error::Context;
use crate::sys::ns;
use crate::sys::raw::fork::{self, Side};
use nix::errno::Errno;
use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

/// Everything that the join needs, read and checked before it.
#[derive(Debug)]
pub struct Entry {
    pub plan: Plan,
    /// The target, held since it was looked up: a pidfd, or one namespace.
    pub target: OwnedFd,
    pub program: Program,
    /// Working directory, seen from inside.
    pub directory: Option<CString>,
}

/// Runs the entry. Where no child is needed this process becomes the program, and only a failure
/// returns.
pub fn enter(entry: &Entry) -> Result<Ending, ActionError> {
    let core_limit = launch::protect()?;
    if !entry.plan.fork {
        join(entry)?;
        let inherited = Inherited { core_limit, signals: None };
        return match become_inside(entry, &inherited) {
            Err(error) => Err(error),
            Ok(never) => match never {},
        };
    }
    let signals = Signals::catch()?;
    let inherited = Inherited { core_limit, signals: Some(signals.before) };
    if entry.plan.pty {
        pty::wait_for_foreground();
    }
    let pair = if entry.plan.pty { Some(pty::open()?) } else { None };
    let parent = launch::own_pidfd()?;
    let (status, report) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("make", "a pipe")?;
    join(entry)?;
    let child = match fork_inside()? {
        Side::Child => {
            let error = child(entry, &inherited, pair, &parent);
            launch::report_and_exit(&report, &error)
        }
        Side::Parent(child) => child,
    };
    drop((report, parent));
    let terminal = pair.map(Pair::relay).transpose()?;
    supervise::supervise(supervise::Program::new(child, false), &signals, status, terminal)
}

fn fork_inside() -> Result<Side, ActionError> {
    fork::fork(0).map_err(|errno| match errno {
        Errno::ENOMEM => ActionError::Refused(
            "cannot start a process there: the first process of that pid namespace has ended"
                .to_owned(),
        ),
        errno => crate::sys::error::SysError::new("start", "a child", errno).into(),
    })
}

/// All namespaces at once: every one of the target's, or none.
fn join(entry: &Entry) -> Result<(), ActionError> {
    let plan = &entry.plan;
    if plan.drop_groups == DropGroups::BeforeJoin {
        match nix::unistd::setgroups(&[]) {
            // Without the right to it these are the caller's own groups, and stay.
            Ok(()) | Err(Errno::EPERM) => {}
            Err(errno) => Err(errno).context("drop", "supplementary groups")?,
        }
    }
    ns::join(entry.target.as_fd(), plan.join).map_err(|errno| ActionError::Join {
        kinds: plan.join.to_string(),
        aim: plan.aim,
        errno,
    })
}

fn child(
    entry: &Entry,
    inherited: &Inherited,
    pair: Option<Pair>,
    parent: &OwnedFd,
) -> ActionError {
    let tied = || -> Result<Infallible, ActionError> {
        if let Some(pair) = pair {
            pair.adopt()?;
        }
        become_root_if_planned(entry)?;
        launch::die_with(parent)?;
        change_directory(entry)?;
        Err(launch::become_program(&entry.program, inherited))
    };
    match tied() {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

fn become_inside(entry: &Entry, inherited: &Inherited) -> Result<Infallible, ActionError> {
    become_root_if_planned(entry)?;
    change_directory(entry)?;
    Err(launch::become_program(&entry.program, inherited))
}

fn become_root_if_planned(entry: &Entry) -> Result<(), ActionError> {
    let plan = &entry.plan;
    if plan.drop_groups == DropGroups::AfterJoin {
        nix::unistd::setgroups(&[]).context("drop", "supplementary groups")?;
    }
    if plan.become_root {
        let (user, group) = (nix::unistd::Uid::from_raw(0), nix::unistd::Gid::from_raw(0));
        // EINVAL: the namespace has no such id, which a plan for it alone cannot know.
        let if_there = |done| match done {
            Err(Errno::EINVAL) if matches!(plan.aim, Aim::Namespace(_)) => Ok(()),
            other => other,
        };
        if_there(nix::unistd::setresgid(group, group, group))
            .context("become", "group 0 inside")?;
        if_there(nix::unistd::setresuid(user, user, user)).context("become", "user 0 inside")?;
    }
    Ok(())
}

/// The descriptors above 2 are still open but none is a directory of the host; the check is that
/// the kernel can name where we are from the root we have.
fn change_directory(entry: &Entry) -> Result<(), ActionError> {
    if let Some(directory) = &entry.directory {
        nix::unistd::chdir(directory.as_c_str())
            .with_context("change to", || crate::model::text::Text::new(directory.as_bytes()))?;
    }
    if entry.plan.join.has(Kind::Mnt) || entry.directory.is_some() {
        let here = rustix::process::getcwd(Vec::new()).context("find", "the working directory")?;
        if here.as_bytes().first() != Some(&b'/') {
            return Err(ActionError::Refused(
                "the working directory would be outside the target".to_owned(),
            ));
        }
    }
    Ok(())
}
