//! A container, or any other group of processes that is isolated from the host.

use super::evidence::{Evidence, Source};
use super::namespace::{Kinds, NsSet};
use super::pod::Pod;
use super::process::{self, Pid, Process};
use super::runtime::Runtime;
use super::text::Text;
use super::trail::Published;
use super::usage::Usage;
use std::net::IpAddr;

/// How far a container is in its life, by its processes and its engine's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its first process is there, and nothing says that it waits.
    #[default]
    Running,
    /// Frozen by its cgroup.
    Paused,
    /// Made, and not started yet: there may be a first process, which waits.
    Created,
    /// It ran, has ended, and its engine still keeps it.
    Stopped,
    /// Its engine's record says it runs; the process that the record names does not exist.
    Stale,
    /// It has no process, and nothing tells whether it ever had one.
    Unknown,
}

impl State {
    /// As reports and filters spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Created => "created",
            Self::Stopped => "stopped",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
        }
    }
}

/// The first process of a container.
#[derive(Clone, Debug)]
pub struct Init {
    /// As the host numbers it.
    pub pid: Pid,
    /// When it started, in clock ticks since boot; with `pid` an identity.
    pub start_ticks: u64,
    /// Command name, at most 15 bytes, chosen by the process.
    pub comm: Text,
    /// What it did when it was seen.
    pub state: process::State,
}

impl From<&Process> for Init {
    fn from(process: &Process) -> Self {
        Self {
            pid: process.pid,
            start_ticks: process.start_ticks,
            comm: process.comm.clone(),
            state: process.state,
        }
    }
}

/// A key and a value that somebody gave a container.
pub type Label = (Text, Text);

/// First process, id and name.
pub type Identity = (Option<Pid>, Option<Text>, Option<Text>);

/// One row of `nsx ps`.
#[derive(Clone, Debug, Default)]
pub struct Container {
    /// What made it; `unknown` in JSON where nothing tells.
    pub runtime: Runtime,
    /// Absent where nothing tells one.
    pub id: Option<Text>,
    /// As its engine knows it; absent where no record tells.
    pub name: Option<Text>,
    /// As it was asked for when the container was made; absent where no record tells.
    pub image: Option<Text>,
    /// The namespace of containerd's own that it is in: `k8s.io`.
    pub engine_namespace: Option<Text>,
    /// Absent where it belongs to none, as far as that is told.
    pub pod: Option<Pod>,
    /// What it was told to run, where nothing names it better.
    pub program: Option<Text>,
    /// By key.
    pub labels: Vec<Label>,
    /// Who runs it, as far as it is told: an ordinary user's containers are his word only.
    pub owner_uid: Option<u32>,
    /// What the host calls that user.
    pub owner_name: Option<Text>,
    /// By its processes where it has any, else by the record of its engine.
    pub state: State,
    /// Absent where no process of it is left, or none has been started yet.
    pub init: Option<Init>,
    /// Whose kernel it runs on, where that is not the host's: what is inside cannot be seen from here.
    pub guest_of: Option<Runtime>,
    /// Every process, ascending; those of containers within it too.
    pub processes: Vec<Pid>,
    /// Those that have ended and were not reaped, where it has a pid namespace of its own.
    pub zombies: Vec<Pid>,
    /// Those of its first process.
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
    /// Ports of the host that lead to it, as its engine recorded them; in order.
    pub published: Vec<Published>,
    /// Seconds since 1970 at which its engine made it.
    pub created_unix_seconds: Option<u64>,
    /// Seconds since 1970 at which its first process started.
    pub started_unix_seconds: Option<u64>,
    /// Since its first process started.
    pub age_seconds: Option<u64>,
    /// What the container that it runs in is called.
    pub within: Option<Text>,
    /// How many containers it runs in.
    pub depth: usize,
    /// The facts that led to saying what it is.
    pub evidence: Vec<Evidence>,
    /// Only where it was asked for.
    pub usage: Option<Usage>,
}

impl Container {
    /// Whether a record or a monitor tells of it, and not its group or its namespaces alone.
    pub fn has_record(&self) -> bool {
        self.evidence.iter().any(|one| matches!(one.source, Source::State | Source::Monitor))
    }

    /// The id as people know it: the first twelve digits of an engine's, anything else whole.
    pub fn short_id(&self) -> Option<Text> {
        let id = self.id.as_ref()?;
        let bytes = id.as_bytes();
        let engine_id = bytes.len() == 64 && bytes.iter().all(u8::is_ascii_hexdigit);
        Some(if engine_id { Text::new(bytes.get(..12).unwrap_or(bytes)) } else { id.clone() })
    }

    /// What a person calls it: its pod and name, else its id, else its first process or what that
    /// was told to run.
    pub fn label(&self) -> Text {
        let pod = self.pod.as_ref().filter(|pod| pod.namespace.is_some());
        if let Some(path) = pod.and_then(Pod::path) {
            return path;
        }
        match (&self.name, self.short_id(), &self.init) {
            (Some(name), _, _) => name.clone(),
            (None, Some(id), _) => id,
            (None, None, Some(init)) => {
                let mut label = format!("pid {} (", init.pid).into_bytes();
                label.extend_from_slice(self.program.as_ref().unwrap_or(&init.comm).as_bytes());
                label.push(b')');
                label.into()
            }
            (None, None, None) => Text::default(),
        }
    }

    /// The runtime whose kernel it runs on, if that is not the host's.
    pub fn guest_of(&self) -> Option<Runtime> {
        self.guest_of.or(Some(self.runtime).filter(|runtime| runtime.is_opaque()))
    }

    /// What tells it from the others of a list.
    pub fn identity(&self) -> Identity {
        let pid = self.init.as_ref().map(|init| init.pid);
        (pid, self.id.clone(), self.name.clone())
    }

    /// A target that means this container, as far as one does: its pod and name, or its runtime
    /// and name or id, else its first process.
    pub fn spelling(&self) -> Text {
        let pod = self.pod.as_ref().filter(|pod| pod.namespace.is_some() && !pod.sandbox);
        if let Some(path) = pod.and_then(|pod| pod.container.as_ref().and(pod.path())) {
            return [b"pod:", path.as_bytes()].concat().into();
        }
        let of_runtime =
            |name: &Text| [self.runtime.name().as_bytes(), b":", name.as_bytes()].concat().into();
        let is_sandbox = self.pod.as_ref().is_some_and(|pod| pod.sandbox);
        match (&self.name, self.short_id(), &self.init) {
            (Some(name), None, _) => of_runtime(name),
            (Some(name), _, _) if !is_sandbox => of_runtime(name),
            (_, Some(id), _) => of_runtime(&id),
            (None, None, Some(init)) => init.pid.to_string().into(),
            (None, None, None) => Text::default(),
        }
    }

    /// Whether root vouches for what it is called: neither a user's, nor within another one.
    pub fn is_of_the_host(&self) -> bool {
        self.depth == 0 && matches!(self.owner_uid, None | Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_called_by_the_best_that_is_known() {
        let init = Init {
            pid: Pid::new(7).unwrap(),
            start_ticks: 1,
            comm: "sh".into(),
            state: process::State(b'S'),
        };
        let mut container = Container { init: Some(init), ..Container::default() };
        assert_eq!(container.label(), "pid 7 (sh)");
        container.program = Some("firefox".into());
        assert_eq!(container.label(), "pid 7 (firefox)");
        container.id = Some("ab".repeat(32).into());
        assert_eq!(container.label(), "abababababab");
        container.name = Some("web".into());
        assert_eq!(container.label(), "web");
        let pod = Pod { namespace: Some("n".into()), name: Some("p".into()), ..Pod::default() };
        container.pod = Some(pod);
        assert_eq!(container.label(), "n/p");
    }

    #[test]
    fn a_spelling_is_a_target() {
        let init = Init {
            pid: Pid::new(7).unwrap(),
            start_ticks: 1,
            comm: "sh".into(),
            state: process::State(b'S'),
        };
        let runtime = Runtime::Containerd;
        let mut container = Container { runtime, init: Some(init), ..Container::default() };
        assert_eq!(container.spelling(), "7");
        container.id = Some("ab".repeat(32).into());
        assert_eq!(container.spelling(), "containerd:abababababab");
        container.name = Some("web".into());
        assert_eq!(container.spelling(), "containerd:web");
        let mut pod = Pod { namespace: Some("n".into()), name: Some("p".into()), ..Pod::default() };
        pod.sandbox = true;
        container.pod = Some(pod.clone());
        assert_eq!(container.spelling(), "containerd:abababababab", "a pod is more than that");
        let work = Pod { sandbox: false, container: Some("c".into()), ..pod };
        container.pod = Some(work);
        assert_eq!(container.spelling(), "pod:n/p/c");
    }
}
