//! What is shipped, laid out as below a prefix: the archive has all of it, each package its part.

use super::{crates, licences, sbom};
use crate::release::Release;
use crate::workspace::{self, COMMANDS, PROGRAMS};
use crate::{r#gen, run};
use anyhow::{Context, Result};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// The package of the front program, and of what all programs share.
pub(super) const FRONT: &str = "nsx";
/// The package of the single commands.
pub(super) const TOOLS: &str = "nsx-tools";

/// What the programs are made of.
pub(super) const LIST: &str = "share/doc/nsx/nsx.cdx.json";

/// Copied as they are.
const DOCUMENTS: [&str; 3] = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// The package that a path below the prefix belongs to.
pub(super) fn package(path: &Path) -> &'static str {
    let is_command = path.starts_with("bin") && !path.ends_with("nsx");
    if is_command || path.starts_with(format!("share/doc/{TOOLS}")) { TOOLS } else { FRONT }
}

/// Fills a new directory.
pub(super) fn fill(stage: &Path, release: &Release) -> Result<()> {
    for program in PROGRAMS {
        put(&release.program(program), &stage.join("bin").join(program), 0o755)?;
    }
    let share = stage.join("share");
    for page in r#gen::man::pages()? {
        let section = page.extension().unwrap_or_default().to_string_lossy();
        let name = page.file_name().unwrap_or_default();
        let to = share.join(format!("man/man{section}")).join(name);
        put(&page, &to, 0o644)?;
        compress(&to)?;
    }
    completions(&share)?;
    let doc = share.join("doc").join(FRONT);
    for document in DOCUMENTS {
        put(&workspace::root().join(document), &doc.join(document), 0o644)?;
    }
    let linked = crates::linked(&release.triple)?;
    write(&stage.join(LIST), &sbom::document(&linked)?)?;
    let copyright = licences::copyright(&linked)?;
    for package in [FRONT, TOOLS] {
        let doc = share.join("doc").join(package);
        write(&doc.join("copyright"), &copyright)?;
        put(&workspace::root().join("CHANGELOG.md"), &doc.join("changelog"), 0o644)?;
        compress(&doc.join("changelog"))?;
        write(&doc.join("changelog.Debian"), &super::deb::changelog()?)?;
        compress(&doc.join("changelog.Debian"))?;
    }
    settle(stage)
}

/// The shells look for a file named after the program, except zsh, which reads its first line.
fn completions(share: &Path) -> Result<()> {
    let completions = workspace::root().join("completions");
    put(&completions.join("_nsx"), &share.join("zsh/site-functions/_nsx"), 0o644)?;
    let (bash, fish) =
        (share.join("bash-completion/completions"), share.join("fish/vendor_completions.d"));
    put(&completions.join("nsx.bash"), &bash.join("nsx"), 0o644)?;
    put(&completions.join("nsx.fish"), &fish.join("nsx.fish"), 0o644)?;
    for command in COMMANDS {
        symlink("nsx", bash.join(format!("nsx-{command}")))?;
        symlink("nsx.fish", fish.join(format!("nsx-{command}.fish")))?;
    }
    Ok(())
}

/// The same modes and times wherever it is filled.
pub(super) fn settle(place: &Path) -> Result<()> {
    let date = format!("--date={} 00:00:00Z", workspace::RELEASED);
    let mut find = run::plain("find");
    find.arg(place).args(["-type", "d", "-exec", "chmod", "0755", "{}", "+"]);
    run::output(&mut find)?;
    let mut find = run::plain("find");
    find.arg(place).args(["-exec", "touch", "--no-dereference", &date, "{}", "+"]);
    run::output(&mut find)?;
    Ok(())
}

pub(super) fn write(to: &Path, text: &str) -> Result<()> {
    std::fs::create_dir_all(to.parent().context("no parent")?)?;
    std::fs::write(to, text)?;
    Ok(std::fs::set_permissions(to, Permissions::from_mode(0o644))?)
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    std::fs::create_dir_all(to.parent().context("no parent")?)?;
    std::fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(std::fs::set_permissions(to, Permissions::from_mode(mode))?)
}

/// Puts `FILE.gz` in its place.
fn compress(file: &Path) -> Result<()> {
    run::output(Command::new("gzip").args(["-9", "--no-name"]).arg(file)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_apart_from_the_single_commands() {
        for (path, expected) in [
            ("bin/nsx", FRONT),
            ("bin/nsx-ps", TOOLS),
            ("share/man/man1/nsx-ps.1.gz", FRONT),
            ("share/doc/nsx/copyright", FRONT),
            ("share/doc/nsx-tools/copyright", TOOLS),
        ] {
            assert_eq!(package(Path::new(path)), expected, "{path}");
        }
    }
}
