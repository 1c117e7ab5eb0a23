//! The same again, elsewhere: are the bytes the same?

use crate::release::{self, Release};
use crate::workspace::{PROGRAMS, root};
use crate::{run, say};
use anyhow::{Result, bail};
use std::path::Path;

/// Builds the programs from a copy of the sources and compares them.
pub(super) fn build(release: &Release) -> Result<()> {
    let place = tempfile::Builder::new().prefix("nsx-built-in-another-directory").tempdir()?;
    let (sources, target) = (place.path().join("sources"), place.path().join("target"));
    std::fs::create_dir(&sources)?;
    let copy = "git ls-files -z --cached --others --exclude-standard \
                | tar --create --null --files-from=- | tar --extract --directory \"$1\"";
    let mut sh = run::plain("sh");
    run::output(sh.args(["-ec", copy, "sh"]).arg(&sources).current_dir(root()))?;
    release::compile(&sources, &target, &release.triple)?;
    let built = target.join(&release.triple).join("release");
    for program in PROGRAMS {
        same(&release.program(program), &built.join(program))?;
    }
    say::line(format_args!("the same elsewhere: {}", PROGRAMS.join(" ")));
    Ok(())
}

/// Packs once more and compares all with what is in `out`.
pub(super) fn pack(release: &Release, out: &Path) -> Result<()> {
    let place = tempfile::tempdir()?;
    super::pack(release, place.path())?;
    for entry in std::fs::read_dir(out)? {
        let entry = entry?;
        same(&entry.path(), &place.path().join(entry.file_name()))?;
    }
    say::line(format_args!("the same when packed again"));
    Ok(())
}

fn same(one: &Path, next: &Path) -> Result<()> {
    if std::fs::read(one)? != std::fs::read(next)? {
        bail!("{} and {} differ", one.display(), next.display());
    }
    Ok(())
}
