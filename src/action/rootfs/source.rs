//! What of the host's is shown inside: opened once, by the path that the caller gave.

use crate::action::error::ActionError;
use crate::model::text::Text;
use crate::sys::error::{Context, Result, SysError};
use crate::sys::tree::{Guard, Tree};
use nix::errno::Errno;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Something of the host's, open as a place. Links on the way to it are the caller's business.
#[derive(Debug)]
pub(super) struct Source {
    open: OwnedFd,
    /// As the caller said it.
    name: Text,
    /// Where it is, with no link on the way.
    path: CString,
    kind: FileType,
    /// A copy, where we may make one outside.
    copy: Option<Tree>,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = Text::new(path.as_os_str().as_encoded_bytes());
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let open = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .with_context("open", || name.clone())?;
        let stat = rustix::fs::fstat(&open).with_context("examine", || name.clone())?;
        let path = rustix::fs::readlinkat(CWD, link_to(&open), Vec::new())
            .with_context("find the path of", || name.clone())?;
        Ok(Self { open, name, path, kind: FileType::from_raw_mode(stat.st_mode), copy: None })
    }

    /// Copies it now, so that nothing is to be looked up inside. Who has no privilege here may do
    /// that inside alone.
    pub(super) fn copy(&mut self, guard: Guard) -> Result<()> {
        self.copy = match Tree::copy_of(self.open.as_fd(), guard) {
            Ok(tree) => Some(tree),
            Err(error) if error.errno() == Some(Errno::EPERM) => None,
            Err(error) => return Err(SysError { object: self.name.clone(), ..error }),
        };
        Ok(())
    }

    pub(super) fn has_copy(&self) -> Option<&Tree> {
        self.copy.as_ref()
    }

    pub(super) const fn name(&self) -> &Text {
        &self.name
    }

    pub(super) fn is_directory(&self) -> bool {
        self.kind == FileType::Directory
    }

    pub(super) fn is_device(&self) -> bool {
        matches!(self.kind, FileType::CharacterDevice | FileType::BlockDevice)
    }

    pub(super) fn is_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.open.as_fd()
    }

    /// To read from it: what was opened, whatever stands at its path by now.
    pub(super) fn reader(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, link_to(&self.open), flags, Mode::empty())
            .with_context("open", || self.name.clone())
    }

    /// The copy. In the new mount namespace what was opened outside cannot be copied: it is found
    /// again there, and is the same, or nothing is done.
    pub(super) fn settle(self, guard: Guard) -> std::result::Result<Tree, ActionError> {
        match self.copy {
            Some(copy) => Ok(copy),
            None => Ok(Tree::copy_of(again(&self)?.as_fd(), guard)
                .map_err(|error| SysError { object: self.name, ..error })?),
        }
    }
}

fn link_to(open: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", open.as_raw_fd())
}

fn again(source: &Source) -> std::result::Result<OwnedFd, ActionError> {
    let again = open_as_is(&source.path).with_context("open", || source.name.clone())?;
    let identity = |open: BorrowedFd<'_>| {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let stat = rustix::fs::statx(open, c"", flags, StatxFlags::INO)
            .with_context("examine", || source.name.clone())?;
        Result::Ok((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino))
    };
    if identity(again.as_fd())? != identity(source.open.as_fd())? {
        let text = format!("{} was replaced while nsx was at work", source.name);
        return Err(ActionError::refused(text, "try it again"));
    }
    Ok(again)
}

/// By an absolute path without a link.
pub(super) fn open_as_is(path: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(CWD, path, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn what_is_read_is_what_was_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("archive");
        std::fs::write(&path, "first").unwrap();
        let source = Source::open(&path).unwrap();
        std::fs::write(directory.path().join("other"), "second").unwrap();
        std::fs::rename(directory.path().join("other"), &path).unwrap();
        let read = std::io::read_to_string(std::fs::File::from(source.reader().unwrap())).unwrap();
        assert_eq!(read, "first");
    }
}
