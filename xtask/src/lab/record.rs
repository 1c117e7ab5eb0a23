//! What `up` did, for `down` and for tests: a JSON file that is written before each thing is started
//! and after each container is up.

use super::Runtime;
use crate::process::Started;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

const FILE: &str = "record.json";

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(super) containers: Vec<Container>,
    /// Paths outside the lab that did not exist before it, see `traces`.
    pub(super) absent_before: Vec<PathBuf>,
}

/// A container of the lab, as its own runtime describes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) runtime: Runtime,
    /// What a person calls it; nothing where the runtime knows no names.
    pub(crate) name: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) state: State,
    /// Its first process, numbered as on the host; nothing where none has been started or it has
    /// ended.
    pub(crate) init: Option<Started>,
    pub(crate) pod: Option<Pod>,
}

impl Container {
    /// One that runs and of which no more is known.
    pub(super) fn running(runtime: Runtime, name: Option<&str>, init: Started) -> Self {
        let name = name.map(str::to_owned);
        let state = State::Running;
        Self { runtime, name, id: None, image: None, state, init: Some(init), pod: None }
    }

    /// Whether it is what it was after `up`: one without a process always is.
    pub(crate) fn is_there(&self) -> bool {
        self.init.as_ref().is_none_or(Started::is_running)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Running,
    Paused,
    /// Never started.
    Created,
    /// Started once, and ended.
    Stopped,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Created => "created",
            Self::Stopped => "stopped",
        })
    }
}

/// The group of containers that one belongs to, as far as its runtime was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pod {
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) uid: Option<String>,
    /// The container's name within it.
    pub(crate) container: Option<String>,
    /// Whether it is the one that holds the namespaces of the others.
    pub(crate) sandbox: bool,
}

impl Record {
    /// A directory without a record is somebody else's.
    pub(super) fn load(dir: &Path) -> Result<Self> {
        let file = dir.join(FILE);
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("{} is no lab: cannot read {FILE}", dir.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
    }

    pub(super) fn save(&self, dir: &Path) -> Result<()> {
        let new = dir.join("record.new");
        std::fs::write(&new, serde_json::to_string_pretty(self)?)?;
        std::fs::rename(&new, dir.join(FILE)).context("cannot write the lab's record")
    }
}
