//! When and where a program runs, as its target does: nice value, scheduling policy, CPUs. sched(7)

use crate::action::error::ActionError;
use crate::model::group::CpuList;
use crate::model::standing::{Schedule, Shortfall, Users};
use crate::sys::error::{Context, SysError};
use crate::sys::proc::stat;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, raw};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// What is to be set of it, inside: none where it is ours already, or is not to be had. What takes a
/// right is tried; in a user namespace that is joined there is no such right.
pub(super) fn choose(
    root: &SysRoot,
    wanted: Option<Schedule>,
    users: Users,
    missing: &mut Vec<Shortfall>,
) -> Option<Schedule> {
    let wanted = wanted?;
    let ours = stat::schedule(&bounded::read(root.proc(), "self/stat", bounded::SMALL).ok()?)?;
    if wanted == ours {
        return None;
    }
    if wanted.is_free_from(ours) {
        return Some(wanted);
    }
    let tried = if users == Users::Joined {
        Err(Errno::EPERM)
    } else {
        raw::schedule::set(wanted).and_then(|()| raw::schedule::set(ours))
    };
    let Err(errno) = tried else { return Some(wanted) };
    let Schedule { policy, priority, nice } = wanted;
    let what = format!("policy {policy}, priority {priority}, nice value {nice}");
    missing.push(Shortfall::new("scheduling", SysError::new("set", what, errno)));
    None
}

/// Of this process, which is in its control groups; nothing is done where it has those CPUs already.
pub(super) fn run_on(cpus: &CpuList) -> Result<(), ActionError> {
    let (us, mut wanted) = (Pid::from_raw(0), CpuSet::new());
    for cpu in cpus.each().filter_map(|cpu| usize::try_from(cpu).ok()) {
        // Beyond what the structure can tell it is on fewer.
        let _ = wanted.set(cpu);
    }
    if sched_getaffinity(us) == Ok(wanted) {
        return Ok(());
    }
    match sched_setaffinity(us, &wanted) {
        // Where the target's groups were not to be had, which was said, ours may have none of them.
        Err(Errno::EINVAL) => Ok(()),
        done => Ok(done.context("choose", "the CPUs that it runs on")?),
    }
}
