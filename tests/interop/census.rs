//! `nsx ns` against `lsns` on a machine of its own with two hundred namespaces: every row and every
//! value of the reference is there, and more.

use crate::machine::{Machine, eventually};
use crate::support::{self, Held, Need, json};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LSNS: &[Need] = &[
    Need::Root,
    Need::Program("lsns"),
    Need::Program("unshare"),
    Need::Program("nsenter"),
    Need::Program("ip"),
];

pub fn tests() -> Vec<Trial> {
    vec![support::test("lsns: ns shows the same namespaces and more", LSNS, same_and_more)]
}

/// Every kind, alone and together, with and without a process above.
const MIXES: [&str; 8] = [
    "-m -u",
    "-n -i",
    "-U -r -m",
    "-C -u",
    "-T -f",
    "-p -f -m",
    "-n -p -f -u -i -m -C",
    "-U -r -n",
];
const ROUNDS: usize = 11;

const SCRIPT: &str = r#"
printf '%s\n' "$1" | while read -r mix; do
    round=$2
    while [ "$round" -gt 0 ]; do
        unshare $mix sleep 1000 </dev/null >/dev/null 2>&1 &
        round=$((round - 1))
    done
done
ip netns add pinned
exec 9</run/netns/pinned
mkdir /run/elsewhere
unshare -m sh -c '
    mount --make-rprivate /
    : > /run/elsewhere/file
    unshare -u sh -c "mount --bind /proc/self/ns/uts /run/elsewhere/file"
    exec sleep 1000' </dev/null >/dev/null 2>&1 &
unshare -Ur unshare -Ur sleep 1000 </dev/null >/dev/null 2>&1 &
unshare -p sh -c 'sleep 0 & wait; exec sleep 1000' </dev/null >/dev/null 2>&1 &
echo started
wait
"#;

/// Processes that sleep, and the two shells that become such.
const SLEEPERS: usize = MIXES.len() * ROUNDS + 3;

const COLUMNS: &str = "NS,TYPE,PATH,NPROCS,PID,PPID,COMMAND,UID,USER,NETNSID,NSFS,PNS,ONS";

fn same_and_more() {
    let machine = Machine::start();
    let mut command = machine.command("sh");
    command.args(["-c", SCRIPT, "sh", &MIXES.join("\n"), &ROUNDS.to_string()]);
    let (_held, line) = Held::ready(&mut command);
    assert_eq!(line, "started");
    let sleepers = || {
        let list = std::fs::read_dir(machine.path("/proc")).expect("/proc is there").flatten();
        let names = list.map(|entry| std::fs::read_to_string(entry.path().join("comm")));
        names.filter(|name| name.as_ref().is_ok_and(|name| name.trim() == "sleep")).count()
    };
    assert!(eventually(|| sleepers() == SLEEPERS), "{} of {SLEEPERS} sleep", sleepers());

    let lsns = |options: &[&str]| json(machine.command("lsns").args(options));
    let theirs = by_inode(&lsns(&["-J", "-l", "-o", COLUMNS])["namespaces"], "ns");
    assert!(theirs.len() > 200, "the reference finds {} namespaces", theirs.len());
    let columns = ["--columns", "+ppid,netnsid,pns,ons"];
    let ours = by_inode(
        &json(&mut machine.nsx(&[&["ns", "--json"], &columns[..]].concat()))["data"],
        "ns",
    );
    for (inode, their) in &theirs {
        let our = ours.get(inode).unwrap_or_else(|| panic!("{inode} is missing: {their}"));
        for (key, value) in as_lsns(our, their) {
            assert_eq!(their[key], value, "{key} of {inode}: {our}");
        }
    }
    // Whatever else is mounted on this host was mounted when the machine was made.
    let missed = ours.iter().filter(|(inode, _)| !theirs.contains_key(inode));
    let is_mounted = |row: &Value| row["nprocs"] == 0 && row["nsfs"] != json!([]);
    assert!(missed.clone().all(|(_, row)| is_mounted(row)), "{:?}", missed.collect::<Vec<_>>());
    let pinned = std::fs::metadata(machine.path("/run/netns/pinned")).expect("it is pinned");
    let pinned = std::os::unix::fs::MetadataExt::ino(&pinned);
    assert!(ours.contains_key(&pinned), "mounted here is shown by default");

    let all = by_inode(&json(&mut machine.nsx(&["ns", "--all", "--json"]))["data"], "ns");
    for inode in theirs.keys() {
        assert!(all.contains_key(inode), "{inode}");
    }
    let more: Vec<&Value> =
        all.iter().filter(|(inode, _)| !theirs.contains_key(inode)).map(|(_, row)| row).collect();
    let is_kept = |kind: &str| {
        let by = |holder: &Value| holder["kind"] == kind;
        more.iter().any(|row| row["holders"].as_array().is_some_and(|held| held.iter().any(by)))
    };
    for kind in ["mount", "child", "for_children"] {
        assert!(is_kept(kind), "lsns misses what a {kind} keeps, nsx does not: {more:?}");
    }
    let descriptor = json!(all[&pinned]["holders"]);
    assert!(descriptor.to_string().contains("\"number\":9"), "{descriptor}");
}

fn by_inode(rows: &Value, key: &str) -> BTreeMap<u64, Value> {
    let rows = rows.as_array().expect("rows");
    rows.iter().map(|row| (row[key].as_u64().expect("an inode"), row.clone())).collect()
}

/// The bytes that our spelling of them means.
fn unescaped(text: &Value) -> Value {
    let bytes = text.as_str().and_then(nsx::model::text::unescape);
    json!(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
}

/// Our row as the reference spells it; what only it can tell (its own process) is left out.
fn as_lsns(our: &Value, their: &Value) -> Vec<(&'static str, Value)> {
    let number_or_zero = |value: &Value| value.as_u64().unwrap_or(0);
    let kind = our["type"].as_str().expect("a type");
    let mut row = vec![
        ("type", our["type"].clone()),
        ("nprocs", our["nprocs"].clone()),
        ("pid", our["pid"].clone()),
        ("ppid", json!(number_or_zero(&our["ppid"]))),
        ("uid", our["uid"].clone()),
        ("user", our["user"].clone()),
        ("command", unescaped(&our["command"])),
        ("path", json!(format!("/proc/{}/ns/{kind}", our["pid"]))),
        ("pns", json!(number_or_zero(&our["pns"]))),
        ("ons", json!(number_or_zero(&our["ons"]))),
    ];
    if kind == "net" {
        let id = our["netnsid"].as_u64().map_or("unassigned".to_owned(), |id| id.to_string());
        row.push(("netnsid", json!(id)));
    }
    // Columns that this version of it does not have.
    row.retain(|(key, _)| their.get(*key).is_some());
    row
}
