//! Who a user is by the passwd and group files below a root: the host's, or one that a program is
//! going to have.

use crate::sys::accounts::{self, Account, AccountError, LONGEST};
use crate::sys::error::{Context, SysError};
use crate::sys::{layers, root};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

/// A root that no link leads out of. A file that it lacks has no lines.
#[derive(Clone, Copy, Debug)]
pub struct Root<'a> {
    /// One directory, or those that an overlay is going to show as one, the upper one first.
    pub layers: &'a [BorrowedFd<'a>],
    /// The overlay is made in a user namespace.
    pub by_user: bool,
}

/// `USER[:GROUP]`, each by name or number.
pub fn account(root: Root<'_>, spelled: &[u8]) -> Result<Account, AccountError> {
    let (passwd, group) = (read(root, "/etc/passwd")?, read(root, "/etc/group")?);
    Ok(accounts::find(spelled, &passwd, &group)?)
}

/// Two numbers, with the name and the home of the first one's line, where it has one.
pub fn described(root: Root<'_>, numbers: &Account) -> Result<Account, AccountError> {
    let passwd = read(root, "/etc/passwd")?;
    let Account { uid, gid, groups, .. } = numbers.clone();
    let line = accounts::numbered(uid, &passwd);
    Ok(line.map_or_else(|| numbers.clone(), |line| Account { gid, groups, ..line }))
}

fn read(root: Root<'_>, path: &'static str) -> Result<Vec<u8>, SysError> {
    let mut bytes = Vec::new();
    let read = match root.layers {
        [root] => root::read_in_root(*root, path, LONGEST, &mut bytes),
        layers => layers::open(layers, path, root.by_user)
            .and_then(|place| root::read_place(&place, LONGEST, &mut bytes)),
    };
    match read {
        Ok(true) => Err(SysError {
            doing: "read",
            object: path.into(),
            problem: crate::sys::error::Problem::Truncated,
        }),
        Ok(false) | Err(Errno::NOENT) => Ok(bytes),
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
        let find = |spelled: &str| {
            let root = Root { layers: &[root.as_fd()], by_user: false };
            account(root, spelled.as_bytes())
        };
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
    }

    #[test]
    fn of_layers_the_first_that_has_a_file_says_it() {
        let layers = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let open = |layer: &tempfile::TempDir| std::fs::File::open(layer.path()).unwrap();
        for (layer, file, text) in [
            (0, "passwd", "web:x:70:71::/srv:/bin/sh\n"),
            (1, "passwd", "web:x:1:1::/:/bin/sh\nold:x:2:2::/:/bin/sh\n"),
            (1, "group", "web:x:90:web\n"),
        ] {
            let etc = layers[layer].path().join("etc");
            std::fs::create_dir_all(&etc).unwrap();
            std::fs::write(etc.join(file), text).unwrap();
        }
        let opened = layers.each_ref().map(open);
        let layers = opened.each_ref().map(AsFd::as_fd);
        let root = Root { layers: &layers, by_user: false };
        let find = |spelled: &str| account(root, spelled.as_bytes());
        let web = find("web").unwrap();
        assert_eq!((web.uid, web.groups), (70, vec![71, 90]));
        assert!(find("old").is_err(), "the upper one hides the whole file");
        let numbers = |spelled: &[u8]| {
            let account = described(root, &accounts::by_numbers(spelled).unwrap()).unwrap();
            (account.uid, account.gid, account.groups, account.name, account.home)
        };
        let (name, home) = (Some("web".into()), Some("/srv".into()));
        assert_eq!(numbers(b"70:5"), (70, 5, Vec::new(), name, home));
        assert_eq!(numbers(b"1:5"), (1, 5, Vec::new(), None, None));
    }
}
