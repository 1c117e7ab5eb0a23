//! What the target is and as whom it runs.

use crate::collect::target::PinnedProcess;
use crate::model::identity::Identity;
use crate::model::text::Text;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::proc::status::Status;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, idmap, passwd};

/// Without its command line and the name of its user.
pub(super) fn collect(target: &ProcessHandle, status: &Status, hosts_users: bool) -> Identity {
    let [_, uid, _, _] = status.uids;
    let executable = rustix::fs::readlinkat(target.dir(), "exe", Vec::new()).ok();
    Identity {
        command: None,
        executable: executable.map(|path| Text::new(path.as_bytes())),
        uid,
        uid_inside: if hosts_users { Some(uid) } else { inside(target, uid) },
        user_inside: None,
    }
}

/// By the maps of users, which everybody may read: those that differ are of two user namespaces.
pub(super) fn are_hosts_users(root: &SysRoot, target: &PinnedProcess) -> Option<bool> {
    let own = bounded::read(root.proc(), "self/uid_map", bounded::SMALL).ok()?;
    let theirs = bounded::read(target.handle.dir(), "uid_map", bounded::SMALL).ok()?;
    (own != theirs).then_some(false)
}

/// The map is the reader's to see, whose root is the host's.
pub(super) fn maps_hosts_root(target: &PinnedProcess) -> bool {
    inside(&target.handle, 0).is_some()
}

fn inside(target: &ProcessHandle, uid: u32) -> Option<u32> {
    let map = bounded::read(target.dir(), "uid_map", bounded::SMALL).ok()?;
    idmap::to_inside(&idmap::parse(&map)?, uid)
}

/// Root is called that everywhere; others only by the file that the target would look into.
pub(super) fn needs_passwd(identity: &Identity) -> bool {
    identity.uid_inside.is_some_and(|uid| uid != 0)
}

pub(super) fn name_user(identity: &mut Identity, passwd: Option<&[u8]>) {
    identity.user_inside = match identity.uid_inside {
        Some(0) => Some("root".into()),
        Some(uid) => passwd.and_then(|file| passwd::parse(file).name(uid).cloned()),
        None => None,
    };
}
