//! Who a name or a number is by a pair of passwd(5) and group(5) files, whoever's they are. Pure.

use super::error::SysError;
use crate::model::text::Text;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// No more groups of one user are taken; the kernel has no more either.
const MOST_GROUPS: usize = 65536;

/// No more is read of a list of users or of their ids: a hundred thousand of them.
pub const LONGEST: usize = 8 << 20;

/// What a login gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// In the numbering of those files.
    pub uid: u32,
    /// Of the group that was named, else of the user's line; 0 for a number without a line.
    pub gid: u32,
    /// With `gid`, ascending; empty where a group was named, and for a number without a line.
    pub groups: Vec<u32>,
    /// Of a user that the file has.
    pub name: Option<OsString>,
    /// None where the user's line has none, or there is no line.
    pub home: Option<OsString>,
    /// None where the user's line has none, or there is no line.
    pub shell: Option<OsString>,
}

impl Account {
    /// Somebody other than `root`, or 0, to whom the files give its number: those that are not the
    /// host's may not make root of him.
    pub fn is_disguised_root(&self, spelled: &[u8]) -> bool {
        let name = spelled.split(|byte| *byte == b':').next().unwrap_or_default();
        let is_zero = !name.is_empty() && name.iter().all(|byte| *byte == b'0');
        self.uid == 0 && name != b"root" && !is_zero
    }
}

/// Why it is not known who is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The two files name no such user or group.
    #[error(transparent)]
    NoAccount(#[from] NoAccount),
    /// One of them is there, and could not be read, or is longer than the bound.
    #[error(transparent)]
    Unreadable(#[from] SysError),
}

/// Why a `USER[:GROUP]` means nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAccount {
    /// Neither a name of the file nor a number below 2^32 − 1.
    #[error("there is no user {0} in its /etc/passwd")]
    User(Text),
    /// The same of the group.
    #[error("there is no group {0} in its /etc/group")]
    Group(Text),
    /// The user, or the group behind the colon, is empty.
    #[error("{0} is not USER or USER:GROUP")]
    Malformed(Text),
}

/// `USER[:GROUP]`, each by name or number. A number needs no line of the file; a group that is
/// named is the only one.
pub fn find(spelled: &[u8], passwd: &[u8], group: &[u8]) -> Result<Account, NoAccount> {
    let malformed = || NoAccount::Malformed(Text::new(spelled));
    let mut parts = spelled.splitn(2, |byte| *byte == b':');
    let user = parts.next().filter(|user| !user.is_empty()).ok_or_else(malformed)?;
    let chosen = parts.next();
    let mut account = by_user(user, passwd).ok_or_else(|| NoAccount::User(Text::new(user)))?;
    match chosen {
        Some(b"") => return Err(malformed()),
        Some(chosen) => {
            account.gid =
                by_group(chosen, group).ok_or_else(|| NoAccount::Group(Text::new(chosen)))?;
        }
        None => account.groups = groups_of(&account, group),
    }
    Ok(account)
}

/// `UID:GID`: for numbers alone no file is read.
pub fn by_numbers(spelled: &[u8]) -> Option<Account> {
    let mut parts = spelled.splitn(2, |byte| *byte == b':').map(number);
    let (uid, gid) = (parts.next()??, parts.next()??);
    Some(Account { uid, gid, groups: Vec::new(), name: None, home: None, shell: None })
}

/// The line of a number, whoever is called by its digits.
pub fn numbered(uid: u32, passwd: &[u8]) -> Option<Account> {
    lines(passwd).filter_map(account).map(|(_, account)| account).find(|account| account.uid == uid)
}

/// A user's number, by name or number.
pub fn uid(user: &[u8], passwd: &[u8]) -> Option<u32> {
    by_user(user, passwd).map(|account| account.uid)
}

/// A group's number, by name or number.
pub fn gid(group: &[u8], file: &[u8]) -> Option<u32> {
    by_group(group, file)
}

/// What is there is taken by name first: a name may be made of digits.
fn by_user(user: &[u8], passwd: &[u8]) -> Option<Account> {
    let number = number(user);
    let accounts = || lines(passwd).filter_map(account);
    let named = |account: &(&[u8], Account)| account.0 == user;
    let numbered = |account: &(&[u8], Account)| Some(account.1.uid) == number;
    let found = accounts().find(named).or_else(|| accounts().find(numbered));
    let bare = || {
        let (name, home, shell) = (None, None, None);
        number.map(|uid| Account { uid, gid: 0, groups: Vec::new(), name, home, shell })
    };
    found.map(|(_, account)| account).or_else(bare)
}

/// `name:password:uid:gid:comment:home:shell`
fn account(line: &[u8]) -> Option<(&[u8], Account)> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    let field = |at: usize| fields.get(at).copied();
    let owned = |at| {
        field(at).filter(|text| !text.is_empty()).map(|text| OsString::from_vec(text.to_vec()))
    };
    let name = field(0).filter(|name| !name.is_empty())?;
    let account = Account {
        uid: number(field(2)?)?,
        gid: number(field(3)?)?,
        groups: Vec::new(),
        name: owned(0),
        home: owned(5),
        shell: owned(6),
    };
    Some((name, account))
}

fn by_group(group: &[u8], file: &[u8]) -> Option<u32> {
    let groups = || lines(file).filter_map(group_line);
    groups().find(|(name, ..)| *name == group).map(|(_, gid, _)| gid).or_else(|| number(group))
}

/// `name:password:gid:member,member`
fn group_line(line: &[u8]) -> Option<(&[u8], u32, &[u8])> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let gid = number(fields.nth(1)?)?;
    Some((name, gid, fields.next().unwrap_or_default()))
}

fn groups_of(account: &Account, file: &[u8]) -> Vec<u32> {
    let Some(name) = account.name.as_ref().map(|name| name.as_encoded_bytes()) else {
        return Vec::new();
    };
    let has = |members: &[u8]| members.split(|byte| *byte == b',').any(|member| member == name);
    let groups = lines(file).filter_map(group_line).filter(|(_, _, members)| has(members));
    let mut groups: Vec<u32> = std::iter::once(account.gid)
        .chain(groups.map(|(_, gid, _)| gid))
        .take(MOST_GROUPS)
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end)
}

/// The last number means "leave it" to the kernel.
fn number(text: &[u8]) -> Option<u32> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok();
    number.filter(|number| *number != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/ash\n\
        www:x:33:33::/srv:/bin/false\n33:x:7:8::/odd:\nbad:x:y:1::/:\nbig:x:4294967295:0::/:/\n";
    const GROUP: &[u8] = b"root:x:0:root\nwww:x:33:\nmedia:x:50:root,www\n44:x:60:www\n";

    fn found(spelled: &str) -> Result<(u32, u32, Vec<u32>), String> {
        let account = find(spelled.as_bytes(), PASSWD, GROUP).map_err(|error| error.to_string())?;
        Ok((account.uid, account.gid, account.groups))
    }

    #[test]
    fn names_and_numbers_are_looked_up_and_a_named_group_is_the_only_one() {
        assert_eq!(found("www"), Ok((33, 33, vec![33, 50, 60])));
        assert_eq!(found("root"), Ok((0, 0, vec![0, 50])));
        assert_eq!(found("0"), found("root"));
        assert_eq!(found("33"), Ok((7, 8, vec![8])), "a name of digits");
        assert_eq!(found("1000"), Ok((1000, 0, Vec::new())), "no line is needed");
        assert_eq!(found("www:media"), Ok((33, 50, Vec::new())));
        assert_eq!(found("1000:44"), Ok((1000, 60, Vec::new())));
        assert_eq!(found("1000:99"), Ok((1000, 99, Vec::new())));
    }

    #[test]
    fn root_by_another_name_is_told() {
        let passwd = b"root:x:0:0::/:\nnobody:x:0:0::/:\n1000:x:0:0::/:\nwww:x:33:33::/:\n";
        let is = |spelled: &str| {
            find(spelled.as_bytes(), passwd, b"").unwrap().is_disguised_root(spelled.as_bytes())
        };
        assert!(is("nobody") && is("nobody:33") && is("1000"));
        assert!(!is("root") && !is("root:33") && !is("0") && !is("www") && !is("1001"));
    }

    #[test]
    fn two_numbers_need_no_file() {
        let account = by_numbers(b"33:44").unwrap();
        assert_eq!((account.uid, account.gid, account.home), (33, 44, None));
        for other in ["33", "33:", ":44", "www:44", "33:www", "33:44:55", "4294967295:0", ""] {
            assert_eq!(by_numbers(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn the_line_of_a_number_is_no_name() {
        assert_eq!(numbered(33, PASSWD).unwrap().name, Some("www".into()));
        assert_eq!(numbered(34, PASSWD), None);
    }

    #[test]
    fn who_is_not_there_is_nobody() {
        for (spelled, why) in [
            ("nobody", "there is no user nobody in its /etc/passwd"),
            ("bad", "there is no user bad in its /etc/passwd"),
            ("big", "there is no user big in its /etc/passwd"),
            ("4294967295", "there is no user 4294967295 in its /etc/passwd"),
            ("www:nogroup", "there is no group nogroup in its /etc/group"),
            ("www:", "www: is not USER or USER:GROUP"),
            (":www", ":www is not USER or USER:GROUP"),
            ("", " is not USER or USER:GROUP"),
        ] {
            assert_eq!(found(spelled), Err(why.to_owned()), "{spelled}");
        }
    }

    #[test]
    fn a_user_of_the_file_has_a_home_and_a_shell() {
        let root = find(b"root", PASSWD, GROUP).unwrap();
        assert_eq!((root.home, root.shell), (Some("/root".into()), Some("/bin/ash".into())));
        let odd = find(b"33", PASSWD, GROUP).unwrap();
        assert_eq!((odd.home, odd.shell), (Some("/odd".into()), None));
    }

    #[test]
    fn a_name_or_a_number_is_one_number() {
        assert_eq!((uid(b"www", PASSWD), uid(b"33", PASSWD)), (Some(33), Some(7)));
        assert_eq!((uid(b"1000", PASSWD), uid(b"nobody", PASSWD)), (Some(1000), None));
        assert_eq!((gid(b"media", GROUP), gid(b"44", GROUP)), (Some(50), Some(60)));
        assert_eq!((gid(b"99", GROUP), gid(b"nogroup", GROUP)), (Some(99), None));
    }

    #[test]
    fn no_digits_are_no_number() {
        assert_eq!((number(b""), number(b"+1"), number(b"1a")), (None, None, None));
        assert_eq!((number(b"0"), number(b"4294967294")), (Some(0), Some(u32::MAX - 1)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(spelled: Vec<u8>, passwd: Vec<u8>, group: Vec<u8>) {
            let _ = find(&spelled, &passwd, &group);
        }
    }
}
