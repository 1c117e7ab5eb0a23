//! One group's directory, held open, and the files in it and in the groups above it.
//!
//! Knows no file by name. A file that is missing is `None`: the kernel is older, the controller is
//! off, or it is the root group. Anything else that goes wrong is a gap, one for each subject; that
//! groups above are out of sight is one for all.

use super::hierarchy::Place;
use super::paths::ancestor;
use super::values::Bound;
use crate::model::cgroup::Limit;
use crate::model::gap::{Gap, Reason};
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::error::{Context as _, IntoErrno, Problem, Result, SysError};
use crate::sys::root::{SysRoot, path_text};
use rustix::fs::AtFlags;
use std::os::fd::{AsFd as _, OwnedFd};

/// As many groups upwards as fit a path; deeper nesting is reported as cut.
const MAX_ANCESTORS: usize = 1024;

/// The inode of the root of every hierarchy. In a cgroup namespace, or where a part is mounted, the
/// topmost group that can be seen is another one.
const ROOT_INODE: u64 = 1;
/// What a gap is about where it is.
const ABOVE: &str = "limits of groups above";

/// An open group.
#[derive(Debug)]
pub struct Group {
    dir: OwnedFd,
    place: Place,
    /// The groups above it can be reached up to the root of the hierarchy.
    has_root: bool,
}

impl Group {
    /// ENOENT where the group has ended.
    pub fn open(root: &SysRoot, place: Place) -> Result<Self> {
        match root.open_dir(&place.directory) {
            Ok(dir) => {
                let has_root = !root.is_real() || reaches_root(&dir, place.ancestors);
                Ok(Self { dir, place, has_root })
            }
            // The name that the system has for it, whatever stands for the system.
            Err(error) => Err(SysError { object: path_text(&place.directory), ..error }),
        }
    }

    /// Its files are those of v2.
    pub fn is_v2(&self) -> bool {
        self.place.is_v2
    }
}

/// Where that cannot be told, nothing is said to be missing.
fn reaches_root(dir: &OwnedFd, ancestors: usize) -> bool {
    let top = format!("./{}", "../".repeat(ancestors.min(MAX_ANCESTORS)));
    let stat = rustix::fs::statat(dir, top, AtFlags::NO_AUTOMOUNT);
    stat.map_or(true, |stat| stat.st_ino == ROOT_INODE)
}

/// One file of a group, without holding the group open.
pub fn read_one(root: &SysRoot, place: &Place, file: &str) -> Result<Vec<u8>> {
    let path = root.path(&place.directory).join(file);
    let mut bytes = Vec::new();
    let name =
        path.to_str().ok_or_else(|| SysError::malformed("read", path_text(&path), "path"))?;
    bounded::read_record(rustix::fs::CWD, name, bounded::SMALL, &mut bytes)
        .with_context("read", || path_text(&path))?;
    Ok(bytes)
}

/// Reads a group for one subject (`memory`, `cpu`).
#[derive(Debug)]
pub struct Reader<'a> {
    group: &'a Group,
    subject: &'static str,
    gaps: &'a mut Vec<Gap>,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// What cannot be read is noted in `gaps`, by the subject.
    pub fn new(group: &'a Group, subject: &'static str, gaps: &'a mut Vec<Gap>) -> Self {
        Self { group, subject, gaps, buffer: Vec::new() }
    }

    /// A file of the group as `parse` understands it.
    pub fn value<T>(&mut self, file: &str, parse: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        self.value_above(0, file, parse)
    }

    /// The same of the group `levels` above. Reaching it by `..` opens no further directory.
    pub fn value_above<T>(
        &mut self,
        levels: usize,
        file: &str,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let name = format!("{}{file}", "../".repeat(levels));
        let dir = self.group.dir.as_fd();
        let problem = match bounded::read_record(dir, &name, bounded::SMALL, &mut self.buffer) {
            Ok(false) => match parse(&self.buffer) {
                Some(value) => return Some(value),
                None => Problem::Malformed("value"),
            },
            Ok(true) => Problem::Truncated,
            // Pressure files answer EOPNOTSUPP where the host was started without it.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::OPNOTSUPP) => return None,
            Err(errno) => Problem::Errno(errno.into_errno()),
        };
        self.note(&name, problem);
        None
    }

    /// The group itself (0) and those above it that can be reached.
    pub fn levels(&mut self) -> impl Iterator<Item = usize> + use<> {
        let ancestors = self.group.place.ancestors;
        if ancestors > MAX_ANCESTORS {
            self.note("", Problem::Truncated);
        }
        if !self.group.has_root && self.gaps.iter().all(|gap| gap.what != ABOVE) {
            let mut upwards = self.group.place.directory.ancestors();
            let object = upwards.nth(ancestors).map(path_text).unwrap_or_default();
            self.gaps.push(Gap { object, what: ABOVE, reason: Reason::Denied });
        }
        0..=ancestors.min(MAX_ANCESTORS)
    }

    /// What the group `levels` above is called.
    pub fn path_above(&self, levels: usize) -> Text {
        Text::from(ancestor(self.group.place.path.as_bytes(), levels))
    }

    /// The tightest of what `bound` finds at each level, from the group itself (0) upwards.
    pub fn tightest(&mut self, mut bound: impl FnMut(&mut Self, usize) -> Option<Bound>) -> Limit {
        let levels = self.levels();
        let stated: Vec<_> =
            levels.map(|levels| (bound(self, levels), self.path_above(levels))).collect();
        self.tightest_of(stated.iter().map(|(bound, path)| (*bound, path)))
    }

    /// The tightest of what its groups state, the nearest first.
    pub fn tightest_of<'b>(
        &self,
        stated: impl Iterator<Item = (Option<Bound>, &'b Text)>,
    ) -> Limit {
        let none = if self.group.has_root { Limit::Unlimited } else { Limit::Unseen };
        stated.fold(none, |tightest, (bound, path)| match bound {
            Some(Bound::At(value)) => {
                tightest.tighter(Limit::Value { value, set_by: path.clone() })
            }
            _ => tightest,
        })
    }

    /// One gap for each subject: what is wrong with one file is so with the others.
    fn note(&mut self, name: &str, problem: Problem) {
        if self.gaps.iter().any(|gap| gap.what == self.subject) {
            return;
        }
        let error = SysError {
            doing: "read",
            object: path_text(&self.group.place.directory.join(name)),
            problem,
        };
        self.gaps.push(error.gap(self.subject));
    }
}

#[cfg(test)]
impl Group {
    /// As where the groups above cannot be reached up to the root.
    #[must_use]
    pub fn cut_off(self) -> Self {
        Self { has_root: false, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags};
    use std::path::Path;

    fn opened(path: &Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    fn group(ancestors: usize) -> Group {
        let place =
            Place { directory: "/cg/a/b".into(), path: "/a/b".into(), ancestors, is_v2: true };
        Group { dir: opened(Path::new("/")), place, has_root: true }
    }

    #[test]
    fn the_root_of_a_hierarchy_is_known_by_its_inode() {
        // That of /proc has the same one.
        let below_a_root = opened(Path::new("/proc/sys/kernel"));
        assert!(reaches_root(&below_a_root, 2));
        assert!(!reaches_root(&below_a_root, 1) && !reaches_root(&below_a_root, 0));
        let file = opened(Path::new("/proc/version"));
        assert!(reaches_root(&file, 1), "it cannot be told");
    }

    #[test]
    fn levels_are_as_many_as_fit_a_path_and_more_are_said_to_be_cut() {
        for (ancestors, levels, gaps) in
            [(0, 1, 0), (2, 3, 0), (MAX_ANCESTORS, MAX_ANCESTORS + 1, 0)]
        {
            let (group, mut found) = (group(ancestors), Vec::new());
            assert_eq!(Reader::new(&group, "memory", &mut found).levels().count(), levels);
            assert_eq!(found.len(), gaps);
        }
        let (group, mut found) = (group(MAX_ANCESTORS + 1), Vec::new());
        let levels = Reader::new(&group, "memory", &mut found).levels().count();
        assert_eq!((levels, found.len()), (MAX_ANCESTORS + 1, 1));
        assert_eq!((found[0].what, found[0].reason), ("memory", Reason::Truncated));
    }

    #[test]
    fn that_groups_above_are_out_of_sight_is_said_once() {
        let (group, other) = (group(1).cut_off(), Reason::Gone);
        let other = Gap { object: "/cg/a/b/cpu.max".into(), what: "cpu", reason: other };
        let mut gaps = vec![other.clone()];
        for subject in ["memory", "pids"] {
            let mut files = Reader::new(&group, subject, &mut gaps);
            assert_eq!(files.tightest(|_, _| None), Limit::Unseen);
        }
        let above = Gap { object: "/cg/a".into(), what: ABOVE, reason: Reason::Denied };
        assert_eq!(gaps, [other, above]);
    }
}
