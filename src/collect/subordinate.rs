//! The ids that are set aside for a user: subuid(5), subgid(5).

use crate::model::text::Text;
use crate::sys::accounts::LONGEST;
use crate::sys::error::{Result, SysError};
use crate::sys::passwd::Users;
use crate::sys::root::SysRoot;
use nix::errno::Errno;
use std::path::Path;

/// Which of the two files is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subordinate {
    /// `/etc/subuid`
    Users,
    /// Listed by users too.
    Groups,
}

impl Subordinate {
    const fn file(self) -> &'static str {
        match self {
            Self::Users => "/etc/subuid",
            Self::Groups => "/etc/subgid",
        }
    }
}

/// The first block of a user: its first id, and how many. ENOENT: there is none.
pub fn first_block(root: &SysRoot, kind: Subordinate, uid: u32) -> Result<(u32, u32)> {
    let users = Users::read(root).unwrap_or_default();
    let name = users.name(uid);
    let bytes = root.read(Path::new(kind.file()), LONGEST)?;
    let number = uid.to_string();
    let names: Vec<&[u8]> =
        name.iter().map(|name| name.as_bytes()).chain([number.as_bytes()]).collect();
    first(&bytes, &names).ok_or_else(|| {
        let who = name.map_or_else(|| number.clone(), Text::to_string);
        SysError::new("find", format!("subordinate ids of {who} in {}", kind.file()), Errno::ENOENT)
    })
}

/// `name-or-uid:first:count`; a line that is none is passed over.
pub fn first(bytes: &[u8], names: &[&[u8]]) -> Option<(u32, u32)> {
    bytes.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next().filter(|name| names.contains(name))?;
        let mut number = || {
            let digits = std::str::from_utf8(fields.next()?).ok()?.trim();
            // The standard parser takes a sign too.
            digits.parse::<u32>().ok().filter(|_| !digits.starts_with('+'))
        };
        let (first, count) = (number()?, number()?);
        (!name.is_empty() && count > 0).then_some((first, count))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_user_counts_by_name_or_number() {
        let file =
            b"# alice:1:2\nbob:100000:65536\nalice:x:1\nalice:165536:65536\n1000:7:1\n:5:5\n";
        assert_eq!(first(file, &[b"alice", b"1000"]), Some((165_536, 65536)));
        assert_eq!(first(file, &[b"carol", b"1000"]), Some((7, 1)));
        assert_eq!(first(file, &[b"bob"]), Some((100_000, 65536)));
        assert_eq!(first(b"bob:+1:2\nbob:3:+4\n", &[b"bob"]), None);
        assert_eq!(first(file, &[b"", b"0"]), None);
        assert_eq!(first(b"root:0:0\nroot:1:4294967296\n\xff:1", &[b"root"]), None);
    }

    #[test]
    fn a_user_without_a_name_is_found_by_number() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        let etc = temp.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        std::fs::write(etc.join("passwd"), "alice:x:1000:1000::/:\n").unwrap();
        std::fs::write(etc.join("subuid"), "1001:300000:7\nalice:100000:65536\n").unwrap();
        std::fs::write(etc.join("subgid"), "1000:200000:65537\n").unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        assert_eq!(first_block(&root, Subordinate::Users, 1000).unwrap(), (100_000, 65536));
        assert_eq!(first_block(&root, Subordinate::Groups, 1000).unwrap(), (200_000, 65537));
        assert_eq!(first_block(&root, Subordinate::Users, 1001).unwrap(), (300_000, 7));
        let none = first_block(&root, Subordinate::Groups, 1001).unwrap_err();
        assert_eq!(none.errno(), Some(Errno::ENOENT));
        assert!(none.to_string().contains("1001 in /etc/subgid"), "{none}");
        std::fs::write(etc.join("subgid"), "").unwrap();
        let none = first_block(&root, Subordinate::Groups, 1000).unwrap_err();
        assert!(none.to_string().contains("alice in /etc/subgid"), "{none}");
    }
}
