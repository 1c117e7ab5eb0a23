//! What `nsx spawn` isolated: told by the supervisor that it leaves outside, and by the record that
//! one with a name keeps.

use super::owners::Owners;
use super::recognise::Recognised;
use super::record::{Case, First, Record, Source};
use crate::model::container::Label;
use crate::model::runtime::Runtime;
use crate::model::spawned::{DIRECTORY, Spawned};
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::incarnation;
use crate::sys::owned::Place;
use crate::sys::root::{SysRoot, path_text};
use std::collections::HashMap;
use std::path::Path;

/// What is missing where one cannot be read: the supervisor vouches for the program all the same.
const WHAT: &str = "records of named programs";
/// Nobody has more of them.
const MOST: usize = 4096;

/// What each user's named programs left as records.
#[derive(Debug, Default)]
pub struct Nsx {
    owners: Owners,
    /// By user: read when first asked for.
    records: HashMap<u32, Vec<(Text, Spawned)>>,
}

impl Source for Nsx {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let supervisor = case.monitor().filter(|monitor| {
            case.named.is_none_or(Recognised::is_host_service)
                && matches!(monitor.comm.as_slice(), b"nsx" | b"nsx-spawn" | b"unshare")
        });
        let Some(supervisor) = supervisor else { return Ok(None) };
        let uid = supervisor.uid;
        let init = case.init.pid.number();
        let records = self.of(case.root, uid);
        let named = records.iter().find(|(_, spawned)| {
            spawned.supervisor.pid == supervisor.pid.number()
                && spawned.process.is_some_and(|process| process.pid == init)
        });
        Ok(Some(match named {
            Some((file, spawned)) => record(file, spawned, uid),
            None => Record {
                runtime: Runtime::Nsx,
                owner_uid: Some(uid),
                file: format!("pid {}", supervisor.pid).into(),
                ..Record::default()
            },
        }))
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        let mut uids = Owners::present(root);
        uids.push(0);
        let boot = incarnation::boot_id(root).unwrap_or_default();
        let mut all = Vec::new();
        for uid in uids {
            for (file, spawned) in self.of(root, uid) {
                let mut record = record(file, spawned, uid);
                if spawned.boot_id != boot {
                    record.first = First::NotRunning;
                }
                all.push(record);
            }
        }
        all
    }
}

impl Nsx {
    fn of(&mut self, root: &SysRoot, uid: u32) -> &[(Text, Spawned)] {
        let owners = &self.owners;
        self.records.entry(uid).or_insert_with(|| {
            let place = match uid {
                0 => Place::of_root(root, Path::new(DIRECTORY)),
                uid => owners.runtime_dir(root, uid, "nsx"),
            };
            let place = root.reach().told(|| DIRECTORY.into(), WHAT, place);
            place.map(|place| read(root, &place)).unwrap_or_default()
        })
    }
}

fn read(root: &SysRoot, place: &Place) -> Vec<(Text, Spawned)> {
    let records = place.names().into_iter().take(MOST).filter_map(|file| {
        let name = file.strip_suffix(".json")?;
        let object = || path_text(&place.path().join(&file));
        let read = place.read(&file, Spawned::MOST_BYTES);
        let spawned = Spawned::parse(&root.reach().told(object, WHAT, read)?)?;
        (spawned.name == name).then(|| (path_text(&place.path().join(&file)), spawned))
    });
    records.collect()
}

fn record(file: &Text, spawned: &Spawned, uid: u32) -> Record {
    let command = spawned.command.join(" ");
    Record {
        runtime: Runtime::Nsx,
        name: Some(spawned.name.as_str().into()),
        labels: labels(spawned, &command),
        program: (!command.is_empty()).then(|| command.as_str().into()),
        created_unix_seconds: Some(spawned.created_unix_seconds),
        owner_uid: Some(uid),
        first: spawned.process.map_or(First::NotRunning, |process| {
            First::of(process.pid.into(), Some(process.start_ticks))
        }),
        file: file.clone(),
        ..Record::default()
    }
}

/// What it runs, and what it may use: `nsx.command`, `nsx.limit.memory`.
fn labels(spawned: &Spawned, command: &str) -> Vec<Label> {
    let limits =
        spawned.limits.iter().map(|(name, value)| (format!("nsx.limit.{name}"), value.as_str()));
    let all = limits.chain([("nsx.command".to_owned(), command)]);
    let mut labels: Vec<Label> =
        all.map(|(name, value)| (name.as_str().into(), value.into())).collect();
    labels.sort();
    labels
}
