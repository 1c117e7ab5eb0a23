//! What `up` did, for `down`: a JSON file that is written before each thing is started.

use super::Container;
use crate::process::Started;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const FILE: &str = "record.json";

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(super) containers: Vec<Container>,
    /// dockerd
    pub(super) engine: Option<Started>,
    /// Paths outside the lab that did not exist before it, see `traces`.
    pub(super) absent_before: Vec<PathBuf>,
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
