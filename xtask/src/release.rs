//! The programs as they are shipped: for which target, where they are, and how they are built.

use crate::workspace::{cargo, cargo_home, host, root, target};
use crate::{run, say};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs as they are shipped, and for which target.
///
/// What `CARGO_BUILD_TARGET` names, as for cargo itself; else musl, whose start costs a third of
/// glibc's (docs/adr/0011), where the toolchain has its library or can have it; else the machine's own.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) triple: String,
    pub(crate) programs: PathBuf,
}

impl Release {
    /// Where they are, whether or not they are built.
    pub(crate) fn locate() -> Result<Self> {
        let triple = match std::env::var("CARGO_BUILD_TARGET") {
            Ok(named) => named,
            Err(_) => Some(musl()).filter(|musl| has_library(musl)).map_or_else(host, Ok)?,
        };
        let programs = target()?.join(&triple).join("release");
        Ok(Self { triple, programs })
    }

    /// Builds them.
    pub(crate) fn build() -> Result<Self> {
        provide_musl();
        let release = Self::locate()?;
        compile(root(), &target()?, &release.triple)?;
        Ok(release)
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }
}

/// Builds what is shipped, of the sources below `root`. No path of this machine gets into it, so
/// that it is the same wherever it is built.
pub(crate) fn compile(root: &Path, target: &Path, triple: &str) -> Result<()> {
    let mut flags = vec![remap(root, "/nsx"), remap(target, "/target")];
    for registry in std::fs::read_dir(cargo_home()?.join("registry/src")).into_iter().flatten() {
        flags.push(remap(&registry?.path(), "/crates"));
    }
    let flags = serde_json::to_string(&flags)?;
    let mut build = cargo();
    build
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        .args(["build", "--locked", "--release", "--package=nsx", "--bins"])
        .args(["--target", triple])
        .arg("--config")
        .arg(format!("target.{triple}.rustflags={flags}"));
    run::visibly(&mut build)
}

/// This processor's musl.
fn musl() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

/// Whether the toolchain has the standard library for a target.
fn has_library(triple: &str) -> bool {
    let place =
        run::output(Command::new("rustc").args(["--print=target-libdir", "--target", triple]));
    place.is_ok_and(|place| Path::new(&place).is_dir())
}

/// Lets rustup add musl's library, in two minutes at most; without either, programs are built
/// without it.
fn provide_musl() {
    let musl = musl();
    if std::env::var_os("CARGO_BUILD_TARGET").is_some() || has_library(&musl) {
        return;
    }
    let add = ["120", "rustup", "target", "add", &musl];
    if let Err(error) = run::visibly(Command::new("timeout").args(add)) {
        say::note(format_args!(
            "{error:#}: the programs are built with glibc, which starts slower"
        ));
    }
}

fn remap(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}
