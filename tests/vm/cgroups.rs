//! Limits, use, events and pressure of containers, as engines set them and the kernel counts them.
//!
//! Each test first sees to it that the state is there (by the kernel's files), then compares the
//! whole section with these files, then asks what the engine says and what is called unusual.

use crate::compare::{agrees, agrees_by, findings};
use crate::containers::{Container, Engine, Service, as_alice};
use crate::host::INSIDE;
use crate::support::{asleep, binary, json, nsx, succeeds, test, until};
use crate::truth::{file, keyed, number};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::process::Command;

const MIB: u64 = 1 << 20;

pub fn tests() -> Vec<Trial> {
    vec![
        test("docker: limits, a limit of pids reached, paused", INSIDE, docker_limits),
        test("docker: throttled, and pressure on the CPU", INSIDE, docker_throttled),
        test("podman: limits in crun's group, an OOM kill, paused", INSIDE, podman_limits),
        test("podman: memory.high, and pressure on memory", INSIDE, podman_high),
        test("podman without root: limits, seen by root and by its user", INSIDE, rootless),
        test("a service: the limits of its slice bind", INSIDE, slice),
        test("a service: its slice is above memory.high", INSIDE, slowed_slice),
        test("a service: its slice may have no more pids", INSIDE, full_slice),
    ]
}

/// Identity and limits as the engine has them.
fn as_told(container: &Container, report: &Value) {
    let (told, data) = (&container.told, &report["data"]);
    assert_eq!(data["container"]["id"], told["Id"]);
    assert_eq!(data["container"]["name"], container.name);
    assert_eq!(data["container"]["pid"], container.pid);
    let asked = |field: &str| told["HostConfig"][field].as_u64().unwrap_or_default();
    let limit = |value: u64| if value > 0 { json!(value) } else { Value::Null };
    let (memory, cpu) = (&data["cgroup"]["memory"], &data["cgroup"]["cpu"]);
    assert_eq!(memory["limit_bytes"], limit(asked("Memory")));
    assert_eq!(cpu["limit_millicores"], limit(asked("NanoCpus") / 1_000_000));
    if asked("Memory") > 0 {
        let swap = asked("MemorySwap") - asked("Memory");
        assert_eq!(memory["swap_limit_bytes"], swap);
        assert_eq!(memory["limit_set_by"], container.group());
    }
    assert_eq!(memory["low_bytes"], asked("MemoryReservation"));
}

fn has(report: &Value, text: &str) {
    let found = findings(report);
    assert!(found.iter().any(|one| one == text), "{text:?} is not in {found:?}");
}

/// The line of docker's own figures, against docker; what moves is asked again.
fn as_docker_prints(name: &str) {
    let stats = ["stats", "--no-stream", "--format", "{{.MemUsage}} ({{.MemPerc}})", name];
    let options = ["inspect", name, "--only=cgroup", "--columns=+formulas"];
    until("nsx prints what docker prints", || {
        let docker = succeeds(Command::new("docker").args(stats));
        let screen = succeeds(&mut nsx(options));
        let line = screen.lines().find_map(|line| line.trim().strip_prefix("as docker"));
        line.expect("a line").trim() == docker.trim()
    });
}

fn is_frozen(group: &str) -> bool {
    keyed(group, "cgroup.events").get("frozen") == Some(&1)
}

/// The machine's disk, which is namespace 1 of its controller.
fn disk() -> String {
    let disks = std::fs::read_dir("/sys/block").unwrap().flatten();
    let mut names = disks.map(|entry| entry.file_name().into_string().unwrap());
    let is_first = |name: &String| {
        std::fs::read_to_string(format!("/sys/block/{name}/nsid")).is_ok_and(|id| id == "1\n")
    };
    names.find(is_first).expect("a disk")
}

fn docker_limits() {
    let disk = disk();
    let write = format!("/dev/{disk}:1mb");
    let options = ["--memory=64m", "--memory-reservation=32m", "--cpus=0.5", "--pids-limit=20"];
    let options = [&options[..], &["--device-write-bps", &write]].concat();
    // The shell that is refused a child gives up.
    let script = "dd if=/dev/zero of=/file bs=64k count=4 conv=fsync 2>/dev/null
        (i=0; while [ $i -lt 30 ]; do sleep 1000 & i=$((i + 1)); done) 2>/dev/null
        exec sleep 1000";
    let container = Container::run(Engine::Docker, "limited", &options, script);
    let group = container.group();
    assert!(group.starts_with("/system.slice/docker-"), "{group}");
    asleep(container.pid);
    assert!(keyed(&group, "pids.events")["max"] > 0, "a fork has failed");

    let report = agrees("limited", container.pid);
    as_told(&container, &report);
    let section = &report["data"]["cgroup"];
    assert_eq!(section["memory"]["limit_bytes"], 64 * MIB);
    assert_eq!(section["cpu"]["limit_millicores"], 500);
    let pids = &section["pids"];
    assert_eq!((&pids["limit"], &pids["limit_set_by"]), (&json!(20), &json!(group)));
    assert_eq!(pids["peak"], 20);
    let limits = json!({
        "device": section["io"]["limits"][0]["device"], "name": disk, "kind": "written_bytes",
        "per_second": MIB, "set_by": group, "binds": true,
    });
    assert_eq!(section["io"]["limits"], json!([limits]));
    let written = section["io"]["devices"].as_array().expect("devices");
    let written = written.iter().find(|device| device["name"] == disk.as_str());
    assert!(written.is_some_and(|disk| disk["written_bytes"].as_u64() >= Some(4 << 16)));
    let hits = pids["limit_hits"].as_u64().expect("a number");
    let times = if hits == 1 { "once".to_owned() } else { format!("{hits} times") };
    has(&report, &format!("a new process or thread was refused {times} (pids limit)"));
    has(&report, "pids at 95 % of the limit of 20");

    as_docker_prints("limited");

    succeeds(Command::new("docker").args(["pause", "limited"]));
    until("it is frozen", || is_frozen(&group));
    let report = agrees("limited", container.pid);
    has(&report, "frozen: its processes do not run");
    assert_eq!(report["data"]["container"]["state"], "paused");
}

fn docker_throttled() {
    let script = "while :; do :; done";
    let container = Container::run(Engine::Docker, "throttled", &["--cpus=0.2"], script);
    let group = container.group();
    until("it was throttled often", || keyed(&group, "cpu.stat")["nr_throttled"] > 10);
    let some = |group: &str| {
        let pressure = file(group, "cpu.pressure").expect("a file");
        let total = pressure.lines().next().expect("a line").rsplit_once("total=");
        total.expect("a total").1.parse::<u64>().expect("a number")
    };
    until("it has waited for a CPU", || some(&group) > 0);

    let report = agrees("throttled", container.pid);
    as_told(&container, &report);
    let cpu = &report["data"]["cgroup"]["cpu"];
    let of = |field: &str| cpu[field].as_u64().expect("a number");
    let percent = of("throttled_periods") * 100 / of("periods");
    assert!(percent >= 25, "a loop with a fifth of a CPU: {cpu}");
    has(&report, &format!("throttled in {percent} % of CPU periods by the limit"));
    let waited = &report["data"]["cgroup"]["pressure"]["cpu"]["some_total_usec"];
    assert!(waited.as_u64() > Some(0), "{waited}");

    let mut watched = nsx(["inspect", "--json", "--only=cgroup", "--interval=1s", "throttled"]);
    let rate = json(&mut watched)["data"]["cgroup"]["cpu"]["rate"].take();
    let of = |field: &str| rate[field].as_u64().expect("a number");
    assert!(of("throttled_periods") > 0 && of("throttled_periods") <= of("periods"), "{rate}");
    // What it has left of a period at the beginning, and gets of one at the end, is beside the rate.
    assert!((1..=400).contains(&of("used_millicores")), "{rate}");
}

fn podman_limits() {
    let options = ["--memory=64m", "--cpus=0.5", "--pids-limit=0"];
    let script = "dd if=/dev/zero of=/dev/null bs=100M count=1; exec sleep 1000";
    let container = Container::run(Engine::Podman, "killed", &options, script);
    let group = container.group();
    let scope = group.strip_suffix("/container").expect("crun's group below that of systemd");
    assert!(scope.starts_with("/machine.slice/libpod-"), "{group}");
    asleep(container.pid);
    assert_eq!(keyed(&group, "memory.events")["oom_kill"], 1, "its child was killed");

    let report = agrees("killed", container.pid);
    as_told(&container, &report);
    let section = &report["data"]["cgroup"];
    // crun limits nothing, systemd does, by default.
    let most = number(scope, "pids.max").expect("systemd's TasksMax");
    assert_eq!(section["pids"]["limit"], most);
    assert_eq!(section["pids"]["limit_set_by"], scope);
    assert_eq!(section["pids"]["levels"].as_array().map(Vec::len), Some(2));
    assert_eq!(section["memory"]["oom_kills"], 1);
    has(&report, "1 process killed for want of memory (OOM)");

    let listing = json(&mut nsx(["ps", "--usage", "--json"]));
    let rows = listing["data"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["name"] == "killed").expect("a row");
    assert_eq!(row["usage"]["memory"]["limit_bytes"], 64 * MIB);
    assert_eq!(row["usage"]["memory"]["limit_set_by"], group);

    succeeds(Command::new("podman").args(["pause", "killed"]));
    until("it is frozen", || is_frozen(&group));
    has(&agrees("killed", container.pid), "frozen: its processes do not run");
    succeeds(Command::new("podman").args(["unpause", "killed"]));
}

fn podman_high() {
    let options = ["--cgroup-conf=memory.high=16777216"];
    let script = "while :; do dd if=/dev/zero of=/dev/null bs=32M count=1; done";
    let container = Container::run(Engine::Podman, "slowed", &options, script);
    let group = container.group();
    until("it was slowed down", || keyed(&group, "memory.events")["high"] > 0);
    let waited = || file(&group, "memory.pressure").is_some_and(|text| !text.contains("total=0\n"));
    until("it has waited for memory", waited);

    let report = agrees("slowed", container.pid);
    let memory = &report["data"]["cgroup"]["memory"];
    assert_eq!(memory["high_bytes"], 16 * MIB);
    assert_eq!(memory["high_set_by"], group);
    let times = memory["events"]["high"].as_u64().expect("a number");
    has(&report, &format!("slowed down {times} times at memory.high"));
    let waited = &report["data"]["cgroup"]["pressure"]["memory"]["some_total_usec"];
    assert!(waited.as_u64() > Some(0), "{waited}");
}

fn rootless() {
    let options = ["--memory=32m", "--pids-limit=30"];
    let container = Container::run(Engine::Rootless, "rootless", &options, "exec sleep 1000");
    let group = container.group();
    assert!(group.starts_with("/user.slice/user-1000.slice/user@1000.service/"), "{group}");
    asleep(container.pid);

    let by_alice = || {
        let mut command = as_alice();
        command.arg(binary("nsx")).args(["inspect", "--json", "rootless"]);
        command
    };
    for report in [agrees("rootless", container.pid), agrees_by(container.pid, by_alice)] {
        as_told(&container, &report);
        let section = &report["data"]["cgroup"];
        assert_eq!(section["pids"]["limit"], 30);
        assert_eq!(section["pids"]["limit_set_by"], group);
        // Its own, those of the scope, and those of all that alice runs.
        let levels = section["pids"]["levels"].as_array().expect("levels");
        assert_eq!(
            levels.last().map(|level| &level["path"]),
            Some(&"/user.slice/user-1000.slice".into())
        );
        assert_eq!(section["io"], Value::Null, "not delegated");
        assert_eq!(findings(&report), [""; 0]);
    }
}

fn slice() {
    let mut set = Command::new("systemctl");
    set.args(["set-property", "--runtime", "nsxtest.slice"]);
    succeeds(set.args(["MemoryMax=100M", "CPUQuota=20%", "TasksMax=12"]));
    let limits = ["MemoryMax=200M", "MemoryHigh=150M", "CPUQuota=400%", "TasksMax=40"];
    let limits = limits.map(|limit| format!("--property={limit}"));
    let mut options = vec!["--slice=nsxtest.slice"];
    options.extend(limits.iter().map(String::as_str));
    let service = Service::run("nsxtest-loop", &options, "while :; do :; done");
    until("it was throttled often", || keyed("/nsxtest.slice", "cpu.stat")["nr_throttled"] > 10);

    let report = agrees(&format!("unit:{}", service.unit), service.pid);
    let section = &report["data"]["cgroup"];
    assert_eq!(section["path"], "/nsxtest.slice/nsxtest-loop.service");
    for (part, limit, value) in [
        ("memory", "limit_bytes", 100 * MIB),
        ("cpu", "limit_millicores", 200),
        ("pids", "limit", 12),
    ] {
        assert_eq!(section[part][limit], value, "{part}");
        assert_eq!(section[part]["limit_set_by"], "/nsxtest.slice", "{part}");
    }
    assert_eq!(section["memory"]["high_bytes"], 150 * MIB);
    let level = &section["cpu"]["levels"][1];
    let of = |field: &str| level[field].as_u64().expect("a number");
    let percent = of("throttled_periods") * 100 / of("periods");
    let whose = "the limit of /nsxtest.slice, a group above it";
    has(&report, &format!("throttled in {percent} % of CPU periods by {whose}"));
    // Its own quota, which is what is watched, is more than a loop can use.
    let target = format!("unit:{}", service.unit);
    let watched = json(&mut nsx(["inspect", "--json", "--interval=500ms", &target]));
    assert_eq!(watched["data"]["cgroup"]["cpu"]["rate"]["throttled_periods"], 0);
    assert!(findings(&watched).iter().any(|text| text.ends_with(whose)), "{watched}");
}

fn slowed_slice() {
    let mut set = Command::new("systemctl");
    set.args(["set-property", "--runtime", "nsxslow.slice", "MemoryHigh=16M"]);
    succeeds(&mut set);
    let script = "while :; do /usr/bin/busybox dd if=/dev/zero of=/dev/null bs=32M count=1; done";
    let service = Service::run("nsxslow-loop", &["--slice=nsxslow.slice"], script);
    until("it was slowed down", || keyed("/nsxslow.slice", "memory.events")["high"] > 0);

    let report = agrees(&format!("unit:{}", service.unit), service.pid);
    let memory = &report["data"]["cgroup"]["memory"];
    assert_eq!(memory["high_set_by"], "/nsxslow.slice");
    assert_eq!(memory["events"]["high"], 0, "it is counted where the limit is");
    let times = memory["levels"][1]["high_hits"].as_u64().expect("a number");
    has(
        &report,
        &format!("slowed down {times} times at memory.high of /nsxslow.slice, a group above it"),
    );
}

fn full_slice() {
    let mut set = Command::new("systemctl");
    succeeds(set.args(["set-property", "--runtime", "nsxfull.slice", "TasksMax=8"]));
    let script = "(i=0; while [ $i -lt 12 ]; do sleep 1000 & i=$((i + 1)); done); exec sleep 1000";
    let service = Service::run("nsxfull-forks", &["--slice=nsxfull.slice"], script);
    let (slice, group) = ("/nsxfull.slice", "/nsxfull.slice/nsxfull-forks.service");
    let hits = |group: &str| keyed(group, "pids.events")["max"];
    until("a fork has failed", || hits(slice) + hits(group) > 0);
    asleep(service.pid);

    let report = agrees(&format!("unit:{}", service.unit), service.pid);
    let pids = &report["data"]["cgroup"]["pids"];
    assert_eq!((&pids["limit"], &pids["limit_set_by"]), (&json!(8), &json!(slice)));
    let (felt, met) = (hits(group), hits(slice));
    let times = |hits| if hits == 1 { "once".to_owned() } else { format!("{hits} times") };
    // Up to 6.11 it is counted where it is felt, since then where the limit is.
    if felt > 0 {
        has(&report, &format!("a new process or thread was refused {} (pids limit)", times(felt)));
    } else {
        let whose = "by the pids limit of /nsxfull.slice, a group above it";
        has(&report, &format!("a new process or thread was refused {} {whose}", times(met)));
    }
}
