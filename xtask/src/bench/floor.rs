//! What nobody can be faster than: programs that only read what the kernel has to say.

use crate::run;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Under its names that program does different things. Removed when dropped.
pub(super) struct Floor {
    directory: tempfile::TempDir,
}

impl Floor {
    pub(super) fn build() -> Result<Self> {
        let floor = Self { directory: tempfile::tempdir().context("make a directory")? };
        let source = floor.directory.path().join("floor.rs");
        std::fs::write(&source, include_str!("floor/program.rs"))?;
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition=2024", "-O", "-Ctarget-feature=+crt-static", "-o"]);
        run::output(rustc.arg(floor.named("eight-links")).arg(&source))?;
        std::fs::hard_link(floor.named("eight-links"), floor.named("read"))?;
        Ok(floor)
    }

    fn named(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The eight namespaces of every process.
    pub(super) fn links(&self) -> Command {
        Command::new(self.named("eight-links"))
    }

    /// A file from its beginning to its end.
    pub(super) fn read(&self, file: &Path) -> Command {
        let mut command = Command::new(self.named("read"));
        command.arg(file);
        command
    }
}
