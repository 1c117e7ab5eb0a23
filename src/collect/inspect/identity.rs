//! What the target is and as whom it runs.

use crate::model::identity::Identity;
use crate::model::text::Text;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::proc::status::Status;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, idmap, passwd, worker};
use std::time::Duration;

/// Longer lists of users are cut.
const PASSWD: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_millis(300);

/// `command` was read already. The caller has one thread.
pub(super) fn collect(
    root: &SysRoot,
    target: &ProcessHandle,
    status: &Status,
    command: Option<Text>,
    hosts_users: bool,
) -> Identity {
    let [_, uid, _, _] = status.uids;
    let uid_inside = if hosts_users { Some(uid) } else { inside(target, uid) };
    let user_inside = match uid_inside {
        Some(0) => Some("root".into()),
        Some(inside) if root.is_real() => user_inside(target, inside),
        _ => None,
    };
    let executable = rustix::fs::readlinkat(target.dir(), "exe", Vec::new()).ok();
    let executable = executable.map(|path| Text::new(path.as_bytes()));
    Identity { command, executable, uid, uid_inside, user_inside }
}

fn inside(target: &ProcessHandle, uid: u32) -> Option<u32> {
    let map = bounded::read(target.dir(), "uid_map", bounded::SMALL).ok()?;
    idmap::to_inside(&idmap::parse(&map)?, uid)
}

/// By the file that the target itself would look into.
fn user_inside(target: &ProcessHandle, uid: u32) -> Option<Text> {
    let answers = worker::read_inside(&[(target.dir(), c"/etc/passwd")], PASSWD, PATIENCE);
    let file = answers.into_iter().next()?.ok()?;
    passwd::parse(&file.bytes).name(uid).cloned()
}
