//! `xtask dist`: an archive that is unpacked below /usr/local, packages for Debian, and the list of
//! what is linked. The same sources and toolchain give the same bytes.
//!
//! `stage.rs` says what is shipped; `trial.rs` tries it on a clean Debian.

mod again;
mod archive;
mod crates;
mod deb;
mod licences;
mod sbom;
mod stage;
mod trial;

use crate::release::Release;
use crate::workspace::{self, PROGRAMS};
use crate::{r#gen, run, say};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;
pub(crate) use trial::obstacle;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Install what was packed on a clean Debian, try it, and remove it (as root)
    #[arg(long)]
    test: bool,
    /// Build once more, in another directory, and compare
    #[arg(long)]
    twice: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    r#gen::check()?;
    let release = Release::build()?;
    let out = workspace::root().join("dist");
    if out.exists() {
        std::fs::remove_dir_all(&out)?;
    }
    pack(&release, &out)?;
    for program in PROGRAMS {
        let size = release.program(program).metadata()?.len();
        say::line(format_args!("{program}\t{size}"));
    }
    let mut files: Vec<_> = std::fs::read_dir(&out)?.flatten().map(|one| one.path()).collect();
    files.sort();
    for file in files {
        say::line(format_args!("{}", file.display()));
    }
    if arguments.twice {
        again::build(&release)?;
        again::pack(&release, &out)?;
    }
    if arguments.test {
        deb::lint(&out)?;
        trial::run(&out)?;
    }
    Ok(())
}

/// What of it is tried each time: all but a second build, which takes minutes.
pub(crate) fn routine() -> Result<()> {
    let release = Release::build()?;
    let out = tempfile::tempdir()?;
    pack(&release, out.path())?;
    again::pack(&release, out.path())?;
    deb::lint(out.path())?;
    trial::run(out.path())
}

fn pack(release: &Release, out: &Path) -> Result<()> {
    for program in PROGRAMS {
        check(&release.program(program))?;
    }
    std::fs::create_dir_all(out)?;
    let name = format!("nsx-{}-{}", workspace::VERSION, release.triple);
    let place = tempfile::tempdir()?;
    let tree = place.path().join(&name);
    stage::fill(&tree, release)?;
    std::fs::copy(tree.join(stage::LIST), out.join(format!("{name}.cdx.json")))?;
    deb::pack(place.path(), &tree, &release.triple, out)?;
    archive::pack(place.path(), &name, out)
}

/// A program needs no loader, and tells nothing of the machine that it was built on.
fn check(program: &Path) -> Result<()> {
    let headers = run::output(Command::new("readelf").arg("--program-headers").arg(program))?;
    if headers.contains("INTERP") {
        bail!("{} is not static", program.display());
    }
    let bytes = std::fs::read(program)?;
    for place in [workspace::root().to_owned(), workspace::target()?, workspace::cargo_home()?] {
        let path = place.as_os_str().as_encoded_bytes();
        if bytes.windows(path.len()).any(|window| window == path) {
            bail!("{} has {} in it", program.display(), place.display());
        }
    }
    Ok(())
}
