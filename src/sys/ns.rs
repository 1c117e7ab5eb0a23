//! Namespace identities and the join.

use super::error::{Context, IntoErrno, Result, SysError};
use crate::model::census::NsKey;
use crate::model::namespace::{Kind, Kinds, NsSet};
use crate::model::process::Pid;
use nix::errno::Errno;
use nix::sched::CloneFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The CLONE_NEW* bit of a kind.
pub const fn clone_flag(kind: Kind) -> CloneFlags {
    match kind {
        Kind::Mnt => CloneFlags::CLONE_NEWNS,
        Kind::Uts => CloneFlags::CLONE_NEWUTS,
        Kind::Ipc => CloneFlags::CLONE_NEWIPC,
        Kind::Net => CloneFlags::CLONE_NEWNET,
        Kind::Pid => CloneFlags::CLONE_NEWPID,
        Kind::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        Kind::User => CloneFlags::CLONE_NEWUSER,
        // CLONE_NEWTIME, Linux 5.6; nix has no name for it.
        Kind::Time => CloneFlags::from_bits_retain(0x80),
    }
}

/// CLONE_NEW* of each, as clone3(2), unshare(2) and setns(2) take them.
pub fn clone_flags(kinds: Kinds) -> CloneFlags {
    kinds.iter().fold(CloneFlags::empty(), |flags, kind| flags | clone_flag(kind))
}

/// The user namespace that the kernel made first, by the inode that it always has: proc_ns.h.
pub const INITIAL_USER: u64 = 0xEFFF_FFFD;
/// The same of pid namespaces.
pub const INITIAL_PID: u64 = 0xEFFF_FFFC;

/// The link's path below `/proc/PID`.
const fn link(kind: Kind) -> &'static str {
    match kind {
        Kind::Mnt => "ns/mnt",
        Kind::Uts => "ns/uts",
        Kind::Ipc => "ns/ipc",
        Kind::Net => "ns/net",
        Kind::Pid => "ns/pid",
        Kind::Cgroup => "ns/cgroup",
        Kind::User => "ns/user",
        Kind::Time => "ns/time",
    }
}

/// The inode of one namespace of the process whose `/proc/PID` this is, from the link's text:
/// no inode is made, nothing is opened.
pub fn identity(process: BorrowedFd<'_>, kind: Kind) -> nix::Result<u64> {
    identity_at(process, link(kind))
}

/// `/proc/PID/ns`, whose parent is the process's directory: one walk serves all eight links.
pub fn open_links(proc: BorrowedFd<'_>, pid: Pid) -> nix::Result<OwnedFd> {
    open_links_at(proc, &format!("{pid}/ns"))
}

/// The same from `/proc/PID`.
pub fn open_links_below(process: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    open_links_at(process, "ns")
}

/// The same of a thread, from `/proc/PID/ns`.
pub fn open_links_of_thread(links: BorrowedFd<'_>, thread: Pid) -> nix::Result<OwnedFd> {
    open_links_at(links, &format!("../task/{thread}/ns"))
}

fn open_links_at(dir: BorrowedFd<'_>, path: &str) -> nix::Result<OwnedFd> {
    let flags = rustix::fs::OFlags::PATH
        | rustix::fs::OFlags::DIRECTORY
        | rustix::fs::OFlags::CLOEXEC
        | rustix::fs::OFlags::NOFOLLOW;
    rustix::fs::openat(dir, path, flags, rustix::fs::Mode::empty()).map_err(IntoErrno::into_errno)
}

/// As [`identity`], from `/proc/PID/ns`.
pub fn identity_in(links: BorrowedFd<'_>, kind: Kind) -> nix::Result<u64> {
    identity_at(links, kind.name())
}

/// The namespace that the next child will be in; of the kinds that have one.
pub fn identity_for_children(links: BorrowedFd<'_>, kind: Kind) -> nix::Result<u64> {
    match kind {
        Kind::Pid => identity_at(links, "pid_for_children"),
        Kind::Time => identity_at(links, "time_for_children"),
        _ => Err(Errno::EINVAL),
    }
}

/// The same by number below `/proc`, one call: for a first look that may mix processes.
pub fn identity_of(proc: BorrowedFd<'_>, pid: Pid, kind: Kind) -> nix::Result<u64> {
    identity_at(proc, &format!("{pid}/{}", link(kind)))
}

/// Of ours.
pub fn own_identity(kind: Kind) -> nix::Result<u64> {
    identity_at(rustix::fs::CWD, &format!("/proc/self/{}", link(kind)))
}

fn identity_at(dir: BorrowedFd<'_>, path: &str) -> nix::Result<u64> {
    let mut buffer = [std::mem::MaybeUninit::uninit(); 64];
    let (text, _) =
        rustix::fs::readlinkat_raw(dir, path, &mut buffer).map_err(IntoErrno::into_errno)?;
    parse_link(text).ok_or(Errno::EINVAL)
}

/// `mnt:[4026531832]`
fn parse_link(text: &[u8]) -> Option<u64> {
    let open = text.iter().position(|byte| *byte == b'[')?;
    let digits = text.get(open + 1..)?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The same with the kind it begins with: a descriptor's link, or the root of a bind mount.
pub fn parse_name(text: &[u8]) -> Option<NsKey> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let (name, rest) = text.split_at_checked(colon)?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.name().as_bytes() == name)?;
    let digits = rest.strip_prefix(b":[")?.strip_suffix(b"]")?;
    Some(NsKey { kind, inode: std::str::from_utf8(digits).ok()?.parse().ok()? })
}

/// Each identity that can be read, and why the first of the others cannot.
pub fn identities(process: BorrowedFd<'_>) -> (NsSet, Option<Errno>) {
    each(|kind| identity(process, kind))
}

/// The same from `/proc/PID/ns`.
pub fn identities_in(links: BorrowedFd<'_>) -> (NsSet, Option<Errno>) {
    each(|kind| identity_in(links, kind))
}

/// hidepid=noaccess says EPERM, an ordinary /proc EACCES.
pub fn is_denial(errno: Errno) -> bool {
    matches!(errno, Errno::EACCES | Errno::EPERM)
}

fn each(identity: impl Fn(Kind) -> nix::Result<u64>) -> (NsSet, Option<Errno>) {
    let mut set = NsSet::default();
    let mut problem = None;
    for kind in Kind::ALL {
        // Who may read one may read all, unless it became another's between two of them.
        let asked = identity(kind);
        match if asked.is_err_and(is_denial) { identity(kind) } else { asked } {
            Ok(inode) => set.set(kind, inode),
            // A kernel without this kind of namespace has no such link.
            Err(Errno::ENOENT) if matches!(kind, Kind::Time | Kind::Cgroup | Kind::User) => {}
            Err(errno) if is_denial(errno) => return (set, Some(errno)),
            Err(errno) => problem = problem.or(Some(errno)),
        }
    }
    (set, problem)
}

/// Joins every namespace of `kinds` of a process in one step: all of them, or none.
/// setns(2) with a pidfd, Linux 5.8.
pub fn join(pidfd: BorrowedFd<'_>, kinds: Kinds) -> nix::Result<()> {
    nix::sched::setns(pidfd, clone_flags(kinds))
}

/// Opens those of a process one by one, for kernels whose setns(2) takes no pidfd.
pub fn open_each(process: BorrowedFd<'_>, kinds: Kinds) -> nix::Result<Vec<(Kind, OwnedFd)>> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    let open = |kind| {
        let file = rustix::fs::openat(process, link(kind), flags, rustix::fs::Mode::empty());
        file.map(|file| (kind, file)).map_err(IntoErrno::into_errno)
    };
    kinds.iter().map(open).collect()
}

/// Joins them one by one, the user namespace first or last.
pub fn join_each(files: &[(Kind, OwnedFd)], user_first: bool) -> nix::Result<()> {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by_key(|(kind, _)| (*kind == Kind::User) != user_first);
    files.into_iter().try_for_each(|(kind, file)| nix::sched::setns(file, clone_flag(*kind)))
}

/// Opens one namespace of a process, to ask about it.
pub fn open(process: BorrowedFd<'_>, kind: Kind) -> Result<OwnedFd> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::openat(process, link(kind), flags, rustix::fs::Mode::empty())
        .context("open", link(kind))
}

/// The inode of the user namespace that owns a namespace; `None` where that is above the caller's.
pub fn owner_inode(namespace: BorrowedFd<'_>) -> Result<Option<u64>> {
    match super::raw::nsfs::owner(namespace) {
        Ok(owner) => Ok(Some(
            rustix::fs::fstat(owner.as_fd()).context("examine", "a user namespace")?.st_ino,
        )),
        Err(Errno::EPERM) => Ok(None),
        Err(errno) => Err(SysError::new("find the owner of", "a namespace", errno)),
    }
}

/// Opens one namespace from `/proc/PID/ns`: the one that is meant, or none (ESTALE).
pub fn open_in(links: BorrowedFd<'_>, key: NsKey) -> nix::Result<OwnedFd> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    let file = rustix::fs::openat(links, key.kind.name(), flags, rustix::fs::Mode::empty())
        .map_err(IntoErrno::into_errno)?;
    if inode(file.as_fd())? == key.inode { Ok(file) } else { Err(Errno::ESTALE) }
}

/// The same from `/proc`, in one walk: what the inode tells needs no look at the process.
pub fn open_of(proc: BorrowedFd<'_>, pid: Pid, key: NsKey) -> nix::Result<OwnedFd> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    let path = format!("{pid}/{}", link(key.kind));
    let file = rustix::fs::openat(proc, path, flags, rustix::fs::Mode::empty())
        .map_err(IntoErrno::into_errno)?;
    if inode(file.as_fd())? == key.inode { Ok(file) } else { Err(Errno::ESTALE) }
}

/// Of an open namespace.
pub fn inode(namespace: BorrowedFd<'_>) -> nix::Result<u64> {
    rustix::fs::fstat(namespace).map(|stat| stat.st_ino).map_err(IntoErrno::into_errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_its_inode() {
        assert_eq!(parse_link(b"mnt:[4026531832]"), Some(4_026_531_832));
        assert_eq!(parse_link(b"mnt:[]"), None);
        assert_eq!(parse_link(b"/tmp/[1"), None);
        assert_eq!(parse_link(b"mnt:[99999999999999999999999]"), None);
    }

    #[test]
    fn a_name_is_a_kind_and_an_inode_and_nothing_else() {
        let net = NsKey { kind: Kind::Net, inode: 4_026_531_833 };
        assert_eq!(parse_name(b"net:[4026531833]"), Some(net));
        for other in ["socket:[1]", "/net:[1]", "net:[1] (deleted)", "net:1", "net:[x]", "net", ""]
        {
            assert_eq!(parse_name(other.as_bytes()), None, "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse_name(&bytes);
        }
    }

    #[test]
    fn every_kind_has_a_bit_of_its_own() {
        let all = clone_flags(Kinds::EVERY).bits();
        assert_eq!(all.count_ones(), 8);
        assert_eq!(clone_flag(Kind::Time).bits(), 0x80);
    }
}
