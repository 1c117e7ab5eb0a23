//! The runtimes of the lab, and who starts and knows each.

use super::leftovers::Leftovers;
use super::{Lab, alone, bubblewrap, containerd, crun, docker, gvisor, lxc, nspawn, podman, runc};
use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// In the order of starting: crun and podman change which hierarchies of control groups there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runtime {
    Docker,
    Containerd,
    Runc,
    Gvisor,
    Lxc,
    Nspawn,
    Bubblewrap,
    /// `nsx spawn`
    Nsx,
    /// unshare(1): no runtime at all
    Unshare,
    Crun,
    Podman,
}

impl Runtime {
    /// Its name, and the program without which it is not installed.
    pub(super) const fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Docker => ("docker", "dockerd"),
            Self::Containerd => ("containerd", "containerd"),
            Self::Runc => ("runc", "runc"),
            Self::Gvisor => ("gvisor", "runsc"),
            Self::Lxc => ("lxc", "lxc-start"),
            Self::Nspawn => ("nspawn", "systemd-nspawn"),
            Self::Bubblewrap => ("bubblewrap", "bwrap"),
            Self::Nsx => ("nsx", "true"),
            Self::Unshare => ("unshare", "unshare"),
            Self::Crun => ("crun", "crun"),
            Self::Podman => ("podman", "podman"),
        }
    }

    pub(super) fn start(self, lab: &mut Lab) -> Result<()> {
        match self {
            Self::Docker => docker::up(lab),
            Self::Containerd => containerd::up(lab),
            Self::Runc => runc::up(lab),
            Self::Gvisor => gvisor::up(lab),
            Self::Lxc => lxc::up(lab),
            Self::Nspawn => nspawn::up(lab),
            Self::Bubblewrap => bubblewrap::up(lab),
            Self::Nsx => alone::nsx(lab),
            Self::Unshare => alone::unshare(lab),
            Self::Crun => crun::up(lab),
            Self::Podman => podman::up(lab),
        }
    }

    pub(super) fn leftovers(self, dir: &Path) -> Leftovers {
        match self {
            Self::Docker => docker::leftovers(dir),
            Self::Containerd => containerd::leftovers(dir),
            Self::Runc => runc::leftovers(),
            Self::Gvisor => gvisor::leftovers(),
            Self::Lxc => lxc::leftovers(dir),
            Self::Nspawn => nspawn::leftovers(dir),
            Self::Bubblewrap => bubblewrap::leftovers(),
            Self::Nsx | Self::Unshare => alone::leftovers(),
            Self::Crun => crun::leftovers(),
            Self::Podman => podman::leftovers(dir),
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe().0)
    }
}
