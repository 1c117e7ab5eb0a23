//! The process of the host that looks after a container, as far as it is one that nsx knows.
//!
//! Anybody can work in a directory of any name and call himself what he likes. An engine's shim is
//! root's, and what it says of its container lies in a directory that is root's too.

use crate::model::process::Pid;
use crate::sys::bounded;
use crate::sys::proc::status;
use crate::sys::root::SysRoot;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2, readlinkat};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[derive(Debug)]
pub enum Monitor {
    /// The supervisor that `nsx spawn` leaves outside.
    Nsx,
    /// containerd's shim, docker's too.
    Shim(Bundle),
}

/// A shim's working directory: `…/io.containerd.runtime.v2.task/NAMESPACE/ID`, whatever roots the
/// engine was given.
#[derive(Debug)]
pub struct Bundle {
    /// Held, so that no later look can be led elsewhere.
    pub directory: OwnedFd,
    /// containerd's namespace: `moby` is docker's, `k8s.io` Kubernetes'.
    pub namespace: Vec<u8>,
    pub id: Vec<u8>,
}

/// What `pid`, a process of the host, is.
pub fn recognise(root: &SysRoot, pid: Pid) -> Option<Monitor> {
    let dir = bounded::open_dir(root.proc(), &pid.to_string()).ok()?;
    let mut comm = Vec::new();
    bounded::read_record(dir.as_fd(), "comm", 64, &mut comm).ok()?;
    match comm.trim_ascii_end() {
        b"nsx" | b"nsx-spawn" => Some(Monitor::Nsx),
        // The kernel keeps fifteen bytes of containerd-shim-runc-v2 and its like.
        b"containerd-shim" => bundle(root, dir.as_fd()).map(Monitor::Shim),
        _ => None,
    }
}

fn bundle(root: &SysRoot, shim: BorrowedFd<'_>) -> Option<Bundle> {
    let mut buffer = Vec::new();
    bounded::read_record(shim, "status", bounded::SMALL, &mut buffer).ok()?;
    if status::parse(&buffer)?.uids != [0; 4] {
        return None;
    }
    let link = readlinkat(shim, "cwd", buffer).ok()?;
    let (namespace, id) = parse(link.to_bytes())?;
    let place = root.path(std::path::Path::new(link.to_str().ok()?));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // The kernel's own name of a directory leads through no link.
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let directory = openat2(rustix::fs::CWD, place, flags, Mode::empty(), resolve).ok()?;
    let is_roots = rustix::fs::fstat(&directory).ok()?.st_uid == 0;
    is_roots.then(|| Bundle { directory, namespace: namespace.to_vec(), id: id.to_vec() })
}

/// The namespace and the id that a directory is named by.
pub fn parse(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from_the_end = path.rsplit(|byte| *byte == b'/');
    let (id, namespace, task) = (from_the_end.next()?, from_the_end.next()?, from_the_end.next()?);
    let named = !id.is_empty() && !namespace.is_empty();
    (named && task.starts_with(b"io.containerd.runtime.")).then_some((namespace, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shims_directory_tells_namespace_and_id() {
        let path = b"/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/abc";
        assert_eq!(parse(path), Some((&b"moby"[..], &b"abc"[..])));
        assert_eq!(parse(b"/"), None);
        assert_eq!(parse(b"/home/moby/abc"), None);
        assert_eq!(parse(b"io.containerd.runtime.v2.task/moby/"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
