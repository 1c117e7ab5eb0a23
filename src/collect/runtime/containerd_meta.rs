//! containerd's own records of containers: `DATA_ROOT/io.containerd.metadata.v1.bolt/meta.db`.
//!
//! It has what no bundle has: the image of a container that `ctr` made, the labels of a pod, and
//! containers that have no process. The schema is that of containerd's `core/metadata/buckets.go`.

use super::bolt::{self, Bucket, Database, Snapshot};
use super::go_time;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::root::SysRoot;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

const FILE: &str = "io.containerd.metadata.v1.bolt/meta.db";
/// Of one container.
const LABELS: usize = 256;

#[derive(Debug)]
pub struct Metadata<S = OwnedFd>(Database<S>);

/// What containerd says about one container, whether it runs or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub image: Option<Text>,
    /// As containerd calls it: `io.containerd.runc.v2`.
    pub runtime: Option<Text>,
    pub snapshotter: Option<Text>,
    pub snapshot_key: Option<Text>,
    pub created_unix_seconds: Option<u64>,
    /// By key.
    pub labels: Vec<(Text, Text)>,
    /// There are more.
    pub labels_truncated: bool,
    /// Where Kubernetes (CRI) made it.
    pub pod: Option<Pod>,
}

/// The pod that a container belongs to, or is the sandbox of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    pub name: Text,
    pub namespace: Text,
    pub uid: Text,
    /// The container's name in the pod's description; none for the sandbox.
    pub container: Option<Text>,
    /// The id of the sandbox. The pod's own labels are those of its record.
    pub sandbox: Text,
}

impl Metadata {
    /// The records below containerd's `root`, `/var/lib/containerd` as it comes.
    pub fn open(root: &SysRoot, data_root: &Path) -> Result<Self> {
        Database::open(root, data_root, FILE).map(Self)
    }
}

impl<S: bolt::Source> Metadata<S> {
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
    Ok(Some(Record {
        image: text(b"image")?,
        runtime: runtime.map(Text::from),
        snapshotter: text(b"snapshotter")?,
        snapshot_key: text(b"snapshotKey")?,
        created_unix_seconds: container
            .get(b"createdat")?
            .and_then(|time| go_time::parse_binary(&time)),
        labels: labels.items.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        labels_truncated: labels.truncated,
        pod: pod(snapshot, namespace, &container)?,
    }))
}

fn bucket_of<'a>(
    snapshot: &'a Snapshot<'_>,
    namespace: &[u8],
    id: &[u8],
) -> bolt::Result<Option<Bucket<'a>>> {
    snapshot.bucket(&[b"v1", namespace, b"containers", id])
}

/// What the CRI plugin keeps with a container. One that cannot be understood says nothing.
fn pod(
    snapshot: &Snapshot<'_>,
    namespace: &[u8],
    container: &Bucket<'_>,
) -> bolt::Result<Option<Pod>> {
    let Some(extensions) = container.bucket(b"extensions")? else {
        return Ok(None);
    };
    if let Some(sandbox) = extensions.get(b"io.cri-containerd.sandbox.metadata")? {
        return Ok(parse_sandbox(&sandbox));
    }
    let Some(bytes) = extensions.get(b"io.cri-containerd.container.metadata")? else {
        return Ok(None);
    };
    let Some((name, sandbox)) = parse_container(&bytes) else {
        return Ok(None);
    };
    // Only the sandbox's record says what the pod is called: labels are whatever was asked for.
    let extensions = match bucket_of(snapshot, namespace, sandbox.as_bytes())? {
        Some(sandbox) => sandbox.bucket(b"extensions")?,
        None => None,
    };
    let bytes = match extensions {
        Some(extensions) => extensions.get(b"io.cri-containerd.sandbox.metadata")?,
        None => None,
    };
    let pod = bytes.and_then(|bytes| parse_sandbox(&bytes)).filter(|pod| pod.sandbox == sandbox);
    Ok(Some(Pod { container: Some(name), sandbox, ..pod.unwrap_or_default() }))
}

#[derive(Deserialize)]
struct Versioned {
    #[serde(rename = "Metadata")]
    metadata: Cri,
}

#[derive(Deserialize)]
struct Cri {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "SandboxID", default)]
    sandbox_id: String,
    #[serde(rename = "Config")]
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    metadata: Names,
}

#[derive(Deserialize)]
struct Names {
    name: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    namespace: String,
}

/// A container's name in its pod, and the id of the pod's sandbox.
pub fn parse_container(bytes: &[u8]) -> Option<(Text, Text)> {
    let cri = parse(bytes, b"/container/Metadata")?;
    Some((cri.config.metadata.name.into(), cri.sandbox_id.into()))
}

/// The pod that a sandbox is for.
pub fn parse_sandbox(bytes: &[u8]) -> Option<Pod> {
    let cri = parse(bytes, b"/sandbox/Metadata")?;
    let Names { name, uid, namespace } = cri.config.metadata;
    Some(Pod {
        name: name.into(),
        namespace: namespace.into(),
        uid: uid.into(),
        container: None,
        sandbox: cri.id.into(),
    })
}

/// JSON in a `google.protobuf.Any`: field 1 is its type, field 2 the value.
fn parse(any: &[u8], kind: &[u8]) -> Option<Cri> {
    let fields = fields(any)?;
    if !fields.get(&1)?.ends_with(kind) {
        return None;
    }
    let versioned: Versioned = serde_json::from_slice(fields.get(&2)?).ok()?;
    Some(versioned.metadata)
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
            assert_eq!(found.created_unix_seconds, go_time::parse_text(&info.created_at));
            let labels = info.labels.iter().flatten();
            let labels = labels.map(|(key, value)| (key.into(), value.into()));
            assert_eq!(found.labels, labels.collect::<Vec<(Text, Text)>>(), "{}", info.id);
            assert!(!found.labels_truncated);
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
            let record = metadata("k8s.io").container(b"k8s.io", id.as_bytes()).unwrap();
            record.unwrap().pod.unwrap()
        };
        let sandbox = pod(&of_pod[0].id);
        let expected = Pod {
            name: "web-0".into(),
            namespace: "shop".into(),
            uid: "6e6f8a2c-1111-2222-3333-444455556666".into(),
            container: None,
            sandbox: (&of_pod[0].id).into(),
        };
        assert_eq!(sandbox, expected);
        assert_eq!(pod(&of_pod[1].id), Pod { container: Some("nginx".into()), ..expected });
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
        let pod = parse_sandbox(&any("a/sandbox/Metadata", json)).unwrap();
        assert_eq!((pod.name, pod.sandbox), ("p".into(), "s".into()));
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
