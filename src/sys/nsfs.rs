//! Namespace files: opened only once they are known to be that. See namespaces(7).
//!
//! A path is opened as a place first, which neither waits at a FIFO nor asks a file system's
//! daemon. Whether nsfs is behind it is told by the device, which the kernel knows by itself:
//! statfs(2) would ask the file system.

use super::error::{Context, IntoErrno, Result, SysError};
use super::ns;
use super::pidfd::ProcessHandle;
use super::raw::nsfs::{self as ioctl, Towards};
use super::root::SysRoot;
use super::worker;
use crate::model::namespace::{Kind, NsKey};
use crate::model::process::Pid;
use crate::model::text::Text;
use nix::errno::Errno;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// For the walk along a path that may lead through a file system that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A namespace, held by descriptor.
#[derive(Debug)]
pub struct NsFile {
    /// Its kind, as the kernel says (NS_GET_NSTYPE), and its inode.
    pub key: NsKey,
    /// As setns(2) takes it.
    pub fd: OwnedFd,
}

/// The number of the device that all namespaces are on, by one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device(u32, u32);

impl Device {
    /// Found by our own network namespace; an error where /proc/self cannot be read.
    pub fn of(root: &SysRoot) -> Result<Self> {
        let stat = examine(root.proc(), "self/ns/net", AtFlags::empty())?;
        Ok(Self(stat.stx_dev_major, stat.stx_dev_minor))
    }

    /// The file is on that device: it is a namespace.
    pub fn has(self, stat: &Statx) -> bool {
        self == Self(stat.stx_dev_major, stat.stx_dev_minor)
    }
}

/// Every mount namespace of the host but our own, the older ones first, until `see` breaks off: the
/// kernel leads from one to the next (NS_MNT_GET_PREV, NS_MNT_GET_NEXT, Linux 6.12). EPERM: not for
/// this caller, who is not root of the initial user namespace.
pub fn each_mount_namespace(
    see: &mut dyn FnMut(u64, BorrowedFd<'_>) -> ControlFlow<Errno>,
) -> nix::Result<()> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let own = rustix::fs::open("/proc/self/ns/mnt", flags, Mode::empty());
    let own = own.map_err(IntoErrno::into_errno)?;
    for towards in [Towards::Older, Towards::Newer] {
        let mut here = None;
        loop {
            let from = here.as_ref().unwrap_or(&own);
            let next = match ioctl::next_mount_namespace(from.as_fd(), towards) {
                Ok(next) => next,
                Err(Errno::ENOENT) => break,
                Err(errno) => return Err(errno),
            };
            if let ControlFlow::Break(errno) = see(ns::inode(next.as_fd())?, next.as_fd()) {
                return Err(errno);
            }
            here = Some(next);
        }
    }
    Ok(())
}

/// What the kernel has in memory about a file: whoever serves its file system is not asked.
pub fn examine(dir: BorrowedFd<'_>, name: &str, more: AtFlags) -> Result<Statx> {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT | more;
    rustix::fs::statx(dir, name, flags, StatxFlags::INO).context("examine", name)
}

/// The namespace file at an absolute path of the host; `None`: something else is there.
pub fn open(root: &SysRoot, path: &Path) -> Result<Option<NsFile>> {
    let place =
        worker::open_place(&root.path(path), OFlags::empty(), ResolveFlags::empty(), PATIENCE)?;
    from_place(root, &place)
}

/// The same by name below a directory that only root, or the kernel, makes links in.
pub fn open_at(root: &SysRoot, dir: BorrowedFd<'_>, name: &str) -> Result<Option<NsFile>> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let place = rustix::fs::openat(dir, name, flags, Mode::empty()).context("open", name)?;
    from_place(root, &place)
}

/// The same of a bind mount below `within`, an O_PATH descriptor, which is root to the path.
///
/// With `cached` only what the kernel has in memory is walked (RESOLVE_CACHED, Linux 5.12), as the
/// path of a mount mostly is: no file system is asked, so that none can make this wait (EAGAIN).
pub fn open_mounted(
    root: &SysRoot,
    within: BorrowedFd<'_>,
    path: &[u8],
    cached: bool,
) -> Result<Option<NsFile>> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let resolve = if cached { resolve | ResolveFlags::CACHED } else { resolve };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let place = rustix::fs::openat2(within, path, flags, Mode::empty(), resolve)
        .with_context("open", || Text::new(path))?;
    from_place(root, &place)
}

/// A bind mount of the namespace of this inode, below `within`, with what the kernel has in memory
/// (EAGAIN). ESTALE: something else is there, which is not opened.
pub fn open_known(
    root: &SysRoot,
    device: Device,
    within: BorrowedFd<'_>,
    path: &[u8],
    inode: u64,
) -> nix::Result<OwnedFd> {
    let errno = rustix::io::Errno::into_errno;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::CACHED;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let place = rustix::fs::openat2(within, path, flags, Mode::empty(), resolve).map_err(errno)?;
    let stat = examine(place.as_fd(), "", AtFlags::EMPTY_PATH)?;
    if !device.has(&stat) || stat.stx_ino != inode {
        return Err(Errno::ESTALE);
    }
    let name = format!("self/fd/{}", place.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(root.proc(), name, flags, Mode::empty()).map_err(errno)
}

/// Opens what a descriptor opened with O_PATH stands for, if it is a namespace.
pub fn from_place(root: &SysRoot, place: &OwnedFd) -> Result<Option<NsFile>> {
    if !root.is_real() {
        return Ok(None);
    }
    let stat = examine(place.as_fd(), "", AtFlags::EMPTY_PATH)?;
    if !Device::of(root)?.has(&stat) {
        return Ok(None);
    }
    let name = format!("self/fd/{}", place.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(root.proc(), name, flags, Mode::empty())
        .context("open", "a namespace")?;
    let kind = kind_of(fd.as_fd())?;
    Ok(Some(NsFile { key: NsKey { inode: stat.stx_ino, kind }, fd }))
}

/// A descriptor that is a namespace.
pub fn from_fd(fd: OwnedFd) -> Result<NsFile> {
    let kind = kind_of(fd.as_fd())?;
    let inode = ns::inode(fd.as_fd()).context("examine", "a namespace")?;
    Ok(NsFile { key: NsKey { inode, kind }, fd })
}

/// The network namespace of a socket that a process has open. pidfd_getfd(2), Linux 5.6.
pub fn of_socket(process: &ProcessHandle, number: i32) -> Result<NsFile> {
    let object = || format!("descriptor {number} of pid {}", process.pid());
    let flags = rustix::process::PidfdGetfdFlags::empty();
    let socket = rustix::process::pidfd_getfd(process.pidfd()?, number, flags)
        .with_context("take", object)?;
    let namespace = ioctl::of_socket(socket.as_fd());
    from_fd(namespace.with_context("find the network namespace of", object)?)
}

/// The network namespace of the tun or tap interface that a process serves by a descriptor.
pub fn of_tun(process: &ProcessHandle, number: i32) -> Result<NsFile> {
    let object = || format!("descriptor {number} of pid {}", process.pid());
    let flags = rustix::process::PidfdGetfdFlags::empty();
    let tun = rustix::process::pidfd_getfd(process.pidfd()?, number, flags)
        .with_context("take", object)?;
    let namespace = ioctl::of_tun(tun.as_fd());
    from_fd(namespace.with_context("find the network namespace of", object)?)
}

/// The user namespace that owns a namespace; of a user namespace the one above it. EPERM: it is
/// none of those that we may see.
pub fn above(namespace: BorrowedFd<'_>) -> Result<NsFile> {
    from_fd(ioctl::owner(namespace).context("find the owner of", "a namespace")?)
}

/// Who made a user namespace, as we call him.
pub fn owner_uid(user_namespace: BorrowedFd<'_>) -> Option<u32> {
    ioctl::owner_uid(user_namespace).ok()
}

/// The namespace above a pid or user namespace. EPERM: it is none of those that we may see.
pub fn parent(namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    ioctl::parent(namespace).context("find what is above", "a namespace")
}

/// What a process of a pid namespace is called in ours; ENOTTY before Linux 6.11.
pub fn pid_from(namespace: BorrowedFd<'_>, inside: Pid) -> Result<Option<Pid>> {
    match ioctl::pid_from(namespace, inside.raw()) {
        Ok(pid) => Ok(u32::try_from(pid).ok().and_then(Pid::new)),
        Err(nix::errno::Errno::ESRCH) => Ok(None),
        Err(errno) => Err(errno).context("translate", format!("pid {inside}")),
    }
}

/// The number of a namespace; `None` before Linux 6.18.
pub fn id_of(namespace: BorrowedFd<'_>) -> Option<u64> {
    ioctl::id(namespace).ok()
}

fn kind_of(namespace: BorrowedFd<'_>) -> Result<Kind> {
    let flag = ioctl::kind(namespace).context("ask the kind of", "a namespace")?;
    Kind::ALL
        .into_iter()
        .find(|kind| ns::clone_flag(*kind).bits() == flag)
        .ok_or_else(|| SysError::new("ask the kind of", "a namespace", Errno::EINVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_namespaces_are_told_by_kind_and_inode() {
        let root = SysRoot::real().unwrap();
        for kind in Kind::ALL {
            let link = format!("/proc/self/ns/{kind}");
            let file = open(&root, Path::new(&link)).unwrap().unwrap();
            let inode = std::os::unix::fs::MetadataExt::ino(
                &std::fs::File::open(&link).unwrap().metadata().unwrap(),
            );
            assert_eq!(file.key, NsKey { inode, kind });
        }
    }

    #[test]
    fn anything_else_is_not_opened() {
        let root = SysRoot::real().unwrap();
        let temp = tempfile::tempdir().unwrap();
        let fifo = temp.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        for path in [&fifo, temp.path(), Path::new("/dev/null"), Path::new("/proc/self/stat")] {
            assert!(open(&root, path).unwrap().is_none(), "{}", path.display());
        }
        let missing = open(&root, &temp.path().join("missing")).unwrap_err();
        assert_eq!(missing.errno(), Some(Errno::ENOENT));
    }
}
