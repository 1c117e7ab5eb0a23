//! One process's control groups: usage, limits, pressure.
//!
//! Each controller is read at the process's own group in whichever hierarchy has it. What the
//! kernel does not tell is `None`; what should be there and cannot be read is a gap.

use crate::model::cgroup::{
    Cgroup, Cpu, CpuInFull, GroupPath, HugePages, Io, IoLimit, Memory, MemoryInFull, PidsInFull,
    Version,
};
use crate::model::gap::{Gap, Reason};
use crate::model::process::State;
use crate::model::text::Text;
use crate::model::usage::Usage;
use crate::sys::cgroupfs::group::{Group, read_one};
use crate::sys::cgroupfs::hierarchy::{Hierarchies, Place};
use crate::sys::cgroupfs::paths::CgroupPaths;
use crate::sys::cgroupfs::{v1, v2};
use crate::sys::proc::cgroup;
use crate::sys::root::{SysRoot, path_text};
use std::path::PathBuf;
use std::rc::Rc;

mod devices;
pub mod sample;

/// What the groups named by the lines of one `/proc/PID/cgroup` use and may use.
pub fn collect_cgroup(
    root: &SysRoot,
    hierarchies: &Hierarchies,
    cgroup_lines: &[u8],
) -> (Cgroup, Vec<Gap>) {
    let mut survey = Survey::new(root, hierarchies, cgroup_lines);
    let cgroup = Cgroup {
        version: hierarchies.version(),
        path: Text::new(survey.paths.best()),
        paths: paths(cgroup_lines),
        memory: survey.memory_in_full(),
        cpu: survey.cpu_in_full(),
        pids: survey.pids_in_full(),
        io: survey.io(),
        huge_pages: survey.huge_pages(),
        pressure: survey.unified().and_then(|group| v2::pressures(&group, &mut survey.gaps)),
        frozen: survey.frozen(),
    };
    (cgroup, survey.gaps)
}

/// The same as a list needs it: fewer files.
pub fn collect_usage(
    root: &SysRoot,
    hierarchies: &Hierarchies,
    cgroup_lines: &[u8],
) -> (Usage, Vec<Gap>) {
    let mut survey = Survey::new(root, hierarchies, cgroup_lines);
    let pids = survey.controller("pids");
    let usage = Usage {
        memory: survey.memory(),
        cpu: survey.cpu(),
        pids: pids.and_then(|group| v2::pids(&group, &mut survey.gaps)),
        ..Usage::default()
    };
    (usage, survey.gaps)
}

/// The rules of the v1 devices controller; `None` where the group has no file of them.
pub fn device_rules(
    root: &SysRoot,
    hierarchies: &Hierarchies,
    cgroup_lines: &[u8],
) -> Option<Vec<u8>> {
    let paths = CgroupPaths::parse(cgroup_lines);
    let place = hierarchies.locate(&paths, b"devices").filter(|place| !place.is_v2)?;
    told(root, &place, "devices.list")
}

fn paths(lines: &[u8]) -> Vec<GroupPath> {
    let own = |line: cgroup::Line<'_>| GroupPath {
        controllers: Text::new(line.controllers),
        path: Text::new(line.path),
    };
    cgroup::parse(lines).map(own).collect()
}

/// Whether a process in that state is frozen: one file, or two where v1 has the freezer and may
/// hold it. For listings, which ask it of every container. The root of a hierarchy cannot be frozen:
/// a process there costs no look.
pub fn is_frozen(
    root: &SysRoot,
    hierarchies: &Hierarchies,
    cgroup_lines: &[u8],
    state: State,
) -> Option<bool> {
    let paths = CgroupPaths::parse(cgroup_lines);
    let read = |place: Option<Place>, file| {
        told(root, &place.filter(|place| place.path.as_bytes() != b"/")?, file)
    };
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
    if paths.own_line(b"cpuacct").is_some_and(|line| !line.is_v2()) {
        let place = hierarchies.locate(&paths, b"cpuacct")?;
        return v1::usage_usec_of(&told(root, &place, "cpuacct.usage")?);
    }
    paths.unified().filter(|line| paths.accounts(*line))?;
    let place = hierarchies.locate_unified(&paths)?;
    v2::usage_usec_of(&told(root, &place, "cpu.stat")?)
}

/// One file, if it is there; a gap where it cannot be read.
fn told(root: &SysRoot, place: &Place, file: &str) -> Option<Vec<u8>> {
    root.reach().told(|| path_text(&place.directory), "cgroup", read_one(root, place, file))
}

/// That of cpu, and on v1 that of cpuacct.
type CpuGroups = (Option<Rc<Group>>, Option<Rc<Group>>);

/// One pass over the groups of one process. A directory is opened once, whatever is read there.
struct Survey<'a> {
    root: &'a SysRoot,
    hierarchies: &'a Hierarchies,
    paths: CgroupPaths<'a>,
    opened: Vec<(PathBuf, Option<Rc<Group>>)>,
    gaps: Vec<Gap>,
}

impl<'a> Survey<'a> {
    fn new(root: &'a SysRoot, hierarchies: &'a Hierarchies, lines: &'a [u8]) -> Self {
        let paths = CgroupPaths::parse(lines);
        Self { root, hierarchies, paths, opened: Vec::new(), gaps: Vec::new() }
    }

    fn memory(&mut self) -> Option<Memory> {
        let group = self.controller("memory")?;
        let read = if group.is_v2() { v2::memory } else { v1::memory };
        read(&group, &mut self.gaps)
    }

    fn memory_in_full(&mut self) -> Option<MemoryInFull> {
        let group = self.controller("memory")?;
        let read = if group.is_v2() { v2::memory_in_full } else { v1::memory_in_full };
        read(&group, &mut self.gaps)
    }

    fn cpu(&mut self) -> Option<Cpu> {
        let (group, accounting) = self.cpu_groups()?;
        if let Some(unified) = group.as_ref().filter(|group| group.is_v2()) {
            return v2::cpu(unified, &mut self.gaps);
        }
        let limited = group.map(|group| v1::cpu(&group, &mut self.gaps));
        let usage_usec = match accounting {
            Some(group) => v1::cpu_usage_usec(&group, &mut self.gaps),
            None => self.unified().and_then(|group| v2::cpu_times(&group, &mut self.gaps).usage),
        };
        Some(Cpu { usage_usec, ..limited.unwrap_or_default() })
    }

    fn cpu_in_full(&mut self) -> Option<CpuInFull> {
        let (group, accounting) = self.cpu_groups()?;
        if let Some(unified) = group.as_ref().filter(|group| group.is_v2()) {
            return v2::cpu_in_full(unified, &mut self.gaps);
        }
        let mut cpu =
            group.map(|group| v1::cpu_in_full(&group, &mut self.gaps)).unwrap_or_default();
        if let Some(group) = accounting {
            cpu.basic.usage_usec = v1::cpu_usage_usec(&group, &mut self.gaps);
            (cpu.user_usec, cpu.system_usec) = v1::user_and_system_usec(&group, &mut self.gaps);
        } else if let Some(group) = self.unified() {
            let times = v2::cpu_times(&group, &mut self.gaps);
            cpu.basic.usage_usec = times.usage;
            (cpu.user_usec, cpu.system_usec) = (times.user, times.system);
        }
        if let Some(group) = self.controller("cpuset").filter(|group| !group.is_v2()) {
            (cpu.cpus, cpu.mems) = v1::cpuset(&group, &mut self.gaps);
        }
        Some(cpu)
    }

    /// v1 has the limit in one controller and the usage in another.
    fn cpu_groups(&mut self) -> Option<CpuGroups> {
        let group = self.controller("cpu");
        if group.as_ref().is_some_and(|group| group.is_v2()) {
            return Some((group, None));
        }
        let accounting = self.controller("cpuacct").filter(|group| !group.is_v2());
        (group.is_some() || accounting.is_some()).then_some((group, accounting))
    }

    fn pids_in_full(&mut self) -> Option<PidsInFull> {
        let group = self.controller("pids")?;
        v2::pids_in_full(&group, &mut self.gaps)
    }

    fn io(&mut self) -> Option<Io> {
        // One controller with two names.
        let v1_group = self.controller("blkio").filter(|group| !group.is_v2());
        let (mut devices, stated) = match v1_group {
            Some(group) => v1::io(&group, &mut self.gaps)?,
            None => v2::io(&*self.controller("io")?, &mut self.gaps)?,
        };
        let mut names = devices::Names::of(self.root);
        for one in &mut devices {
            one.name = names.of_device(&one.device);
        }
        let limits = stated.into_iter().map(|(device, kind, per_second, set_by)| IoLimit {
            name: names.of_device(&device),
            device,
            kind,
            per_second,
            set_by,
            binds: false,
        });
        let mut io = Io { limits: limits.collect(), devices };
        io.mark_binding();
        Some(io)
    }

    fn huge_pages(&mut self) -> Vec<HugePages> {
        let Some(group) = self.controller("hugetlb") else {
            return Vec::new();
        };
        let sizes = devices::huge_page_sizes(self.root);
        sizes.iter().map_while(|size| v2::huge_pages(&group, size, &mut self.gaps)).collect()
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
