//! A process that sees many mounts, against findmnt(8), whose time grows with their square.

use super::{Bench, peer};
use crate::{run, say};
use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, MountPropagationFlags};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SIZES: [usize; 2] = [1_000, 10_000];

impl Bench {
    pub(super) fn mounts(&mut self) -> Result<()> {
        let mut medians = Vec::new();
        for size in SIZES {
            say::note(format_args!("bench: mounting {size} times"));
            let many = Many::mounted(size)?;
            let pid = many.0.id().to_string();
            let arguments = [&pid, "--only", "mounts", "--json"];
            let theirs = peer("findmnt", &["-N", &pid, "-J"])?;
            let what = format!("{size} mounts");
            medians.extend(self.compare(&what, self.nsx("nsx-inspect", &arguments), theirs));
        }
        if let [few, many] = &medians[..] {
            let growth = many.ours_median_usec / few.ours_median_usec;
            self.notes.push(format!("ten times the mounts take {growth:.1} times as long"));
        }
        Ok(())
    }
}

/// It has a mount namespace of its own, and ends when this is dropped.
struct Many(Child);

impl Many {
    fn mounted(count: usize) -> Result<Self> {
        let unshare = run::find("unshare").context("unshare is not installed")?;
        let mut command = Command::new(unshare);
        command.arg("--mount").arg(std::env::current_exe()?);
        command.args(["bench-mounts", &count.to_string()]);
        let mut many = Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let output = many.0.stdout.take().context("no pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.trim() == count.to_string(), "it does not mount {count} times: {line:?}");
        Ok(many)
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does something in a mount namespace that is a thread's alone, and that has so many mounts more:
/// what it starts is in it too.
pub(super) fn among(count: usize, act: impl FnOnce() + Send) -> Result<()> {
    let there = || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
        let apart = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", apart)?;
        make(count)?;
        act();
        Ok(())
    };
    std::thread::scope(|scope| match scope.spawn(there).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// `xtask bench-mounts N`: that many mounts, in a mount namespace that is ours alone, until our input
/// ends.
pub(crate) fn mount(count: usize) -> Result<()> {
    make(count)?;
    super::idle::told_until_the_end(count)
}

fn make(count: usize) -> Result<()> {
    let flags = MountFlags::empty();
    let top = Path::new("/mnt");
    rustix::mount::mount("nsx-bench", top, "tmpfs", flags, None)?;
    for number in 1..count {
        let place = top.join(format!("volume-{number}"));
        std::fs::create_dir(&place)?;
        rustix::mount::mount_bind(&place, &place)?;
    }
    Ok(())
}
