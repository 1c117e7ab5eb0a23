//! Docker's own record of a container: `DATA_ROOT/containers/ID/config.v2.json`.
//!
//! The data root is the usual one, or the one that the bind mounts in the OCI bundle come from.

use super::monitor::Bundle;
use crate::sys::error::{Result, SysError};
use crate::sys::root::{self, SysRoot};
use serde::Deserialize;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// A record may hold many labels; docker itself sets no bound.
const CAP: usize = 4 << 20;

/// Finds records; remembers the data roots that it came across.
#[derive(Debug)]
pub struct Records {
    data_roots: Vec<PathBuf>,
}

/// What docker says about one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub name: String,
    pub image: String,
    /// Its first process; 0 while it does not run.
    pub init: u32,
}

impl Default for Records {
    fn default() -> Self {
        Self { data_roots: vec![PathBuf::from("/var/lib/docker")] }
    }
}

impl Records {
    /// The record of `id`: `Ok(None)` where there is none in any known data root.
    pub fn find(
        &mut self,
        root: &SysRoot,
        id: &[u8],
        bundle: Option<&Bundle>,
    ) -> Result<Option<Record>> {
        for data_root in &self.data_roots {
            if let Some(record) = read(root, data_root, id)? {
                return Ok(Some(record));
            }
        }
        let Some(data_root) = bundle.and_then(data_root_of) else {
            return Ok(None);
        };
        let record = read(root, &data_root, id)?;
        self.data_roots.push(data_root);
        Ok(record)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigV2 {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    config: ImageConfig,
    #[serde(default)]
    state: RunState,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RunState {
    #[serde(default)]
    pid: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageConfig {
    #[serde(default)]
    image: String,
}

fn read(root: &SysRoot, data_root: &Path, id: &[u8]) -> Result<Option<Record>> {
    let Ok(id) = std::str::from_utf8(id) else {
        return Ok(None);
    };
    let path = format!("{id}/config.v2.json");
    let read = root
        .open_dir(&data_root.join("containers"))
        .and_then(|dir| root::read_beneath(dir.as_fd(), &path, CAP));
    match read {
        Ok(bytes) => parse(&bytes, id)
            .map(Some)
            .ok_or_else(|| SysError::malformed("read", path.as_str(), "JSON")),
        Err(error) if error.errno() == Some(nix::errno::Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A record that names another container is none.
pub fn parse(bytes: &[u8], id: &str) -> Option<Record> {
    let config: ConfigV2 = serde_json::from_slice(bytes).ok()?;
    if config.id != id {
        return None;
    }
    let name = config.name.strip_prefix('/').unwrap_or(&config.name).to_owned();
    Some(Record { name, image: config.config.image, init: config.state.pid })
}

#[derive(Deserialize)]
struct Spec {
    #[serde(default)]
    mounts: Vec<SpecMount>,
}

#[derive(Deserialize)]
struct SpecMount {
    #[serde(default)]
    source: String,
}

/// The data root behind a bundle: docker binds `DATA_ROOT/containers/ID/hostname` into every
/// container.
fn data_root_of(bundle: &Bundle) -> Option<PathBuf> {
    let bytes = root::read_beneath(bundle.directory.as_fd(), "config.json", CAP).ok()?;
    parse_data_root(&bytes, std::str::from_utf8(&bundle.id).ok()?)
}

pub fn parse_data_root(bytes: &[u8], id: &str) -> Option<PathBuf> {
    let spec: Spec = serde_json::from_slice(bytes).ok()?;
    spec.mounts.iter().find_map(|mount| {
        let directory = Path::new(&mount.source).parent()?;
        let data_root = directory.to_str()?.strip_suffix(&format!("/containers/{id}"))?;
        data_root.starts_with('/').then(|| PathBuf::from(data_root))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_name_and_image() {
        let bytes = br#"{"ID":"abc","Name":"/web","Config":{"Image":"my_nginx:v1.0","Labels":{}},"State":{"Pid":7}}"#;
        let record = Record { name: "web".into(), image: "my_nginx:v1.0".into(), init: 7 };
        assert_eq!(parse(bytes, "abc"), Some(record));
        assert_eq!(parse(bytes, "abd"), None);
        assert_eq!(parse(b"{", "abc"), None);
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
