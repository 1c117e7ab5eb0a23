//! What was used in groups, from their own counters. What the kernel does not tell is `None`.

use super::{Part, tree};
use crate::model::group::{Controller, Used};
use crate::sys::bounded;
use crate::sys::cgroupfs::values::{keyed_value, number};
use crate::sys::cgroupfs::{io, v1};
use std::os::fd::AsFd;

const NSEC_PER_USEC: u64 = 1000;

pub(super) fn read(parts: &[Part]) -> Used {
    let mut used = Used::default();
    // v2 last: where both know something, what it says is finer.
    for part in parts.iter().filter(|part| !part.is_v2) {
        of_v1(part, &mut used);
    }
    for part in parts.iter().filter(|part| part.is_v2) {
        of_v2(part, &mut used);
    }
    used
}

fn value(part: &Part, file: &str) -> Option<u64> {
    number(&part.read(file).ok()?)
}

fn set<T>(field: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *field = value;
    }
}

/// The same files on both. v1, and v2 before Linux 6.11 or mounted with pids_localevents, count a refusal
/// at the group of who forked, which may be one that the program has made; else a group has also what
/// was counted in those below it that are gone by now.
fn pids(part: &Part, used: &mut Used) {
    set(&mut used.pids_peak, value(part, "pids.peak"));
    let refused = if part.is_v2 && part.read("pids.events.local").is_ok() {
        let of_all = part.read("pids.events").ok();
        let of_all = of_all.and_then(|events| keyed_value(&events, b"max"));
        of_all.max(sum(part, "pids.events.local", b"max"))
    } else {
        sum(part, "pids.events", b"max")
    };
    set(&mut used.refused_forks, refused);
}

fn of_v1(part: &Part, used: &mut Used) {
    if part.has(Controller::Memory) {
        set(&mut used.memory_peak_bytes, value(part, "memory.max_usage_in_bytes"));
        set(&mut used.oom_kills, oom_kills(part));
    }
    if part.has(Controller::Cpu)
        && let Ok(stat) = part.read("cpu.stat")
    {
        set(&mut used.periods, keyed_value(&stat, b"nr_periods"));
        set(&mut used.throttled_periods, keyed_value(&stat, b"nr_throttled"));
        let nsec = keyed_value(&stat, b"throttled_time");
        set(&mut used.throttled_usec, nsec.map(|nsec| nsec / NSEC_PER_USEC));
    }
    if part.has(Controller::CpuAccounting) {
        let usage = part.read("cpuacct.usage").ok();
        set(&mut used.cpu_usec, usage.and_then(|usage| v1::usage_usec_of(&usage)));
        let (user, system) = part
            .read("cpuacct.stat")
            .map_or((None, None), |stat| v1::user_and_system_usec_of(&stat));
        set(&mut used.cpu_user_usec, user);
        set(&mut used.cpu_system_usec, system);
    }
    if part.has(Controller::Pids) {
        pids(part, used);
    }
    if part.has(Controller::Io)
        && let Ok(moved) = part.read("blkio.throttle.io_service_bytes_recursive")
    {
        let operations = part.read("blkio.throttle.io_serviced_recursive").unwrap_or_default();
        used.io = Some(io::v1_stat(&moved, &operations));
    }
}

/// v1 counts them at the group of the victim, which may be one that the program has made.
fn oom_kills(part: &Part) -> Option<u64> {
    sum(part, "memory.oom_control", b"oom_kill")
}

/// Of the group and those below it.
fn sum(part: &Part, file: &str, key: &[u8]) -> Option<u64> {
    let mut sum = None;
    tree::each(part.dir.as_fd(), &mut |group| {
        let told = bounded::read(group, file, bounded::SMALL).ok();
        if let Some(number) = told.and_then(|told| keyed_value(&told, key)) {
            sum = Some(sum.unwrap_or(0_u64).saturating_add(number));
        }
    });
    sum
}

fn of_v2(part: &Part, used: &mut Used) {
    if let Ok(stat) = part.read("cpu.stat") {
        set(&mut used.cpu_usec, keyed_value(&stat, b"usage_usec"));
        set(&mut used.cpu_user_usec, keyed_value(&stat, b"user_usec"));
        set(&mut used.cpu_system_usec, keyed_value(&stat, b"system_usec"));
        set(&mut used.periods, keyed_value(&stat, b"nr_periods"));
        set(&mut used.throttled_periods, keyed_value(&stat, b"nr_throttled"));
        set(&mut used.throttled_usec, keyed_value(&stat, b"throttled_usec"));
    }
    if part.has(Controller::Memory) {
        set(&mut used.memory_peak_bytes, value(part, "memory.peak"));
        let events = part.read("memory.events").ok();
        set(&mut used.oom_kills, events.and_then(|events| keyed_value(&events, b"oom_kill")));
    }
    if part.has(Controller::Pids) {
        pids(part, used);
    }
    if part.has(Controller::Io)
        && let Ok(stat) = part.read("io.stat")
    {
        used.io = Some(io::stat(&stat));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::cgroup::imitation::part;
    use crate::model::cgroup::IoDevice;

    fn moved(device: &str, read_bytes: u64, reads: u64) -> Vec<IoDevice> {
        vec![IoDevice { device: device.into(), read_bytes, reads, ..IoDevice::default() }]
    }

    const V1: [(&str, &str); 9] = [
        ("memory.max_usage_in_bytes", "8192\n"),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
        ("cpu.stat", "nr_periods 5\nnr_throttled 3\nthrottled_time 7000\n"),
        ("cpuacct.usage", "123456789\n"),
        ("cpuacct.stat", "user 9\nsystem 3\n"),
        ("pids.peak", "4\n"),
        ("pids.events", "max 6\n"),
        ("blkio.throttle.io_service_bytes_recursive", "8:0 Read 512\nTotal 512\n"),
        ("blkio.throttle.io_serviced_recursive", "8:0 Read 1\nTotal 1\n"),
    ];
    const V2: [(&str, &str); 6] = [
        (
            "cpu.stat",
            "usage_usec 11\nuser_usec 7\nsystem_usec 4\nnr_periods 2\nnr_throttled 1\n\
             throttled_usec 9\n",
        ),
        ("memory.peak", "4096\n"),
        ("memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n"),
        ("pids.peak", "2\n"),
        ("pids.events", "max 0\n"),
        ("io.stat", "8:0 rbytes=1024 wbytes=0 rios=2 wios=0 dbytes=0 dios=0\n"),
    ];

    #[test]
    fn each_version_tells_the_same_in_its_own_files() {
        let temp = tempfile::tempdir().unwrap();
        let of_v1 = Used {
            cpu_usec: Some(123_456),
            cpu_user_usec: Some(90_000),
            cpu_system_usec: Some(30_000),
            periods: Some(5),
            throttled_periods: Some(3),
            throttled_usec: Some(7),
            memory_peak_bytes: Some(8192),
            oom_kills: Some(2),
            pids_peak: Some(4),
            refused_forks: Some(6),
            io: Some(moved("8:0", 512, 1)),
        };
        assert_eq!(read(&[part(&temp, false, &V1)]), of_v1);
        let temp = tempfile::tempdir().unwrap();
        let of_v2 = Used {
            cpu_usec: Some(11),
            cpu_user_usec: Some(7),
            cpu_system_usec: Some(4),
            periods: Some(2),
            throttled_periods: Some(1),
            throttled_usec: Some(9),
            memory_peak_bytes: Some(4096),
            oom_kills: Some(1),
            pids_peak: Some(2),
            refused_forks: Some(0),
            io: Some(moved("8:0", 1024, 2)),
        };
        assert_eq!(read(&[part(&temp, true, &V2)]), of_v2);
    }

    #[test]
    fn beside_v1_the_group_of_v2_adds_what_it_knows_better() {
        let (temp, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let stat = [("cpu.stat", "usage_usec 11\nuser_usec 7\nsystem_usec 4\n")];
        let used = read(&[part(&other, true, &stat), part(&temp, false, &V1)]);
        assert_eq!((used.cpu_usec, used.cpu_user_usec), (Some(11), Some(7)));
        assert_eq!((used.throttled_periods, used.oom_kills), (Some(3), Some(2)));
    }

    #[test]
    fn kills_in_groups_below_are_counted_on_v1() {
        let temp = tempfile::tempdir().unwrap();
        let part = part(&temp, false, &V1);
        let below = part.directory.join("below/deeper");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(below.join("memory.oom_control"), "oom_kill 5\n").unwrap();
        assert_eq!(read(&[part]).oom_kills, Some(7));
    }

    #[test]
    fn forks_that_were_refused_in_groups_below_are_counted_once() {
        let refused = |is_v2, of_group: &[(&str, &str)], below: &[(&str, &str)]| {
            let temp = tempfile::tempdir().unwrap();
            let part = part(&temp, is_v2, of_group);
            let directory = part.directory.join("below/deeper");
            std::fs::create_dir_all(&directory).unwrap();
            for (file, text) in below {
                std::fs::write(directory.join(file), text).unwrap();
            }
            read(&[part]).refused_forks
        };
        let (events, local) = ("pids.events", "pids.events.local");
        let both = |all, own| [(events, all), (local, own)];
        for is_v2 in [false, true] {
            assert_eq!(refused(is_v2, &[(events, "max 2\n")], &[(events, "max 3\n")]), Some(5));
        }
        // By the limit that refused it, with those below, one of which is gone.
        let (of_group, below) = (both("max 6\n", "max 2\n"), both("max 3\n", "max 3\n"));
        assert_eq!(refused(true, &of_group, &below), Some(6));
        // Mounted with pids_localevents.
        let (of_group, below) = (both("max 2\n", "max 2\n"), both("max 3\n", "max 3\n"));
        assert_eq!(refused(true, &of_group, &below), Some(5));
    }

    #[test]
    fn what_a_kernel_does_not_tell_is_unknown() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(read(&[part(&temp, true, &[])]), Used::default());
        assert_eq!(read(&[part(&temp, false, &[])]), Used::default());
        assert_eq!(read(&[]), Used::default());
    }
}
