//! Processes by number and start: what a file says of one is believed if it is still that one.

use super::bounded;
use super::error::{Problem, Result, SysError};
use super::ns;
use super::pidfd;
use super::proc::stat::{self, Stat};
use super::root::SysRoot;
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::model::spawned::{Incarnation, Viewpoint};
use nix::errno::Errno;
use std::os::fd::OwnedFd;

/// The one that has this number now.
pub fn of(root: &SysRoot, pid: Pid) -> Result<Incarnation> {
    stat_of(root, pid).map(|stat| Incarnation { pid: pid.number(), start_ticks: stat.start_ticks })
}

fn stat_of(root: &SysRoot, pid: Pid) -> Result<Stat> {
    let bytes = bounded::read(root.proc(), &format!("{pid}/stat"), bounded::SMALL)?;
    stat::parse(&bytes)
        .ok_or_else(|| SysError::malformed("read", format!("/proc/{pid}/stat"), "line"))
}

/// Holds it; `None` where it has ended, asked for or not. An error means that nobody can tell here, as
/// where `/proc` hides what is not ours to trace (hidepid), which nsx itself is to an ordinary user.
pub fn pin(root: &SysRoot, incarnation: Incarnation) -> Result<Option<OwnedFd>> {
    let Some(pid) = Pid::new(incarnation.pid) else { return Ok(None) };
    let pidfd = match pidfd::pin(pid) {
        Err(error) if is_nobody(&error) => return Ok(None),
        pinned => pinned?,
    };
    if !root.numbers_as_we_do() {
        let problem = Problem::ForeignProcfs;
        return Err(SysError { doing: "use", object: "/proc".into(), problem });
    }
    let stat = stat_of(root, pid);
    if pidfd::has_ended(&pidfd, pid)? {
        return Ok(None);
    }
    match stat {
        Ok(stat) => Ok((stat.start_ticks == incarnation.start_ticks).then_some(pidfd)),
        // It is there, and left out.
        Err(error) if error.errno() == Some(Errno::ENOENT) => {
            Err(SysError { problem: Problem::Errno(Errno::EACCES), ..error })
        }
        Err(error) => Err(error),
    }
}

/// Of an error of [`pidfd::pin`]: no process has the number.
pub fn is_nobody(error: &SysError) -> bool {
    matches!(error.errno(), Some(Errno::ESRCH | Errno::ENOENT | Errno::EINVAL))
}

/// Where this process tells others apart. `None`: the kernel does not say.
pub fn viewpoint(root: &SysRoot) -> Option<Viewpoint> {
    let us = Pid::new(std::process::id())?;
    let identity = |kind| ns::identity_of(root.proc(), us, kind).ok();
    Some(Viewpoint { pid_namespace: identity(Kind::Pid)?, time_namespace: identity(Kind::Time) })
}

/// The kernel's word for this boot: a number and a start come again in another.
pub fn boot_id(root: &SysRoot) -> Result<String> {
    let bytes = bounded::read(root.proc(), "sys/kernel/random/boot_id", bounded::SMALL)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_there(root: &SysRoot, incarnation: Incarnation) -> bool {
        pin(root, incarnation).unwrap().is_some()
    }

    #[test]
    fn a_process_is_itself_and_no_other() {
        let root = SysRoot::real().unwrap();
        let us = of(&root, Pid::new(std::process::id()).unwrap()).unwrap();
        assert!(is_there(&root, us));
        let later = Incarnation { start_ticks: us.start_ticks + 1, ..us };
        assert!(!is_there(&root, later));
        assert!(!is_there(&root, Incarnation { pid: 0, ..us }));
        assert_eq!(boot_id(&root).unwrap().len(), 36);
    }

    #[test]
    fn a_process_that_has_ended_is_not_there() {
        use nix::sys::wait::{Id, WaitPidFlag, waitid};
        let root = SysRoot::real().unwrap();
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let it = of(&root, Pid::new(child.id()).unwrap()).unwrap();
        assert!(is_there(&root, it));
        drop(child.stdin.take());
        let id = Id::Pid(nix::unistd::Pid::from_raw(child.id().try_into().unwrap()));
        waitid(id, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
        assert_eq!(of(&root, Pid::new(child.id()).unwrap()).unwrap(), it, "nobody has asked yet");
        assert!(!is_there(&root, it));
        child.wait().unwrap();
    }
}
