//! podman's own records up to version 4: `STORAGE/libpod/bolt_state.db`. Later ones are in
//! [`super::podman_sqlite`].
//!
//! They say what podman last knew: after a crash or a boot a container may be recorded as running
//! that is not. A rootless user's are his to write, and worth no more than his word.

use super::bolt::{self, Database, Snapshot};
use super::picked::{Path as Key, Picked};
use super::published;
use super::timestamp;
use crate::model::container::{Label, State};
use crate::model::pod::Pod;
use crate::model::text::Text;
use crate::model::trail::Published;
use crate::sys::error::{Problem, Result};
use crate::sys::owned::Place;
use std::os::fd::OwnedFd;

const FILE: &str = "libpod/bolt_state.db";

/// The database `bolt_state.db`.
#[derive(Debug)]
pub struct Records<S = OwnedFd>(Database<S>);

/// What podman says about one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// As `podman ps` shows it: `web`.
    pub name: Text,
    /// As podman calls it: `docker.io/library/nginx:latest`. None where it was made of none.
    pub image: Option<Text>,
    /// None where podman does not know itself.
    pub state: Option<State>,
    /// Its first process; 0 while it does not run.
    pub init: u32,
    /// Seconds since 1970; None where the record has no time that can be understood.
    pub created_unix_seconds: Option<u64>,
    /// By key.
    pub labels: Vec<Label>,
    /// podman's pod that it is in: the id as its uid, no namespace.
    pub pod: Option<Pod>,
    /// Ports of the host that lead to it while it runs.
    pub published: Vec<Published>,
    /// It is a pod's own container.
    is_pods: bool,
}

impl Records {
    /// The records of a storage, by its graph root.
    pub fn open(graph_root: &Place) -> Result<Self> {
        Database::open(graph_root, FILE).map(Self)
    }
}

impl<S: bolt::Source> Records<S> {
    /// On any database, for tests and fuzzing.
    pub const fn new(database: Database<S>) -> Self {
        Self(database)
    }

    /// What is recorded of `id`, all of its digits; `Ok(None)` where nothing is.
    pub fn container(&self, id: &[u8]) -> Result<Option<Record>> {
        self.0.read(|snapshot| record(snapshot, id))
    }

    /// The ids of containers, in their order, up to `limit`.
    pub fn ids(&self, limit: usize) -> Result<bolt::Listing<Vec<u8>>> {
        self.0.read(|snapshot| {
            let containers = snapshot.bucket(&[b"ctr"])?;
            containers.map_or(Ok(bolt::Listing::default()), |all| all.buckets(limit))
        })
    }
}

fn record(snapshot: &Snapshot<'_>, id: &[u8]) -> bolt::Result<Option<Record>> {
    let Some(container) = snapshot.bucket(&[b"ctr", id])? else {
        return Ok(None);
    };
    let Some(config) = container.get(b"config")? else {
        return Ok(None);
    };
    let mut record = parse_config(&config, id).ok_or(Problem::Malformed("JSON"))?;
    if let Some(state) = container.get(b"state")? {
        (record.state, record.init) = parse_state(&state).ok_or(Problem::Malformed("JSON"))?;
    }
    if let Some(pod) = container.get(b"pod-id")? {
        let config = match snapshot.bucket(&[b"pod", &pod])? {
            Some(pod) => pod.get(b"config")?,
            None => None,
        };
        let name = config.and_then(|config| parse_pod(&config, &pod));
        record.set_pod(&pod, name);
    }
    Ok(Some(record))
}

impl Record {
    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        let long = |text: &Text| size_of::<Text>() + text.as_bytes().len();
        let labels = self.labels.iter().map(|(key, value)| long(key) + long(value));
        let texts = long(&self.name) + self.image.as_ref().map_or(0, long) + labels.sum::<usize>();
        texts + size_of_val(&*self.published)
    }

    /// The pod that it is in, by its id, and what that is called.
    pub fn set_pod(&mut self, id: &[u8], name: Option<Text>) {
        self.pod = Some(Pod {
            name,
            uid: Some(id.into()),
            container: Some(self.name.clone()),
            sandbox: self.is_pods,
            ..Pod::default()
        });
    }
}

const ID: Key = &["id"];
const NAME: Key = &["name"];
const IMAGE: Key = &["rootfsImageName"];
const CREATED: Key = &["createdTime"];
const LABELS: Key = &["labels", "*"];
const IS_PODS: Key = &["pause"];

/// The part of a record that does not change. One that names another container is none.
pub fn parse_config(bytes: &[u8], id: &[u8]) -> Option<Record> {
    let mut paths = vec![ID, NAME, IMAGE, CREATED, LABELS, IS_PODS];
    paths.extend(published::PODMAN.paths().chain(published::OLD_PODMAN.paths()));
    let config = Picked::from_json(bytes, &paths)?;
    if config.text(ID)?.as_bytes() != id {
        return None;
    }
    let published = match published::PODMAN.read(&config) {
        none if none.is_empty() => published::OLD_PODMAN.read(&config),
        published => published,
    };
    Some(Record {
        published,
        name: config.text(NAME)?.into(),
        image: config.text(IMAGE).filter(|image| !image.is_empty()).map(Text::from),
        created_unix_seconds: config.text(CREATED).and_then(timestamp::unix_seconds),
        labels: config.labels(LABELS),
        is_pods: config.is_true(IS_PODS),
        ..Record::default()
    })
}

const STATE: Key = &["state"];
const PID: Key = &["pid"];

/// The part of a record that changes: the state, and the first process.
pub fn parse_state(bytes: &[u8]) -> Option<(Option<State>, u32)> {
    let fields = Picked::from_json(bytes, &[STATE, PID])?;
    // As libpod numbers them (`libpod/define/containerstate.go`).
    let state = fields.number(STATE).and_then(|number| match number {
        // Configured, created.
        1 | 2 => Some(State::Created),
        // Running, stopping.
        3 | 8 => Some(State::Running),
        5 => Some(State::Paused),
        // Stopped, exited, removing.
        4 | 6 | 7 => Some(State::Stopped),
        _ => None,
    });
    let init = fields.number(PID).and_then(|pid| u32::try_from(pid).ok());
    Some((state, init.unwrap_or_default()))
}

/// The name of the pod `id`.
pub fn parse_pod(bytes: &[u8], id: &[u8]) -> Option<Text> {
    let fields = Picked::from_json(bytes, &[ID, NAME])?;
    if fields.text(ID)?.as_bytes() != id {
        return None;
    }
    fields.text(NAME).map(Text::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::runtime::bolt::tests::{REAL, of_bytes};
    use serde_json::Value;

    fn records() -> Records<&'static [u8]> {
        Records::new(of_bytes(REAL[2]))
    }

    #[test]
    fn a_record_says_what_podman_says() {
        let json = include_bytes!("../../../tests/fixtures/bolt/podman.json");
        let said: Vec<Value> = serde_json::from_slice(json).unwrap();
        let ids = records().ids(10).unwrap().items;
        assert_eq!(ids.len(), said.len());
        for (id, said) in ids.iter().zip(&said) {
            let found = records().container(id).unwrap().unwrap();
            let text = |pointer: &str| Text::from(said.pointer(pointer).unwrap().as_str().unwrap());
            assert_eq!(Text::from(id), text("/Id"));
            assert_eq!(found.name, text("/Name"));
            assert_eq!(found.image, Some(text("/ImageName")));
            assert_eq!(found.state.unwrap().name(), said["State"]["Status"]);
            assert_eq!(said["State"]["Pid"], found.init);
            let created = said["Created"].as_str().unwrap();
            assert!(found.created_unix_seconds.is_some());
            assert_eq!(found.created_unix_seconds, timestamp::unix_seconds(created));
            let pod = found.pod.and_then(|pod| pod.uid);
            assert_eq!(pod.unwrap_or_default(), text("/Pod"));
            let labels = said["Config"]["Labels"].as_object().cloned().unwrap_or_default();
            let labels = labels.iter().map(|(k, v)| (k.into(), v.as_str().unwrap().into()));
            assert_eq!(found.labels, labels.collect::<Vec<Label>>());
        }
        let pod = records().container(&ids[1]).unwrap().unwrap().pod.unwrap();
        assert_eq!(pod.name, Some("shop".into()));
        assert_eq!(records().container(b"none").unwrap(), None);
    }

    #[test]
    fn a_record_of_another_container_is_none() {
        let config = br#"{"id":"abc","name":"web","labels":null}"#;
        assert_eq!(parse_config(config, b"abc").unwrap().name, "web");
        assert_eq!(parse_config(config, b"abd"), None);
        assert_eq!(parse_pod(br#"{"id":"p","name":"shop"}"#, b"p"), Some("shop".into()));
        assert_eq!(parse_pod(br#"{"id":"p","name":"shop"}"#, b"q"), None);
    }

    #[test]
    fn ports_are_told_in_the_words_of_either_version() {
        let new = r#""newPortMappings":[{"host_ip":"","container_port":80,"host_port":8080,"range":1,"protocol":"tcp"}]"#;
        let old =
            r#""portMappings":[{"hostPort":8081,"containerPort":80,"protocol":"tcp","hostIP":""}]"#;
        let ports = |mappings: &str| -> Vec<u16> {
            let json = format!(r#"{{"id":"abc","name":"web"{mappings}}}"#);
            let record = parse_config(json.as_bytes(), b"abc").unwrap();
            record.published.iter().map(|port| port.host_port).collect()
        };
        assert!(ports("").is_empty());
        assert_eq!(ports(&format!(",{new}")), [8080]);
        assert_eq!(ports(&format!(",{old}")), [8081]);
        assert_eq!(ports(&format!(",{old},{new}")), [8080], "the newer is what counts");
    }

    #[test]
    fn every_part_of_a_record_counts_for_what_it_is_long() {
        const LONG: usize = 1000;
        let with = |[name, image, key, value]: [usize; 4], ports: u16| {
            let text = |length: usize| Text::from("x".repeat(length));
            let port = |host_port| Published {
                protocol: crate::model::network::Protocol::Tcp,
                host_address: None,
                host_port,
                container_port: 80,
            };
            let record = Record {
                name: text(name),
                image: Some(text(image)),
                labels: vec![(text(key), text(value)); 2],
                published: (0..ports).map(port).collect(),
                ..Record::default()
            };
            record.bytes()
        };
        let short = with([1, 1, 1, 1], 1);
        assert!(short > 6, "no less than its letters");
        for (lengths, ports, more) in [
            ([1 + LONG, 1, 1, 1], 1, LONG),
            ([1, 1 + LONG, 1, 1], 1, LONG),
            // Of two labels.
            ([1, 1, 1 + LONG, 1], 1, 2 * LONG),
            ([1, 1, 1, 1 + LONG], 1, 2 * LONG),
            ([1, 1, 1, 1], 1 + 9, 9 * size_of::<Published>()),
        ] {
            assert_eq!(with(lengths, ports), short + more, "{lengths:?} {ports}");
        }
    }

    #[test]
    fn the_states_are_libpods() {
        let state = |text: &str| parse_state(text.as_bytes());
        assert_eq!(state(r#"{"state":3,"pid":42}"#), Some((Some(State::Running), 42)));
        assert_eq!(state(r#"{"state":5}"#), Some((Some(State::Paused), 0)));
        assert_eq!(state(r#"{"state":6}"#), Some((Some(State::Stopped), 0)));
        assert_eq!(state(r#"{"state":99}"#), Some((None, 0)));
        assert_eq!(state(r#"{"state":-1,"pid":-1}"#), Some((None, 0)));
        assert_eq!(state("{"), None);
    }

    #[test]
    fn a_pods_own_container_is_told_from_its_members() {
        let config = |pause: &str| {
            let json = format!(r#"{{"id":"a","name":"p-infra","pause":{pause}}}"#);
            parse_config(json.as_bytes(), b"a").unwrap().is_pods
        };
        assert!(config("true") && !config("false"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse_config(&bytes, b"abc"), parse_state(&bytes), parse_pod(&bytes, b"p"));
        }
    }
}
