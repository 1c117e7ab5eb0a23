//! Containers that an OCI runtime was told to make: `/run/runc/ID/state.json`,
//! `/run/crun/ID/status`, `/run/youki/ID/state.json`, the same below `/run/user/UID`, and where the
//! runtime's own command line says.
//!
//! Engines leave such records too. One that could not be asked itself is known by them.

use super::monitor::Monitor;
use super::owners::{self, MOST_ROOTS, Owners};
use super::picked::{Path as Key, Picked};
use super::recognise::is_engine_id;
use super::record::{self, CAP, Case, First, Record, Source};
use super::storage::process;
use super::timestamp;
use crate::collect::clock::Clock;
use crate::model::container::State;
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::owned::Place;
use crate::sys::root::{self, SysRoot};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A runtime's directory and, in that of a container, its file.
struct Kind {
    runtime: Runtime,
    /// The program, and its directory below `/run`.
    name: &'static str,
    file: &'static str,
    parse: fn(&[u8], &str) -> Option<Record>,
}

const KINDS: [Kind; 3] = [
    Kind { runtime: Runtime::Runc, name: "runc", file: "state.json", parse: runc },
    Kind { runtime: Runtime::Crun, name: "crun", file: "status", parse: crun },
    Kind { runtime: Runtime::Youki, name: "youki", file: "state.json", parse: youki },
];

/// The kernel opens no longer path.
const LONGEST: usize = libc::PATH_MAX as usize;

/// Ids are free text: a container is found by its first process.
#[derive(Debug, Default)]
pub struct OciState {
    owners: Owners,
    by_init: Option<Index>,
    /// The same of a directory that a user's runtime, or root's, was told.
    told: HashMap<(u32, &'static str, Text), Index>,
}

/// By pid and start of the first process.
type Index = HashMap<(Pid, u64), Record>;

impl Source for OciState {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let owners = &self.owners;
        let by_init = self.by_init.get_or_insert_with(|| index(records(case.root, owners)));
        let init = (case.init.pid, case.init.start_ticks);
        let found = by_init.get(&init).cloned();
        let found = found.or_else(|| self.told_by_monitor(case)?.get(&init).cloned());
        Ok(found.map(|record| under_engine(record, case)))
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        records(root, &self.owners)
    }
}

impl OciState {
    /// A runtime that stays in the foreground is the parent of what it made.
    fn told_by_monitor(&mut self, case: &Case<'_>) -> Option<&Index> {
        let monitor = case.monitor()?;
        let kind = KINDS.iter().find(|kind| kind.name.as_bytes() == monitor.comm)?;
        let told = Monitor::option(&monitor.arguments(), "--root")
            .filter(|told| told.as_bytes().len() < LONGEST)?;
        let key = (monitor.uid, kind.name, told.clone());
        let of_him = || self.told.keys().filter(|(uid, ..)| *uid == monitor.uid).count();
        if monitor.uid != 0 && !self.told.contains_key(&key) && of_him() >= MOST_ROOTS {
            return None;
        }
        Some(self.told.entry(key).or_insert_with(|| {
            let path = Path::new(OsStr::from_bytes(told.as_bytes()));
            let place = self.owners.claimed(case.root, monitor.uid, path);
            index(place.iter().flat_map(|place| below(case.root, place, kind)))
        }))
    }
}

/// What the runtime that an engine used noted of a container.
pub fn noted(root: &SysRoot, owners: &Owners, uid: u32, id: &str) -> Option<Record> {
    KINDS.iter().find_map(|kind| {
        let place = usual_place(root, owners, uid, kind).ok()?;
        record(root, &place, kind, id)
    })
}

/// The same in a directory that an engine gave a runtime.
pub fn noted_in(root: &SysRoot, place: &Place, id: &str) -> Option<Record> {
    KINDS.iter().find_map(|kind| record(root, place, kind, id))
}

/// Where the runtimes keep what they note of a user's containers.
pub fn usual_places(root: &SysRoot, owners: &Owners, uid: u32) -> Vec<Place> {
    KINDS.iter().filter_map(|kind| usual_place(root, owners, uid, kind).ok()).collect()
}

fn usual_place(root: &SysRoot, owners: &Owners, uid: u32, kind: &Kind) -> Result<Place> {
    match uid {
        0 => Place::of_root(root, &Path::new("/run").join(kind.name)),
        uid => owners.runtime_dir(root, uid, kind.name),
    }
}

/// An engine's container is the engine's, whatever it was made with.
fn under_engine(record: Record, case: &Case<'_>) -> Record {
    let engine = case.named.filter(|named| {
        named.runtime != Runtime::Oci
            && !named.is_host_service()
            && record.id.as_bytes() == named.id
    });
    match engine {
        Some(named) => Record { runtime: named.runtime, ..record },
        None => record,
    }
}

/// Root's come first.
fn index(records: impl IntoIterator<Item = Record>) -> Index {
    let mut by_init = Index::new();
    for record in records {
        if let First::At { pid, start_ticks: Some(ticks) } = record.first {
            by_init.entry((pid, ticks)).or_insert(record);
        }
    }
    by_init
}

/// Every readable record; an unreadable or malformed one is left out.
fn records(root: &SysRoot, owners: &Owners) -> Vec<Record> {
    let mut records = Vec::new();
    let users = Owners::present(root).into_iter().filter(|uid| *uid != 0);
    for uid in std::iter::once(0).chain(users) {
        for kind in &KINDS {
            let path = match uid {
                0 => Path::new("/run").join(kind.name),
                uid => owners::runtime_dir(uid).join(kind.name),
            };
            let place = record::found(root, &path, usual_place(root, owners, uid, kind));
            records.extend(place.iter().flat_map(|place| below(root, place, kind)));
        }
    }
    records
}

fn below(root: &SysRoot, place: &Place, kind: &Kind) -> Vec<Record> {
    let names = place.names();
    names.iter().filter_map(|id| record(root, place, kind, id)).collect()
}

fn record(root: &SysRoot, place: &Place, kind: &Kind, id: &str) -> Option<Record> {
    let file = format!("{id}/{}", kind.file);
    let bytes = record::noted_of(place, place.read(&file, CAP))?;
    let path = || root::path_text(&place.path().join(&file));
    let mut record = record::parsed_of(place, path(), (kind.parse)(&bytes, id))?;
    if record.runtime == Runtime::Unknown {
        record.runtime = kind.runtime;
        // Engines' ids are nobody's names.
        record.name = Some(&record.id).filter(|id| !is_engine_id(id.as_bytes())).cloned();
    }
    record.first = first(root, &record, place.uid());
    record.owner_uid = Some(place.uid());
    record.state = State::Stopped;
    record.file = path();
    Some(record)
}

/// A user's record speaks of nobody else's process. youki notes no start time: a process that
/// started after the record was made is another one.
fn first(root: &SysRoot, record: &Record, uid: u32) -> First {
    let (pid, start_ticks) = match record.first {
        First::At { pid, start_ticks } if owners::may_name(root, uid, pid) => (pid, start_ticks),
        _ => return First::NotRunning,
    };
    if start_ticks.is_some() {
        return record.first;
    }
    let started = || {
        let ticks = process::alive(root, pid)?.start_ticks;
        Clock::read(root).was_there(ticks, record.created_unix_seconds?)?.then_some(ticks)
    };
    started().map_or(First::NotRunning, |ticks| First::At { pid, start_ticks: Some(ticks) })
}

const ID: Key = &["id"];
const CREATED: Key = &["created"];

/// runc's `state.json`, in which labels are `KEY=VALUE`; `bundle` is one of them.
pub fn runc(bytes: &[u8], _: &str) -> Option<Record> {
    const PID: Key = &["init_process_pid"];
    const START: Key = &["init_process_start"];
    const LABELS: Key = &["config", "labels", "*"];
    let json = Picked::from_json(bytes, &[ID, CREATED, PID, START, LABELS])?;
    let id = json.text(ID)?;
    let bundle = json.all(LABELS).find_map(|(_, label)| label.strip_prefix("bundle="));
    Some(Record {
        runtime: engine_of(bundle.unwrap_or_default(), id),
        id: id.into(),
        created_unix_seconds: json.text(CREATED).and_then(timestamp::unix_seconds),
        first: First::of(json.number(PID)?, json.number(START)),
        ..Record::default()
    })
}

/// crun's `status`, which is called by its directory alone.
pub fn crun(bytes: &[u8], id: &str) -> Option<Record> {
    const PID: Key = &["pid"];
    const START: Key = &["process-start-time"];
    const BUNDLE: Key = &["bundle"];
    let json = Picked::from_json(bytes, &[CREATED, PID, START, BUNDLE])?;
    Some(Record {
        runtime: engine_of(json.text(BUNDLE).unwrap_or_default(), id),
        id: id.into(),
        created_unix_seconds: json.text(CREATED).and_then(timestamp::unix_seconds),
        first: First::of(json.number(PID)?, json.number(START)),
        ..Record::default()
    })
}

/// youki's `state.json`, in OCI's own form.
pub fn youki(bytes: &[u8], _: &str) -> Option<Record> {
    const PID: Key = &["pid"];
    const BUNDLE: Key = &["bundle"];
    let json = Picked::from_json(bytes, &[ID, CREATED, PID, BUNDLE])?;
    let id = json.text(ID)?;
    Some(Record {
        runtime: engine_of(json.text(BUNDLE).unwrap_or_default(), id),
        id: id.into(),
        created_unix_seconds: json.text(CREATED).and_then(timestamp::unix_seconds),
        first: First::of(json.number(PID).unwrap_or(0), None),
        ..Record::default()
    })
}

/// Whose bundle it is, where that can be seen.
fn engine_of(bundle: &str, id: &str) -> Runtime {
    let bundle = bundle.strip_suffix("/userdata").unwrap_or(bundle);
    let parent = bundle.strip_suffix(id).and_then(|parent| parent.strip_suffix('/'));
    match parent.and_then(|parent| parent.rsplit('/').next()) {
        Some("executor") => Runtime::Buildkit,
        Some(parent) if parent.ends_with("-containers") => Runtime::Podman,
        _ => Runtime::Unknown,
    }
}

#[cfg(test)]
mod tests;
