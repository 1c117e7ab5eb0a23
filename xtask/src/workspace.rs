//! Where things lie: the repository, its version, what cargo builds and keeps.

use crate::run;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version every package of the workspace shares.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The day of that version, in manual pages and archives: the same sources give the same bytes.
pub(crate) const RELEASED: &str = "2026-11-24";

/// The programs that are shipped.
pub(crate) const PROGRAMS: [&str; 8] =
    ["nsx", "nsx-ps", "nsx-ns", "nsx-inspect", "nsx-enter", "nsx-spawn", "nsx-who", "nsx-pid"];

/// The commands; each has a page nsx-COMMAND(1) and a program of that name.
pub(crate) const COMMANDS: [&str; 7] = ["ps", "ns", "inspect", "enter", "spawn", "who", "pid"];

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.parent().unwrap_or(member)
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.current_dir(root());
    cargo
}

/// Where cargo builds.
pub(crate) fn target() -> Result<PathBuf> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version=1", "--no-deps", "--offline"]);
    let metadata: serde_json::Value = serde_json::from_str(&run::output(&mut metadata)?)
        .context("cargo metadata printed no JSON")?;
    let Some(target) = metadata.get("target_directory").and_then(|dir| dir.as_str()) else {
        bail!("cargo metadata names no target directory");
    };
    Ok(PathBuf::from(target))
}

/// The machine's own target, by rustc.
pub(crate) fn host() -> Result<String> {
    let version = run::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

/// Where cargo keeps the sources of crates.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    Ok(std::env::home_dir().context("there is no home directory")?.join(".cargo"))
}
