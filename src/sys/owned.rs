//! Directories whose content somebody decides, and files that count only where they are his.
//!
//! What a user may write is opened through no symbolic link and over no mount of his, and read only
//! where it belongs to him: else a link of his would have us read what he may not, and another's
//! file would be taken for his word.

mod hearing;

pub(super) use hearing::Hearing;
pub use hearing::Speaker;

use super::error::{Context, Result, SysError};
use super::reach::{DIRECTORY, Reach};
use super::root::{self, SysRoot};
use super::{bounded, error::Problem};
use crate::model::text::Text;
use hearing::Held;
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags, openat2, statx};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A directory, and the user whose word it is.
#[derive(Debug)]
pub struct Place {
    dir: OwnedFd,
    path: PathBuf,
    speaker: Speaker,
    /// The files of a fixture belong to whoever keeps it.
    is_real: bool,
    _held: Held,
}

/// What a name that is listed, or a file however short, costs of what is read.
const LEAST: usize = 512;
/// Names in one directory of a user's.
const NAMES_OF_A_USER: usize = 4096;

impl Place {
    /// A directory of root's; symbolic links on the way to it are the administrator's.
    pub fn of_root(root: &SysRoot, path: &Path) -> Result<Self> {
        Self::new(root, root.open_data(path)?, path, 0)?.checked()
    }

    /// A directory of a user's, `below` one that root gave him: links that lead to `given` are
    /// root's.
    pub fn of_user(root: &SysRoot, (given, below): (&Path, &str), uid: u32) -> Result<Self> {
        root.reach().refuse_foreign(given)?;
        let dir = root.open_data(given)?;
        Speaker::of(root, uid).know();
        Self::new(root, dir, given, uid)?.checked()?.enter(below)
    }

    /// A directory that a user says is his: no link leads to it.
    pub fn claimed(root: &SysRoot, path: &Path, uid: u32) -> Result<Self> {
        root.reach().refuse_foreign(path)?;
        if !path.is_absolute() {
            return Err(SysError::malformed("open", root::path_text(path), "path"));
        }
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        Self::new(root, root.open_data_by(path, resolve)?, path, uid)?.checked()
    }

    /// A directory that was said to this process to be its user's, who has made the links that lead to it.
    pub fn said(root: &SysRoot, path: &Path) -> Result<Self> {
        root.reach().refuse_foreign(path)?;
        let dir = root.open_data_by(path, ResolveFlags::NO_MAGICLINKS)?;
        Self::new(root, dir, path, rustix::process::geteuid().as_raw())?.checked()
    }

    fn new(root: &SysRoot, dir: OwnedFd, path: &Path, uid: u32) -> Result<Self> {
        Self::of(dir, path.to_owned(), Speaker::of(root, uid), root.is_real())
    }

    fn of(dir: OwnedFd, path: PathBuf, speaker: Speaker, is_real: bool) -> Result<Self> {
        let too_many = || SysError::new("open", root::path_text(&path), Errno::EMFILE);
        let held = speaker.holds().ok_or_else(too_many)?;
        Ok(Self { dir, path, speaker, is_real, _held: held })
    }

    fn with(&self, dir: OwnedFd, path: PathBuf) -> Result<Self> {
        Self::of(dir, path, self.speaker.clone(), self.is_real)
    }

    /// Whoever decides what is in it: what belongs to anybody else does not count.
    pub fn uid(&self) -> u32 {
        self.speaker.uid
    }

    /// Who is heard in it.
    pub fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    /// What errors call it, and messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is noted what did not answer or is not as it should be.
    pub fn reach(&self) -> &Reach {
        &self.speaker.reach
    }

    /// Whether a report lacks what is not as it should be in it. What another user has in a way of
    /// his own is his affair: he could have any number of that.
    pub fn is_ours(&self) -> bool {
        self.uid() == 0 || self.uid() == rustix::process::geteuid().as_raw()
    }

    /// A directory below, of the same user's.
    pub fn enter(&self, below: &str) -> Result<Self> {
        if below.is_empty() {
            let dir = self.dir.try_clone().context("open", root::path_text(&self.path))?;
            return self.with(dir, self.path.clone());
        }
        let path = self.path.join(below);
        // Root may mount what he likes on what is his.
        let resolve = if self.uid() == 0 { BENEATH } else { BENEATH | ResolveFlags::NO_XDEV };
        let dir = openat2(&self.dir, below, DIRECTORY, Mode::empty(), resolve)
            .with_context("open", || root::path_text(&path))?;
        self.with(dir, path)?.checked()
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
            self.speaker.refuse();
            return Err(SysError { object: root::path_text(&self.path), ..truncated() });
        }
        self.spend(LEAST);
        let file = self.open(below)?;
        let mut bytes = Vec::new();
        let is_cut = bounded::read_fd_into(file.as_fd(), cap.min(left), &mut bytes)
            .with_context("read", object)?;
        self.spend(bytes.len());
        if is_cut && left < cap {
            self.speaker.refuse();
        }
        if is_cut { Err(truncated()) } else { Ok(bytes) }
    }

    /// How many bytes of its user's are still read in this run.
    pub fn left(&self) -> usize {
        self.speaker.left()
    }

    /// So many bytes of his were.
    pub fn spend(&self, bytes: usize) {
        self.speaker.spend(bytes);
    }

    /// Whether so many more bytes that he said stay in memory.
    pub fn keeps(&self, bytes: usize) -> bool {
        self.speaker.keeps(bytes)
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
            if self.uid() == 0 { usize::MAX } else { NAMES_OF_A_USER.min(self.left() / LEAST) };
        let names = root::list_some(self.dir.as_fd(), most.saturating_add(1));
        let mut names = self.reach().told(object, "names and images", names).unwrap_or_default();
        if names.len() > most {
            names.truncate(most);
            self.speaker.refuse();
        }
        self.spend(names.len() * LEAST);
        names.iter().filter_map(|name| String::from_utf8(name.as_bytes().to_vec()).ok()).collect()
    }

    /// A file system that a server or a program answers for need never answer: a user's is not
    /// entered, root's is asked first.
    fn checked(self) -> Result<Self> {
        match self.uid() {
            0 => self.reach().check(self.dir.as_fd(), &self.path)?,
            _ => self.reach().refuse_foreign_fd(self.dir.as_fd(), &self.path)?,
        }
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let object = || root::path_text(&self.path);
        let stat = statx(&self.dir, "", flags, StatxFlags::UID).with_context("examine", object)?;
        self.check_owner(stat.stx_uid, object)?;
        Ok(self)
    }

    fn check_owner(&self, uid: u32, object: impl FnOnce() -> Text) -> Result<()> {
        if self.is_real && uid != self.uid() {
            return Err(SysError::malformed("use", object(), "owner"));
        }
        Ok(())
    }
}

const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

#[cfg(test)]
mod tests {
    use super::hearing::{HELD, KEPT, READ};
    use super::*;
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
        assert!(Place::said(&root, Path::new("/home/ann/e")).is_ok());
        assert!(Place::claimed(&root, Path::new("home/ann/d"), 1000).is_err());
    }

    fn ann(root: &SysRoot, uid: u32) -> Place {
        Place::claimed(root, Path::new("/home/ann/d"), uid).unwrap()
    }

    /// How often that is in there which is not told.
    fn refusals(root: &SysRoot) -> usize {
        let gaps = root.reach().gaps();
        let is_refusal = |gap: &&crate::model::gap::Gap| gap.object == "records of users";
        gaps.iter().filter(is_refusal).count()
    }

    #[test]
    fn a_user_says_no_more_than_can_be_borne() {
        let (temp, root) = host();
        let large = temp.path().join("home/ann/d/large");
        std::fs::write(&large, vec![b'x'; 5 << 20]).unwrap();
        let reads =
            |place: &Place| (0..20).filter(|_| place.read("large", 8 << 20).is_ok()).count();
        let read = |uid| reads(&ann(&root, uid));
        let each = READ / (5 << 20);
        assert_eq!((read(0), refusals(&root)), (20, 0));
        assert_eq!((read(1000), read(1000), refusals(&root)), (each, 0, 1));
        // One user may have many ids.
        assert_eq!((1001..1009).map(read).sum::<usize>(), each);
        // What they say takes nothing from whom root gave a home.
        assert_eq!(read(1009), 0);
        let bob = Place::of_user(&root, (Path::new("/home/ann"), "d"), 1009).unwrap();
        assert_eq!(reads(&bob), READ / 4 / (5 << 20));

        let root = SysRoot::fixture(temp.path()).unwrap();
        for number in 0..NAMES_OF_A_USER - 2 {
            std::fs::write(temp.path().join(format!("home/ann/d/{number}")), "").unwrap();
        }
        let names = |uid| ann(&root, uid).names().len();
        assert_eq!((names(1000), refusals(&root)), (NAMES_OF_A_USER, 0));
        std::fs::write(temp.path().join("home/ann/d/x"), "").unwrap();
        assert_eq!((names(0), refusals(&root)), (NAMES_OF_A_USER + 1, 0));
        assert_eq!((names(1000), refusals(&root)), (NAMES_OF_A_USER, 1));
        assert!((0..99).map(|_| names(1000)).sum::<usize>() <= READ / LEAST);

        let root = SysRoot::fixture(temp.path()).unwrap();
        let keep = |uid| ann(&root, uid).keeps(KEPT);
        assert_eq!((keep(0), keep(0), keep(1000), refusals(&root)), (true, true, true, 0));
        assert_eq!((keep(1000), refusals(&root)), (false, 1));
    }

    #[test]
    fn a_user_has_no_more_directories_open_than_can_be_borne() {
        let (temp, _) = host();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let hold = |uid, most: usize| {
            let open = |_| Place::claimed(&root, Path::new("/home/ann/d"), uid).ok();
            (0..most).filter_map(open).collect::<Vec<_>>()
        };
        let mut his = hold(1000, HELD);
        assert_eq!((his.len(), refusals(&root)), (HELD, 0));
        assert_eq!((hold(1000, 1).len(), refusals(&root)), (0, 1));
        his.pop();
        assert_eq!(hold(1000, 2).len(), 1);
        let others: Vec<_> = (1001..1009).flat_map(|uid| hold(uid, 20)).collect();
        assert_eq!(his.len() + others.len(), 2 * HELD);
        assert_eq!((hold(1009, 1).len(), hold(0, 99).len()), (0, 99));
        drop(others);
        assert_eq!(hold(1009, 1).len(), 1);
    }

    #[test]
    fn what_is_anothers_is_not_read() {
        let (temp, _) = host();
        let root = SysRoot::real().unwrap();
        let own = rustix::process::geteuid().as_raw();
        let home = temp.path().join("home/ann");
        assert_eq!(Place::claimed(&root, &home, own).unwrap().read("d/f", 9).unwrap(), b"x");
        assert!(Place::claimed(&root, &home, own + 1).is_err());
        let mut of_another = Place::claimed(&root, &home, own).unwrap();
        of_another.speaker.uid += 1;
        assert_eq!(of_another.read("d/f", 9).unwrap_err().problem, Problem::Malformed("owner"));
    }
}
