//! Directories whose content somebody decides, and files that count only where they are his.
//!
//! What a user may write is opened through no symbolic link and over no mount of his, and read only
//! where it belongs to him: else a link of his would have us read what he may not, and another's
//! file would be taken for his word. A file system that another program answers for is not entered:
//! it need never answer.

use super::error::{Context, Result, SysError};
use super::proc::mountinfo;
use super::root::{self, SysRoot};
use super::{bounded, error::Problem};
use crate::model::text::Text;
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags, openat2, statx};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A directory, and the user whose word it is.
#[derive(Debug)]
pub struct Place {
    dir: OwnedFd,
    path: PathBuf,
    uid: u32,
    /// The files of a fixture belong to whoever keeps it.
    is_real: bool,
}

impl Place {
    /// A directory of root's; symbolic links on the way to it are the administrator's.
    pub fn of_root(root: &SysRoot, path: &Path) -> Result<Self> {
        let dir = root.open_dir(path)?;
        Self { dir, path: path.to_owned(), uid: 0, is_real: root.is_real() }.checked()
    }

    /// A directory of a user's, `below` one that root gave him: links that lead to `given` are
    /// root's.
    pub fn of_user(
        root: &SysRoot,
        mounts: &Mounts,
        (given, below): (&Path, &str),
        uid: u32,
    ) -> Result<Self> {
        mounts.refuse_foreign(given)?;
        let dir = root.open_dir(given)?;
        let place = Self { dir, path: given.to_owned(), uid, is_real: root.is_real() };
        place.checked()?.enter(below)
    }

    /// A directory that a user says is his: no link leads to it.
    pub fn claimed(root: &SysRoot, mounts: &Mounts, path: &Path, uid: u32) -> Result<Self> {
        mounts.refuse_foreign(path)?;
        if !path.is_absolute() {
            return Err(SysError::malformed("open", root::path_text(path), "path"));
        }
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let dir = openat2(rustix::fs::CWD, root.path(path), DIRECTORY, Mode::empty(), resolve)
            .with_context("open", || root::path_text(path))?;
        Self { dir, path: path.to_owned(), uid, is_real: root.is_real() }.checked()
    }

    pub fn uid(&self) -> u32 {
        self.uid
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory below, of the same user's.
    pub fn enter(&self, below: &str) -> Result<Self> {
        if below.is_empty() {
            let dir = self.dir.try_clone().context("open", root::path_text(&self.path))?;
            return Ok(Self { dir, path: self.path.clone(), ..*self });
        }
        let path = self.path.join(below);
        let dir = openat2(&self.dir, below, DIRECTORY, Mode::empty(), self.resolve())
            .with_context("open", || root::path_text(&path))?;
        Self { dir, path, ..*self }.checked()
    }

    /// A regular file of the same user's.
    pub fn open(&self, below: &str) -> Result<OwnedFd> {
        let object = || root::path_text(&self.path.join(below));
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let file = openat2(&self.dir, below, flags, Mode::empty(), self.resolve())
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
        let file = self.open(below)?;
        let mut bytes = Vec::new();
        if bounded::read_fd_into(file.as_fd(), cap, &mut bytes).with_context("read", object)? {
            return Err(SysError { doing: "read", object: object(), problem: Problem::Truncated });
        }
        Ok(bytes)
    }

    /// Where a symbolic link in it says it leads; it is not followed.
    pub fn link(&self, name: &str) -> Option<PathBuf> {
        let link = rustix::fs::readlinkat(&self.dir, name, Vec::new()).ok()?;
        Some(PathBuf::from(link.into_string().ok()?))
    }

    /// The names in it that are UTF-8.
    pub fn names(&self) -> Vec<String> {
        let names = root::list(self.dir.as_fd()).unwrap_or_default();
        names.iter().filter_map(|name| String::from_utf8(name.as_bytes().to_vec()).ok()).collect()
    }

    fn resolve(&self) -> ResolveFlags {
        let beneath =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // Root may mount what he likes below what is his.
        if self.uid == 0 { beneath } else { beneath | ResolveFlags::NO_XDEV }
    }

    fn checked(self) -> Result<Self> {
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

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Where file systems are mounted that a server or a program answers for.
#[derive(Debug, Default)]
pub struct Mounts(Vec<(PathBuf, bool)>);

impl Mounts {
    /// Those that this process sees; none where they cannot be read.
    pub fn read(root: &SysRoot) -> Self {
        let mountinfo = bounded::open_link(root.proc(), "self")
            .and_then(|dir| bounded::read_capped(dir.as_fd(), "mountinfo", bounded::LARGE));
        Self::parse(&mountinfo.unwrap_or_default().bytes)
    }

    fn parse(mountinfo: &[u8]) -> Self {
        let (mounts, _) = mountinfo::parse(mountinfo);
        let mounts = mounts.iter().filter_map(|mount| {
            let target = std::str::from_utf8(mount.target.as_bytes()).ok()?;
            let kind = mount.fs_type.as_bytes();
            let foreign = kind.starts_with(b"fuse") || FOREIGN.contains(&kind);
            Some((PathBuf::from(target), foreign))
        });
        Self(mounts.collect())
    }

    fn are_foreign(&self, path: &Path) -> bool {
        let above = self.0.iter().filter(|(target, _)| path.starts_with(target));
        // Of two on one point the later one is on top.
        let nearest = above.max_by_key(|(target, _)| target.as_os_str().len());
        nearest.is_some_and(|(_, foreign)| *foreign)
    }

    fn refuse_foreign(&self, path: &Path) -> Result<()> {
        if self.are_foreign(path) {
            return Err(SysError::new("open", root::path_text(path), Errno::EREMOTE));
        }
        Ok(())
    }
}

const FOREIGN: [&[u8]; 8] = [b"autofs", b"nfs", b"nfs4", b"cifs", b"smb3", b"ceph", b"9p", b"afs"];

#[cfg(test)]
mod tests {
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
        let mounts = Mounts::read(&root);
        let home = temp.path().join("home/ann");
        symlink(home.join("d"), home.join("e")).unwrap();
        symlink("f", home.join("d/g")).unwrap();
        let ann = Place::of_user(&root, &mounts, (Path::new("/home/ann"), ""), 1000).unwrap();
        assert_eq!(ann.enter("d").unwrap().read("f", 9).unwrap(), b"x");
        assert_eq!(ann.enter("e").unwrap_err().errno(), Some(Errno::ELOOP));
        assert_eq!((ann.link("e"), ann.link("d")), (Some(home.join("d")), None));
        assert_eq!(ann.read("d/g", 9).unwrap_err().errno(), Some(Errno::ELOOP));
        assert_eq!(ann.read("../ann/d/f", 9).unwrap_err().errno(), Some(Errno::EXDEV));
        assert!(ann.read("d", 9).is_err());
        assert_eq!(ann.read("d/f", 0).unwrap_err().problem, Problem::Truncated);
        assert!(Place::claimed(&root, &mounts, Path::new("/home/ann/e"), 1000).is_err());
        assert!(Place::claimed(&root, &mounts, Path::new("/home/ann/d"), 1000).is_ok());
        assert!(Place::claimed(&root, &mounts, Path::new("home/ann/d"), 1000).is_err());
    }

    #[test]
    fn what_is_anothers_is_not_read() {
        let (temp, _) = host();
        let root = SysRoot::real().unwrap();
        let mounts = Mounts::read(&root);
        let own = rustix::process::geteuid().as_raw();
        let home = temp.path().join("home/ann");
        assert_eq!(
            Place::claimed(&root, &mounts, &home, own).unwrap().read("d/f", 9).unwrap(),
            b"x"
        );
        assert!(Place::claimed(&root, &mounts, &home, own + 1).is_err());
        let of_another =
            Place { uid: own + 1, ..Place::claimed(&root, &mounts, &home, own).unwrap() };
        assert_eq!(of_another.read("d/f", 9).unwrap_err().problem, Problem::Malformed("owner"));
    }

    #[test]
    fn what_a_server_or_a_program_answers_for_is_foreign() {
        let mounts = Mounts::parse(
            b"22 1 8:1 / / rw - ext4 /dev/vda rw\n\
              30 22 0:40 / /home rw - autofs auto.home rw\n\
              31 30 0:41 / /home/ann rw - ext4 /dev/vdb rw\n\
              32 31 0:42 / /home/ann/m rw - fuse.sshfs x rw\n",
        );
        let foreign = |path: &str| mounts.are_foreign(Path::new(path));
        assert!(foreign("/home/bob"));
        assert!(foreign("/home/ann/m/x"));
        assert!(!foreign("/home/ann/d"));
        assert!(!foreign("/srv"));
        assert!(!Mounts::default().are_foreign(Path::new("/srv")));
    }
}
