//! What a container's OCI configuration, as its runtime or engine has it, states of it. See the
//! runtime specification, config.md and config-linux.md.

use super::Seen;
use crate::answers;
use crate::lab::DIR;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Seen<'_> {
    pub(super) fn spec(&mut self, row: &Value, report: &Value) {
        let Some(id) = row["id"].as_str() else { return };
        let dockers = format!("{DIR}/docker/run/runtime-runc/moby");
        let spec = match row["runtime"].as_str() {
            Some("docker") => self.bundled(&["runc", "--root", &dockers, "state", id]),
            Some("runc") => self.bundled(&["runc", "state", id]),
            Some("crun" | "podman") => self.bundled(&["crun", "state", id]),
            Some("containerd") => answers::containerd_info(self.lab, id)["Spec"].clone(),
            _ => return,
        };
        let process = &spec["process"];
        let args: Vec<&str> = list(&process["args"]).filter_map(Value::as_str).collect();
        self.is("the spec's command", &report["identity"]["command"], &json!(args.join(" ")));
        if let Some(hostname) = spec["hostname"].as_str().filter(|name| !name.is_empty()) {
            self.is("the spec's hostname", &report["uts"]["hostname"], &json!(hostname));
        }
        let security = &report["security"];
        for set in ["bounding", "effective", "permitted"] {
            let stated = &process["capabilities"][set];
            let (ours, theirs) = (words(&security["capabilities"][set]), words(stated));
            self.is(&format!("the spec's {set} set"), &json!(ours), &json!(theirs));
        }
        let stated = json!(process["noNewPrivileges"] == true);
        self.is("the spec's no_new_privs", &security["no_new_privs"], &stated);
        if let Value::Number(stated) = &process["oomScoreAdj"] {
            let ours = &report["limits"]["oom_score_adj"];
            self.is("the spec's oom_score_adj", ours, &json!(stated));
        }
        let linux = &spec["linux"];
        self.kinds(&linux["namespaces"], &report["namespaces"]);
        let is_read_only = |one: &&Value| list(&one["options"]).any(|option| option == "ro");
        let mounts = list(&spec["mounts"]).filter(is_read_only);
        let mounts = mounts.map(|one| one["destination"].clone()).collect();
        let mounts = words(&mounts);
        for (stated, ours) in
            [("maskedPaths", "masked_paths"), ("readonlyPaths", "read_only_paths")]
        {
            let (ours, mut theirs) = (&words(&security[ours]) - &mounts, words(&linux[stated]));
            // What the kernel has not cannot be covered.
            theirs.retain(|path| self.lab.machine.path(path).exists());
            self.is(&format!("the spec's {stated}"), &json!(ours), &json!(theirs));
        }
        self.mounted(&spec["mounts"], &report["mounts"]);
    }

    /// The configuration beside the root of a container that a runtime knows.
    fn bundled(&self, line: &[&str]) -> Value {
        let state = self.lab.asks_json(line);
        let bundle = state["bundle"].as_str().expect("a bundle");
        let text = std::fs::read(self.lab.machine.path(&format!("{bundle}/config.json")));
        serde_json::from_slice(&text.expect("it is there")).expect("JSON")
    }

    /// What is not named is the runtime's, which runs where nsx does.
    fn kinds(&mut self, stated: &Value, ours: &Value) {
        let kind = |word: &Value| match word.as_str() {
            Some("network") => "net".to_owned(),
            Some("mount") => "mnt".to_owned(),
            word => word.unwrap_or_default().to_owned(),
        };
        let stated: BTreeSet<String> = list(stated).map(|one| kind(&one["type"])).collect();
        let own = list(ours).filter(|one| one["own"] == true);
        let own: BTreeSet<String> = own.map(|one| kind(&one["kind"])).collect();
        self.is("the spec's namespaces", &json!(own), &json!(stated));
    }

    fn mounted(&mut self, stated: &Value, ours: &Value) {
        for one in list(stated) {
            let place = &one["destination"];
            let mount = list(ours).filter(|mount| mount["target"] == *place).last();
            let Some(mount) = mount else {
                self.found.push(format!("nothing is mounted at {place}"));
                continue;
            };
            // A bind has the type of the file system that it is a part of.
            match (one["type"].as_str(), one["source"].as_str()) {
                (Some("bind"), Some(source)) if source.starts_with('/') => {
                    let what = format!("the spec's source of {place}");
                    self.is(&what, &mount["host_source"], &json!(source));
                }
                (Some("proc" | "tmpfs" | "devpts" | "sysfs" | "mqueue"), _) => {
                    self.is(&format!("the type of {place}"), &mount["fs_type"], &one["type"]);
                }
                _ => {}
            }
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn words(value: &Value) -> BTreeSet<String> {
    list(value).filter_map(|word| word.as_str().map(str::to_owned)).collect()
}
