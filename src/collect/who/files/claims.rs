//! Whether what an overlay says of its layers is believed.
//!
//! The paths among its options are words of whoever mounted it, and say where the layers were for
//! him. In a user namespace of their own anybody can mount one over directories of any name.

use super::layers::{path_of, store_of};
use crate::collect::who::Host;
use crate::model::device::Device;
use crate::model::mount::Mount;
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::sys::{bounded, ns, nsfs};
use std::os::fd::AsFd;

/// Who may mount in a mount namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    /// Root as we know him, or somebody above us.
    Root,
    /// Who made the user namespace that it belongs to.
    User(u32),
    Nobody,
}

impl Maker {
    /// By a process in it.
    pub(super) fn of(host: &Host<'_>, pid: Option<Pid>) -> Self {
        let Some(pid) = pid.filter(|_| host.root.is_real()) else { return Self::Root };
        let dir = |name: &str| bounded::open_dir(host.root.proc(), name).ok();
        let Some(mounts) =
            dir(&pid.to_string()).and_then(|dir| ns::open(dir.as_fd(), Kind::Mnt).ok())
        else {
            return Self::Nobody;
        };
        // That of somebody above us may not be told.
        let Ok(users) = nsfs::above(mounts.as_fd()) else { return Self::Root };
        let own = host.root.own_process();
        let own = own.ok().and_then(|own| ns::identity(own.as_fd(), Kind::User).ok());
        if own == Some(users.key.inode) {
            return Self::Root;
        }
        nsfs::owner_uid(users.fd.as_fd()).map_or(Self::Nobody, Self::User)
    }

    /// Whether he says where a layer is: of his own directories, and of those that are mounted by the
    /// same overlay for us.
    pub(super) fn knows(
        self,
        host: &Host<'_>,
        ours: &[Mount],
        device: Device,
        layer: &[u8],
    ) -> bool {
        let is_ours = || ours.iter().any(|one| one.overlay.is_some() && one.device == device);
        let is_his = |uid: u32| {
            let place = host.root.open_data(&path_of(store_of(layer).unwrap_or(layer)));
            let stat = place.ok().and_then(|place| rustix::fs::fstat(place).ok());
            layer.starts_with(b"/") && stat.is_some_and(|stat| stat.st_uid == uid)
        };
        match self {
            Self::Root => true,
            Self::User(uid) => is_ours() || is_his(uid),
            Self::Nobody => is_ours(),
        }
    }
}
