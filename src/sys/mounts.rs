//! The mounts of a mount namespace that no process is in, as [`super::proc::mountinfo`] gives those of
//! a process: listmount(2) and statmount(2).
//!
//! What statmount does not tell: whether a file system has no source at all or an empty one.

use super::error::{Context, Problem, Result, SysError};
use super::overlay;
use super::proc::mountinfo::{propagation, unescape};
use super::raw::mounts::{self, Statmount};
use super::raw::nsfs;
use super::tree;
use crate::model::device::Device;
use crate::model::mount::Mount;
use crate::model::text::Text;
use nix::errno::Errno;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

const WANTED: u64 = mounts::SB_BASIC
    | mounts::MNT_BASIC
    | mounts::MNT_ROOT
    | mounts::MNT_POINT
    | mounts::FS_TYPE
    | mounts::MNT_OPTS
    | mounts::FS_SUBTYPE
    | mounts::SB_SOURCE;

/// The caller's own mount namespace, by number.
const OURS: u64 = 0;
/// Ids to ask for at once.
const MANY: usize = 1024;
/// More than any host has below one place that is not the root.
const FEW: usize = 64;
/// No mount has longer strings: a path has a page, and options have several at most.
const LARGEST: usize = 1 << 20;

/// Every mount in the order of mountinfo, and whether the cap, in bytes of strings, cut the list.
/// The namespace is an open file of nsfs; Linux 6.11.
pub fn of_namespace(namespace: BorrowedFd<'_>, cap: usize) -> Result<(Vec<Mount>, bool)> {
    match nsfs::mount_namespace_id(namespace) {
        Ok(id) => of_id(id, cap),
        Err(Errno::ENOTTY) => Err(SysError {
            doing: "list",
            object: "a mount namespace that no process is in".into(),
            problem: Problem::Kernel("6.11"),
        }),
        Err(errno) => Err(errno).context("ask the id of", "a mount namespace"),
    }
}

/// The same by the namespace's number.
pub fn of_id(id: u64, cap: usize) -> Result<(Vec<Mount>, bool)> {
    let mut found = Vec::new();
    let mut buffer = vec![0; 8 << 10];
    let mut length = 0;
    let walked = walk(id, |mount| {
        if let Some(stat) = stat(id, mount, &mut buffer)? {
            length += usize::try_from(stat.size).unwrap_or_default();
            if length > cap {
                return Ok(ControlFlow::Break(()));
            }
            found.extend(mount_of(&stat, &buffer));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((found, walked.is_break()))
}

/// Every mount of a namespace, until there is enough.
fn walk(
    namespace: u64,
    mut one: impl FnMut(u64) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let mut ids = [0; MANY];
    let mut last = 0;
    loop {
        let count = mounts::list(namespace, mounts::ROOT, last, &mut ids)
            .context("list", "a mount namespace")?;
        for mount in ids.iter().take(count) {
            if one(*mount)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            last = *mount;
        }
        if count < MANY {
            return Ok(ControlFlow::Continue(()));
        }
    }
}

/// The mount that something open is on, if it is one of ours, and those below it, where they are few:
/// a tenth of what the whole list costs. `None`: they are many, or it is before Linux 6.8.
pub fn few_from(open: BorrowedFd<'_>) -> Option<Vec<Mount>> {
    let top = tree::unique_mount_number(open).ok().flatten()?;
    let mut below = [0; FEW];
    let count = mounts::list(OURS, top, 0, &mut below).ok()?;
    let below = below.get(..count).filter(|all| all.len() < FEW)?;
    let mut buffer = vec![0; 4 << 10];
    let mut one = |mount: &u64| Some(mount_of(&stat(OURS, *mount, &mut buffer).ok()??, &buffer));
    let all: Option<Vec<_>> = [top].iter().chain(below).map(&mut one).collect();
    Some(all?.into_iter().flatten().collect())
}

/// How many of our mounts are of one of these types; `None` before Linux 6.8.
pub fn count_of(types: &[&[u8]]) -> Option<usize> {
    let mut buffer = [0; 1 << 10];
    let mut counted = 0;
    let walked = walk(OURS, |mount| {
        // One that was unmounted meanwhile is none.
        if let Ok(stat) = mounts::stat(OURS, mount, mounts::FS_TYPE, &mut buffer) {
            let fs_type = text(&stat, &buffer, mounts::FS_TYPE, stat.fs_type);
            counted += usize::from(fs_type.is_some_and(|fs_type| types.contains(&fs_type)));
        }
        Ok(ControlFlow::Continue(()))
    });
    walked.ok().map(|_| counted)
}

/// The type of the file system that something open is on, if its mount is one of ours: nobody who
/// serves it is asked. `None`: of another namespace, or before Linux 6.8.
pub fn fs_type_on(open: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let mount = tree::unique_mount_number(open).ok().flatten()?;
    let mut buffer = [0; 1 << 10];
    let stat = mounts::stat(OURS, mount, mounts::FS_TYPE, &mut buffer).ok()?;
    text(&stat, &buffer, mounts::FS_TYPE, stat.fs_type).map(<[u8]>::to_vec)
}

/// `None`: it was unmounted meanwhile.
fn stat(namespace: u64, mount: u64, buffer: &mut Vec<u8>) -> Result<Option<Statmount>> {
    loop {
        match mounts::stat(namespace, mount, WANTED, buffer) {
            Ok(stat) => return Ok(Some(stat)),
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::EOVERFLOW) if buffer.len() < LARGEST => buffer.resize(buffer.len() * 2, 0),
            Err(errno) => return Err(errno).context("examine", "a mount"),
        }
    }
}

/// `None`: it cannot be reached from the root of the namespace, and stands in no mountinfo either.
pub fn mount_of(stat: &Statmount, buffer: &[u8]) -> Option<Mount> {
    let text = |field, offset| text(stat, buffer, field, offset);
    let fs_type = text(mounts::FS_TYPE, stat.fs_type).unwrap_or_default();
    let fs_type = match text(mounts::FS_SUBTYPE, stat.fs_subtype) {
        Some(subtype) => [fs_type, b".", subtype].concat().into(),
        None => Text::new(fs_type),
    };
    let given = text(mounts::MNT_OPTS, stat.mnt_opts).unwrap_or_default();
    let mut fs_options = flags_of_file_system(stat.sb_flags).into_bytes();
    if !given.is_empty() {
        fs_options.push(b',');
        fs_options.extend_from_slice(given);
    }
    let has = |flag: u64| stat.mnt_propagation & flag != 0;
    let overlay = (fs_type == "overlay").then(|| Box::new(overlay::parse(&fs_options)));
    let mount = Mount {
        id: stat.mnt_id_old,
        parent_id: stat.mnt_parent_id_old,
        device: Device { major: stat.sb_dev_major, minor: stat.sb_dev_minor },
        root: Text::new(text(mounts::MNT_ROOT, stat.mnt_root)?),
        target: Text::new(text(mounts::MNT_POINT, stat.mnt_point)?),
        options: options_of_mount(stat.mnt_attr).into(),
        propagation: propagation(
            has(libc::MS_SHARED),
            has(libc::MS_SLAVE),
            has(libc::MS_UNBINDABLE),
        ),
        fs_type,
        source: Text::new(text(mounts::SB_SOURCE, stat.sb_source).unwrap_or(b"none")),
        fs_options: unescape(&fs_options),
        overlay,
        ..Mount::default()
    };
    Some(mount.told())
}

/// A string of the kernel's answer, if it was asked for.
fn text<'a>(stat: &Statmount, buffer: &'a [u8], field: u64, offset: u32) -> Option<&'a [u8]> {
    let strings = buffer.get(size_of::<Statmount>()..)?;
    let rest = strings.get(usize::try_from(offset).ok()?..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    rest.get(..end).filter(|_| stat.mask & field != 0)
}

/// `MOUNT_ATTR_*` of linux/mount.h as mountinfo spells them, in its order.
fn options_of_mount(attributes: u64) -> String {
    const ATIME: u64 = 0x70;
    const NOATIME: u64 = 0x10;
    const RELATIME: u64 = 0;
    let has = |flag: u64| attributes & flag != 0;
    let atime = attributes & ATIME;
    let mut text = if has(0x1) { "ro" } else { "rw" }.to_owned();
    for (is_set, name) in [
        (has(0x2), "nosuid"),
        (has(0x4), "nodev"),
        (has(0x8), "noexec"),
        (atime == NOATIME, "noatime"),
        (has(0x80), "nodiratime"),
        (atime == RELATIME, "relatime"),
        (has(0x20_0000), "nosymfollow"),
        (has(0x10_0000), "idmapped"),
    ] {
        if is_set {
            let _ = write!(text, ",{name}");
        }
    }
    text
}

/// `SB_*` of linux/fs.h.
fn flags_of_file_system(flags: u32) -> String {
    let mut text = if flags & 0x1 != 0 { "ro" } else { "rw" }.to_owned();
    for (flag, name) in [(0x10, "sync"), (0x80, "dirsync"), (1 << 25, "lazytime")] {
        if flags & flag != 0 {
            let _ = write!(text, ",{name}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::proc::mountinfo;
    use crate::sys::root::SysRoot;
    use rustix::fs::{Mode, OFlags};
    use std::os::fd::AsFd;

    #[test]
    fn flags_are_spelled_as_mountinfo_spells_them() {
        assert_eq!(options_of_mount(0), "rw,relatime");
        assert_eq!(options_of_mount(0x1f), "ro,nosuid,nodev,noexec,noatime");
        assert_eq!(options_of_mount(0x20 | 0x80), "rw,nodiratime");
        assert_eq!(options_of_mount(0x30_0000), "rw,relatime,nosymfollow,idmapped");
        assert_eq!(flags_of_file_system(0x1 | 0x10), "ro,sync");
        assert_eq!(flags_of_file_system(1 << 25), "rw,lazytime");
    }

    #[test]
    fn offsets_beyond_the_buffer_are_no_strings() {
        let mut buffer = vec![0; size_of::<Statmount>()];
        buffer.extend(b"/\0/a\0tmpfs");
        let with = |mnt_point: u32, fs_type: u32| {
            let stat = Statmount { fs_type, mnt_point, ..zeroed() };
            mount_of(&stat, &buffer).map(|mount| (mount.target, mount.fs_type))
        };
        assert_eq!(with(2, 0), Some(("/a".into(), "/".into())));
        assert_eq!(with(5, 0), None);
        assert_eq!(with(u32::MAX, 0), None);
    }

    #[test]
    fn those_below_a_place_are_those_that_mountinfo_tells() {
        let root = SysRoot::real().unwrap();
        let whole = mountinfo::parse(root.mountinfo().unwrap()).0;
        let sys = root.open_dir(std::path::Path::new("/sys")).unwrap();
        let Some(few) = few_from(sys.as_fd()) else {
            assert!(tree::unique_mount_number(sys.as_fd()).unwrap().is_none());
            return;
        };
        let top = tree::mount_number(sys.as_fd()).unwrap();
        assert_eq!(few.first().map(|mount| u64::from(mount.id)), top);
        let below = |mount: &&Mount| mount.target.as_bytes().starts_with(b"/sys/");
        let told = |mounts: &[Mount]| -> Vec<_> {
            let mut told: Vec<_> = mounts
                .iter()
                .filter(below)
                .map(|mount| {
                    let Mount { id, parent_id, target, fs_type, fs_options, root, .. } = mount;
                    let options = fs_options.as_bytes().to_vec();
                    (*id, *parent_id, target.clone(), fs_type.clone(), options, root.clone())
                })
                .collect();
            told.sort();
            told
        };
        assert_eq!(told(&few), told(&whole));
        let of_cgroups =
            whole.iter().filter(|mount| mount.fs_type.as_bytes().starts_with(b"cgroup"));
        assert_eq!(count_of(&[b"cgroup", b"cgroup2"]), Some(of_cgroups.count()));
        assert_eq!(count_of(&[b"none"]), Some(0));
    }

    #[test]
    fn the_type_of_one_mount_is_the_one_that_mountinfo_tells() {
        let root = SysRoot::real().unwrap();
        let (mut told, mut asked) = (0, 0);
        for mount in mountinfo::parse(root.mountinfo().unwrap()).0 {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let target = mount.target.as_bytes();
            let Ok(place) = rustix::fs::open(target, flags, Mode::empty()) else { continue };
            let place = place.as_fd();
            // Another mount may be on top of it.
            if tree::mount_number(place).unwrap() == Some(mount.id.into()) {
                asked += 1;
                let Some(fs_type) = fs_type_on(place) else { continue };
                told += 1;
                let whole = mount.fs_type.as_bytes();
                assert_eq!(whole.split(|byte| *byte == b'.').next(), Some(&fs_type[..]));
            }
        }
        let (pipe, _) = rustix::pipe::pipe().unwrap();
        assert_eq!(fs_type_on(pipe.as_fd()), None, "no mount of a namespace");
        let is_old = tree::unique_mount_number(pipe.as_fd()).unwrap().is_none();
        assert!(asked > 0 && told == if is_old { 0 } else { asked }, "{told} of {asked}");
    }

    fn zeroed() -> Statmount {
        Statmount {
            size: 0,
            mnt_opts: u32::MAX,
            mask: WANTED,
            sb_dev_major: 0,
            sb_dev_minor: 0,
            sb_magic: 0,
            sb_flags: 0,
            fs_type: 0,
            mnt_id: 0,
            mnt_parent_id: 0,
            mnt_id_old: 0,
            mnt_parent_id_old: 0,
            mnt_attr: 0,
            mnt_propagation: 0,
            mnt_peer_group: 0,
            mnt_master: 0,
            propagate_from: 0,
            mnt_root: 0,
            mnt_point: 0,
            mnt_ns_id: 0,
            fs_subtype: u32::MAX,
            sb_source: u32::MAX,
            rest: [0; 48],
        }
    }
}
