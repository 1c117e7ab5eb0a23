//! What a spawned program came to, for people and as JSON.

use super::human;
use crate::model::cgroup::IoDevice;
use crate::model::report::{End, Report};
use nix::sys::signal::Signal;
use serde::Serialize;

/// `{"schema":"nsx.report/1","data":{…}}`
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Document<'a> {
    schema: &'static str,
    data: &'a Report,
}

/// One line.
pub fn json(report: &Report) -> serde_json::Result<String> {
    let document = Document { schema: "nsx.report/1", data: report };
    Ok(serde_json::to_string(&document)? + "\n")
}

/// A line for the end and one for each resource, without the program's name before them.
pub fn table(report: &Report) -> String {
    let mut lines = vec![format!("{} after {}", end(report), human::usec(report.wall_usec))];
    let rows = [
        ("cpu", cpu(report)),
        ("memory", memory(report)),
        ("processes", pids(report)),
        ("io", io(report)),
    ];
    let rows = rows.into_iter().filter(|(_, parts)| !parts.is_empty());
    lines.extend(rows.map(|(name, parts)| format!("  {name:<9}  {}", parts.join(" · "))));
    lines.join("\n")
}

fn end(report: &Report) -> String {
    let End { code, signal, timed_out } = report.end;
    if timed_out {
        return "ended because its time was over".to_owned();
    }
    match (code, signal) {
        (_, Some(signal)) => {
            let name = Signal::try_from(signal).map(|signal| signal.as_str().to_owned());
            let name = name.unwrap_or_else(|_| format!("signal {signal}"));
            // Which processes they met is not known; the program only where it died of this signal.
            let oom = counted(report.used.oom_kills, "OOM kill");
            let oom = oom.filter(|_| signal == Signal::SIGKILL as i32);
            let oom = oom.map(|kills| format!(" ({kills})")).unwrap_or_default();
            format!("killed by {name}{oom}")
        }
        (code, None) => format!("exited {}", code.unwrap_or_default()),
    }
}

fn cpu(report: &Report) -> Vec<String> {
    let used = &report.used;
    let mut parts = Vec::new();
    if let Some(cpu) = used.cpu_usec {
        let split = used.cpu_user_usec.zip(used.cpu_system_usec).map_or_else(
            String::new,
            |(user, system)| {
                format!(" (user {}, system {})", human::usec(user), human::usec(system))
            },
        );
        parts.push(format!("{}{split}", human::usec(cpu)));
    }
    if let Some(limit) = report.cpu_limit_millicores {
        parts.push(format!("limit {}", human::cores(limit)));
    }
    if let Some((throttled, periods)) =
        used.throttled_periods.zip(used.periods).filter(|(_, all)| *all > 0)
    {
        let waited = used.throttled_usec.map(human::usec).unwrap_or_default();
        parts.push(format!("throttled in {} % of periods, {waited}", throttled * 100 / periods));
    }
    parts
}

fn memory(report: &Report) -> Vec<String> {
    let used = &report.used;
    let mut parts = Vec::new();
    match (used.memory_peak_bytes, report.memory_limit_bytes) {
        (Some(peak), Some(limit)) => {
            parts.push(format!("peak {} of {}", human::bytes(peak), human::bytes(limit)));
        }
        (Some(peak), None) => parts.push(format!("peak {}", human::bytes(peak))),
        (None, limit) => {
            parts.push(format!("largest process {}", human::bytes(report.largest_process_bytes)));
            parts.extend(limit.map(|limit| format!("limit {}", human::bytes(limit))));
        }
    }
    parts.extend(counted(used.oom_kills, "OOM kill"));
    parts
}

fn pids(report: &Report) -> Vec<String> {
    let used = &report.used;
    let mut parts = Vec::new();
    match (used.pids_peak, report.pids_limit) {
        (Some(peak), Some(limit)) => parts.push(format!("{peak} at most of {limit}")),
        (Some(peak), None) => parts.push(format!("{peak} at most")),
        (None, Some(limit)) => parts.push(format!("limit {limit}")),
        (None, None) => {}
    }
    parts.extend(used.refused_forks.filter(|refused| *refused > 0).map(|refused| {
        format!("{} refused", human::count(usize::try_from(refused).unwrap_or(usize::MAX), "fork"))
    }));
    parts
}

fn counted(number: Option<u64>, noun: &str) -> Option<String> {
    let number = usize::try_from(number.filter(|number| *number > 0)?).unwrap_or(usize::MAX);
    Some(human::count(number, noun))
}

fn io(report: &Report) -> Vec<String> {
    let devices = report.used.io.as_deref().unwrap_or_default();
    let sum = |of: fn(&IoDevice) -> u64| -> u64 { devices.iter().map(of).sum() };
    let (read, written) = (sum(|device| device.read_bytes), sum(|device| device.written_bytes));
    if read == 0 && written == 0 {
        return Vec::new();
    }
    vec![format!("read {}", human::bytes(read)), format!("written {}", human::bytes(written))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::group::Used;

    fn report(end: End, used: Used) -> Report {
        Report {
            end,
            wall_usec: 3_100_000,
            used,
            largest_process_bytes: 5 << 20,
            memory_limit_bytes: Some(32 << 20),
            pids_limit: None,
            cpu_limit_millicores: None,
        }
    }

    #[test]
    fn what_was_used_stands_beside_what_was_allowed() {
        let used = Used {
            cpu_usec: Some(2_900_000),
            cpu_user_usec: Some(2_100_000),
            cpu_system_usec: Some(800_000),
            periods: Some(100),
            throttled_periods: Some(37),
            throttled_usec: Some(1_200_000),
            memory_peak_bytes: Some(32 << 20),
            oom_kills: Some(1),
            pids_peak: Some(4),
            refused_forks: Some(3),
            io: Some(Vec::new()),
        };
        let killed = End { code: None, signal: Some(9), timed_out: false };
        let expected = "killed by SIGKILL (1 OOM kill) after 3.1s
  cpu        2.9s (user 2.1s, system 800ms) · throttled in 37 % of periods, 1.2s
  memory     peak 32M of 32M · 1 OOM kill
  processes  4 at most · 3 forks refused";
        assert_eq!(table(&report(killed, used)), expected);
    }

    #[test]
    fn of_another_signal_no_oom_kill_is_the_reason() {
        let ended = |signal, oom_kills| {
            let used = Used { oom_kills, ..Used::default() };
            let end = End { code: None, signal: Some(signal), timed_out: false };
            table(&report(end, used)).lines().next().unwrap().to_owned()
        };
        assert_eq!(ended(11, Some(2)), "killed by SIGSEGV after 3.1s");
        assert_eq!(ended(9, Some(0)), "killed by SIGKILL after 3.1s");
        assert_eq!(ended(9, Some(2)), "killed by SIGKILL (2 OOM kills) after 3.1s");
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let end = |code, signal, timed_out| {
            table(&report(End { code, signal, timed_out }, Used::default()))
        };
        let rest = "after 3.1s\n  memory     largest process 5M · limit 32M";
        assert_eq!(end(Some(7), None, false), format!("exited 7 {rest}"));
        assert_eq!(end(None, Some(40), false), format!("killed by signal 40 {rest}"));
        assert_eq!(end(Some(124), None, true), format!("ended because its time was over {rest}"));
    }
}
