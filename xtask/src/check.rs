//! `xtask check`: what can be said about the sources without running the programs.

use crate::run::Phases;
use crate::workspace::cargo;
use crate::{r#gen, run, say};
use anyhow::{Context, Result};

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Everything,
    /// Without what `cargo test --workspace` has said already.
    AfterTests,
}

pub(crate) fn run() -> Result<()> {
    let mut phases = Phases::default();
    all(&mut phases, Extent::Everything);
    phases.finish("check")
}

pub(crate) fn all(phases: &mut Phases, extent: Extent) {
    phases.phase("format", || run::visibly(cargo().args(["fmt", "--all", "--check"])));
    phases.phase("clippy", || {
        let lint = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
        run::visibly(cargo().args(lint))
    });
    if extent == Extent::Everything {
        phases.phase("architecture", || {
            run::visibly(cargo().args(["test", "--quiet", "--test", "architecture"]))
        });
    }
    phases.phase("generated files", r#gen::check);
    if let Some(mandoc) = run::find("mandoc") {
        phases.phase("manual pages", || r#gen::man::lint(&mandoc));
    } else {
        say::note(format_args!("check: mandoc is not installed: the manual pages are not linted"));
    }
    if run::find("cargo-deny").is_some() {
        phases.phase("dependencies", || {
            let deny = ["deny", "--workspace", "check", "licenses", "bans", "sources"];
            run::visibly(cargo().args(deny)).context("deny.toml")
        });
    } else {
        say::note(format_args!("check: cargo-deny is not installed: licences are not checked"));
    }
}
