//! Which facts led to saying what a container is.

use super::text::Text;

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// Where it was found.
    pub source: Source,
    /// What was looked at: a path, a process.
    pub object: Text,
}

/// What kind of fact it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The name of the group of its processes.
    Cgroup,
    /// A file in which a runtime keeps its state, which names one of its processes.
    State,
    /// A process of the host that looks after it.
    Monitor,
    /// Nothing but that its namespaces are not the host's.
    Namespaces,
}

impl Source {
    /// As reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::State => "state",
            Self::Monitor => "monitor",
            Self::Namespaces => "namespaces",
        }
    }
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.source.name(), self.object)
    }
}
