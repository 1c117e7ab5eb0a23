//! Namespaces as targets: by the name of a file, by a path, by inode; and who lives in one.

use super::error::TargetError;
use crate::collect::scan;
use crate::model::namespace::{Kind, NsKey};
use crate::model::process::{Pid, Process};
use crate::model::text::Text;
use crate::sys::error::{Result, SysError};
use crate::sys::nsfs::{self, Device, NsFile};
use crate::sys::proc::mountinfo;
use crate::sys::root::{self, SysRoot};
use crate::sys::{bounded, ns};
use nix::errno::Errno;
use rustix::fs::AtFlags;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where `ip netns` and engines keep files of network namespaces.
const NETNS: [&str; 3] = ["/run/netns", "/run/docker/netns", "/run/containers/netns"];

/// One namespace, held where there is something to hold.
#[derive(Debug)]
pub struct HeldNamespace {
    /// Its kind and inode.
    pub key: NsKey,
    /// As the user named it.
    pub label: Text,
    /// Absent only on a fixture, where nothing is alive.
    file: Option<OwnedFd>,
}

impl HeldNamespace {
    fn new(label: &[u8], file: NsFile) -> Self {
        Self { key: file.key, label: Text::new(label), file: Some(file.fd) }
    }

    /// Why it cannot stand for a process.
    pub fn nobody(self, root: &SysRoot) -> TargetError {
        let Self { label, key, .. } = self;
        let is_unsure = root.pids().is_ok_and(|pids| {
            let ask = |pid: &Pid| (*pid, ns::identity_of(root.proc(), *pid, key.kind));
            may_be_unseen(scan::unlisted(root, &pids).is_some(), pids.iter().map(ask))
        });
        if is_unsure {
            TargetError::NobodySeenIn(label)
        } else {
            TargetError::NobodyIn { label, key }
        }
    }

    /// With the descriptor that setns(2) takes.
    pub fn into_file(self) -> Result<NsFile> {
        let fd = self.file.ok_or_else(|| SysError::new("open", self.label, Errno::ENXIO))?;
        Ok(NsFile { key: self.key, fd })
    }
}

/// Whether somebody may be in a namespace who was not seen in it: who is not listed, or does not show
/// which is his. Pid 1 is in the host's own.
fn may_be_unseen(
    is_unlisted: bool,
    mut asked: impl Iterator<Item = (Pid, nix::Result<u64>)>,
) -> bool {
    is_unlisted || asked.any(|(pid, found)| pid.number() != 1 && found.is_err_and(ns::is_denial))
}

/// `netns:NAME`
pub(super) fn by_name(
    root: &SysRoot,
    name: &[u8],
) -> std::result::Result<HeldNamespace, TargetError> {
    let label = [b"netns:", name].concat();
    let no_netns = || TargetError::NoNetns(Text::new(name));
    let Ok(file_name) = std::str::from_utf8(name) else { return Err(no_netns()) };
    let mut found: Vec<(String, NsFile)> = Vec::new();
    let mut leftover = None;
    for directory in NETNS {
        let Ok(dir) = root.open_data(Path::new(directory)) else { continue };
        let path = format!("{directory}/{file_name}");
        match nsfs::open_at(root, dir.as_fd(), file_name) {
            Ok(Some(file)) if file.key.kind == Kind::Net => {
                if found.iter().all(|(_, known)| known.key != file.key) {
                    found.push((path, file));
                }
            }
            Ok(_) => leftover = leftover.or(Some(path)),
            Err(error) if error.errno() == Some(Errno::ENOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let paths: Vec<String> = found
        .iter()
        .map(|(path, file)| format!("{} ({})", Text::from(path.as_str()), file.key))
        .collect();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some((_, file)), None) => Ok(HeldNamespace::new(&label, file)),
        (Some(_), Some(_)) => Err(TargetError::ambiguous(&label, &paths)),
        (None, _) => Err(leftover.map_or_else(no_netns, |path| TargetError::NotANamespace {
            path: path.into(),
            wanted: "network namespace: a file that is left over",
        })),
    }
}

/// `/path/to/nsfile`
pub(super) fn by_path(
    root: &SysRoot,
    path: &[u8],
) -> std::result::Result<HeldNamespace, TargetError> {
    match nsfs::open(root, Path::new(OsStr::from_bytes(path)))? {
        Some(file) => Ok(HeldNamespace::new(path, file)),
        None => Err(TargetError::NotANamespace { path: Text::new(path), wanted: "namespace file" }),
    }
}

/// `ns:INODE`: through a process in it, a file it is mounted on, a descriptor that is it.
pub(super) fn by_inode(
    root: &SysRoot,
    inode: u64,
) -> std::result::Result<HeldNamespace, TargetError> {
    let label = format!("ns:{inode}");
    let pids = root.pids()?;
    for pid in &pids {
        let is_it = |kind: &Kind| ns::identity_of(root.proc(), *pid, *kind) == Ok(inode);
        let Some(kind) = Kind::ALL.into_iter().find(is_it) else { continue };
        let key = NsKey { inode, kind };
        if !root.is_real() {
            return Ok(HeldNamespace { key, label: label.into(), file: None });
        }
        // The process may have ended, and its number been given to another.
        if let Ok(Some(file)) = nsfs::open_at(root, root.proc(), &format!("{pid}/ns/{kind}"))
            && file.key == key
        {
            return Ok(HeldNamespace::new(label.as_bytes(), file));
        }
    }
    let pinned = mounted(root, inode).or_else(|| described(root, inode, &pids));
    pinned
        .map(|file| HeldNamespace::new(label.as_bytes(), file))
        .ok_or(TargetError::NoNamespace(label.into()))
}

/// By the number that is never given twice (Linux 6.18): through a process in it.
pub fn by_id(root: &SysRoot, kind: Kind, id: u64) -> std::result::Result<NsFile, TargetError> {
    let mut asked = HashSet::new();
    for pid in root.pids()? {
        let Ok(inode) = ns::identity_of(root.proc(), pid, kind) else { continue };
        if !asked.insert(inode) {
            continue;
        }
        if let Ok(Some(file)) = nsfs::open_at(root, root.proc(), &format!("{pid}/ns/{kind}")) {
            match nsfs::id_of(file.fd.as_fd()) {
                None => return Err(TargetError::NoIds),
                Some(found) if found == id && file.key.kind == kind => return Ok(file),
                Some(_) => {}
            }
        }
    }
    Err(TargetError::NoNamespace(format!("{kind}:{id}").into()))
}

/// A bind mount in our own mount namespace.
fn mounted(root: &SysRoot, inode: u64) -> Option<NsFile> {
    let (mounts, _) = mountinfo::parse(root.mountinfo().ok()?);
    let names = Kind::ALL.map(|kind| NsKey { inode, kind }.to_string());
    let of_it = mounts.iter().filter(|mount| {
        mount.fs_type == "nsfs" && names.iter().any(|name| mount.root == name.as_str())
    });
    of_it
        .filter_map(|mount| {
            nsfs::open(root, Path::new(OsStr::from_bytes(mount.target.as_bytes()))).ok()?
        })
        .find(|file| file.key.inode == inode)
}

/// A descriptor of any process that is this namespace. Whatever else the descriptors are is not
/// asked anything.
fn described(root: &SysRoot, inode: u64, pids: &[Pid]) -> Option<NsFile> {
    let device = Device::of(root).ok()?;
    pids.iter().find_map(|pid| {
        let path = format!("{pid}/fd");
        let descriptors = bounded::open_link(root.proc(), &path).ok()?;
        root::list(descriptors.as_fd()).ok()?.iter().find_map(|number| {
            let number = std::str::from_utf8(number.as_bytes()).ok()?;
            let stat = nsfs::examine(descriptors.as_fd(), number, AtFlags::empty()).ok()?;
            if !device.has(&stat) || stat.stx_ino != inode {
                return None;
            }
            let file = nsfs::open_at(root, descriptors.as_fd(), number).ok()??;
            (file.key.inode == inode).then_some(file)
        })
    })
}

/// The oldest process in a namespace.
pub(super) fn occupant(root: &SysRoot, key: NsKey) -> Result<Option<Process>> {
    let mut reader = scan::Reader::default();
    let members = root
        .pids()?
        .into_iter()
        .filter(|pid| ns::identity_of(root.proc(), *pid, key.kind) == Ok(key.inode))
        .filter_map(|pid| scan::read_process(root, pid, &mut reader))
        .filter(|process| !process.state.ended())
        .filter(|process| process.namespaces.inode(key.kind) == Some(key.inode))
        .collect();
    Ok(super::members::oldest(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_listed_or_hides_his_namespace_may_be_in_any() {
        let asked = |is_unlisted, number, found| {
            may_be_unseen(is_unlisted, std::iter::once((Pid::new(number).unwrap(), found)))
        };
        for denied in [Errno::EACCES, Errno::EPERM] {
            assert!(asked(false, 7, Err(denied)));
            assert!(!asked(false, 1, Err(denied)), "it is in the host's own");
        }
        assert!(!asked(false, 7, Ok(4_026_532_000)), "he is in another");
        assert!(!asked(false, 7, Err(Errno::ENOENT)), "he has ended");
        assert!(asked(true, 7, Ok(4_026_532_000)));
    }

    #[test]
    fn a_namespace_is_held_through_a_process_in_it() {
        let root = SysRoot::real().unwrap();
        for kind in [Kind::Mnt, Kind::Net] {
            let inode = ns::own_identity(kind).unwrap();
            let file = by_inode(&root, inode).unwrap().into_file().unwrap();
            assert_eq!((file.key.kind, file.key.inode), (kind, inode));
            assert_eq!(rustix::fs::fstat(&file.fd).unwrap().st_ino, inode);
        }
    }
}
