//! What processes use of a file system: their root, directory, program, open files and mappings.
//!
//! Whatever a link of the kernel's own leads to is asked for the number of its mount and for nothing
//! that only the file system knows: no path is walked, no server is asked. A crew does even that.

use super::mounts::Hit;
use super::place::{self, Place, join, rest_below, unlinked};
use super::search::{Known, Wanted};
use crate::collect::scan::KernelThreads;
use crate::model::device::Device;
use crate::model::gap::{Gap, Reason};
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::model::trail::By;
use crate::sys::crew::travel::{self, Rest};
use crate::sys::crew::{self, Care, PATIENCE};
use crate::sys::error::{IntoErrno, Problem, Result, reason_of};
use crate::sys::fds::Spent;
use crate::sys::root::SysRoot;
use crate::sys::threads::{self, Shared};
use crate::sys::{bounded, ns, root};
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, statx};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Of one process no more open files are looked at.
const MOST_FILES: usize = 1 << 20;
/// Enough for 40,000 mappings.
const MAPPINGS: usize = 4 << 20;

/// A process that uses something, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub pid: Pid,
    pub comm: Text,
    pub by: By,
}

/// What uses are told by.
#[derive(Debug)]
pub(super) struct Sought {
    place: Option<Place>,
    devices: Vec<Device>,
    /// By their numbers: every mount of the file systems that are looked for, and whose they are.
    mounts: HashMap<u64, (Known, Option<u64>)>,
    /// A node, where that is the clue: whoever has the device open by any path.
    node: Option<(Device, FileType)>,
    own: Option<u64>,
}

impl Sought {
    pub(super) fn new(
        wanted: &Wanted,
        hits: &[Hit],
        node: Option<(Device, FileType)>,
        own: Option<u64>,
    ) -> Self {
        let known = hits.iter().flat_map(|hit| {
            let namespace = hit.namespace.or(own);
            hit.known.iter().map(move |known| (u64::from(known.id), (known.clone(), namespace)))
        });
        let devices = wanted.devices_of().collect();
        // With a file system that all counts of, no place in it matters.
        let place = wanted.place.clone().filter(|_| wanted.devices.is_empty());
        Self { place, devices, mounts: known.collect(), node, own }
    }

    fn is_whole(&self) -> bool {
        self.place.as_ref().is_none_or(|place| place.path == b"/")
    }

    /// Whether a path of a process, by the text of its link, is in what is looked for. Only of what
    /// has no name any more the kernel says ` (deleted)`: others may be called so.
    fn is_in(&self, known: &Known, text: &[u8], is_removed: bool) -> bool {
        let Some(place) = &self.place else { return true };
        let target = known.target.as_bytes();
        let text = if is_removed { unlinked(text) } else { text };
        let rest = rest_below(target, text);
        // Outside of the root of who asks, or of what was unmounted, paths begin anywhere.
        let Some(rest) = rest else { return self.is_whole() };
        let path = join(known.root.as_bytes(), rest);
        let removed = place::removed(known.root.as_bytes()).map(|root| join(root, rest));
        rest_below(&place.path, &path).is_some()
            || removed.is_some_and(|path| rest_below(&place.path, &path).is_some())
    }
}

/// Every process that uses it, by the first way that is seen; in the order of their numbers.
pub(super) fn find(root: &SysRoot, sought: &Sought, gaps: &mut Vec<Gap>) -> Result<Vec<Use>> {
    let kernel = KernelThreads::list(root);
    let own = std::process::id();
    let mut pids = root.pids()?;
    pids.retain(|pid| !kernel.has(*pid) && pid.number() != own);
    let mut uses = Vec::new();
    let (mut denied, mut late, mut failed) = (0_usize, 0_usize, 0_usize);
    let mut reader = Reader::default();
    crew::work(
        pids.len(),
        crew::size(),
        PATIENCE,
        &mut |piece, care, out| {
            if let Some(pid) = pids.get(piece) {
                reader.visit(root, *pid, sought, care).write(out);
            }
        },
        &mut |piece, answer: std::result::Result<&[u8], Problem>| {
            let Some(pid) = pids.get(piece) else { return };
            match answer.ok().and_then(Visit::read) {
                Some(Visit::Uses { by, comm }) => uses.push(Use { pid: *pid, comm, by }),
                Some(Visit::Nothing) => {}
                Some(Visit::Denied) => denied += 1,
                Some(Visit::Failed) => failed += 1,
                Some(Visit::Late) | None => late += 1,
            }
        },
    );
    let lacks = [(denied, Reason::Denied), (late, Reason::Timeout), (failed, Reason::Failed)];
    for (count, reason) in lacks {
        if count > 0 {
            let plural = if count == 1 { "" } else { "es" };
            let object = format!("{count} process{plural}").into();
            gaps.push(Gap { object, what: "open files", reason });
        }
    }
    uses.sort_by_key(|one| one.pid);
    Ok(uses)
}

#[derive(Debug, PartialEq, Eq)]
enum Visit {
    Nothing,
    Uses {
        by: By,
        comm: Text,
    },
    Denied,
    /// Its mappings did not come, and nothing else was found.
    Late,
    /// The same for want of descriptors or processes.
    Failed,
}

impl Visit {
    fn write(&self, out: &mut Vec<u8>) {
        let (by, comm) = match self {
            Self::Nothing => return out.push(0),
            Self::Denied => return out.push(1),
            Self::Late => return out.push(2),
            Self::Failed => return out.push(9),
            Self::Uses { by, comm } => (by, comm),
        };
        let (letter, number) = match by {
            By::Root => (3, 0),
            By::WorkingDirectory => (4, 0),
            By::Program => (5, 0),
            By::Descriptor { number } => (6, *number),
            By::Thread { thread } => (8, thread.number()),
            _ => (7, 0),
        };
        out.push(letter);
        out.extend(number.to_ne_bytes());
        travel::write(comm.as_bytes(), out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let letter = rest.byte()?;
        match letter {
            0 => return Some(Self::Nothing),
            1 => return Some(Self::Denied),
            2 => return Some(Self::Late),
            9 => return Some(Self::Failed),
            _ => {}
        }
        let number = rest.u32()?;
        let by = match letter {
            3 => By::Root,
            4 => By::WorkingDirectory,
            5 => By::Program,
            6 => By::Descriptor { number },
            8 => By::Thread { thread: Pid::new(number)? },
            _ => By::Mapping,
        };
        Some(Self::Uses { by, comm: Text::new(rest.bytes()?) })
    }
}

/// In a member of the crew.
#[derive(Default)]
struct Reader {
    spent: Spent,
    buffer: Vec<u8>,
}

/// What has ended uses nothing.
fn unless_gone<T>(reason: Reason) -> std::result::Result<Option<T>, Reason> {
    if reason == Reason::Gone { Ok(None) } else { Err(reason) }
}

/// What a link leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    Other,
    It,
    Denied,
}

impl Reader {
    fn visit(&mut self, root: &SysRoot, pid: Pid, sought: &Sought, care: Care) -> Visit {
        let Ok(dir) = root.process(pid) else {
            return Visit::Nothing;
        };
        let seen = match self.first(dir.as_fd(), sought, care) {
            Ok(None) => self.thread(root, dir.as_fd(), pid, sought),
            seen => seen,
        };
        let visit = match seen {
            Ok(Some(by)) => {
                let read = bounded::read_record(dir.as_fd(), "comm", 64, &mut self.buffer);
                let comm = if read.is_ok() { self.buffer.trim_ascii_end() } else { b"" };
                Visit::Uses { by, comm: Text::new(comm) }
            }
            Ok(None) => Visit::Nothing,
            Err(Reason::Timeout) => Visit::Late,
            Err(Reason::Failed) => Visit::Failed,
            Err(_) => Visit::Denied,
        };
        self.spent.close(dir);
        visit
    }

    fn first(
        &mut self,
        dir: BorrowedFd<'_>,
        sought: &Sought,
        care: Care,
    ) -> std::result::Result<Option<By>, Reason> {
        let links = [("root", By::Root), ("cwd", By::WorkingDirectory), ("exe", By::Program)];
        for (name, by) in links {
            match look(dir, name, sought) {
                Sight::It => return Ok(Some(by)),
                // Who may not see one may see none.
                Sight::Denied => return Err(Reason::Denied),
                Sight::Other => {}
            }
        }
        if let Some(number) = self.descriptor(dir, "fd", sought)? {
            return Ok(Some(By::Descriptor { number }));
        }
        match care {
            Care::Whole => {}
            Care::Safe => return Err(Reason::Timeout),
            Care::Failed => return Err(Reason::Failed),
        }
        match bounded::read_into(dir, "maps", MAPPINGS, &mut self.buffer) {
            Ok(_) => Ok(self.maps(dir, sought).then_some(By::Mapping)),
            Err(errno) => unless_gone(reason_of(errno.into_errno())),
        }
    }

    fn descriptor(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &str,
        sought: &Sought,
    ) -> std::result::Result<Option<u32>, Reason> {
        let list = |files: OwnedFd| Ok((root::list(files.as_fd())?, files));
        let (names, files) = match bounded::open_dir(dir, path).and_then(list) {
            Ok(listed) => listed,
            Err(error) => return unless_gone(error.reason()),
        };
        let found = names.iter().take(MOST_FILES).find_map(|name| {
            let name = std::str::from_utf8(name.as_bytes()).ok()?;
            let number = name.parse().ok()?;
            (look(files.as_fd(), name, sought) == Sight::It).then_some(number)
        });
        self.spent.close(files);
        Ok(found)
    }

    /// By a thread that has what the first of its process has not.
    fn thread(
        &mut self,
        root: &SysRoot,
        dir: BorrowedFd<'_>,
        pid: Pid,
        sought: &Sought,
    ) -> std::result::Result<Option<By>, Reason> {
        let apart = |what| match threads::apart(root, dir, pid, what) {
            Ok(threads) => Ok(threads),
            Err(error) => unless_gone(error.reason()).map(Option::unwrap_or_default),
        };
        let is_there = |thread: &Pid| {
            let link = |name| look(dir, &format!("task/{thread}/{name}"), sought) == Sight::It;
            link("root") || link("cwd")
        };
        if let Some(thread) = apart(Shared::Directories)?.into_iter().find(is_there) {
            return Ok(Some(By::Thread { thread }));
        }
        for thread in apart(Shared::Descriptors)? {
            if self.descriptor(dir, &format!("task/{thread}/fd"), sought)?.is_some() {
                return Ok(Some(By::Thread { thread }));
            }
        }
        Ok(None)
    }

    /// Whether a mapping is of it: they name a device and a path, and no mount.
    fn maps(&self, dir: BorrowedFd<'_>, sought: &Sought) -> bool {
        let mut namespace = None;
        let lines = self.buffer.split(|byte| *byte == b'\n').filter_map(mapping);
        let mut of_device = lines.filter(|(device, _)| sought.devices.contains(device));
        of_device.any(|(_, path)| {
            if sought.place.is_none() || sought.is_whole() {
                return true;
            }
            let theirs = || ns::identity(dir, Kind::Mnt).ok().or(sought.own);
            let namespace = *namespace.get_or_insert_with(theirs);
            let path = unescaped(path);
            let mounts = sought.mounts.values();
            let there = mounts.filter(|(_, whose)| *whose == namespace).map(|(known, _)| known);
            let on_the_way =
                there.filter(|known| rest_below(known.target.as_bytes(), &path).is_some());
            let nearest = on_the_way.max_by_key(|known| (known.target.as_bytes().len(), known.id));
            nearest.is_some_and(|known| sought.is_in(known, &path, false))
        })
    }
}

fn look(dir: BorrowedFd<'_>, name: &str, sought: &Sought) -> Sight {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    let stat =
        match statx(dir, name, flags, StatxFlags::TYPE | StatxFlags::NLINK | StatxFlags::MNT_ID) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => return Sight::Denied,
            Err(_) => return Sight::Other,
        };
    let is_node = sought.node.is_some_and(|node| is_node(&stat, node));
    if is_node || is_it(dir, name, &stat, sought) { Sight::It } else { Sight::Other }
}

fn is_node(stat: &Statx, (device, kind): (Device, FileType)) -> bool {
    FileType::from_raw_mode(stat.stx_mode.into()) == kind
        && Device { major: stat.stx_rdev_major, minor: stat.stx_rdev_minor } == device
}

fn is_it(dir: BorrowedFd<'_>, name: &str, stat: &Statx, sought: &Sought) -> bool {
    let text = || rustix::fs::readlinkat(dir, name, Vec::new());
    let known = if stat.stx_mask & StatxFlags::MNT_ID.bits() == 0 {
        None
    } else {
        sought.mounts.get(&stat.stx_mnt_id)
    };
    match known {
        Some(_) if sought.is_whole() => true,
        Some((known, _)) => {
            text().is_ok_and(|text| sought.is_in(known, text.to_bytes(), stat.stx_nlink == 0))
        }
        // It was unmounted and is used still, or the kernel tells no mounts (before Linux 5.8).
        None => {
            let device = Device { major: stat.stx_dev_major, minor: stat.stx_dev_minor };
            sought.is_whole() && sought.devices.contains(&device)
        }
    }
}

/// The device and the path of a line of `/proc/PID/maps`.
fn mapping(line: &[u8]) -> Option<(Device, &[u8])> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let device = std::str::from_utf8(fields.nth(3)?).ok()?;
    let path = fields.nth(1)?.trim_ascii_start();
    let (major, minor) = device.split_once(':')?;
    let number = |digits| u32::from_str_radix(digits, 16).ok();
    let device = Device { major: number(major)?, minor: number(minor)? };
    path.starts_with(b"/").then_some((device, path))
}

/// The kernel writes a newline as `\012`, and nothing else otherwise than it is.
fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut rest = path;
    let mut bytes = Vec::with_capacity(path.len());
    while let Some((byte, after)) = rest.split_first() {
        match rest.strip_prefix(br"\012") {
            Some(after) => {
                bytes.push(b'\n');
                rest = after;
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_tells_its_device_and_path() {
        let line = b"7f1c2e000000-7f1c2e021000 r--p 00000000 fe:00 131   /usr/lib/a b.so";
        let device = Device { major: 254, minor: 0 };
        assert_eq!(mapping(line), Some((device, &b"/usr/lib/a b.so"[..])));
        for none in [
            &b"7ffc0-7ffc1 rw-p 00000000 00:00 0                          [stack]"[..],
            b"7ffc0-7ffc1 rw-p 00000000 00:00 0 ",
            b"7ffc0-7ffc1 rw-p 00000000 xx:00 0 /a",
            b"",
        ] {
            assert_eq!(mapping(none), None, "{}", String::from_utf8_lossy(none));
        }
        assert_eq!(unescaped(br"/a\012b\x"), b"/a\nb\\x");
    }

    #[test]
    fn a_path_of_a_process_is_compared_as_a_part_of_the_file_system() {
        let sought = |path: &[u8]| Sought {
            place: Some(Place { device: Device { major: 8, minor: 1 }, path: path.to_vec() }),
            devices: vec![Device { major: 8, minor: 1 }],
            mounts: HashMap::new(),
            node: None,
            own: None,
        };
        let data = sought(b"/srv/data");
        let bound = Known { id: 1, root: "/srv/data".into(), target: "/data".into() };
        let is_in = |known: &Known, path: &[u8]| data.is_in(known, path, false);
        assert!(is_in(&bound, b"/data/x") && is_in(&bound, b"/data"));
        assert!(is_in(&bound, b"/data/x (deleted)"));
        assert!(data.is_in(&bound, b"/data (deleted)", true));
        assert!(!is_in(&bound, b"/data (deleted)"), "a name like any other");
        assert!(!is_in(&bound, b"/elsewhere"));
        let all = Known { id: 1, root: "/".into(), target: "/".into() };
        assert!(is_in(&all, b"/srv/data/x") && !is_in(&all, b"/srv/database"));
        assert!(!is_in(&all, b"/srv"));
        let removed = Known { id: 1, root: "/srv/data//deleted".into(), target: "/data".into() };
        assert!(is_in(&removed, b"/data/x"));
        assert!(sought(b"/").is_in(&bound, b"/anything", false), "all of it");
    }

    #[test]
    fn a_visit_is_read_as_it_was_written() {
        let uses = |by| Visit::Uses { by, comm: "a b\n".into() };
        for visit in [
            Visit::Nothing,
            Visit::Denied,
            Visit::Late,
            Visit::Failed,
            uses(By::Root),
            uses(By::WorkingDirectory),
            uses(By::Program),
            uses(By::Descriptor { number: 77 }),
            uses(By::Thread { thread: Pid::new(9).unwrap() }),
            uses(By::Mapping),
        ] {
            let mut out = Vec::new();
            visit.write(&mut out);
            assert_eq!(Visit::read(&out), Some(visit));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (mapping(&bytes), unescaped(&bytes), Visit::read(&bytes));
        }
    }
}
