//! What the engine that made a container states of it; what it does not state is not compared.

use super::Seen;
use crate::answers;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Seen<'_> {
    pub(super) fn engine(&mut self, row: &Value, report: &Value) {
        let (id, name) = (row["id"].as_str(), row["name"].as_str());
        let told = match (row["runtime"].as_str(), id, name) {
            (Some("docker"), Some(id), _) => answers::docker_inspect(self.lab, &[id]),
            (Some("podman"), Some(id), _) => answers::podman_inspect(self.lab, &[id]),
            (Some("lxc"), _, Some(name)) => return self.lxc(name, report),
            _ => return,
        };
        let told = &told[0];
        self.is("the engine's pid", &report["pid"], &told["State"]["Pid"]);
        self.names(told, report);
        self.start(told, report);
        self.bounds(&told["HostConfig"], &report["cgroup"]);
        for (name, one) in told["NetworkSettings"]["Networks"].as_object().into_iter().flatten() {
            if stated(&one["IPAddress"]).is_some() {
                self.network(name, one, &report["net"]);
            }
        }
        self.files(told, &report["mounts"]);
        let security = &report["security"];
        if let Some(privileged) = stated(&told["HostConfig"]["Privileged"]) {
            self.is("privileged", &security["verdict"]["privileged"], privileged);
        }
        if let Some(profile) = stated(&told["AppArmorProfile"]) {
            let label = security["label"].as_str().unwrap_or_default();
            let label = label.split(" (").next().unwrap_or_default();
            self.is("the AppArmor profile", &json!(label), profile);
        }
    }

    fn names(&mut self, told: &Value, report: &Value) {
        let container = &report["container"];
        self.is("the engine's id", &container["id"], &told["Id"]);
        let name = told["Name"].as_str().unwrap_or_default().trim_start_matches('/');
        self.is("the engine's name", &container["name"], &json!(name));
        // In the image's place podman has its digest at `.Image`, as docker has.
        if let Some(image) = stated(&told["ImageName"]).or(stated(&told["Config"]["Image"])) {
            self.is("the engine's image", &container["image"], image);
        }
        if let Some(hostname) = stated(&told["Config"]["Hostname"]) {
            self.is("the engine's hostname", &report["uts"]["hostname"], hostname);
        }
        let words =
            [&told["Path"]].into_iter().chain(told["Args"].as_array().into_iter().flatten());
        let words: Vec<&str> = words.filter_map(Value::as_str).collect();
        self.is("the engine's command", &report["identity"]["command"], &json!(words.join(" ")));
    }

    /// The process comes after the container, and before the engine notes that it has started.
    fn start(&mut self, told: &Value, report: &Value) {
        let seconds = |time: &Value| -> Option<u64> {
            let said = self.lab.asks(&["date", "--date", stated(time)?.as_str()?, "+%s"]);
            said.parse().ok()
        };
        let times = (seconds(&told["Created"]), seconds(&told["State"]["StartedAt"]));
        let (Some(created), Some(started)) = times else { return };
        let ours = report["started_unix_seconds"].as_u64();
        // The kernel tells both the boot and the ticks since with a part of a second cut off.
        let is_between = ours.is_some_and(|ours| created <= ours + 1 && ours <= started + 1);
        if !is_between {
            self.found.push(format!("it started from {created} to {started}, not {ours:?}"));
        }
    }

    fn bounds(&mut self, told: &Value, cgroup: &Value) {
        let number = |key: &str| told[key].as_i64();
        let cpu = match (number("NanoCpus"), number("CpuQuota"), number("CpuPeriod")) {
            (Some(nano), ..) if nano > 0 => Some(nano / 1_000_000),
            (_, Some(quota), Some(period)) if quota > 0 && period > 0 => {
                Some(quota * 1000 / period)
            }
            (_, Some(quota), _) if quota <= 0 => Some(0),
            _ => None,
        };
        let bounds = [
            ("memory", "limit_bytes", number("Memory")),
            ("pids", "limit", number("PidsLimit")),
            ("cpu", "limit_millicores", cpu),
        ];
        for (controller, field, stated) in bounds {
            let Some(stated) = stated else { continue };
            // Nothing, and less than nothing, is no limit.
            let expected = if stated > 0 { json!(stated) } else { Value::Null };
            let ours = &cgroup[controller];
            self.is(&format!("the engine's limit of {controller}"), &ours[field], &expected);
            let is_unlimited = json!(stated <= 0);
            self.is(&format!("{controller}: unlimited"), &ours["limit_unlimited"], &is_unlimited);
        }
    }

    fn network(&mut self, name: &str, told: &Value, net: &Value) {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let links = list(&net["interfaces"]);
        let Some(link) = links.iter().find(|link| link["mac"] == told["MacAddress"]) else {
            return self.found.push(format!("no interface has {} of {name}", told["MacAddress"]));
        };
        let has = list(&link["addresses"]).iter().any(|one| {
            one["address"] == told["IPAddress"] && one["prefix_length"] == told["IPPrefixLen"]
        });
        if !has {
            let (address, length) = (&told["IPAddress"], &told["IPPrefixLen"]);
            self.found.push(format!("{} has not {address}/{length}", link["name"]));
        }
        if let Some(gateway) = stated(&told["Gateway"]) {
            let routes = list(&net["routes"]);
            let of_it = |route: &&Value| {
                route["destination"].is_null()
                    && route["family"] == "inet"
                    && route["interface"] == link["name"]
            };
            let route = routes.iter().find(of_it).cloned().unwrap_or_default();
            self.is("the engine's gateway", &route["gateway"], gateway);
        }
    }

    /// Files and directories of the host's.
    fn files(&mut self, told: &Value, mounts: &Value) {
        let binds = told["Mounts"].as_array().into_iter().flatten();
        let binds = binds.filter(|one| one["Type"] == "bind");
        let mut files: Vec<_> = binds
            .map(|one| (one["Destination"].clone(), one["Source"].clone(), one["RW"].as_bool()))
            .collect();
        for (key, place) in [
            ("ResolvConfPath", "/etc/resolv.conf"),
            ("HostnamePath", "/etc/hostname"),
            ("HostsPath", "/etc/hosts"),
        ] {
            files.extend(stated(&told[key]).map(|source| (json!(place), source.clone(), None)));
        }
        let mounts = mounts.as_array().cloned().unwrap_or_default();
        for (place, source, writable) in files {
            let mount = mounts.iter().rfind(|mount| mount["target"] == place);
            let mount = mount.cloned().unwrap_or_default();
            self.is(&format!("the source of {place}"), &mount["host_source"], &source);
            if let Some(writable) = writable {
                let (what, expected) = (format!("{place}: read-only"), json!(!writable));
                self.is(&what, &mount["read_only"], &expected);
            }
        }
    }

    fn lxc(&mut self, name: &str, report: &Value) {
        let info = |what: &[&str]| answers::lxc_info(self.lab, name, what);
        let pid = json!(info(&["-p"]).parse::<u64>().ok());
        let addresses: BTreeSet<String> = info(&["-i"]).lines().map(str::to_owned).collect();
        if addresses.is_empty() {
            self.found.push("the reference: it has no address".to_owned());
        }
        let [hostname, command] = ["lxc.uts.name", "lxc.init.cmd"].map(|key| {
            let line = info(&["-c", key]);
            json!(line.split_once(" = ").map_or(line.as_str(), |(_, value)| value))
        });
        self.is("the engine's pid", &report["pid"], &pid);
        self.is("the engine's name", &report["container"]["name"], &json!(name));
        self.is("the engine's hostname", &report["uts"]["hostname"], &hostname);
        self.is("the engine's command", &report["identity"]["command"], &command);
        let links = report["net"]["interfaces"].as_array().into_iter().flatten();
        let links = links.filter(|link| link["name"] != "lo");
        let all = links.filter_map(|link| link["addresses"].as_array()).flatten();
        let all = all.filter(|address| address["scope"] == "global");
        let ours: BTreeSet<String> =
            all.filter_map(|one| one["address"].as_str().map(str::to_owned)).collect();
        self.is("the engine's addresses", &json!(ours), &json!(addresses));
    }
}

/// Engines write what they do not know as nothing at all, or as an empty word.
fn stated(value: &Value) -> Option<&Value> {
    (!value.is_null() && value != "").then_some(value)
}
