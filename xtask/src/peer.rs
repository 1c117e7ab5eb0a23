//! Newer programs than the machine's, to compare and to count with: Debian's packages of them and
//! what those need, unpacked below [`PLACE`], never installed.
//!
//! That place is outside the checkout, since ordinary users run them too, and a checkout may lie
//! where those may not look.
//! The programs are told where their loader and libraries lie, so that each is one file to execute,
//! as the machine's own is. Half of a package is never kept.

use crate::attended::Attention;
use crate::{debian, run, say};
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the tests look for it too.
const PLACE: &str = "/var/cache/nsx-peers";

const SUITE: &str = "sid";

struct Peer {
    package: &'static str,
    /// Those that are not linked statically.
    programs: &'static [&'static str],
}

/// Has the release that the personalities of nsx stand in for, or one that is later.
const UTIL_LINUX: Peer = Peer { package: "util-linux", programs: &["nsenter", "unshare", "lsns"] };

/// From 3.24 on it knows the system calls that nsx makes.
const VALGRIND: Peer = Peer { package: "valgrind", programs: &[] };

const LEFT_OUT: [&str; 4] =
    ["/usr/share/*", "/usr/sbin/*", "/usr/lib/*/gconv/*", "/usr/lib/debug/*"];

/// Enough for a slow mirror.
const LIMIT: Duration = Duration::from_mins(5);

pub(crate) fn run() -> Result<()> {
    let unshare = Command::new(UTIL_LINUX.get()?.join("usr/bin/unshare"));
    for mut program in [unshare, VALGRIND.get().map(|place| valgrind_in(&place))?] {
        say::line(format_args!("{}", run::output(program.arg("--version"))?));
    }
    Ok(())
}

/// For the tests: without it those that need it are ignored, and with `strict` it is an error.
pub(crate) fn provide(strict: bool) -> Result<()> {
    match UTIL_LINUX.get() {
        Ok(_) => Ok(()),
        Err(error) if strict => Err(error.context("no newer util-linux, and NSX_TEST_STRICT=1")),
        Err(error) => {
            say::note(format_args!("no newer util-linux to compare with: {error:#}"));
            Ok(())
        }
    }
}

/// What starts it, a newer one than the machine's where it can be had.
pub(crate) fn valgrind() -> Option<Command> {
    match VALGRIND.get() {
        Ok(place) => Some(valgrind_in(&place)),
        Err(error) => {
            say::note(format_args!("no newer valgrind to count with: {error:#}"));
            run::find("valgrind").map(Command::new)
        }
    }
}

/// It finds its tools where it was built to lie, unless it is told.
fn valgrind_in(place: &Path) -> Command {
    let mut tools = OsString::from("VALGRIND_LIB=");
    tools.push(place.join("usr/libexec/valgrind"));
    let mut valgrind = Command::new("env");
    valgrind.arg(tools).arg(place.join("usr/bin/valgrind"));
    valgrind
}

impl Peer {
    /// Where it is, unpacked there if it is not.
    fn get(&self) -> Result<PathBuf> {
        let place = Path::new(PLACE).join(self.package);
        if self.is_in(&place) {
            return Ok(place);
        }
        if !run::is_root() {
            bail!("it is unpacked as root");
        }
        std::fs::create_dir_all(PLACE)?;
        std::fs::set_permissions(PLACE, Permissions::from_mode(0o755))?;
        let lock = File::create(Path::new(PLACE).join("lock"))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
        if self.is_in(&place) {
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
        let made = self
            .unpack(&Attention::hold()?, &place)
            .and_then(|()| Ok(std::fs::write(place.join("recipe"), self.recipe())?));
        if made.is_err() {
            let _ = std::fs::remove_dir_all(&place);
        }
        made.map(|()| place)
    }

    fn is_in(&self, place: &Path) -> bool {
        std::fs::read_to_string(place.join("recipe")).is_ok_and(|made| made == self.recipe())
    }

    fn recipe(&self) -> String {
        format!("{SUITE} {:?} {LEFT_OUT:?}\n", self.programs)
    }

    fn unpack(&self, attention: &Attention, place: &Path) -> Result<()> {
        let source = debian::source("bookworm");
        let mirror = debian::mirror(source.as_ref().map(|(_, text)| text.as_str()));
        // Signatures are verified; an index of a mirror that stands still is as good as a new one.
        let source = format!("deb [check-valid-until=no] {mirror} {SUITE} main");
        let mut mmdebstrap = run::plain("mmdebstrap");
        mmdebstrap
            .args(["--quiet", "--mode=root", "--variant=extract", "--format=directory"])
            .arg(format!("--include={}", self.package))
            .args(LEFT_OUT.map(|glob| format!("--dpkgopt=path-exclude={glob}")))
            .args([SUITE.as_ref(), place.as_os_str()])
            .arg(source);
        attention.succeed(&mut mmdebstrap, LIMIT)?;
        let mut libraries = std::fs::read_dir(place.join("usr/lib"))?.flatten();
        let Some(libraries) = libraries.find(|entry| entry.path().join("libc.so.6").exists())
        else {
            bail!("there is no libc.so.6 among {SUITE}'s packages");
        };
        for program in self.programs {
            let mut patchelf = run::plain("patchelf");
            patchelf.arg("--set-interpreter").arg(loader(&libraries.path())?);
            patchelf.args(["--force-rpath", "--set-rpath"]).arg(libraries.path());
            run::output(patchelf.arg(place.join("usr/bin").join(program)))?;
        }
        Ok(())
    }
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
