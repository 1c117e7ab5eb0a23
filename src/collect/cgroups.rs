//! One process's control groups: usage, limits, pressure.
//!
//! Each controller is read at the process's own group in whichever hierarchy has it. What the
//! kernel does not tell is `None`; what should be there and cannot be read is a gap.

use crate::model::cgroup::{Cgroup, Cpu, Memory, Pids, Version};
use crate::model::gap::{Gap, Reason};
use crate::model::process::State;
use crate::model::text::Text;
use crate::sys::cgroupfs::group::{Group, read_one};
use crate::sys::cgroupfs::hierarchy::{Hierarchies, Place};
use crate::sys::cgroupfs::paths::CgroupPaths;
use crate::sys::cgroupfs::{v1, v2};
use crate::sys::root::SysRoot;
use std::path::PathBuf;
use std::rc::Rc;

/// What the groups named by the lines of one `/proc/PID/cgroup` use and may use.
pub fn collect_cgroup(
    root: &SysRoot,
    hierarchies: &Hierarchies,
    cgroup_lines: &[u8],
) -> (Cgroup, Vec<Gap>) {
    let mut survey = Survey {
        root,
        hierarchies,
        paths: CgroupPaths::parse(cgroup_lines),
        opened: Vec::new(),
        gaps: Vec::new(),
    };
    let cgroup = Cgroup {
        version: hierarchies.version(),
        path: Text::new(survey.paths.best()),
        memory: survey.memory(),
        cpu: survey.cpu(),
        pids: survey.pids(),
        pressure: survey.unified().and_then(|group| v2::pressures(&group, &mut survey.gaps)),
        frozen: survey.frozen(),
    };
    (cgroup, survey.gaps)
}

/// Whether a process in that state is frozen: one file, or two where v1 has the freezer and may
/// hold it. For listings, which ask it of every container.
pub fn is_frozen(
    root: &SysRoot,
    hierarchies: &Hierarchies,
    cgroup_lines: &[u8],
    state: State,
) -> Option<bool> {
    let paths = CgroupPaths::parse(cgroup_lines);
    let read = |place: Option<Place>, file| read_one(root, &place?, file).ok();
    let freezer = hierarchies.locate(&paths, b"freezer");
    let freezer = freezer.filter(|place| !place.is_v2);
    let on_v1 = if freezer.is_some() && state.runs() {
        Some(false)
    } else {
        read(freezer, "freezer.state").map(|bytes| v1::frozen_of(&bytes))
    };
    if on_v1 == Some(true) {
        return on_v1;
    }
    let events = read(hierarchies.locate_unified(&paths), "cgroup.events");
    let on_v2 = events.and_then(|bytes| v2::frozen_of(&bytes));
    on_v2.or(on_v1)
}

/// The CPU time used so far: one file. For samples some time apart.
pub fn cpu_usage_usec(
    root: &SysRoot,
    hierarchies: &Hierarchies,
    cgroup_lines: &[u8],
) -> Option<u64> {
    let paths = CgroupPaths::parse(cgroup_lines);
    let accounting = hierarchies.locate(&paths, b"cpuacct").filter(|place| !place.is_v2);
    if let Some(place) = accounting {
        return v1::usage_usec_of(&read_one(root, &place, "cpuacct.usage").ok()?);
    }
    let place = hierarchies.locate_unified(&paths)?;
    v2::usage_usec_of(&read_one(root, &place, "cpu.stat").ok()?)
}

/// One pass over the groups of one process. A directory is opened once, whatever is read there.
struct Survey<'a> {
    root: &'a SysRoot,
    hierarchies: &'a Hierarchies,
    paths: CgroupPaths<'a>,
    opened: Vec<(PathBuf, Option<Rc<Group>>)>,
    gaps: Vec<Gap>,
}

impl Survey<'_> {
    fn memory(&mut self) -> Option<Memory> {
        let group = self.controller("memory")?;
        if group.is_v2() {
            v2::memory(&group, &mut self.gaps)
        } else {
            v1::memory(&group, &mut self.gaps)
        }
    }

    /// v1 has the usage in one controller and the limit in another.
    fn cpu(&mut self) -> Option<Cpu> {
        let group = self.controller("cpu");
        if let Some(unified) = group.as_ref().filter(|group| group.is_v2()) {
            return v2::cpu(unified, &mut self.gaps);
        }
        let accounting = self.controller("cpuacct");
        let accounting = accounting.filter(|group| !group.is_v2());
        if group.is_none() && accounting.is_none() {
            return None;
        }
        let limited = group.map(|group| v1::cpu(&group, &mut self.gaps));
        Some(Cpu {
            usage_usec: accounting.and_then(|group| v1::cpu_usage_usec(&group, &mut self.gaps)),
            ..limited.unwrap_or_default()
        })
    }

    fn pids(&mut self) -> Option<Pids> {
        let group = self.controller("pids")?;
        v2::pids(&group, &mut self.gaps)
    }

    /// A group beside v1 may be frozen through either hierarchy.
    fn frozen(&mut self) -> Option<bool> {
        let freezer = self.controller("freezer").filter(|group| !group.is_v2());
        let on_v1 = freezer.and_then(|group| v1::frozen(&group, &mut self.gaps));
        if on_v1 == Some(true) {
            return on_v1;
        }
        let unified = self.unified();
        let on_v2 = unified.and_then(|group| v2::frozen(&group, &mut self.gaps));
        on_v2.or(on_v1)
    }

    fn controller(&mut self, controller: &'static str) -> Option<Rc<Group>> {
        let line = self.paths.line(controller.as_bytes())?;
        if line.is_v2() {
            return self.unified();
        }
        if !self.paths.accounts(line) {
            return None;
        }
        let place = self.hierarchies.locate(&self.paths, controller.as_bytes());
        if place.is_none() {
            self.unreachable(line.path, controller);
        }
        self.open(place?)
    }

    fn unified(&mut self) -> Option<Rc<Group>> {
        let line = self.paths.unified()?;
        // The line is there even where v2 was never mounted; then v1 has all there is.
        if self.hierarchies.version() == Version::V1 || !self.paths.accounts(line) {
            return None;
        }
        let place = self.hierarchies.locate_unified(&self.paths);
        if place.is_none() {
            self.unreachable(line.path, "cgroup");
        }
        self.open(place?)
    }

    /// No mount that we see shows the group.
    fn unreachable(&mut self, path: &[u8], what: &'static str) {
        if !self.gaps.iter().any(|gap| gap.what == what) {
            self.gaps.push(Gap { object: Text::new(path), what, reason: Reason::Unsupported });
        }
    }

    fn open(&mut self, place: Place) -> Option<Rc<Group>> {
        let known = self.opened.iter().find(|(directory, _)| *directory == place.directory);
        if let Some((_, group)) = known {
            return group.clone();
        }
        let directory = place.directory.clone();
        let group = match Group::open(self.root, place) {
            Ok(group) => Some(Rc::new(group)),
            Err(error) => {
                self.gaps.push(error.gap("cgroup"));
                None
            }
        };
        self.opened.push((directory, group.clone()));
        group
    }
}

#[cfg(test)]
mod tests;
