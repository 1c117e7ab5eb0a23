//! `xtask test`: everything, on whatever machine this is.
//!
//! The tests that start processes use the release programs, so that their size, their linking and
//! their optimised form are what is tested.

use crate::run::Phases;
use crate::workspace::{Release, cargo};
use crate::{check, install, run, say, vm};
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
    let missing = vm::missing();
    if missing.is_empty() {
        let programs = release.as_ref().map(|release| release.programs.as_path());
        phases.phase("virtual machine", || vm::suite(programs));
    } else {
        // Under strict it did not come here.
        let missing = missing.join(", ");
        say::note(format_args!("== virtual machine: skipped, because of what is missing: {missing}"));
    }
    check::all(&mut phases, check::Extent::AfterTests);
    phases.finish("test")
}
