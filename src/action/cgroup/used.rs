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

/// The same files on both.
fn pids(part: &Part, used: &mut Used) {
    set(&mut used.pids_peak, value(part, "pids.peak"));
    let events = part.read("pids.events").ok();
    set(&mut used.refused_forks, events.and_then(|events| keyed_value(&events, b"max")));
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
    let mut sum = None;
    tree::each(part.dir.as_fd(), &mut |group| {
        let told = bounded::read(group, "memory.oom_control", bounded::SMALL).ok();
        if let Some(kills) = told.and_then(|told| keyed_value(&told, b"oom_kill")) {
            sum = Some(sum.unwrap_or(0) + kills);
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
