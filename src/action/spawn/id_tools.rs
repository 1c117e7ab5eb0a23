//! newuidmap(1) and newgidmap(1): they write what subuid(5) and subgid(5) allow their caller.

use crate::action::error::ActionError;
use crate::model::security::IdRange;
use crate::sys::error::Context;
use crate::sys::raw::fork::{self, Side};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::ffi::CString;
use std::path::Path;

/// They are set-id, and only in a directory of the system's are they what they are called.
const PLACES: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"];

/// Runs one of them for a process.
pub(super) fn run(tool: &'static str, pid: Pid, ranges: &[IdRange]) -> Result<(), ActionError> {
    let place = PLACES.iter().map(|place| format!("{place}/{tool}"));
    let Some(path) = place.into_iter().find(|path| Path::new(path).exists()) else {
        return Err(ActionError::refused(
            format!(
                "{tool} is not installed, and without it only root can map ids that are not the \
                 caller's own"
            ),
            "install uidmap, as Debian calls the package (shadow-utils elsewhere), or map your own \
             id alone",
        ));
    };
    let numbers = ranges.iter().flat_map(|range| [range.inside, range.outside, range.count]);
    let words = [path.clone(), pid.to_string()].into_iter();
    let words: Result<Vec<_>, _> =
        words.chain(numbers.map(|number| number.to_string())).map(CString::new).collect();
    let words = words.unwrap_or_default();
    let child = match fork::fork(0).context("start", "a child")? {
        Side::Child => {
            if let Some(program) = words.first() {
                let _ = nix::unistd::execve(program, &words, &[] as &[CString]);
            }
            fork::exit_now(127)
        }
        Side::Parent(child) => child,
    };
    match waitpid(child.pid, None).context("wait for", tool)? {
        WaitStatus::Exited(_, 0) => Ok(()),
        _ => Err(ActionError::refused(
            format!(
                "{path} could not write the id map: /etc/subuid and /etc/subgid say who may map what"
            ),
            "name ids that are set aside for you there: --map-users=auto --map-groups=auto",
        )),
    }
}
