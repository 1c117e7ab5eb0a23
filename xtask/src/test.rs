//! `xtask test`: everything, on whatever machine this is.
//!
//! The tests that start processes use the release programs, so that their size, their linking and
//! their optimised form are what is tested.

use crate::release::Release;
use crate::run::Phases;
use crate::workspace::cargo;
use crate::{check, dist, fuzz, install, load, peer, run, say, vm};
use anyhow::{Result, bail};

pub(crate) fn run() -> Result<()> {
    let strict = std::env::var_os("NSX_TEST_STRICT").is_some_and(|value| value == "1");
    install::needs(strict)?;
    peer::provide(strict)?;
    let mut phases = Phases::default();
    let mut release = None;
    phases.phase("release build", || {
        release = Some(Release::build()?);
        Ok(())
    });
    phases.phase("tests", || {
        let mut tests = cargo();
        tests.args(["test", "--workspace", "--no-fail-fast"]);
        if let Some(release) = &release {
            tests.env("NSX_TEST_BIN_DIR", &release.programs);
        }
        run::visibly(&mut tests)
    });
    match &release {
        Some(release) if run::is_root() => {
            phases.phase("load", || load::routine(&release.programs));
        }
        _ if strict => phases.phase("load", || bail!("it needs root, and NSX_TEST_STRICT=1")),
        _ => say::note(format_args!("== load: skipped: it needs root")),
    }
    phases.phase("fuzz targets", fuzz::routine);
    match vm::obstacle() {
        None => {
            let programs = release.as_ref().map(|release| release.programs.as_path());
            phases.phase("virtual machine", || vm::suite(programs));
        }
        Some(obstacle) if strict => {
            phases.phase("virtual machine", || bail!("{obstacle}, and NSX_TEST_STRICT=1"));
        }
        Some(obstacle) => say::note(format_args!("== virtual machine: skipped: {obstacle}")),
    }
    match dist::obstacle() {
        None => phases.phase("packages", dist::routine),
        Some(obstacle) if strict => {
            phases.phase("packages", || bail!("{obstacle}, and NSX_TEST_STRICT=1"));
        }
        Some(obstacle) => say::note(format_args!("== packages: skipped: {obstacle}")),
    }
    check::all(&mut phases, check::Extent::AfterTests);
    phases.finish("test")
}
