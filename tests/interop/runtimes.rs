//! Every runtime of the lab: nsx against what each says of its own containers.
//!
//! One lab serves all of these tests. They take turns, and the last one takes it down.

use crate::answers::{self, Difference, NOBODY, QUESTIONS};
use crate::clues;
use crate::compare::{assert_mounts, findmnt};
use crate::entered::differences;
use crate::lab::Lab;
use crate::sections::{self, net};
use crate::support::{self, Need};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Program("cargo"),
    Need::Program("unshare"),
    Need::Program("nsenter"),
    Need::Program("findmnt"),
    Need::Program("capsh"),
    Need::Program("ss"),
    Need::Program("ps"),
    Need::Program("ip"),
    Need::Program("perl"),
    Need::Program("busybox"),
    Need::Program("tar"),
    Need::Program("dockerd"),
    Need::Program("docker"),
    Need::Program("containerd"),
    Need::Program("ctr"),
    Need::Program("runc"),
    Need::Program("runsc"),
    Need::Program("lxc-start"),
    Need::Program("systemd-nspawn"),
    Need::Program("bwrap"),
    Need::Program("crun"),
    Need::Program("podman"),
];

type Check = fn(&Seen);

/// Each leaves the lab as it was.
const CHECKS: &[(&str, Check)] = &[
    ("the runtimes know what the lab had them start", recorded),
    ("nothing else is listed", nobodys),
    ("ps without --all lists those that have a process", with_process),
    ("ps lists the same, byte for byte, while the engines hang", hanging),
    ("each is inspected by runtime and name, also while the engines hang", inspected),
    ("the mounts of each are those that findmnt lists", mounted),
    ("every section of inspect is what the kernel's files and tools and the engine say", sectioned),
    ("every clue leads to the container it is of, also while the engines hang", led),
    ("each is entered by runtime and name, also while the engines hang", entered),
    ("a program in each has its namespaces, and may do what it may if so asked", confined),
];

pub fn tests() -> Vec<Trial> {
    let stage = Arc::new(Stage::default());
    let of_runtime = QUESTIONS.map(|(runtime, _)| {
        let (turn, name) = (Turn::of(&stage), format!("lab: ps lists what {runtime} knows"));
        support::test(&name, NEEDS, move || turn.play(|seen| agrees(seen, runtime)))
    });
    let checks = CHECKS.iter().map(|(name, check)| {
        let (turn, name) = (Turn::of(&stage), format!("lab: {name}"));
        support::test(&name, NEEDS, move || turn.play(check))
    });
    let mut tests: Vec<Trial> = of_runtime.into_iter().chain(checks).collect();
    let last = Turn::of(&stage);
    let name = "lab: when it is taken down nothing is left";
    tests.push(support::test(name, NEEDS, move || last.end()));
    tests
}

/// The shared lab: brought up for the first test that needs it.
#[derive(Default)]
struct Stage {
    play: Mutex<Play>,
    /// How many tests are still to come; told when one is done.
    left: Mutex<usize>,
    done: Condvar,
}

#[derive(Default)]
enum Play {
    #[default]
    NotStarted,
    /// Also while it is being tried.
    Failed,
    Started(Box<Seen>),
}

/// A test that is still to come, or runs.
struct Turn(Arc<Stage>);

impl Turn {
    fn of(stage: &Arc<Stage>) -> Self {
        *lock(&stage.left) += 1;
        Self(Arc::clone(stage))
    }

    fn play(&self, check: impl Fn(&Seen)) {
        check(started(&mut lock(&self.0.play)));
    }

    /// Waits for the others, all of which have begun: tests are begun in the order of their list.
    fn end(&self) {
        let mut left = lock(&self.0.left);
        while *left > 1 {
            left = self.0.done.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
        let mut play = lock(&self.0.play);
        let lab = &mut started(&mut play).lab;
        assert_eq!(lab.down(), Vec::<String>::new());
        assert_eq!(lab.machine.end(), Vec::<String>::new());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *lock(&self.0.left) -= 1;
        self.0.done.notify_all();
    }
}

/// A check that failed has poisoned it; the guards inside have put everything back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn started(play: &mut Play) -> &mut Seen {
    if matches!(play, Play::NotStarted) {
        *play = Play::Failed;
        *play = Play::Started(Box::new(Seen::new()));
    }
    match play {
        Play::Started(seen) => seen,
        _ => panic!("the lab is not up; the first failure says why"),
    }
}

/// The lab, and what was said of it and listed when it was new.
struct Seen {
    lab: Lab,
    said: Vec<(&'static str, Vec<Value>)>,
    /// Of `ps --all --json`.
    listing: String,
    rows: Vec<Value>,
    differences: Vec<Difference>,
}

impl Seen {
    fn new() -> Self {
        let lab = Lab::up();
        let said = QUESTIONS.map(|(runtime, ask)| (runtime, ask(&lab))).to_vec();
        let listing = lab.nsx(ALL);
        let mut report: Value = serde_json::from_str(&listing).expect("JSON");
        assert_eq!(report["gaps"], json!([]), "everything can be seen");
        let rows: Vec<Value> = serde_json::from_value(report["data"].take()).expect("a list");
        let differences = answers::differences(&said, &rows);
        Self { lab, said, listing, rows, differences }
    }

    /// What was said of those that have a process.
    fn running(&self) -> impl Iterator<Item = &Value> {
        self.said.iter().flat_map(|(_, rows)| rows).filter(|row| !row["pid"].is_null())
    }
}

/// The whole listing.
const ALL: &[&str] = &["ps", "--all", "--json"];

fn agrees(seen: &Seen, runtime: &str) {
    let is_asked = |(name, rows): &(&str, Vec<Value>)| *name == runtime && !rows.is_empty();
    assert!(seen.said.iter().any(is_asked), "{runtime} has containers");
    assert_none(seen, runtime);
}

fn assert_none(seen: &Seen, runtime: &str) {
    let of_runtime = seen.differences.iter().filter(|one| one.runtime == runtime);
    let found: Vec<&str> = of_runtime.map(|one| one.what.as_str()).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// What the runtimes say is what the lab had them start.
fn recorded(seen: &Seen) {
    let of = |one: &Value| (one["pid"].as_u64(), one["state"].to_string());
    let mut said: Vec<_> = seen.said.iter().flat_map(|(_, rows)| rows).map(of).collect();
    // What the lab does not count as containers of its own.
    let record = seen.lab.record();
    let mut noted: Vec<_> =
        record.iter().map(|one| (one["init"]["pid"].as_u64(), one["state"].to_string())).collect();
    said.retain(|one| noted.contains(one));
    said.sort();
    noted.sort();
    assert_eq!(said, noted);
}

fn nobodys(seen: &Seen) {
    assert_none(seen, NOBODY);
}

fn with_process(seen: &Seen) {
    let with_process = |row: &&Value| !row["pid"].is_null();
    let mut expected: Vec<Value> = seen.rows.iter().filter(with_process).cloned().collect();
    let mut listed: Vec<Value> =
        serde_json::from_value(seen.lab.data(&["ps", "--json"])).expect("a list");
    for row in expected.iter_mut().chain(&mut listed) {
        row["age_seconds"].take();
    }
    assert!(expected.len() < seen.rows.len(), "some have none");
    assert_eq!(listed, expected);
}

fn hanging(seen: &Seen) {
    let stopped = seen.lab.stopped();
    let listing = seen.lab.nsx(ALL);
    drop(stopped);
    assert_eq!(without_age(&listing), without_age(&seen.listing));
}

/// The same bytes but for the digits of each age.
fn without_age(listing: &str) -> String {
    let mut parts = listing.split("\"age_seconds\":");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()));
    }
    text
}

/// How a person spells it: by runtime and name; what has no name by its process.
fn target(row: &Value) -> String {
    let word = |key: &str| row[key].as_str().map(str::to_owned);
    match word("name").or_else(|| word("id")) {
        Some(name) => format!("{}:{name}", word("runtime").expect("a runtime")),
        None => row["pid"].to_string(),
    }
}

fn inspected(seen: &Seen) {
    let wrong = || -> Vec<String> {
        let wrong = |row: &Value| {
            let target = target(row);
            let mut command = seen.lab.machine.nsx(&["inspect", "--json", &target]);
            let output = support::output(&mut command);
            let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
            let is_it = output.status.success() && report["data"]["pid"] == row["pid"];
            (!is_it).then(|| {
                let pid = &report["data"]["pid"];
                format!("{target} is {}, not {pid}: {}", row["pid"], support::stderr(&output))
            })
        };
        seen.running().filter_map(wrong).collect()
    };
    assert_eq!(wrong(), Vec::<String>::new());
    let _stopped = seen.lab.stopped();
    assert_eq!(wrong(), Vec::<String>::new(), "while the engines hang");
}

fn mounted(seen: &Seen) {
    for row in seen.running() {
        let pid = row["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a pid");
        let listed = findmnt(seen.lab.machine.command("findmnt"), pid);
        let line = ["inspect", "--json", "--only", "mounts", &target(row)];
        let report: Value = serde_json::from_str(&seen.lab.nsx(&line)).expect("JSON");
        let mounts = &report["data"]["mounts"];
        assert_mounts(mounts, &listed);
        let roots = mounts.as_array().expect("mounts").iter();
        let root = roots.clone().find(|mount| mount["target"] == "/").expect("a root");
        let engine = match row["runtime"].as_str() {
            Some("docker") => "docker",
            Some("podman") => "containers-storage",
            _ => continue,
        };
        if root["fs_type"] == "overlay" {
            let of = &root["overlay"]["layer_of"];
            assert_eq!((&of["engine"], &of["own_upper"]), (&json!(engine), &json!(true)), "{root}");
        }
    }
}

fn sectioned(seen: &Seen) {
    let rows = visible(seen);
    let named = |name: &str| *rows.iter().find(|row| row["name"] == name).expect("it runs");
    let scene = net::Scene::set(&seen.lab, named("nsx-lab-docker"));
    let _address = net::Address::set(&seen.lab, named("nsx-lab-lxc"));
    let outsider = scene.outsider();
    let all = [&rows[..], &[&outsider]].concat();
    let found: Vec<String> =
        rows.iter().flat_map(|row| sections::differences(&seen.lab, row, &all)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

fn led(seen: &Seen) {
    // What they are told of, the lists have: their processes and namespaces.
    let of_list = |row: &&Value| seen.rows.iter().find(|listed| listed["pid"] == row["pid"]);
    let rows: Vec<&Value> = visible(seen).iter().filter_map(of_list).collect();
    let named = |name: &str| *rows.iter().find(|row| row["name"] == name).expect("it runs");
    let docker = named("nsx-lab-docker");
    let _address = net::Address::set(&seen.lab, named("nsx-lab-lxc"));
    let (mut found, mut asked) = (Vec::new(), Vec::new());
    for row in &rows {
        let (wrong, clues) = clues::differences(&seen.lab, row);
        found.extend(wrong);
        asked.push((*row, clues));
    }
    let count: usize = asked.iter().map(|(_, clues)| clues.len()).sum();
    assert!(count >= 100, "{count} clues for {} containers", rows.len());
    let scene = net::Scene::set(&seen.lab, docker);
    found.extend(clues::endpoint(&seen.lab, docker, 8081));
    drop(scene);
    for name in ["nsx-lab-docker", "nsx-lab-podman", "nsx-lab-lxc"] {
        found.extend(clues::wired(&seen.lab, named(name)));
    }
    let containerd = rows.iter().find(|row| row["runtime"] == "containerd").expect("it runs");
    found.extend(clues::wired(&seen.lab, containerd));
    found.extend(clues::busy(&seen.lab, docker));
    let stopped = seen.lab.stopped();
    for (row, clues) in &asked {
        found.extend(clues::again(&seen.lab, row, clues));
    }
    drop(stopped);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Those that run on this kernel: of others nothing but the host's side can be entered.
fn visible(seen: &Seen) -> Vec<&Value> {
    let is_visible = |row: &&Value| {
        let listed = seen.rows.iter().find(|listed| listed["pid"] == row["pid"]);
        listed.is_some_and(|listed| listed["opaque"] == false)
    };
    let rows: Vec<&Value> = seen.running().filter(is_visible).collect();
    assert!(rows.len() >= 12, "the lab has more: {}", rows.len());
    rows
}

fn confined(seen: &Seen) {
    let found: Vec<String> = visible(seen)
        .into_iter()
        .flat_map(|row| differences(&seen.lab, row, &target(row)))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

fn entered(seen: &Seen) {
    let wrong = || -> Vec<String> {
        let wrong = |row: &Value| {
            let (target, pid) = (target(row), &row["pid"]);
            let listed = seen.rows.iter().find(|listed| listed["pid"] == *pid)?;
            // Two may share a network. In a mount namespace there might be no readlink.
            let kinds = listed["namespaces_own"].as_array().expect("a list");
            let kind = ["pid", "net"].into_iter().find(|kind| kinds.contains(&json!(kind)))?;
            let link = |pid: &str| format!("/proc/{pid}/ns/{kind}");
            let expected = seen.lab.asks(&["readlink", &link(&pid.to_string())]);
            let (option, own) = (format!("--{kind}"), link("self"));
            let line = ["enter", "-t", &target, &option, "readlink", &own];
            let output = support::output(&mut seen.lab.machine.nsx(&line));
            let said = support::stdout(&output);
            (said.trim() != expected).then(|| {
                format!("{target} has {expected}, not {said}: {}", support::stderr(&output))
            })
        };
        seen.running().filter_map(wrong).collect()
    };
    assert_eq!(wrong(), Vec::<String>::new());
    let _stopped = seen.lab.stopped();
    assert_eq!(wrong(), Vec::<String>::new(), "while the engines hang");
}
