//! How full the file systems are, each asked by a process that can be abandoned.

use crate::model::device::Device;
use crate::model::gap::{Gap, Reason};
use crate::model::mount::Mount;
use crate::sys::reach::is_foreign;
use crate::sys::statfs;
use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// For all of them.
const PATIENCE: Duration = Duration::from_millis(1500);
/// More than this nobody reads.
const MOST_GAPS: usize = 64;

/// Asks what is mounted where a process can reach it, by its `/proc/PID`. A file system that does not
/// answer is asked once, and after all others. The caller has one thread.
pub fn add_usage(process: BorrowedFd<'_>, mounts: &mut [Mount], gaps: &mut Vec<Gap>) {
    let end = Instant::now() + PATIENCE;
    let mut silent: HashSet<Device> = HashSet::new();
    let mut seen: HashSet<Device> = HashSet::new();
    let reachable: Vec<usize> = (0..mounts.len())
        .filter(|at| mounts.get(*at).is_some_and(|one| !one.overmounted))
        .collect();
    let (mut first, rest): (Vec<usize>, Vec<usize>) = reachable
        .into_iter()
        .partition(|at| mounts.get(*at).is_some_and(|one| seen.insert(one.device)));
    first.sort_by_key(|at| mounts.get(*at).is_some_and(|one| is_foreign(one.fs_type.as_bytes())));
    let mut missing = 0;
    for round in [first, rest] {
        let is_asked =
            |at: &usize| mounts.get(*at).is_some_and(|one| !silent.contains(&one.device));
        let (round, skipped): (Vec<usize>, Vec<usize>) = round.into_iter().partition(is_asked);
        let places: Vec<_> = round.iter().filter_map(|at| mounts.get(*at)).collect();
        let answers =
            statfs::measure(process, &places, end.saturating_duration_since(Instant::now()));
        let skipped = skipped.into_iter().map(|at| (at, Err(Reason::Timeout)));
        let answers = answers.into_iter().map(|answer| answer.map_err(|error| error.reason()));
        for (at, answer) in round.into_iter().zip(answers).chain(skipped) {
            let Some(mount) = mounts.get_mut(at) else { continue };
            match answer {
                Ok(usage) => mount.usage = Some(usage),
                Err(reason) => {
                    if reason == Reason::Timeout {
                        silent.insert(mount.device);
                    }
                    missing += 1;
                    if missing <= MOST_GAPS {
                        gaps.push(Gap { object: mount.target.clone(), what: "usage", reason });
                    }
                }
            }
        }
    }
}
