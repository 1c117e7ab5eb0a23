//! Layers of overlay file systems: by their path, by the short links that engines mount them by, and
//! by what engines call them.

use super::place::rest_below;
use crate::model::container::Container;
use crate::model::mount::{Mount, Overlay};
use crate::model::text::Text;
use crate::sys::entries;
use crate::sys::root::{SysRoot, read_beneath};
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where engines keep layers, if nothing says otherwise.
const STORES: [&str; 2] = ["/var/lib/docker/overlay2", "/var/lib/containers/storage/overlay"];
/// More stores than these nobody has.
pub const MOST_STORES: usize = 32;
/// More layers than these are not looked through.
const MOST_LAYERS: usize = 20_000;
/// A beginning of a hash that is shorter says nothing.
const SHORTEST: usize = 4;
/// A short name has 26 letters.
const LINK: usize = 128;

/// Which layers are looked for.
#[derive(Debug, Default)]
pub struct Layers {
    /// What an engine calls it, or how that begins.
    pub name: Option<Vec<u8>>,
    /// Short links to it, `…/overlay2/l/SHORT`, with what follows.
    pub links: Vec<Vec<u8>>,
}

impl Layers {
    /// The first layer of an overlay that is meant: by its name, or by a path.
    pub fn find(&self, overlay: &Overlay, paths: &[Vec<u8>]) -> Option<(Text, &'static str)> {
        let upper = overlay.upper.iter().map(|path| (path, "upper"));
        let lower = overlay.lower.iter().chain(&overlay.data_only).map(|path| (path, "lower"));
        let work = overlay.work.iter().map(|path| (path, "work"));
        let mut all = upper.chain(lower).chain(work);
        // Without paths of the host's its short links mean nothing either, but a name does.
        let links = self.links.iter().filter(|_| self.name.is_some() || !paths.is_empty());
        let paths: Vec<&Vec<u8>> = paths.iter().chain(links).collect();
        let is_meant = |layer: &[u8]| {
            self.name.as_ref().is_some_and(|name| names(layer, name))
                || paths.iter().any(|path| is_about(layer, path))
        };
        let found = all.find(|(layer, _)| is_meant(layer.as_bytes()));
        found.map(|(layer, role)| (layer.clone(), role))
    }
}

/// The path is the layer's, or in it, or above it. An engine that has many layers gives them relative
/// to where it keeps them.
fn is_about(layer: &[u8], path: &[u8]) -> bool {
    if layer.starts_with(b"/") {
        let above = path.len() > 1 && rest_below(path, layer).is_some();
        return above || rest_below(layer, path).is_some();
    }
    let Some(store) = store_of(path) else { return false };
    let Some(within) = rest_below(store, path).and_then(|rest| rest.strip_prefix(b"/")) else {
        return false;
    };
    rest_below(within, layer).is_some() || rest_below(layer, within).is_some()
}

/// `HASH/diff`, `l/SHORT`, `snapshots/17/fs`.
fn names(layer: &[u8], name: &[u8]) -> bool {
    let mut parts = layer.split(|byte| *byte == b'/');
    let mut before: &[u8] = b"";
    parts.any(|part| {
        let above = std::mem::replace(&mut before, part);
        match above {
            b"l" | b"snapshots" => part == name,
            _ => {
                let hash = part.strip_suffix(b"-init").unwrap_or(part);
                let is_hash = hash.len() >= 12 && hash.iter().all(u8::is_ascii_hexdigit);
                is_hash && name.len() >= SHORTEST && part.starts_with(name)
            }
        }
    })
}

/// The directory of all layers that a path leads through: `/var/lib/docker/overlay2`.
pub fn store_of(path: &[u8]) -> Option<&[u8]> {
    let mut end = 0;
    for part in path.split(|byte| *byte == b'/') {
        end += part.len();
        let is_below = path.get(end + 1..).is_some_and(|rest| !rest.is_empty());
        if matches!(part, b"overlay2" | b"overlay") && path.starts_with(b"/") && is_below {
            return path.get(..end);
        }
        end += 1;
    }
    None
}

/// The stores that some mounts take layers from.
pub fn stores(mounts: &[Mount]) -> Vec<Vec<u8>> {
    let mut stores: Vec<Vec<u8>> = Vec::new();
    for overlay in mounts.iter().filter_map(|mount| mount.overlay.as_ref()) {
        let first = overlay.upper.iter().chain(overlay.lower.first());
        for store in first.filter_map(|layer| store_of(layer.as_bytes())) {
            if stores.len() < MOST_STORES && !stores.iter().any(|known| known == store) {
                stores.push(store.to_vec());
            }
        }
    }
    stores
}

/// With those that every engine has by default, and those beside the records of containers.
pub fn complete(stores: &mut Vec<Vec<u8>>, containers: &[Container]) {
    let records = containers.iter().flat_map(|one| &one.evidence);
    let beside = records.filter_map(|record| beside(record.object.as_bytes()));
    for store in STORES.map(|store| store.as_bytes().to_vec()).into_iter().chain(beside) {
        if stores.len() < MOST_STORES && !stores.contains(&store) {
            stores.push(store);
        }
    }
}

/// `…/containers/ID/config.v2.json` is docker's, `…/overlay-containers/…` that of podman and CRI-O.
pub fn beside(record: &[u8]) -> Option<Vec<u8>> {
    let before = |word: &[u8]| {
        let at = record.windows(word.len()).rposition(|window| window == word)?;
        record.get(..at).filter(|before| before.starts_with(b"/"))
    };
    if record.ends_with(b"/config.v2.json") {
        return Some([before(b"/containers/")?, b"/overlay2"].concat());
    }
    Some([before(b"/overlay-containers/")?, b"/overlay"].concat())
}

/// The short links to the layer that a path is in: `…/overlay2/HASH/link` names one.
pub fn links_of_path(root: &SysRoot, path: &[u8]) -> Vec<Vec<u8>> {
    let linked = || {
        let store = store_of(path)?;
        let rest = path.get(store.len() + 1..)?;
        let mut parts = rest.splitn(3, |byte| *byte == b'/');
        let (hash, kind, rest) = (parts.next()?, parts.next(), parts.next());
        if !matches!(kind, None | Some(b"diff")) {
            return None;
        }
        let mut link = link_of(root, store, hash)?;
        if let Some(rest) = rest {
            link.push(b'/');
            link.extend_from_slice(rest);
        }
        Some(link)
    };
    linked().into_iter().collect()
}

fn link_of(root: &SysRoot, store: &[u8], hash: &[u8]) -> Option<Vec<u8>> {
    if matches!(hash, b"" | b"." | b".." | b"l") {
        return None;
    }
    // The store may be a user's, who can put a link to anything there.
    let dir = root.open_data(&path_of(store)).ok()?;
    let file = [hash, b"/link"].concat();
    let short = read_beneath(dir.as_fd(), std::str::from_utf8(&file).ok()?, LINK).ok()?;
    let short = short.trim_ascii();
    let is_name = !short.is_empty() && short.iter().all(u8::is_ascii_alphanumeric);
    is_name.then(|| [store, b"/l/", short].concat())
}

/// The layers of a store whose names begin so, and their short links.
pub fn named(root: &SysRoot, store: &[u8], name: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let Ok(dir) = root.open_data(&path_of(store)) else { return (Vec::new(), Vec::new()) };
    let (listed, _) = entries::list(dir.as_fd(), MOST_LAYERS).unwrap_or_default();
    let names = listed.iter().map(|entry| entry.name.as_bytes());
    let found: Vec<Vec<u8>> =
        names.filter(|one| self::names(one, name)).map(<[u8]>::to_vec).collect();
    let links = found.iter().filter_map(|hash| link_of(root, store, hash)).collect();
    (found, links)
}

/// The bytes as a path, whatever they are.
pub fn path_of(path: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(path)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_store_is_the_directory_of_all_layers() {
        let store = |path: &str| {
            store_of(path.as_bytes()).map(|store| String::from_utf8(store.to_vec()).unwrap())
        };
        assert_eq!(
            store("/var/lib/docker/overlay2/x/diff").as_deref(),
            Some("/var/lib/docker/overlay2")
        );
        assert_eq!(store("/s/overlay/l/X").as_deref(), Some("/s/overlay"));
        for none in ["/var/lib/docker/overlay2", "/overlay2/", "overlay2/x", "/a/b", "/", ""] {
            assert_eq!(store(none), None, "{none}");
        }
    }

    #[test]
    fn a_layer_is_meant_by_the_beginning_of_its_hash_or_by_all_of_anything_else() {
        let names = |layer: &str, name: &str| names(layer.as_bytes(), name.as_bytes());
        let layer = format!("/d/overlay2/{HASH}/diff");
        assert!(names(&layer, "0123") && names(&layer, HASH));
        assert!(!names(&layer, "012") && !names(&layer, "1234"));
        assert!(names(&format!("/d/overlay2/{HASH}-init/diff"), "0123"));
        assert!(names("/c/snapshots/17/fs", "17") && !names("/c/snapshots/170/fs", "17"));
        assert!(names("l/ABCDEF", "ABCDEF") && !names("l/ABCDEF", "ABCD"));
        for path in ["/d/deadline/x", "/srv/deadbeef/x", "/d/dead-letters-of-mail/x"] {
            assert!(!names(path, "dead"), "{path} has no hash");
        }
    }

    #[test]
    fn a_path_is_about_a_layer_in_it_and_above_it() {
        let about = |layer: &str, path: &str| is_about(layer.as_bytes(), path.as_bytes());
        assert!(about("/d/overlay2/H/diff", "/d/overlay2/H/diff/etc/passwd"));
        assert!(about("/d/overlay2/H/diff", "/d/overlay2/H"));
        assert!(!about("/d/overlay2/H/diff", "/d/overlay2/HH"));
        assert!(!about("/d/overlay2/H/diff", "/"));
        assert!(about("l/SHORT", "/d/overlay2/l/SHORT/etc"));
        assert!(about("H/diff", "/d/overlay2/H"));
        assert!(!about("H/diff", "/d/H/diff"), "not in a store");
    }

    #[test]
    fn the_short_link_of_a_layer_is_read_from_beside_it() {
        let temp = tempfile::tempdir().unwrap();
        let layer = temp.path().join(format!("s/overlay2/{HASH}"));
        std::fs::create_dir_all(&layer).unwrap();
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        std::fs::write(layer.join("link"), "SHORT\n").unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let links = |path: String| links_of_path(&root, path.as_bytes());
        let short = b"/s/overlay2/l/SHORT".to_vec();
        assert_eq!(links(format!("/s/overlay2/{HASH}")), std::slice::from_ref(&short));
        assert_eq!(links(format!("/s/overlay2/{HASH}/diff/a/b")), [b"/s/overlay2/l/SHORT/a/b"]);
        assert!(links(format!("/s/overlay2/{HASH}/work")).is_empty());
        assert!(links("/s/overlay2/none".to_owned()).is_empty());
        assert!(links("/s/overlay2/..".to_owned()).is_empty());
        let found = named(&root, b"/s/overlay2", b"0123");
        assert_eq!(found, (vec![HASH.as_bytes().to_vec()], vec![short]));
        std::fs::remove_file(layer.join("link")).unwrap();
        std::fs::write(temp.path().join("elsewhere"), "SHORT").unwrap();
        std::os::unix::fs::symlink(temp.path().join("elsewhere"), layer.join("link")).unwrap();
        assert!(links(format!("/s/overlay2/{HASH}")).is_empty(), "no link is followed");
        std::fs::remove_file(layer.join("link")).unwrap();
        std::fs::write(layer.join("link"), "../../etc").unwrap();
        assert!(links(format!("/s/overlay2/{HASH}")).is_empty());
    }

    #[test]
    fn a_store_stands_beside_the_records() {
        let store =
            |record: &str| beside(record.as_bytes()).map(|store| String::from_utf8(store).unwrap());
        let found = |path: &str| Some(path.to_owned());
        assert_eq!(store("/d/containers/ab/config.v2.json"), found("/d/overlay2"));
        assert_eq!(store("/s/overlay-containers/containers.json"), found("/s/overlay"));
        assert_eq!(store("/r/overlay-containers/ab/userdata/pidfile"), found("/r/overlay"));
        for none in ["pid 4", "/config.v2.json", "/run/runc/x/state.json", ""] {
            assert_eq!(store(none), None, "{none}");
        }
    }

    #[test]
    fn stores_are_those_of_mounts_of_engines_and_of_records() {
        let overlay = |upper: Option<&str>, lower: &[&str]| Mount {
            overlay: Some(Box::new(Overlay {
                upper: upper.map(Text::from),
                lower: lower.iter().map(Text::from).collect(),
                ..Overlay::default()
            })),
            ..Mount::default()
        };
        let mounts = [
            Mount::default(),
            overlay(Some("/d/overlay2/x/diff"), &["/d/overlay2/l/X", "/e/overlay2/l/X"]),
            overlay(None, &["/s/overlay/l/Y"]),
            overlay(Some("/home/upper"), &[]),
        ];
        let mut found = stores(&mounts);
        assert_eq!(found, [&b"/d/overlay2"[..], b"/s/overlay"]);
        let record = |object: &str| {
            let evidence = crate::model::evidence::Evidence {
                source: crate::model::evidence::Source::State,
                object: object.into(),
            };
            Container { evidence: vec![evidence], ..Container::default() }
        };
        let containers =
            [record("/d/containers/x/config.v2.json"), record("/r/containers/x/config.v2.json")];
        complete(&mut found, &containers);
        let expected: [&[u8]; 5] = [
            b"/d/overlay2",
            b"/s/overlay",
            STORES[0].as_bytes(),
            STORES[1].as_bytes(),
            b"/r/overlay2",
        ];
        assert_eq!(found, expected);
        let many: Vec<Mount> =
            (0..40).map(|at| overlay(Some(&format!("/{at}/overlay/x")), &[])).collect();
        let mut found = stores(&many);
        assert_eq!(found.len(), MOST_STORES);
        complete(&mut found, &containers);
        assert_eq!(found.len(), MOST_STORES);
    }

    proptest::proptest! {
        #[test]
        fn no_paths_panic(layer: Vec<u8>, path: Vec<u8>) {
            let _ = beside(&path);
            let _ = (is_about(&layer, &path), names(&layer, &path), store_of(&path));
        }
    }
}
