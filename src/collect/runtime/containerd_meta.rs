//! containerd's own records of containers: `DATA_ROOT/io.containerd.metadata.v1.bolt/meta.db`.
//!
//! It has what no bundle has: the image of a container that `ctr` made, the labels of a pod, and
//! containers that have no process. The schema is that of containerd's `core/metadata/buckets.go`.

use super::bolt::{self, Bucket, Database, Snapshot};
use super::picked::{Path as Key, Picked};
use super::timestamp;
use crate::model::container::Label;
use crate::model::pod::Pod;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::owned::Place;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

/// Below the data root.
pub const FILE: &str = "io.containerd.metadata.v1.bolt/meta.db";
/// More labels of a container are left out. containerd sets no bound; images have some dozens.
const LABELS: usize = 4096;

/// The database `meta.db`.
#[derive(Debug)]
pub struct Metadata<S = OwnedFd>(Database<S>);

/// What containerd says about one container, whether it runs or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// As it was asked for: `docker.io/library/nginx:latest`. None where it was made of none.
    pub image: Option<Text>,
    /// As containerd calls it: `io.containerd.runc.v2`.
    pub runtime: Option<Text>,
    /// What keeps its root: `overlayfs`. None where the record has none.
    pub snapshotter: Option<Text>,
    /// What the snapshotter calls its root: the container's id as a rule.
    pub snapshot_key: Option<Text>,
    /// Seconds since 1970; None where the record has no time that can be understood.
    pub created_unix_seconds: Option<u64>,
    /// By key.
    pub labels: Vec<Label>,
    /// Where Kubernetes (CRI) made it.
    pub pod: Option<Pod>,
    /// The id of the pod's sandbox, whose record has the pod's own labels.
    pub sandbox: Option<Text>,
}

impl Metadata {
    /// The records below containerd's `root`, `/var/lib/containerd` as it comes.
    pub fn open(data_root: &Place) -> Result<Self> {
        Database::open(data_root, FILE).map(Self)
    }
}

impl<S: bolt::Source> Metadata<S> {
    /// On any database, for tests and fuzzing.
    pub const fn new(database: Database<S>) -> Self {
        Self(database)
    }

    /// What is recorded of `id`; `Ok(None)` where nothing is.
    pub fn container(&self, namespace: &[u8], id: &[u8]) -> Result<Option<Record>> {
        self.0.read(|snapshot| record(snapshot, namespace, id))
    }

    /// The ids in a namespace, in their order, up to `limit`.
    pub fn ids(&self, namespace: &[u8], limit: usize) -> Result<bolt::Listing<Vec<u8>>> {
        self.0.read(|snapshot| {
            let containers = snapshot.bucket(&[b"v1", namespace, b"containers"])?;
            containers.map_or(Ok(bolt::Listing::default()), |containers| containers.buckets(limit))
        })
    }

    /// The namespaces, up to `limit`.
    pub fn namespaces(&self, limit: usize) -> Result<bolt::Listing<Vec<u8>>> {
        self.0.read(|snapshot| {
            let all = snapshot.bucket(&[b"v1"])?;
            all.map_or(Ok(bolt::Listing::default()), |all| all.buckets(limit))
        })
    }
}

fn record(snapshot: &Snapshot<'_>, namespace: &[u8], id: &[u8]) -> bolt::Result<Option<Record>> {
    let Some(container) = bucket_of(snapshot, namespace, id)? else {
        return Ok(None);
    };
    let text = |key: &[u8]| Ok(container.get(key)?.map(Text::from).filter(|text| !text.is_empty()));
    let labels = match container.bucket(b"labels")? {
        Some(labels) => labels.values(LABELS)?,
        None => bolt::Listing::default(),
    };
    let runtime = container.bucket(b"runtime")?;
    let runtime = runtime.map_or(Ok(None), |runtime| runtime.get(b"name"))?;
    let (pod, sandbox) = pod(snapshot, namespace, &container)?.unzip();
    Ok(Some(Record {
        image: text(b"image")?,
        runtime: runtime.map(Text::from),
        snapshotter: text(b"snapshotter")?,
        snapshot_key: text(b"snapshotKey")?,
        created_unix_seconds: container
            .get(b"createdat")?
            .and_then(|time| timestamp::unix_seconds_of_binary(&time)),
        labels: labels.items.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        pod,
        sandbox,
    }))
}

fn bucket_of<'a>(
    snapshot: &'a Snapshot<'_>,
    namespace: &[u8],
    id: &[u8],
) -> bolt::Result<Option<Bucket<'a>>> {
    snapshot.bucket(&[b"v1", namespace, b"containers", id])
}

const CONTAINER: &[u8] = b"io.cri-containerd.container.metadata";
const SANDBOX: &[u8] = b"io.cri-containerd.sandbox.metadata";

/// What the CRI plugin keeps with a container: its pod, and the id of the pod's sandbox. What
/// cannot be understood says nothing.
fn pod(
    snapshot: &Snapshot<'_>,
    namespace: &[u8],
    container: &Bucket<'_>,
) -> bolt::Result<Option<(Pod, Text)>> {
    let extension = |container: Option<&Bucket<'_>>, name| {
        let extensions = container.map_or(Ok(None), |container| container.bucket(b"extensions"))?;
        extensions.map_or(Ok(None), |extensions| extensions.get(name))
    };
    if let Some(bytes) = extension(Some(container), SANDBOX)? {
        return Ok(parse_sandbox(&bytes));
    }
    let bytes = extension(Some(container), CONTAINER)?;
    let Some((name, sandbox)) = bytes.and_then(|bytes| parse_container(&bytes)) else {
        return Ok(None);
    };
    // Only the sandbox's record says what the pod is called: labels are whatever was asked for.
    let record = bucket_of(snapshot, namespace, sandbox.as_bytes())?;
    let bytes = extension(record.as_ref(), SANDBOX)?;
    let pod = bytes.and_then(|bytes| parse_sandbox(&bytes)).filter(|(_, id)| *id == sandbox);
    let pod = pod.map(|(pod, _)| pod).unwrap_or_default();
    Ok(Some((Pod { container: Some(name), sandbox: false, ..pod }, sandbox)))
}

const ID: Key = &["Metadata", "ID"];
const SANDBOX_ID: Key = &["Metadata", "SandboxID"];
const NAME: Key = &["Metadata", "Config", "metadata", "name"];
const UID: Key = &["Metadata", "Config", "metadata", "uid"];
const NAMESPACE: Key = &["Metadata", "Config", "metadata", "namespace"];

/// A container's name in its pod, and the id of the pod's sandbox.
pub fn parse_container(bytes: &[u8]) -> Option<(Text, Text)> {
    let cri = parse(bytes, b"/container/Metadata")?;
    Some((cri.text(NAME)?.into(), cri.text(SANDBOX_ID)?.into()))
}

/// The pod that a sandbox is for, and the sandbox's id.
pub fn parse_sandbox(bytes: &[u8]) -> Option<(Pod, Text)> {
    let cri = parse(bytes, b"/sandbox/Metadata")?;
    let text = |key| cri.text(key).filter(|text| !text.is_empty()).map(Text::from);
    let pod = Pod {
        namespace: text(NAMESPACE),
        name: Some(text(NAME)?),
        uid: text(UID),
        sandbox: true,
        ..Pod::default()
    };
    Some((pod, text(ID)?))
}

/// JSON in a `google.protobuf.Any`: field 1 is its type, field 2 the value.
fn parse(any: &[u8], kind: &[u8]) -> Option<Picked> {
    let fields = fields(any)?;
    if !fields.get(&1)?.ends_with(kind) {
        return None;
    }
    Picked::from_json(fields.get(&2)?, &[ID, SANDBOX_ID, NAME, UID, NAMESPACE])
}

/// The fields of a protobuf message all of whose fields have a length.
fn fields(mut message: &[u8]) -> Option<BTreeMap<u64, &[u8]>> {
    const HAS_LENGTH: u64 = 2;
    let mut fields = BTreeMap::new();
    while !message.is_empty() {
        let (tag, rest) = variable_length(message)?;
        let (length, rest) = variable_length(rest)?;
        let (field, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        if tag & 7 != HAS_LENGTH {
            return None;
        }
        fields.insert(tag >> 3, field);
        message = rest;
    }
    Some(fields)
}

/// A protobuf number: seven bits a byte, the least significant first.
fn variable_length(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::runtime::bolt::tests::{REAL, of_bytes};
    use serde::Deserialize;

    /// What `ctr container info` says.
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Info {
        namespace: String,
        #[serde(rename = "ID")]
        id: String,
        labels: Option<BTreeMap<String, String>>,
        image: String,
        runtime: Runtime,
        snapshot_key: String,
        snapshotter: String,
        created_at: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Runtime {
        name: String,
    }

    fn infos() -> Vec<Info> {
        let json = include_bytes!("../../../tests/fixtures/bolt/containerd.json");
        serde_json::from_slice(json).unwrap()
    }

    fn metadata(namespace: &str) -> Metadata<&'static [u8]> {
        Metadata::new(of_bytes(REAL[usize::from(namespace == "k8s.io")]))
    }

    #[test]
    fn a_record_says_what_containerd_says() {
        for info in infos() {
            let metadata = metadata(&info.namespace);
            let found = metadata.container(info.namespace.as_bytes(), info.id.as_bytes());
            let found = found.unwrap().unwrap();
            let some = |text: &String| (!text.is_empty()).then(|| Text::from(text));
            assert_eq!(found.image, some(&info.image));
            assert_eq!(found.runtime, some(&info.runtime.name));
            assert_eq!(found.snapshotter, some(&info.snapshotter));
            assert_eq!(found.snapshot_key, some(&info.snapshot_key));
            assert!(found.created_unix_seconds.is_some());
            assert_eq!(found.created_unix_seconds, timestamp::unix_seconds(&info.created_at));
            let labels = info.labels.iter().flatten();
            let labels = labels.map(|(key, value)| (key.into(), value.into()));
            assert_eq!(found.labels, labels.collect::<Vec<Label>>(), "{}", info.id);
            assert_eq!(found.pod.is_some(), info.namespace == "k8s.io");
        }
    }

    #[test]
    fn namespaces_and_ids_are_listed() {
        let mut listed = Vec::new();
        for which in ["default", "k8s.io"] {
            let metadata = metadata(which);
            for namespace in metadata.namespaces(10).unwrap().items {
                for id in metadata.ids(&namespace, 10).unwrap().items {
                    listed.push((namespace.clone(), id));
                }
            }
        }
        let said = infos().into_iter().map(|info| (info.namespace.into(), info.id.into()));
        assert_eq!(listed, said.collect::<Vec<(Vec<u8>, Vec<u8>)>>());
        let some = metadata("default").ids(b"default", 2).unwrap();
        assert!(some.truncated && some.items == [&b"labelled"[..], b"longspec"]);
        assert!(metadata("default").ids(b"none", 2).unwrap().items.is_empty());
        assert_eq!(metadata("default").container(b"none", b"plain").unwrap(), None);
        assert_eq!(metadata("default").container(b"default", b"none").unwrap(), None);
    }

    #[test]
    fn a_pod_is_told_by_its_sandbox() {
        let of_pod: Vec<_> =
            infos().into_iter().filter(|info| info.namespace == "k8s.io").collect();
        let pod = |id: &str| {
            let record = metadata("k8s.io").container(b"k8s.io", id.as_bytes()).unwrap().unwrap();
            assert_eq!(record.sandbox, Some(Text::from(&of_pod[0].id)));
            record.pod.unwrap()
        };
        let sandbox = Pod {
            namespace: Some("shop".into()),
            name: Some("web-0".into()),
            uid: Some("6e6f8a2c-1111-2222-3333-444455556666".into()),
            sandbox: true,
            ..Pod::default()
        };
        assert_eq!(pod(&of_pod[0].id), sandbox);
        let container = Pod { container: Some("nginx".into()), sandbox: false, ..sandbox };
        assert_eq!(pod(&of_pod[1].id), container);
    }

    #[test]
    fn an_extension_of_another_kind_says_nothing() {
        let any = |kind: &str, value: &str| {
            let field = |tag: u8, bytes: &str| {
                [&[tag, u8::try_from(bytes.len()).unwrap()], bytes.as_bytes()].concat()
            };
            [field(0x0a, kind), field(0x12, value)].concat()
        };
        let json = r#"{"Version":"v1","Metadata":{"ID":"s","Config":{"metadata":{"name":"p"}}}}"#;
        let (pod, id) = parse_sandbox(&any("a/sandbox/Metadata", json)).unwrap();
        assert_eq!((pod.name.unwrap(), id), ("p".into(), "s".into()));
        assert_eq!(parse_container(&any("a/sandbox/Metadata", json)), None);
        assert_eq!(parse_sandbox(&any("a/sandbox/Metadata", &json[1..])), None);
        assert_eq!(parse_sandbox(&[0x08, 0x01]), None);
        assert_eq!(parse_sandbox(&[0xff; 30]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse_container(&bytes), parse_sandbox(&bytes));
        }
    }
}
