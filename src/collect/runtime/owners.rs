//! Whose containers there are: root's, and those of users, who keep them in their homes and in
//! `/run/user/UID`.
//!
//! A user's files are his word: they name no process but his own.

use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::sys::error::{Result, SysError};
use crate::sys::ns;
use crate::sys::owned::{Place, Speaker};
use crate::sys::passwd::Users;
use crate::sys::raw::nsfs;
use crate::sys::root::{self, SysRoot};
use nix::errno::Errno;
use std::cell::OnceCell;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// A user has one data root of an engine, or two. He can claim any number, and each is held open.
pub const MOST_ROOTS: usize = 8;

/// What each user has; read when it is first asked for.
#[derive(Debug, Default)]
pub struct Owners {
    users: OnceCell<Users>,
}

impl Owners {
    /// Below the home of a user, root too.
    pub fn home(&self, root: &SysRoot, uid: u32, below: &str) -> Result<Place> {
        let users = self.users.get_or_init(|| Users::read(root).unwrap_or_default());
        let home = users.home(uid).ok_or_else(|| {
            SysError::new("find the home of", format!("user {uid}"), Errno::ENOENT)
        })?;
        Self::of(root, uid, home, below)
    }

    /// Below `/run/user/UID`.
    pub fn runtime_dir(&self, root: &SysRoot, uid: u32, below: &str) -> Result<Place> {
        Self::of(root, uid, &runtime_dir(uid), below)
    }

    /// A directory that `uid` says is where he keeps something. What is below his home is looked
    /// for there, since links that lead to a home are root's.
    pub fn claimed(&self, root: &SysRoot, uid: u32, path: &Path) -> Result<Place> {
        if uid == 0 {
            return Place::of_root(root, path);
        }
        let users = self.users.get_or_init(|| Users::read(root).unwrap_or_default());
        if users.home(uid).is_some() {
            Speaker::of(root, uid).know();
        }
        let given = users.home(uid).map(Path::to_owned).into_iter().chain([runtime_dir(uid)]);
        for given in given {
            if let Ok(below) = path.strip_prefix(&given)
                && let Some(below) = below.to_str()
            {
                return Self::of(root, uid, &given, below);
            }
        }
        Place::claimed(root, path, uid)
    }

    /// Users with a directory of their own in `/run/user`; ascending.
    pub fn present(root: &SysRoot) -> Vec<u32> {
        let names = root
            .open_data(Path::new("/run/user"))
            .and_then(|dir| root::list(dir.as_fd()))
            .unwrap_or_default();
        let uid = |name: &[u8]| std::str::from_utf8(name).ok()?.parse().ok();
        let mut uids: Vec<u32> = names.iter().filter_map(|name| uid(name.as_bytes())).collect();
        uids.sort_unstable();
        uids.dedup();
        uids
    }

    /// Those, root, and all that have a home; ascending.
    pub fn all(&self, root: &SysRoot) -> Vec<u32> {
        let users = self.users.get_or_init(|| Users::read(root).unwrap_or_default());
        let mut uids = users.uids();
        uids.extend(Self::present(root));
        uids.push(0);
        uids.sort_unstable();
        uids.dedup();
        uids
    }

    fn of(root: &SysRoot, uid: u32, given: &Path, below: &str) -> Result<Place> {
        if uid == 0 {
            return Place::of_root(root, &given.join(below));
        }
        Place::of_user(root, (given, below), uid)
    }
}

/// What root gives a user who is logged in.
pub fn runtime_dir(uid: u32) -> PathBuf {
    PathBuf::from(format!("/run/user/{uid}"))
}

/// Whether a user may speak for a process: root for any, others where it is in a user namespace
/// that they made. A fixture cannot tell.
pub fn may_name(root: &SysRoot, uid: u32, pid: Pid) -> bool {
    if uid == 0 || !root.is_real() {
        return true;
    }
    let maker = root
        .process(pid)
        .ok()
        .and_then(|process| ns::open(process.as_fd(), Kind::User).ok())
        .and_then(|namespace| nsfs::owner_uid(namespace.as_fd()).ok());
    maker == Some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_root_speaks_for_a_process_of_the_host() {
        let root = SysRoot::real().unwrap();
        let own = Pid::new(std::process::id()).unwrap();
        assert!(may_name(&root, 0, own));
        assert!(!may_name(&root, 54321, own));
    }

    #[test]
    fn a_link_to_a_home_is_roots_and_one_in_it_is_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        for directory in ["proc", "etc", "var/home/ann/d", "run/user/1000", "run/user/x"] {
            std::fs::create_dir_all(temp.path().join(directory)).unwrap();
        }
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        std::fs::write(temp.path().join("etc/passwd"), passwd).unwrap();
        std::os::unix::fs::symlink("var/home", temp.path().join("home")).unwrap();
        std::os::unix::fs::symlink("d", temp.path().join("var/home/ann/e")).unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let owners = Owners::default();
        assert!(owners.home(&root, 1000, "d").is_ok());
        assert!(owners.home(&root, 1000, "e").is_err());
        assert!(owners.home(&root, 1001, "d").is_err());
        assert!(owners.claimed(&root, 1000, Path::new("/home/ann/d")).is_ok());
        assert!(owners.claimed(&root, 1000, Path::new("/home/ann/e")).is_err());
        assert_eq!(Owners::present(&root), [1000]);
        assert_eq!(owners.all(&root), [0, 1000]);
    }
}
