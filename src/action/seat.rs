//! A place in the control groups of a target: `enter --join-cgroup`. See cgroups(7).
//!
//! Every group is opened before anything is joined; the place is then taken by writing to what is
//! open. The kernel asks whether who opened it may.

use super::error::ActionError;
use crate::model::standing::Shortfall;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::cgroupfs::hierarchy::{Hierarchies, Place};
use crate::sys::cgroupfs::paths::CgroupPaths;
use crate::sys::error::{Context, SysError};
use crate::sys::pidfd::ProcessHandle;
use crate::sys::proc::cgroup::{self, Line};
use crate::sys::root::{SysRoot, path_text};
use nix::errno::Errno;
use nix::unistd::Pid;
use rustix::fs::{AtFlags, Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// Why a place in a group cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    /// Who goes in is frozen too, and cannot be ended before it is thawed on v1.
    #[error("the control group {0} is frozen: the program would not run")]
    Frozen(Text),
    /// A file of the target's or of a group could not be used, or the target has ended.
    #[error(transparent)]
    System(#[from] SysError),
}

impl From<SeatError> for ActionError {
    fn from(error: SeatError) -> Self {
        match error {
            SeatError::System(error) => error.into(),
            SeatError::Frozen(_) => Self::Refused(error.to_string()),
        }
    }
}

/// The groups of a target in which we are not ourselves, open.
#[derive(Debug)]
pub struct Seat {
    groups: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    directory: Text,
    processes: OwnedFd,
    /// Where the group itself may turn out to take no processes.
    leaf: Option<Leaf>,
}

impl Seat {
    /// Opens them for writing, with CAP_DAC_OVERRIDE or as their owner; and tells where there is
    /// none to join.
    pub fn open(
        root: &SysRoot,
        target: &ProcessHandle,
        allow_frozen: bool,
    ) -> Result<(Self, Vec<Shortfall>), SeatError> {
        let mut groups = Vec::new();
        let missing = Self::each(root, target, allow_frozen, |place| {
            groups.push(Open::new(root, place)?);
            Ok(())
        })?;
        Ok((Self { groups }, missing))
    }

    /// Whether it would need clearing, and what would be missing: nothing is made or opened to write.
    pub fn look(
        root: &SysRoot,
        target: &ProcessHandle,
        allow_frozen: bool,
    ) -> Result<(bool, Vec<Shortfall>), SeatError> {
        let mut clears = false;
        let missing = Self::each(root, target, allow_frozen, |place| {
            let group = root.open_dir(&place.directory)?;
            clears |= place.is_v2 && hands_controllers_down(group.as_fd());
            Ok(())
        })?;
        Ok((clears, missing))
    }

    fn each(
        root: &SysRoot,
        target: &ProcessHandle,
        allow_frozen: bool,
        mut found: impl FnMut(&Place) -> Result<(), SeatError>,
    ) -> Result<Vec<Shortfall>, SeatError> {
        let theirs = bounded::read(target.dir(), "cgroup", bounded::SMALL)?;
        let ours = bounded::read(root.proc(), "self/cgroup", bounded::SMALL)?;
        let hierarchies = Hierarchies::read(root)?;
        let mut missing = Vec::new();
        for line in differing(&ours, &theirs) {
            match locate(&hierarchies, line, &theirs) {
                Ok(place) => {
                    if !allow_frozen && is_frozen(root, line, &place)? {
                        return Err(SeatError::Frozen(path_text(&place.directory)));
                    }
                    found(&place)?;
                }
                Err(why) => {
                    let why = format!("{}, {}: {why}", hierarchy(line), Text::new(line.path));
                    missing.push(Shortfall::new("control group", why));
                }
            }
        }
        // The lines were those of the process that is pinned, or nobody's.
        target.check_alive()?;
        Ok(missing)
    }

    /// Whether a group of ours is to be removed when the program has ended.
    pub fn needs_clearing(&self) -> bool {
        self.groups.iter().any(|group| group.leaf.is_some())
    }

    /// Moves a child that is in our pid namespace, or this process itself.
    pub fn take(&self, child: Option<Pid>) -> Result<(), SeatError> {
        // 0 means whoever writes.
        let who = child.map_or(0, Pid::as_raw).to_string();
        self.groups.iter().try_for_each(|group| group.add(&who))
    }
}

/// The lines of the target whose groups are not ours. Two that are removed may have had one name.
fn differing<'a>(ours: &'a [u8], theirs: &'a [u8]) -> impl Iterator<Item = Line<'a>> {
    let ours: Vec<Line<'_>> = cgroup::parse(ours).collect();
    cgroup::parse(theirs)
        .filter(move |line| !ours.contains(line) || line.path.ends_with(b" (deleted)"))
}

fn first_controller(line: Line<'_>) -> &[u8] {
    line.controllers.split(|byte| *byte == b',').next().unwrap_or_default()
}

fn hierarchy(line: Line<'_>) -> Text {
    if line.is_v2() { "cgroup v2".into() } else { Text::new(line.controllers) }
}

fn locate(hierarchies: &Hierarchies, line: Line<'_>, lines: &[u8]) -> Result<Place, &'static str> {
    let paths = CgroupPaths::parse(lines);
    let (place, is_mounted) = if line.is_v2() {
        (hierarchies.locate_unified(&paths), hierarchies.v2().next().is_some())
    } else {
        let controller = first_controller(line);
        (hierarchies.locate(&paths, controller), hierarchies.v1(controller).next().is_some())
    };
    let why = if is_mounted { "no mount of ours shows it" } else { "it is not mounted here" };
    place.ok_or(why)
}

/// Whether what goes in there stands still, by the group's own setting or one above it.
fn is_frozen(root: &SysRoot, line: Line<'_>, place: &Place) -> Result<bool, SeatError> {
    let says = |directory: &Path, file: &str, words: &[&[u8]]| {
        let group = root.open_dir(directory)?;
        match bounded::read(group.as_fd(), file, bounded::SMALL) {
            Ok(bytes) => Ok(words.contains(&bytes.trim_ascii())),
            // The root group has no such file, nor has a kernel before Linux 5.2.
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(false),
            Err(error) => Err(SeatError::from(error)),
        }
    };
    if line.has(b"freezer") {
        // What a group above it says counts in here.
        return says(&place.directory, "freezer.state", &[b"FROZEN", b"FREEZING"]);
    }
    if !line.is_v2() {
        return Ok(false);
    }
    let mut upwards = place.directory.ancestors().take(place.ancestors + 1);
    upwards.try_fold(false, |frozen, group| Ok(frozen || says(group, "cgroup.freeze", &[b"1"])?))
}

impl Open {
    fn new(root: &SysRoot, place: &Place) -> Result<Self, SeatError> {
        let directory = path_text(&place.directory);
        let group = root.open_dir(&place.directory)?;
        let processes = processes_of(group.as_fd(), &directory)?;
        let leaf = if place.is_v2 && hands_controllers_down(group.as_fd()) {
            Some(Leaf::make(group, &directory)?)
        } else {
            None
        };
        Ok(Self { directory, processes, leaf })
    }

    fn add(&self, who: &str) -> Result<(), SeatError> {
        let write = |processes: &OwnedFd| rustix::io::write(processes, who.as_bytes()).map(drop);
        let added = match (write(&self.processes), &self.leaf) {
            (Err(rustix::io::Errno::BUSY), Some(leaf)) => write(&leaf.processes),
            (added, _) => added,
        };
        Ok(added.with_context("enter the control group", || self.directory.clone())?)
    }
}

fn processes_of(group: BorrowedFd<'_>, directory: &Text) -> Result<OwnedFd, SeatError> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(group, "cgroup.procs", flags, Mode::empty())
        .with_context("enter the control group", || directory.clone())?)
}

/// A group that hands controllers down may refuse processes of its own with EBUSY; the first of all,
/// which has no events, does not.
fn hands_controllers_down(group: BorrowedFd<'_>) -> bool {
    let file = |name| bounded::read(group, name, bounded::SMALL);
    file("cgroup.subtree_control").is_ok_and(|names| !names.trim_ascii().is_empty())
        && file("cgroup.events").is_ok()
}

/// A group of ours below another; removed when dropped.
#[derive(Debug)]
struct Leaf {
    parent: OwnedFd,
    name: String,
    processes: OwnedFd,
}

impl Leaf {
    /// `nsx-PID`, with a number behind it where that is taken: pid namespaces repeat pids.
    fn make(parent: OwnedFd, directory: &Text) -> Result<Self, SeatError> {
        let mut name = format!("nsx-{}", std::process::id());
        for number in 2.. {
            match rustix::fs::mkdirat(&parent, name.as_str(), Mode::from_raw_mode(0o755)) {
                Err(rustix::io::Errno::EXIST) if number < 1000 => {
                    name = format!("nsx-{}-{number}", std::process::id());
                }
                made => {
                    made.with_context("make a group in", || directory.clone())?;
                    break;
                }
            }
        }
        let made = rustix::fs::openat(
            &parent,
            name.as_str(),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let made = made.context("open", name.as_str()).map_err(SeatError::from);
        match made.and_then(|made| processes_of(made.as_fd(), directory)) {
            Ok(processes) => Ok(Self { parent, name, processes }),
            Err(error) => {
                let _ = rustix::fs::unlinkat(&parent, name.as_str(), AtFlags::REMOVEDIR);
                Err(error)
            }
        }
    }
}

impl Drop for Leaf {
    /// The kernel needs a moment to let an emptied group go. What the program left running in it
    /// goes on there, as it would in the target's group.
    fn drop(&mut self) {
        for _ in 0..40 {
            match rustix::fs::unlinkat(&self.parent, self.name.as_str(), AtFlags::REMOVEDIR) {
                Err(rustix::io::Errno::BUSY) => std::thread::sleep(Duration::from_millis(5)),
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "reads fixtures of its own")]

    use super::*;
    use crate::model::process::Pid as Number;

    const MOUNTS: &str = "\
30 1 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
31 1 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 1 0:28 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
33 1 0:29 /below /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
";
    const OURS: &str = "4:memory:/\n3:freezer:/\n2:name=systemd:/\n1:hugetlb:/\n0::/\n";

    /// A host on which the target has these lines, and these files are in its groups.
    fn host(theirs: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, SysRoot, ProcessHandle) {
        let temp = tempfile::tempdir().unwrap();
        let groups = files.iter().map(|(file, text)| (format!("sys/fs/cgroup/{file}"), *text));
        let own = [("mountinfo", MOUNTS), ("cgroup", OURS)];
        let own = own.map(|(file, text)| (format!("proc/self/{file}"), text));
        let theirs = [("proc/42/cgroup".to_owned(), theirs)];
        for (file, text) in groups.chain(own).chain(theirs) {
            let path = temp.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = SysRoot::fixture(temp.path()).unwrap();
        let handle = ProcessHandle::open(&root, Number::new(42).unwrap()).unwrap();
        (temp, root, handle)
    }

    fn written(temp: &tempfile::TempDir, file: &str) -> String {
        std::fs::read_to_string(temp.path().join("sys/fs/cgroup").join(file)).unwrap()
    }

    #[test]
    fn each_hierarchy_in_which_we_are_elsewhere_is_entered() {
        let theirs = "4:memory:/a\n3:freezer:/\n2:name=systemd:/else\n1:hugetlb:/a\n0::/a/b\n";
        let files = [
            ("memory/a/cgroup.procs", ""),
            ("freezer/cgroup.procs", ""),
            ("unified/a/b/cgroup.procs", ""),
            ("unified/a/cgroup.freeze", "0\n"),
        ];
        let (temp, root, target) = host(theirs, &files);
        let (seat, missing) = Seat::open(&root, &target, false).unwrap();
        let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
        assert_eq!(
            missing,
            [
                "control group: name=systemd, /else: no mount of ours shows it",
                "control group: hugetlb, /a: it is not mounted here",
            ]
        );
        seat.take(Some(Pid::from_raw(77))).unwrap();
        seat.take(None).unwrap();
        for group in ["memory/a", "unified/a/b"] {
            assert_eq!(written(&temp, &format!("{group}/cgroup.procs")), "770");
        }
        assert_eq!(written(&temp, "freezer/cgroup.procs"), "");
    }

    #[test]
    fn a_frozen_group_is_refused_unless_it_is_wanted() {
        let v1 = ("3:freezer:/a\n", "freezer/a/freezer.state", "FROZEN\n", "freezer/a");
        let freezing = ("3:freezer:/a\n", "freezer/a/freezer.state", "FREEZING\n", "freezer/a");
        let v2 = ("0::/a/b\n", "unified/a/b/cgroup.freeze", "1\n", "unified/a/b");
        let above = ("0::/a/b\n", "unified/a/cgroup.freeze", "1\n", "unified/a/b");
        for (lines, file, state, group) in [v1, freezing, v2, above] {
            let processes = format!("{group}/cgroup.procs");
            let (_temp, root, target) = host(lines, &[(file, state), (&processes, "")]);
            let error = Seat::open(&root, &target, false).unwrap_err();
            assert!(matches!(&error, SeatError::Frozen(_)), "{file}: {error}");
            assert!(error.to_string().contains(group), "{error}");
            assert!(Seat::open(&root, &target, true).is_ok(), "{file}");
        }
    }

    #[test]
    fn a_group_that_is_gone_is_named() {
        let (_temp, root, target) = host("4:memory:/gone (deleted)\n", &[]);
        let error = Seat::open(&root, &target, false).unwrap_err().to_string();
        assert!(error.contains("/sys/fs/cgroup/memory/gone"), "{error}");
    }

    #[test]
    fn below_a_group_that_hands_controllers_down_there_is_a_leaf_for_as_long_as_needed() {
        let files = [
            ("unified/a/cgroup.procs", ""),
            ("unified/a/cgroup.events", "populated 1\nfrozen 0\n"),
            ("unified/a/cgroup.subtree_control", "cpu\n"),
            ("unified/cgroup.subtree_control", "cpu\n"),
        ];
        let (temp, root, target) = host("0::/a\n", &files);
        let group = root.open_dir(Path::new("/sys/fs/cgroup/unified/a")).unwrap();
        assert!(hands_controllers_down(group.as_fd()));
        let first = root.open_dir(Path::new("/sys/fs/cgroup/unified")).unwrap();
        assert!(!hands_controllers_down(first.as_fd()));
        // Who only looks makes none.
        assert_eq!(Seat::look(&root, &target, false).unwrap(), (true, Vec::new()));
        let kept = || std::fs::read_dir(temp.path().join("sys/fs/cgroup/unified/a")).unwrap();
        assert_eq!(kept().count(), 3);
        // A fixture's new directory has no files of the kernel's: it is not left behind.
        assert!(Seat::open(&root, &target, false).is_err());
        assert_eq!(kept().count(), 3);
    }
}
