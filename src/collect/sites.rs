//! Where control groups for one program can be made: with the controllers that its limits need,
//! and, where they can be had, with those that count what it used.
//!
//! On v1 below our own group in each hierarchy, so that our own limits hold for it too; of I/O they
//! would not, where v1 limits each group by itself alone. On v2 a group with processes may have no
//! groups with controllers below it: there beside our own, at the nearest ancestor that hands down
//! what is needed. No controller is switched on for this. See cgroups(7) and "Delegation" in the
//! kernel's admin-guide/cgroup-v2.

use crate::model::group::{Controller, Site, Sites};
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::cgroupfs::hierarchy::{Hierarchies, Place};
use crate::sys::cgroupfs::paths::CgroupPaths;
use crate::sys::cgroupfs::values::number;
use crate::sys::error::{IntoErrno, Result as SysResult, SysError};
use crate::sys::root::{SysRoot, path_text};
use nix::errno::Errno;
use rustix::fs::{Access, AtFlags};
use std::os::fd::AsFd;
use std::path::Path;

/// Why a limit cannot be set on this host, or not by us.
#[derive(Debug, thiserror::Error)]
pub enum NoSite {
    /// No hierarchy or group that we see has the controller for it.
    #[error("cannot limit {}: no {name} controller: {why}", .controller.subject())]
    Missing {
        /// The one that the limit needs.
        controller: Controller,
        /// What the version in question calls it: `io`, `blkio`.
        name: &'static str,
        /// What is known of it.
        why: Missing,
    },
    /// There is one, and we may not use it.
    #[error(
        "cannot limit {}: cannot make a control group in {directory}: {why}",
        .controller.subject(),
        why = errno.desc()
    )]
    Denied {
        /// The one that the limit needs.
        controller: Controller,
        /// Where the group was to be; of v2 the nearest that hands down what is needed.
        directory: Text,
        /// What access(2) says of it: EACCES, EROFS.
        errno: Errno,
        /// It is in the v2 hierarchy.
        is_v2: bool,
    },
    /// On v1 our own group has limits of I/O, which hold for no group below it.
    #[error(
        "cannot limit {}: the I/O limits of {directory} would not hold for the program any more",
        .controller.subject()
    )]
    Throttled {
        /// The one that the limit needs: that of I/O, or one of the same hierarchy.
        controller: Controller,
        /// Our own group.
        directory: Text,
    },
    /// Our own `/proc/self/cgroup` or mountinfo could not be read.
    #[error(transparent)]
    System(#[from] SysError),
}

/// Why there is no controller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// `/proc/cgroups` does not list it, and no root group of v2 that we see has it.
    #[error("this kernel has none")]
    NotBuilt,
    /// `/proc/cgroups` lists it as disabled: `cgroup_disable=` on the kernel's command line.
    #[error("the host was started without it")]
    SwitchedOff,
    /// The kernel has it, but no mount of ours shows our group.
    #[error("its hierarchy is not mounted where we see it")]
    NotMounted,
    /// The topmost group of v2 that we see lacks it in `cgroup.controllers`.
    #[error("{0} was not given it")]
    NotGiven(Text),
    /// Of the groups that we see none hands down all that is needed; the nearest above ours.
    #[error("{0} does not hand it down, nor does a group above that we see")]
    NotHandedDown(Text),
}

/// Whether we may make a group in a directory and move our children there.
type MayUse<'a> = &'a dyn Fn(&Path, bool) -> std::result::Result<(), Errno>;

/// What counts, in the order in which it is given up where a group of v2 does not hand all down.
const COUNTING: [&[Controller]; 3] =
    [&[Controller::Memory, Controller::Pids], &[Controller::Memory], &[]];
const ACCOUNTING: [Controller; 4] =
    [Controller::Memory, Controller::CpuAccounting, Controller::Pids, Controller::Io];

/// Sites for groups with the controllers `needed`, and with `accounting` for those that count as
/// far as they can be had. None at all where neither is asked for.
pub fn collect_sites(
    root: &SysRoot,
    needed: &[Controller],
    accounting: bool,
) -> Result<Sites, NoSite> {
    collect_sites_where(root, needed, accounting, &|directory, is_v2| {
        may_use(&root.path(directory), is_v2)
    })
}

/// In v2 whoever moves a process needs to write to the `cgroup.procs` of the nearest common
/// ancestor, which is the directory itself.
fn may_use(directory: &Path, is_v2: bool) -> std::result::Result<(), Errno> {
    let access = |path: &Path, access| {
        rustix::fs::accessat(rustix::fs::CWD, path, access, AtFlags::EACCESS)
            .map_err(IntoErrno::into_errno)
    };
    access(directory, Access::WRITE_OK | Access::EXEC_OK)?;
    if is_v2 { access(&directory.join("cgroup.procs"), Access::WRITE_OK) } else { Ok(()) }
}

fn collect_sites_where(
    root: &SysRoot,
    needed: &[Controller],
    accounting: bool,
    may_use: MayUse<'_>,
) -> Result<Sites, NoSite> {
    if needed.is_empty() && !accounting {
        return Ok(Sites::default());
    }
    let lines = bounded::read(root.proc(), "self/cgroup", bounded::SMALL)?;
    let hierarchies = Hierarchies::read(root)?;
    let paths = CgroupPaths::parse(&lines);
    let search = Search { root, hierarchies: &hierarchies, paths: &paths, may_use };
    let mut sites = Sites::default();
    let mut of_v2 = Vec::new();
    for controller in needed {
        match search.on_v1(*controller) {
            Some(site) => add(&mut sites, site?),
            None => of_v2.push(*controller),
        }
    }
    let unified = match of_v2.as_slice() {
        [] => search.optional_v2(accounting),
        of_v2 => Some(search.on_v2(of_v2)?),
    };
    if accounting {
        // cpu.stat of v2 is finer than the ticks of cpuacct.
        let spared = unified.as_ref().map(|_| Controller::CpuAccounting);
        for controller in ACCOUNTING.into_iter().filter(|one| Some(*one) != spared) {
            if let Some(Ok(site)) = search.on_v1(controller) {
                add(&mut sites, Site { is_optional: true, ..site });
            }
        }
    }
    sites.0.extend(unified);
    Ok(sites)
}

/// Controllers that share a hierarchy share a group.
fn add(sites: &mut Sites, site: Site) {
    match sites.0.iter_mut().find(|known| known.parent == site.parent) {
        Some(known) => {
            known.is_optional &= site.is_optional;
            known.controllers.extend(site.controllers);
        }
        None => sites.0.push(site),
    }
}

struct Search<'a> {
    root: &'a SysRoot,
    hierarchies: &'a Hierarchies,
    paths: &'a CgroupPaths<'a>,
    may_use: MayUse<'a>,
}

impl Search<'_> {
    /// `None` where no v1 hierarchy has the controller.
    fn on_v1(&self, controller: Controller) -> Option<Result<Site, NoSite>> {
        let name = controller.v1_name();
        let line = self.paths.line(name.as_bytes()).filter(|line| !line.is_v2())?;
        let Some(place) = self.hierarchies.locate(self.paths, name.as_bytes()) else {
            return Some(Err(NoSite::Missing { controller, name, why: Missing::NotMounted }));
        };
        let site = Site {
            parent: place.directory,
            is_v2: false,
            controllers: vec![controller],
            is_optional: false,
        };
        if line.has(Controller::Io.v1_name().as_bytes()) && is_throttled(self.root, &site.parent) {
            let directory = path_text(&site.parent);
            return Some(Err(NoSite::Throttled { controller, directory }));
        }
        Some(match (self.may_use)(&site.parent, false) {
            Ok(()) => Ok(site),
            Err(errno) => Err(NoSite::Denied {
                controller,
                directory: path_text(&site.parent),
                errno,
                is_v2: false,
            }),
        })
    }

    /// Our own group and those above it that can be seen, upwards.
    fn upwards<'p>(&self, own: &'p Place) -> impl Iterator<Item = Candidate<'p>> {
        let groups = own.directory.ancestors().take(own.ancestors + 1);
        groups.filter_map(|directory| Candidate::read(self.root, directory))
    }

    fn on_v2(&self, needed: &[Controller]) -> Result<Site, NoSite> {
        let Some(own) = self.hierarchies.locate_unified(self.paths) else {
            return Err(self.missing(needed, None));
        };
        let mut denied = None;
        for candidate in self.upwards(&own).filter(|group| group.hands_down(needed)) {
            match (self.may_use)(candidate.directory, true) {
                Ok(()) => return Ok(candidate.site(false)),
                Err(errno) => {
                    denied.get_or_insert((candidate.directory, errno));
                }
            }
        }
        match (denied, needed.first()) {
            (Some((directory, errno)), Some(controller)) => Err(NoSite::Denied {
                controller: *controller,
                directory: path_text(directory),
                errno,
                is_v2: true,
            }),
            _ => Err(self.missing(needed, Some(&own))),
        }
    }

    /// A group of v2 that need have no controller: it is what all processes of the program can be
    /// killed by at once. With `accounting` preferably where it counts, but never where a limit
    /// would hold no more that holds for us: nobody asked for that.
    fn optional_v2(&self, accounting: bool) -> Option<Site> {
        let own = self.hierarchies.locate_unified(self.paths)?;
        let wishes: &[&[Controller]] = if accounting { &COUNTING } else { &[&[]] };
        wishes.iter().find_map(|wish| {
            for directory in own.directory.ancestors().take(own.ancestors + 1) {
                let group = Candidate::read(self.root, directory);
                if let Some(group) = group.filter(|group| group.hands_down(wish))
                    && (self.may_use)(directory, true).is_ok()
                {
                    return Some(group.site(true));
                }
                // Also of one that cannot have groups of processes below it, as it holds threads.
                if is_limited(self.root, directory) {
                    break;
                }
            }
            None
        })
    }

    /// Which of the controllers is it, and why is it not there?
    fn missing(&self, needed: &[Controller], own: Option<&Place>) -> NoSite {
        let groups: Vec<_> = own.into_iter().flat_map(|own| self.upwards(own)).collect();
        let nowhere = |controller: &Controller| {
            !groups.iter().any(|group| group.hands_down(std::slice::from_ref(controller)))
        };
        // Each may be handed down somewhere, though not all by the same group.
        let controller = needed.iter().copied().find(nowhere).or(needed.first().copied());
        let controller = controller.unwrap_or(Controller::Memory);
        let name = controller.v2_name().unwrap_or(controller.v1_name());
        let why = match (self.known(controller), groups.last()) {
            (Some(false), _) => Missing::SwitchedOff,
            (Some(true), None) => Missing::NotMounted,
            (None, None) => Missing::NotBuilt,
            (known, Some(top)) if !has(self.root, top.directory, "cgroup.controllers", name) => {
                match known {
                    None if is_root(own) => Missing::NotBuilt,
                    _ => Missing::NotGiven(path_text(top.directory)),
                }
            }
            (_, Some(top)) => Missing::NotHandedDown(path_text(
                own.and_then(|own| own.directory.parent().filter(|_| own.ancestors > 0))
                    .unwrap_or(top.directory),
            )),
        };
        NoSite::Missing { controller, name, why }
    }

    /// What the kernel says of a controller: whether it is on. Since Linux 6.16 the list has those
    /// of v1 alone.
    fn known(&self, controller: Controller) -> Option<bool> {
        let table = bounded::read(self.root.proc(), "cgroups", bounded::SMALL).ok()?;
        let is_on = |line: &[u8]| {
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let is_it = words.next()? == controller.v1_name().as_bytes();
            let enabled = words.nth(2)?;
            is_it.then_some(enabled != b"0")
        };
        table.split(|byte| *byte == b'\n').find_map(is_on)
    }
}

fn is_root(own: Option<&Place>) -> bool {
    own.is_some_and(|own| {
        let names = own.path.as_bytes().split(|byte| *byte == b'/');
        names.filter(|name| !name.is_empty()).count() == own.ancestors
    })
}

/// A group of v2 in which another might be made.
struct Candidate<'a> {
    directory: &'a Path,
    /// What cgroup.subtree_control says.
    handed_down: Vec<Controller>,
}

impl<'a> Candidate<'a> {
    /// `None` where it cannot be read, and where it holds threads in groups of their own: then a group
    /// below takes no processes.
    fn read(root: &SysRoot, directory: &'a Path) -> Option<Self> {
        let group = root.open_dir(directory).ok()?;
        // The root group has no type.
        let kind = bounded::read(group.as_fd(), "cgroup.type", bounded::SMALL);
        if !matches!(kind.as_deref().map(<[u8]>::trim_ascii), Ok(b"domain") | Err(_)) {
            return None;
        }
        let names = bounded::read(group.as_fd(), "cgroup.subtree_control", bounded::SMALL).ok()?;
        let lists = |controller: &Controller| {
            controller.v2_name().is_some_and(|name| names_hold(&names, name))
        };
        let handed_down = Controller::ALL.into_iter().filter(lists).collect();
        Some(Self { directory, handed_down })
    }

    fn hands_down(&self, controllers: &[Controller]) -> bool {
        controllers.iter().all(|controller| self.handed_down.contains(controller))
    }

    fn site(&self, is_optional: bool) -> Site {
        Site {
            parent: self.directory.to_owned(),
            is_v2: true,
            controllers: self.handed_down.clone(),
            is_optional,
        }
    }
}

/// Whether a group of v2 itself limits something. (systemd limits the processes of everything, if nobody
/// says otherwise: that is no wish of anybody's, what is less than that is.)
fn is_limited(root: &SysRoot, directory: &Path) -> bool {
    let Ok(group) = root.open_dir(directory) else { return false };
    let first = |file: &str| {
        let text = bounded::read(group.as_fd(), file, bounded::SMALL).ok()?;
        text.split(u8::is_ascii_whitespace).next().map(<[u8]>::to_vec)
    };
    let says = |file: &str, nothing: &[u8]| first(file).is_some_and(|word| word != nothing);
    says("memory.max", b"max")
        || says("memory.high", b"max")
        || says("memory.swap.max", b"max")
        || says("cpu.max", b"max")
        || says("cpuset.cpus", b"")
        || says("io.max", b"")
        || first("pids.max").is_some_and(|most| is_few(root, &most))
}

/// Whether so many processes are less than systemd gives a unit by itself: 15 % of what the machine can
/// have (TasksMax= in systemd.resource-control(5)).
fn is_few(root: &SysRoot, most: &[u8]) -> bool {
    let Some(most) = number(most) else { return false };
    let of_machine = ["sys/kernel/pid_max", "sys/kernel/threads-max"].map(|file| {
        let text = bounded::read(root.proc(), file, bounded::SMALL).ok()?;
        number(&text)
    });
    of_machine.into_iter().flatten().min().is_none_or(|all| most < all.saturating_mul(15) / 100)
}

/// Whether a group of v1 itself limits I/O.
fn is_throttled(root: &SysRoot, directory: &Path) -> bool {
    let Ok(group) = root.open_dir(directory) else { return false };
    ["read_bps", "write_bps", "read_iops", "write_iops"].iter().any(|what| {
        let file = format!("blkio.throttle.{what}_device");
        let rules = bounded::read(group.as_fd(), &file, bounded::SMALL);
        rules.is_ok_and(|rules| !rules.trim_ascii().is_empty())
    })
}

fn names_hold(names: &[u8], name: &str) -> bool {
    names.split(u8::is_ascii_whitespace).any(|one| one == name.as_bytes())
}

fn has(root: &SysRoot, directory: &Path, file: &str, name: &str) -> bool {
    let read = || -> SysResult<Vec<u8>> {
        bounded::read(root.open_dir(directory)?.as_fd(), file, bounded::SMALL)
    };
    read().is_ok_and(|names| names_hold(&names, name))
}

#[cfg(test)]
mod tests;
