//! A root file system with nothing in it but busybox, and an image made of it.

use crate::run;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The image's name in the engines that load `image`.
pub(super) const IMAGE: &str = "localhost/nsx-lab:1";

/// What the containers run.
pub(super) const SLEEP: [&str; 2] = ["/bin/sleep", "100000"];

/// The program that every container of a runtime executes which has no copy of the root.
pub(super) fn busybox(dir: &Path) -> PathBuf {
    dir.join("rootfs/bin/busybox")
}

/// Makes it at `dir`/rootfs, which does not exist yet.
pub(super) fn make(dir: &Path) -> Result<()> {
    let busybox = run::find("busybox").context("busybox is missing (package busybox-static)")?;
    if needs_loader(&busybox)? {
        bail!("{} is not static: install busybox-static instead of busybox", busybox.display());
    }
    let root = dir.join("rootfs");
    for sub in ["bin", "etc", "proc", "sys", "dev", "run", "tmp", "root", "usr", "var"] {
        std::fs::create_dir_all(root.join(sub))?;
    }
    std::fs::copy(&busybox, root.join("bin/busybox"))?;
    for applet in run::output(Command::new(&busybox).arg("--list"))?.lines() {
        if applet != "busybox" {
            symlink("busybox", root.join("bin").join(applet))?;
        }
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    std::fs::write(root.join("etc/os-release"), "ID=nsx-lab\n")?;
    Ok(())
}

/// An archive as `docker save` writes it, which every engine loads.
pub(super) fn image(dir: &Path) -> Result<PathBuf> {
    make(dir)?;
    let made = dir.join("image");
    std::fs::create_dir(&made)?;
    let layer = made.join("layer.tar");
    let tar = |from: &Path, to: &Path, what: &[&str]| {
        run::output(Command::new("tar").arg("-C").arg(from).arg("-cf").arg(to).args(what))
    };
    tar(&dir.join("rootfs"), &layer, &["."])?;
    let sum = run::output(Command::new("sha256sum").arg(&layer))?;
    let sum = sum.split(' ').next().unwrap_or_default();
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": { "Cmd": SLEEP },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{sum}")] },
    });
    let manifest =
        json!([{ "Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"] }]);
    std::fs::write(made.join("config.json"), config.to_string())?;
    std::fs::write(made.join("manifest.json"), manifest.to_string())?;
    let image = dir.join("image.tar");
    tar(&made, &image, &["manifest.json", "config.json", "layer.tar"])?;
    Ok(image)
}

/// Whether a program names a dynamic loader, which would be missing inside.
fn needs_loader(program: &Path) -> Result<bool> {
    let said = Command::new("ldd").arg(program).env("LC_ALL", "C").output().context("ldd")?;
    Ok(said.status.success() && !String::from_utf8_lossy(&said.stdout).contains("statically"))
}
