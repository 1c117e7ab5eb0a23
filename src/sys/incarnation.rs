//! Processes by number and start: what a file says of one is believed if it is still that one.

use super::bounded;
use super::error::{Result, SysError};
use super::ns;
use super::proc::stat;
use super::root::SysRoot;
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::model::spawned::{Incarnation, Viewpoint};

/// The one that has this number now.
pub fn of(root: &SysRoot, pid: Pid) -> Result<Incarnation> {
    let bytes = bounded::read(root.proc(), &format!("{pid}/stat"), bounded::SMALL)?;
    let stat = stat::parse(&bytes)
        .ok_or_else(|| SysError::malformed("read", format!("/proc/{pid}/stat"), "line"))?;
    Ok(Incarnation { pid: pid.number(), start_ticks: stat.start_ticks })
}

/// Whether it still runs. One that has ended and was not waited for yet does.
pub fn is_there(root: &SysRoot, incarnation: Incarnation) -> bool {
    let pid = Pid::new(incarnation.pid);
    pid.and_then(|pid| of(root, pid).ok()).is_some_and(|now| now == incarnation)
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
}
