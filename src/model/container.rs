//! A container, or any other group of processes that is isolated from the host.

use super::namespace::{Kinds, NsSet};
use super::process::Pid;
use super::text::Text;
use std::fmt;
use std::net::IpAddr;

/// What made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    Docker,
    Containerd,
    Crio,
    Podman,
    Runc,
    Crun,
    Lxc,
    Nspawn,
    /// A systemd service with namespaces of its own (PrivateTmp= and its like).
    Systemd,
    /// A process that `nsx spawn` isolated.
    Nsx,
    /// An OCI container of an engine that nsx does not know.
    Oci,
    /// Isolated, by whom is not known.
    Unknown,
}

impl Runtime {
    pub const ALL: [Self; 12] = [
        Self::Docker,
        Self::Containerd,
        Self::Crio,
        Self::Podman,
        Self::Runc,
        Self::Crun,
        Self::Lxc,
        Self::Nspawn,
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
            Self::Runc => "runc",
            Self::Crun => "crun",
            Self::Lxc => "lxc",
            Self::Nspawn => "nspawn",
            Self::Systemd => "systemd",
            Self::Nsx => "nsx",
            Self::Oci => "oci",
            Self::Unknown => "?",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Running,
    /// Frozen by its cgroup.
    Paused,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
        }
    }
}

/// One row of `nsx ps`.
#[derive(Clone, Debug)]
pub struct Container {
    pub runtime: Runtime,
    pub id: Option<Text>,
    pub name: Option<Text>,
    pub image: Option<Text>,
    pub state: State,
    /// Its first process, as the host numbers it.
    pub init: Pid,
    /// When that started, in clock ticks since boot; with `init` an identity.
    pub init_start_ticks: u64,
    /// Command name of the first process.
    pub comm: Text,
    /// Every process, ascending.
    pub processes: Vec<Pid>,
    pub namespaces: NsSet,
    /// The namespaces it does not share with the host.
    pub own: Kinds,
    /// The cgroup path that names it best.
    pub cgroup: Text,
    /// All of the first process's, as `/proc/PID/cgroup` has them.
    pub cgroup_lines: Text,
    /// Addresses in its network namespace, loopback and link-local left out; empty where it
    /// shares the host's.
    pub addresses: Vec<IpAddr>,
    /// Seconds since 1970 at which its first process started.
    pub started_unix_seconds: Option<u64>,
    pub age_seconds: Option<u64>,
}

impl Container {
    /// The id as people know it: the first twelve digits of an engine's, anything else whole.
    pub fn short_id(&self) -> Option<Text> {
        let id = self.id.as_ref()?;
        let bytes = id.as_bytes();
        let engine_id = bytes.len() == 64 && bytes.iter().all(u8::is_ascii_hexdigit);
        Some(if engine_id { Text::new(bytes.get(..12).unwrap_or(bytes)) } else { id.clone() })
    }

    /// What a person calls it: its name, else its id, else its first process.
    pub fn label(&self) -> Text {
        match (&self.name, self.short_id()) {
            (Some(name), _) => name.clone(),
            (None, Some(id)) => id,
            (None, None) => {
                let mut label = format!("pid {} (", self.init).into_bytes();
                label.extend_from_slice(self.comm.as_bytes());
                label.push(b')');
                label.into()
            }
        }
    }
}
