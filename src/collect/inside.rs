//! What the target's own files say to whoever enters it: its users, and which shells it has. They
//! are read before anything is joined, by a process that can be abandoned.

use crate::model::text::Text;
use crate::sys::accounts::{self, Account, NoAccount};
use crate::sys::error::SysError;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::worker::files::{self, Reading, Request, Way};
use std::ffi::CStr;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(1);
/// A hundred thousand users.
const CAP: usize = 8 << 20;

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

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error(transparent)]
    NoAccount(#[from] NoAccount),
    #[error("the target's /etc/{file} cannot be read: {source}")]
    Unreadable { file: &'static str, source: SysError },
}

/// `USER[:GROUP]` by the target's passwd and group files. A file that it lacks has no lines.
pub fn account(target: &ProcessHandle, spelled: &[u8]) -> Result<Account, AccountError> {
    let ask =
        |name| Request { dir: target.dir(), name, way: Way::Inside, cap: CAP, patience: DEADLINE };
    let requests = [ask(c"/etc/passwd"), ask(c"/etc/group")];
    let mut answers = Reading::start(&requests).finish(&requests, DEADLINE).into_iter();
    let mut next = |file| match answers.next() {
        None => Ok(Vec::new()),
        Some(Err(error)) if error.errno() == Some(nix::errno::Errno::ENOENT) => Ok(Vec::new()),
        Some(Err(source)) => Err(AccountError::Unreadable { file, source }),
        Some(Ok(read)) => Ok(read.bytes),
    };
    let (passwd, group) = (next("passwd")?, next("group")?);
    Ok(accounts::find(spelled, &passwd, &group)?)
}

/// The shells by their usual places as this process sees them: after a join, those of the target.
pub fn shells() -> Vec<Text> {
    let found = files::programs_here(&SHELLS, DEADLINE);
    found.into_iter().map(|path| Text::new(path.to_bytes())).collect()
}
