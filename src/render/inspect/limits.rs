//! The limits section: what is not as usual, and open files; everything where it is asked for.

use crate::model::cgroup::Bound;
use crate::model::limits::{Limits, Resource, Rlimit, Scheduler};
use crate::render::human;

/// From here on what is used of a limit is worth a word.
const MUCH_PERCENT: u64 = 50;

pub(super) fn lines(limits: &Limits, everything: bool) -> Vec<String> {
    let mut parts = Vec::new();
    for limit in &limits.rlimits {
        let much = limit.used_percent().is_some_and(|percent| percent >= MUCH_PERCENT);
        if !everything && (limit.resource == Resource::OpenFiles || much) {
            parts.extend(used(limit));
        }
    }
    let score = limits.oom_score.map(|score| score.to_string());
    match (score, limits.oom_score_adj) {
        (Some(score), Some(adjusted)) if adjusted != 0 => {
            parts.push(format!("OOM score {score} (adjusted by {adjusted})"));
        }
        (Some(score), _) if everything => parts.push(format!("OOM score {score}")),
        _ => {}
    }
    parts.extend(limits.nice.filter(|nice| *nice != 0).map(|nice| format!("nice {nice}")));
    if let Some(policy) = limits.scheduler.filter(|policy| *policy != Scheduler::Other) {
        let priority = limits.realtime_priority.filter(|priority| *priority > 0);
        let priority = priority.map(|priority| format!(" {priority}")).unwrap_or_default();
        parts.push(format!("scheduled {}{priority}", policy.name()));
    }
    if everything {
        parts.extend(limits.cpus_allowed.as_ref().map(|list| format!("cpus {list}")));
        parts.extend(limits.mems_allowed.as_ref().map(|list| format!("nodes {list}")));
    }
    let mut lines = vec![parts.join(" · ")];
    if everything {
        let row = |limit: &Rlimit| {
            let used = limit.used.map_or_else(|| "-".to_owned(), |used| value(limit, used));
            let (soft, hard) = (bound(limit, limit.soft), bound(limit, limit.hard));
            let exempt = if limit.exempt == Some(true) { ", exempt" } else { "" };
            let above = limits.processes_above.filter(|_| limit.resource == Resource::Processes);
            let above = above.map(|count| format!(", {count} of its user namespace's maker"));
            let above = above.unwrap_or_default();
            format!(
                "{:<18} {used:>8} of {soft} (hard {hard}){exempt}{above}",
                limit.resource.kernels_name()
            )
        };
        lines.extend(limits.rlimits.iter().map(row));
        let inotify = &limits.inotify;
        let of = |used: Option<u64>, max: Option<u64>| {
            let word =
                |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
            format!("{} of {}", word(used), word(max))
        };
        lines.push(format!(
            "{:<18} instances {} · watches {}",
            "inotify",
            of(inotify.instances, inotify.max_user_instances),
            of(inotify.watches, inotify.max_user_watches)
        ));
    }
    lines.retain(|line| !line.is_empty());
    lines
}

fn used(limit: &Rlimit) -> Option<String> {
    let name = limit.resource.kernels_name();
    Some(format!("{name} {} of {}", value(limit, limit.used?), bound(limit, limit.soft)))
}

fn value(limit: &Rlimit, number: u64) -> String {
    if limit.resource.is_bytes() { human::bytes(number) } else { number.to_string() }
}

fn bound(limit: &Rlimit, bound: Bound) -> String {
    match bound {
        Bound::Unlimited => "unlimited".to_owned(),
        Bound::At(number) => value(limit, number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let rlimit = |resource, used, soft| {
            let exempt = Some(resource == Resource::LockedBytes);
            Rlimit { resource, soft, hard: Bound::Unlimited, used, exempt }
        };
        Limits {
            rlimits: vec![
                rlimit(Resource::StackBytes, Some(135_168), Bound::At(8 << 20)),
                rlimit(Resource::OpenFiles, Some(23), Bound::At(1024)),
                rlimit(Resource::Processes, Some(60), Bound::At(100)),
                rlimit(Resource::LockedBytes, Some(64 << 20), Bound::At(8 << 20)),
            ],
            oom_score: Some(666),
            nice: Some(0),
            scheduler: Some(Scheduler::Other),
            cpus_allowed: Some("0-1".into()),
            ..Limits::default()
        }
    }

    #[test]
    fn quiet_about_what_is_usual() {
        assert_eq!(lines(&limits(), false), ["open files 23 of 1024 · processes 60 of 100"]);
        let unusual = Limits {
            oom_score_adj: Some(-500),
            nice: Some(5),
            scheduler: Some(Scheduler::Fifo),
            realtime_priority: Some(7),
            rlimits: Vec::new(),
            ..limits()
        };
        let line = "OOM score 666 (adjusted by -500) · nice 5 · scheduled fifo 7";
        assert_eq!(lines(&unusual, false), [line]);
    }

    #[test]
    fn everything_is_a_row_for_each() {
        assert_eq!(
            lines(&limits(), true),
            [
                "OOM score 666 · cpus 0-1",
                "stack size             132K of 8M (hard unlimited)",
                "open files               23 of 1024 (hard unlimited)",
                "processes                60 of 100 (hard unlimited)",
                "locked memory           64M of 8M (hard unlimited), exempt",
                "inotify            instances - of - · watches - of -",
            ]
        );
        let within = Limits { processes_above: Some(99), ..limits() };
        let row =
            "processes                60 of 100 (hard unlimited), 99 of its user namespace's maker";
        assert_eq!(lines(&within, true)[3], row);
    }
}
