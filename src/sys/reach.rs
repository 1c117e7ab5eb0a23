//! What may never answer: directories of the host on a file system whose server is dead, and command
//! lines behind a lock that is held for ever; and how long a whole run waits for all of that.
//!
//! A path is walked at once where the kernel has it in memory. Anything else, and the first question
//! to a file system that a server or a program answers for, is left to a process that can be
//! abandoned: whoever waits for a dead server cannot even be killed. What did not answer once is not
//! asked again, and is told at the end.

use super::bounded::{self, Bytes};
use super::cgroupfs::hierarchy::Hierarchies;
use super::error::{IntoErrno, IntoProblem, Problem, Result, SysError};
use super::owned::Hearing;
use super::proc::mountinfo;
use super::tree::mount_number;
use super::{mounts, root, worker};
use crate::model::gap::{Gap, Reason};
use crate::model::process::Pid;
use crate::model::text::Text;
use nix::errno::Errno;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For one question to a server or a program, or to a process.
const QUESTION: Duration = Duration::from_millis(200);
/// For a path that no such thing is seen on: a disk may be slow, and a link may lead anywhere.
const WALK: Duration = Duration::from_millis(600);

/// How long all that does not answer is waited for. Afterwards only what is in memory is looked at.
#[derive(Debug)]
struct Patience(Cell<Duration>);

impl Patience {
    const fn new(all: Duration) -> Self {
        Self(Cell::new(all))
    }

    /// None: there is no patience left.
    fn wait<T>(
        &self,
        each: Duration,
        ask: impl FnOnce(Duration) -> Result<T>,
    ) -> Option<Result<T>> {
        let left = Some(self.0.get()).filter(|left| !left.is_zero())?;
        let start = Instant::now();
        let answer = ask(each.min(left));
        if answer.as_ref().is_err_and(|error| error.problem == Problem::TimedOut) {
            self.0.set(left.saturating_sub(start.elapsed()));
        }
        Some(answer)
    }
}

/// More than this nobody reads.
const MOST_GAPS: usize = 64;

/// What was learnt about who answers: a server that is dead is waited for once.
#[derive(Debug)]
pub struct Reach {
    proc: OwnedFd,
    /// A fixture is a directory of whoever keeps it.
    is_real: bool,
    /// `/proc/self/mountinfo`, once it was needed.
    mountinfo: OnceCell<Vec<u8>>,
    /// Of control groups, where the usual place shows the whole of each; looked at once.
    pub(super) hierarchies: OnceCell<Option<Hierarchies>>,
    mounts: RefCell<Option<Mounts>>,
    /// Whether the file system of a mount, by its number, answers.
    answers: RefCell<HashMap<u64, bool>>,
    /// Paths that did not come to an end.
    silent: RefCell<Vec<PathBuf>>,
    /// Users, and processes of root's, with a command line that did not come.
    mute: RefCell<Vec<(u32, Option<Pid>)>>,
    places: Patience,
    commands: Patience,
    gaps: RefCell<Vec<Gap>>,
    pub(super) hearing: Hearing,
}

impl Reach {
    pub(super) fn new(proc: OwnedFd, is_real: bool) -> Self {
        Self {
            proc,
            is_real,
            mountinfo: OnceCell::new(),
            hierarchies: OnceCell::new(),
            mounts: RefCell::default(),
            answers: RefCell::default(),
            silent: RefCell::default(),
            mute: RefCell::default(),
            places: Patience::new(WALK),
            commands: Patience::new(QUESTION.saturating_mul(2)),
            gaps: RefCell::default(),
            hearing: Hearing::default(),
        }
    }

    pub(super) fn proc(&self) -> BorrowedFd<'_> {
        self.proc.as_fd()
    }

    /// The mounts that this process sees, in the kernel's words; read once.
    pub(super) fn mountinfo(&self) -> Result<&[u8]> {
        if let Some(mountinfo) = self.mountinfo.get() {
            return Ok(mountinfo);
        }
        let read = bounded::read(self.proc(), "self/mountinfo", bounded::LARGE)?;
        Ok(self.mountinfo.get_or_init(|| read))
    }

    /// What did not answer so far, and what was noted.
    pub fn gaps(&self) -> Vec<Gap> {
        self.gaps.borrow().clone()
    }

    /// Notes what a report lacks, once. Others decide how many files there are: the first count.
    pub fn note(&self, gap: Gap) {
        let mut gaps = self.gaps.borrow_mut();
        if gaps.len() < MOST_GAPS && !gaps.contains(&gap) {
            gaps.push(gap);
        }
    }

    /// What was read, if it was; a report lacks what is there and could not be read. What only root
    /// may read anybody else lacks in any case; what never answered is noted by who waited.
    pub fn told<T, E: IntoProblem>(
        &self,
        object: impl FnOnce() -> Text,
        what: &'static str,
        read: std::result::Result<T, E>,
    ) -> Option<T> {
        read.map_err(|error| {
            let problem = error.into_problem();
            let gap = SysError { doing: "read", object: object(), problem }.gap(what);
            let is_missing = match gap.reason {
                Reason::Gone | Reason::Timeout | Reason::Malformed => false,
                Reason::Denied => rustix::process::geteuid().is_root(),
                Reason::Failed | Reason::Unsupported | Reason::Truncated | Reason::Incomplete => {
                    true
                }
            };
            if is_missing {
                self.note(gap);
            }
        })
        .ok()
    }

    /// The gaps of a report, and what was noted beside them.
    pub fn complete(&self, gaps: &mut Vec<Gap>) {
        for gap in self.gaps.borrow().iter() {
            if !gaps.contains(gap) {
                gaps.push(gap.clone());
            }
        }
    }

    /// Opens a directory by a path of ours. The caller has one thread.
    pub(super) fn open(&self, path: &Path, resolve: ResolveFlags) -> Result<OwnedFd> {
        let open = |resolve| openat2(rustix::fs::CWD, path, DIRECTORY, Mode::empty(), resolve);
        let error = |errno: rustix::io::Errno| {
            SysError::new("open", root::path_text(path), errno.into_errno())
        };
        if !self.is_real {
            return open(resolve).map_err(error);
        }
        // RESOLVE_CACHED is of Linux 5.12.
        let directory = match open(resolve | ResolveFlags::CACHED) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INVAL) => self.walk(path, resolve)?,
            opened => opened.map_err(error)?,
        };
        self.check(directory.as_fd(), path)?;
        Ok(directory)
    }

    fn walk(&self, path: &Path, resolve: ResolveFlags) -> Result<OwnedFd> {
        if self.silent.borrow().iter().any(|silent| path.starts_with(silent)) {
            return Err(self.no_answer(path));
        }
        let is_foreign = self.with_mounts(|mounts| mounts.are_foreign(path));
        let each = if is_foreign { QUESTION } else { WALK };
        let open = |patience| worker::open_place(path, DIRECTORY, resolve, patience);
        let opened = self.places.wait(each, open);
        match opened {
            Some(Err(error)) if error.problem == Problem::TimedOut => {
                self.silent.borrow_mut().push(path.to_owned());
                Err(self.no_answer(path))
            }
            Some(opened) => opened,
            None => Err(self.no_answer(path)),
        }
    }

    /// Whether the file system that an open directory is on answers: each is asked once.
    pub(super) fn check(&self, directory: BorrowedFd<'_>, path: &Path) -> Result<()> {
        if !self.is_real {
            return Ok(());
        }
        let Some(mount) = mount_of(directory) else { return Ok(()) };
        let known = self.answers.borrow().get(&mount).copied();
        let answers = known.unwrap_or_else(|| {
            let asked = || self.places.wait(QUESTION, |patience| worker::ask(directory, patience));
            // What the host's root is on holds this program too.
            let is_root = || mount_of_root() == Some(mount);
            let answers = is_root()
                || !self.is_foreign(directory, mount)
                || asked().is_some_and(|it| it.is_ok());
            self.answers.borrow_mut().insert(mount, answers);
            answers
        });
        if answers { Ok(()) } else { Err(self.no_answer(path)) }
    }

    /// Refuses a path that leads to a file system of a server or a program, before anything waits.
    pub(super) fn refuse_foreign(&self, path: &Path) -> Result<()> {
        if self.with_mounts(|mounts| mounts.are_foreign(path)) {
            return Err(SysError::new("open", root::path_text(path), Errno::EREMOTE));
        }
        Ok(())
    }

    /// The same of what was opened: nobody can mount anything between this and a look at it.
    pub(super) fn refuse_foreign_fd(&self, dir: BorrowedFd<'_>, path: &Path) -> Result<()> {
        if self.is_real && mount_of(dir).is_some_and(|mount| self.is_foreign(dir, mount)) {
            return Err(SysError::new("open", root::path_text(path), Errno::EREMOTE));
        }
        Ok(())
    }

    /// Whether a server or a program answers for the mount that something open is on. Where the
    /// kernel tells of that one alone, the list of all of them, which may be long, is not needed.
    fn is_foreign(&self, open: BorrowedFd<'_>, mount: u64) -> bool {
        let fs_type = mounts::fs_type_on(open);
        fs_type.map_or_else(|| self.is_listed_foreign(mount), |fs_type| is_foreign(&fs_type))
    }

    /// One that is not in the list was mounted since: what it is, is not known.
    fn is_listed_foreign(&self, mount: u64) -> bool {
        let look = || self.with_mounts(|mounts| mounts.by_number.get(&mount).copied());
        look()
            .or_else(|| {
                // Mounted since.
                let now = bounded::read(self.proc(), "self/mountinfo", bounded::LARGE);
                *self.mounts.borrow_mut() = Some(Mounts::parse(&now.unwrap_or_default()));
                look()
            })
            .unwrap_or(true)
    }

    fn with_mounts<T>(&self, look: impl Fn(&Mounts) -> T) -> T {
        look(
            self.mounts
                .borrow_mut()
                .get_or_insert_with(|| Mounts::parse(self.mountinfo().unwrap_or_default())),
        )
    }

    /// The command line of a process, up to `cap` bytes. Its user can keep whoever asks waiting: then
    /// no process of his is asked again, and none of root's but this.
    pub fn command_line(
        &self,
        (pid, uid): (Pid, u32),
        dir: BorrowedFd<'_>,
        cap: usize,
    ) -> Result<Bytes> {
        if !self.is_real {
            return bounded::read_capped(dir, "cmdline", cap);
        }
        let object = || Text::from(format!("pid {pid}"));
        let timed_out = || {
            self.note(Gap { object: object(), what: "command line", reason: Reason::Timeout });
            SysError { doing: "read", object: object(), problem: Problem::TimedOut }
        };
        let whose = (uid, Some(pid).filter(|_| uid == 0));
        if self.mute.borrow().contains(&whose) {
            return Err(timed_out());
        }
        let read = self
            .commands
            .wait(QUESTION, |patience| worker::files::read(dir, c"cmdline", cap, patience));
        match read {
            Some(Err(error)) if error.problem == Problem::TimedOut => {
                self.mute.borrow_mut().push(whose);
                Err(timed_out())
            }
            Some(read) => read,
            None => Err(timed_out()),
        }
    }

    fn no_answer(&self, path: &Path) -> SysError {
        let error =
            SysError { doing: "open", object: root::path_text(path), problem: Problem::TimedOut };
        self.note(error.gap("names and images"));
        error
    }
}

pub(super) const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn mount_of(file: BorrowedFd<'_>) -> Option<u64> {
    mount_number(file).ok().flatten()
}

fn mount_of_root() -> Option<u64> {
    let root = rustix::fs::openat(rustix::fs::CWD, "/", DIRECTORY, Mode::empty());
    root.ok().and_then(|root| mount_of(root.as_fd()))
}

/// Where file systems are mounted that a server or a program answers for.
#[derive(Debug, Default)]
struct Mounts {
    by_path: Vec<(PathBuf, bool)>,
    by_number: HashMap<u64, bool>,
}

impl Mounts {
    fn parse(mountinfo: &[u8]) -> Self {
        let mut mounts = Self::default();
        for mount in mountinfo::parse(mountinfo).0 {
            let foreign = is_foreign(mount.fs_type.as_bytes());
            mounts.by_number.insert(mount.id.into(), foreign);
            if let Ok(target) = std::str::from_utf8(mount.target.as_bytes()) {
                mounts.by_path.push((PathBuf::from(target), foreign));
            }
        }
        mounts
    }

    fn are_foreign(&self, path: &Path) -> bool {
        let above = self.by_path.iter().filter(|(target, _)| path.starts_with(target));
        // Of two on one point the later one is on top.
        let nearest = above.max_by_key(|(target, _)| target.as_os_str().len());
        nearest.is_some_and(|(_, foreign)| *foreign)
    }
}

/// Whether a server or a program answers for file systems of a type.
pub fn is_foreign(fs_type: &[u8]) -> bool {
    fs_type.starts_with(b"fuse") || FOREIGN.contains(&fs_type)
}

const FOREIGN: [&[u8]; 19] = [
    b"9p",
    b"acfs",
    b"afs",
    b"autofs",
    b"beegfs",
    b"ceph",
    b"cifs",
    b"coda",
    b"gfs2",
    b"gpfs",
    b"lustre",
    b"nfs",
    b"nfs4",
    b"ocfs2",
    b"orangefs",
    b"smb3",
    b"smbfs",
    b"vboxsf",
    b"virtiofs",
];

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(mounts.by_number[&30], mounts.by_number[&32]);
        assert!(mounts.by_number[&30] && !mounts.by_number[&31]);
    }
}
