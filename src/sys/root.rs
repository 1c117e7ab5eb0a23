//! Where the system is read from: the real one, or a directory that looks like one.
//!
//! Everything on the reading side goes through a [`SysRoot`], so that hosts no test machine is can
//! be tested from fixtures. `/proc` is opened once; what is below it is reached from that
//! descriptor only.

use super::bounded;
use super::error::{Context, Problem, Result, SysError};
use super::magic;
use super::reach::Reach;
use crate::model::process::Pid;
use crate::model::text::Text;
use nix::errno::Errno;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The system to read.
#[derive(Debug)]
pub struct SysRoot {
    /// Empty for the real system.
    prefix: PathBuf,
    /// See [`Self::with_runtime_dir`].
    runtime_dir: Option<PathBuf>,
    reach: Rc<Reach>,
}

impl SysRoot {
    /// The running system. Fails where `/proc` is not procfs: names planted there are not facts.
    pub fn real() -> Result<Self> {
        let absent =
            || SysError { doing: "use", object: "/proc".into(), problem: Problem::NoProcfs };
        let proc = open_path(Path::new("/proc")).map_err(|error| match error.errno() {
            Some(Errno::ENOENT | Errno::ENOTDIR) => absent(),
            _ => error,
        })?;
        let kind = rustix::fs::fstatfs(&proc).context("examine", "/proc")?.f_type;
        if kind != magic::PROC {
            return Err(absent());
        }
        Ok(Self {
            prefix: PathBuf::new(),
            runtime_dir: None,
            reach: Rc::new(Reach::new(proc, true)),
        })
    }

    /// A directory with `proc`, `sys`, `run`, `var`, … below it.
    pub fn fixture(prefix: &Path) -> Result<Self> {
        let proc = open_path(&prefix.join("proc"))?;
        Ok(Self {
            prefix: prefix.to_owned(),
            runtime_dir: None,
            reach: Rc::new(Reach::new(proc, false)),
        })
    }

    /// Whether processes are live, so that pidfds and joins mean something.
    pub fn is_real(&self) -> bool {
        self.prefix.as_os_str().is_empty()
    }

    /// Its /proc, held open since the start.
    pub fn proc(&self) -> BorrowedFd<'_> {
        self.reach.proc()
    }

    /// The same for a user who says where he keeps what lasts as long as he is here.
    #[must_use]
    pub fn with_runtime_dir(self, said: Option<OsString>) -> Self {
        let said = said.map(PathBuf::from).filter(|said| said.is_absolute());
        Self { runtime_dir: said, ..self }
    }

    /// `XDG_RUNTIME_DIR` of who runs nsx.
    pub fn runtime_dir(&self) -> Option<&Path> {
        self.runtime_dir.as_deref()
    }

    /// Ourselves, as this /proc numbers us; `None` where it does not have us.
    pub fn own_pid(&self) -> Option<Pid> {
        let link = rustix::fs::readlinkat(self.proc(), "self", Vec::new()).ok()?;
        Pid::parse(link.to_bytes())
    }

    /// Every process that /proc shows, ascending.
    pub fn pids(&self) -> Result<Vec<Pid>> {
        list_pids(self.proc())
    }

    /// The directory of a process. It stays that of this one, whoever gets the number after it.
    pub fn process(&self, pid: Pid) -> Result<OwnedFd> {
        bounded::open_dir(self.proc(), &pid.to_string())
    }

    /// The same of this process.
    pub fn own_process(&self) -> Result<OwnedFd> {
        bounded::open_link(self.proc(), "self")
    }

    /// Whether it numbers processes as our own calls do.
    pub fn numbers_as_we_do(&self) -> bool {
        self.own_pid().is_some_and(|own| own.number() == std::process::id())
    }

    /// The mounts that this process sees, in the kernel's words; read once.
    pub fn mountinfo(&self) -> Result<&[u8]> {
        self.reach.mountinfo()
    }

    /// What is asked of it is shared: what has not answered once is not asked again.
    pub fn reach(&self) -> &Rc<Reach> {
        &self.reach
    }

    /// The absolute `path` of the system as a path of ours.
    pub fn path(&self, path: &Path) -> PathBuf {
        match path.strip_prefix("/") {
            Ok(relative) if !self.is_real() => self.prefix.join(relative),
            _ => path.to_owned(),
        }
    }

    /// A directory of the kernel's own file systems, by its absolute path.
    pub fn open_dir(&self, path: &Path) -> Result<OwnedFd> {
        open_path(&self.path(path))
    }

    /// A directory of the host, by its absolute path; its own symbolic links are followed. One on a
    /// file system that does not answer has timed out. The caller has one thread.
    pub fn open_data(&self, path: &Path) -> Result<OwnedFd> {
        self.open_data_by(path, ResolveFlags::empty())
    }

    /// The same with a say in how the path is walked.
    pub fn open_data_by(&self, path: &Path, resolve: ResolveFlags) -> Result<OwnedFd> {
        let opened = self.reach.open(&self.path(path), resolve);
        opened.map_err(|error| SysError { object: path_text(path), ..error })
    }

    /// Where a link of the host leads, by its own absolute path.
    pub fn read_link(&self, path: &Path) -> Result<Text> {
        let target = rustix::fs::readlink(self.path(path), Vec::new());
        let target = target.with_context("read", || path_text(path))?;
        Ok(Text::new(target.to_bytes()))
    }

    /// A small file of the host, by its absolute path.
    pub fn read(&self, path: &Path, cap: usize) -> Result<Vec<u8>> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
        else {
            return Err(SysError::new("read", path_text(path), Errno::EINVAL));
        };
        let dir = self.open_data(parent)?;
        bounded::read(dir.as_fd(), name, cap)
            .map_err(|error| SysError { object: path_text(path), ..error })
    }
}

/// Reads a regular file below `dir` that no symbolic link may lead to, and that no other file system
/// holds, up to `cap` bytes.
pub fn read_beneath(dir: BorrowedFd<'_>, path: &str, cap: usize) -> Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    let file =
        rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve).context("open", path)?;
    let stat = rustix::fs::fstat(&file).context("examine", path)?;
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(SysError::malformed("read", path, "file: it is not a regular one"));
    }
    let size = usize::try_from(stat.st_size).unwrap_or_default().min(cap);
    let mut bytes = Vec::with_capacity(size + 1);
    let mut cut = bounded::read_open_record(file.as_fd(), cap, &mut bytes).context("read", path)?;
    if bytes.len() < size {
        cut = bounded::read_rest_into(file.as_fd(), cap, &mut bytes).context("read", path)?;
    }
    if cut {
        return Err(SysError { doing: "read", object: path.into(), problem: Problem::Truncated });
    }
    Ok(bytes)
}

/// Reads a regular file at an absolute path as the process sees it whose `/proc/PID` this is. True
/// if the cap cut it; ENXIO: something else is there, which is not opened.
///
/// A file system that the process mounted, or a walk to one, may never answer: this is for
/// [`super::worker`].
pub fn read_inside(
    process: BorrowedFd<'_>,
    path: &str,
    cap: usize,
    buffer: &mut Vec<u8>,
) -> rustix::io::Result<bool> {
    let place = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
    let root = rustix::fs::openat(process, "root", place, Mode::empty())?;
    read_in_root(root.as_fd(), path, cap, buffer)
}

/// The same where `root` is the root: no link and no `..` leads out of it.
pub fn read_in_root(
    root: BorrowedFd<'_>,
    path: &str,
    cap: usize,
    buffer: &mut Vec<u8>,
) -> rustix::io::Result<bool> {
    let place = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    read_place(&rustix::fs::openat2(root, path, place, Mode::empty(), resolve)?, cap, buffer)
}

/// The same of what is open as a place.
pub fn read_place(place: &OwnedFd, cap: usize, buffer: &mut Vec<u8>) -> rustix::io::Result<bool> {
    let stat = rustix::fs::fstat(place)?;
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(rustix::io::Errno::NXIO);
    }
    // The same file, and no walk to it that somebody could lead elsewhere.
    let link = format!("/proc/self/fd/{}", place.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = rustix::fs::open(link, flags, Mode::empty())?;
    bounded::read_fd_into(file.as_fd(), cap, buffer)
}

/// The names in a directory, `.` and `..` left out.
pub fn list(dir: BorrowedFd<'_>) -> Result<Vec<Text>> {
    list_some(dir, usize::MAX)
}

/// The first of them.
pub fn list_some(dir: BorrowedFd<'_>, most: usize) -> Result<Vec<Text>> {
    let readable = rustix::fs::openat(
        dir,
        ".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .context("list", "a directory")?;
    let mut names = Vec::new();
    let entries = rustix::fs::Dir::new(readable).context("list", "a directory")?;
    for entry in entries {
        if names.len() >= most {
            break;
        }
        let entry = entry.context("list", "a directory")?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(Text::new(name));
        }
    }
    Ok(names)
}

/// The names that are numbers of processes or threads, ascending.
pub fn list_pids(dir: BorrowedFd<'_>) -> Result<Vec<Pid>> {
    let names = list(dir)?;
    let mut pids: Vec<Pid> = names.iter().filter_map(|name| Pid::parse(name.as_bytes())).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// A path as it may be shown.
pub fn path_text(path: &Path) -> Text {
    Text::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))
}

fn open_path(path: &Path) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .with_context("open", || path_text(path))
}
