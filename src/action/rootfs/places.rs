//! Where in a root something may be mounted. What is in the root is not trusted: no link in it is
//! followed, and nothing is made in what is not ours.

use crate::action::error::ActionError;
use crate::model::text::Text;
use crate::sys::error::{Context, SysError};
use crate::sys::tree;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// What is to be mounted somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Directory,
    /// Anything else; what is there is not looked at.
    File,
}

/// A root, and which of its mounts are ours to write to.
#[derive(Debug)]
pub(super) struct Places<'a> {
    root: BorrowedFd<'a>,
    ours: Vec<u64>,
}

impl<'a> Places<'a> {
    pub(super) fn of(root: BorrowedFd<'a>) -> Self {
        Self { root, ours: Vec::new() }
    }

    /// A mount that is gone with the program: what is missing there is made.
    pub(super) fn is_ours(&mut self, mount: BorrowedFd<'_>) -> Result<(), ActionError> {
        self.ours.extend(tree::mount_number(mount)?);
        Ok(())
    }

    /// Opens a place. `None`: it is not there, and not ours to make.
    pub(super) fn find(&self, path: &Path, shape: Shape) -> Result<Option<OwnedFd>, ActionError> {
        match self.look(path, shape) {
            Ok(place) => Ok(Some(place)),
            Err(Errno::NOENT) => self.make(path, shape),
            Err(Errno::LOOP) => Err(self.is_link(path)),
            Err(errno) => Err(cannot_use(path, errno)),
        }
    }

    /// The same, where it is there already.
    pub(super) fn find_existing(
        &self,
        path: &Path,
        shape: Shape,
    ) -> Result<Option<OwnedFd>, ActionError> {
        match self.look(path, shape) {
            Ok(place) => Ok(Some(place)),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP) => Err(self.is_link(path)),
            Err(errno) => Err(cannot_use(path, errno)),
        }
    }

    fn look(&self, path: &Path, shape: Shape) -> rustix::io::Result<OwnedFd> {
        let resolve =
            ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let directory = if shape == Shape::Directory { OFlags::DIRECTORY } else { OFlags::empty() };
        let flags = OFlags::PATH | OFlags::CLOEXEC | directory;
        rustix::fs::openat2(self.root, path, flags, Mode::empty(), resolve)
    }

    /// Makes it, and the directories above it: each in one that is open, and only in mounts of ours.
    fn make(&self, path: &Path, shape: Shape) -> Result<Option<OwnedFd>, ActionError> {
        let names: Vec<_> = path.components().filter_map(name).collect();
        let Some((last, above)) = names.split_last() else { return Ok(None) };
        let mut dir =
            self.look(Path::new("/"), Shape::Directory).map_err(|e| cannot_use(path, e))?;
        for name in above {
            match self.step(&dir, name, Shape::Directory, path)? {
                Some(next) => dir = next,
                None => return Ok(None),
            }
        }
        self.step(&dir, last, shape, path)
    }

    fn step(
        &self,
        dir: &OwnedFd,
        name: &Path,
        shape: Shape,
        path: &Path,
    ) -> Result<Option<OwnedFd>, ActionError> {
        let below = Places::of(dir.as_fd());
        match below.look(name, shape) {
            Err(Errno::NOENT) => {}
            Err(Errno::LOOP) => return Err(self.is_link(path)),
            found => return found.map(Some).map_err(|errno| cannot_use(path, errno)),
        }
        if !tree::mount_number(dir.as_fd())?.is_some_and(|number| self.ours.contains(&number)) {
            return Ok(None);
        }
        let make = || match shape {
            Shape::Directory => {
                let mode = Mode::from_raw_mode(0o755);
                rustix::fs::mkdirat(dir, name, mode)?;
                // Whatever mask our caller has.
                rustix::fs::chmodat(dir, name, mode, AtFlags::empty())
            }
            Shape::File => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o644)).map(drop)
            }
        };
        make().with_context("make", || text(path))?;
        below.look(name, shape).map(Some).map_err(|errno| cannot_use(path, errno))
    }

    /// Which part of a path is the link.
    fn is_link(&self, path: &Path) -> ActionError {
        let mut above = PathBuf::from("/");
        for name in path.components().filter_map(name) {
            above.push(name);
            if let Err(Errno::LOOP) = self.look(&above, Shape::File) {
                break;
            }
        }
        let link = text(&above);
        ActionError::refused(
            format!(
                "cannot mount on {}: {link} in the root is a symbolic link, and none is followed \
                 there",
                text(path)
            ),
            "make it a directory, or name another place",
        )
    }
}

fn name(component: Component<'_>) -> Option<&Path> {
    match component {
        Component::Normal(name) => Some(Path::new(name)),
        _ => None,
    }
}

fn cannot_use(path: &Path, errno: Errno) -> ActionError {
    let error = ActionError::from(SysError::new("mount on", text(path), errno));
    match errno {
        Errno::ACCESS => error.advise(
            "the root, and what is above, must be open to who the program is there: --map-users, \
             or another root",
        ),
        Errno::NOTDIR => error.advise("what is there is a file"),
        _ => error,
    }
}

pub(super) fn text(path: &Path) -> Text {
    Text::new(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test's own files")]

    use super::*;
    use std::os::unix::fs::symlink;

    fn root() -> (tempfile::TempDir, OwnedFd) {
        let root = tempfile::tempdir().unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::open(root.path(), flags, Mode::empty()).unwrap();
        (root, open)
    }

    #[test]
    fn no_link_is_followed_and_the_first_is_named() {
        let (root, open) = root();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        for (name, target) in
            [("proc", "/etc"), ("dev", "../../../dev"), ("a/l", "b"), ("fd", "/proc/self/fd/0")]
        {
            symlink(target, root.path().join(name)).unwrap();
        }
        let mut places = Places::of(open.as_fd());
        places.is_ours(open.as_fd()).unwrap();
        for (path, link) in [
            ("/proc", "/proc"),
            ("/proc/x", "/proc"),
            ("/dev/shm/x", "/dev"),
            ("/a/l", "/a/l"),
            ("/a/l/new", "/a/l"),
            ("/fd", "/fd"),
        ] {
            for shape in [Shape::Directory, Shape::File] {
                let error = places.find(Path::new(path), shape).unwrap_err().to_string();
                let expected = format!("on {path}: {link} in the root is a symbolic link");
                assert!(error.contains(&expected), "{error}");
            }
        }
        assert_eq!(std::fs::read_dir(root.path().join("a/b")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_missing_is_made_in_what_is_ours_alone() {
        let (root, open) = root();
        let mut places = Places::of(open.as_fd());
        assert!(places.find(Path::new("/x/y"), Shape::Directory).unwrap().is_none());
        assert!(!root.path().join("x").exists());
        places.is_ours(open.as_fd()).unwrap();
        assert!(places.find(Path::new("/x/y"), Shape::Directory).unwrap().is_some());
        assert!(places.find(Path::new("/x/f"), Shape::File).unwrap().is_some());
        assert!(root.path().join("x/y").is_dir() && root.path().join("x/f").is_file());
        // What is there is not of the shape that is needed.
        assert!(places.find(Path::new("/x/f"), Shape::Directory).is_err());
        assert!(places.find(Path::new("/x/f/g"), Shape::Directory).is_err());
    }
}
