//! Installs what the tests need. No service is started by it: a policy that forbids that is put in
//! place for the time of the installation (see invoke-rc.d(8)) and taken away again.

use crate::attended::Attention;
use crate::needs::{self, Need};
use crate::{run, say};
use anyhow::{Context, Result, bail};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Enough for a slow mirror.
const LIMIT: Duration = Duration::from_mins(30);

/// Installs what is missing where that is possible; otherwise says what to type, and fails if
/// `strict`.
pub(crate) fn needs(strict: bool) -> Result<()> {
    let missing = try_all(needs::missing)?;
    if missing.is_empty() {
        return Ok(());
    }
    for Need { program, package, why } in &missing {
        say::note(format_args!("missing: {program} (package {package}): {why}"));
    }
    let packages = packages(&missing).join(" ");
    say::note(format_args!("as root, on Debian or Ubuntu: apt-get update &&"));
    say::note(format_args!("  apt-get install --no-install-recommends {packages}"));
    if strict {
        bail!("{} programs are missing, and NSX_TEST_STRICT=1", missing.len());
    }
    say::note(format_args!("going on; what needs them is ignored"));
    Ok(())
}

/// Installs some programs, which the table has; an error if one of them is missing then.
pub(crate) fn only(programs: &[&str]) -> Result<()> {
    let missing = try_all(|| {
        needs::missing().into_iter().filter(|need| programs.contains(&need.program)).collect()
    })?;
    if missing.is_empty() {
        return Ok(());
    }
    bail!("as root: apt-get install --no-install-recommends {}", packages(&missing).join(" "))
}

/// Installs what `missing` tells, where that is possible; what it tells then.
fn try_all(missing: impl Fn() -> Vec<&'static Need>) -> Result<Vec<&'static Need>> {
    let before = missing();
    if !before.is_empty() && run::is_root() && run::find("apt-get").is_some() && is_debian() {
        install(&packages(&before))?;
    }
    Ok(missing())
}

fn packages(missing: &[&Need]) -> Vec<&'static str> {
    let mut packages: Vec<_> = missing.iter().map(|need| need.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Debian, or made from it.
fn is_debian() -> bool {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let mut ids = release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")));
    ids.any(|ids| ids.trim_matches('"').split(' ').any(|id| id == "debian" || id == "ubuntu"))
}

fn install(packages: &[&str]) -> Result<()> {
    let policy = NoServices::put()?;
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    policy.attention.succeed(apt().args(["-q", "update"]), LIMIT)?;
    // One that a release has not got must not keep the others out.
    let known = packages.iter().filter(|package| is_known(package));
    let options = ["-q", "-y", "install", "--no-install-recommends"];
    policy.attention.succeed(apt().args(options).args(known), LIMIT)
}

fn is_known(package: &str) -> bool {
    run::output(Command::new("apt-cache").args(["show", "--no-all-versions", package])).is_ok()
}

/// /usr/sbin/policy-rc.d saying no; what was there before comes back at the end. An interruption
/// ends apt at once, and us only after that.
#[derive(Debug)]
struct NoServices {
    policy: PathBuf,
    /// Where the machine's own policy waits, if it has one.
    aside: Option<PathBuf>,
    attention: Attention,
}

impl NoServices {
    fn put() -> Result<Self> {
        Self::put_at(Path::new("/usr/sbin/policy-rc.d"))
    }

    fn put_at(policy: &Path) -> Result<Self> {
        let attention = Attention::hold()?;
        let aside = policy.with_extension("d.nsx-aside");
        // A run that was killed left ours in place.
        if aside.symlink_metadata().is_ok() {
            std::fs::rename(&aside, policy)?;
        }
        let ours = |text: &str| text.contains(MARK);
        let aside = match std::fs::read_to_string(policy) {
            Ok(text) if ours(&text) => None,
            Err(_) if policy.symlink_metadata().is_err() => None,
            _ => {
                std::fs::rename(policy, &aside)?;
                Some(aside)
            }
        };
        let guard = Self { policy: policy.to_owned(), aside, attention };
        let script = format!("#!/bin/sh\n# {MARK}\nexit 101\n");
        std::fs::write(policy, script).context("cannot write policy-rc.d")?;
        std::fs::set_permissions(policy, Permissions::from_mode(0o755))?;
        Ok(guard)
    }
}

const MARK: &str = "nsx: no service is started while cargo xtask test installs packages";

impl Drop for NoServices {
    fn drop(&mut self) {
        let _ = match &self.aside {
            Some(aside) => std::fs::rename(aside, &self.policy),
            None => std::fs::remove_file(&self.policy),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_there_for_the_time_of_the_guard() {
        let dir = tempfile::tempdir().unwrap();
        let policy = dir.path().join("policy-rc.d");
        drop(NoServices::put_at(&policy).unwrap());
        assert!(!policy.exists());

        std::fs::write(&policy, "theirs").unwrap();
        let guard = NoServices::put_at(&policy).unwrap();
        assert!(std::fs::read_to_string(&policy).unwrap().contains("exit 101"));
        std::mem::forget(guard);
        // After a crash the next run restores what it finds aside.
        drop(NoServices::put_at(&policy).unwrap());
        assert_eq!(std::fs::read_to_string(&policy).unwrap(), "theirs");

        std::fs::remove_file(&policy).unwrap();
        std::os::unix::fs::symlink("/bin/true", &policy).unwrap();
        drop(NoServices::put_at(&policy).unwrap());
        assert_eq!(policy.read_link().unwrap(), Path::new("/bin/true"));
    }
}
