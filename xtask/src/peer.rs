//! A newer util-linux than the machine's, to compare with: Debian's package of it and what that
//! needs, unpacked below [`PLACE`], never installed.
//!
//! That place is outside the checkout, since ordinary users run them too, and a checkout may lie
//! where those may not look.
//! Its programs are told where their loader and libraries lie, so that each is one file to execute,
//! as the machine's own is. Half of it is never kept.

use crate::attended::Attention;
use crate::{debian, run, say};
use anyhow::{Result, bail};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the tests look for it too.
const PLACE: &str = "/var/cache/nsx-peers";

/// Has the release that the personalities of nsx stand in for, or one that is later.
const SUITE: &str = "sid";

const PROGRAMS: [&str; 3] = ["nsenter", "unshare", "lsns"];

const LEFT_OUT: [&str; 3] = ["/usr/share/*", "/usr/sbin/*", "/usr/lib/*/gconv/*"];

/// Enough for a slow mirror.
const LIMIT: Duration = Duration::from_mins(5);

pub(crate) fn run() -> Result<()> {
    let place = get()?;
    let version = run::output(Command::new(place.join("usr/bin/unshare")).arg("--version"))?;
    say::line(format_args!("{}: {version}", place.display()));
    Ok(())
}

/// For the tests: without it those that need it are ignored, and with `strict` it is an error.
pub(crate) fn provide(strict: bool) -> Result<()> {
    match get() {
        Ok(_) => Ok(()),
        Err(error) if strict => Err(error.context("no newer util-linux, and NSX_TEST_STRICT=1")),
        Err(error) => {
            say::note(format_args!("no newer util-linux to compare with: {error:#}"));
            Ok(())
        }
    }
}

/// Where it is, unpacked there if it is not.
fn get() -> Result<PathBuf> {
    let place = Path::new(PLACE).join("util-linux");
    if is_there(&place) {
        return Ok(place);
    }
    if !run::is_root() {
        bail!("it is unpacked as root");
    }
    std::fs::create_dir_all(PLACE)?;
    std::fs::set_permissions(PLACE, Permissions::from_mode(0o755))?;
    let lock = File::create(Path::new(PLACE).join("lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    if is_there(&place) {
        return Ok(place);
    }
    for program in ["mmdebstrap", "patchelf"] {
        if run::find(program).is_none() {
            bail!("{program} is not installed");
        }
    }
    if place.exists() {
        std::fs::remove_dir_all(&place)?;
    }
    let made = unpack(&Attention::hold()?, &place)
        .and_then(|()| Ok(std::fs::write(place.join("recipe"), recipe())?));
    if made.is_err() {
        let _ = std::fs::remove_dir_all(&place);
    }
    made.map(|()| place)
}

fn is_there(place: &Path) -> bool {
    std::fs::read_to_string(place.join("recipe")).is_ok_and(|of_place| of_place == recipe())
}

fn recipe() -> String {
    format!("{SUITE} {PROGRAMS:?} {LEFT_OUT:?}\n")
}

fn unpack(attention: &Attention, place: &Path) -> Result<()> {
    let source = debian::source("bookworm");
    let mirror = debian::mirror(source.as_ref().map(|(_, text)| text.as_str()));
    // Signatures are verified; an index of a mirror that stands still is as good as a new one.
    let source = format!("deb [check-valid-until=no] {mirror} {SUITE} main");
    let mut mmdebstrap = run::plain("mmdebstrap");
    mmdebstrap
        .args(["--quiet", "--mode=root", "--variant=extract", "--format=directory"])
        .arg("--include=util-linux")
        .args(LEFT_OUT.map(|glob| format!("--dpkgopt=path-exclude={glob}")))
        .args([SUITE.as_ref(), place.as_os_str()])
        .arg(source);
    attention.succeed(&mut mmdebstrap, LIMIT)?;
    let mut libraries = std::fs::read_dir(place.join("usr/lib"))?.flatten();
    let Some(libraries) = libraries.find(|entry| entry.path().join("libc.so.6").exists()) else {
        bail!("there is no libc.so.6 among {SUITE}'s packages");
    };
    for program in PROGRAMS {
        let mut patchelf = run::plain("patchelf");
        patchelf.arg("--set-interpreter").arg(loader(&libraries.path())?);
        patchelf.args(["--force-rpath", "--set-rpath"]).arg(libraries.path());
        run::output(patchelf.arg(place.join("usr/bin").join(program)))?;
    }
    Ok(())
}

/// The loader, which lies beside the libraries.
fn loader(libraries: &Path) -> Result<PathBuf> {
    let mut entries = std::fs::read_dir(libraries)?.flatten();
    let is_it = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("ld-linux");
    match entries.find(|entry| is_it(&entry.file_name())) {
        Some(entry) => Ok(entry.path()),
        None => bail!("there is no loader in {}", libraries.display()),
    }
}
