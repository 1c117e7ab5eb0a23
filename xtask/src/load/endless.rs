//! `ps` again and again: the last time costs what the first did, and the host has what it had.

use super::nsx::Nsx;
use crate::many::isolated::Isolated;
use crate::say;
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

/// The peak is that of one run, in pages; which are touched differs a little from run to run.
const TOLERANCE_KIB: u64 = 512;
/// Of the whole host, where others open and close files meanwhile.
const TOLERANCE_FILES: u64 = 500;

pub(super) fn endless(nsx: &Nsx, time: Duration) -> Result<()> {
    let _crowd = Isolated::gather(20)?;
    let arguments = ["ps", "--usage", "--json"];
    let peak = || crate::peak::of(&nsx.command(&arguments))?.context("nsx ps failed");
    let (first, files) = (peak()?, open_files()?);
    let start = Instant::now();
    let mut runs = 0_u64;
    let mut highest = first;
    while start.elapsed() < time {
        nsx.output(&arguments)?;
        runs += 1;
        if runs.is_multiple_of(50) {
            highest = highest.max(peak()?);
        }
    }
    let (last, left) = (peak()?, open_files()?);
    say::note(format_args!(
        "{runs} runs in {:.0} s; peak {first} KiB at first, {highest} at most, {last} at last; \
         open files of the host {files}, then {left}",
        start.elapsed().as_secs_f64()
    ));
    ensure!(highest < first + TOLERANCE_KIB, "from {first} KiB to {highest}");
    ensure!(left < files + TOLERANCE_FILES, "from {files} open files to {left}");
    Ok(())
}

/// The first field of /proc/sys/fs/file-nr.
fn open_files() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/sys/fs/file-nr")?;
    Ok(text.split_whitespace().next().context("an empty file")?.parse()?)
}
