//! A process that sees many mounts, and mounts around what is done meanwhile.

use crate::run;
use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, MountPropagationFlags};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// It has a mount namespace of its own, and ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Mounted(Child);

impl Mounted {
    pub(crate) fn times(count: usize) -> Result<Self> {
        let unshare = run::find("unshare").context("unshare is not installed")?;
        let mut command = Command::new(unshare);
        command.arg("--mount").arg(std::env::current_exe()?);
        command.args(["many-mounts", &count.to_string()]);
        let mut mounted = Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let output = mounted.0.stdout.take().context("no pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.trim() == count.to_string(), "it does not mount {count} times: {line:?}");
        Ok(mounted)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does something in a mount namespace that is a thread's alone, and that has so many mounts more:
/// what it starts is in it too.
pub(crate) fn among(count: usize, act: impl FnOnce() + Send) -> Result<()> {
    let there = || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
        let apart = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", apart)?;
        make(count)?;
        act();
        Ok(())
    };
    run::apart(there)
}

/// `xtask many-mounts N`: that many mounts, in a mount namespace that is ours alone, until our input
/// ends.
pub(crate) fn mount(count: usize) -> Result<()> {
    make(count)?;
    super::idle::told_until_the_end(count)
}

fn make(count: usize) -> Result<()> {
    let flags = MountFlags::empty();
    let top = Path::new("/mnt");
    rustix::mount::mount("nsx-many", top, "tmpfs", flags, None)?;
    for number in 1..count {
        let place = top.join(format!("volume-{number}"));
        std::fs::create_dir(&place)?;
        rustix::mount::mount_bind(&place, &place)?;
    }
    Ok(())
}
