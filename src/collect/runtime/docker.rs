//! Docker's own record of a container: `DATA_ROOT/containers/ID/config.v2.json`.
//!
//! The data root is the usual one, or the one that the bind mounts in the OCI bundle come from.

use super::kubernetes;
use super::picked::{Path as Key, Picked};
use super::record::{CAP, Case, First, Gaps, Record, Source};
use super::shim::{self, Bundle};
use super::timestamp;
use crate::model::container::State;
use crate::model::gap::Gap;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::{Result, SysError};
use crate::sys::root::{self, SysRoot};
use nix::errno::Errno;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Finds records; remembers the data roots that it came across.
#[derive(Debug)]
pub struct Docker {
    data_roots: Vec<PathBuf>,
    /// What was left out of a listing.
    gaps: Gaps,
}

impl Default for Docker {
    fn default() -> Self {
        Self { data_roots: vec![PathBuf::from("/var/lib/docker")], gaps: Gaps::default() }
    }
}

impl Source for Docker {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let named = case.id_of(&[Runtime::Docker]);
        if let Some(id) = named
            && let Some(record) = self.known(case.root, id)?
        {
            return Ok(Some(record));
        }
        // A group may be called anything: only docker's own shim may contradict it.
        let bundle = case
            .monitor()
            .and_then(|monitor| shim::bundle(case.root, monitor))
            .filter(|bundle| bundle.namespace == b"moby");
        let Some(bundle) = bundle else { return Ok(None) };
        if let Some(record) = self.known(case.root, &bundle.id)? {
            return Ok(Some(record));
        }
        if let Some(data_root) = data_root_of(&bundle)
            && !self.data_roots.contains(&data_root)
        {
            self.data_roots.push(data_root);
            if let Some(record) = self.known(case.root, &bundle.id)? {
                return Ok(Some(record));
            }
        }
        Ok(Some(Record {
            runtime: Runtime::Docker,
            id: Text::new(&bundle.id),
            owner_uid: Some(0),
            file: root::path_text(&bundle.path),
            ..Record::default()
        }))
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        let mut records = Vec::new();
        for data_root in &self.data_roots {
            let ids = root
                .open_dir(&data_root.join("containers"))
                .and_then(|dir| root::list(dir.as_fd()));
            let ids = self.gaps.note(ids).unwrap_or_default();
            let known = |id: &Text| self.gaps.note(read(root, data_root, id.as_bytes())).flatten();
            records.extend(ids.iter().filter_map(known));
        }
        records
    }

    fn gaps(&self) -> Vec<Gap> {
        self.gaps.list()
    }
}

impl Docker {
    fn known(&self, root: &SysRoot, id: &[u8]) -> Result<Option<Record>> {
        for data_root in &self.data_roots {
            if let Some(record) = read(root, data_root, id)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

fn read(root: &SysRoot, data_root: &Path, id: &[u8]) -> Result<Option<Record>> {
    let Ok(id) = std::str::from_utf8(id) else {
        return Ok(None);
    };
    let path = format!("{id}/config.v2.json");
    let containers = data_root.join("containers");
    let file = || root::path_text(&containers.join(&path));
    let read = root.open_dir(&containers).and_then(|dir| {
        root::read_beneath(dir.as_fd(), &path, CAP)
            .map_err(|error| SysError { object: file(), ..error })
    });
    match read {
        Ok(bytes) => {
            let record = parse(&bytes, id);
            let record = record.ok_or_else(|| SysError::malformed("read", file(), "JSON"))?;
            Ok(Some(Record { file: file(), ..record }))
        }
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

const ID: Key = &["ID"];
const NAME: Key = &["Name"];
const IMAGE: Key = &["Config", "Image"];
const LABELS: Key = &["Config", "Labels", "*"];
const CREATED: Key = &["Created"];
const PID: Key = &["State", "Pid"];
const STARTED: Key = &["State", "StartedAt"];

/// A record that names another container is none.
pub fn parse(bytes: &[u8], id: &str) -> Option<Record> {
    let json = Picked::from_json(bytes, &[ID, NAME, IMAGE, LABELS, CREATED, PID, STARTED])?;
    if json.text(ID) != Some(id) {
        return None;
    }
    let name = json.text(NAME).unwrap_or_default();
    let labels = json.labels(LABELS);
    let started = json.text(STARTED).and_then(timestamp::unix_seconds);
    Some(Record {
        runtime: Runtime::Docker,
        id: id.into(),
        name: Some(name.strip_prefix('/').unwrap_or(name))
            .filter(|name| !name.is_empty())
            .map(Text::from),
        image: json.text(IMAGE).map(Text::from),
        pod: kubernetes::pod_of_labels(&labels),
        labels,
        created_unix_seconds: json.text(CREATED).and_then(timestamp::unix_seconds),
        owner_uid: Some(0),
        state: if started.is_some() { State::Stopped } else { State::Created },
        first: First::of(json.number(PID).unwrap_or(0), None),
        ..Record::default()
    })
}

const SOURCES: Key = &["mounts", "*", "source"];

/// The data root behind a bundle: docker binds `DATA_ROOT/containers/ID/hostname` into every
/// container.
fn data_root_of(bundle: &Bundle) -> Option<PathBuf> {
    let bytes = root::read_beneath(bundle.directory.as_fd(), "config.json", CAP).ok()?;
    parse_data_root(&bytes, std::str::from_utf8(&bundle.id).ok()?)
}

pub fn parse_data_root(bytes: &[u8], id: &str) -> Option<PathBuf> {
    let spec = Picked::from_json(bytes, &[SOURCES])?;
    spec.all(SOURCES).find_map(|(_, source)| {
        let directory = Path::new(source).parent()?;
        let data_root = directory.to_str()?.strip_suffix(&format!("/containers/{id}"))?;
        data_root.starts_with('/').then(|| PathBuf::from(data_root))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::process::Pid;

    #[test]
    fn a_record_gives_name_image_labels_and_state() {
        let bytes = br#"{"ID":"abc","Name":"/web","Config":{"Image":"my_nginx:v1.0","Labels":{"b":"2","a":"1"}},
            "Created":"2026-11-24T13:51:25.1Z","State":{"Pid":7,"StartedAt":"2026-11-24T13:51:26Z"}}"#;
        let record = parse(bytes, "abc").unwrap();
        assert_eq!(record.name, Some("web".into()));
        assert_eq!(record.image, Some("my_nginx:v1.0".into()));
        assert_eq!(record.labels, [("a".into(), "1".into()), ("b".into(), "2".into())]);
        assert_eq!(record.created_unix_seconds, Some(1_795_528_285));
        assert_eq!(record.first, First::At { pid: Pid::new(7).unwrap(), start_ticks: None });
        assert_eq!(parse(bytes, "abd"), None);
        assert_eq!(parse(b"{", "abc"), None);
    }

    #[test]
    fn what_never_started_is_created_and_what_ended_is_stopped() {
        let record = |started: &str| {
            let json = format!(r#"{{"ID":"a","State":{{"Pid":0,"StartedAt":"{started}"}}}}"#);
            let record = parse(json.as_bytes(), "a").unwrap();
            assert_eq!(record.first, First::NotRunning);
            record.state
        };
        assert_eq!(record("0001-01-01T00:00:00Z"), State::Created);
        assert_eq!(record("2026-11-24T13:51:26Z"), State::Stopped);
    }

    #[test]
    fn a_bundle_leads_to_the_data_root() {
        let bytes =
            br#"{"mounts":[{"source":"proc"},{"source":"/data/d/containers/abc/hostname"}]}"#;
        assert_eq!(parse_data_root(bytes, "abc"), Some(PathBuf::from("/data/d")));
        assert_eq!(parse_data_root(bytes, "abd"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse(&bytes, "abc"), parse_data_root(&bytes, "abc"));
        }
    }
}
