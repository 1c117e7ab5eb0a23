//! What the target's own files say to whoever enters it: its users, and which shells it has. They
//! are read before anything is joined, by a process that can be abandoned.

use crate::model::text::Text;
use crate::sys::accounts::{self, Account, AccountError, LONGEST};
use crate::sys::error::{Problem, SysError};
use crate::sys::pidfd::ProcessHandle;
use crate::sys::worker::files::{self, Reading, Request, Way};
use std::ffi::CStr;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(1);

/// Where images keep shells; busybox is one under another name.
static SHELLS: [&CStr; 10] = [
    c"/bin/sh",
    c"/bin/bash",
    c"/bin/ash",
    c"/bin/dash",
    c"/bin/zsh",
    c"/bin/busybox",
    c"/busybox/sh",
    c"/usr/bin/bash",
    c"/usr/bin/sh",
    c"/usr/bin/fish",
];

/// `USER[:GROUP]` by the target's passwd and group files. A file that it lacks has no lines;
/// for two numbers none is read.
pub fn account(target: &ProcessHandle, spelled: &[u8]) -> Result<Account, AccountError> {
    if let Some(account) = accounts::by_numbers(spelled) {
        return Ok(account);
    }
    let (dir, cap) = (target.dir(), LONGEST);
    let ask = |name| Request { dir, name, way: Way::Inside, cap, patience: DEADLINE };
    let requests = [ask(c"/etc/passwd"), ask(c"/etc/group")];
    let mut answers = Reading::start(&requests).finish(&requests, DEADLINE).into_iter();
    let mut next = || match answers.next() {
        None => Ok(Vec::new()),
        Some(Err(error)) if error.errno() == Some(nix::errno::Errno::ENOENT) => Ok(Vec::new()),
        Some(Err(error)) => Err(AccountError::Unreadable(error)),
        Some(Ok(read)) if read.truncated => Err(AccountError::Unreadable(SysError {
            doing: "read",
            object: "/etc/passwd or /etc/group".into(),
            problem: Problem::Truncated,
        })),
        Some(Ok(read)) => Ok(read.bytes),
    };
    let (passwd, group) = (next()?, next()?);
    Ok(accounts::find(spelled, &passwd, &group)?)
}

/// The shells by their usual places as this process sees them: after a join, those of the target.
pub fn shells() -> Vec<Text> {
    let found = files::programs_here(&SHELLS, DEADLINE);
    found.into_iter().map(|path| Text::new(path.to_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::process::Pid;
    use crate::sys::root::SysRoot;

    #[test]
    fn for_two_numbers_nothing_of_the_targets_is_read() {
        let temp = tempfile::tempdir().unwrap();
        let process = temp.path().join("proc/42");
        std::fs::create_dir_all(&process).unwrap();
        // Nothing can be looked up below it.
        std::fs::write(process.join("root"), b"").unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let handle = ProcessHandle::open(&root, Pid::new(42).unwrap()).unwrap();
        let error = account(&handle, b"5").unwrap_err().to_string();
        assert_eq!(error.matches("cannot").count(), 1, "{error}");
        assert_eq!(account(&handle, b"5:6").unwrap().gid, 6);
    }
}
