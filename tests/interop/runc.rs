//! A container that runc makes, on docker's machine.

use crate::docker::Docker;
use crate::machine::eventually;
use crate::support;
use serde_json::json;

/// Removed when its test ends.
#[derive(Debug)]
pub struct Runc<'a> {
    docker: &'a Docker,
    name: String,
    pub pid: u32,
}

impl<'a> Runc<'a> {
    /// Runs nginx from what docker exports of the container of the same name.
    pub fn run(docker: &'a Docker, name: &str) -> Self {
        let unpack = "set -e; mkdir -p /run/bundle/rootfs; cd /run/bundle
            \"$@\" | tar -x -C rootfs --exclude 'var/lib/nginx/*'; rm -f config.json; runc spec";
        docker.with_client(unpack, &["export", name]);
        let file = docker.machine.path("/run/bundle/config.json");
        let text = std::fs::read_to_string(&file).expect("runc wrote it");
        let mut spec: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let process = spec["process"].as_object_mut().expect("an object");
        // The suite may be bound to lower limits than the ones that runc suggests.
        process.remove("rlimits");
        process["terminal"] = json!(false);
        // Alone, as root, and with directories of its own it needs no capability that runc drops.
        let alone = "daemon off; master_process off; user root root;";
        process["args"] = json!(["/usr/sbin/nginx", "-g", alone]);
        spec["root"]["readonly"] = json!(false);
        std::fs::write(&file, spec.to_string()).expect("it can be written");
        // It would hold the pipes of our output open for as long as it runs.
        let start =
            "cd /run/bundle && runc run -d --pid-file pid $1 </dev/null >log 2>&1 || cat log";
        let failure =
            support::succeeds(docker.machine.command("sh").args(["-c", start, "sh", name]));
        assert_eq!(failure, "", "runc starts it");
        let pid =
            std::fs::read_to_string(docker.machine.path("/run/bundle/pid")).expect("runc wrote it");
        let pid = pid.trim().parse().expect("a pid");
        let runc = Self { docker, name: name.to_owned(), pid };
        assert!(eventually(|| runc.answers()), "{name} answers");
        runc
    }

    /// Whether the server listens, asked inside: its network has no way to the host's.
    fn answers(&self) -> bool {
        let mut command = self.docker.machine.command("nsenter");
        command.args(["--target", &self.pid.to_string(), "--net", "bash", "-c"]);
        support::output(command.arg("exec 3<>/dev/tcp/127.0.0.1/80")).status.success()
    }
}

impl Drop for Runc<'_> {
    fn drop(&mut self) {
        let mut delete = self.docker.machine.command("runc");
        let _ = support::output(delete.args(["delete", "--force", &self.name]));
    }
}
