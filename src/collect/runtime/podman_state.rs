//! podman's own records up to version 4: `STORAGE/libpod/bolt_state.db`. Version 5 keeps them in
//! SQLite, which is not read.
//!
//! They say what podman last knew: after a crash or a boot a container may be recorded as running
//! that is not. A rootless user's are his to write, and worth no more than his word.

use super::bolt::{self, Database, Snapshot};
use super::go_time;
use crate::model::text::Text;
use crate::sys::error::{Problem, Result};
use crate::sys::root::SysRoot;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Below the storage's own directory, `/var/lib/containers/storage` as it comes.
pub const FILE: &str = "libpod/bolt_state.db";
/// Of one container.
const LABELS: usize = 256;

#[derive(Debug)]
pub struct Records<S = OwnedFd>(Database<S>);

/// What podman says about one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub name: Text,
    pub image: Option<Text>,
    pub state: Option<State>,
    /// Its first process; 0 while it does not run.
    pub init: u32,
    pub created_unix_seconds: Option<u64>,
    /// By key.
    pub labels: Vec<(Text, Text)>,
    /// There are more.
    pub labels_truncated: bool,
    pub pod: Option<Pod>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub id: Text,
    /// None where the pod has no record.
    pub name: Option<Text>,
}

/// As `podman ps` calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Created,
    Initialized,
    Running,
    Stopped,
    Paused,
    Exited,
    Removing,
    Stopping,
}

impl State {
    /// As libpod numbers them (`libpod/define/containerstate.go`).
    const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Created,
            2 => Self::Initialized,
            3 => Self::Running,
            4 => Self::Stopped,
            5 => Self::Paused,
            6 => Self::Exited,
            7 => Self::Removing,
            8 => Self::Stopping,
            _ => return None,
        })
    }
}

impl Records {
    /// The file `below` a directory; what leads from there to the file is followed through no
    /// symbolic link, so that a user's home is where to begin for what is his.
    pub fn open(root: &SysRoot, directory: &Path, below: &str) -> Result<Self> {
        Database::open(root, directory, below).map(Self)
    }
}

impl<S: bolt::Source> Records<S> {
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
        record.pod = Some(Pod { id: pod.into(), name });
    }
    Ok(Some(record))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    id: String,
    name: String,
    #[serde(default)]
    rootfs_image_name: String,
    #[serde(default)]
    created_time: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// The part of a record that does not change. One that names another container is none.
pub fn parse_config(bytes: &[u8], id: &[u8]) -> Option<Record> {
    let config: Config = serde_json::from_slice(bytes).ok()?;
    if config.id.as_bytes() != id {
        return None;
    }
    let image = config.rootfs_image_name;
    let labels = config.labels.unwrap_or_default();
    let labels_truncated = labels.len() > LABELS;
    Some(Record {
        name: config.name.into(),
        image: (!image.is_empty()).then(|| image.into()),
        created_unix_seconds: go_time::parse_text(&config.created_time),
        labels: labels
            .into_iter()
            .take(LABELS)
            .map(|(key, value)| (key.into(), value.into()))
            .collect(),
        labels_truncated,
        ..Record::default()
    })
}

/// The part of a record that changes.
pub fn parse_state(bytes: &[u8]) -> Option<(Option<State>, u32)> {
    #[derive(Deserialize)]
    struct Fields {
        #[serde(default)]
        state: u64,
        #[serde(default)]
        pid: u32,
    }
    let fields: Fields = serde_json::from_slice(bytes).ok()?;
    Some((State::from_number(fields.state), fields.pid))
}

/// The name of the pod `id`.
pub fn parse_pod(bytes: &[u8], id: &[u8]) -> Option<Text> {
    #[derive(Deserialize)]
    struct Fields {
        id: String,
        name: String,
    }
    let fields: Fields = serde_json::from_slice(bytes).ok()?;
    (fields.id.as_bytes() == id).then(|| fields.name.into())
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
            assert_eq!(
                format!("{:?}", found.state.unwrap()).to_lowercase(),
                said["State"]["Status"]
            );
            assert_eq!(said["State"]["Pid"], found.init);
            let created = said["Created"].as_str().unwrap();
            assert!(found.created_unix_seconds.is_some());
            assert_eq!(found.created_unix_seconds, go_time::parse_text(created));
            assert_eq!(found.pod.clone().map_or("".into(), |pod| pod.id), text("/Pod"));
            let labels = said["Config"]["Labels"].as_object().cloned().unwrap_or_default();
            let labels = labels.iter().map(|(k, v)| (k.into(), v.as_str().unwrap().into()));
            assert_eq!(found.labels, labels.collect::<Vec<(Text, Text)>>());
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
    fn the_states_are_libpods() {
        let state = |text: &str| parse_state(text.as_bytes());
        assert_eq!(state(r#"{"state":3,"pid":42}"#), Some((Some(State::Running), 42)));
        assert_eq!(state(r#"{"state":5}"#), Some((Some(State::Paused), 0)));
        assert_eq!(state(r#"{"state":6}"#), Some((Some(State::Exited), 0)));
        assert_eq!(state(r#"{"state":99}"#), Some((None, 0)));
        assert_eq!(state(r#"{"state":-1}"#), None);
    }

    #[test]
    fn labels_are_bounded() {
        let labels: BTreeMap<String, String> =
            (0..=LABELS).map(|n| (n.to_string(), String::new())).collect();
        let config = serde_json::json!({ "id": "abc", "name": "web", "labels": labels });
        let record = parse_config(config.to_string().as_bytes(), b"abc").unwrap();
        assert!(record.labels_truncated);
        assert_eq!(record.labels.len(), LABELS);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse_config(&bytes, b"abc"), parse_state(&bytes), parse_pod(&bytes, b"p"));
        }
    }
}
