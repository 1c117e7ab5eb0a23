//! How the listings grow with the host: their peers, the least that could be done, and themselves.

use super::floor::Floor;
use super::{Bench, peer};
use crate::many::idle::Idle;
use crate::many::isolated::Isolated;
use crate::say;
use anyhow::Result;
use std::path::Path;

/// Isolated processes.
const SIZES: [usize; 2] = [1_000, 3_000];
/// Ordinary processes of a host with many isolated ones.
const ORDINARY: usize = 5_000;
/// Plain processes and threads beside the isolated, which should change nothing.
const PLAIN: usize = 30_000;
const THREADS: usize = 100_000;

impl Bench {
    pub(super) fn scale(&mut self) -> Result<()> {
        let floor = Floor::build()?;
        let mut per_process: Vec<(usize, f64)> = Vec::new();
        for size in SIZES {
            say::note(format_args!("bench: isolating {size} processes"));
            let isolated = Isolated::gather(size)?;
            let what = format!("namespaces, {size} isolated processes");
            per_process.extend(self.against_peers(&what, size, &floor)?);
            let listing = format!("containers, {size} isolated processes");
            self.compare(&listing, self.nsx("nsx-ps", &[]), self.nsx("nsx-ns", &[]));
            let ordinary = Idle::processes(ORDINARY)?;
            let what = format!("{what} among {} ordinary ones", ordinary.count);
            self.against_peers(&what, size, &floor)?;
            drop(ordinary);
            drop(isolated);
        }
        for (size, usec) in per_process {
            self.notes.push(format!("nsx ns, {size} isolated: {usec:.1} us for each process"));
        }
        let isolated = Isolated::gather(100)?;
        let what = "namespaces, 100 isolated processes";
        self.compare(what, self.nsx("nsx-ns", &[]), floor.links());
        let threads = Idle::threads(THREADS)?;
        let beside = format!("{what}; {} threads beside them", threads.count);
        self.compare(&beside, self.nsx("nsx-ns", &[]), floor.links());
        drop(threads);
        let plain = Idle::processes(PLAIN)?;
        let beside = format!("{what}; {} processes beside them", plain.count);
        self.compare(&beside, self.nsx("nsx-ns", &[]), floor.links());
        drop(plain);
        drop(isolated);
        Ok(())
    }

    /// Against lsns, and against the least that could be done. The time for each process.
    fn against_peers(
        &mut self,
        what: &str,
        size: usize,
        floor: &Floor,
    ) -> Result<Option<(usize, f64)>> {
        self.compare(what, self.nsx("nsx-ns", &[]), peer("lsns", &[])?);
        let Some(row) = self.compare(what, self.nsx("nsx-ns", &[]), floor.links()) else {
            return Ok(None);
        };
        let processes = process_count();
        self.note_growth(size, processes, row.ours_cost.system_calls);
        Ok(Some((size, row.ours_median_usec / to_f64(processes))))
    }

    fn note_growth(&mut self, size: usize, processes: usize, calls: Option<u64>) {
        #[expect(clippy::cast_precision_loss, reason = "a number of system calls is small")]
        let calls = calls.map_or(0.0, |calls| calls as f64) / to_f64(processes);
        self.notes.push(format!(
            "{size} isolated of {processes} processes: nsx ns makes {calls:.1} system calls for each"
        ));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of processes is small")]
fn to_f64(count: usize) -> f64 {
    count as f64
}

fn process_count() -> usize {
    let is_pid = |name: &std::ffi::OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let entries = std::fs::read_dir(Path::new("/proc")).into_iter().flatten().flatten();
    entries.filter(|entry| is_pid(&entry.file_name())).count()
}
