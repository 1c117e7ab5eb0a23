//! The section `cgroup` of a process as it must be, put together from the kernel's files by other
//! means than nsx's: text by the standard library, JSON by hand. Every field stands here, so that
//! one that nsx adds is missed.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The only line of a process where there is nothing but v2.
pub fn group_of(pid: u32) -> String {
    let lines = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it is there");
    lines.trim_end().strip_prefix("0::").expect("one line, of v2").to_owned()
}

/// A file of a group; `None` if there is none.
pub fn file(group: &str, name: &str) -> Option<String> {
    let path = PathBuf::from(format!("/sys/fs/cgroup{group}/{name}"));
    std::fs::read_to_string(path).ok().map(|text| text.trim_end().to_owned())
}

/// `key value` lines.
pub fn keyed(group: &str, name: &str) -> BTreeMap<String, u64> {
    let text = file(group, name).unwrap_or_default();
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

/// Of a group above what was counted for the very group: what is below it may be another's.
fn counted(own: &str, group: &str, name: &str) -> BTreeMap<String, u64> {
    if group == own { keyed(group, name) } else { keyed(group, &format!("{name}.local")) }
}

pub fn number(group: &str, name: &str) -> Option<u64> {
    file(group, name)?.parse().ok()
}

/// The group and those above it, the root last.
fn upwards(group: &str) -> Vec<String> {
    let mut found = vec![group.to_owned()];
    let mut rest = group;
    while let Some((above, _)) = rest.rsplit_once('/') {
        rest = above;
        found.push(if above.is_empty() { "/".to_owned() } else { above.to_owned() });
    }
    found
}

/// A limit in JSON: a number, or `max`.
fn bound(group: &str, name: &str) -> Value {
    match file(group, name) {
        None => Value::Null,
        Some(text) => text.parse::<u64>().map_or_else(|_| json!(text), |value| json!(value)),
    }
}

fn quota(group: &str) -> Value {
    let Some(text) = file(group, "cpu.max") else { return Value::Null };
    let (quota, period) = text.split_once(' ').expect("two words");
    let period: u64 = period.parse().expect("a number");
    quota.parse::<u64>().map_or_else(|_| json!(quota), |quota| json!(quota * 1000 / period))
}

/// The least of what the groups state, and the nearest that states it.
fn tightest(groups: &[String], of: impl Fn(&str) -> Value) -> (Value, Value) {
    let stated = groups.iter().filter_map(|group| Some((of(group).as_u64()?, group)));
    let least = stated.min_by_key(|(value, _)| *value);
    least.map_or((Value::Null, Value::Null), |(value, group)| (json!(value), json!(group)))
}

/// `group` and, of those above, what passes.
fn levels(groups: &[String], level: impl Fn(&str) -> Value, limits: &[&str]) -> Vec<Value> {
    let all = groups.iter().map(|group| level(group)).enumerate();
    let counts =
        |(at, level): &(usize, Value)| *at == 0 || limits.iter().any(|limit| level[limit].is_u64());
    all.filter(counts).map(|(_, level)| level).collect()
}

/// `data.cgroup` of `nsx inspect`, now.
pub fn section(pid: u32) -> Value {
    let group = group_of(pid);
    let groups = upwards(&group);
    json!({
        "version": "v2",
        "path": group,
        "paths": [{ "controllers": "", "path": group }],
        "memory": memory(&groups),
        "cpu": cpu(&groups),
        "pids": pids(&groups),
        "io": io(&groups),
        "huge_pages": huge_pages(&groups),
        "pressure": {
            "cpu": pressure(&group, "cpu.pressure"),
            "memory": pressure(&group, "memory.pressure"),
            "io": pressure(&group, "io.pressure"),
        },
        "frozen": keyed(&group, "cgroup.events")["frozen"] == 1,
    })
}

fn working_set(group: &str) -> Option<u64> {
    let inactive = keyed(group, "memory.stat").get("inactive_file").copied()?;
    Some(number(group, "memory.current")?.saturating_sub(inactive))
}

fn memory(groups: &[String]) -> Value {
    let own = groups[0].as_str();
    let Some(usage) = number(own, "memory.current") else { return Value::Null };
    let stat = keyed(own, "memory.stat");
    let events = keyed(own, "memory.events");
    let (limit, limit_by) = tightest(groups, |group| bound(group, "memory.max"));
    let (high, high_by) = tightest(groups, |group| bound(group, "memory.high"));
    let (swap, swap_by) = tightest(groups, |group| bound(group, "memory.swap.max"));
    let level = |group: &str| {
        let usage = number(group, "memory.current");
        let limits = [bound(group, "memory.max"), bound(group, "memory.high")];
        let least = limits.iter().filter_map(Value::as_u64).min();
        let is_near = usage.zip(least).is_some_and(|(usage, least)| usage * 100 >= least * 80);
        json!({
            "path": group,
            "max_bytes": limits[0],
            "high_bytes": limits[1],
            "usage_bytes": usage,
            "working_set_bytes": (group == own || is_near).then(|| working_set(group)).flatten(),
            "max_hits": counted(own, group, "memory.events").get("max"),
            "high_hits": counted(own, group, "memory.events").get("high"),
        })
    };
    json!({
        "usage_bytes": usage,
        "working_set_bytes": working_set(own),
        "anon_bytes": stat["anon"],
        "file_bytes": stat["file"],
        "kernel_bytes": stat["kernel"],
        "peak_bytes": number(own, "memory.peak"),
        "swap_bytes": number(own, "memory.swap.current"),
        "limit_bytes": limit,
        "limit_unlimited": limit.is_null(),
        "limit_set_by": limit_by,
        "oom_kills": events["oom_kill"],
        "active_file_bytes": stat["active_file"],
        "inactive_file_bytes": stat["inactive_file"],
        "shmem_bytes": stat["shmem"],
        "file_mapped_bytes": stat["file_mapped"],
        "file_dirty_bytes": stat["file_dirty"],
        "slab_bytes": stat["slab"],
        "kernel_stack_bytes": stat["kernel_stack"],
        "page_tables_bytes": stat["pagetables"],
        "sock_bytes": stat["sock"],
        "high_bytes": high,
        "high_unlimited": high.is_null(),
        "high_set_by": high_by,
        "low_bytes": bound(own, "memory.low"),
        "min_bytes": bound(own, "memory.min"),
        "swap_limit_bytes": swap,
        "swap_limit_unlimited": swap.is_null(),
        "swap_limit_set_by": swap_by,
        "events": {
            "low": events["low"],
            "high": events["high"],
            "max": events["max"],
            "oom": events["oom"],
            "oom_kill": events["oom_kill"],
            "oom_group_kill": events["oom_group_kill"],
        },
        "levels": levels(groups, level, &["max_bytes", "high_bytes"]),
    })
}

fn cpu(groups: &[String]) -> Value {
    let own = groups[0].as_str();
    let stat = keyed(own, "cpu.stat");
    let (limit, limit_by) = tightest(groups, quota);
    let level = |group: &str| {
        let stat = keyed(group, "cpu.stat");
        json!({
            "path": group,
            "limit_millicores": quota(group),
            "periods": stat.get("nr_periods"),
            "throttled_periods": stat.get("nr_throttled"),
            "throttled_usec": stat.get("throttled_usec"),
        })
    };
    let is_limited = quota(own).is_u64();
    json!({
        "usage_usec": stat["usage_usec"],
        "limit_millicores": limit,
        "limit_unlimited": limit.is_null(),
        "limit_set_by": limit_by,
        "periods": stat.get("nr_periods"),
        "throttled_periods": stat.get("nr_throttled"),
        "throttled_usec": stat.get("throttled_usec"),
        "user_usec": stat["user_usec"],
        "system_usec": stat["system_usec"],
        "burst_usec": is_limited.then(|| number(own, "cpu.max.burst")).flatten(),
        "weight": number(own, "cpu.weight"),
        "shares": null,
        "cpus": nearest(groups, "cpuset.cpus.effective"),
        "mems": nearest(groups, "cpuset.mems.effective"),
        "rate": null,
        "levels": levels(groups, level, &["limit_millicores"]),
    })
}

/// Where the controller is off, the group above decides.
fn nearest(groups: &[String], name: &str) -> Option<String> {
    groups.iter().find_map(|group| file(group, name))
}

fn pids(groups: &[String]) -> Value {
    let own = groups[0].as_str();
    let Some(current) = number(own, "pids.current") else { return Value::Null };
    let (limit, limit_by) = tightest(groups, |group| bound(group, "pids.max"));
    let level = |group: &str| {
        json!({
            "path": group,
            "max": bound(group, "pids.max"),
            "current": number(group, "pids.current"),
            "limit_hits": counted(own, group, "pids.events").get("max"),
        })
    };
    json!({
        "current": current,
        "limit": limit,
        "limit_unlimited": limit.is_null(),
        "limit_set_by": limit_by,
        "peak": number(own, "pids.peak"),
        "limit_hits": keyed(own, "pids.events")["max"],
        "levels": levels(groups, level, &["max"]),
    })
}

fn io(groups: &[String]) -> Value {
    let Some(stat) = file(&groups[0], "io.stat") else { return Value::Null };
    let name = |device: &str| {
        let link = std::fs::read_link(format!("/sys/dev/block/{device}")).ok()?;
        Some(link.file_name()?.to_str()?.to_owned())
    };
    let mut devices = Vec::new();
    for line in stat.lines() {
        let (device, numbers) = line.split_once(' ').unwrap_or((line, ""));
        let numbers: BTreeMap<&str, u64> = numbers
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key, value.parse().expect("a number")))
            .collect();
        if numbers.is_empty() {
            continue;
        }
        devices.push(json!({
            "device": device,
            "name": name(device),
            "read_bytes": numbers["rbytes"],
            "written_bytes": numbers["wbytes"],
            "discarded_bytes": numbers["dbytes"],
            "reads": numbers["rios"],
            "writes": numbers["wios"],
            "discards": numbers["dios"],
        }));
    }
    let kinds = [
        ("rbps", "read_bytes"),
        ("wbps", "written_bytes"),
        ("riops", "reads"),
        ("wiops", "writes"),
    ];
    let mut limits: Vec<Value> = Vec::new();
    for group in groups {
        let text = file(group, "io.max").unwrap_or_default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let device = words.next().expect("a device");
            for (key, value) in words.filter_map(|word| word.split_once('=')) {
                let kind = kinds.iter().find(|(file, _)| *file == key).expect("a known kind").1;
                let Ok(per_second) = value.parse::<u64>() else { continue };
                limits.push(json!({
                    "device": device,
                    "name": name(device),
                    "kind": kind,
                    "per_second": per_second,
                    "set_by": group,
                    "binds": true,
                }));
            }
        }
    }
    json!({ "devices": devices, "limits": limits })
}

fn huge_pages(groups: &[String]) -> Value {
    let sizes = std::fs::read_dir("/sys/kernel/mm/hugepages").expect("it is there").flatten();
    let mut sizes: Vec<u64> = sizes
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()
        })
        .collect();
    sizes.sort_unstable();
    let page = |kib: u64| {
        let size =
            if kib < 1 << 20 { format!("{}MB", kib >> 10) } else { format!("{}GB", kib >> 20) };
        let usage = number(&groups[0], &format!("hugetlb.{size}.current"))?;
        let (limit, limit_by) =
            tightest(groups, |group| bound(group, &format!("hugetlb.{size}.max")));
        Some(json!({
            "size": size,
            "usage_bytes": usage,
            "limit_bytes": limit,
            "limit_unlimited": limit.is_null(),
            "limit_set_by": limit_by,
        }))
    };
    sizes.into_iter().filter_map(page).collect()
}

fn pressure(group: &str, name: &str) -> Value {
    let Some(text) = file(group, name) else { return Value::Null };
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let (who, rest) = line.split_once(' ').expect("some or full");
        for (key, value) in rest.split(' ').map(|word| word.split_once('=').expect("a pair")) {
            if key == "total" {
                found.insert(format!("{who}_total_usec"), json!(value.parse::<u64>().unwrap()));
            } else {
                found.insert(format!("{who}_{key}_percent"), json!(value.parse::<f64>().unwrap()));
            }
        }
    }
    json!(found)
}
