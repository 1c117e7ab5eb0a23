//! Containers of containerd that are not docker's: by the bundle that their shim works in, and by
//! containerd's own database, which has those too that do not run.

mod roots;

use super::containerd_meta::{self, Metadata};
use super::oci_state;
use super::owners::{MOST_ROOTS, Owners};
use super::picked::{Path as Key, Picked};
use super::published;
use super::recognise::is_engine_id;
use super::record::{self, CAP, Case, First, Gaps, Record, Source};
use super::rootless;
use super::shim;
use super::storage::process;
use crate::collect::scan;
use crate::model::container::State;
use crate::model::gap::Gap;
use crate::model::pod::Pod;
use crate::model::process::{Pid, Process};
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::error::Result;
use crate::sys::owned::Place;
use crate::sys::root::{self, SysRoot};
use roots::Roots;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What it has found so far: data roots, whose they are, and their databases.
#[derive(Debug, Default)]
pub struct Containerd {
    roots: Roots,
    owners: Owners,
    /// By user and data root; opened when it is first asked.
    databases: Vec<((u32, PathBuf), Option<Database>)>,
    /// Databases that could not be opened.
    gaps: Gaps,
}

#[derive(Debug)]
struct Database {
    place: Place,
    metadata: Metadata,
    /// What could not be read of it.
    gaps: Gaps,
}

/// A bundle, and what it is called by.
struct Bundle {
    place: Place,
    namespace: String,
    id: String,
}

impl Source for Containerd {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        if let Some(of_shim) = case.monitor().and_then(|shim| shim::bundle(case.root, shim)) {
            self.roots.add_state_of(&of_shim.path);
            let open = |path: &Path| Place::of_root(case.root, path);
            let bundle = Bundle::under_shim(case, &of_shim.path, open);
            return Ok(bundle.map(|bundle| self.of_shim(case.root, &bundle)));
        }
        if let Some(of_shim) = rootless::bundle(case, &self.owners) {
            let (path, uid) = (of_shim.place.path(), of_shim.place.uid());
            let open = |path: &Path| self.owners.claimed(case.root, uid, path);
            let bundle = Bundle::under_shim(case, path, open);
            return Ok(bundle.map(|bundle| self.of_shim(case.root, &bundle)));
        }
        // Its shim has ended. Only when the first process started tells whose it is.
        let id = case.id_of(&[Runtime::Containerd]).and_then(|id| std::str::from_utf8(id).ok());
        let bundle = id.and_then(|id| self.roots.bundle_of(case.root, id));
        Ok(bundle.and_then(|bundle| {
            let noted = bundle.noted(case.root, &self.owners)?;
            let record = self.record(case.root, &bundle);
            Some(Record { first: noted.first, file: noted.file, ..record })
        }))
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        let mut records = Vec::new();
        let mut seen = HashSet::new();
        for bundle in self.bundles(root) {
            let first = bundle.running(root, &self.owners);
            let record = self.record(root, &bundle);
            records.push(Record { first, state: State::Stopped, ..record });
            seen.insert((bundle.place.uid(), bundle.namespace, bundle.id));
        }
        for data_root in self.roots.data_roots(root) {
            self.open(root, 0, &data_root);
        }
        for uid in self.owners.all(root).into_iter().filter(|uid| *uid != 0) {
            self.open(root, uid, roots::usual_data_root());
        }
        for (_, database) in &self.databases {
            let Some(database) = database else { continue };
            records.extend(database.without_bundle(&seen));
        }
        records
    }

    fn gaps(&self) -> Vec<Gap> {
        let databases = self.databases.iter().filter_map(|(_, database)| database.as_ref());
        let of_databases = databases.flat_map(|database| database.gaps.list());
        self.gaps.list().into_iter().chain(of_databases).collect()
    }
}

impl Containerd {
    /// Root's, then those of users.
    fn bundles(&self, root: &SysRoot) -> Vec<Bundle> {
        let mut bundles = self.roots.bundles(root);
        for uid in Owners::present(root).into_iter().filter(|uid| *uid != 0) {
            let state = self.owners.runtime_dir(root, uid, "containerd");
            bundles.extend(state.iter().flat_map(roots::bundles_of));
        }
        bundles
    }

    /// The container of a bundle that a shim works in.
    fn of_shim(&mut self, root: &SysRoot, bundle: &Bundle) -> Record {
        let record = self.record(root, bundle);
        match bundle.init() {
            Some(pid) => Record {
                first: First::At { pid, start_ticks: None },
                file: root::path_text(&bundle.place.path().join(INIT)),
                ..record
            },
            None => record,
        }
    }

    fn record(&mut self, root: &SysRoot, bundle: &Bundle) -> Record {
        let specification = record::noted_of(&bundle.place, bundle.place.read("config.json", CAP));
        let noted = specification.and_then(|bytes| {
            let object = root::path_text(&bundle.place.path().join("config.json"));
            record::parsed_of(&bundle.place, object, parse(&bytes))
        });
        let noted = noted.unwrap_or_default();
        let record = Record {
            file: root::path_text(bundle.place.path()),
            owner_uid: Some(bundle.place.uid()),
            ..named(noted, &bundle.namespace, &bundle.id)
        };
        let uid = bundle.place.uid();
        let data_root = bundle.data_root().or_else(|| roots::data_root_beside(root, bundle));
        let database = data_root.and_then(|data_root| self.open(root, uid, &data_root));
        let mut record = match database {
            Some(database) => database.complete(record, &bundle.namespace, &bundle.id),
            None => record,
        };
        // An image can bring any label. What root's containers publish CNI notes itself; that a
        // user's do is not taken from a record alone.
        if uid == 0 || record.pod.is_some() {
            record.published.clear();
        }
        record.kept(&bundle.place)
    }

    fn open(&mut self, root: &SysRoot, uid: u32, data_root: &Path) -> Option<&Database> {
        let place = || match uid {
            0 => Place::of_root(root, data_root),
            uid => rootless::place(root, &self.owners, uid, data_root),
        };
        let is_it = |(of, path): &(u32, PathBuf)| *of == uid && path == data_root;
        let at = self.databases.iter().position(|(key, _)| is_it(key));
        let of_him = self.databases.iter().filter(|((of, _), _)| uid != 0 && *of == uid);
        if at.is_none() && of_him.count() >= MOST_ROOTS {
            return None;
        }
        let at = at.unwrap_or_else(|| {
            let open = |place: Place| {
                let metadata = self.gaps.note_of(&place, Metadata::open(&place))?;
                Some(Database { place, metadata, gaps: Gaps::default() })
            };
            let place = match place() {
                // Whether a user has such a thing is his affair.
                Err(_) if uid != 0 => None,
                place => self.gaps.note(place),
            };
            let database = place.and_then(open);
            self.databases.push(((uid, data_root.to_owned()), database));
            self.databases.len() - 1
        });
        self.databases.get(at)?.1.as_ref()
    }
}

/// Ids are free text, and then the name; but not those that an engine makes up.
fn named(noted: Record, namespace: &str, id: &str) -> Record {
    let name = || (!is_engine_id(id.as_bytes()) && namespace != "buildkit").then(|| id.into());
    Record {
        runtime: if namespace == "buildkit" { Runtime::Buildkit } else { Runtime::Containerd },
        id: id.into(),
        name: noted.name.clone().or_else(name),
        engine_namespace: Some(namespace.into()),
        ..noted
    }
}

impl Bundle {
    fn open(path: &Path, open: impl Fn(&Path) -> Result<Place>) -> Option<Self> {
        let (namespace, id) = shim::parse(path.as_os_str().as_encoded_bytes())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let (namespace, id) = (text(namespace)?, text(id)?);
        Some(Self { place: open(path).ok()?, namespace, id })
    }

    /// A shim works in the bundle of its container. One that looks after a whole pod works in that
    /// of the pod's sandbox, and the others lie beside it.
    fn under_shim(
        case: &Case<'_>,
        of_shim: &Path,
        place: impl Fn(&Path) -> Result<Place>,
    ) -> Option<Self> {
        let (namespace, own) = shim::parse(of_shim.as_os_str().as_encoded_bytes())?;
        // Docker keeps better records of what is in its namespace.
        if shim::is_dockers(namespace) {
            return None;
        }
        let beside = of_shim.parent()?;
        let open = |id: &str| Self::open(&beside.join(id), &place);
        let named = case.named.map(|named| named.id.as_slice()).filter(|id| *id != own);
        let named =
            named.and_then(|id| std::str::from_utf8(id).ok()).filter(|id| !id.contains('/'));
        if let Some(bundle) = named.and_then(open) {
            return Some(bundle);
        }
        let bundle = Self::open(of_shim, &place)?;
        let is_inits = |bundle: &Self| bundle.init() == Some(case.init.pid);
        if is_inits(&bundle) {
            return Some(bundle);
        }
        let ids = place(beside).map(|place| place.names()).unwrap_or_default();
        let other = ids.iter().filter_map(|id| open(id)).find(is_inits);
        Some(other.unwrap_or(bundle))
    }

    /// containerd leaves a link to where the rest of it is.
    fn data_root(&self) -> Option<PathBuf> {
        let work = self.place.link("work")?;
        let tasks = work.parent()?.parent()?;
        shim::parse(work.as_os_str().as_encoded_bytes())?;
        tasks.parent().filter(|path| path.is_absolute()).map(Path::to_owned)
    }

    /// What runc, or what is called in its place, noted.
    fn noted(&self, root: &SysRoot, owners: &Owners) -> Option<Record> {
        let usual = Path::new("/run/containerd/runc").join(&self.namespace);
        let place = match self.place.uid() {
            0 => Place::of_root(root, &usual),
            uid => rootless::place(root, owners, uid, &usual),
        };
        oci_state::noted_in(root, &place.ok()?, &self.id)
    }

    /// The first process, if it is still there; where nothing notes when it started, its group
    /// must bear the id.
    fn running(&self, root: &SysRoot, owners: &Owners) -> First {
        if let Some(noted) = self.noted(root, owners) {
            return process::still(root, noted.first);
        }
        let mut reader = scan::Reader::default();
        let process = self.init().and_then(|pid| scan::read_process(root, pid, &mut reader));
        let id = self.id.as_bytes();
        let is_his = |process: &Process| {
            let lines = process.cgroup.as_bytes();
            !process.state.ended() && lines.windows(id.len()).any(|window| window == id)
        };
        let process = process.filter(|process| !id.is_empty() && is_his(process));
        process.map_or(First::NotRunning, |process| First::At {
            pid: process.pid,
            start_ticks: Some(process.start_ticks),
        })
    }

    fn init(&self) -> Option<Pid> {
        Pid::parse(self.place.read(INIT, 64).ok()?.trim_ascii_end())
    }
}

/// The number of a container's first process.
const INIT: &str = "init.pid";

/// More containers than this are left out.
const MOST: usize = 65_536;

impl Database {
    /// Labels as they were given; what a specification notes is a mixture.
    fn complete(&self, record: Record, namespace: &str, id: &str) -> Record {
        let known = self.metadata.container(namespace.as_bytes(), id.as_bytes());
        let Some(Some(known)) = self.gaps.note_of(&self.place, known) else { return record };
        let name = known.labels.iter().find(|(key, _)| *key == "nerdctl/name");
        let name = name.map(|(_, name)| name.clone());
        let ports = known.labels.iter().find(|(key, _)| *key == "nerdctl/ports");
        let ports = ports.map(|(_, list)| published::NERDCTL.parse(list.as_bytes()));
        let pod = match (record.pod, known.pod) {
            (Some(mut pod), Some(known)) => {
                pod.complete_from(known);
                Some(pod)
            }
            (pod, known) => pod.or(known),
        };
        let of_pod = pod
            .as_ref()
            .and_then(|pod| if pod.sandbox { pod.name.clone() } else { pod.container.clone() });
        Record {
            name: of_pod.or(name).or(record.name),
            image: record.image.or(known.image),
            pod,
            labels: known.labels,
            published: ports.unwrap_or(record.published),
            created_unix_seconds: known.created_unix_seconds,
            ..record
        }
    }

    fn without_bundle(&self, seen: &HashSet<(u32, String, String)>) -> Vec<Record> {
        let uid = self.place.uid();
        let mut records = Vec::new();
        let namespaces = self.metadata.namespaces(MOST);
        let namespaces = self.gaps.note_of(&self.place, namespaces).unwrap_or_default();
        for namespace in namespaces.items {
            let ids = self.metadata.ids(&namespace, MOST);
            let ids = self.gaps.note_of(&self.place, ids).unwrap_or_default().items;
            let Ok(namespace) = String::from_utf8(namespace) else { continue };
            for id in ids.into_iter().filter_map(|id| String::from_utf8(id).ok()) {
                let key = (uid, namespace.clone(), id);
                if shim::is_dockers(&namespace) || seen.contains(&key) {
                    continue;
                }
                let (_, _, id) = key;
                let record = named(Record::default(), &namespace, &id);
                let record = self.complete(record, &namespace, &id).kept(&self.place);
                records.push(Record {
                    state: self.state(&record, &id),
                    owner_uid: Some(uid),
                    first: First::NotRunning,
                    file: root::path_text(&self.place.path().join(containerd_meta::FILE)),
                    ..record
                });
            }
        }
        records
    }

    /// Without a bundle it does not run. Only Kubernetes' side of containerd notes whether it has.
    fn state(&self, record: &Record, id: &str) -> State {
        let status = format!("io.containerd.grpc.v1.cri/containers/{id}/status");
        let has_run = || parse_status(&self.place.read(&status, bounded::SMALL).ok()?);
        match &record.pod {
            Some(pod) if pod.sandbox => State::Stopped,
            Some(_) => match has_run() {
                Some(true) => State::Stopped,
                Some(false) => State::Created,
                None => State::Unknown,
            },
            None => State::Created,
        }
    }
}

/// Whether a container has been started, from what CRI notes of its status.
pub fn parse_status(bytes: &[u8]) -> Option<bool> {
    const STARTED: Key = &["StartedAt"];
    let status = Picked::from_json(bytes, &[STARTED])?;
    Some(status.number(STARTED)? > 0)
}

const ANNOTATIONS: Key = &["annotations", "*"];

/// What CRI and nerdctl note in the OCI specification of a container.
pub fn parse(spec: &[u8]) -> Option<Record> {
    let spec = Picked::from_json(spec, &[ANNOTATIONS])?;
    let note = |key: &str| {
        let (_, value) = spec.all(ANNOTATIONS).find(|(name, _)| *name == key)?;
        Some(Text::from(value))
    };
    let cri = |key: &str| note(&format!("io.kubernetes.cri.{key}"));
    let pod = cri("container-type").map(|kind| Pod {
        namespace: cri("sandbox-namespace"),
        name: cri("sandbox-name"),
        uid: cri("sandbox-uid"),
        container: cri("container-name"),
        sandbox: kind == "sandbox",
        ..Pod::default()
    });
    let name = match &pod {
        Some(pod) if pod.sandbox => pod.name.clone(),
        Some(pod) => pod.container.clone(),
        None => note("nerdctl/name"),
    };
    let ports = note("nerdctl/ports");
    Some(Record {
        name,
        image: cri("image-name").or_else(|| cri("podsandbox.image-name")),
        published: ports.map(|list| published::NERDCTL.parse(list.as_bytes())).unwrap_or_default(),
        pod,
        labels: spec.labels(ANNOTATIONS),
        ..Record::default()
    })
}

#[cfg(test)]
mod tests;
