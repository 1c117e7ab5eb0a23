//! `enter --dns`: the host's programs in a target's network find addresses as the target does.
//!
//! In a mount namespace of the program's own the target's files stand over the host's, and the
//! services of the host that would answer instead are out of reach. What is there now is covered:
//! a file that is replaced on the host meanwhile is seen again.

pub(super) mod names;
pub mod nsswitch;

use super::error::ActionError;
use crate::model::text::Text;
use crate::sys::error::{Context, Result as SysResult};
use crate::sys::pidfd::ProcessHandle;
use crate::sys::root::SysRoot;
use crate::sys::tree::{self, Guard, Tree};
use crate::sys::worker;
use names::Names;
use rustix::fs::{Access, Mode, OFlags};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);
/// A file of ours, and what it is mounted on.
const FILES: [(&CStr, &CStr); 3] = [
    (c"resolv.conf", c"/etc/resolv.conf"),
    (c"hosts", c"/etc/hosts"),
    (c"nsswitch.conf", c"/etc/nsswitch.conf"),
];
/// A directory of ours, and the one of a service that it stands over.
const SERVICES: [(&CStr, &CStr); 3] = [
    (c"nothing", c"/run/nscd"),
    (c"nothing", c"/run/avahi-daemon"),
    // The host's resolv.conf may lead into it.
    (c"resolve", c"/run/systemd/resolve"),
];

/// What is mounted in the program's own mount namespace; read and made before the join.
#[derive(Debug)]
pub struct Dns {
    files: OwnedFd,
    over: Vec<(&'static CStr, &'static CStr)>,
}

impl Dns {
    /// Reads the target's files; also what a person should know about them. The caller has one
    /// thread, and is in the host's mount namespace.
    pub fn read(
        root: &SysRoot,
        target: &ProcessHandle,
    ) -> Result<(Self, Vec<String>), ActionError> {
        let mut notes = Vec::new();
        let names = Names::read(root, target.dir(), &mut notes)?;
        let exists = |path: &CStr| rustix::fs::access(path, Access::EXISTS).is_ok();
        let services = SERVICES.into_iter().filter(|(_, path)| exists(path));
        let mut over: Vec<_> = services.collect();
        for (name, path) in FILES {
            if exists(path) {
                over.push((name, path));
            } else {
                let path = Text::new(path.to_bytes());
                notes.push(format!("the host has no {path}: the target's cannot stand for it"));
            }
        }
        let files =
            worker::make("files of the target's for the program", || make(&names), PATIENCE)?;
        Ok((Self { files, over }, notes))
    }

    /// Leaves the host's mounts for a copy and covers there what is the host's. In the program's
    /// process, joined, before its credentials change.
    pub fn mount(&self) -> Result<(), ActionError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let files = self.files.try_clone().context("copy", "a descriptor")?;
        let files = Tree::from(files);
        tree::part()?;
        // A copy can be made of what is attached only. What is mounted on / is in the way of links that
        // lead up, such as systemd-resolved's, so that it is gone when they are followed.
        files.attach_at(c"/")?;
        let copy = |(name, path)| Ok((Tree::copy(files.as_fd(), name, Guard::ReadOnly)?, path));
        let copies: SysResult<Vec<_>> = self.over.iter().copied().map(copy).collect();
        let copies = copies?;
        let here = rustix::fs::open(c".", flags, Mode::empty()).context("open", "a directory")?;
        files.detach()?;
        for (copy, path) in copies {
            copy.attach_at(path)?;
        }
        rustix::process::fchdir(here).context("change to", "the working directory")?;
        Ok(())
    }
}

/// In a process that ends: who may not mount anything may in a user namespace.
fn make(names: &Names) -> SysResult<OwnedFd> {
    tree::part_anyhow()?;
    let tree = Tree::memory("0755")?;
    tree.file(c"resolv.conf", &names.resolv_conf)?;
    tree.file(c"hosts", &names.hosts)?;
    tree.file(c"nsswitch.conf", &names.nsswitch)?;
    tree.directory(c"nothing", 0o755)?;
    tree.directory(c"resolve", 0o755)?;
    tree.file(c"resolve/resolv.conf", &names.resolv_conf)?;
    tree.file(c"resolve/stub-resolv.conf", &names.resolv_conf)?;
    Ok(tree.into_fd())
}
