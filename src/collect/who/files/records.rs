//! Layers of containers that do not run: nothing has them mounted, and the records of engines say
//! whose they are.

use super::layers::{beside, path_of, store_of};
use crate::collect::runtime::record::CAP;
use crate::collect::who::Host;
use crate::model::container::Container;
use crate::model::text::Text;
use crate::model::trail::{Owner, Step, Trail};
use crate::sys::entries;
use crate::sys::root::{SysRoot, read_beneath};
use std::os::fd::AsFd;

/// More containers than these are not looked through.
const MOST: usize = 20_000;
/// A hash and `-init`.
const NAME: usize = 256;

/// A store, and what a layer in it is called.
pub(super) type Layer = (Vec<u8>, Vec<u8>);

pub(super) fn of_path(host: &Host<'_>, paths: &[Vec<u8>]) -> Vec<Trail> {
    let layer = |path: &Vec<u8>| {
        let store = store_of(path)?;
        let rest = path.get(store.len() + 1..)?;
        let name = rest.split(|byte| *byte == b'/').next()?;
        (name.len() > 2).then(|| (store.to_vec(), name.to_vec()))
    };
    // Of a link and what it leads to the latter is the layer.
    of_layers(host, &paths.iter().rev().filter_map(layer).collect::<Vec<_>>())
}

pub(super) fn of_layers(host: &Host<'_>, layers: &[Layer]) -> Vec<Trail> {
    let mut trails = Vec::new();
    let mut stores: Vec<&[u8]> = layers.iter().map(|(store, _)| &store[..]).collect();
    stores.sort_unstable();
    stores.dedup();
    for store in stores {
        let records = if store.ends_with(b"/overlay2") {
            of_docker(host.root, store)
        } else {
            of_storage(host.root, store).unwrap_or_default()
        };
        for record in records {
            let is_it = |(of, name): &&Layer| of == store && *name == record.layer;
            let Some((_, name)) = layers.iter().find(is_it) else { continue };
            // Who keeps a store can write any id into its records.
            let is_its = |one: &&Container| {
                let mut kept = one.evidence.iter().map(|record| beside(record.object.as_bytes()));
                one.id.as_ref().is_some_and(|id| id.as_bytes() == &record.container[..])
                    && kept.any(|kept| kept.as_deref() == Some(store))
            };
            let container = host.containers.list.iter().find(is_its);
            let path = [store, b"/", name, b"/diff"].concat().into();
            let role = if name.ends_with(b"-init") { "lower" } else { "upper" };
            trails.push(Trail {
                steps: vec![Step::Layer { path, role }, Step::Record { path: record.file }],
                owner: container.map_or(Owner::Unknown, |one| host.owner(one)),
            });
        }
    }
    trails
}

struct Record {
    layer: Vec<u8>,
    container: Vec<u8>,
    file: Text,
}

/// `image/overlay2/layerdb/mounts/ID/mount-id` beside the store, and `init-id`.
fn of_docker(root: &SysRoot, store: &[u8]) -> Vec<Record> {
    let data = store.strip_suffix(b"/overlay2").unwrap_or(store);
    let mounts = [data, b"/image/overlay2/layerdb/mounts"].concat();
    let Ok(dir) = root.open_data(&path_of(&mounts)) else { return Vec::new() };
    let (listed, _) = entries::list(dir.as_fd(), MOST).unwrap_or_default();
    let record = |(entry, name): (&entries::Entry, &str)| {
        let container = entry.name.as_bytes().to_vec();
        let file = format!("{}/{name}", entry.name.to_str().ok()?);
        let layer = read_beneath(dir.as_fd(), &file, NAME).ok()?;
        let file = [&mounts[..], b"/", file.as_bytes()].concat();
        Some(Record { layer: layer.trim_ascii().to_vec(), container, file: file.into() })
    };
    let names = ["mount-id", "init-id"];
    listed.iter().flat_map(|entry| names.map(|name| (entry, name))).filter_map(record).collect()
}

const LIST: &str = "overlay-containers/containers.json";

/// That list stands beside the store.
fn of_storage(root: &SysRoot, store: &[u8]) -> Option<Vec<Record>> {
    #[derive(serde::Deserialize)]
    struct Kept {
        id: String,
        layer: String,
    }
    let data = store.strip_suffix(b"/overlay")?;
    let dir = root.open_data(&path_of(data)).ok()?;
    let read = read_beneath(dir.as_fd(), LIST, CAP).ok()?;
    let file = [data, b"/", LIST.as_bytes()].concat();
    let kept: Vec<Kept> = serde_json::from_slice(&read).ok()?;
    let record = |kept: Kept| Record {
        layer: kept.layer.into_bytes(),
        container: kept.id.into_bytes(),
        file: Text::new(&file),
    };
    Some(kept.into_iter().take(MOST).map(record).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_engines_wrote_down_is_read() {
        let temp = tempfile::tempdir().unwrap();
        let make = |path: &str, content: &str| {
            let path = temp.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        make("d/image/overlay2/layerdb/mounts/c1/mount-id", "abc\n");
        make("d/image/overlay2/layerdb/mounts/c1/init-id", "abc-init");
        make(
            "s/overlay-containers/containers.json",
            r#"[{"id":"c2","layer":"xyz","names":["n"]}]"#,
        );
        let root = SysRoot::fixture(temp.path()).unwrap();
        let told = |records: Vec<Record>| -> Vec<(String, String)> {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            records.iter().map(|one| (text(&one.layer), text(&one.container))).collect()
        };
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        let docker = told(of_docker(&root, b"/d/overlay2"));
        assert_eq!(docker, [pair("abc", "c1"), pair("abc-init", "c1")]);
        let storage = told(of_storage(&root, b"/s/overlay").unwrap());
        assert_eq!(storage, [pair("xyz", "c2")]);
        make("s/overlay-containers/containers.json", "[{}]");
        assert!(of_storage(&root, b"/s/overlay").is_none());
        assert!(of_docker(&root, b"/none/overlay2").is_empty());
    }
}
