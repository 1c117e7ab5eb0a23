//! `xtask dist`: one archive that is unpacked below /usr/local. The same sources and toolchain give
//! the same bytes.

use crate::workspace::{self, COMMANDS, PROGRAMS, Release};
use crate::{r#gen, run, say};
use anyhow::{Context, Result};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Copied as they are where they exist.
const DOCUMENTS: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

pub(crate) fn run() -> Result<()> {
    r#gen::check()?;
    let release = Release::build()?;
    let name = format!("nsx-{}-{}", workspace::VERSION, release.triple);
    let dist = workspace::root().join("dist");
    let stage = dist.join(&name);
    if stage.exists() {
        std::fs::remove_dir_all(&stage)?;
    }
    fill(&stage, &release, &name)?;
    let archive = pack(&dist, &name)?;
    std::fs::remove_dir_all(&stage)?;
    for program in PROGRAMS {
        let size = release.program(program).metadata()?.len();
        say::line(format_args!("{program}\t{size}"));
    }
    say::line(format_args!("{}", archive.display()));
    Ok(())
}

fn fill(stage: &Path, release: &Release, name: &str) -> Result<()> {
    for program in PROGRAMS {
        put(&release.program(program), &stage.join("bin").join(program), 0o755)?;
    }
    for page in r#gen::man::pages()? {
        let section = page.extension().unwrap_or_default().to_string_lossy();
        let directory = stage.join(format!("share/man/man{section}"));
        put(&page, &directory.join(page.file_name().unwrap_or_default()), 0o644)?;
    }
    let completions = workspace::root().join("completions");
    let share = stage.join("share");
    // The shells look for a file named after the program, except zsh, which reads its first line.
    for program in std::iter::once("nsx".to_owned()).chain(COMMANDS.map(|c| format!("nsx-{c}"))) {
        let bash = share.join("bash-completion/completions").join(&program);
        put(&completions.join("nsx.bash"), &bash, 0o644)?;
        let fish = share.join(format!("fish/vendor_completions.d/{program}.fish"));
        put(&completions.join("nsx.fish"), &fish, 0o644)?;
    }
    put(&completions.join("_nsx"), &share.join("zsh/site-functions/_nsx"), 0o644)?;
    for document in DOCUMENTS {
        let file = workspace::root().join(document);
        if file.exists() {
            put(&file, &share.join("doc/nsx").join(document), 0o644)?;
        }
    }
    let install = stage.join("INSTALL.txt");
    std::fs::write(&install, instructions(name))?;
    std::fs::set_permissions(&install, Permissions::from_mode(0o644))?;
    Ok(())
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    std::fs::create_dir_all(to.parent().context("no parent")?)?;
    std::fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    std::fs::set_permissions(to, Permissions::from_mode(mode))?;
    Ok(())
}

fn instructions(name: &str) -> String {
    format!(
        "Install, as root:\n\n    \
         tar -C /usr/local --strip-components=1 --exclude=INSTALL.txt -xzf {name}.tar.gz\n\n\
         The programs are static: they need nothing else, and bin/nsx alone is enough.\n\
         The others are single commands of it: nsx-ps is `nsx ps`.\n\n\
         Remove:\n\n    \
         tar -tzf {name}.tar.gz | grep -v '/$' | sed 's|^[^/]*|/usr/local|' | xargs rm -f\n"
    )
}

fn pack(dist: &Path, name: &str) -> Result<PathBuf> {
    let archive = dist.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar"])
        .args(["--mode=u+rwX,go=rX", &format!("--mtime={} 00:00:00Z", workspace::RELEASED)])
        .args(["--use-compress-program=gzip -9n", "-cf"])
        .arg(&archive)
        .arg("-C")
        .arg(dist)
        .arg(name);
    run::output(&mut tar)?;
    Ok(archive)
}
