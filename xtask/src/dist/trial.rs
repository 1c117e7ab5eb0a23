//! What was packed, on a clean Debian: installed, tried as README.md does it, removed; nothing may be
//! left.
//!
//! That Debian is a directory, made once and never written to: it is the lower layer of an overlay
//! in a mount namespace of the trial's own.

use crate::attended::{Attention, End};
use crate::{debian, run, say, workspace};
use anyhow::{Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SUITE: &str = "bookworm";

/// Beside what every Debian has; sorted.
const PACKAGES: [&str; 4] = [
    "bash-completion",
    "busybox-static", // a server, as README.md starts one
    "iproute2",
    "man-db",
];

const OUTSIDE: &str = include_str!("trial/outside.sh");
const INSIDE: &str = include_str!("trial/inside.sh");

/// Enough for a slow mirror.
const MAKING: Duration = Duration::from_mins(10);
const TRIAL: Duration = Duration::from_mins(5);

/// Why it cannot be had here.
pub(crate) fn obstacle() -> Option<String> {
    let needed = ["mmdebstrap", "dpkg-deb", "unshare", "readelf"];
    let missing: Vec<_> = needed.into_iter().filter(|name| run::find(name).is_none()).collect();
    if !missing.is_empty() {
        return Some(format!("missing: {}", missing.join(", ")));
    }
    (!run::is_root()).then(|| "packages are installed as root".to_owned())
}

/// Tries what is in `packed`.
pub(super) fn run(packed: &Path) -> Result<()> {
    if let Some(obstacle) = obstacle() {
        bail!("{obstacle}");
    }
    let attention = Attention::hold()?;
    let root = root(&attention)?;
    let place = tempfile::tempdir()?;
    for (name, text) in [("outside.sh", OUTSIDE), ("inside.sh", INSIDE)] {
        std::fs::write(place.path().join(name), text)?;
    }
    let mut unshare = run::plain("unshare");
    unshare
        .args(["--mount", "--pid", "--fork", "--kill-child", "--net", "--uts", "--ipc", "sh"])
        .arg(place.path().join("outside.sh"))
        .args([&root, place.path(), &std::path::absolute(packed)?]);
    match attention.wait(&mut unshare, TRIAL, Duration::ZERO)? {
        End::Of(status) if status.success() => Ok(()),
        End::Of(status) => bail!("the trial ended with {status}"),
        End::TimeLimit => bail!("the trial took too long"),
    }
}

/// The clean Debian, made if it is not there. Half of one is never kept.
fn root(attention: &Attention) -> Result<PathBuf> {
    let place = workspace::target()?.join("trial");
    std::fs::create_dir_all(&place)?;
    let lock = File::create(place.join("lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    let (root, recipe) = (place.join("root"), place.join("recipe"));
    let ours = format!("{SUITE} {PACKAGES:?}\n");
    if std::fs::read_to_string(&recipe).is_ok_and(|made| made == ours) {
        return Ok(root);
    }
    if root.exists() {
        std::fs::remove_dir_all(&root)?;
    }
    say::note(format_args!("dist: making a clean {SUITE}"));
    let source = match debian::source(SUITE) {
        Some((path, _)) => path,
        None => format!("deb {} {SUITE} main", debian::mirror(None)),
    };
    let mut mmdebstrap = run::plain("mmdebstrap");
    mmdebstrap
        .args(["--quiet", "--mode=root", "--variant=minbase", "--format=directory"])
        .arg(format!("--include={}", PACKAGES.join(",")))
        .args([SUITE.as_ref(), root.as_os_str()])
        .arg(source);
    attention.succeed(&mut mmdebstrap, MAKING)?;
    std::fs::write(&recipe, ours)?;
    Ok(root)
}
