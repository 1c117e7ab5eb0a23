//! The host's side of the root, made by a process that ends: a tree that is attached nowhere.

use super::SIDE;
use super::host::{Source, place};
use super::kernel::{Fresh, Places};
use super::start::Loader;
use crate::action::devices::{DEVICES, LINKS};
use crate::action::dns::names::{Names, read_files};
use crate::model::namespace::Kind;
use crate::sys::entries::{Entry, What};
use crate::sys::error::Result;
use crate::sys::ns;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::root::SysRoot;
use crate::sys::tree::{self, Guard, Tree};
use crate::sys::{bounded, idmap};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

/// What of the target's stands in files of ours.
#[derive(Debug)]
pub(super) struct Files {
    names: Names,
    hostname: Option<Vec<u8>>,
    passwd: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
}

impl Files {
    pub(super) fn read(
        root: &SysRoot,
        target: &ProcessHandle,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let names = Names::read(root, target.dir(), notes)?;
        let paths = [c"/etc/hostname", c"/etc/passwd", c"/etc/group"];
        let mut found = read_files(target.dir(), &paths, notes)?.into_iter();
        let mut next = || found.next().flatten();
        let (hostname, passwd, group) = (next(), next(), next());
        Ok(Self { names, hostname, passwd, group })
    }

    fn write(&self, base: &Tree) -> Result<()> {
        let or = |file: &Option<Vec<u8>>, default: &[u8]| file.clone().unwrap_or(default.to_vec());
        base.file(c"etc/resolv.conf", &self.names.resolv_conf)?;
        base.file(c"etc/hosts", &self.names.hosts)?;
        base.file(c"etc/nsswitch.conf", &self.names.nsswitch)?;
        base.file(c"etc/passwd", &or(&self.passwd, b"root:x:0:0:root:/root:/bin/sh\n"))?;
        base.file(c"etc/group", &or(&self.group, b"root:x:0:\n"))?;
        if let Some(hostname) = &self.hostname {
            base.file(c"etc/hostname", hostname)?;
        }
        base.link(c"etc/mtab", c"/proc/self/mounts")
    }
}

/// What of the root is ours, whatever a directory of the host has there.
const OURS: [&CStr; 14] = [
    c"dev",
    c"etc/group",
    c"etc/hostname",
    c"etc/hosts",
    c"etc/mtab",
    c"etc/nsswitch.conf",
    c"etc/passwd",
    c"etc/resolv.conf",
    c"proc",
    c"root",
    c"run",
    c"sys",
    c"target",
    c"tmp",
];

/// In a process that ends: the root for programs of the host.
pub(super) fn beside(
    directory: Option<&CStr>,
    files: &Files,
    fresh: &Fresh,
    owner: Option<(u32, u32)>,
    other_users: bool,
) -> Result<OwnedFd> {
    tree::part_anyhow()?;
    let base = Tree::memory("0755")?;
    base.attach_at(c"/")?;
    for (name, mode) in [
        (c"etc", 0o755),
        (c"proc", 0o755),
        (c"sys", 0o755),
        (c"target", 0o755),
        (c"root", 0o700),
        (c"run", 0o755),
        (c"tmp", 0o1777),
    ] {
        base.directory(name, mode)?;
    }
    for name in [c"root", c"run"] {
        give(&base, name, owner);
    }
    let host = Source::open(c"/")?;
    lay_devices(&host, &base)?;
    match directory {
        Some(directory) => Source::open(directory)?.lay_everything(&base, &OURS)?,
        None => {
            host.lay_trees(&base, "")?;
            host.lay_etc(&base)?;
            base.directory(c"var", 0o755)?;
            base.directory(c"var/tmp", 0o1777)?;
            base.link(c"var/run", c"/run")?;
        }
    }
    files.write(&base)?;
    fresh.attach(&base, BESIDE)?;
    finished(&base, other_users)
}

/// In a process that ends: the target's root, empty, with the host's programs at its side.
pub(super) fn inside(
    entries: &[Entry],
    fresh: &Fresh,
    loader: Option<&Loader>,
    other_users: bool,
) -> Result<OwnedFd> {
    tree::part_anyhow()?;
    let base = Tree::memory("0755")?;
    base.attach_at(c"/")?;
    let host = Source::open(c"/")?;
    base.directory(SIDE, 0o755)?;
    base.directory(c".nsx/target", 0o755)?;
    host.lay_file(&base, c"dev/null", c".nsx/null", Guard::Device)?;
    host.lay_trees(&base, ".nsx/")?;
    for name in [c"proc", c"sys"] {
        if is_ours(name, entries) {
            base.directory(name, 0o755)?;
        }
    }
    if is_ours(c"dev", entries) {
        lay_devices(&host, &base)?;
    }
    for entry in entries.iter().filter(|entry| !is_ours(&entry.name, entries)) {
        place(&base, entry, &entry.name)?;
    }
    fresh.attach(&base, places(entries))?;
    if let Some(loader) = loader {
        for directory in &loader.directories {
            base.directory(directory, 0o755)?;
        }
        host.lay_file(&base, &loader.path, &loader.path, Guard::ReadOnly)?;
    }
    finished(&base, other_users)
}

/// A directory of the kernel's that is made by us, since the target has it as one or has none.
fn is_ours(name: &CStr, entries: &[Entry]) -> bool {
    let is_kernels = [c"proc", c"sys", c"dev"].contains(&name);
    let other = |entry: &Entry| entry.name.as_c_str() == name && entry.what != What::Directory;
    name == SIDE || (is_kernels && !entries.iter().any(other))
}

pub(super) fn is_copied(entry: &Entry, entries: &[Entry]) -> bool {
    !is_ours(&entry.name, entries) && !matches!(entry.what, What::Link(_))
}

/// In a root of the host's programs.
pub(super) const BESIDE: Places =
    Places { proc: true, sys: true, dev: true, no_file: c"dev/null", no_directory: c"target" };

/// In the target's root.
pub(super) fn places(entries: &[Entry]) -> Places {
    Places {
        proc: is_ours(c"proc", entries),
        sys: is_ours(c"sys", entries),
        dev: is_ours(c"dev", entries),
        no_file: c".nsx/null",
        no_directory: c".nsx/target",
    }
}

/// A /dev of the host's devices that every program uses, for a target that has none.
fn lay_devices(host: &Source, base: &Tree) -> Result<()> {
    base.directory(c"dev", 0o755)?;
    for device in DEVICES {
        host.lay_file(base, device, device, Guard::Device)?;
    }
    for (name, target) in LINKS {
        base.link(name, target)?;
    }
    Ok(())
}

/// Who is root in the target's user namespace may write where root does.
fn give(base: &Tree, name: &CStr, owner: Option<(u32, u32)>) {
    if let Some((uid, gid)) = owner {
        let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        // Who may not is that user already, or has no such namespace.
        let _ = rustix::fs::chownat(
            base.as_fd(),
            name,
            Some(uid),
            Some(gid),
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        );
    }
}

/// What root in the target's user namespace is called here.
pub(super) fn owner(target: &ProcessHandle) -> Option<(u32, u32)> {
    let outside = |name| {
        let map = idmap::parse(&bounded::read(target.dir(), name, bounded::SMALL).ok()?)?;
        map.iter().find(|range| range.inside == 0).map(|range| range.outside)
    };
    Some((outside("uid_map")?, outside("gid_map")?))
}

/// Whether the target's user namespace is not ours: its root may change the mounts of a program there.
pub(super) fn has_other_users(target: &ProcessHandle) -> bool {
    let theirs = ns::identity(target.dir(), Kind::User);
    let ours = ns::own_identity(Kind::User);
    !matches!((theirs, ours), (Ok(theirs), Ok(ours)) if theirs == ours)
}

/// A copy that is attached nowhere, one that nobody can make writable. Where that cannot be made it
/// need not be, if nobody is in the target who could and cannot do the same on the host.
fn finished(base: &Tree, other_users: bool) -> Result<OwnedFd> {
    // Whose root is below another mount may not have a user namespace.
    tree::become_root(base)?;
    let copy = match tree::locked_copy() {
        Err(_) if !other_users => Tree::copy_of(base.as_fd(), Guard::AsItIs)?,
        copy => copy?,
    };
    Ok(copy.into_fd())
}
