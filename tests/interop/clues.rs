//! `who` on every container of the lab: what the kernel's tools and the engines say belongs to one
//! leads to it.

use crate::answers;
use crate::lab::{DIR, Lab};
use crate::support;
use serde_json::Value;

/// What does not lead where it should, a line each; and what was asked.
pub fn differences(lab: &Lab, row: &Value) -> (Vec<String>, Vec<String>) {
    let mut seen = Seen::new(lab, row);
    seen.itself();
    seen.namespaces();
    seen.network();
    seen.files();
    seen.engine();
    (seen.found, seen.asked)
}

/// The same of what was asked before.
pub fn again(lab: &Lab, row: &Value, clues: &[String]) -> Vec<String> {
    let mut seen = Seen::new(lab, row);
    for clue in clues {
        seen.leads(clue);
    }
    seen.found
}

struct Seen<'a> {
    lab: &'a Lab,
    row: &'a Value,
    pid: u64,
    asked: Vec<String>,
    found: Vec<String>,
}

impl<'a> Seen<'a> {
    fn new(lab: &'a Lab, row: &'a Value) -> Self {
        let pid = row["pid"].as_u64().expect("it runs");
        Self { lab, row, pid, asked: Vec::new(), found: Vec::new() }
    }

    /// Some trail of the clue ends at this container.
    fn leads(&mut self, clue: &str) -> Vec<Value> {
        self.asked.push(clue.to_owned());
        let output = support::output(&mut self.lab.machine.nsx(&["who", "--json", clue]));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        let trails = report["data"].as_array().cloned().unwrap_or_default();
        let is_its = |trail: &&Value| trail["owner"]["container"]["pid"] == self.pid;
        if !trails.iter().any(|trail| is_its(&trail)) {
            let name = self.row["name"].as_str().unwrap_or_default();
            let owners: Vec<&Value> = trails.iter().map(|trail| &trail["owner"]).collect();
            let said = support::stderr(&output);
            self.found.push(format!(
                "{clue} does not lead to {} {name} (pid {}), but to {owners:?}: {said}",
                self.row["runtime"], self.pid
            ));
        }
        trails.into_iter().filter(|trail| is_its(&trail)).collect()
    }

    /// And no trail of it ends elsewhere.
    fn leads_alone(&mut self, clue: &str) {
        let its = self.leads(clue).len();
        let all = support::output(&mut self.lab.machine.nsx(&["who", "-o", "jsonl", clue]));
        let all = support::stdout(&all).lines().count();
        if its != all {
            self.found.push(format!("{clue}: {} of {all} trails lead elsewhere", all - its));
        }
    }

    /// Its processes, its group, its name and its id.
    fn itself(&mut self) {
        let listed = self.row["processes"].as_array().cloned().unwrap_or_default();
        for pid in listed.iter().filter_map(Value::as_u64).chain([self.pid]) {
            self.leads_alone(&format!("pid:{pid}"));
        }
        let word = |key: &str| self.row[key].as_str().map(str::to_owned);
        let runtime = word("runtime").expect("a runtime");
        for word in [word("name"), word("id")].into_iter().flatten() {
            self.leads_alone(&format!("{runtime}:{word}"));
        }
        if let Some(id) = word("id").filter(|id| id.len() == 64) {
            self.leads_alone(&id[..12]);
        }
        let group = word("cgroup").filter(|_| self.row["depth"] == 0).unwrap_or_default();
        if word("id").is_some_and(|id| group.contains(&id)) {
            self.leads(&format!("cgroup:{group}"));
        }
    }

    fn namespaces(&mut self) {
        let own = self.row["namespaces_own"].as_array().cloned().unwrap_or_default();
        for kind in own.iter().filter_map(Value::as_str) {
            let link = self.lab.asks(&["readlink", &format!("/proc/{}/ns/{kind}", self.pid)]);
            self.leads(&link);
        }
        if own.iter().any(|kind| kind == "pid") {
            self.leads("nspid:1");
        }
    }

    /// As `ip` tells it, in its namespace and in the one that its other ends are in.
    fn network(&mut self) {
        let own = self.row["namespaces_own"].as_array().cloned().unwrap_or_default();
        if !own.iter().any(|kind| kind == "net") {
            return;
        }
        for link in self.links(self.pid) {
            // What is plugged into the bridge of an engine's own is its containers'.
            let is_plugged = link["master"].is_string();
            if link["ifname"] == "lo" || link["link_type"] != "ether" || is_plugged {
                continue;
            }
            let mac = link["address"].as_str().expect("an address").to_owned();
            self.leads(&format!("mac:{mac}"));
            for address in link["addr_info"].as_array().into_iter().flatten() {
                if address["scope"] == "global" {
                    self.leads_alone(&format!("ip:{}", address["local"].as_str().unwrap()));
                }
            }
            // The engine is in the namespace that the bridge is in.
            let is_dockers = self.row["runtime"] == "docker" && self.row["id"].is_string();
            let (Some(index), true) = (link["link_index"].as_u64(), is_dockers) else {
                continue;
            };
            let engine = self.lab.running(&["dockerd"]);
            let outer = self.links(engine[0].into());
            let other = outer.iter().find(|other| other["ifindex"] == index);
            let other = other.unwrap_or_else(|| panic!("the other end of {link} in {outer:?}"));
            let name = other["ifname"].as_str().expect("a name").to_owned();
            self.leads_alone(&format!("if:{name}"));
        }
    }

    fn links(&self, pid: u64) -> Vec<Value> {
        let target = pid.to_string();
        let line = ["nsenter", "--target", &target, "--net", "--", "ip", "-d", "-j", "addr"];
        serde_json::from_value(self.lab.asks_json(&line)).expect("a list")
    }

    /// The root that it has, as findmnt tells it.
    fn files(&mut self) {
        let target = self.pid.to_string();
        let columns = ["-o", "TARGET,SOURCE,FSTYPE,MAJ:MIN"];
        let line = [&["findmnt", "-J", "-N", &target][..], &columns, &["/"]].concat();
        let root = self.lab.asks_json(&line)["filesystems"][0].clone();
        if root["fstype"] == "overlay" {
            let device = root["maj:min"].as_str().expect("a device").to_owned();
            self.leads(&format!("dev:{device}"));
        }
    }

    /// What its engine says of its files and ports.
    fn engine(&mut self) {
        let Some(id) = self.row["id"].as_str() else { return };
        let told = match self.row["runtime"].as_str() {
            Some("docker") => answers::docker_inspect(self.lab, &[id]),
            Some("podman") => answers::podman_inspect(self.lab, &[id]),
            _ => return,
        };
        let told = &told[0];
        let data = &told["GraphDriver"]["Data"];
        if let Some(upper) = data["UpperDir"].as_str() {
            self.leads_alone(upper);
            let layer = upper.rsplit('/').nth(1).expect("a layer's id");
            self.leads_alone(&format!("overlay:{}", &layer[..12]));
        }
        if let Some(merged) = data["MergedDir"].as_str() {
            self.leads(merged);
        }
        for mount in told["Mounts"].as_array().into_iter().flatten() {
            self.leads(mount["Source"].as_str().expect("a source"));
        }
        let ports = told["NetworkSettings"]["Ports"].as_object();
        for (inside, outside) in ports.into_iter().flatten() {
            let (port, protocol) = inside.split_once('/').expect("a protocol");
            for at in outside.as_array().into_iter().flatten() {
                let published = at["HostPort"].as_str().expect("a port");
                let trails = self.leads(&format!("port:{published}/{protocol}"));
                let steps = trails.iter().flat_map(|trail| trail["steps"].as_array().unwrap());
                let mut steps = steps.filter(|step| step["kind"] == "published");
                let port: u16 = port.parse().expect("a port");
                if !steps.any(|step| step["container_port"] == port) {
                    self.found.push(format!("{published} is not told to lead to {port}"));
                }
            }
        }
    }
}

/// A listener inside the lab's docker container, as `ss` tells it.
pub fn sockets(lab: &Lab, row: &Value, port: u16) -> Vec<String> {
    let pid = row["pid"].as_u64().expect("it runs");
    let target = pid.to_string();
    let line = ["nsenter", "--target", &target, "--net", "--", "ss", "-Hltne"];
    let told = lab.asks(&line);
    let listens =
        |line: &&str| line.split_whitespace().any(|word| word.ends_with(&format!(":{port}")));
    let line = told.lines().find(listens).expect("the reference: it listens");
    let inode =
        line.split("ino:").nth(1).and_then(|rest| rest.split(' ').next()).expect("an inode");
    let mut seen = Seen::new(lab, row);
    seen.leads_alone(&format!("socket:{inode}"));
    seen.leads_alone(&format!("port:{port}"));
    let address = lab.data(&["inspect", "--json", "--only", "net", &target]);
    let interfaces = address["net"]["interfaces"].as_array().cloned().unwrap_or_default();
    let eth0 = interfaces.iter().find(|link| link["name"] == "eth0").expect("eth0");
    let address = eth0["addresses"][0]["address"].as_str().expect("an address");
    seen.leads_alone(&format!("{address}:{port}"));
    seen.found
}

/// A root that another container still holds, with which it was started: of the lab's docker.
pub fn busy(lab: &Lab, row: &Value) -> Vec<String> {
    let id = row["id"].as_str().expect("an id");
    let told = answers::docker_inspect(lab, &[id]);
    let merged = told[0]["GraphDriver"]["Data"]["MergedDir"].as_str().expect("a root").to_owned();
    assert!(merged.starts_with(DIR), "{merged} is the lab's");
    let roots = merged.rsplitn(3, '/').nth(2).expect("where they are");
    let volume = format!("{roots}:/held");
    let start = ["run", "--detach", "--rm", "--volume", &volume, "nsx-lab:1", "sleep", "1000"];
    let holder = support::succeeds(&mut answers::docker_command(lab, &start));
    let holder = holder.trim();
    let pid = answers::docker_inspect(lab, &[holder])[0]["State"]["Pid"].as_u64().expect("it runs");
    // The reference: the kernel's own list of its mounts has that root.
    let mounts = lab.asks(&["cat", &format!("/proc/{pid}/mountinfo")]);
    let place = merged.trim_start_matches(roots);
    assert!(mounts.contains(&format!(" /held{place} ")), "{mounts}");
    // What keeps mount namespaces without a process may not be asked from within a machine.
    let said: Value = serde_json::from_str(&lab.nsx(&["who", "--json", &merged])).expect("JSON");
    let trails = said["data"].as_array().cloned().unwrap_or_default();
    let holds = |trail: &Value, pid: u64| trail["owner"]["container"]["pid"] == pid;
    let told = trails.iter().any(|trail| holds(trail, pid));
    let own = trails.iter().any(|trail| holds(trail, row["pid"].as_u64().expect("it runs")));
    support::succeeds(&mut answers::docker_command(lab, &["rm", "--force", holder]));
    if told && own {
        Vec::new()
    } else {
        vec![format!("{merged} is held by {holder} (pid {pid}), too: {said}")]
    }
}
