//! A process that sees many mounts, against findmnt(8), whose time grows with their square, and
//! against reading what both are made of.

use super::floor::Floor;
use super::{Bench, peer};
use crate::many::mounts::Mounted;
use crate::say;
use anyhow::Result;
use std::path::Path;

const SIZES: [usize; 2] = [1_000, 10_000];

impl Bench {
    pub(super) fn mounts(&mut self) -> Result<()> {
        let floor = Floor::build()?;
        let mut medians = Vec::new();
        for size in SIZES {
            say::note(format_args!("bench: mounting {size} times"));
            let mounted = Mounted::times(size)?;
            let pid = mounted.pid().to_string();
            let arguments = [&pid, "--only", "mounts", "--json"];
            let theirs = peer("findmnt", &["-N", &pid, "-J"])?;
            let what = format!("{size} mounts");
            medians.extend(self.compare(&what, self.nsx("nsx-inspect", &arguments), theirs));
            let alone = floor.read(&Path::new("/proc").join(&pid).join("mountinfo"));
            self.compare(&what, self.nsx("nsx-inspect", &arguments), alone);
        }
        if let [few, many] = &medians[..] {
            let growth = many.ours_median_usec / few.ours_median_usec;
            self.notes.push(format!("ten times the mounts take {growth:.1} times as long"));
        }
        Ok(())
    }
}
