//! What nsx says of a container against what docker, ip, findmnt and the control groups say.
//!
//! Every check asks the reference first. None needs docker: it may hang.

use crate::docker::{Docker, IMAGE, PAGE};
use crate::support::{json, succeeds};
use serde_json::{Value, json};

/// What docker said of a container while it could.
#[derive(Debug)]
pub struct Truth {
    pub name: String,
    pub id: String,
    pub pid: u32,
    pub address: String,
    pub mac: String,
    pub hostname: String,
    pub processes: usize,
    /// Of its own, in the order of ps.
    pub namespaces: Vec<&'static str>,
}

impl Truth {
    pub fn ask(docker: &Docker, name: &str) -> Self {
        let ask = |format| docker.inspect(name, format);
        Self {
            name: name.to_owned(),
            id: ask("{{.Id}}"),
            pid: ask("{{.State.Pid}}").parse().expect("a pid"),
            address: ask("{{.NetworkSettings.IPAddress}}"),
            mac: ask("{{.NetworkSettings.MacAddress}}"),
            hostname: ask("{{.Config.Hostname}}"),
            // Under a line of headings.
            processes: docker.docker(&["top", name]).lines().count() - 1,
            namespaces: docker.namespaces(name, &["mnt", "uts", "ipc", "net", "pid"]),
        }
    }

    /// What people copy.
    pub fn short_id(&self) -> &str {
        &self.id[..12]
    }
}

/// One section, or all of them.
fn inspect(docker: &Docker, truth: &Truth, section: Option<&str>) -> Value {
    let mut command = docker.machine.nsx(&["inspect", "--json", &truth.name]);
    let report = json(command.args(section.map(|section| format!("--only={section}"))));
    assert_eq!(report["gaps"], json!([]), "everything can be read");
    report["data"].clone()
}

/// One row, in JSON and in the table.
pub fn listed(docker: &Docker, truth: &Truth) {
    let listing = json(&mut docker.machine.nsx(&["ps", "--json"]));
    assert_eq!(listing["schema"], "nsx.ps/1");
    assert_eq!(listing["gaps"], json!([]));
    let rows = listing["data"].as_array().expect("rows");
    assert_eq!(rows.len(), 1, "the machine itself is the host: {rows:?}");
    let row = &rows[0];
    assert_eq!(row["processes"].as_array().map(Vec::len), Some(truth.processes));
    let expected = json!({
        "runtime": "docker", "id": truth.id, "name": truth.name, "image": IMAGE,
        "state": "running", "pid": truth.pid, "addresses": [truth.address], "comm": "nginx",
        "namespaces_own": truth.namespaces,
    });
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(&row[key], value, "{key}");
    }
    let table = succeeds(&mut docker.machine.nsx(&["ps"]));
    let cells: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(cells.len(), 2, "{table}");
    let headings = ["RUNTIME", "NAME", "ID", "IMAGE", "STATE", "PID", "PROCS", "IP", "AGE"];
    assert_eq!(cells[0], headings);
    let (pid, processes) = (truth.pid.to_string(), truth.processes.to_string());
    let known = ["docker", &truth.name, truth.short_id(), IMAGE, "running", &pid, &processes];
    assert_eq!(cells[1][..7], known, "{table}");
    assert_eq!(cells[1][7], truth.address, "{table}");
}

pub fn entered_by_every_spelling(docker: &Docker, truth: &Truth) {
    let spellings = [
        truth.name.clone(),
        format!("docker:{}", truth.name),
        truth.id.clone(),
        truth.short_id().to_owned(),
        // Eight digits are too many for a pid, should they all be decimal.
        truth.id[..8].to_owned(),
        format!("docker:{}", &truth.id[..4]),
        truth.pid.to_string(),
    ];
    for spelled in spellings {
        let ip = ["enter", "-t", &spelled, "-n", "ip", "-br", "addr"];
        let shown = succeeds(&mut docker.machine.nsx(&ip));
        let eth0 = shown.lines().find(|line| line.starts_with("eth0@"));
        let words: Vec<&str> = eth0.expect("eth0 is shown").split_whitespace().collect();
        assert_eq!(words[1..], ["UP", &format!("{}/24", truth.address)], "-t {spelled}: {shown}");
    }
}

/// `ip -j addr` inside, and the section `net` from outside.
pub fn interfaces(docker: &Docker, truth: &Truth) {
    let ip = |what| {
        let arguments = ["enter", "-t", &truth.name, "-n", "ip", "-j", what];
        json(&mut docker.machine.nsx(&arguments))
    };
    let told = ip("addr");
    let eth0 = &told[1];
    assert_eq!(eth0["ifname"], "eth0");
    assert_eq!(eth0["address"], truth.mac.as_str(), "docker and ip agree");
    assert_eq!(eth0["addr_info"][0]["local"], truth.address.as_str(), "docker and ip agree");
    let net = &inspect(docker, truth, Some("net"))["net"];
    crate::compare::assert_interfaces(net, &told);
    crate::compare::assert_routes(net, &[ip("route")]);
}

pub fn answers(docker: &Docker, truth: &Truth) {
    let answer = docker.get(&truth.address).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains(PAGE), "{answer}");
}

/// What a person reads.
pub fn screen(docker: &Docker, truth: &Truth) {
    assert_eq!(truth.hostname, truth.short_id(), "as docker names hosts");
    let report = inspect(docker, truth, None);
    assert_eq!(report["uts"]["hostname"], truth.hostname.as_str());
    assert_eq!((&report["pid"], &report["pid_inside"]), (&json!(truth.pid), &json!(1)));
    assert_eq!(report["container"]["name"], truth.name.as_str());
    assert_eq!(report["processes"].as_array().map(Vec::len), Some(truth.processes));
    let screen = succeeds(&mut docker.machine.nsx(&["inspect", &truth.name]));
    let title = screen.lines().next().expect("a title");
    for part in [&truth.name, truth.short_id(), IMAGE, &format!("pid {} (1 inside)", truth.pid)] {
        assert!(title.contains(part), "{part} is not in the title: {title}");
    }
    for part in [
        format!("hostname {}", truth.hostname),
        "eth0".to_owned(),
        format!("{}/24", truth.address),
        truth.mac.clone(),
        "default via 198.51.100.1 dev eth0".to_owned(),
        "overlay".to_owned(),
        " of 64".to_owned(),
        "nginx: master process /usr/sbin/nginx".to_owned(),
        "nginx: worker process".to_owned(),
    ] {
        assert!(screen.contains(&part), "{part} is not on the screen:\n{screen}");
    }
}

pub fn mounts(docker: &Docker, truth: &Truth) {
    let listed = crate::compare::findmnt(docker.machine.command("findmnt"), truth.pid);
    let is_root = |mount: &Value| mount["target"] == "/" && mount["fstype"] == "overlay";
    assert!(listed.iter().any(is_root), "the root of a container is an overlay");
    crate::compare::assert_mounts(&inspect(docker, truth, Some("mounts"))["mounts"], &listed);
}

/// Numbers that move are read before and after, and nsx's must lie between.
pub fn usage(docker: &Docker, truth: &Truth) {
    let before = Usage::read(docker, truth);
    assert_eq!(before.memory_limit, 64 << 20, "as docker was told");
    let cgroup = &inspect(docker, truth, Some("cgroup"))["cgroup"];
    let after = Usage::read(docker, truth);
    let told = |section: &str, key: &str| cgroup[section][key].as_u64().expect("a number");
    assert_eq!(told("memory", "limit_bytes"), before.memory_limit);
    assert_eq!(cgroup["memory"]["limit_unlimited"], false);
    let set_by = cgroup["memory"]["limit_set_by"].as_str().expect("a group");
    assert!(set_by.contains(&truth.id), "{set_by}");
    // The kernel charges a group in batches of 64 pages a processor.
    let slack = 2 * 64 * 4096;
    let usage = told("memory", "usage_bytes");
    let least = before.memory.min(after.memory).saturating_sub(slack);
    let most = before.memory.max(after.memory) + slack;
    assert!((least..=most).contains(&usage), "{least} <= {usage} <= {most}");
    assert!(told("memory", "working_set_bytes") <= usage);
    let cpu = told("cpu", "usage_usec");
    assert!((before.cpu_usec..=after.cpu_usec).contains(&cpu), "{before:?} {cpu} {after:?}");
    assert_eq!(told("pids", "current"), before.pids, "threads, of which nginx has one a process");
    assert_eq!(before.pids, truth.processes as u64);
    assert_ne!(cgroup["frozen"], true);
}

/// What the files of a container's control groups say.
#[derive(Debug)]
struct Usage {
    memory: u64,
    memory_limit: u64,
    cpu_usec: u64,
    pids: u64,
}

impl Usage {
    fn read(docker: &Docker, truth: &Truth) -> Self {
        let groups = docker.machine.path(&format!("/proc/{}/cgroup", truth.pid));
        let groups = std::fs::read_to_string(groups).expect("it runs");
        let file = |controller: &str, v1: &str, v2: &str| -> String {
            let of = |line: &&str| line.split(':').nth(1) == Some(controller);
            let (line, top, name) = match groups.lines().find(of) {
                Some(line) => (line, format!("/sys/fs/cgroup/{controller}"), v1),
                None => (groups.lines().last().expect("v2"), "/sys/fs/cgroup".to_owned(), v2),
            };
            let path = line.splitn(3, ':').nth(2).expect("a path");
            let file = docker.machine.path(&format!("{top}{path}/{name}"));
            std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        };
        let number = |text: &str| text.trim().parse::<u64>().expect("a number");
        let cpu = file("cpuacct", "cpuacct.usage", "cpu.stat");
        let cpu_usec = match cpu.strip_prefix("usage_usec ") {
            Some(v2) => number(v2.lines().next().expect("a line")),
            None => number(&cpu) / 1000,
        };
        Self {
            memory: number(&file("memory", "memory.usage_in_bytes", "memory.current")),
            memory_limit: number(&file("memory", "memory.limit_in_bytes", "memory.max")),
            cpu_usec,
            pids: number(&file("pids", "pids.current", "pids.current")),
        }
    }
}

/// What docker's documentation of its default profile says of well-known calls.
pub fn filter(docker: &Docker, truth: &Truth) {
    let ask = ["inspect", &truth.name, "--only=security", "--seccomp", "--json"];
    let report = json(&mut docker.machine.nsx(&ask));
    assert_eq!(report["gaps"], json!([]));
    let dump = &report["data"]["security"]["seccomp_dump"];
    let native = &dump["architectures"][0];
    let calls = native["calls"].as_array().expect("calls");
    let told = |name: &str| {
        let call = calls.iter().find(|call| call["name"] == name);
        call.map(|call| (call["errno"].as_str().expect("an error"), call["conditional"] == true))
    };
    for name in ["keyctl", "bpf", "mount", "unshare", "setns", "reboot", "init_module"] {
        assert_eq!(told(name), Some(("EPERM", false)), "{name}");
    }
    assert_eq!(told("clone3"), Some(("ENOSYS", false)));
    for name in ["clone", "personality"] {
        assert_eq!(told(name), Some(("EPERM", true)), "{name}");
    }
    for name in ["read", "execve", "openat", "socket", "ptrace"] {
        assert_eq!(told(name), None, "{name}");
    }
    assert_eq!(
        (&native["default"]["errno"], &native["beyond"]["errno"]),
        (&json!("EPERM"), &json!("ENOSYS"))
    );
    answers(docker, truth);
}
