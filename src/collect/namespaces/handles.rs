//! Opens namespaces, through whatever shows them: a process in it, a mount of it, a descriptor. What
//! was opened is the namespace that is meant, or nothing.

use super::descriptors;
use crate::model::census::{Holder, Namespace};
use crate::model::process::Pid;
use crate::sys::crew::Care;
use crate::sys::error::{IntoErrno, Result};
use crate::sys::nsfs::{self, NsFile};
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns};
use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};

pub(super) struct Handles<'a> {
    root: &'a SysRoot,
    /// The links of the process, or thread, that was last asked.
    last: Option<((Pid, Option<Pid>), OwnedFd)>,
}

impl<'a> Handles<'a> {
    pub(super) fn new(root: &'a SysRoot) -> Self {
        Self { root, last: None }
    }

    /// Unless with [`Care::Whole`] no way is taken that leads through a file system of others.
    pub(super) fn open(&mut self, namespace: &Namespace, care: Care) -> nix::Result<OwnedFd> {
        let mut problem = Errno::ENOENT;
        if let Some(first) = &namespace.first {
            match self.of_process(first.pid, first.thread, namespace) {
                Ok(file) => return Ok(file),
                Err(errno) => problem = errno,
            }
        }
        for target in &namespace.mounts {
            match self.mounted(None, target.as_bytes(), namespace, care) {
                Ok(file) => return Ok(file),
                Err(errno) => problem = errno,
            }
        }
        if let Some(errno) = care.lack() {
            return Err(errno);
        }
        for holder in namespace.holders.known().into_iter().flatten() {
            match self.held(holder, namespace) {
                Ok(file) => return Ok(file),
                Err(errno) => problem = errno,
            }
        }
        Err(problem)
    }

    fn of_process(
        &mut self,
        pid: Pid,
        thread: Option<Pid>,
        namespace: &Namespace,
    ) -> nix::Result<OwnedFd> {
        if self.last.as_ref().is_none_or(|(whose, _)| *whose != (pid, thread)) {
            self.last = None;
            let links = ns::open_links(self.root.proc(), pid)?;
            let links = match thread {
                None => links,
                Some(thread) => ns::open_links_of_thread(links.as_fd(), thread)?,
            };
            self.last = Some(((pid, thread), links));
        }
        let (_, links) = self.last.as_ref().ok_or(Errno::ENOENT)?;
        ns::open_in(links.as_fd(), namespace.key())
    }

    /// Below the root of a process, or our own.
    fn mounted(
        &self,
        within: Option<Pid>,
        target: &[u8],
        namespace: &Namespace,
        care: Care,
    ) -> nix::Result<OwnedFd> {
        let link = match within {
            None => "self/root".to_owned(),
            Some(pid) => format!("{pid}/root"),
        };
        let root = bounded::open_link(self.root.proc(), &link)?;
        let open =
            |cached| same(nsfs::open_mounted(self.root, root.as_fd(), target, cached), namespace);
        match open(true) {
            Err(Errno::EAGAIN | Errno::EINVAL) if care == Care::Whole => open(false),
            opened => opened,
        }
    }

    fn held(&self, holder: &Holder, namespace: &Namespace) -> nix::Result<OwnedFd> {
        match holder {
            Holder::Descriptor { pid, number } => {
                let path = format!("{pid}/fd/{number}");
                same(nsfs::open_at(self.root, self.root.proc(), &path), namespace)
            }
            Holder::Socket { pid, number } => {
                let links = ns::open_links(self.root.proc(), *pid)?;
                let process = descriptors::pin(links.as_fd(), *pid)?;
                let file = descriptors::of_socket(process.as_fd(), *number)?;
                if ns::inode(file.as_fd())? == namespace.inode {
                    Ok(file)
                } else {
                    Err(Errno::ESTALE)
                }
            }
            Holder::ForChildren { pid } => {
                let path = format!("{pid}/ns/{}_for_children", namespace.kind);
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                let file = rustix::fs::openat(self.root.proc(), path, flags, Mode::empty())
                    .map_err(IntoErrno::into_errno)?;
                let is_it = ns::inode(file.as_fd())? == namespace.inode;
                if is_it { Ok(file) } else { Err(Errno::ESTALE) }
            }
            Holder::Mount { target, through: Some(pid), .. } => {
                self.mounted(Some(*pid), target.as_bytes(), namespace, Care::Whole)
            }
            _ => Err(Errno::ENOENT),
        }
    }
}

fn same(opened: Result<Option<NsFile>>, namespace: &Namespace) -> nix::Result<OwnedFd> {
    match opened {
        Ok(Some(file)) if file.key == namespace.key() => Ok(file.fd),
        Ok(_) => Err(Errno::ESTALE),
        Err(error) => Err(error.into()),
    }
}
