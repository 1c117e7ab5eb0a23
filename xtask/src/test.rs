//! `xtask test`: everything, on whatever machine this is.
//!
//! The tests that start processes use the release programs, so that their size, their linking and
//! their optimised form are what is tested.

use crate::run::Phases;
use crate::workspace::{Release, cargo};
use crate::{check, install, run};
use anyhow::Result;

pub(crate) fn run() -> Result<()> {
    let strict = std::env::var_os("NSX_TEST_STRICT").is_some_and(|value| value == "1");
    install::needs(strict)?;
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
    check::all(&mut phases, check::Extent::AfterTests);
    phases.finish("test")
}
