//! What stands in a directory: names and kinds, no more than a cap, and no link followed.

use super::error::{Context, Problem, Result, SysError};
use super::worker::files;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Any bytes but a slash; never `.` or `..`.
    pub name: CString,
    /// Its kind when it was looked at.
    pub what: What,
}

/// What a name stands for; a link is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Not a link to one.
    Directory,
    /// A symbolic link and where it leads, in its own words.
    Link(CString),
    /// A file, a device, a socket.
    Other,
}

/// The first `cap` entries in the order of their names; true where there are more.
pub fn list(dir: BorrowedFd<'_>, cap: usize) -> Result<(Vec<Entry>, bool)> {
    let (mut entries, more) = look(dir, cap).context("list", "a directory")?;
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((entries, more))
}

/// The same of the root that a process has whose `/proc/PID` this is; its file system may be one
/// that never answers. The caller has one thread.
pub fn of_root(
    process: BorrowedFd<'_>,
    cap: usize,
    deadline: Duration,
) -> Result<(Vec<Entry>, bool)> {
    let failed = |problem| SysError { doing: "list", object: "the target's root".into(), problem };
    let bytes = files::work(
        |bytes| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let root = rustix::fs::openat(process, "root", flags, Mode::empty())?;
            let (entries, more) = look(root.as_fd(), cap)?;
            bytes.push(u8::from(more));
            for entry in &entries {
                write(entry, bytes);
            }
            Ok(())
        },
        deadline,
    );
    let bytes = bytes.map_err(failed)?;
    let (more, rest) = bytes.split_first().ok_or_else(|| failed(Problem::Malformed("answer")))?;
    let mut entries = read(rest).ok_or_else(|| failed(Problem::Malformed("answer")))?;
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((entries, *more != 0))
}

fn look(dir: BorrowedFd<'_>, cap: usize) -> rustix::io::Result<(Vec<Entry>, bool)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let readable = rustix::fs::openat(dir, c".", flags, Mode::empty())?;
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::new(readable)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entries.len() == cap {
            return Ok((entries, true));
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        let what = match kind {
            FileType::Directory => What::Directory,
            FileType::Symlink => What::Link(rustix::fs::readlinkat(dir, name, Vec::new())?),
            _ => What::Other,
        };
        entries.push(Entry { name: name.to_owned(), what });
    }
    Ok((entries, false))
}

/// As it travels from the process that looked: a letter, and words ended by NUL.
pub fn write(entry: &Entry, bytes: &mut Vec<u8>) {
    let (letter, target) = match &entry.what {
        What::Directory => (b'd', None),
        What::Link(target) => (b'l', Some(target)),
        What::Other => (b'f', None),
    };
    bytes.push(letter);
    bytes.extend_from_slice(entry.name.as_bytes_with_nul());
    bytes.extend_from_slice(target.map_or(b"\0", |target| target.as_bytes_with_nul()));
}

/// All that were written one after the other.
pub fn read(mut bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while let Some((letter, rest)) = bytes.split_first() {
        let (name, rest) = word(rest)?;
        let (target, rest) = word(rest)?;
        let what = match letter {
            b'd' => What::Directory,
            b'l' => What::Link(target),
            b'f' => What::Other,
            _ => return None,
        };
        entries.push(Entry { name, what });
        bytes = rest;
    }
    Some(entries)
}

fn word(bytes: &[u8]) -> Option<(CString, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (word, rest) = bytes.split_at_checked(end)?;
    Some((CString::new(word).ok()?, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn directory() -> (tempfile::TempDir, std::os::fd::OwnedFd) {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("a\nb")).unwrap();
        symlink("/proc/1/root", temp.path().join("etc")).unwrap();
        std::fs::write(temp.path().join("z"), b"").unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::open(temp.path(), flags, Mode::empty()).unwrap();
        (temp, open)
    }

    #[test]
    fn kinds_are_told_apart_and_the_cap_cuts() {
        let (_temp, open) = directory();
        let (entries, more) = list(open.as_fd(), 10).unwrap();
        let entry = |name: &str, what| Entry { name: CString::new(name).unwrap(), what };
        let expected = [
            entry("a\nb", What::Directory),
            entry("etc", What::Link(c"/proc/1/root".to_owned())),
            entry("z", What::Other),
        ];
        assert_eq!((entries.as_slice(), more), (&expected[..], false));
        assert!(list(open.as_fd(), 2).unwrap().1);
        let mut bytes = Vec::new();
        for entry in &entries {
            write(entry, &mut bytes);
        }
        assert_eq!(read(&bytes).unwrap(), expected);
    }

    #[test]
    fn a_process_has_a_root() {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = rustix::fs::open("/proc/self", flags, Mode::empty()).unwrap();
        let (entries, _) = of_root(own.as_fd(), 1000, Duration::from_secs(20)).unwrap();
        assert!(entries.iter().any(|entry| entry.name.as_c_str() == c"proc"));
        let cut = |cap| {
            let (entries, more) = of_root(own.as_fd(), cap, Duration::from_secs(20)).unwrap();
            (entries.len(), more)
        };
        assert_eq!((cut(1), cut(entries.len())), ((1, true), (entries.len(), false)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
