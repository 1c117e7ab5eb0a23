//! Starting what goes on running without us.

use super::Lab;
use super::Runtime;
use crate::process::{self, Started};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a program that leaves a container behind. The container keeps its streams: a pipe would
/// never close.
pub(super) fn detached(command: &mut Command, log: &Path) -> Result<()> {
    let file = File::create(log)?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let program = command.get_program().display().to_string();
    let status = command.status().with_context(|| program.clone())?;
    if !status.success() {
        bail!("{program}: {}", said(log));
    }
    Ok(())
}

/// Starts a program that stays, out of reach of our terminal's signals.
pub(super) fn background(command: &mut Command, log: &Path) -> Result<Started> {
    let file = File::create(log)?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
    let program = command.get_program().display().to_string();
    let child = command.spawn().with_context(|| program.clone())?;
    Started::of(&program, child.id().cast_signed()).with_context(|| said(log))
}

/// Waits until something can be said of a program that was started; its log tells why not.
pub(super) fn until<T>(program: &Started, log: &Path, look: impl Fn() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return Ok(seen);
        }
        if !program.is_running() || start.elapsed() > Duration::from_mins(1) {
            bail!("{} is not ready; it said last: {}", program.what, said(log));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The child of a program that is, or whose own child is, the lab's sleeper, once there is one.
pub(super) fn isolated_child(lab: &Lab, runtime: Runtime, of: &Started) -> Result<Started> {
    let busybox = super::rootfs::busybox(&lab.below(runtime));
    let log = lab.below(runtime).join("log");
    let init = until(of, &log, || {
        process::children(of.pid).into_iter().find(|child| {
            let below = process::children(*child);
            let mut both = std::iter::once(child).chain(&below);
            both.any(|pid| process::executes(*pid, &busybox))
        })
    })?;
    Started::of("a container's first process", init)
}

/// The last line of a log.
fn said(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.trim().lines().last().unwrap_or("nothing").to_owned()
}
