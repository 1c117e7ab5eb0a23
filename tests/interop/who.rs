//! Where a published port leads, against what docker itself says: by way of the process that stands
//! there for it, and by its record alone.

use crate::checks::Truth;
use crate::docker::Docker;
use crate::support::{self, stderr};
use serde_json::{Value, json};

/// The rows of `nsx who CLUE`.
fn who(docker: &Docker, clue: &str) -> Vec<Value> {
    let answer = support::json(&mut docker.machine.nsx(&["who", "--json", clue]));
    assert_eq!(answer["gaps"], json!([]), "{clue}");
    answer["data"].as_array().expect("rows").clone()
}

fn kinds(row: &Value) -> Vec<&str> {
    let steps = row["steps"].as_array().expect("steps");
    steps.iter().map(|step| step["kind"].as_str().expect("a kind")).collect()
}

pub fn published_ports(docker: &Docker, _: &Truth) {
    let options = ["--publish", "198.51.100.1:18080:80", "--publish", "18053:53/udp"];
    let _removed = docker.run_beside("published", &options);
    let id = docker.inspect("published", "{{.Id}}");
    let told = docker.inspect("published", "{{json .NetworkSettings.Ports}}");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let cases = [("80/tcp", "18080/tcp", 80), ("53/udp", "18053/udp", 53)];
    for (inside, clue, container_port) in cases {
        let host_port = told[inside][0]["HostPort"].as_str().expect("a port");
        let (number, protocol) = clue.split_once('/').expect("a protocol");
        assert_eq!(number, host_port, "{told}");
        let rows = who(docker, &format!("port:{clue}"));
        assert_eq!(rows.len(), 1, "its proxy for each family is one line: {rows:?}");
        assert_eq!(kinds(&rows[0]), ["socket", "process", "published"], "{rows:?}");
        assert_eq!(rows[0]["owner"]["container"]["id"], id);
        let steps = &rows[0]["steps"];
        assert_eq!(steps[1]["comm"], "docker-proxy");
        assert_eq!(steps[2]["protocol"], protocol);
        assert_eq!(steps[2]["host_port"].to_string(), host_port);
        assert_eq!(steps[2]["container_port"], container_port);
        let number = docker.with_client("\"$@\" | sed 's/.*://;q'", &["port", "published", inside]);
        assert_eq!(number.trim(), host_port, "docker port");
    }
    let rows = who(docker, "198.51.100.1:18080");
    assert_eq!(kinds(&rows[0]), ["socket", "process", "published"]);
    assert_eq!(who(docker, "127.0.0.1:18053").len(), 1, "it is published on every address");
    let elsewhere = support::output(&mut docker.machine.nsx(&["who", "127.0.0.1:18080"]));
    assert_eq!(elsewhere.status.code(), Some(3), "{}", stderr(&elsewhere));

    let proxy = who(docker, "18080/tcp")[0]["steps"][1]["pid"].to_string();
    let stopped = docker.stopped();
    assert_eq!(who(docker, "18080/tcp")[0]["owner"]["container"]["id"], id, "the engine hangs");
    support::succeeds(docker.machine.command("kill").args(["-KILL", &proxy]));
    support::until("the proxy has ended", || kinds(&who(docker, "18080/tcp")[0]) == ["published"]);
    let rows = who(docker, "18080/tcp");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["owner"]["container"]["id"], id, "by its record");
    drop(stopped);
    docker.docker(&["stop", "--time", "0", "published"]);
    let ended = support::output(&mut docker.machine.nsx(&["who", "18080/tcp"]));
    assert_eq!(ended.status.code(), Some(3), "{}", stderr(&ended));
}
