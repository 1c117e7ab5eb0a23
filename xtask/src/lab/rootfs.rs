//! A root file system with nothing in it but busybox.

use crate::run;
use anyhow::{Context, Result, bail};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Makes it at `dir`, which does not exist yet.
pub(super) fn make(dir: &Path) -> Result<()> {
    let busybox = run::find("busybox").context("busybox is missing (package busybox-static)")?;
    if needs_loader(&busybox)? {
        bail!("{} is not static: install busybox-static instead of busybox", busybox.display());
    }
    for sub in ["bin", "etc", "proc", "sys", "dev", "run", "tmp", "root", "var"] {
        std::fs::create_dir_all(dir.join(sub))?;
    }
    std::fs::copy(&busybox, dir.join("bin/busybox"))?;
    for applet in run::output(Command::new(&busybox).arg("--list"))?.lines() {
        if applet != "busybox" {
            symlink("busybox", dir.join("bin").join(applet))?;
        }
    }
    std::fs::write(dir.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    Ok(())
}

/// Whether a program names a dynamic loader, which would be missing inside.
fn needs_loader(program: &Path) -> Result<bool> {
    let said = Command::new("ldd").arg(program).env("LC_ALL", "C").output().context("ldd")?;
    Ok(said.status.success() && !String::from_utf8_lossy(&said.stdout).contains("statically"))
}
