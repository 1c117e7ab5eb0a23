//! The limits that were asked for, and where groups can be made that hold them.

use super::host::Host;
use crate::cli::error::{Failure, Kind};
use crate::collect::block_device::{self, NoDevice};
use crate::collect::sites::{Missing, NoSite, collect_sites};
use crate::model::cgroup::{Bound, IoKind};
use crate::model::group::{Controller, IoRule, Limits, Sites};
use crate::model::text::Text;
use crate::sys::root::SysRoot;
use std::path::Path;

/// Limits as the command line has them.
#[derive(Debug, Default)]
pub struct Asked {
    /// All but those of I/O: `io` is empty until the devices are looked up.
    pub checked: Limits,
    /// Those of I/O, by a device as it was spelled: which one is meant is not known yet.
    pub by_device: Vec<(Text, IoKind, u64)>,
}

impl Asked {
    /// Nothing is limited, and no group is needed for it.
    pub fn is_empty(&self) -> bool {
        self.by_device.is_empty() && self.checked == Limits::default()
    }

    /// The limits, and where groups can be made that hold them; for `accounting` also, as far as
    /// there are any, such as count what is used. No site: there is nothing to make.
    pub(super) fn place(self, host: &Host, accounting: bool) -> Result<(Limits, Sites), Failure> {
        if self.is_empty() && !accounting {
            return Ok((self.checked, Sites::default()));
        }
        self.place_below(host.root()?, accounting)
    }

    fn place_below(self, root: &SysRoot, accounting: bool) -> Result<(Limits, Sites), Failure> {
        let mut limits = self.checked;
        for (spelled, kind, per_second) in self.by_device {
            let device = block_device::find(root, &spelled).map_err(no_device)?;
            limits.io.push(IoRule { device, kind, per_second });
        }
        let sites = collect_sites(root, &limits.controllers(), accounting);
        let sites = sites.map_err(|error| no_site(root, error))?;
        let together = |sites: &Sites| {
            sites.0.iter().any(|site| !site.is_v2 && site.controllers.contains(&Controller::Memory))
        };
        if matches!(limits.swap, Some(Bound::At(_)))
            && limits.memory_bytes.is_none()
            && together(&sites)
        {
            let why = "cgroup v1 limits it together with memory";
            return Err(Failure::new(Kind::Unsupported, format!("cannot limit swap: {why}"))
                .hint("add --memory"));
        }
        Ok((limits, sites))
    }
}

fn no_device(error: NoDevice) -> Failure {
    let hint = match &error {
        NoDevice::Misspelled(_) | NoDevice::NotABlockDevice(_) => {
            Some("for example /dev/sda, or 8:0".to_owned())
        }
        NoDevice::Partition { disk, .. } => Some(format!("name {disk}")),
        NoDevice::Unknown(_) => Some("`lsblk` lists what there is".to_owned()),
        NoDevice::System(_) => None,
    };
    match (error, hint) {
        (NoDevice::System(error), _) => Failure::from(error).or_hint("`lsblk` lists what there is"),
        (error @ NoDevice::Misspelled(_), Some(hint)) => Failure::usage(error).hint(hint),
        (error, Some(hint)) => Failure::new(Kind::NotFound, error).hint(hint),
        (error, None) => Failure::new(Kind::NotFound, error),
    }
}

/// In a session of systemd nothing is ours to limit; its managers give what is.
fn no_site(root: &SysRoot, error: NoSite) -> Failure {
    let is_root = rustix::process::geteuid().is_root();
    let has_systemd = root.open_dir(Path::new("/run/systemd/system")).is_ok();
    let delegate = |manager: &str| {
        format!(
            "`systemd-run {manager}--scope -p Delegate=yes nsx spawn …` gives it a group of its own"
        )
    };
    match error {
        NoSite::System(error) => error.into(),
        NoSite::Throttled { .. } => Failure::new(Kind::Unsupported, &error)
            .hint("run nsx in a group of blkio without blkio.throttle limits of its own"),
        NoSite::Denied { is_v2, .. } => {
            let failure = Failure::new(Kind::Denied, &error);
            match (is_v2 && has_systemd, is_root) {
                (true, false) => {
                    failure.hint(format!("run it as root; or {}", delegate("--user ")))
                }
                (false, false) => failure.hint("run it as root"),
                (_, true) => failure.hint("run nsx where /sys/fs/cgroup can be written to"),
            }
        }
        NoSite::Missing { ref why, name, .. } => {
            let failure = Failure::new(Kind::Unsupported, &error);
            match (why, has_systemd, is_root) {
                (Missing::NotHandedDown(_), true, true) => failure.hint(delegate("")),
                (Missing::NotHandedDown(_), true, false) => failure.hint(delegate("--user ")),
                (Missing::NotHandedDown(group), false, _) => failure.hint(format!(
                    "move the processes of {group} to a group below it, then write +{name} to its \
                     cgroup.subtree_control"
                )),
                (Missing::NotGiven(_), ..) => failure.hint(format!(
                    "the group above must write +{name} to its cgroup.subtree_control"
                )),
                (Missing::NotMounted, ..) => {
                    failure.hint("mount it, or run nsx where /sys/fs/cgroup is whole")
                }
                (Missing::SwitchedOff, ..) => failure.hint(format!(
                    "start the kernel without cgroup_disable={name}, or leave the limit out"
                )),
                (Missing::NotBuilt, ..) => failure.hint("leave the limit out: it could not hold"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_finds_its_place() {
        let temp = tempfile::tempdir().unwrap();
        let own = temp.path().join("proc/self");
        std::fs::create_dir_all(&own).unwrap();
        let mounts = "30 1 0:26 / /memory rw - cgroup cgroup rw,memory\n";
        std::fs::write(own.join("mountinfo"), mounts).unwrap();
        std::fs::write(own.join("cgroup"), "4:memory:/\n").unwrap();
        std::fs::create_dir(temp.path().join("memory")).unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let place =
            |checked: Limits| Asked { checked, by_device: Vec::new() }.place_below(&root, false);
        let swap = Limits { swap: Some(Bound::At(1 << 20)), ..Limits::default() };
        let both = Limits { memory_bytes: Some(1 << 20), ..swap.clone() };
        let (limits, sites) = place(both.clone()).unwrap();
        assert_eq!((limits, sites.0.len()), (both, 1));
        assert_eq!(place(Limits::default()).unwrap(), (Limits::default(), Sites::default()));
        let failure = place(swap).unwrap_err();
        assert_eq!(failure.message, "cannot limit swap: cgroup v1 limits it together with memory");
        let failure = place(Limits { pids: Some(1), ..Limits::default() }).unwrap_err();
        assert_eq!(
            failure.message,
            "cannot limit processes: no pids controller: this kernel has none"
        );
        let by_device = vec![("sda".into(), IoKind::Reads, 1)];
        let asked = Asked { by_device, ..Asked::default() };
        assert!(!asked.is_empty() && Asked::default().is_empty());
        let failure = asked.place_below(&root, false).unwrap_err();
        assert_eq!(failure.message, "sda is neither the path of a device nor MAJOR:MINOR");
    }
}
