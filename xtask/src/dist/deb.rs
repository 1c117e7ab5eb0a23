//! Packages for Debian and what is made from it.

use super::stage::{self, FRONT, TOOLS};
use crate::workspace::{RELEASED, VERSION};
use crate::{run, say};
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Of the packaging of one version of nsx.
const REVISION: u32 = 1;
const MAINTAINER: &str = "The nsx authors <nsx@nsx.invalid>";

const FRONT_IS: &str = "Description: see into, enter and create containers on a Linux host
 nsx lists the containers and isolated processes of a host, shows what one of
 them is made of, runs programs in its namespaces or in new ones, and tells
 which container a port, an address, a mount or a process belongs to.
 .
 It reads the kernel and the state that container engines leave on disk; no
 daemon is asked, nothing is installed inside a container, and nothing that
 comes from inside is trusted. The program is one static file.
";

const TOOLS_IS: &str = "Description: see into, enter and create containers, a program a command
 The commands of nsx as programs of their own: nsx-ps, nsx-ns, nsx-inspect,
 nsx-enter, nsx-spawn, nsx-who and nsx-pid. Each is one static file.
 .
 Their manual pages and completions are in the package nsx.
";

/// All of them, in `out`, of the files below `tree`; `place` is for their making.
pub(super) fn pack(place: &Path, tree: &Path, triple: &str, out: &Path) -> Result<()> {
    if run::find("dpkg-deb").is_none() {
        bail!("dpkg-deb is not installed: no Debian packages");
    }
    let architecture = architecture(triple)?;
    for name in [FRONT, TOOLS] {
        let root = place.join("deb").join(name);
        let files = take(tree, name, &root)?;
        describe(&root, name, architecture, &files)?;
        stage::settle(&root)?;
        let mut build = run::plain("dpkg-deb");
        // One thread: the bytes of xz's output depend on whether there are several.
        build.args(["--root-owner-group", "--threads-max=1", "-Zxz", "--build"]);
        build.env("SOURCE_DATE_EPOCH", date("+%s")?).arg(&root);
        build.arg(out.join(format!("{name}_{}_{architecture}.deb", version())));
        run::output(&mut build)?;
    }
    Ok(())
}

/// Asks lintian, where that is installed.
pub(super) fn lint(out: &Path) -> Result<()> {
    let Some(lintian) = run::find("lintian") else {
        say::note(format_args!("dist: lintian is not installed: the packages are not linted"));
        return Ok(());
    };
    // The programs are static on purpose, and it is no upload to Debian that would close a bug.
    let other = "statically-linked-binary,initial-upload-closes-no-bugs";
    let mut lint = run::plain(lintian);
    lint.args(["--allow-root", "--no-cfg", "--fail-on=error,warning", "--suppress-tags", other]);
    for entry in std::fs::read_dir(out)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            lint.arg(path);
        }
    }
    run::visibly(&mut lint)
}

/// As the names of the files have it.
fn version() -> String {
    format!("{VERSION}-{REVISION}")
}

fn architecture(triple: &str) -> Result<&'static str> {
    match triple.split('-').next() {
        Some("x86_64") => Ok("amd64"),
        Some("aarch64") => Ok("arm64"),
        _ => bail!("Debian's name for {triple} is not known here"),
    }
}

/// In Debian's form.
pub(super) fn changelog() -> Result<String> {
    Ok(format!(
        "nsx ({}) unstable; urgency=medium\n\n  * nsx {VERSION}: see changelog.gz.\n\n -- {MAINTAINER}  {}\n",
        version(),
        date("-R")?
    ))
}

fn date(form: &str) -> Result<String> {
    run::output(run::plain("date").args(["--utc", form, "--date"]).arg(format!("{RELEASED}Z")))
}

/// Copies a package's part below its `usr`; the paths of its files, as they will be below the root.
fn take(tree: &Path, name: &str, root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(tree.join(&directory))? {
            let entry = entry?;
            let path = directory.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                pending.push(path);
            } else if stage::package(&path) == name {
                let path = Path::new("usr").join(place(&path));
                let to = root.join(&path);
                std::fs::create_dir_all(to.parent().context("no parent")?)?;
                run::output(run::plain("cp").arg("-a").args([&entry.path(), &to]))?;
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Where a file lies below /usr: Debian's zsh looks elsewhere there than below /usr/local.
fn place(path: &Path) -> PathBuf {
    match path.strip_prefix("share/zsh/site-functions") {
        Ok(name) => Path::new("share/zsh/vendor-completions").join(name),
        Err(_) => path.to_owned(),
    }
}

/// The directory DEBIAN.
fn describe(root: &Path, name: &str, architecture: &str, files: &[PathBuf]) -> Result<()> {
    let mut control = format!(
        "Package: {name}\nSource: nsx\nVersion: {}\nArchitecture: {architecture}\n\
         Maintainer: {MAINTAINER}\nInstalled-Size: {}\n",
        version(),
        installed_kib(root)?
    );
    if name == TOOLS {
        writeln!(control, "Depends: {FRONT} (= {})", version())?;
    }
    control += "Section: admin\nPriority: optional\nMulti-Arch: foreign\n";
    control += if name == TOOLS { TOOLS_IS } else { FRONT_IS };
    let regular = files.iter().filter(|file| !root.join(file).is_symlink());
    let mut sums = run::plain("md5sum");
    let sums = run::output(sums.args(regular).current_dir(root))? + "\n";
    stage::write(&root.join("DEBIAN/control"), &control)?;
    stage::write(&root.join("DEBIAN/md5sums"), &sums)
}

/// As dpkg-gencontrol counts: files in whole KiB, all else as one.
fn installed_kib(place: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        let data = entry.metadata()?;
        sum += if data.is_file() { data.len().div_ceil(1024) } else { 1 };
        if data.is_dir() {
            sum += installed_kib(&entry.path())?;
        }
    }
    Ok(sum)
}
