//! Docker's own record of a container: `DATA_ROOT/containers/ID/config.v2.json`.
//!
//! The data root is the usual one of root's or of a user's, one that the engine was told by its command
//! line or its configuration, or the one that the bind mounts in the OCI bundle come from.

mod roots;

pub use roots::{configured, parse_arguments};

use super::kubernetes;
use super::owners::Owners;
use super::picked::{Path as Key, Picked};
use super::published;
use super::record::{self, CAP, Case, First, Gaps, Record, Source};
use super::rootless;
use super::shim::{self, Bundle};
use super::storage::process;
use super::timestamp;
use crate::collect::clock::Clock;
use crate::collect::scan::Scan;
use crate::model::container::State;
use crate::model::gap::Gap;
use crate::model::process::Process;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::{Result, SysError};
use crate::sys::owned::Place;
use crate::sys::root::{self, SysRoot};
use nix::errno::Errno;
use roots::Users;
use std::cell::OnceCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Finds records; remembers the data roots that it came across.
#[derive(Debug)]
pub struct Docker {
    data_roots: Vec<DataRoot>,
    owners: Owners,
    /// Those of users.
    users: Users,
    engines: roots::Engines,
    /// What was left out of a listing.
    gaps: Gaps,
    clock: OnceCell<Clock>,
}

/// No process started then.
const NEVER: u64 = u64::MAX;

impl Default for Docker {
    fn default() -> Self {
        Self {
            data_roots: vec![DataRoot::new(Path::new("/var/lib/docker"))],
            owners: Owners::default(),
            users: Users::default(),
            engines: roots::Engines::default(),
            gaps: Gaps::default(),
            clock: OnceCell::new(),
        }
    }
}

impl Source for Docker {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let named = case.id_of(&[Runtime::Docker]);
        let mut of_name = None;
        if let Some(id) = named
            && let Some(record) = self.known(case.root, id)?
        {
            let record = self.dated(case.root, record, Some(case.init));
            match record.first {
                First::At { start_ticks: Some(NEVER), .. } => {}
                First::At { pid, .. } if pid == case.init.pid => return Ok(Some(record)),
                _ => of_name = Some(record),
            }
        }
        // A group may be called anything: only docker's own shim may contradict it.
        let bundle = case
            .monitor()
            .and_then(|monitor| shim::bundle(case.root, monitor))
            .filter(|bundle| shim::is_dockers(&bundle.namespace));
        let Some(bundle) = bundle else {
            return Ok(of_name.or_else(|| self.of_user(case, named)));
        };
        if let Some(record) = of_name.take_if(|record| record.id.as_bytes() == bundle.id) {
            return Ok(Some(record));
        }
        if let Some(record) = self.known(case.root, &bundle.id)? {
            return Ok(Some(record));
        }
        if let Some(data_root) = data_root_of(case.root, &bundle)
            && self.add(&data_root)
            && let Some(record) = self.known(case.root, &bundle.id)?
        {
            return Ok(Some(record));
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
        self.engines.add_roots(root);
        self.learn(root);
        self.learn_roots(root);
        for data_root in &self.data_roots {
            let ids = data_root.open(root).and_then(root::list);
            let ids = self.gaps.note(ids).unwrap_or_default();
            let known = |id: &Text| self.gaps.note(data_root.read(root, id.as_bytes())).flatten();
            let known = ids.iter().filter_map(known);
            records.extend(known.map(|record| self.dated(root, record, None)));
        }
        for uid in self.owners.all(root).into_iter().filter(|uid| *uid != 0) {
            self.users.look(root, &self.owners, uid);
            records.extend(self.users.of(uid).flat_map(all_of_user));
        }
        records
    }

    fn see(&mut self, scan: &Scan) {
        self.engines.see(scan);
    }

    fn gaps(&self) -> Vec<Gap> {
        self.gaps.list()
    }
}

impl Docker {
    /// False where it is known already.
    fn add(&mut self, data_root: &Path) -> bool {
        let is_new = !self.data_roots.iter().any(|known| known.path == data_root);
        if is_new {
            self.data_roots.push(DataRoot::new(data_root));
        }
        is_new
    }

    /// Where engines were told to keep their records.
    fn learn(&mut self, root: &SysRoot) {
        for (uid, data_root) in self.engines.told(root) {
            if uid != 0 {
                self.users.add(root, &self.owners, uid, &data_root);
            } else {
                self.add(&data_root);
            }
        }
    }

    /// Where root keeps what need not run. That of containers with users of their own lies below.
    fn learn_roots(&mut self, root: &SysRoot) {
        for data_root in roots::of_root(root) {
            self.add(&data_root);
        }
        let known: Vec<PathBuf> = self.data_roots.iter().map(|one| one.path.clone()).collect();
        for path in &known {
            let one =
                |_: BorrowedFd<'_>, name: &str| shim::is_remapped(name).then(|| path.join(name));
            for data_root in record::each(root, path, one) {
                self.add(&data_root);
            }
        }
    }

    /// What a user's engine left, by its shim or else by the user in whose slice the group is.
    fn of_user(&mut self, case: &Case<'_>, named: Option<&[u8]>) -> Option<Record> {
        let bundle =
            rootless::bundle(case, &self.owners).filter(|one| shim::is_dockers(&one.namespace));
        let (uid, id) = match &bundle {
            Some(bundle) => (bundle.place.uid(), bundle.id.clone()),
            None => (rootless::user_of_group(case)?, String::from_utf8(named?.to_vec()).ok()?),
        };
        self.users.look(case.root, &self.owners, uid);
        if let Some(record) = self.users.find(uid, &id) {
            return Some(record);
        }
        let specification = bundle.as_ref().and_then(|one| one.place.read("config.json", CAP).ok());
        match specification.and_then(|bytes| parse_data_root(&bytes, &id)) {
            Some(data_root) => self.users.add(case.root, &self.owners, uid, &data_root),
            None => self.learn(case.root),
        }
        let bundle = self.users.find(uid, &id).ok_or(bundle);
        match bundle {
            Ok(record) => Some(record),
            Err(bundle) => Some(Record {
                runtime: Runtime::Docker,
                id: id.into(),
                owner_uid: Some(uid),
                file: root::path_text(bundle?.place.path()),
                ..Record::default()
            }),
        }
    }

    /// With the start of the first process, which was there when docker noted that the container
    /// had started: else its number was given to another since. A clock that was set may say so,
    /// too, but not of a child of docker's shim.
    fn dated(&self, root: &SysRoot, record: Record, init: Option<&Process>) -> Record {
        let (First::At { pid, .. }, Some(noted)) = (record.first, record.started_unix_seconds)
        else {
            return record;
        };
        let of_init = init.filter(|init| init.pid == pid).map(|init| init.start_ticks);
        let ticks = of_init.or_else(|| Some(process::alive(root, pid)?.start_ticks));
        let clock = self.clock.get_or_init(|| Clock::read(root));
        let start_ticks = ticks.and_then(|ticks| {
            let was_there = clock.was_there(ticks, noted)?;
            Some(if was_there { ticks } else { NEVER })
        });
        Record { first: First::At { pid, start_ticks }, ..record }
    }

    fn known(&self, root: &SysRoot, id: &[u8]) -> Result<Option<Record>> {
        for data_root in &self.data_roots {
            if let Some(record) = data_root.read(root, id)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// One of root's. Its directory of containers is opened once, for all of them.
#[derive(Debug)]
struct DataRoot {
    path: PathBuf,
    /// None where there is none.
    containers: OnceCell<Option<OwnedFd>>,
}

impl DataRoot {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), containers: OnceCell::new() }
    }

    fn open(&self, root: &SysRoot) -> Result<BorrowedFd<'_>> {
        if self.containers.get().is_none() {
            let opened = root.open_data(&self.path.join("containers"));
            let missing = |error: &SysError| error.errno() == Some(Errno::ENOENT);
            let opened = opened
                .map(Some)
                .or_else(|error| if missing(&error) { Ok(None) } else { Err(error) })?;
            let _ = self.containers.set(opened);
        }
        let open = self.containers.get().and_then(Option::as_ref).map(AsFd::as_fd);
        open.ok_or_else(|| SysError::new("open", root::path_text(&self.path), Errno::ENOENT))
    }

    fn read(&self, root: &SysRoot, id: &[u8]) -> Result<Option<Record>> {
        let Ok(id) = std::str::from_utf8(id) else {
            return Ok(None);
        };
        let path = format!("{id}/config.v2.json");
        let containers = self.path.join("containers");
        let file = || root::path_text(&containers.join(&path));
        match self.open(root).and_then(|dir| record::read(dir, &containers, &path, CAP)) {
            Ok(bytes) => {
                let record = parse(&bytes, id);
                let record = record.ok_or_else(|| SysError::malformed("read", file(), "JSON"))?;
                Ok(Some(Record { file: file(), ..record }))
            }
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The same in a data root of a user's. What he has in a way of his own is his affair.
fn read_users(data_root: &Place, id: &str) -> Option<Record> {
    let path = format!("containers/{id}/config.v2.json");
    let record = parse(&data_root.read(&path, CAP).ok()?, id)?.kept(data_root);
    Some(Record {
        owner_uid: Some(data_root.uid()),
        file: root::path_text(&data_root.path().join(path)),
        ..record
    })
}

fn all_of_user(data_root: &Place) -> Vec<Record> {
    let ids = data_root.enter("containers").map(|place| place.names()).unwrap_or_default();
    ids.iter().filter_map(|id| read_users(data_root, id)).collect()
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
    let [address, port] = published::DOCKERS;
    let paths = [ID, NAME, IMAGE, LABELS, CREATED, PID, STARTED, address, port];
    let json = Picked::from_json(bytes, &paths)?;
    if json.text(ID) != Some(id) {
        return None;
    }
    let name = json.text(NAME).unwrap_or_default();
    let labels = json.labels(LABELS);
    let started_unix_seconds = json.text(STARTED).and_then(timestamp::unix_seconds);
    let first = First::of(json.number(PID).unwrap_or(0), None);
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
        started_unix_seconds,
        state: if started_unix_seconds.is_some() { State::Stopped } else { State::Created },
        // What has ended may still be on record with them.
        published: match first {
            First::At { .. } => published::dockers(&json),
            _ => Vec::new(),
        },
        first,
        ..Record::default()
    })
}

const SOURCES: Key = &["mounts", "*", "source"];

/// The data root behind a bundle: docker binds `DATA_ROOT/containers/ID/hostname` into every
/// container.
fn data_root_of(root: &SysRoot, bundle: &Bundle) -> Option<PathBuf> {
    let bytes = record::read(bundle.directory.as_fd(), &bundle.path, "config.json", CAP);
    let bytes = record::noted(root.reach(), bytes)?;
    parse_data_root(&bytes, std::str::from_utf8(&bundle.id).ok()?)
}

/// From an OCI bundle's config.json; `None` where no mount comes from such a place.
pub fn parse_data_root(bytes: &[u8], id: &str) -> Option<PathBuf> {
    let spec = Picked::from_json(bytes, &[SOURCES])?;
    spec.all(SOURCES).find_map(|(_, source)| {
        let directory = Path::new(source).parent()?;
        let data_root = directory.to_str()?.strip_suffix(&format!("/containers/{id}"))?;
        data_root.starts_with('/').then(|| PathBuf::from(data_root))
    })
}

#[cfg(test)]
mod tests;
