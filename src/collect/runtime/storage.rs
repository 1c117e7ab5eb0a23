//! Where podman and CRI-O keep containers (containers/storage): in DRIVER-containers below a graph
//! root that outlives a boot, and below a run root that does not.
//!
//! `containers.json` lists the containers of both engines; `volatile-containers.json` those that
//! are removed when they end.

use super::owners::{MOST_ROOTS, Owners};
use super::picked::{Path as Key, Picked};
use super::recognise::is_engine_id;
use super::record::{self, CAP, Gaps};
use super::setting;
use super::timestamp;
use super::{podman_sqlite, podman_state};
use crate::model::gap::{Gap, Reason};
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::error::{Result, SysError};
use crate::sys::owned::Place;
use crate::sys::root::{self, SysRoot};
use nix::errno::Errno;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const GRAPH_ROOT: &str = "/var/lib/containers/storage";
const RUN_ROOT: &str = "/run/containers/storage";
const USERS_GRAPH_ROOT: &str = ".local/share/containers/storage";
const USERS_RUN_ROOT: &str = "containers";

/// Of a user's storage. There are not so many drivers, and each is held open.
const MOST_DRIVERS: usize = 8;

/// One container as the storage lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The first of its names; else what the engine notes. None where it has neither.
    pub name: Option<Text>,
    /// As the engine notes it; None where it does not.
    pub image: Option<Text>,
    /// Seconds since 1970; None where the list has no time that can be understood.
    pub created_unix_seconds: Option<u64>,
    /// CRI-O notes the pod of every container; podman does not.
    pub is_cri_os: bool,
}

/// The containers of one graph root.
#[derive(Debug)]
pub struct Store {
    graph: Place,
    drivers: Vec<Driver>,
    /// podman's databases, opened when they are first asked; it moves from the one to the other.
    records: OnceCell<Option<podman_state::Records>>,
    sqlite: OnceCell<Option<podman_sqlite::Records>>,
    /// What could not be read of that.
    gaps: Gaps,
}

#[derive(Debug)]
struct Driver {
    graph: Place,
    run: Option<Place>,
    kept: BTreeMap<String, Kept>,
}

/// A container in a store.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Its entry of the list.
    pub kept: &'a Kept,
    driver: &'a Driver,
    store: &'a Store,
}

impl Store {
    fn open(graph: Place, run: Option<&Place>) -> Result<Self> {
        let mut drivers = Vec::new();
        let mut names = graph.names();
        names.retain(|name| name.ends_with("-containers"));
        if graph.uid() != 0 && names.len() > MOST_DRIVERS {
            names.truncate(MOST_DRIVERS);
            graph.speaker().refuse();
        }
        for name in &names {
            let of_driver = graph.enter(name)?;
            let run = run.and_then(|run| run.enter(name).ok());
            let volatile = run.iter().map(|run| (run, VOLATILE));
            let lists =
                [(&of_driver, PERMANENT), (&of_driver, VOLATILE)].into_iter().chain(volatile);
            let mut kept = BTreeMap::new();
            for (place, file) in lists {
                let list = match read(place, file) {
                    Err(error) if error.reason() == Reason::Denied => return Err(error),
                    // The others are as they were; one that does not exist is empty.
                    list => record::noted_of(place, list).unwrap_or_default(),
                };
                kept.extend(list.into_iter().map(|one| (one.id.clone(), one)));
            }
            drivers.push(Driver { graph: of_driver, run, kept });
        }
        Ok(Self {
            graph,
            drivers,
            records: OnceCell::new(),
            sqlite: OnceCell::new(),
            gaps: Gaps::default(),
        })
    }

    /// By its whole id.
    pub fn find(&self, id: &str) -> Option<Found<'_>> {
        self.all().find(|found| found.kept.id == id)
    }

    /// Of every driver that was ever used in this store.
    pub fn all(&self) -> impl Iterator<Item = Found<'_>> {
        self.drivers
            .iter()
            .flat_map(|driver| driver.kept.values().map(|kept| Found { kept, driver, store: self }))
    }
}

const PERMANENT: &str = "containers.json";
const VOLATILE: &str = "volatile-containers.json";

/// A list of root's: some ten thousand containers.
const LONGEST_LIST: usize = 16 << 20;

fn read(place: &Place, file: &str) -> Result<Vec<Kept>> {
    let cap = if place.uid() == 0 { LONGEST_LIST } else { CAP };
    parse(&place.read(file, cap)?).ok_or_else(|| {
        SysError::malformed("read", root::path_text(&place.path().join(file)), "JSON")
    })
}

impl Found<'_> {
    /// Whose store it is in.
    pub fn uid(&self) -> u32 {
        self.store.graph.uid()
    }

    /// What is said of it is that user's word.
    pub fn place(&self) -> &Place {
        &self.store.graph
    }

    /// What podman's database says of it.
    pub fn podmans(&self) -> Option<podman_state::Record> {
        let (gaps, graph) = (&self.store.gaps, &self.store.graph);
        let open = || gaps.note_of(graph, podman_state::Records::open(graph));
        let id = self.kept.id.as_bytes();
        let records = self.store.records.get_or_init(open).as_ref();
        let look = |records: &podman_state::Records| gaps.note_of(graph, records.container(id));
        if let Some(Some(record)) = records.and_then(look) {
            return Some(record);
        }
        let read = || gaps.note_of(graph, podman_sqlite::read(graph));
        self.store.sqlite.get_or_init(read).as_ref()?.get(id).cloned()
    }

    /// Whether the same list has `id`.
    pub fn is_beside(&self, id: &str) -> bool {
        self.driver.kept.contains_key(id)
    }

    /// The file that lists it.
    pub fn list(&self) -> Text {
        root::path_text(&self.driver.graph.path().join(PERMANENT))
    }

    /// The file that has the number of its first process.
    pub fn pidfile(&self) -> Option<Text> {
        let path = format!("{}/userdata/pidfile", self.kept.id);
        Some(root::path_text(&self.driver.run.as_ref()?.path().join(path)))
    }

    /// The number that the first process had when it was started; nobody takes it away at the end.
    pub fn pid(&self) -> Option<Pid> {
        self.number("pidfile")
    }

    /// As podman and as CRI-O calls the file.
    pub fn conmon(&self) -> Option<Pid> {
        self.number("conmon.pid").or_else(|| self.number("conmon-pidfile"))
    }

    /// What CRI-O last knew of its state.
    pub fn state(&self, cap: usize) -> Option<Vec<u8>> {
        let path = format!("{}/userdata/state.json", self.kept.id);
        record::noted_of(&self.driver.graph, self.driver.graph.read(&path, cap))
    }

    fn number(&self, file: &str) -> Option<Pid> {
        let path = format!("{}/userdata/{file}", self.kept.id);
        let bytes = self.driver.run.as_ref()?.read(&path, 64).ok()?;
        Pid::parse(bytes.trim_ascii_end())
    }

    /// Made when a container is started for the first time.
    pub fn specification(&self, cap: usize) -> Option<Vec<u8>> {
        let path = format!("{}/userdata/config.json", self.kept.id);
        let read = |place: &Place| {
            let bytes = record::noted_of(place, place.read(&path, cap))?;
            let object = || root::path_text(&place.path().join(&path));
            record::parsed_of(place, object(), Picked::from_json(&bytes, &[]))?;
            Some(bytes)
        };
        read(&self.driver.graph).or_else(|| read(self.driver.run.as_ref()?))
    }
}

const ID: Key = &["id"];
const NAMES: Key = &["names", "*"];
const METADATA: Key = &["metadata"];
const CREATED: Key = &["created"];

const IMAGE: Key = &["image-name"];
const NAME: Key = &["name"];
const POD: Key = &["pod-id"];

/// `containers.json`. What an engine notes itself is JSON in a string.
pub fn parse(bytes: &[u8]) -> Option<Vec<Kept>> {
    let mut kept = Vec::new();
    Picked::each_from_json(bytes, &[ID, NAMES, METADATA, CREATED], |entry| {
        kept.extend(one(&entry));
    })?;
    Some(kept)
}

fn one(entry: &Picked) -> Option<Kept> {
    let id = entry.text(ID).filter(|id| is_engine_id(id.as_bytes()))?;
    let noted = entry.text(METADATA).unwrap_or_default();
    let noted = Picked::from_json(noted.as_bytes(), &[IMAGE, NAME, POD]).unwrap_or_default();
    let text = |text: &str| Some(Text::from(text)).filter(|text| !text.is_empty());
    Some(Kept {
        id: id.to_owned(),
        name: entry.text(NAMES).or_else(|| noted.text(NAME)).and_then(text),
        image: noted.text(IMAGE).and_then(text),
        created_unix_seconds: entry.text(CREATED).and_then(timestamp::unix_seconds),
        is_cri_os: noted.text(POD).is_some_and(|pod| !pod.is_empty()),
    })
}

/// The stores that were come across so far.
#[derive(Debug, Default)]
pub struct Stores {
    /// Finds the homes and runtime directories of users.
    pub owners: Owners,
    /// Whose usual places have been looked at.
    looked: Vec<u32>,
    list: Vec<Store>,
}

impl Stores {
    /// By its whole id, in any store of that user.
    pub fn find(&self, uid: u32, id: &str) -> Option<Found<'_>> {
        self.of(uid).find_map(|store| store.find(id))
    }

    /// Those of one user that were looked at so far.
    pub fn of(&self, uid: u32) -> impl Iterator<Item = &Store> {
        self.list.iter().filter(move |store| store.graph.uid() == uid)
    }

    /// What could not be read of databases.
    pub fn gaps(&self) -> Vec<Gap> {
        self.list.iter().flat_map(|store| store.gaps.list()).collect()
    }

    /// One that a conmon tells of.
    pub fn add(
        &mut self,
        root: &SysRoot,
        uid: u32,
        graph: &Path,
        run: Option<&Path>,
    ) -> Result<()> {
        let is_known = self.of(uid).any(|store| store.graph.path() == graph);
        if is_known || (uid != 0 && self.of(uid).count() >= MOST_ROOTS) {
            return Ok(());
        }
        let graph = self.owners.claimed(root, uid, graph)?;
        let run = run.and_then(|run| self.owners.claimed(root, uid, run).ok());
        self.list.push(Store::open(graph, run.as_ref())?);
        Ok(())
    }

    /// Reads the usual stores of a user, once: what cannot be read is told once.
    pub fn look(&mut self, root: &SysRoot, uid: u32) -> Result<()> {
        if self.looked.contains(&uid) {
            return Ok(());
        }
        self.looked.push(uid);
        if uid == 0 { self.look_at_roots(root) } else { self.look_at_users(root, uid) }
    }

    fn look_at_roots(&mut self, root: &SysRoot) -> Result<()> {
        let read = |path| root.read(Path::new(path), bounded::SMALL).ok();
        let configuration = read("/etc/containers/storage.conf")
            .or_else(|| read("/usr/share/containers/storage.conf"))
            .unwrap_or_default();
        let (graph, run) = configured(&configuration);
        let run = run.unwrap_or_else(|| PathBuf::from(RUN_ROOT));
        for graph in graph.into_iter().chain([PathBuf::from(GRAPH_ROOT)]) {
            match self.add(root, 0, &graph, Some(&run)) {
                Err(error) if error.errno() == Some(Errno::ENOENT) => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// What a user has in a way of his own is his affair: only what may not be read is worth a word.
    fn look_at_users(&mut self, root: &SysRoot, uid: u32) -> Result<()> {
        let configuration = self
            .owners
            .home(root, uid, ".config/containers")
            .and_then(|place| place.read("storage.conf", bounded::SMALL))
            .unwrap_or_default();
        let (graph, run) = configured(&configuration);
        if let Some(graph) = graph {
            let _ = self.add(root, uid, &graph, run.as_deref());
        }
        let denied = |error: &SysError| error.reason() == Reason::Denied;
        let graph = match self.owners.home(root, uid, USERS_GRAPH_ROOT) {
            Ok(graph) => graph,
            Err(error) if denied(&error) => return Err(error),
            Err(_) => return Ok(()),
        };
        let run = self.owners.runtime_dir(root, uid, USERS_RUN_ROOT).ok();
        self.list.extend(Store::open(graph, run.as_ref()).ok());
        Ok(())
    }
}

/// `graphroot` and `runroot` of a containers-storage.conf(5).
fn configured(toml: &[u8]) -> (Option<PathBuf>, Option<PathBuf>) {
    let path = |key| {
        setting::text(toml, "storage", key).map(PathBuf::from).filter(|path| path.is_absolute())
    };
    (path("graphroot"), path("runroot"))
}

pub mod process;
#[cfg(test)]
mod tests;
