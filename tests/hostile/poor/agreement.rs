//! Whether a poor report says the same as a rich one: nothing else, and about what is missing that
//! it is.

use super::{Lack, NOTHING, Scene, Who};
use serde_json::Value;

/// The namespaces that the processes of a scene have for themselves; a container is of no kind.
const KINDS: [Option<&str>; 6] =
    [None, Some("mnt"), Some("pid"), Some("net"), Some("uts"), Some("user")];

/// What another mount namespace tells otherwise, what never holds still, why a verdict is so, and
/// whether others may be there, which goes by the gaps.
const LOOSE: [&str; 4] = ["host_source", "memory", "evidence", "nprocs_complete"];

/// How often the host may change while it is compared.
const ATTEMPTS: usize = 4;

impl Scene {
    /// A command says with this lack what it says without it: everything that is the same before
    /// and after.
    pub(super) fn is_whole(&self, lack: Lack, who: Who, words: &[&str], pid: u32) {
        let mut differences = Vec::new();
        for _ in 0..ATTEMPTS {
            let before = of(&self.json(NOTHING, who, words), pid);
            assert!(
                who == Who::Nobody || has_rows(words, &before),
                "{words:?}: nothing to compare"
            );
            let poor = self.json(lack, who, words);
            let after = of(&self.json(NOTHING, who, words), pid);
            differences.clear();
            compare(&[&before, &after], &of(&poor, pid), "", &mut |path, _| {
                differences.push(path.to_owned());
            });
            if differences.is_empty() {
                return;
            }
            differences.push(poor["gaps"].to_string());
        }
        panic!("{words:?} of {who:?} with {lack:?}: {differences:?}");
    }

    /// What nobody sees with this lack is what root sees without it; what he does not see he is
    /// told about. Returns whether there is anything of that.
    pub(super) fn is_honest(&self, lack: Lack, words: &[&str], pid: u32) -> bool {
        let mut found = Vec::new();
        for _ in 0..ATTEMPTS {
            let before = of(&self.json(NOTHING, Who::Root, words), pid);
            assert!(has_rows(words, &before), "{words:?}: nothing to compare");
            let poor = self.json(lack, Who::Nobody, words);
            let after = of(&self.json(NOTHING, Who::Root, words), pid);
            let (mut wrong, mut missing) = (Vec::new(), Vec::new());
            compare(&[&before, &after], &of(&poor, pid), "", &mut |path, is_missing| {
                let place = if is_missing { &mut missing } else { &mut wrong };
                place.push(path.to_owned());
            });
            let gaps = poor["gaps"].as_array().unwrap();
            if wrong.is_empty() && (missing.is_empty() || !gaps.is_empty()) {
                return !missing.is_empty();
            }
            found = [wrong, missing].concat();
        }
        panic!("{words:?} with {lack:?}: {found:?}");
    }
}

/// Of a list the rows that concern a process, since others come and go; else all of it.
fn of(report: &Value, pid: u32) -> Value {
    let data = &report["data"];
    match data.as_array() {
        Some(rows) if report["schema"] == "nsx.ps/1" || report["schema"] == "nsx.ns/1" => {
            let is_its = |row: &&Value| row["pid"] == pid && KINDS.contains(&row["type"].as_str());
            rows.iter().filter(is_its).cloned().collect()
        }
        _ => {
            let mut data = data.clone();
            if let Some(above) = data.pointer_mut("/limits/processes_above") {
                // Who looks, as the user that made the namespace, is one of them.
                above.take();
            }
            data
        }
    }
}

/// Of no row at all everything agrees; in a list the process has one.
fn has_rows(words: &[&str], data: &Value) -> bool {
    let is_list = matches!(words[0], "ps" | "ns");
    !is_list || data.as_array().is_some_and(|rows| !rows.is_empty())
}

/// Tells where `poor` differs from what both of `rich` agree upon, and whether by lacking it.
fn compare(rich: &[&Value; 2], poor: &Value, path: &str, tell: &mut dyn FnMut(&str, bool)) {
    match (rich[0], rich[1], poor) {
        (Value::Object(one), Value::Object(other), Value::Object(poor)) => {
            for (key, value) in one {
                let Some(second) = other.get(key) else { continue };
                if LOOSE.contains(&key.as_str()) {
                    continue;
                }
                let path = format!("{path}.{key}");
                compare(&[value, second], poor.get(key).unwrap_or(&Value::Null), &path, tell);
            }
        }
        (Value::Array(one), Value::Array(other), Value::Array(poor))
            if one.len() == other.len() && one.len() == poor.len() =>
        {
            for (at, poor) in poor.iter().enumerate() {
                compare(&[&one[at], &other[at]], poor, &format!("{path}[{at}]"), tell);
            }
        }
        (one, other, Value::Null) if !one.is_null() && !other.is_null() => tell(path, true),
        (Value::Array(one), Value::Array(other), Value::Array(poor))
            if poor.is_empty() && !one.is_empty() && !other.is_empty() =>
        {
            tell(path, true);
        }
        (one, other, _) if one != other => {}
        (one, _, poor) if one == poor => {}
        (_, _, Value::String(word)) if word == "unknown" => tell(path, true),
        (Value::Array(one), _, Value::Array(poor)) => {
            let is_part = poor.iter().all(|value| one.contains(value));
            tell(path, is_part && poor.len() < one.len());
        }
        _ => tell(path, false),
    }
}
