//! `who`, where systemd makes the groups: units, scopes and groups lead to containers, root's and a
//! user's.

use crate::containers::{Container, Engine};
use crate::host::INSIDE;
use crate::support::{json, nsx, output, test};
use libtest_mimic::Trial;
use serde_json::Value;

pub fn tests() -> Vec<Trial> {
    vec![
        test("who, docker: a scope, a group, files", INSIDE, || {
            of(Engine::Docker, "who-d", "docker");
        }),
        test("who, podman: a scope, a group, files", INSIDE, || {
            of(Engine::Podman, "who-p", "podman");
        }),
        test("who, alice's: a scope, a group, a name", INSIDE, || {
            of(Engine::Rootless, "who-r", "podman");
        }),
        test("who, a service: its processes are the host's, with its name", INSIDE, service),
    ]
}

fn owners(clue: &str) -> Vec<Value> {
    let said = json(nsx(["who", "--json"]).arg(clue));
    said["data"].as_array().unwrap().iter().map(|row| row["owner"].clone()).collect()
}

fn of(engine: Engine, name: &'static str, runtime: &str) {
    let container = Container::run(engine, name, &[], "exec sleep 1000");
    let pid = container.pid;
    let group = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let group = group.trim().strip_prefix("0::").expect("v2 alone").to_owned();
    let scope = group
        .split('/')
        .find(|part| part.strip_suffix(".scope").is_some())
        .expect("systemd's")
        .to_owned();
    let id = container.told["Id"].as_str().unwrap();
    assert!(scope.contains(id), "the reference: {scope}");
    let link = std::fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap();
    let mut clues = vec![
        pid.to_string(),
        scope.clone(),
        format!("unit:{scope}"),
        format!("cgroup:{group}"),
        id[..12].to_owned(),
        format!("{runtime}:{name}"),
        link.to_str().unwrap().to_owned(),
    ];
    let layers = &container.told["GraphDriver"]["Data"];
    // A user's layers are mounted where nobody else looks.
    if engine != Engine::Rootless
        && let Some(upper) = layers["UpperDir"].as_str()
    {
        clues.push(upper.to_owned());
        let layer = upper.rsplit('/').nth(1).unwrap();
        clues.push(format!("overlay:{}", &layer[..12]));
    }
    for clue in clues {
        let owners = owners(&clue);
        let its = owners.iter().filter(|owner| owner["container"]["pid"] == pid).count();
        assert!(its > 0, "{clue} does not lead to {name}: {owners:?}");
        let named = |owner: &Value| owner["container"]["name"] == name;
        assert!(owners.iter().any(named), "{clue}: {owners:?}");
    }
}

fn service() {
    let said = json(&mut nsx(["who", "--json", "unit:systemd-journald"]));
    let rows = said["data"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["owner"]["kind"], "host");
    assert_eq!(rows[0]["owner"]["unit"], "systemd-journald.service");
    assert_eq!(rows[0]["steps"][1]["comm"], "systemd-journal");
    let nobody = output(&mut nsx(["who", "unit:no-such-unit"]));
    assert_eq!(nobody.status.code(), Some(3));
}
