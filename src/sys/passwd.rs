//! The host's users, from /etc/passwd alone: no name service is loaded, and none that a container
//! could answer for is asked. See passwd(5).

use super::accounts::LONGEST;
use super::error::Result;
use super::root::SysRoot;
use crate::model::text::Text;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Users by uid; of several lines for one uid the first counts.
#[derive(Debug, Default)]
pub struct Users(HashMap<u32, User>);

#[derive(Debug, PartialEq, Eq)]
struct User {
    name: Text,
    /// Absolute.
    home: Option<PathBuf>,
    /// Absolute.
    shell: Option<PathBuf>,
}

impl Users {
    /// An error where there is no /etc/passwd, or it is longer than the bound.
    pub fn read(root: &SysRoot) -> Result<Self> {
        Ok(parse(&root.read(Path::new("/etc/passwd"), LONGEST)?))
    }

    /// `None` for a uid that the file does not have.
    pub fn name(&self, uid: u32) -> Option<&Text> {
        self.0.get(&uid).map(|user| &user.name)
    }

    /// `None` too where the file has no absolute path.
    pub fn home(&self, uid: u32) -> Option<&Path> {
        self.0.get(&uid)?.home.as_deref()
    }

    /// `None` too where the file has no absolute path.
    pub fn shell(&self, uid: u32) -> Option<&Path> {
        self.0.get(&uid)?.shell.as_deref()
    }

    /// Ascending.
    pub fn uids(&self) -> Vec<u32> {
        let mut uids: Vec<u32> = self.0.keys().copied().collect();
        uids.sort_unstable();
        uids
    }
}

/// The names of groups, from /etc/group: its lines begin as those of /etc/passwd do. See group(5).
pub fn read_groups(root: &SysRoot) -> Result<Users> {
    Ok(parse(&root.read(Path::new("/etc/group"), LONGEST)?))
}

/// `name:password:uid:gid:comment:home:shell`; of two lines of one uid the first counts, others are
/// no users.
pub fn parse(bytes: &[u8]) -> Users {
    let mut users = HashMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':');
        let (name, uid) = (fields.next(), fields.nth(1).and_then(number));
        if let (Some(name), Some(uid)) = (name.filter(|name| !name.is_empty()), uid) {
            let path = |field: Option<&[u8]>| {
                let path = PathBuf::from(std::str::from_utf8(field?).ok()?);
                path.is_absolute().then_some(path)
            };
            let (home, shell) = (path(fields.nth(2)), path(fields.next()));
            users.entry(uid).or_insert_with(|| User { name: Text::new(name), home, shell });
        }
    }
    Users(users)
}

fn number(field: &[u8]) -> Option<u32> {
    let digits = field.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(field).ok().filter(|_| digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_has_the_first_name_and_home_that_are_given_to_it() {
        let users = parse(
            b"root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/:/bin/sh\n\n# comment\n+nis\n\
              :x:5:5::/:\nbad:x:-1:0::/:\nbig:x:4294967296:0::/:\nodd:x:7:7::here:\nlast:x:65534",
        );
        assert_eq!(users.name(0), Some(&"root".into()));
        assert_eq!(users.home(0), Some(Path::new("/root")));
        assert_eq!(users.name(65534), Some(&"last".into()));
        assert_eq!((users.home(7), users.home(65534)), (None, None));
        assert_eq!(users.shell(0), Some(Path::new("/bin/bash")));
        assert_eq!((users.shell(7), users.shell(65534)), (None, None));
        assert_eq!(users.uids(), [0, 7, 65534]);
    }

    #[test]
    fn groups_have_names_too() {
        let groups = parse(b"root:x:0:\ndisk:x:6:a,b\n");
        assert_eq!((groups.name(6), groups.home(6)), (Some(&"disk".into()), None));
    }

    #[test]
    fn the_hosts_files_are_read_each_for_its_own() {
        let temp = tempfile::tempdir().unwrap();
        for directory in ["proc", "etc"] {
            std::fs::create_dir(temp.path().join(directory)).unwrap();
        }
        std::fs::write(temp.path().join("etc/passwd"), "alice:x:1000:7::/:\n").unwrap();
        std::fs::write(temp.path().join("etc/group"), "staff:x:7:\n").unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        assert_eq!(Users::read(&root).unwrap().uids(), [1000]);
        assert_eq!(read_groups(&root).unwrap().name(7), Some(&"staff".into()));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
