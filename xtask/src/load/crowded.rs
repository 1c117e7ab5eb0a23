//! Hosts with much of one thing: nothing of it is missing, nothing is told twice, and the rest is told
//! as before.

use super::nsx::{Nsx, numbers};
use crate::many::idle::Idle;
use crate::many::interfaces::Interfaces;
use crate::many::isolated::Isolated;
use crate::many::mounts::Mounted;
use crate::{run, say};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What `unshare` gave each isolated process of its own.
const KINDS: [&str; 6] = ["pid", "mnt", "uts", "ipc", "net", "cgroup"];
/// How many of them are asked for one by one.
const SAMPLE: usize = 25;

pub(super) fn isolated(nsx: &Nsx, count: usize) -> Result<()> {
    let crowd = Isolated::gather(count)?;
    every_namespace(nsx, &crowd)?;
    let rows = nsx.data(&["ps"])?;
    let listed = numbers(&rows, "pid");
    let each: BTreeSet<i64> = listed.iter().copied().collect();
    ensure!(each.len() == listed.len(), "nsx ps tells a container twice");
    for pid in crowd.pids() {
        ensure!(each.contains(&i64::from(pid)), "nsx ps misses {pid}");
    }
    for pid in crowd.pids().step_by(count.div_ceil(SAMPLE)) {
        one(nsx, pid)?;
    }
    nsx.stays_below(24, &["ns"])?;
    nsx.stays_below(24, &["ps"])?;
    nsx.stays_below(64, &["ps", "--usage"])?;
    let pid = crowd.first().context("nobody")?.to_string();
    nsx.stays_below(64, &["inspect", &pid])?;
    nsx.stays_below(64, &["who", &format!("pid:{pid}")])
}

/// Each namespace that the kernel says they have is a row with one process, theirs.
fn every_namespace(nsx: &Nsx, crowd: &Isolated) -> Result<()> {
    let rows = nsx.data(&["ns"])?;
    let mut told = BTreeMap::new();
    for row in rows.as_array().context("no rows")? {
        let number = row.get("ns").and_then(Value::as_u64).context("a row without a number")?;
        ensure!(told.insert(number, row).is_none(), "nsx ns tells {number} twice");
    }
    for pid in crowd.pids() {
        for kind in KINDS {
            let link = std::fs::read_link(format!("/proc/{pid}/ns/{kind}"))?;
            let number = inode(&link.to_string_lossy()).context("a link of another form")?;
            let row =
                told.get(&number).with_context(|| format!("nsx ns misses {kind} of {pid}"))?;
            let is =
                |field: &str, value: i64| row.get(field).and_then(Value::as_i64) == Some(value);
            ensure!(is("pid", pid.into()) && is("nprocs", 1), "{kind} of {pid}: {row}");
        }
    }
    Ok(())
}

/// `net:[4026531833]`.
fn inode(link: &str) -> Option<u64> {
    link.split_once('[')?.1.strip_suffix(']')?.parse().ok()
}

fn one(nsx: &Nsx, pid: i32) -> Result<()> {
    let text = pid.to_string();
    let inspected = nsx.data(&["inspect", &text])?;
    ensure!(inspected.get("pid") == Some(&pid.into()), "inspect {pid} told of another");
    let net = std::fs::read_link(format!("/proc/{pid}/ns/net"))?;
    let inside = nsx.output(&["enter", "-t", &text, "-n", "readlink", "/proc/self/ns/net"])?;
    ensure!(inside.trim() == net.to_string_lossy(), "enter {pid} entered {inside}");
    let levels = nsx.data(&["pid", &text])?;
    ensure!(numbers(&levels, "pid") == [i64::from(pid)], "pid {pid}: {levels}");
    let number = inode(&net.to_string_lossy()).context("a link of another form")?;
    let owner = nsx.output(&["who", &format!("ns:{number}"), "--json"])?;
    ensure!(owner.contains(&format!("\"pid\":{pid}")), "who ns:{number}: {owner}");
    Ok(())
}

pub(super) fn plain(nsx: &Nsx, count: usize) -> Result<()> {
    let crowd = Isolated::gather(100)?;
    let idle = Idle::processes(count)?;
    say::note(format_args!("{} plain processes", idle.count));
    every_namespace(nsx, &crowd)?;
    let listed = numbers(&nsx.data(&["ps"])?, "pid");
    for pid in crowd.pids() {
        ensure!(listed.contains(&i64::from(pid)), "nsx ps misses {pid}");
    }
    let host = nsx.data(&["ns", "-t", "user"])?;
    let processes = numbers(&host, "nprocs").into_iter().max().unwrap_or_default();
    ensure!(
        usize::try_from(processes).is_ok_and(|n| n >= idle.count),
        "only {processes} processes"
    );
    one(nsx, crowd.first().context("nobody")?)?;
    nsx.stays_below(64, &["ns"])?;
    nsx.stays_below(64, &["ps"])
}

pub(super) fn mounts(nsx: &Nsx, count: usize) -> Result<()> {
    let mounted = Mounted::times(count)?;
    let pid = mounted.pid().to_string();
    let only = ["inspect", &pid, "--only", "mounts"];
    let told = nsx.data(&only)?;
    let rows = told.get("mounts").and_then(Value::as_array).context("no mounts")?;
    let table = std::fs::read_to_string(format!("/proc/{pid}/mountinfo"))?;
    ensure!(
        rows.len() == table.lines().count(),
        "{} mounts of {}",
        rows.len(),
        table.lines().count()
    );
    for (row, line) in rows.iter().zip(table.lines()) {
        let target = line.split(' ').nth(4);
        ensure!(row.get("target").and_then(Value::as_str) == target, "{row} for {line}");
    }
    nsx.stays_below(64, &[&only[..], &["--json"]].concat())?;
    nsx.stays_below(64, &["inspect", &pid])?;
    let last = format!("path:/proc/{pid}/root/mnt/volume-{}", count - 1);
    nsx.stays_below(64, &["ps"])?;
    // Whose the files are the host tells or not; that it ends is what is tried.
    let asked = nsx.ended(&["who", &last])?;
    ensure!(matches!(asked.status.code(), Some(0 | 3)), "who {last}: {}", asked.status);
    Ok(())
}

pub(super) fn interfaces(nsx: &Nsx, count: usize) -> Result<()> {
    let many = Interfaces::make(count)?;
    let pid = many.pid.to_string();
    let only = ["inspect", &pid, "--only", "net"];
    let told = nsx.data(&only)?;
    let told = told.get("net").and_then(|net| net.get("interfaces")).context("no interfaces")?;
    let names = |rows: &Value, field: &str| -> BTreeSet<String> {
        let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
        let name = |row: &Value| row.get(field).and_then(Value::as_str).map(str::to_owned);
        rows.iter().filter_map(name).collect()
    };
    let mut ip = run::plain(run::find("nsenter").context("nsenter is not installed")?);
    let ip = run::output(ip.args(["-t", &pid, "-n", "ip", "-j", "link"]))?;
    let truth = names(&serde_json::from_str(&ip)?, "ifname");
    ensure!(truth.len() > count && names(told, "name") == truth, "interfaces differ from ip's");
    nsx.stays_below(64, &[&only[..], &["--json"]].concat())?;
    nsx.stays_below(64, &["inspect", &pid])?;
    let owner = nsx.output(&["who", "if:a1", "--json"])?;
    ensure!(owner.contains(&format!("\"pid\":{pid}")), "who if:a1: {owner}");
    Ok(())
}
