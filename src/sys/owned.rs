//! Directories whose content somebody decides, and files that count only where they are his.
//!
//! What a user may write is opened through no symbolic link and over no mount of his, and read only
//! where it belongs to him: else a link of his would have us read what he may not, and another's
//! file would be taken for his word.

use super::error::{Context, Result, SysError};
use super::reach::{DIRECTORY, Reach};
use super::root::{self, SysRoot};
use super::{bounded, error::Problem};
use crate::model::text::Text;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags, openat2, statx};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A directory, and the user whose word it is.
#[derive(Debug)]
pub struct Place {
    dir: OwnedFd,
    path: PathBuf,
    uid: u32,
    /// The files of a fixture belong to whoever keeps it.
    is_real: bool,
    reach: Rc<Reach>,
}

/// In bytes, of all that one user says in a whole run: he may have as many files as he likes, have
/// them read as often, and be as many users as he has subordinate ids.
const READ: usize = 32 << 20;
/// Of that, what stays in memory.
const KEPT: usize = 16 << 20;
/// What a name that is listed, or a file however short, costs of what is read.
const LEAST: usize = 512;
/// Names in one directory of a user's.
const NAMES_OF_A_USER: usize = 4096;

/// How much of what users say is still heard in this run.
#[derive(Debug)]
pub(super) struct Hearing {
    read: Budget,
    kept: Budget,
}

impl Default for Hearing {
    fn default() -> Self {
        Self { read: Budget::new(READ), kept: Budget::new(KEPT) }
    }
}

#[derive(Debug)]
struct Budget {
    of_each: usize,
    of_all: Cell<usize>,
    spent: RefCell<HashMap<u32, usize>>,
}

impl Budget {
    /// All together have as much as two.
    fn new(of_each: usize) -> Self {
        Self { of_each, of_all: Cell::new(2 * of_each), spent: RefCell::default() }
    }

    /// What root says is heard to its end.
    fn left(&self, uid: u32) -> usize {
        if uid == 0 {
            return usize::MAX;
        }
        let spent = self.spent.borrow().get(&uid).copied().unwrap_or_default();
        self.of_each.saturating_sub(spent).min(self.of_all.get())
    }

    fn spend(&self, uid: u32, bytes: usize) {
        if uid != 0 {
            *self.spent.borrow_mut().entry(uid).or_default() += bytes;
            self.of_all.set(self.of_all.get().saturating_sub(bytes));
        }
    }
}

impl Place {
    /// A directory of root's; symbolic links on the way to it are the administrator's.
    pub fn of_root(root: &SysRoot, path: &Path) -> Result<Self> {
        Self::new(root, root.open_data(path)?, path, 0).checked()
    }

    /// A directory of a user's, `below` one that root gave him: links that lead to `given` are
    /// root's.
    pub fn of_user(root: &SysRoot, (given, below): (&Path, &str), uid: u32) -> Result<Self> {
        root.reach().refuse_foreign(given)?;
        Self::new(root, root.open_data(given)?, given, uid).checked()?.enter(below)
    }

    /// A directory that a user says is his: no link leads to it.
    pub fn claimed(root: &SysRoot, path: &Path, uid: u32) -> Result<Self> {
        root.reach().refuse_foreign(path)?;
        if !path.is_absolute() {
            return Err(SysError::malformed("open", root::path_text(path), "path"));
        }
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        Self::new(root, root.open_data_by(path, resolve)?, path, uid).checked()
    }

    fn new(root: &SysRoot, dir: OwnedFd, path: &Path, uid: u32) -> Self {
        let (path, reach) = (path.to_owned(), Rc::clone(root.reach()));
        Self { dir, path, uid, is_real: root.is_real(), reach }
    }

    fn with(&self, dir: OwnedFd, path: PathBuf) -> Self {
        Self { dir, path, uid: self.uid, is_real: self.is_real, reach: Rc::clone(&self.reach) }
    }

    /// Whoever decides what is in it: what belongs to anybody else does not count.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// What errors call it, and messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is noted what did not answer or is not as it should be.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Whether a report lacks what is not as it should be in it. What another user has in a way of
    /// his own is his affair: he could have any number of that.
    pub fn is_ours(&self) -> bool {
        self.uid == 0 || self.uid == rustix::process::geteuid().as_raw()
    }

    /// A directory below, of the same user's.
    pub fn enter(&self, below: &str) -> Result<Self> {
        if below.is_empty() {
            let dir = self.dir.try_clone().context("open", root::path_text(&self.path))?;
            return Ok(self.with(dir, self.path.clone()));
        }
        let path = self.path.join(below);
        // Root may mount what he likes on what is his.
        let resolve = if self.uid == 0 { BENEATH } else { BENEATH | ResolveFlags::NO_XDEV };
        let dir = openat2(&self.dir, below, DIRECTORY, Mode::empty(), resolve)
            .with_context("open", || root::path_text(&path))?;
        self.with(dir, path).checked()
    }

    /// A regular file of the same user's.
    pub fn open(&self, below: &str) -> Result<OwnedFd> {
        let object = || root::path_text(&self.path.join(below));
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let resolve = BENEATH | ResolveFlags::NO_XDEV;
        let file = openat2(&self.dir, below, flags, Mode::empty(), resolve)
            .with_context("open", object)?;
        let stat = rustix::fs::fstat(&file).with_context("examine", object)?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(SysError::malformed("read", object(), "file: it is not a regular one"));
        }
        self.check_owner(stat.st_uid, object)?;
        Ok(file)
    }

    /// What is in one, up to `cap` bytes.
    pub fn read(&self, below: &str, cap: usize) -> Result<Vec<u8>> {
        let object = || root::path_text(&self.path.join(below));
        let truncated =
            || SysError { doing: "read", object: object(), problem: Problem::Truncated };
        let left = self.left();
        if left == 0 {
            return Err(SysError { object: root::path_text(&self.path), ..truncated() });
        }
        self.spend(LEAST);
        let file = self.open(below)?;
        let mut bytes = Vec::new();
        let is_cut = bounded::read_fd_into(file.as_fd(), cap.min(left), &mut bytes)
            .with_context("read", object)?;
        self.spend(bytes.len());
        if is_cut { Err(truncated()) } else { Ok(bytes) }
    }

    /// How many bytes of its user's are still read in this run.
    pub fn left(&self) -> usize {
        self.reach.hearing.read.left(self.uid)
    }

    /// So many bytes of his were.
    pub fn spend(&self, bytes: usize) {
        self.reach.hearing.read.spend(self.uid, bytes);
    }

    /// Whether so many more bytes that he said stay in memory.
    pub fn keeps(&self, bytes: usize) -> bool {
        let kept = &self.reach.hearing.kept;
        let keeps = bytes <= kept.left(self.uid);
        if keeps {
            kept.spend(self.uid, bytes);
        }
        keeps
    }

    /// Where a symbolic link in it says it leads; it is not followed.
    pub fn link(&self, name: &str) -> Option<PathBuf> {
        let link = rustix::fs::readlinkat(&self.dir, name, Vec::new()).ok()?;
        Some(PathBuf::from(link.into_string().ok()?))
    }

    /// The names in it that are UTF-8.
    pub fn names(&self) -> Vec<String> {
        let object = || root::path_text(&self.path);
        let most =
            if self.uid == 0 { usize::MAX } else { NAMES_OF_A_USER.min(self.left() / LEAST) };
        let names = root::list_some(self.dir.as_fd(), most);
        let names = self.reach.told(object, "names and images", names).unwrap_or_default();
        self.spend(names.len() * LEAST);
        names.iter().filter_map(|name| String::from_utf8(name.as_bytes().to_vec()).ok()).collect()
    }

    /// A file system that a server or a program answers for need never answer: a user's is not
    /// entered, root's is asked first.
    fn checked(self) -> Result<Self> {
        match self.uid {
            0 => self.reach.check(self.dir.as_fd(), &self.path)?,
            _ => self.reach.refuse_foreign_fd(self.dir.as_fd(), &self.path)?,
        }
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let object = || root::path_text(&self.path);
        let stat = statx(&self.dir, "", flags, StatxFlags::UID).with_context("examine", object)?;
        self.check_owner(stat.stx_uid, object)?;
        Ok(self)
    }

    fn check_owner(&self, uid: u32, object: impl FnOnce() -> Text) -> Result<()> {
        if self.is_real && uid != self.uid {
            return Err(SysError::malformed("use", object(), "owner"));
        }
        Ok(())
    }
}

const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;
    use std::os::unix::fs::symlink;

    fn host() -> (tempfile::TempDir, SysRoot) {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("proc")).unwrap();
        std::fs::create_dir_all(temp.path().join("home/ann/d")).unwrap();
        std::fs::write(temp.path().join("home/ann/d/f"), "x").unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        (temp, root)
    }

    #[test]
    fn no_link_below_a_users_directory_is_followed() {
        let (temp, root) = host();
        let home = temp.path().join("home/ann");
        symlink(home.join("d"), home.join("e")).unwrap();
        symlink("f", home.join("d/g")).unwrap();
        let ann = Place::of_user(&root, (Path::new("/home/ann"), ""), 1000).unwrap();
        assert_eq!(ann.enter("d").unwrap().read("f", 9).unwrap(), b"x");
        assert_eq!(ann.enter("e").unwrap_err().errno(), Some(Errno::ELOOP));
        assert_eq!((ann.link("e"), ann.link("d")), (Some(home.join("d")), None));
        assert_eq!(ann.read("d/g", 9).unwrap_err().errno(), Some(Errno::ELOOP));
        assert_eq!(ann.read("../ann/d/f", 9).unwrap_err().errno(), Some(Errno::EXDEV));
        assert!(ann.read("d", 9).is_err());
        assert_eq!(ann.read("d/f", 0).unwrap_err().problem, Problem::Truncated);
        assert!(Place::claimed(&root, Path::new("/home/ann/e"), 1000).is_err());
        assert!(Place::claimed(&root, Path::new("/home/ann/d"), 1000).is_ok());
        assert!(Place::claimed(&root, Path::new("home/ann/d"), 1000).is_err());
    }

    #[test]
    fn a_user_says_no_more_than_can_be_borne() {
        let (temp, root) = host();
        let large = temp.path().join("home/ann/d/large");
        std::fs::write(&large, vec![b'x'; 5 << 20]).unwrap();
        let read = |uid| {
            let read = || {
                let place = Place::of_user(&root, (Path::new("/home/ann"), ""), uid).unwrap();
                place.enter("d").unwrap().read("large", 8 << 20)
            };
            (0..20).filter(|_| read().is_ok()).count()
        };
        let each = READ / (5 << 20);
        assert_eq!((read(1000), read(1000), read(0)), (each, 0, 20));
        // One user may have many ids.
        assert_eq!((1001..1009).map(read).sum::<usize>(), each);
        let root = SysRoot::fixture(temp.path()).unwrap();
        for number in 0..=NAMES_OF_A_USER {
            std::fs::write(temp.path().join(format!("home/ann/d/{number}")), "").unwrap();
        }
        let names = |uid| {
            let place = Place::claimed(&root, Path::new("/home/ann/d"), uid).unwrap();
            place.names().len()
        };
        assert_eq!((names(1000), names(0)), (NAMES_OF_A_USER, NAMES_OF_A_USER + 3));
        assert!((0..99).map(|_| names(1000)).sum::<usize>() <= READ / LEAST);
        let keep = |uid| Place::claimed(&root, Path::new("/home/ann/d"), uid).unwrap().keeps(KEPT);
        assert_eq!((keep(1000), keep(1000), keep(0), keep(0)), (true, false, true, true));
    }

    #[test]
    fn what_is_anothers_is_not_read() {
        let (temp, _) = host();
        let root = SysRoot::real().unwrap();
        let own = rustix::process::geteuid().as_raw();
        let home = temp.path().join("home/ann");
        assert_eq!(Place::claimed(&root, &home, own).unwrap().read("d/f", 9).unwrap(), b"x");
        assert!(Place::claimed(&root, &home, own + 1).is_err());
        let of_another = Place { uid: own + 1, ..Place::claimed(&root, &home, own).unwrap() };
        assert_eq!(of_another.read("d/f", 9).unwrap_err().problem, Problem::Malformed("owner"));
    }
}
