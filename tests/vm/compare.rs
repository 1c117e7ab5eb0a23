//! What moves, held between two looks of the test.

use crate::support::{json, nsx};
use crate::truth;
use serde_json::Value;
use std::process::Command;

/// A gauge may go up and down again between two looks; it does not do so every time.
const ATTEMPTS: usize = 8;

/// Whether the section `cgroup` of a report on `target`, which is process `pid`, says what the
/// kernel's files do. The whole report.
pub fn agrees(target: &str, pid: u32) -> Value {
    agrees_by(pid, || nsx(["inspect", "--json", target]))
}

/// The same, of nsx called as one likes.
pub fn agrees_by(pid: u32, command: impl Fn() -> Command) -> Value {
    let mut differences = Vec::new();
    for _ in 0..ATTEMPTS {
        let before = truth::section(pid);
        let report = json(&mut command());
        let after = truth::section(pid);
        assert_eq!(report["data"]["pid"], pid);
        differences.clear();
        between("cgroup", &before, &report["data"]["cgroup"], &after, &mut differences);
        if differences.is_empty() {
            return report;
        }
    }
    panic!("nsx and the kernel differ:\n{}", differences.join("\n"));
}

/// Numbers that move lie between the two looks; all else is the same as at one of them.
fn between(at: &str, before: &Value, seen: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, seen, after) {
        (Value::Object(before), Value::Object(seen), Value::Object(after)) => {
            let keys = before.keys().chain(seen.keys());
            let keys: std::collections::BTreeSet<_> = keys.collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or_else(|| "no such field".into())
                };
                between(&format!("{at}.{key}"), &of(before), &of(seen), &of(after), found);
            }
        }
        (Value::Array(before), Value::Array(seen), Value::Array(after))
            if before.len() == seen.len() && seen.len() == after.len() =>
        {
            for (number, seen) in seen.iter().enumerate() {
                let at = format!("{at}[{number}]");
                between(&at, &before[number], seen, &after[number], found);
            }
        }
        _ => {
            let numbers = [before, seen, after].map(Value::as_f64);
            let lies = match numbers {
                [Some(before), Some(seen), Some(after)] => {
                    before.min(after) <= seen && seen <= before.max(after)
                }
                _ => seen == before || seen == after,
            };
            if !lies {
                found.push(format!("{at}: {before} ≤ {seen} ≤ {after}"));
            }
        }
    }
}

/// The findings of a report that come from its control groups.
pub fn findings(report: &Value) -> Vec<String> {
    let all = report["data"]["findings"].as_array().expect("findings");
    let of_groups = all.iter().filter(|finding| finding["section"] == "cgroup");
    of_groups.map(|finding| finding["text"].as_str().expect("a text").to_owned()).collect()
}
