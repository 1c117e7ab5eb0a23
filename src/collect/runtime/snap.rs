//! Snaps: snapd pins the mount namespace of each at `/run/snapd/ns/SNAP.mnt`.

use super::record::{Case, First, Record, Source};
use crate::model::namespace::Kind;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::nsfs;
use crate::sys::root::{self, SysRoot};
use std::os::fd::AsFd;
use std::path::Path;

const PINNED: &str = "/run/snapd/ns";

/// Snaps that run containers. They are root's programs of the host, in a mount namespace that
/// root made.
const ENGINES: [&str; 2] = ["lxd", "docker"];

/// A mount namespace that lives without processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// `firefox`; a second instance is `firefox_KEY`.
    pub snap: Text,
    /// One of a user's own, where the snap is set up for each separately.
    pub uid: Option<u32>,
    /// Of the mount namespace.
    pub inode: u64,
    /// Where it is pinned: `/run/snapd/ns/firefox.mnt`.
    pub file: Text,
}

/// The mount namespaces that snapd pinned, read when first asked for.
#[derive(Debug, Default)]
pub struct Snap {
    pinned: Option<Vec<Pinned>>,
}

impl Source for Snap {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let Some(mnt) = case.init.namespaces.inode(Kind::Mnt) else {
            return Ok(None);
        };
        let pinned = self.pinned.get_or_insert_with(|| pinned(case.root));
        let found = pinned.iter().find(|one| one.inode == mnt);
        // It is this very process that is in the namespace.
        let first = First::At { pid: case.init.pid, start_ticks: Some(case.init.start_ticks) };
        let named = case.id_of(&[Runtime::Snap]);
        Ok(found.map(|one| Record { first, ..of_pinned(one, named) }))
    }

    /// A namespace that is kept is not a program that has ended.
    fn all(&mut self, _: &SysRoot) -> Vec<Record> {
        Vec::new()
    }
}

/// The namespace tells the snap, the group which of its programs.
fn of_pinned(pinned: &Pinned, named: Option<&[u8]>) -> Record {
    let is_of_snap = |name: &&[u8]| {
        name.strip_prefix(pinned.snap.as_bytes()).is_some_and(|rest| rest.starts_with(b"."))
    };
    Record {
        runtime: Runtime::Snap,
        name: Some(named.filter(is_of_snap).map_or_else(|| pinned.snap.clone(), Text::new)),
        owner_uid: pinned.uid,
        file: pinned.file.clone(),
        ..Record::default()
    }
}

/// Every mount namespace that snapd keeps.
pub fn pinned(root: &SysRoot) -> Vec<Pinned> {
    let Ok(directory) = root.open_data(Path::new(PINNED)) else {
        return Vec::new();
    };
    let names = root::list(directory.as_fd()).unwrap_or_default();
    let one = |name: &Text| {
        let name = std::str::from_utf8(name.as_bytes()).ok()?;
        let (snap, uid) = parse(name)?;
        let inode = inode(root, name)?;
        Some(Pinned { snap: snap.into(), uid, inode, file: format!("{PINNED}/{name}").into() })
    };
    names.iter().filter_map(one).collect()
}

/// Whether a mount namespace is that of a snap which runs containers.
pub fn is_engines(root: &SysRoot, mnt: u64) -> bool {
    let is_it = |snap: &&str| inode(root, &format!("{snap}.mnt")) == Some(mnt);
    ENGINES.iter().any(is_it)
}

fn inode(root: &SysRoot, name: &str) -> Option<u64> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = root.open_data(Path::new(PINNED)).ok()?;
    let file = rustix::fs::openat(directory, name, flags, Mode::empty()).ok()?;
    let stat = nsfs::examine(file.as_fd(), "", rustix::fs::AtFlags::EMPTY_PATH).ok()?;
    // Nothing but a file to mount on is there while the snap does not run.
    let is_namespace = || nsfs::Device::of(root).is_ok_and(|device| device.has(&stat));
    (!root.is_real() || is_namespace()).then_some(stat.stx_ino)
}

/// `SNAP.mnt`, or `SNAP.UID.mnt`. A second instance of a snap is `SNAP_KEY`.
pub fn parse(file: &str) -> Option<(&str, Option<u32>)> {
    let stem = file.strip_suffix(".mnt").filter(|stem| !stem.is_empty())?;
    match stem.split_once('.') {
        None => Some((stem, None)),
        Some((snap, uid)) => {
            let is_number = !snap.is_empty() && uid.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| uid.parse().ok()).flatten().map(|uid| (snap, Some(uid)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Group, Host};
    use super::*;
    use crate::model::process::Pid;

    // The names are those of snap-discard-ns(5).
    #[test]
    fn a_file_tells_snap_and_user() {
        assert_eq!(parse("firefox.mnt"), Some(("firefox", None)));
        assert_eq!(parse("firefox.1000.mnt"), Some(("firefox", Some(1000))));
        for none in [
            "firefox.fstab",
            "snap.firefox.info",
            ".mnt",
            "a.b.mnt",
            "firefox.user-fstab",
            ".1000.mnt",
            "firefox..mnt",
        ] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    #[test]
    fn the_namespace_vouches_for_the_snap_and_the_group_adds_the_program() {
        let pinned = |uid| Pinned { snap: "code".into(), uid, inode: 1, file: "f".into() };
        let name = |named: Option<&str>| {
            of_pinned(&pinned(None), named.map(str::as_bytes)).name.unwrap().to_string()
        };
        assert_eq!(name(Some("code.url-handler")), "code.url-handler");
        assert_eq!(name(Some("lxd.daemon")), "code");
        assert_eq!(name(Some("codex.x")), "code");
        assert_eq!(name(None), "code");
        assert_eq!(of_pinned(&pinned(Some(1000)), None).owner_uid, Some(1000));
    }

    #[test]
    fn pinned_namespaces_are_known_by_inode() {
        let host = Host::with(&[
            ("run/snapd/ns/lxd.mnt", ""),
            ("run/snapd/ns/code.mnt", ""),
            ("run/snapd/ns/code.fstab", ""),
        ]);
        let inode = |file: &str| {
            rustix::fs::stat(host.path(&format!("run/snapd/ns/{file}"))).unwrap().st_ino
        };
        let mut found: Vec<_> = pinned(&host.root).into_iter().map(|one| one.snap).collect();
        found.sort_unstable();
        assert_eq!(found, ["code", "lxd"].map(Text::from));
        assert!(is_engines(&host.root, inode("lxd.mnt")));
        assert!(!is_engines(&host.root, inode("code.mnt")));
        let find = |cgroup: &str, mount_namespace| {
            let group = Group { pid: 7, cgroup, mount_namespace, ..Group::default() };
            host.find(&mut Snap::default(), &group)
        };
        let expected = Record {
            runtime: Runtime::Snap,
            name: Some("code.url".into()),
            first: First::At { pid: Pid::new(7).unwrap(), start_ticks: Some(70) },
            file: "/run/snapd/ns/code.mnt".into(),
            ..Record::default()
        };
        let group = "/user.slice/snap.code.url-6e6f8a2c-1111-2222-3333-444455556666.scope";
        assert_eq!(find(group, Some(inode("code.mnt"))), Some(expected));
        let lxd = find(group, Some(inode("lxd.mnt"))).unwrap();
        assert_eq!((lxd.name, lxd.file), (Some("lxd".into()), "/run/snapd/ns/lxd.mnt".into()));
        assert_eq!((find(group, Some(inode("code.fstab"))), find(group, None)), (None, None));
        assert_eq!(Snap::default().all(&host.root), [], "what is kept is no program that ended");
    }

    #[test]
    fn a_link_is_not_what_it_leads_to() {
        let host = Host::with(&[("run/snapd/ns/code.mnt", "")]);
        let code = host.path("run/snapd/ns/code.mnt");
        std::os::unix::fs::symlink(&code, host.path("run/snapd/ns/lxd.mnt")).unwrap();
        let inode = rustix::fs::stat(&code).unwrap().st_ino;
        assert!(!is_engines(&host.root, inode));
        let found = pinned(&host.root);
        let found: Vec<_> = found.iter().filter(|one| one.inode == inode).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].snap, "code");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text: String, other in "[a-z0-9._]{0,12}\\.mnt") {
            let _ = (parse(&text), parse(&other));
        }
    }
}
