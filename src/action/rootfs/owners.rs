//! Who owns the files of a root in a user namespace: the mount tells the owners as the ids inside,
//! where root of the host made the namespace and its map does not have them.

use crate::model::namespace::Kind;
use crate::model::security::IdRange;
use crate::model::user_map::{UserMap, lines};
use crate::sys::error::{Context, Result};
use crate::sys::idmap;
use crate::sys::ns;
use crate::sys::proc;
use crate::sys::raw::fork::{self, Side};
use crate::sys::tree::Tree;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Whether the owner of what is open means something inside.
pub(super) fn are_known(open: BorrowedFd<'_>, maps: &UserMap) -> Result<bool> {
    let stat = rustix::fs::fstat(open).context("examine", "the root")?;
    let has = |map: &[IdRange], id| idmap::to_inside(map, id).is_some();
    Ok(has(&maps.users, stat.st_uid) && has(&maps.groups, stat.st_gid))
}

/// Makes the ids of a tree's files those inside.
pub(super) fn give(tree: &Tree, maps: &UserMap) -> Result<()> {
    let users = namespace(maps)?;
    tree.own_as_in(users.as_fd()).context("map the owners of", "the root")
}

/// A user namespace with these maps, in which there is nobody. The caller has one thread.
fn namespace(maps: &UserMap) -> Result<OwnedFd> {
    const OBJECT: &str = "a user namespace";
    let (wait, go) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("make", "a pipe")?;
    let users = u64::from(nix::sched::CloneFlags::CLONE_NEWUSER.bits().cast_unsigned());
    let child = match fork::fork(users).context("make", OBJECT)? {
        Side::Child => {
            drop(go);
            // Ends with the other end of it.
            let _ = rustix::io::read(&wait, &mut [0; 1]);
            fork::exit_now(0)
        }
        Side::Parent(child) => child,
    };
    let opened = || {
        let path = proc::of_child(child.pid)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let process = rustix::fs::open(path.as_str(), flags, Mode::empty())
            .with_context("open", || path.clone())?;
        proc::write(child.pid, "uid_map", &lines(&maps.users))?;
        proc::write(child.pid, "gid_map", &lines(&maps.groups))?;
        ns::open(process.as_fd(), Kind::User)
    };
    let opened = opened();
    drop(go);
    let _ = waitid(Id::PIDFd(child.pidfd.as_fd()), WaitPidFlag::WEXITED);
    opened
}
