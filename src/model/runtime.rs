//! What makes containers.

use std::fmt;

/// What made a container, as far as it can be told from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// Docker Engine: dockerd.
    Docker,
    /// containerd on its own, with nerdctl or ctr, or below the kubelet.
    Containerd,
    /// CRI-O, below the kubelet.
    Crio,
    /// Podman, root's or a user's.
    Podman,
    /// BuildKit: a step of an image's build.
    Buildkit,
    /// runc without an engine that is known.
    Runc,
    /// crun without an engine that is known.
    Crun,
    /// youki without an engine that is known.
    Youki,
    /// A kernel of its own in user space (runsc).
    Gvisor,
    /// A virtual machine for each pod.
    Kata,
    /// LXC without LXD or Incus above it.
    Lxc,
    /// LXD, which makes containers by LXC.
    Lxd,
    /// Incus, which makes containers by LXC.
    Incus,
    /// systemd-nspawn(1).
    Nspawn,
    /// libvirt's containers, which share nothing with LXC but the letters.
    Libvirt,
    /// An app of Flatpak, which uses bubblewrap.
    Flatpak,
    /// An app or service of snapd.
    Snap,
    /// bwrap(1), by itself.
    Bubblewrap,
    /// A systemd service with namespaces of its own (PrivateTmp= and its like).
    Systemd,
    /// A process that `nsx spawn` isolated.
    Nsx,
    /// An OCI container of an engine that nsx does not know.
    Oci,
    /// Isolated, by whom is not known.
    #[default]
    Unknown,
}

impl Runtime {
    /// Every runtime that nsx tells from others, and the two words for those that it does not.
    pub const ALL: [Self; 22] = [
        Self::Docker,
        Self::Containerd,
        Self::Crio,
        Self::Podman,
        Self::Buildkit,
        Self::Runc,
        Self::Crun,
        Self::Youki,
        Self::Gvisor,
        Self::Kata,
        Self::Lxc,
        Self::Lxd,
        Self::Incus,
        Self::Nspawn,
        Self::Libvirt,
        Self::Flatpak,
        Self::Snap,
        Self::Bubblewrap,
        Self::Systemd,
        Self::Nsx,
        Self::Oci,
        Self::Unknown,
    ];

    /// As targets spell it; `?` for what is not known.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::Crio => "crio",
            Self::Podman => "podman",
            Self::Buildkit => "buildkit",
            Self::Runc => "runc",
            Self::Crun => "crun",
            Self::Youki => "youki",
            Self::Gvisor => "gvisor",
            Self::Kata => "kata",
            Self::Lxc => "lxc",
            Self::Lxd => "lxd",
            Self::Incus => "incus",
            Self::Nspawn => "nspawn",
            Self::Libvirt => "libvirt",
            Self::Flatpak => "flatpak",
            Self::Snap => "snap",
            Self::Bubblewrap => "bubblewrap",
            Self::Systemd => "systemd",
            Self::Nsx => "nsx",
            Self::Oci => "oci",
            Self::Unknown => "?",
        }
    }

    /// Whether the processes that the host sees are a monitor of the container's own kernel, so
    /// that what is inside cannot be seen from here.
    pub const fn is_opaque(self) -> bool {
        matches!(self, Self::Gvisor | Self::Kata)
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_runtimes_are_called_the_same() {
        let names: std::collections::HashSet<_> =
            Runtime::ALL.iter().map(|runtime| runtime.name()).collect();
        assert_eq!(names.len(), Runtime::ALL.len());
    }
}
