//! Who a user is by the passwd and group files below a root: the host's, or one that a program is
//! going to have.

use crate::sys::accounts::{self, Account, NoAccount};
use crate::sys::error::{Context, SysError};
use crate::sys::root;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

/// A hundred thousand users.
const CAP: usize = 8 << 20;

/// Why a name means nobody.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The files below that root name no such user or group.
    #[error(transparent)]
    NoAccount(#[from] NoAccount),
    /// One of the two files is there, and could not be read or is longer than the bound.
    #[error(transparent)]
    Unreadable(#[from] SysError),
}

/// `USER[:GROUP]`, each by name or number. No link of the root's leads out of it; a file that it lacks
/// has no lines; for two numbers none is read.
pub fn account(root: BorrowedFd<'_>, spelled: &[u8]) -> Result<Account, AccountError> {
    if let Some(account) = accounts::by_numbers(spelled) {
        return Ok(account);
    }
    let (passwd, group) = (read(root, "/etc/passwd")?, read(root, "/etc/group")?);
    Ok(accounts::find(spelled, &passwd, &group)?)
}

fn read(root: BorrowedFd<'_>, path: &'static str) -> Result<Vec<u8>, SysError> {
    let mut bytes = Vec::new();
    match root::read_in_root(root, path, CAP, &mut bytes) {
        Ok(false) => Ok(bytes),
        Ok(true) => Err(SysError {
            doing: "read",
            object: path.into(),
            problem: crate::sys::error::Problem::Truncated,
        }),
        Err(Errno::NOENT) => Ok(Vec::new()),
        Err(errno) => Err(errno).context("read", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn users_are_the_roots_own_and_its_links_do_not_lead_out() {
        let temp = tempfile::tempdir().unwrap();
        let root = rustix::fs::open(
            temp.path(),
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
        let find = |spelled: &str| account(root.as_fd(), spelled.as_bytes());
        assert_eq!(find("7").unwrap().gid, 0, "without files");
        assert_eq!(
            find("root").unwrap_err().to_string(),
            "there is no user root in its /etc/passwd"
        );
        let etc = temp.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        std::fs::write(temp.path().join("users"), b"web:x:70:71::/srv:/bin/sh\n").unwrap();
        std::os::unix::fs::symlink("../../../users", etc.join("passwd")).unwrap();
        std::fs::write(etc.join("group"), b"web:x:71:\nmedia:x:90:web\n").unwrap();
        let web = find("web").unwrap();
        assert_eq!((web.uid, web.gid, web.groups), (70, 71, vec![71, 90]));
        std::fs::remove_file(etc.join("passwd")).unwrap();
        nix::unistd::mkfifo(&etc.join("passwd"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(find("web").unwrap_err().to_string().starts_with("cannot read /etc/passwd"));
        assert_eq!(find("5:6").unwrap().gid, 6, "for numbers alone nothing is read");
    }
}
