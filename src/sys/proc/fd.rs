//! `/proc/PID/fd` and `fdinfo`: proc_pid_fd(5), proc_pid_fdinfo(5).

use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::error::{Context, Result};
use crate::sys::{root, threads};
use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// Longer links are paths.
const LINK: usize = 64;

/// A watch is a line of about a hundred bytes.
const WATCHES_CAP: usize = 1 << 20;

/// A descriptor that is an inotify(7) object; others may be the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inotify {
    /// Its number.
    pub descriptor: i32,
    /// What the object watches.
    pub watches: u64,
}

/// How many descriptors it has. Since Linux 6.2 the kernel says so where it would else have to be
/// asked for each name.
pub fn count(process: BorrowedFd<'_>) -> Option<u64> {
    let stat = rustix::fs::statat(process, "fd", AtFlags::SYMLINK_NOFOLLOW).ok()?;
    told(stat.st_size).or_else(|| u64::try_from(table(process).ok()?.names.len()).ok())
}

/// The size of `fd`: 0 where the kernel does not say how many there are.
fn told(size: i64) -> Option<u64> {
    u64::try_from(size).ok().filter(|size| *size > 0)
}

struct Table {
    /// Where `fd` and `fdinfo` are below `/proc/PID`.
    base: String,
    dir: OwnedFd,
    names: Vec<Text>,
}

/// What the first thread of a process has open; where it has ended, and so has nothing, what another
/// has.
fn table(process: BorrowedFd<'_>) -> Result<Table> {
    let of = |base: String| {
        let dir = bounded::open_dir(process, &format!("{base}fd"))?;
        let names = root::list(dir.as_fd())?;
        Ok(Table { base, dir, names })
    };
    let first = of(String::new())?;
    if first.names.is_empty()
        && let Some(thread) = threads::living(process)
    {
        return of(format!("task/{thread}/"));
    }
    Ok(first)
}

/// As [`sockets`], of a process by `/proc/PID`: one whose first thread has ended is not asked in vain.
pub fn sockets_of(
    process: BorrowedFd<'_>,
    most: usize,
    take: &mut dyn FnMut(u32, u64),
) -> Result<usize> {
    let table = table(process)?;
    sockets_among(&table.dir, &table.names, most, take)
}

/// The sockets among the descriptors at `path` below a directory of /proc, each with its inode; no
/// more than `most` descriptors are looked at. How many were, at most one more than that.
///
/// EACCES where the links may not be read: root sees the names of all descriptors, and not always
/// what they are.
pub fn sockets(
    dir: BorrowedFd<'_>,
    path: &str,
    most: usize,
    take: &mut dyn FnMut(u32, u64),
) -> Result<usize> {
    let dir = bounded::open_dir(dir, path)?;
    sockets_among(&dir, &root::list(dir.as_fd())?, most, take)
}

fn sockets_among(
    dir: &OwnedFd,
    names: &[Text],
    most: usize,
    take: &mut dyn FnMut(u32, u64),
) -> Result<usize> {
    for name in names.iter().take(most) {
        let mut buffer = [MaybeUninit::uninit(); LINK];
        let link = match rustix::fs::readlinkat_raw(dir, name.as_bytes(), &mut buffer) {
            Ok((link, _)) => link,
            // It was closed meanwhile.
            Err(Errno::NOENT | Errno::SRCH) => continue,
            Err(errno) => return Err(errno).context("read", "a link of a descriptor"),
        };
        let number = std::str::from_utf8(name.as_bytes()).ok().and_then(|name| name.parse().ok());
        if let Some((number, inode)) = number.zip(inode_of_socket(link)) {
            take(number, inode);
        }
    }
    Ok(names.len().min(most.saturating_add(1)))
}

/// `socket:[12345]`
fn inode_of_socket(link: &[u8]) -> Option<u64> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `None` where its descriptors cannot be seen.
pub fn inotify(process: BorrowedFd<'_>) -> Option<Vec<Inotify>> {
    let Table { base, dir, names } = table(process).ok()?;
    let mut found = Vec::new();
    let mut buffer = [0_u8; 64];
    let mut info = Vec::new();
    for name in names {
        let Ok(length) = rustix::fs::readlinkat_raw(&dir, name.as_bytes(), &mut buffer[..]) else {
            continue;
        };
        // Both spellings are in use.
        let link = buffer.get(..length).unwrap_or_default();
        if link != b"anon_inode:inotify" && link != b"anon_inode:[inotify]" {
            continue;
        }
        let number = std::str::from_utf8(name.as_bytes()).ok().and_then(|name| name.parse().ok());
        let Some(descriptor) = number else { continue };
        let path = format!("{base}fdinfo/{name}");
        let cut = bounded::read_into(process, &path, WATCHES_CAP, &mut info).ok()?;
        if cut {
            return None;
        }
        found.push(Inotify { descriptor, watches: watches(&info) });
    }
    Some(found)
}

/// `inotify wd:1 ino:2 sdev:3 mask:4 …` for each.
pub fn watches(info: &[u8]) -> u64 {
    let lines = info.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"inotify wd:"));
    u64::try_from(lines.count()).unwrap_or(u64::MAX)
}

/// What a pidfd's process is called in the /proc that this was read from; it may not be there.
pub fn pid(info: &[u8]) -> Option<Pid> {
    let mut lines = info.split(|byte| *byte == b'\n');
    Pid::parse(lines.find_map(|line| line.strip_prefix(b"Pid:\t"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_of_a_pidfd() {
        let info = |pid: &str| {
            format!("pos:\t0\nflags:\t02000002\nmnt_id:\t15\nPid:\t{pid}\nNSpid:\t{pid}\t1\n")
        };
        assert_eq!(pid(info("4711").as_bytes()), Pid::new(4711));
        for nowhere in ["0", "-1"] {
            assert_eq!(pid(info(nowhere).as_bytes()), None);
        }
        assert_eq!(pid(b"pos:\t0\n"), None);
    }

    #[test]
    fn the_link_of_a_socket_has_its_inode() {
        assert_eq!(inode_of_socket(b"socket:[12345]"), Some(12345));
        for other in [&b"pipe:[1]"[..], b"/socket:[1]", b"socket:[]", b"socket:[1] (deleted)"] {
            assert_eq!(inode_of_socket(other), None);
        }
    }

    use rustix::fs::inotify::{self as kernel, CreateFlags, WatchFlags};
    use std::os::fd::AsRawFd as _;

    #[test]
    fn lines_of_watches() {
        let info = b"pos:\t0\nflags:\t00\nmnt_id:\t15\nino:\t1\ninotify wd:2 ino:5 sdev:19 mask:fce ignored_mask:0 fhandle-bytes:8\ninotify wd:1 ino:4\n";
        assert_eq!(watches(info), 2);
    }

    #[test]
    fn a_kernel_that_does_not_count_descriptors_says_so() {
        assert_eq!([0, 1, 1 << 40, -1].map(told), [None, Some(1), Some(1 << 40), None]);
    }

    #[test]
    fn instances_are_told_by_their_links() {
        let temp = tempfile::tempdir().unwrap();
        for directory in ["fd", "fdinfo"] {
            std::fs::create_dir(temp.path().join(directory)).unwrap();
        }
        let links = ["anon_inode:inotify", "anon_inode:[inotify]", "anon_inode:[eventpoll]", "/x"];
        for (number, link) in links.into_iter().enumerate() {
            std::os::unix::fs::symlink(link, temp.path().join(format!("fd/{number}"))).unwrap();
            let info = temp.path().join(format!("fdinfo/{number}"));
            std::fs::write(info, "pos:\t0\ninotify wd:1 ino:1\ninotify wd:2 ino:2\n").unwrap();
        }
        let process = std::fs::File::open(temp.path()).unwrap();
        let mut found = inotify(process.as_fd()).unwrap();
        found.sort_by_key(|one| one.descriptor);
        assert_eq!(found, [0, 1].map(|descriptor| Inotify { descriptor, watches: 2 }));
    }

    #[test]
    fn our_own() {
        let own =
            rustix::fs::open("/proc/self", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty())
                .unwrap();
        let instance = kernel::init(CreateFlags::CLOEXEC).unwrap();
        kernel::add_watch(&instance, "/", WatchFlags::CREATE).unwrap();
        let found = inotify(own.as_fd()).unwrap();
        let ours = Inotify { descriptor: instance.as_raw_fd(), watches: 1 };
        assert!(found.contains(&ours), "{found:?}");
        assert!(count(own.as_fd()).unwrap() > 3);
    }
}
