//! nsx as the load calls it: it must end well, in time, and within its bounds of memory.

use crate::run;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A hang, on however busy a machine.
const LIMIT: Duration = Duration::from_mins(2);

#[derive(Debug)]
pub(super) struct Nsx {
    programs: PathBuf,
}

impl Nsx {
    pub(super) fn new(programs: &Path) -> Self {
        Self { programs: programs.to_owned() }
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("nsx"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Its output, whatever code it ended with; that it ended by a signal or too late is an error.
    pub(super) fn ended(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command(arguments);
        let start = Instant::now();
        let done = command.output().with_context(|| run::shown(&command))?;
        let shown = run::shown(&command);
        let errors = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.code().is_some(), "{shown} ended with {}: {errors}", done.status);
        ensure!(!errors.contains("panicked"), "{shown}: {errors}");
        ensure!(start.elapsed() < LIMIT, "{shown} took {:?}", start.elapsed());
        Ok(done)
    }

    pub(super) fn output(&self, arguments: &[&str]) -> Result<String> {
        let done = self.ended(arguments)?;
        if !done.status.success() {
            let errors = String::from_utf8_lossy(&done.stderr);
            bail!("nsx {} ended with {}: {errors}", arguments.join(" "), done.status);
        }
        String::from_utf8(done.stdout).context("output that is no text")
    }

    /// What `--json` has under `data`.
    pub(super) fn data(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.output(&[arguments, &["--json"]].concat())?;
        let mut whole: Value = serde_json::from_str(&text)
            .with_context(|| format!("nsx {} printed no JSON", arguments.join(" ")))?;
        whole.get_mut("data").map(Value::take).context("no data in the JSON")
    }

    /// That its largest process stays below so many MiB.
    pub(super) fn stays_below(&self, mebibytes: u64, arguments: &[&str]) -> Result<()> {
        let peak = crate::peak::of(&self.command(arguments))?.context("it failed")?;
        let line = arguments.join(" ");
        crate::say::note(format_args!("nsx {line}: peak {} MiB", crate::peak::in_mebibytes(peak)));
        ensure!(peak < mebibytes << 10, "nsx {line} had {peak} KiB, more than {mebibytes} MiB");
        Ok(())
    }
}

/// The numbers of one field, in order.
pub(super) fn numbers(rows: &Value, field: &str) -> Vec<i64> {
    let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
    rows.iter().filter_map(|row| row.get(field)?.as_i64()).collect()
}
